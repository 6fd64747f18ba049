// One module out of a function's files, and the archive that is deployed:
//   bundle/index.js, index.js.map   everything the function needs, no import left; the map has the user's sources in it
//   bundle/files/**                 what it reads at run time, under the paths it has among the sources
//   bundle/meta.json                `Meta`
//   source/**                       the files as they were given
// The same files, lock and packages give the same bytes, in every place.
import type { BuildOptions, BuildResult, Message, Plugin } from 'esbuild-wasm';
import { zip, type Files } from './archive.ts';
import { nodePackage } from './builtin.ts';
import { Lock, type Import } from './lock.ts';
import { Modules, type Content } from './modules.ts';
import { Fault, NotBundled, shown, type Problem } from './problems.ts';
import { addressOf, inside, readProject, root, type Project, type ProjectOptions } from './project.ts';
import { Rebuilds } from './rebuilds.ts';
import { Shipped } from './shipped.ts';
import { bytesOfItself, wasmModule } from './wasm.ts';
import type { World } from './world.ts';

export { NotBundled, shown, type Import, type Problem };

export interface BundleOptions extends ProjectOptions {
  /** `Meta.imports` of the version before: the same versions are taken again, and must be the same. */
  lock?: Import[];
  /** Forgets the lock and what was fetched before. */
  reload?: boolean;
  /** The folder that is the function's own, with a slash: of the files outside it, only what the bundle is made of is packed. */
  folder?: string;
}

export interface Meta {
  entrypoint: string;
  bundler: string;
  imports: Import[];
}

export interface Bundle {
  zip: Uint8Array;
  meta: Meta;
  warnings: Problem[];
}

export type SourceFiles = Record<string, Uint8Array>;

interface Job {
  project: Project;
  modules: Modules;
}

/** Bundlers share what they have read of the project's own packages, and of those of the function before. */
export class Bundler {
  readonly #shipped: Shipped;
  readonly #rebuilds: Rebuilds<Job>;

  constructor(readonly world: World) {
    this.#shipped = new Shipped(world.shipped);
    this.#rebuilds = new Rebuilds(world.esbuild);
  }

  /** Throws `NotBundled`, with a place for each problem that has one. */
  async bundle(sources: SourceFiles, options: BundleOptions = {}): Promise<Bundle> {
    const { lock: earlier = [], reload = false, folder = '' } = options;
    const warnings: Problem[] = [];
    const warn = (message: string) => void warnings.push({ message });
    const project = readProject(packable(sources, folder, warn), options);
    const lock = reload ? new Lock() : new Lock(earlier, project.lock);
    const modules = new Modules(project, this.#shipped, lock, this.world, reload, warn);
    const built = await this.#build(project, modules);
    warnings.push(...built.warnings.map(problem));

    const meta: Meta = { entrypoint: project.entrypoint, bundler: `esbuild ${this.world.esbuild.version}`, imports: lock.imports().filter(({ specifier }) => specifier !== `npm:${nodePackage}` || built.hasNode) };
    const reached = new Set([...built.reached, ...project.configuration, ...project.statics]);
    const json = (value: unknown) => new TextEncoder().encode(`${JSON.stringify(value, null, 1)}\n`);
    const files: Files = new Map([['bundle/index.js', built.code], ['bundle/index.js.map', built.map], ['bundle/meta.json', json(meta)]]);
    for (const path of project.statics) files.set(`bundle/files/${path}`, project.files.get(path)!);
    for (const [path, bytes] of project.files) {
      if (path.startsWith(folder) || reached.has(path)) files.set(`source/${path}`, bytes);
    }
    try {
      return { zip: zip(files), meta, warnings };
    } catch (error) {
      throw error instanceof Fault ? new NotBundled([{ message: error.message }]) : error;
    }
  }

  async #build(project: Project, modules: Modules): Promise<{ code: Uint8Array; map: Uint8Array; reached: string[]; hasNode: boolean; warnings: Message[] }> {
    let result: BuildResult<{ write: false; metafile: true }>;
    try {
      result = await this.#rebuilds.build({
        ...settings,
        entryPoints: [addressOf(project.entrypoint)],
        tsconfigRaw: { compilerOptions: project.compilerOptions },
      }, plugin, { project, modules });
    } catch (error) {
      const { errors } = error as { errors?: Message[] };
      throw errors ? new NotBundled(errors.map(problem)) : error;
    }
    const output = (ending: string) => result.outputFiles.find(({ path }) => path.endsWith(ending))!;
    const left = Object.values(result.metafile.outputs).flatMap(({ imports }) => imports.filter(({ external }) => external));
    if (left.length) throw new NotBundled(left.map(({ path }) => ({ message: `${path} could not be bundled.` })));
    return {
      code: output('.js').contents,
      map: sourceMap(output('.map').text, project),
      // Every module could have a `Buffer`; few do.
      hasNode: Object.values(result.metafile.outputs).some(({ inputs }) => Object.entries(inputs).some(([input, { bytesInOutput }]) => bytesInOutput > 0 && input.startsWith(`npm:${nodePackage}@`))),
      reached: Object.keys(result.metafile.inputs).filter((name) => name.startsWith(`${namespace}:`)).map((name) => inside(name.slice(namespace.length + 1), root)),
      warnings: result.warnings,
    };
  }
}

/** esbuild looks for what is in `file` on the disk, so the user's files have a name of their own. */
const namespace = 'function';

const settings = {
  bundle: true,
  write: false,
  metafile: true,
  format: 'esm',
  // A newer one would need newer browsers than the gateway does.
  target: 'es2022',
  platform: 'neutral',
  outfile: 'index.js',
  sourcemap: 'external',
  // Packages are where they came from; the user's own are put in (`sourceMap`).
  sourcesContent: false,
  charset: 'utf8',
  // Less than half is left for an emulated machine to take and parse. Names stay: stacks have them.
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'inline',
  logLevel: 'silent',
  // What Deno has of Node without an import.
  inject: ['own:node/globals.ts'],
  define: {
    'import.meta.url': '__import_meta_url',
    'import.meta.main': '__import_meta_main',
    'import.meta.dirname': '__import_meta_dirname',
    'import.meta.filename': '__import_meta_filename',
    // Packages have code for development that is several times as large.
    'process.env.NODE_ENV': '"production"',
  },
} as const satisfies BuildOptions;

const name = (address: string): { path: string; namespace: string } => {
  const [, scheme, path] = /^([a-z]+):(.*)$/s.exec(address)!;
  return scheme === 'file' ? { namespace, path: decodeURIComponent(path!.slice('///'.length)) } : { namespace: scheme!, path: path! };
};
const address = (path: string, scheme: string) => (scheme === namespace ? addressOf(path) : `${scheme}:${path}`);

function plugin(job: () => Job): Plugin {
  return {
    name: 'functions',
    setup(build) {
      build.onResolve({ filter: /.*/ }, async (asked) => {
        try {
          if (asked.kind === 'entry-point') return { ...name(asked.path), sideEffects: asked.path.startsWith('own:') ? false : undefined };
          if (asked.path.startsWith('meta:')) return { namespace: 'meta', path: asked.path.slice('meta:'.length), sideEffects: false };
          const importer = address(asked.importer, asked.namespace);
          if (asked.path === bytesOfItself) return name(importer);
          const kind = asked.kind.startsWith('require') ? 'require' : asked.kind === 'dynamic-import' ? 'dynamic' : 'import';
          const found = await job().modules.resolve(asked.path, { importer, kind, type: asked.with.type });
          return { ...name(found.address), sideEffects: found.pure ? false : undefined };
        } catch (error) {
          return { errors: [refusal(error, asked.namespace === namespace ? undefined : `${asked.namespace}:${asked.importer}`)] };
        }
      });
      build.onLoad({ filter: /.*/, namespace: 'meta' }, ({ path }) => ({ contents: meta(path, path === job().project.entrypoint), loader: 'js' }));
      build.onLoad({ filter: /.*/ }, async (asked) => {
        try {
          const loaded = await job().modules.load(address(asked.path, asked.namespace), asked.with.type);
          return { ...(await readable(loaded)), ...(asked.namespace === namespace ? withMeta(loaded, asked.path) : {}) } as never;
        } catch (error) {
          return { errors: [refusal(error)] };
        }
      });
    },
  };
}

/** What is wrong with what was asked for is told to whoever asked; anything else is a fault of this program. */
function refusal(error: unknown, importer?: string): { text: string } {
  if (!(error instanceof Fault || error instanceof WebAssembly.CompileError)) throw error;
  return { text: importer ? `${error.message} (Imported by ${importer}.)` : error.message };
}

async function readable({ contents, loader }: Content): Promise<{ contents: string | Uint8Array; loader: Exclude<Content['loader'], 'wasm'> }> {
  return loader === 'wasm' ? { contents: await wasmModule(contents as Uint8Array), loader: 'js' } : { contents, loader };
}

/**
 * What is said about one of the user's modules at its end, so that no place in it moves:
 * - `import.meta`: esbuild puts these names in its place, and an import, which is found wherever it stands, gives them
 *   their values;
 * - Deno takes `@jsxImportSource` alone for the automatic way of JSX.
 */
function withMeta({ contents, loader }: Content, path: string): { contents: string } | undefined {
  if (!['ts', 'tsx', 'js', 'jsx'].includes(loader)) return undefined;
  const text = typeof contents === 'string' ? contents : new TextDecoder().decode(contents);
  const meta = /import\s*\.\s*meta\b/.test(text) ? `import { __import_meta_url, __import_meta_main, __import_meta_dirname, __import_meta_filename } from ${JSON.stringify(`meta:${path}`)};` : '';
  const jsx = /@jsxImportSource\s/.test(text) ? '/** @jsxRuntime automatic */' : '';
  return meta || jsx ? { contents: [text, meta, jsx].join('\n') } : undefined;
}

/** Where a module is, is told by the folder that the runtime says it runs in. */
function meta(path: string, main: boolean): string {
  return `
const folder = new URL(\`file://\${globalThis.Deno?.cwd?.() ?? ''}/\`).href.replace(/\\/+$/, '/');
export const __import_meta_url = folder + ${JSON.stringify(path.split('/').map(encodeURIComponent).join('/'))};
export const __import_meta_filename = decodeURIComponent(new URL(__import_meta_url).pathname);
export const __import_meta_dirname = __import_meta_filename.replace(/\\/[^/]*$/, '') || '/';
export const __import_meta_main = ${main};
`;
}

/** The user's modules are called as they are, and shown as they are. */
function sourceMap(text: string, project: Project): Uint8Array {
  const map = JSON.parse(text) as { sources: string[]; sourcesContent: (string | null)[] };
  const own = `${namespace}:`;
  const written = map.sources.map((source) => (source.startsWith(own) ? source.slice(own.length) : undefined));
  map.sourcesContent = written.map((path) => (path === undefined ? null : new TextDecoder().decode(project.files.get(path))));
  map.sources = map.sources.map((source, index) => written[index] ?? source);
  return new TextEncoder().encode(JSON.stringify(map));
}

/** esbuild counts columns in bytes of UTF-8, from 0. */
function problem({ text, location }: Message): Problem {
  const message = text.replaceAll(`"${namespace}:`, '"');
  if (!location) return { message };
  const { file, line, column, lineText } = location;
  const before = new TextDecoder().decode(new TextEncoder().encode(lineText).subarray(0, column));
  return { message, file: file.replace(new RegExp(`^${namespace}:`), ''), line, column: before.length + 1, source: lineText };
}

/** What is no source is left out: above all, secrets. */
function packable(sources: SourceFiles, folder: string, warn: (message: string) => void): Files {
  const files: Files = new Map();
  for (const path of Object.keys(sources).sort()) {
    const clean = inside(path, root);
    const parts = clean.split('/');
    if (parts.some((part) => part === 'node_modules' || part === '.git' || part === '.DS_Store')) continue;
    if (parts.at(-1)!.startsWith('.env')) {
      if (clean.startsWith(folder)) warn(`${clean} is not deployed: what is secret is set as a secret.`);
      continue;
    }
    files.set(clean, sources[path]!);
  }
  return files;
}
