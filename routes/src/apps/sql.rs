//! The statements of applications. They run as the database's owner: no role of the API sees any of
//! this.

use serde::de::DeserializeOwned;
use serde_json::json;

use super::{
    app::App,
    settings::{FIRST_PORT, Settings},
    traffic::cookies::{SameSite, Stored},
};
use crate::{
    bundle::Bundle,
    database::Statement,
    wire::{Parameter, StatementResult},
};

/// An application as JSON: [`App`].
macro_rules! app {
    () => {
        "json_build_object('name', name, 'settings', json_build_object('runtime', runtime, \
         'entry', entry, 'command', command, 'port', port, 'env', env, 'limits', limits, \
         'autostart', autostart, 'start_deadline_s', start_deadline_s), \
         'role', role, 'role_password', role_password, 'bundle', json_build_object(\
         'file', bundle_file, 'sha256', bundle_sha256, 'bytes', bundle_bytes, 'files', bundle_files), \
         'created_at', created_at, 'updated_at', updated_at)"
    };
}

/// The values of a column of JSON.
pub fn values<T: DeserializeOwned>(result: &StatementResult) -> impl Iterator<Item = T> {
    let rows = result.rows.iter();
    rows.filter_map(|row| serde_json::from_slice(row.get(0)?).ok())
}

/// Every application, by name.
pub(super) fn list() -> Statement {
    Statement::new(
        concat!("select ", app!(), " from gateway.apps order by name"),
        [],
    )
}

/// Every cookie that has not expired at `now`, with its application.
pub(super) fn cookies(now: u64) -> Statement {
    Statement::new(
        "select json_build_object('app', app, 'name', name, 'path', path, 'value', value, \
         'expires_at', expires_at, 'same_site', same_site, 'created_at', created_at) \
         from gateway.app_cookies where expires_at is null or expires_at > $1 \
         order by app, created_at",
        [now.to_string().into()],
    )
}

/// Puts an application in the place of one of its name, whose role and port it keeps; the row that it
/// then is. A port that is not given is the first that is free.
pub(super) fn deploy(
    name: &str,
    role: &str,
    password: &str,
    settings: &Settings,
    bundle: &Bundle,
) -> Statement {
    let port = settings.port.map(|port| port.to_string());
    Statement::new(
        format!(
            concat!(
                "insert into gateway.apps (name, runtime, entry, command, port, env, limits, \
                 autostart, start_deadline_s, role, role_password, bundle_file, bundle_sha256, \
                 bundle_bytes, bundle_files) \
                 values ($1, $2, $3, $4::jsonb, coalesce($5::int, (select min(port) \
                 from generate_series({first}, 65535) as free (port) \
                 where not exists (select from gateway.apps where apps.port = free.port))), \
                 $6::jsonb, $7::jsonb, $8::boolean, $9::int, $10, $11, $12, $13, $14::bigint, $15::int) \
                 on conflict (name) do update set runtime = excluded.runtime, entry = excluded.entry, \
                 command = excluded.command, \
                 port = case when $5::int is null then apps.port else excluded.port end, \
                 env = excluded.env, limits = excluded.limits, autostart = excluded.autostart, \
                 start_deadline_s = excluded.start_deadline_s, bundle_file = excluded.bundle_file, \
                 bundle_sha256 = excluded.bundle_sha256, bundle_bytes = excluded.bundle_bytes, \
                 bundle_files = excluded.bundle_files, updated_at = now() \
                 returning ",
                app!()
            ),
            first = FIRST_PORT
        ),
        [
            name.into(),
            runtime(settings).into(),
            settings.entry.as_str().into(),
            json!(settings.command).to_string().into(),
            Parameter::from(port.as_deref()),
            json!(settings.env).to_string().into(),
            json!(settings.limits).to_string().into(),
            settings.autostart.to_string().into(),
            settings.start_deadline_s.to_string().into(),
            role.into(),
            password.into(),
            bundle.file.as_str().into(),
            bundle.sha256.as_str().into(),
            bundle.bytes.to_string().into(),
            bundle.files.to_string().into(),
        ],
    )
}

/// Changes an application's settings; the row that it then is, or none where there is no such one.
pub(super) fn update(name: &str, settings: &Settings) -> Statement {
    let port = settings.port.map(|port| port.to_string());
    Statement::new(
        concat!(
            "update gateway.apps set runtime = $2, entry = $3, command = $4::jsonb, \
             port = coalesce($5::int, port), env = $6::jsonb, limits = $7::jsonb, \
             autostart = $8::boolean, start_deadline_s = $9::int, updated_at = now() \
             where name = $1 returning ",
            app!()
        ),
        [
            name.into(),
            runtime(settings).into(),
            settings.entry.as_str().into(),
            json!(settings.command).to_string().into(),
            Parameter::from(port.as_deref()),
            json!(settings.env).to_string().into(),
            json!(settings.limits).to_string().into(),
            settings.autostart.to_string().into(),
            settings.start_deadline_s.to_string().into(),
        ],
    )
}

fn runtime(settings: &Settings) -> String {
    let name = json!(settings.runtime);
    name.as_str().unwrap_or_default().to_owned()
}

/// Makes the role of an application that has its row already.
pub(super) fn create_role(name: &str) -> Statement {
    Statement::new(
        "select gateway.create_app_role(role, role_password) from gateway.apps where name = $1",
        [name.into()],
    )
}

/// Drops the role of an application that has its row still; what it leaves behind, as an array.
pub(super) fn drop_role(name: &str) -> Statement {
    Statement::new(
        "select to_json(gateway.drop_app_role(role)) from gateway.apps where name = $1",
        [name.into()],
    )
}

/// Deletes an application; a row where there was one.
pub(super) fn delete(name: &str) -> Statement {
    Statement::new(
        "delete from gateway.apps where name = $1 returning to_json(name)",
        [name.into()],
    )
}

/// Keeps a cookie in the place of one of its name and path.
pub(super) fn keep_cookie(app: &str, cookie: &Stored) -> Statement {
    let expires_at = cookie.expires_at.map(|time| time.to_string());
    Statement::new(
        "insert into gateway.app_cookies (app, name, path, value, expires_at, same_site, created_at) \
         select $1, $2, $3, $4, $5::bigint, $6, $7::bigint \
         where exists (select from gateway.apps where name = $1) \
         on conflict (app, name, path) do update set value = excluded.value, \
         expires_at = excluded.expires_at, same_site = excluded.same_site",
        [
            app.into(),
            cookie.name.as_str().into(),
            cookie.path.as_str().into(),
            cookie.value.as_str().into(),
            Parameter::from(expires_at.as_deref()),
            Parameter::from(cookie.same_site.map(SameSite::as_str)),
            cookie.created_at.to_string().into(),
        ],
    )
}

/// Forgets a cookie.
pub(super) fn forget_cookie(app: &str, name: &str, path: &str) -> Statement {
    Statement::new(
        "delete from gateway.app_cookies where app = $1 and name = $2 and path = $3",
        [app.into(), name.into(), path.into()],
    )
}

/// The setting of the virtual machine, as text of JSON; no row where there is none.
pub fn vm_settings() -> Statement {
    Statement::new("select value from gateway.settings where name = 'vm'", [])
}

pub fn keep_vm_settings(json: &str) -> Statement {
    Statement::new(
        "insert into gateway.settings (name, value) values ('vm', $1) \
         on conflict (name) do update set value = excluded.value",
        [json.into()],
    )
}

/// The application in the first row; `None` where there is no row.
pub(super) fn app(result: &StatementResult) -> Option<App> {
    values(result).next()
}
