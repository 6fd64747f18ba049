// What static/build.mjs writes into the sources.

/** Which URLs the gateway answers: a regular expression, from `routes::table::pattern()`. */
declare const GATEWAY_PATTERN: string;
/** Hash of everything that is built; the page and its workers compare it. */
declare const GATEWAY_VERSION: string;
/** The files that a page needs and their hashes, as `integrity` takes them. The service worker only. */
declare const GATEWAY_FILES: Record<string, string>;
/** The database worker's file, relative to the script. Pages only. */
declare const DATABASE_WORKER: string;

/** A Postgres data directory with nothing in it, a compressed tar, relative to the script. Where a database is opened. */
declare const EMPTY_POSTGRES: string;

declare module '*.wasm' {
  /** The file's URL, relative to the script. */
  const url: string;
  export default url;
}

declare module '*.sql' {
  const text: string;
  export default text;
}
