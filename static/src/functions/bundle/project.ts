// The user's side of a bundle: their files, and what deno.json, an import map and package.json say of them.
import type { Files } from './archive.ts';
import { parseJsonc } from './jsonc.ts';
import { readImportMap, type ImportMap, type ImportMapSource } from './importmap.ts';
import { NotBundled } from './problems.ts';

/** Where the files are taken to lie while they are bundled; their names at run time are the runtime's. */
export const root = 'file:///';

export interface ProjectOptions {
  /** Path of the module to start at; the usual names are tried without one. */
  entrypoint?: string;
  /** Path of an import map, which then counts instead of deno.json's own. */
  importMap?: string;
  /** Globs, from the files' root; a leading `./` is allowed. */
  staticFiles?: string[];
}

export interface Project {
  files: Files;
  entrypoint: string;
  imports: ImportMap;
  /** What package.json depends on: ranges by name. */
  dependencies: Record<string, string>;
  /** What esbuild takes of `compilerOptions`. */
  compilerOptions: Record<string, unknown>;
  /** A deno.lock beside the configuration, parsed. */
  lock: unknown;
  /** Files that the function reads at run time. */
  statics: string[];
  /** Files that decide how it is built, beside its modules. */
  configuration: string[];
}

interface DenoJson extends ImportMapSource {
  importMap?: string;
  compilerOptions?: Record<string, unknown>;
  static_files?: string[];
  lock?: string | boolean | { path?: string };
}

const entrypoints = ['index.ts', 'index.tsx', 'index.js', 'index.jsx', 'index.mjs', 'index.mts', 'main.ts', 'mod.ts'];
const understood = ['experimentalDecorators', 'jsx', 'jsxFactory', 'jsxFragmentFactory', 'jsxImportSource', 'useDefineForClassFields', 'verbatimModuleSyntax'];

export function readProject(files: Files, options: ProjectOptions): Project {
  const entrypoint = entryOf(files, options.entrypoint);
  const configuration: string[] = [];
  const read = <Shape>(path: string): Shape => {
    configuration.push(path);
    return json(files, path) as Shape;
  };
  const above = folders(entrypoint);
  const nearest = (...names: string[]) => above.flatMap((folder) => names.map((name) => folder + name)).find((path) => files.has(path));

  const denoPath = nearest('deno.json', 'deno.jsonc');
  const deno: DenoJson = denoPath ? read(denoPath) : {};
  const mapPath = options.importMap !== undefined ? inside(options.importMap, root) : deno.importMap !== undefined && denoPath ? inside(deno.importMap, root + denoPath) : nearest('import_map.json');
  const hasOwn = options.importMap === undefined && (deno.imports ?? deno.scopes) !== undefined;
  if (!hasOwn && mapPath !== undefined && !files.has(mapPath)) throw new NotBundled([{ message: `There is no import map at ${mapPath}.` }]);
  const [map, base] = hasOwn || mapPath === undefined ? [deno, denoPath ?? ''] : mapPath === denoPath ? [deno, mapPath] : [read<ImportMapSource>(mapPath), mapPath];

  const packagePath = nearest('package.json');
  const { dependencies = {} } = packagePath ? read<{ dependencies?: Record<string, string> }>(packagePath) : {};
  const lockPath = deno.lock === false ? undefined : typeof deno.lock === 'string' && denoPath ? inside(deno.lock, root + denoPath) : nearest('deno.lock');
  const statics = [
    ...(options.staticFiles ?? []).map((glob) => inside(glob, root)),
    ...(deno.static_files ?? []).map((glob) => inside(glob, root + denoPath)),
  ];
  return {
    files,
    entrypoint,
    imports: readImportMap(map, root + base),
    dependencies,
    compilerOptions: Object.fromEntries(Object.entries(deno.compilerOptions ?? {}).filter(([name]) => understood.includes(name))),
    lock: lockPath !== undefined && files.has(lockPath) ? read(lockPath) : undefined,
    statics: matching(files, statics),
    configuration,
  };
}

function entryOf(files: Files, asked: string | undefined): string {
  if (asked !== undefined) {
    const path = inside(asked, root);
    if (files.has(path)) return path;
    throw new NotBundled([{ message: `There is no file ${path} to start at.` }]);
  }
  const found = entrypoints.find((name) => files.has(name));
  if (found) return found;
  throw new NotBundled([{ message: `There is nothing to start at: no file is called ${entrypoints.slice(0, 3).join(', ')} or the like. \`entrypoint\` names another.` }]);
}

/** The folders above a file, its own first, each with a slash at its end, the root's name being empty. */
function folders(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return Array.from({ length: parts.length + 1 }, (_, index) => parts.slice(0, parts.length - index).map((part) => `${part}/`).join(''));
}

/** A path from the root, of one relative to `base`. Nothing leads out of the root. */
export function inside(path: string, base: string): string {
  // A glob's own characters must not be taken for a query.
  return decodeURIComponent(new URL(path.replace(/[%?#]/g, encodeURIComponent), base).pathname.slice(1));
}

/** The path of one of the user's files, of its address. */
export const pathOf = (address: string): string => decodeURIComponent(new URL(address).pathname.slice(1));

/** The address of one of the user's files. */
export const addressOf = (path: string): string => root + path.split('/').map(encodeURIComponent).join('/');

function json(files: Files, path: string): unknown {
  const text = new TextDecoder().decode(files.get(path));
  try {
    const value = parseJsonc(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch (error) {
    throw new NotBundled([{ message: `This is no JSON: ${(error as Error).message}`, file: path, ...placeOf(text, (error as Error).message) }]);
  }
  throw new NotBundled([{ message: 'This is no JSON object.', file: path }]);
}

/** Engines that say where JSON is broken say it in characters from its beginning. */
function placeOf(text: string, message: string): { line: number; column: number } | undefined {
  const at = Number(/position (\d+)/.exec(message)?.[1] ?? Number.NaN);
  if (Number.isNaN(at)) return undefined;
  const before = text.slice(0, at).split('\n');
  return { line: before.length, column: before.at(-1)!.length + 1 };
}

/** Files that a glob matches; a glob that matches none is a mistake to be told of. */
function matching(files: Files, globs: string[]): string[] {
  const found = new Set<string>();
  for (const glob of globs) {
    const pattern = expression(glob);
    const matches = [...files.keys()].filter((path) => pattern.test(path));
    if (!matches.length) throw new NotBundled([{ message: `The static files ${JSON.stringify(glob)} are none: no file has such a name.` }]);
    for (const path of matches) found.add(path);
  }
  return [...found].sort();
}

/** `*` and `?` within a folder, `**` over any, `{a,b}` one of these. */
function expression(glob: string): RegExp {
  let depth = 0;
  const source = glob.replace(/\*\*\/|\*\*|[*?{},]|[^*?{},]+/g, (token) => {
    switch (token) {
      case '**/': return '(?:.*/)?';
      case '**': return '.*';
      case '*': return '[^/]*';
      case '?': return '[^/]';
      case '{': depth += 1; return '(?:';
      case '}': depth -= 1; return ')';
      case ',': return depth > 0 ? '|' : ',';
      default: return token.replace(/[.+^$()|[\]\\]/g, '\\$&');
    }
  });
  try {
    return new RegExp(`^${source}$`);
  } catch {
    throw new NotBundled([{ message: `The static files ${JSON.stringify(glob)} cannot be read: a brace is missing.` }]);
  }
}
