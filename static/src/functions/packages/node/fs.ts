// `node:fs`: the static files of a function can be read, and nothing can be written.
import { Buffer } from 'node:buffer';

type Path = string | URL | Buffer;
type Encoding = BufferEncoding | { encoding?: BufferEncoding | null } | null | undefined;
type Done<Value> = (error: Error | null, value?: Value) => void;

const where = (path: Path) => (path instanceof URL ? path : String(path));
const failed = (code: string, call: string, path: unknown, why: string) => Object.assign(new Error(`${code}: ${why}, ${call} '${String(path)}'`), { code, syscall: call, path: String(path) });
const absent = (path: Path) => failed('ENOENT', 'open', path, 'no such file or directory');

function decoded(bytes: Uint8Array, encoding: Encoding): string | Buffer {
  const name = typeof encoding === 'string' ? encoding : encoding?.encoding;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return name ? buffer.toString(name) : buffer;
}

export function readFileSync(path: Path, encoding?: Encoding): string | Buffer {
  try {
    return decoded(Deno.readFileSync(where(path)), encoding);
  } catch {
    throw absent(path);
  }
}

async function readFileLater(path: Path, encoding?: Encoding): Promise<string | Buffer> {
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(where(path));
  } catch {
    throw absent(path);
  }
  return decoded(bytes, encoding);
}

export function readFile(path: Path, ...rest: [Encoding, Done<string | Buffer>] | [Done<string | Buffer>]): void {
  const done = rest.at(-1) as Done<string | Buffer>;
  readFileLater(path, rest.length > 1 ? (rest[0] as Encoding) : undefined).then((value) => done(null, value), done);
}

export function existsSync(path: Path): boolean {
  try {
    Deno.readFileSync(where(path));
    return true;
  } catch {
    return false;
  }
}

export function accessSync(path: Path): void {
  if (!existsSync(path)) throw absent(path);
}

export function access(path: Path, ...rest: [number, Done<void>] | [Done<void>]): void {
  const done = rest.at(-1) as Done<void>;
  queueMicrotask(() => done(existsSync(path) ? null : absent(path)));
}

export function statSync(path: Path) {
  const { length } = readFileSync(path);
  const never = () => false;
  return { size: length, mode: 0o100444, mtime: new Date(0), mtimeMs: 0, isFile: () => true, isDirectory: never, isSymbolicLink: never };
}
export const lstatSync = statSync;

export function stat(path: Path, ...rest: [unknown, Done<ReturnType<typeof statSync>>] | [Done<ReturnType<typeof statSync>>]): void {
  const done = rest.at(-1) as Done<ReturnType<typeof statSync>>;
  queueMicrotask(() => {
    if (existsSync(path)) done(null, statSync(path));
    else done(absent(path));
  });
}
export const lstat = stat;
export const realpathSync = Object.assign((path: Path) => String(path), { native: (path: Path) => String(path) });
export const realpath = (path: Path, done: Done<string>) => queueMicrotask(() => done(null, String(path)));

/** Calls that no function can make: each says so when it is made, to whoever waits for its answer. */
const refused = (call: string) => (...given: unknown[]): never | void => {
  const error = failed('EROFS', call, given[0], 'a function has no files of its own');
  const done = given.at(-1);
  if (typeof done === 'function' && !call.endsWith('Sync')) queueMicrotask(() => done(error));
  else throw error;
};

export const appendFile = refused('appendFile'), appendFileSync = refused('appendFileSync'), chmod = refused('chmod'), chmodSync = refused('chmodSync'), chown = refused('chown');
export const chownSync = refused('chownSync'), close = refused('close'), closeSync = refused('closeSync'), copyFile = refused('copyFile'), copyFileSync = refused('copyFileSync');
export const cp = refused('cp'), cpSync = refused('cpSync'), createReadStream = refused('createReadStream'), createWriteStream = refused('createWriteStream');
export const fstat = refused('fstat'), fstatSync = refused('fstatSync'), fsync = refused('fsync'), fsyncSync = refused('fsyncSync'), ftruncate = refused('ftruncate');
export const link = refused('link'), linkSync = refused('linkSync'), mkdir = refused('mkdir'), mkdirSync = refused('mkdirSync'), mkdtemp = refused('mkdtemp'), mkdtempSync = refused('mkdtempSync');
export const open = refused('open'), openSync = refused('openSync'), opendir = refused('opendir'), opendirSync = refused('opendirSync'), read = refused('read'), readSync = refused('readSync');
export const readdir = refused('readdir'), readdirSync = refused('readdirSync'), readlink = refused('readlink'), readlinkSync = refused('readlinkSync'), rename = refused('rename');
export const renameSync = refused('renameSync'), rm = refused('rm'), rmSync = refused('rmSync'), rmdir = refused('rmdir'), rmdirSync = refused('rmdirSync'), symlink = refused('symlink');
export const symlinkSync = refused('symlinkSync'), truncate = refused('truncate'), truncateSync = refused('truncateSync'), unlink = refused('unlink'), unlinkSync = refused('unlinkSync');
export const utimes = refused('utimes'), utimesSync = refused('utimesSync'), watch = refused('watch'), watchFile = refused('watchFile'), unwatchFile = refused('unwatchFile');
export const write = refused('write'), writeSync = refused('writeSync'), writeFile = refused('writeFile'), writeFileSync = refused('writeFileSync');

export const constants = { F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1, O_RDONLY: 0, O_WRONLY: 1, O_RDWR: 2, O_CREAT: 64, O_EXCL: 128, O_TRUNC: 512, O_APPEND: 1024, COPYFILE_EXCL: 1 };

const later = (call: string) => async (...given: unknown[]): Promise<never> => {
  throw failed('EROFS', call, given[0], 'a function has no files of its own');
};

export const promises = {
  readFile: readFileLater,
  access: async (path: Path) => accessSync(path),
  stat: async (path: Path) => statSync(path),
  lstat: async (path: Path) => statSync(path),
  realpath: async (path: Path) => String(path),
  appendFile: later('appendFile'), chmod: later('chmod'), chown: later('chown'), copyFile: later('copyFile'), cp: later('cp'), link: later('link'), mkdir: later('mkdir'),
  mkdtemp: later('mkdtemp'), open: later('open'), opendir: later('opendir'), readdir: later('readdir'), readlink: later('readlink'), rename: later('rename'), rm: later('rm'),
  rmdir: later('rmdir'), symlink: later('symlink'), truncate: later('truncate'), unlink: later('unlink'), utimes: later('utimes'), watch: later('watch'), writeFile: later('writeFile'),
  constants,
};

export default {
  readFileSync, readFile, existsSync, accessSync, access, statSync, lstatSync, stat, lstat, realpathSync, realpath, appendFile, appendFileSync, chmod, chmodSync, chown, chownSync,
  close, closeSync, copyFile, copyFileSync, cp, cpSync, createReadStream, createWriteStream, fstat, fstatSync, fsync, fsyncSync, ftruncate, link, linkSync, mkdir, mkdirSync, mkdtemp,
  mkdtempSync, open, openSync, opendir, opendirSync, read, readSync, readdir, readdirSync, readlink, readlinkSync, rename, renameSync, rm, rmSync, rmdir, rmdirSync, symlink, symlinkSync,
  truncate, truncateSync, unlink, unlinkSync, utimes, utimesSync, watch, watchFile, unwatchFile, write, writeSync, writeFile, writeFileSync, constants, promises,
};
