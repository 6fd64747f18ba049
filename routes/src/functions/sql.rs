//! The statements of functions. They run as the database's owner: no role of the API sees any of this.

use serde_json::Value;

use super::{audit, logs::Query, settings::Settings};
use crate::{
    apps::sql::values,
    bundle::Bundle,
    database::Statement,
    wire::{Parameter, StatementResult},
};

use super::Function;

/// Versions of a function that are kept.
const KEPT_VERSIONS: u32 = 10;
/// Lines of a function that are kept.
pub(super) const KEPT_LINES: u32 = 10_000;
/// Calls of a project's functions that are kept.
pub(super) const KEPT_CALLS: u32 = 50_000;

/// A function as JSON: [`Function`].
macro_rules! function {
    () => {
        "select json_build_object('name', name, 'settings', json_build_object(\
         'verify_jwt', verify_jwt, 'host', host, 'limits', limits), 'version', version, \
         'versions', (select coalesce(json_agg(json_build_object('version', versions.version, \
         'entrypoint', entrypoint, 'bundle', json_build_object('file', file, 'sha256', sha256, \
         'bytes', bytes, 'files', files), 'created_at', versions.created_at) \
         order by versions.version desc), '[]') \
         from gateway.function_versions as versions where versions.function = name), \
         'created_at', created_at, 'updated_at', updated_at) from gateway.functions"
    };
}

/// Every function, by name.
pub(super) fn list() -> Statement {
    Statement::new(concat!(function!(), " order by name"), [])
}

/// One function; no row where there is none.
pub(super) fn one(name: &str) -> Statement {
    Statement::new(concat!(function!(), " where name = $1"), [name.into()])
}

/// The function in the first row; `None` where there is no row.
pub(super) fn function(result: &StatementResult) -> Option<Function> {
    values(result).next()
}

/// Gives a function its next version: the row first, then the version, then what is kept of the others.
/// The last but one gives the files that are nobody's any more, the last the function.
pub(super) fn deploy(
    name: &str,
    settings: &Settings,
    entrypoint: &str,
    bundle: &Bundle,
) -> [Statement; 4] {
    let limits = serde_json::json!(settings.limits).to_string();
    let function = Statement::new(
        "insert into gateway.functions (name, version, verify_jwt, host, limits) \
         values ($1, 1, $2::boolean, $3, $4::jsonb) \
         on conflict (name) do update set version = 1 + (select max(version) \
         from gateway.function_versions where function = excluded.name), \
         verify_jwt = excluded.verify_jwt, host = excluded.host, limits = excluded.limits, \
         updated_at = now()",
        [
            name.into(),
            settings.verify_jwt.to_string().into(),
            settings.host.as_str().into(),
            limits.into(),
        ],
    );
    let version = Statement::new(
        "insert into gateway.function_versions (function, version, entrypoint, file, sha256, bytes, \
         files) select name, version, $2, $3, $4, $5::bigint, $6::int \
         from gateway.functions where name = $1",
        [
            name.into(),
            entrypoint.into(),
            bundle.file.as_str().into(),
            bundle.sha256.as_str().into(),
            bundle.bytes.to_string().into(),
            bundle.files.to_string().into(),
        ],
    );
    let drop = Statement::new(
        format!(
            "delete from gateway.function_versions where function = $1 \
             and version <> (select version from gateway.functions where name = $1) \
             and version not in (select version from gateway.function_versions where function = $1 \
             order by version desc limit {KEPT_VERSIONS}) returning to_json(file)"
        ),
        [name.into()],
    );
    [function, version, drop, one(name)]
}

/// Changes a function's settings; a row where there is such a function.
pub(super) fn update(name: &str, settings: &Settings) -> Statement {
    Statement::new(
        "update gateway.functions set verify_jwt = $2::boolean, host = $3, limits = $4::jsonb, \
         updated_at = now() where name = $1 returning to_json(name)",
        [
            name.into(),
            settings.verify_jwt.to_string().into(),
            settings.host.as_str().into(),
            serde_json::json!(settings.limits).to_string().into(),
        ],
    )
}

/// Makes a version the one that answers; a row where there is such a version.
pub(super) fn activate(name: &str, version: u32) -> Statement {
    Statement::new(
        "update gateway.functions set version = $2::int, updated_at = now() where name = $1 \
         and exists (select from gateway.function_versions \
         where function = $1 and function_versions.version = $2::int) returning to_json(name)",
        [name.into(), version.to_string().into()],
    )
}

/// Deletes a function with all that it has; a row where there was one.
pub(super) fn delete(name: &str) -> Statement {
    Statement::new(
        "delete from gateway.functions where name = $1 returning to_json(name)",
        [name.into()],
    )
}

/// Every secret, sealed, by name.
pub(super) fn secrets() -> Statement {
    Statement::new(
        "select json_build_object('name', name, 'sealed', sealed, 'digest', digest, \
         'updated_at', updated_at) from gateway.secrets order by name",
        [],
    )
}

/// Keeps a secret in the place of one of its name.
pub(super) fn keep_secret(name: &str, sealed: &str, digest: &str) -> Statement {
    Statement::new(
        "insert into gateway.secrets (name, sealed, digest) values ($1, $2, $3) \
         on conflict (name) do update set sealed = excluded.sealed, digest = excluded.digest, \
         updated_at = now()",
        [name.into(), sealed.into(), digest.into()],
    )
}

/// Forgets secrets; `names` is a JSON array.
pub(super) fn forget_secrets(names: &str) -> Statement {
    Statement::new(
        "delete from gateway.secrets where name in (select jsonb_array_elements_text($1::jsonb))",
        [names.into()],
    )
}

/// Adds lines, an array of JSON, to what a function said; their numbers, in order. No row where there is
/// no such function.
pub(super) fn write_lines(name: &str, lines: &str) -> Statement {
    Statement::new(
        "insert into gateway.function_logs (function, version, execution_id, trace, at, level, event, \
         message, stack, status, ms, failure) \
         select $1, version, execution_id, trace, at, level, event, message, stack, status, ms, failure \
         from jsonb_to_recordset($2::jsonb) as lines (version int, execution_id text, trace text, \
         at bigint, level text, event text, message text, stack text, status int, \
         ms double precision, failure text) \
         where exists (select from gateway.functions where name = $1) returning to_json(id)",
        [name.into(), lines.into()],
    )
}

/// Adds those of the lines, an array of JSON, that tell what was asked of the database.
pub(super) fn write_calls(name: &str, lines: &str) -> Statement {
    Statement::new(
        "insert into gateway.function_calls (function, version, execution_id, trace, at, method, path, \
         role, status, ms) \
         select $1, version, execution_id, trace, at, call->>'method', call->>'path', call->>'role', \
         status, ms from jsonb_to_recordset($2::jsonb) as lines (version int, execution_id text, \
         trace text, at bigint, status int, ms double precision, call jsonb) \
         where call->>'method' is not null",
        [name.into(), lines.into()],
    )
}

/// Removes the calls that are too many, or older than `oldest`.
pub(super) fn drop_calls(oldest: u64) -> Statement {
    Statement::new(
        format!(
            "delete from gateway.function_calls where at < $1::bigint or id <= \
             (select id from gateway.function_calls order by id desc offset {KEPT_CALLS} limit 1)"
        ),
        [oldest.to_string().into()],
    )
}

/// The newest calls that a query asks for, the oldest of them first.
pub(super) fn read_calls(query: &audit::Query) -> Statement {
    let text = |text: &Option<String>| Parameter::from(text.as_deref());
    Statement::new(
        "select json_strip_nulls(json_build_object('id', id, 'at', at, 'function', function, \
         'version', version, 'execution_id', execution_id, 'trace', trace, 'method', method, \
         'path', path, 'role', role, 'status', status, 'ms', ms)) \
         from (select * from gateway.function_calls where at >= $1::bigint \
         and ($2::text is null or function = $2::text) and ($3::text is null or trace = $3::text) \
         and ($4::text is null or role = $4::text) \
         and ($5::text is null or strpos(lower(concat(method, ' ', path)), lower($5::text)) > 0) \
         order by id desc limit $6::int) as newest order by id",
        [
            query.since.to_string().into(),
            text(&query.function),
            text(&query.trace),
            text(&query.role),
            text(&query.search),
            query.tail.to_string().into(),
        ],
    )
}

/// Removes the lines of a function that are too many, or older than `oldest`.
pub(super) fn drop_lines(name: &str, oldest: u64) -> Statement {
    Statement::new(
        format!(
            "delete from gateway.function_logs where function = $1 and (at < $2::bigint or id <= \
             (select id from gateway.function_logs where function = $1 \
             order by id desc offset {KEPT_LINES} limit 1))"
        ),
        [name.into(), oldest.to_string().into()],
    )
}

/// Removes every line of a function.
pub(super) fn clear_lines(name: &str) -> Statement {
    Statement::new(
        "delete from gateway.function_logs where function = $1",
        [name.into()],
    )
}

/// The newest lines of a function that a query asks for, the oldest of them first.
pub(super) fn read_lines(name: &str, query: &Query) -> Statement {
    let levels = serde_json::json!(query.levels()).to_string();
    Statement::new(
        "select json_strip_nulls(json_build_object('id', id, 'at', at, 'function', function, \
         'version', version, 'execution_id', execution_id, 'trace', trace, 'level', level, \
         'event', event, 'message', message, 'stack', stack, 'status', status, 'ms', ms, \
         'failure', failure)) \
         from (select * from gateway.function_logs where function = $1 and id > $2::bigint \
         and at >= $3::bigint and level in (select jsonb_array_elements_text($4::jsonb)) \
         and ($5::text is null \
         or strpos(lower(concat_ws(' ', message, stack)), lower($5::text)) > 0) \
         order by id desc limit $6::int) as newest order by id",
        [
            name.into(),
            query.after.to_string().into(),
            query.since.to_string().into(),
            levels.into(),
            Parameter::from(query.search.as_deref()),
            query.tail.to_string().into(),
        ],
    )
}

/// What a function's lines say of its requests since then.
pub(super) fn metrics(name: &str, since: u64) -> Statement {
    Statement::new(
        "with lines as (select event, status, ms, failure from gateway.function_logs \
         where function = $1 and at >= $2::bigint), \
         requests as (select status, ms, failure from lines where event = 'request') \
         select json_build_object('requests', count(*), 'errors', json_build_object(\
         'boot', count(*) filter (where failure = 'boot-error'), \
         'worker', count(*) filter (where failure = 'worker-error'), \
         'limit', count(*) filter (where failure = 'worker-limit'), \
         'timeout', count(*) filter (where failure = 'timeout')), \
         'status', (select coalesce(json_object_agg(status, number), '{}') \
         from (select status, count(*) as number from requests where status is not null \
         group by status order by status) as statuses), \
         'p50_ms', round(percentile_cont(0.5) within group (order by ms)::numeric, 1), \
         'p95_ms', round(percentile_cont(0.95) within group (order by ms)::numeric, 1), \
         'p99_ms', round(percentile_cont(0.99) within group (order by ms)::numeric, 1), \
         'cold_starts', (select count(*) from lines where event = 'boot')) from requests",
        [name.into(), since.to_string().into()],
    )
}

/// The JSON in the first row.
pub(super) fn json(result: &StatementResult) -> Option<Value> {
    values(result).next()
}
