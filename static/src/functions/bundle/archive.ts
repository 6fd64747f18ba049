// Archives: npm's tarballs in, the deployed ZIP out.
import { unzipSync, zipSync } from 'fflate';
import { Fault } from './problems.ts';
import { upTo } from './remote.ts';

export type Files = Map<string, Uint8Array>;

const mega = 1024 * 1024;
const largestUnpacked = 256 * mega;

/** The files of a package as npm has it: a compressed tar (POSIX pax, ustar) whose files are all in one folder. */
export async function untar(name: string, compressed: Uint8Array): Promise<Files> {
  const stream = new Blob([compressed as BlobPart]).stream().pipeThrough(new DecompressionStream('gzip'));
  let tar: Uint8Array;
  try {
    tar = await upTo(largestUnpacked, stream, () => new Fault(`${name} is larger than ${largestUnpacked / mega} MB unpacked.`));
  } catch (error) {
    throw error instanceof Fault ? error : new Fault(`${name} is no archive: ${(error as Error).message}`);
  }
  const files: Files = new Map();
  const text = (at: number, length: number) => new TextDecoder().decode(tar.subarray(at, at + length)).replace(/\0[\s\S]*$/, '');
  let long: string | undefined;
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12).trim(), 8);
    const kind = String.fromCharCode(tar[at + 156]!);
    const from = at + 512;
    if (!Number.isSafeInteger(size) || from + size > tar.length) throw new Fault(`${name} is a broken archive.`);
    const content = tar.subarray(from, from + size);
    const prefix = text(at + 257, 5) === 'ustar' ? text(at + 345, 155) : '';
    if (kind === 'x' || kind === 'L') {
      long = kind === 'L' ? text(from, size) : (paxPath(content) ?? long);
    } else {
      // The first folder has whatever name its maker liked.
      const path = (long ?? (prefix ? `${prefix}/` : '') + text(at, 100)).split('/').slice(1).join('/');
      if ((kind === '0' || kind === '\0') && path) files.set(path, content);
      if (kind !== 'g') long = undefined;
    }
    at = from + Math.ceil(size / 512) * 512;
  }
  return files;
}

/** The path among the records `LENGTH KEY=VALUE\n` of a pax header; lengths count bytes. */
function paxPath(records: Uint8Array): string | undefined {
  let path: string | undefined;
  for (let at = 0; at < records.length; ) {
    const space = records.indexOf(0x20, at);
    const length = Number.parseInt(new TextDecoder().decode(records.subarray(at, space)), 10);
    if (space < 0 || !(length > 0)) break;
    const record = new TextDecoder().decode(records.subarray(space + 1, at + length - 1));
    if (record.startsWith('path=')) path = record.slice('path='.length);
    at += length;
  }
  return path;
}

/** The files of an archive, or those of them that are wanted. */
export function unzip(archive: Uint8Array, wanted: (path: string) => boolean = () => true): Files {
  return new Map(Object.entries(unzipSync(archive, { filter: ({ name }) => !name.endsWith('/') && wanted(name) })));
}

/** What routes and the machine take, in bytes. */
export const limits = { packed: 20 * mega, unpacked: 64 * mega };

/** One moment for all and one order: the same files make the same archive. */
export function zip(files: Files): Uint8Array {
  const unpacked = [...files.values()].reduce((sum, { length }) => sum + length, 0);
  if (unpacked > limits.unpacked) throw new Fault(`The function is too large: ${megabytes(unpacked)} unpacked, of at most ${limits.unpacked / mega}. ${largest(files)}`);
  const sorted = [...files].sort(([a], [b]) => (a < b ? -1 : 1));
  const archive = zipSync(Object.fromEntries(sorted), { level: 6, mtime: new Date(1980, 0, 1) });
  if (archive.length > limits.packed) throw new Fault(`The function is too large: ${megabytes(archive.length)} packed, of at most ${limits.packed / mega}. ${largest(files)}`);
  return archive;
}

function largest(files: Files): string {
  const [path, { length }] = [...files].reduce((most, next) => (next[1].length > most[1].length ? next : most));
  return `Its largest file is ${path}, ${megabytes(length)}.`;
}

const megabytes = (bytes: number) => `${(bytes / mega).toFixed(1)} MB`;
