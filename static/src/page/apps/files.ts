// The files of an app, from wherever they come: a dropped folder, a chosen one, or a zip.
import { openZip } from './unzip.ts';

export interface AppFile {
  path: string;
  size: number;
  open: () => Promise<Blob>;
}

export interface Picked {
  /** What they came in. */
  folder: string;
  files: AppFile[];
  /** The archive itself, where it can be sent as it is. */
  zip?: Blob;
  /** What was left behind. */
  left: string[];
}

/** Neither a part of an app nor of use to one. */
const unwanted = (path: string) => /(^|\/)(\.git|__MACOSX)\//.test(path) || /(^|\/)(\.DS_Store|Thumbs\.db|desktop\.ini)$/.test(path);

const fromFile = (path: string, file: File): AppFile => ({ path, size: file.size, open: () => Promise.resolve(file) });

/** The files of `<input type=file webkitdirectory>`, or a single zip. */
export function fromInput(files: File[]): Promise<Picked> {
  return settle(files.map((file) => fromFile(file.webkitRelativePath || file.name, file)), files);
}

/** What was dropped; `found` hears how many files are known so far. */
export async function fromDrop(transfer: DataTransfer, found: (count: number) => void): Promise<Picked> {
  // Both lists are emptied as soon as the event is over: read before the first await.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry !== null && entry !== undefined);
  const plain = [...transfer.files];
  if (!entries.some((entry) => entry.isDirectory)) return settle(plain.map((file) => fromFile(file.name, file)), plain);
  const files: AppFile[] = [];
  const walk = async (entry: FileSystemEntry, path: string): Promise<void> => {
    if (entry.isFile) {
      if (unwanted(path)) return;
      const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
      files.push(fromFile(path, file));
      if (files.length % 64 === 0) found(files.length);
      return;
    }
    if (unwanted(`${path}/`)) {
      files.push({ path: `${path}/`, size: 0, open: () => Promise.resolve(new Blob()) });
      return;
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    for (;;) {
      const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
      if (some.length === 0) return;
      await Promise.all(some.map((each) => walk(each, `${path}/${each.name}`)));
    }
  };
  for (const entry of entries) await walk(entry, entry.name);
  return settle(files, []);
}

async function settle(files: AppFile[], originals: File[]): Promise<Picked> {
  const [only] = originals;
  if (originals.length === 1 && only && /\.zip$/i.test(only.name)) return fromZip(only, only.name);
  const top = topOf(files.map(({ path }) => path));
  return strip(files, top, top.slice(0, -1) || 'app');
}

/** Opens an archive. Where it wraps everything in one folder, or has what is unwanted, its files are packed again. */
export async function fromZip(zip: Blob, name: string): Promise<Picked> {
  const files = await openZip(zip);
  const top = topOf(files.map(({ path }) => path));
  const picked = strip(files, top, top.slice(0, -1) || name);
  return top === '' && picked.left.length === 0 ? { ...picked, zip } : picked;
}

function strip(files: AppFile[], top: string, folder: string): Picked {
  const left = new Set<string>();
  const kept: AppFile[] = [];
  for (const file of files) {
    const path = file.path.slice(top.length);
    if (unwanted(file.path)) left.add(/(^|\/)(\.git|__MACOSX)\//.exec(file.path)?.[2] ?? file.path.split('/').at(-1)!);
    else kept.push({ ...file, path });
  }
  kept.sort((one, other) => (one.path < other.path ? -1 : 1));
  return { folder, files: kept, left: [...left].sort() };
}

/** The one folder that all are in, with its slash; what macOS puts beside it does not count. */
function topOf(paths: string[]): string {
  const counted = paths.filter((path) => !path.startsWith('__MACOSX/') && !/^(\.DS_Store|Thumbs\.db)$/.test(path));
  const [top, ...more] = counted.length ? new Set(counted.map((path) => path.slice(0, path.indexOf('/') + 1))) : [''];
  return more.length === 0 ? (top ?? '') : '';
}

/** Only what is in `root`, a folder with its slash. */
export function under(picked: Picked, root: string | undefined): Picked {
  if (!root) return picked;
  const files = picked.files.filter(({ path }) => path.startsWith(root)).map((file) => ({ ...file, path: file.path.slice(root.length) }));
  return { folder: picked.folder, files, left: picked.left };
}

/** The text of small files among `names`, in the folder itself. */
export async function texts(files: AppFile[], names: string[]): Promise<Record<string, string>> {
  const wanted = files.filter(({ path, size }) => names.includes(path) && size < 1024 * 1024);
  const all = await Promise.all(wanted.map(async (file) => [file.path, await (await file.open()).text()] as const));
  return Object.fromEntries(all);
}

export const weight = (files: AppFile[]) => files.reduce((sum, { size }) => sum + size, 0);
