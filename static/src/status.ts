// The answer of the gateway's status: what it says about itself and one project.

export interface Keys {
  publishable: string;
  secret: string;
  /** The JWT a publishable key stands for. */
  anon: string;
  /** The JWT a secret key stands for. */
  service_role: string;
  /** The HS256 secret that signs them. */
  jwt_secret: string;
}

export interface Status {
  /** The release, as `0.1.0`. */
  version: string;
  project: string;
  /** The page that runs the database worker, by its service worker client id. */
  owner?: string | null;
  /** Null where the worker was not told. */
  storage: { kind: 'opfs' | 'indexeddb' | 'memory' | (string & {}); durable: boolean } | null;
  /** Bytes, by `pg_database_size`. */
  database_size: number;
  postgres_version: string;
  /** Null for a database that the gateway did not make. */
  keys: Keys | null;
}
