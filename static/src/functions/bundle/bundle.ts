// One module out of a function's files, and the archive that is deployed:
//   bundle/index.js, index.js.map   everything the function needs; the map has the user's sources in it. No import is left, except of
//   bundle/packages.js, and its map its packages, where these are a module of their own (apart.ts)
//   bundle/files/**                 what it reads at run time, under the paths it has among the sources
//   bundle/meta.json                `Meta`
//   source/**                       the files as they were given
// The same files, lock and packages give the same bytes, in every place.
import type { BuildOptions, BuildResult, Loader, Message, Plugin } from 'esbuild-wasm';
import { again, effects, own as namespace, packagesOf, second } from './apart.ts';
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
  /** Modules of packages that may run before what is imported before them. */
  movable: Set<string>;
}

interface Built {
  /** Files of the archive's `bundle`. */
  modules: (readonly [string, Uint8Array])[];
  hasNode: boolean;
  /** Files of the user's. */
  reached: string[];
  warnings: Message[];
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
    const files: Files = new Map([...built.modules.map(([name, bytes]) => [`bundle/${name}`, bytes] as const), ['bundle/meta.json', json(meta)]]);
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

  async #build(project: Project, modules: Modules): Promise<Built> {
    const job: Job = { project, modules, movable: new Set() };
    const index = addressOf(project.entrypoint);
    const split = await this.#esbuild({ splitting: true, entryPoints: { index, [second]: `${again}:${project.entrypoint}` } }, job);
    const packages = packagesOf(split.metafile, project.entrypoint, (module) => job.movable.has(module));
    const result = packages ? split : await this.#esbuild({ entryPoints: { index } }, job);
    const outputs = Object.entries(result.metafile.outputs).filter(([path]) => !path.endsWith(`/${second}.js`) && !path.endsWith('.map'));
    const left = outputs.flatMap(([, { imports }]) => imports.filter(({ external }) => external));
    if (left.length) throw new NotBundled(left.map(({ path }) => ({ message: `${path} could not be bundled.` })));
    return {
      modules: outputs.flatMap(([path]) => {
        const name = path === packages ? 'packages.js' : 'index.js';
        const output = (ending: string) => result.outputFiles.find((file) => file.path.endsWith(path.slice(path.lastIndexOf('/')) + ending))!;
        return [[name, output('').contents] as const, [`${name}.map`, sourceMap(output('.map').text, project)] as const];
      }),
      // Every module could have a `Buffer`; few do.
      hasNode: outputs.some(([, { inputs }]) => Object.entries(inputs).some(([input, { bytesInOutput }]) => bytesInOutput > 0 && input.startsWith(`npm:${nodePackage}@`))),
      reached: Object.keys(result.metafile.inputs).filter((name) => name.startsWith(`${namespace}:`)).map((name) => inside(name.slice(namespace.length + 1), root)),
      warnings: result.warnings.filter(isOfTheFunction),
    };
  }

  async #esbuild(more: Pick<BuildOptions, 'splitting' | 'entryPoints'>, job: Job): Promise<BuildResult<{ write: false; metafile: true }>> {
    const { compilerOptions } = job.project;
    try {
      return await this.#rebuilds.build({ ...settings, ...more, tsconfigRaw: { compilerOptions } }, plugin, job);
    } catch (error) {
      const { errors } = error as { errors?: Message[] };
      throw errors ? new NotBundled(errors.filter(isOfTheFunction).map(problem)) : error;
    }
  }
}

/** What is wrong with one of the user's modules is wrong with its copies. */
const isOfTheFunction = ({ location }: Message): boolean => !location || ![again, effects].includes(location.file.split(':')[0]!);

const settings = {
  bundle: true,
  write: false,
  metafile: true,
  format: 'esm',
  // A newer one would need newer browsers than the gateway does.
  target: 'es2022',
  platform: 'neutral',
  outdir: '/bundle',
  entryNames: '[name]',
  chunkNames: 'packages-[hash]',
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

// esbuild looks for what is in `file` on the disk, so the user's files have a name of their own.
const name = (address: string): { path: string; namespace: string } => {
  const [, scheme, path] = /^([a-z]+):(.*)$/s.exec(address)!;
  return scheme === 'file' ? { namespace, path: decodeURIComponent(path!.slice('///'.length)) } : { namespace: scheme!, path: path! };
};
const address = (path: string, scheme: string) => ([namespace, again, effects].includes(scheme) ? addressOf(path) : `${scheme}:${path}`);

function plugin(job: () => Job): Plugin {
  return {
    name: 'functions',
    setup(build) {
      build.onResolve({ filter: /.*/ }, async (asked) => {
        try {
          if (asked.kind === 'entry-point') return { ...name(asked.path), sideEffects: asked.path.startsWith('own:') ? false : undefined };
          if (asked.path.startsWith('meta:')) return { namespace: 'meta', path: asked.path.slice('meta:'.length), sideEffects: false };
          if (asked.namespace === again && asked.path.startsWith(`${effects}:`)) return name(asked.path);
          if (asked.namespace === effects) return { namespace: 'nothing', path: asked.path, sideEffects: false };
          const importer = address(asked.importer, asked.namespace);
          if (asked.path === bytesOfItself) return name(importer);
          const kind = asked.kind.startsWith('require') ? 'require' : asked.kind === 'dynamic-import' ? 'dynamic' : 'import';
          const { modules, movable } = job();
          const found = await modules.resolve(asked.path, { importer, kind, type: asked.with.type });
          const { namespace: of, path } = name(found.address);
          if (found.pure || modules.comesAlong(found.address)) movable.add(`${of}:${path}`);
          return { path, namespace: of === namespace && asked.namespace === again ? again : of, sideEffects: found.pure ? false : undefined };
        } catch (error) {
          return { errors: [refusal(error, asked.namespace === namespace ? undefined : `${asked.namespace}:${asked.importer}`)] };
        }
      });
      build.onLoad({ filter: /.*/, namespace: 'meta' }, ({ path }) => ({ contents: meta(path, path === job().project.entrypoint), loader: 'js' }));
      build.onLoad({ filter: /.*/, namespace: 'nothing' }, () => ({ contents: '', loader: 'empty' }));
      build.onLoad({ filter: /.*/ }, async (asked) => {
        try {
          const loaded = await job().modules.load(address(asked.path, asked.namespace), asked.with.type);
          if (asked.namespace === again || asked.namespace === effects) return copied(loaded, asked) as never;
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

const isCode = ({ loader }: Content): boolean => ['ts', 'tsx', 'js', 'jsx'].includes(loader);
const textOf = ({ contents }: Content): string => (typeof contents === 'string' ? contents : new TextDecoder().decode(contents));

/**
 * What is said about one of the user's modules at its end, so that no place in it moves:
 * - `import.meta`: esbuild puts these names in its place, and an import, which is found wherever it stands, gives them
 *   their values;
 * - Deno takes `@jsxImportSource` alone for the automatic way of JSX.
 */
function withMeta(loaded: Content, path: string): { contents: string } | undefined {
  if (!isCode(loaded)) return undefined;
  const text = textOf(loaded);
  const meta = /import\s*\.\s*meta\b/.test(text) ? `import { __import_meta_url, __import_meta_main, __import_meta_dirname, __import_meta_filename } from ${JSON.stringify(`meta:${path}`)};` : '';
  const more = [meta, ...jsx(text)].filter(Boolean);
  return more.length ? { contents: [text, ...more].join('\n') } : undefined;
}

const jsx = (text: string): string[] => (/@jsxImportSource\s/.test(text) ? ['/** @jsxRuntime automatic */'] : []);

/** A copy of one of the user's modules, of which only what it imports or what happens in it is of interest. */
function copied(loaded: Content, { namespace: copy, path }: { namespace: string; path: string }): { contents: string; loader: Loader } {
  if (!isCode(loaded)) return { contents: '', loader: 'empty' };
  const text = textOf(loaded);
  const alone = copy === again ? [`import ${JSON.stringify(`${effects}:${path}`)};`] : [];
  return { contents: [text, ...alone, ...jsx(text)].join('\n'), loader: loaded.loader as Loader };
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
