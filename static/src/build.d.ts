// What static/build.mjs writes into the sources.

/** Which URLs the gateway answers: a regular expression, from `routes::table::pattern()`. */
declare const GATEWAY_PATTERN: string;
/** Hash of everything that is built; the page and its workers compare it. */
declare const GATEWAY_VERSION: string;
/** The number of the last migration of the database that this build has. */
declare const NEWEST_MIGRATION: number;
/** The files that a page needs and their hashes, as `integrity` takes them. The service worker only. */
declare const GATEWAY_FILES: Record<string, string>;
/** As `GATEWAY_FILES`: those that are kept once they were fetched. The service worker only. */
declare const GATEWAY_LATER: Record<string, string>;
/** What bundles functions, relative to the script. Pages only. */
declare const FUNCTION_BUNDLER: string;
/** The packages that functions can import without a network. Where functions are bundled. */
declare const FUNCTION_PACKAGES: import('./functions/bundle/world.ts').Catalogue;
/** TypeScript in a worker, for the editor of functions, relative to the script. Pages only. */
declare const FUNCTION_TYPES_WORKER: string;
/** Declarations of what functions use, relative to the script. TypeScript's worker only. */
declare const FUNCTION_TYPES: string;
/** esbuild's WebAssembly, relative to the script. The bundler of pages only. */
declare const ESBUILD_WASM: string;
/** The database worker's file, relative to the script. Pages only. */
declare const DATABASE_WORKER: string;
/** The VM worker's file, relative to the script. Pages only. */
declare const VM_WORKER: string;
/** The page of an engine that cannot run in a worker, relative to the script. Pages only. */
declare const VM_FRAME: string;

/** The script of an isolate, relative to the script. Where isolates are made. */
declare const ISOLATE_SCRIPT: string;
/** What makes an isolate of a thread of the guest's Node, relative to the script. Where a VM is. */
declare const GUEST_ISOLATE: string;
/** The script of the frame around an isolate, relative to the script. Pages only. */
declare const ISOLATE_FRAME: string;

/** A Postgres data directory with nothing in it, a compressed tar, relative to the script. Where a database is opened. */
declare const EMPTY_POSTGRES: string;
/** Each sample app's archive, relative to the script. Pages only. */
declare const SAMPLES: Record<string, string>;

declare module '*.wasm' {
  /** The file's URL, relative to the script. */
  const url: string;
  export default url;
}

declare module '*.sql' {
  const text: string;
  export default text;
}

declare module '*.css' {
  /** Where it is imported with `{ type: 'text' }`. */
  const text: string;
  export default text;
}
