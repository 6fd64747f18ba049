// TypeScript's language service over a function's files and the types of what it imports: what can be written at a place,
// what something is, and what is wrong. It reads no disk and fetches nothing.
import ts from 'typescript';
import { parseJsonc } from '../bundle/jsonc.ts';
import { readImportMap, throughMap, type ImportMapSource } from '../bundle/importmap.ts';

export interface Offer {
  label: string;
  /** TypeScript's word for what it is, as `method`. */
  kind: string;
  /** TypeScript's own order. */
  sort: string;
}

export interface Told {
  /** What it is, as TypeScript writes it. */
  signature: string;
  documentation: string;
  /** Where it stands, in characters. */
  from: number;
  to: number;
}

export interface Wrong {
  from: number;
  to: number;
  message: string;
  severity: 'error' | 'warning';
}

/** Where the user's files are, beside `/node_modules` and `/lib`. */
const root = '/function/';

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ESNext,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  lib: ['lib.esnext.d.ts', 'lib.webworker.d.ts', 'lib.webworker.iterable.d.ts', 'lib.webworker.asynciterable.d.ts'],
  types: [],
  jsx: ts.JsxEmit.ReactJSX,
  strict: true,
  allowJs: true,
  allowImportingTsExtensions: true,
  resolveJsonModule: true,
  skipLibCheck: true,
  noEmit: true,
};

/** Specifiers of packages that are not here: nothing can be said of what comes from them, and nothing is. */
const unknowable = new Set([2307, 2792, 7016, 2875, 6137]);
/** What Deno does not mind: a module without imports that waits, and names that several files have. */
const harmless = new Set([1375, 1378, 2451]);

/** Packages that JSR has under another name. */
const twins: Record<string, string> = { '@hono/hono': 'hono', '@zod/zod': 'zod', '@panva/jose': 'jose' };

export class Types {
  readonly #library: Map<string, string>;
  #files = new Map<string, { text: string; version: number }>();
  #map = readImportMap({}, `file://${root}`);
  #edition = 0;
  readonly #service: ts.LanguageService;

  /** `library` is declarations by path: `/lib/…`, `/node_modules/…`, and `/deno.d.ts`. */
  constructor(library: Map<string, string>) {
    this.#library = library;
    const read = (path: string) => this.#files.get(path)?.text ?? library.get(path);
    const folders = new Set([...library.keys()].flatMap((path) => path.split('/').slice(0, -1).map((_, index, parts) => parts.slice(0, index + 1).join('/'))));
    const host: ts.LanguageServiceHost = {
      getCompilationSettings: () => options,
      getProjectVersion: () => String(this.#edition),
      getScriptFileNames: () => ['/deno.d.ts', ...[...this.#files.keys()].filter((path) => /\.[mc]?[jt]sx?$/.test(path))],
      getScriptVersion: (path) => String(this.#files.get(path)?.version ?? 0),
      getScriptSnapshot: (path) => {
        const text = read(path);
        return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
      },
      getCurrentDirectory: () => root,
      getDefaultLibFileName: () => '/lib/lib.esnext.d.ts',
      fileExists: (path) => read(path) !== undefined,
      readFile: read,
      directoryExists: (path) => folders.has(path) || path === root.slice(0, -1),
      getDirectories: () => [],
      resolveModuleNameLiterals: (literals, from) => literals.map(({ text }) => this.#resolve(text, from, host)),
    };
    this.#service = ts.createLanguageService(host);
  }

  /** What the function is made of now; only text counts. */
  update(files: Record<string, string>): void {
    const next = new Map<string, { text: string; version: number }>();
    this.#edition += 1;
    for (const [path, text] of Object.entries(files)) {
      const known = this.#files.get(root + path);
      next.set(root + path, known?.text === text ? known : { text, version: this.#edition });
    }
    this.#files = next;
    const [config] = ['deno.json', 'deno.jsonc', 'import_map.json'].flatMap((name) => (Object.hasOwn(files, name) ? [files[name]!] : []));
    try {
      this.#map = readImportMap((config === undefined ? {} : parseJsonc(config)) as ImportMapSource, `file://${root}`);
    } catch {
      // While it is being written, what it was goes on.
    }
  }

  #resolve(specifier: string, from: string, host: ts.LanguageServiceHost): ts.ResolvedModuleWithFailedLookupLocations {
    const found = (name: string) => ts.resolveModuleName(name, from.startsWith(root) ? `${root}index.ts` : from, options, host as ts.ModuleResolutionHost);
    if (!from.startsWith(root)) return found(specifier);
    const address = throughMap(this.#map, specifier, `file://${from}`) ?? specifier;
    const file = address.startsWith('file://') ? decodeURIComponent(address.slice('file://'.length)) : undefined;
    if (file !== undefined) {
      const extension = /(?:\.d)?\.[mc]?[jt]sx?$|\.json$/.exec(file)?.[0];
      const resolvedModule = extension && this.#files.has(file) ? { resolvedFileName: file, extension, isExternalLibraryImport: false } : undefined;
      return { resolvedModule } as ts.ResolvedModuleWithFailedLookupLocations;
    }
    const [, scheme, name, subpath = ''] = /^(npm|jsr):\/?((?:@[^/@]+\/)?[^/@]+)(?:@[^/]*)?(\/.*)?$/.exec(address.replace(/^https:\/\/(?:esm\.sh|cdn\.jsdelivr\.net\/npm)\//, 'npm:').replace(/\/\+esm$/, '')) ?? [];
    if (name?.startsWith('@std/')) {
      const own = `/std/${name.slice('@std/'.length).replaceAll('-', '_')}${subpath ? subpath.replaceAll('-', '_') : '/mod'}.ts`;
      return { resolvedModule: this.#library.has(own) ? { resolvedFileName: own, extension: '.ts', isExternalLibraryImport: true } : undefined } as ts.ResolvedModuleWithFailedLookupLocations;
    }
    return scheme ? found((twins[name!] ?? name!) + subpath) : { resolvedModule: undefined } as ts.ResolvedModuleWithFailedLookupLocations;
  }

  /** What can be written at a place: members behind a dot, else what is in scope, without what would have to be imported. */
  offers(path: string, at: number): Offer[] {
    const found = this.#service.getCompletionsAtPosition(root + path, at, { includeCompletionsWithInsertText: false });
    return (found?.entries ?? []).map(({ name, kind, sortText }) => ({ label: name, kind, sort: sortText }));
  }

  /** More of one that was offered. */
  details(path: string, at: number, label: string): Omit<Told, 'from' | 'to'> | undefined {
    const found = this.#service.getCompletionEntryDetails(root + path, at, label, {}, undefined, {}, undefined);
    return found && { signature: ts.displayPartsToString(found.displayParts), documentation: ts.displayPartsToString(found.documentation) };
  }

  /** What something is. */
  told(path: string, at: number): Told | undefined {
    const found = this.#service.getQuickInfoAtPosition(root + path, at);
    return found && { signature: ts.displayPartsToString(found.displayParts), documentation: ts.displayPartsToString(found.documentation), from: found.textSpan.start, to: found.textSpan.start + found.textSpan.length };
  }

  /** What is wrong in a file, as far as everything that it imports is known. */
  wrong(path: string): Wrong[] {
    const file = root + path;
    if (!this.#files.has(file) || !/\.[mc]?tsx?$/.test(file)) return [];
    return [...this.#service.getSyntacticDiagnostics(file), ...this.#service.getSemanticDiagnostics(file)]
      .filter(({ code, start }) => start !== undefined && !unknowable.has(code) && !harmless.has(code))
      .map(({ start, length, messageText, category }) => ({ from: start!, to: start! + (length ?? 1), message: ts.flattenDiagnosticMessageText(messageText, '\n'), severity: category === ts.DiagnosticCategory.Error ? 'error' : 'warning' }));
  }
}

export type Ask =
  | { ask: number; kind: 'update'; files: Record<string, string> }
  | { ask: number; kind: 'offers'; path: string; at: number }
  | { ask: number; kind: 'details'; path: string; at: number; label: string }
  | { ask: number; kind: 'told'; path: string; at: number }
  | { ask: number; kind: 'wrong'; path: string };
