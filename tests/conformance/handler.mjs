// The gateway before the corpus's database, for `run_corpus.mjs --handler`.
import path from 'node:path';
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { baseline, openCorpusDatabase } from './database.mjs';

const built = path.join(import.meta.dirname, '../../static/dist/node/host.mjs');

/** Whether the cases of this run need PostGIS. */
const withPostgis = process.env.CORPUS_POSTGIS === 'yes';

let database;

/** A gateway with the corpus's settings and `overrides`, both under the names that PostgREST's own code has for them. */
export async function createHandler(overrides, meta) {
  if (!existsSync(built)) throw new Error(`${built} is not there: run \`cargo xtask build\``);
  const { createHost } = await import(pathToFileURL(built).href);
  // Each case leaves the database as it was, as it does in PostgREST's own suite: one serves every gateway.
  database ??= openCorpusDatabase(meta, withPostgis);
  const host = await createHost({ pglite: await database, config: settings({ ...meta.base_config, ...overrides }), migrate: false, baseline });
  // The corpus has paths as PostgREST has them, without what Supabase puts before them.
  return (request) => {
    const url = new URL(request.url);
    return host.handle(new Request(`${url.origin}/rest/v1${url.pathname}${url.search}`, request));
  };
}

const list = (names) => names.join(',');
const optional = (value) => value ?? '';
const flag = String;

/** Each of PostgREST's fields that means something to a request: the setting's name, and its text. */
const fields = {
  configDbSchemas: ['db-schemas', list],
  configDbExtraSearchPath: ['db-extra-search-path', list],
  configDbAnonRole: ['db-anon-role', optional],
  configDbMaxRows: ['db-max-rows', optional],
  configDbPreRequest: ['db-pre-request', optional],
  configDbAggregates: ['db-aggregates-enabled', flag],
  configDbPlanEnabled: ['db-plan-enabled', flag],
  configDbRootSpec: ['db-root-spec', optional],
  configDbHoistedTxSettings: ['db-hoisted-tx-settings', list],
  configJwtSecret: ['jwt-secret', optional],
  configJwtSecretIsBase64: ['jwt-secret-is-base64', flag],
  configJwtAudience: ['jwt-aud', optional],
  configJwtRoleClaimKey: ['jwt-role-claim-key', (steps) => steps.map(([, name]) => `.${name}`).join('')],
  configOpenApiMode: ['openapi-mode', (mode) => ({ OAFollowPriv: 'follow-privileges', OAIgnorePriv: 'ignore-privileges', OADisabled: 'disabled' })[mode]],
  configOpenApiSecurityActive: ['openapi-security-active', flag],
  configOpenApiServerProxyUri: ['openapi-server-proxy-uri', optional],
  configServerCorsAllowedOrigins: ['server-cors-allowed-origins', (origins) => list(origins ?? [])],
  configServerTimingEnabled: ['server-timing-enabled', flag],
  configServerTraceHeader: ['server-trace-header', optional],
};

/** Settings under the names that a configuration file has for them. */
export function settings(config) {
  const texts = { 'db-authenticator': '' };
  for (const [field, [name, text]] of Object.entries(fields)) texts[name] = String(text(config[field]));
  for (const [name, value] of config.configAppSettings) texts[name] = value;
  const end = config.configDbTxRollbackAll ? 'rollback' : 'commit';
  texts['db-tx-end'] = config.configDbTxAllowOverride ? `${end}-allow-override` : end;
  return texts;
}
