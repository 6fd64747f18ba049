// Static files of the bundle, by the paths that the function knows them by. Nothing else is there, and nothing is written.
import { errors } from './errors.ts';

/** Where a function's files seem to be: `import.meta.url` is `file://` with this before the source's path. */
export const folder = '/home/deno/function';

export class Files {
  readonly #files: Map<string, Uint8Array>;

  constructor(files: [string, Uint8Array][]) {
    this.#files = new Map(files.map(([path, contents]) => [plain(path), contents]));
  }

  read(path: string | URL, what: string): Uint8Array {
    const found = this.#files.get(plain(path)) ?? this.#below(plain(path));
    if (!found) throw new errors.NotFound(`No such file or directory (os error 2): ${what} '${String(path)}'`);
    return found;
  }

  /** The one file of this path below some folder: a function's own, where the bundle has several functions' files. */
  #below(path: string): Uint8Array | undefined {
    const found = [...this.#files].filter(([name]) => path !== '' && name.endsWith(`/${path}`));
    return found.length === 1 ? found[0]![1] : undefined;
  }

  /** Names below a folder; of no files, there is no folder. */
  list(path: string | URL): { name: string; isFile: boolean; isDirectory: boolean; isSymlink: boolean }[] {
    const within = plain(path);
    const names = new Map<string, boolean>();
    for (const file of this.#files.keys()) {
      if (within !== '' && !file.startsWith(`${within}/`)) continue;
      const [name, ...rest] = (within === '' ? file : file.slice(within.length + 1)).split('/');
      names.set(name!, rest.length > 0);
    }
    if (names.size === 0) throw new errors.NotFound(`No such file or directory (os error 2): readdir '${String(path)}'`);
    return [...names].map(([name, isDirectory]) => ({ name, isFile: !isDirectory, isDirectory, isSymlink: false }));
  }
}

/** A path below the function's folder, without `.` and `..`. */
function plain(path: string | URL): string {
  const text = String(path);
  let name = text.startsWith('file://') ? decodeURIComponent(new URL(text).pathname) : text;
  if (name.startsWith(`${folder}/`)) name = name.slice(folder.length + 1);
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}
