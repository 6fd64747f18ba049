//! The route table: which paths are the gateway's, and which part answers each.
//!
//! Every path is written once, here. The router matches it in Rust; [`pattern`] says the same to
//! the service worker's script, which has to decide before the WASM is there.

use std::sync::LazyLock;

use matchit::Router;

/// The project of a path without a `/<project>` prefix.
pub const DEFAULT_PROJECT: &str = "default";

/// Where Auth is.
pub const AUTH: &str = "/auth/v1";

/// Where functions are called.
pub const FUNCTIONS: &str = "/functions/v1";

/// Where the script is that pages of guest applications begin with.
pub const SHIM: &str = "/gateway/shim.js";

/// The part of the gateway that answers a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    Rest,
    GraphQl,
    Auth,
    Storage,
    /// A call of a function.
    Functions,
    Realtime,
    /// A guest application.
    App,
    /// SQL as the database's owner.
    Query,
    Status,
    /// Mails and text messages that were written.
    Outbox,
    /// The virtual machine: its state, its settings, its runtimes.
    Vm,
    /// Guest applications: what is deployed, and what of it runs.
    Apps,
    /// Edge Functions: what is deployed.
    DeployedFunctions,
    /// What functions find in their environment.
    Secrets,
    /// All of a project in one file.
    Backup,
    /// Wakes the gateway, and does nothing else.
    Wake,
    /// The script that pages of guest applications begin with.
    Shim,
    Health,
    /// A path under an API's name that no API has: a 404 of ours, not the network's.
    Unknown,
}

/// Where a path leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route<'path> {
    pub endpoint: Endpoint,
    /// The prefix, where there is one; a valid project name.
    pub project: Option<&'path str>,
    /// The application's name, for [`Endpoint::App`]; otherwise empty. Not decoded.
    pub name: &'path str,
    /// What follows the endpoint's own path: empty or from a `/` on. Not decoded.
    pub rest: &'path str,
}

struct Entry {
    path: &'static str,
    endpoint: Endpoint,
    /// Whether paths below it are its own too.
    tree: bool,
    /// Whether it also stands behind `/<project>`.
    prefixed: bool,
}

const fn leaf(path: &'static str, endpoint: Endpoint) -> Entry {
    Entry {
        path,
        endpoint,
        tree: false,
        prefixed: true,
    }
}

const fn tree(path: &'static str, endpoint: Endpoint) -> Entry {
    Entry {
        tree: true,
        ..leaf(path, endpoint)
    }
}

/// The first path of a reserved name: a folder of an application may have it, but not at the root.
const fn reserved(path: &'static str) -> Entry {
    Entry {
        prefixed: false,
        ..tree(path, Endpoint::Unknown)
    }
}

const TABLE: &[Entry] = &[
    leaf("/health", Endpoint::Health),
    leaf("/gateway/status", Endpoint::Status),
    tree("/gateway/outbox", Endpoint::Outbox),
    tree("/gateway/vm", Endpoint::Vm),
    tree("/gateway/apps", Endpoint::Apps),
    tree("/gateway/functions", Endpoint::DeployedFunctions),
    tree("/gateway/secrets", Endpoint::Secrets),
    leaf("/gateway/backup", Endpoint::Backup),
    leaf("/gateway/wake", Endpoint::Wake),
    leaf(SHIM, Endpoint::Shim),
    leaf("/pg/query", Endpoint::Query),
    tree("/rest/v1", Endpoint::Rest),
    tree("/graphql/v1", Endpoint::GraphQl),
    tree(AUTH, Endpoint::Auth),
    tree("/storage/v1", Endpoint::Storage),
    tree(FUNCTIONS, Endpoint::Functions),
    tree("/realtime/v1", Endpoint::Realtime),
    tree("/app/{name}", Endpoint::App),
    tree("/rest/v{version}", Endpoint::Unknown),
    tree("/graphql/v{version}", Endpoint::Unknown),
    tree("/auth/v{version}", Endpoint::Unknown),
    tree("/storage/v{version}", Endpoint::Unknown),
    tree("/functions/v{version}", Endpoint::Unknown),
    tree("/realtime/v{version}", Endpoint::Unknown),
    reserved("/pg"),
    reserved("/gateway"),
];

const NAME: &str = "{name}";
const VERSION: &str = "{version}";
const REST: &str = "{*rest}";

static ROUTER: LazyLock<Router<Endpoint>> = LazyLock::new(|| {
    let mut router = Router::new();
    let mut insert = |path: String, endpoint| {
        router
            .insert(path, endpoint)
            .expect("the table's paths do not conflict");
    };
    for entry in TABLE {
        let prefixes = ["", "/{project}"];
        for prefix in prefixes.iter().take(1 + usize::from(entry.prefixed)) {
            let path = format!("{prefix}{}", entry.path);
            if entry.tree {
                insert(format!("{path}/"), entry.endpoint);
                insert(format!("{path}/{REST}"), entry.endpoint);
            }
            insert(path, entry.endpoint);
        }
    }
    router
});

/// Whether a project may have this name: `[a-z0-9][a-z0-9-]*`, and not a word that starts a path of
/// the table.
pub fn is_project_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.bytes()
        .enumerate()
        .all(|(index, byte)| allowed(byte) || (byte == b'-' && index > 0))
        && !name.is_empty()
        && !reserved_words().any(|word| word == name)
}

fn reserved_words() -> impl Iterator<Item = &'static str> {
    TABLE
        .iter()
        .filter_map(|entry| entry.path.split('/').nth(1))
}

/// Where a URL's path leads; `None` where it is not the gateway's.
///
/// ```
/// use routes::table::{Endpoint, find};
///
/// let route = find("/demo/rest/v1/todos").unwrap();
/// assert_eq!((route.endpoint, route.project, route.rest), (Endpoint::Rest, Some("demo"), "/todos"));
/// assert_eq!(find("/assets/main.js"), None);
/// ```
pub fn find(path: &str) -> Option<Route<'_>> {
    let found = ROUTER.at(path).ok()?;
    let project = found.params.get("project");
    if project.is_some_and(|project| !is_project_name(project)) {
        return None;
    }
    let is_number = |version: &str| version.bytes().all(|byte| byte.is_ascii_digit());
    if !found.params.get("version").is_none_or(is_number) {
        return None;
    }
    let rest = match found.params.get("rest") {
        Some(rest) => &path[path.len() - rest.len() - 1..],
        None if path.ends_with('/') => "/",
        None => "",
    };
    Some(Route {
        endpoint: *found.value,
        project,
        name: found.params.get("name").unwrap_or_default(),
        rest,
    })
}

/// A JavaScript regular expression that matches `URL.pathname` exactly where [`find`] finds a route.
pub fn pattern() -> String {
    let mut reserved: Vec<_> = reserved_words().collect();
    reserved.sort_unstable();
    reserved.dedup();
    let project = format!("/(?!(?:{})/)[a-z0-9][a-z0-9-]*", reserved.join("|"));
    let alternatives = |prefixed: bool| {
        TABLE
            .iter()
            .filter(|entry| entry.prefixed || !prefixed)
            .map(|entry| {
                let path = entry.path.replace(NAME, "[^/]+").replace(VERSION, "[0-9]+");
                path + if entry.tree { "(?:/.*)?" } else { "" }
            })
            .collect::<Vec<_>>()
            .join("|")
    };
    let (bare, prefixed) = (alternatives(false), alternatives(true));
    format!("^(?:{bare}|{project}(?:{prefixed}))$")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(paths: &[&str], expected: Expect) {
        let found: String = paths
            .iter()
            .map(|path| match find(path) {
                None => format!("{path} -\n"),
                Some(Route {
                    endpoint,
                    project,
                    name,
                    rest,
                }) => {
                    let project = project.unwrap_or("-");
                    format!("{path} {endpoint:?} project={project} name={name} rest={rest}\n")
                }
            })
            .collect();
        expected.assert_eq(&found);
        let pattern = regress::Regex::new(&pattern()).unwrap();
        for path in paths {
            assert_eq!(pattern.find(path).is_some(), find(path).is_some(), "{path}");
        }
    }

    #[test]
    fn each_path_leads_to_its_part() {
        check(
            &[
                "/health",
                "/gateway/status",
                "/gateway/outbox",
                "/gateway/outbox/1",
                "/gateway/vm",
                "/gateway/vm/runtimes/node",
                "/gateway/apps",
                "/gateway/apps/web/logs",
                "/gateway/functions/hello/logs",
                "/gateway/secrets",
                "/gateway/backup",
                "/gateway/backup/",
                "/gateway/wake",
                "/gateway/shim.js",
                "/pg/query",
                "/rest/v1",
                "/rest/v1/",
                "/rest/v1/todos",
                "/rest/v1/rpc/f",
                "/rest/v1//",
                "/rest/v1/caf%C3%A9",
                "/graphql/v1",
                "/auth/v1/token",
                "/storage/v1/object/b/a/c.png",
                "/functions/v1/hello/x",
                "/realtime/v1/websocket",
                "/app/web",
                "/app/web/",
                "/app/web/assets/x.js",
                "/app/My%20App",
                "/app/app/app",
            ],
            expect![[r"
                /health Health project=- name= rest=
                /gateway/status Status project=- name= rest=
                /gateway/outbox Outbox project=- name= rest=
                /gateway/outbox/1 Outbox project=- name= rest=/1
                /gateway/vm Vm project=- name= rest=
                /gateway/vm/runtimes/node Vm project=- name= rest=/runtimes/node
                /gateway/apps Apps project=- name= rest=
                /gateway/apps/web/logs Apps project=- name= rest=/web/logs
                /gateway/functions/hello/logs DeployedFunctions project=- name= rest=/hello/logs
                /gateway/secrets Secrets project=- name= rest=
                /gateway/backup Backup project=- name= rest=
                /gateway/backup/ Unknown project=- name= rest=/backup/
                /gateway/wake Wake project=- name= rest=
                /gateway/shim.js Shim project=- name= rest=
                /pg/query Query project=- name= rest=
                /rest/v1 Rest project=- name= rest=
                /rest/v1/ Rest project=- name= rest=/
                /rest/v1/todos Rest project=- name= rest=/todos
                /rest/v1/rpc/f Rest project=- name= rest=/rpc/f
                /rest/v1// Rest project=- name= rest=//
                /rest/v1/caf%C3%A9 Rest project=- name= rest=/caf%C3%A9
                /graphql/v1 GraphQl project=- name= rest=
                /auth/v1/token Auth project=- name= rest=/token
                /storage/v1/object/b/a/c.png Storage project=- name= rest=/object/b/a/c.png
                /functions/v1/hello/x Functions project=- name= rest=/hello/x
                /realtime/v1/websocket Realtime project=- name= rest=/websocket
                /app/web App project=- name=web rest=
                /app/web/ App project=- name=web rest=/
                /app/web/assets/x.js App project=- name=web rest=/assets/x.js
                /app/My%20App App project=- name=My%20App rest=
                /app/app/app App project=- name=app rest=/app
            "]],
        );
    }

    #[test]
    fn a_prefix_names_the_project() {
        check(
            &[
                "/demo/rest/v1/todos",
                "/a-1/rest/v1",
                "/demo/health",
                "/demo/pg/query",
                "/demo/gateway/status",
                "/demo/app/web/x",
                "/demo/functions/v1/f",
                "/Demo/rest/v1/todos",
                "/-demo/rest/v1/todos",
                "/de.mo/rest/v1/todos",
                "/rest/rest/v1/todos",
                "/app/rest/v1/todos",
                "/health/rest/v1/todos",
                "/a/b/rest/v1/todos",
                "//rest/v1/todos",
            ],
            expect![[r"
                /demo/rest/v1/todos Rest project=demo name= rest=/todos
                /a-1/rest/v1 Rest project=a-1 name= rest=
                /demo/health Health project=demo name= rest=
                /demo/pg/query Query project=demo name= rest=
                /demo/gateway/status Status project=demo name= rest=
                /demo/app/web/x App project=demo name=web rest=/x
                /demo/functions/v1/f Functions project=demo name= rest=/f
                /Demo/rest/v1/todos -
                /-demo/rest/v1/todos -
                /de.mo/rest/v1/todos -
                /rest/rest/v1/todos -
                /app/rest/v1/todos App project=- name=rest rest=/v1/todos
                /health/rest/v1/todos -
                /a/b/rest/v1/todos -
                //rest/v1/todos -
            "]],
        );
    }

    #[test]
    fn an_unknown_path_of_an_api_is_ours_and_any_other_is_not() {
        check(
            &[
                "/rest/v2",
                "/rest/v10/todos",
                "/auth/v9/token",
                "/demo/auth/v2/token",
                "/pg",
                "/pg/",
                "/pg/x",
                "/pg/query/x",
                "/gateway/x",
                "/",
                "",
                "/index.html",
                "/@vite/client",
                "/assets/x.js",
                "/restaurant",
                "/rest",
                "/rest/",
                "/rest/todos",
                "/rest/v",
                "/rest/v1x",
                "/rest/vx/y",
                "/auth/callback",
                "/app",
                "/app/",
                "/healthy",
                "/health/",
                "/src/pg/client.ts",
                "/src/rest/v1.ts",
                "/src/gateway/table.ts",
                "/REST/v1",
            ],
            expect![[r"
                /rest/v2 Unknown project=- name= rest=
                /rest/v10/todos Unknown project=- name= rest=/todos
                /auth/v9/token Unknown project=- name= rest=/token
                /demo/auth/v2/token Unknown project=demo name= rest=/token
                /pg Unknown project=- name= rest=
                /pg/ Unknown project=- name= rest=/
                /pg/x Unknown project=- name= rest=/x
                /pg/query/x Unknown project=- name= rest=/query/x
                /gateway/x Unknown project=- name= rest=/x
                / -
                 -
                /index.html -
                /@vite/client -
                /assets/x.js -
                /restaurant -
                /rest -
                /rest/ -
                /rest/todos -
                /rest/v -
                /rest/v1x -
                /rest/vx/y -
                /auth/callback -
                /app -
                /app/ -
                /healthy -
                /health/ -
                /src/pg/client.ts -
                /src/rest/v1.ts -
                /src/gateway/table.ts -
                /REST/v1 -
            "]],
        );
    }

    #[test]
    fn a_project_may_not_have_the_name_of_an_api() {
        for name in ["default", "a", "0-9", "my-shop"] {
            assert!(is_project_name(name), "{name}");
        }
        for name in [
            "", "-a", "A", "a_b", "rest", "app", "pg", "gateway", "health", "é",
        ] {
            assert!(!is_project_name(name), "{name}");
        }
        assert!(is_project_name(DEFAULT_PROJECT));
    }
}
