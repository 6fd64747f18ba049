//! What is run for an app: the command, the environment, and nginx's settings.

use std::iter;

use control::{App, Runtime};

/// Where an app's files are, as it sees things.
pub(crate) const FILES: &str = "/app";
/// What an app may write and keep: its home.
pub(crate) const HOME: &str = "/home/app";
/// Where the settings of a static app's nginx are, as it sees things.
pub(crate) const NGINX: &str = "/run/nginx.conf";

/// Where programs are.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const NEXT: &str = "node_modules/next/dist/bin/next";

/// Why an app cannot be run as it is described; for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong(pub(crate) String);

/// Looks at everything in an app that somebody chose. Nothing after this re-checks it.
pub(crate) fn check(app: &App) -> Result<(), Wrong> {
    name(&app.name)?;
    if app.port < 1024 {
        return Err(Wrong(format!("port {} is not 1024 or above", app.port)));
    }
    match &app.runtime {
        Runtime::Static | Runtime::Next => {}
        Runtime::Node { entry } | Runtime::Python { entry } => check_entry(entry)?,
        Runtime::Command { command } => check_command(command)?,
    }
    environment_is_one(&app.env)?;
    for layer in &app.layers {
        name(layer)?;
    }
    if app.limits.nice > 19 || app.limits.processes == 0 || app.limits.memory == 0 {
        return Err(Wrong("limits no program can live with".to_owned()));
    }
    Ok(())
}

/// Names of apps and layers become names of folders.
pub(crate) fn name(name: &str) -> Result<(), Wrong> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let good = bytes.len() <= 63
        && bytes.first().copied().is_some_and(letter)
        && bytes
            .iter()
            .all(|&byte| letter(byte) || byte == b'-' || byte == b'_');
    if good {
        Ok(())
    } else {
        Err(Wrong(format!("{name:?} is no name")))
    }
}

pub(crate) fn check_command(command: &[String]) -> Result<(), Wrong> {
    match command.first() {
        Some(program) if !program.is_empty() => {}
        _ => return Err(Wrong("no command".to_owned())),
    }
    if command.iter().any(|word| word.contains('\0')) {
        return Err(Wrong("a zero byte in the command".to_owned()));
    }
    Ok(())
}

pub(crate) fn environment_is_one(env: &[(String, String)]) -> Result<(), Wrong> {
    for (name, value) in env {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(Wrong(format!("{name:?} cannot be in an environment")));
        }
    }
    Ok(())
}

/// An entry point is a path inside the app's files.
fn check_entry(entry: &str) -> Result<(), Wrong> {
    let inside = !entry.is_empty()
        && !entry.starts_with(['/', '-'])
        && !entry.contains('\0')
        && entry.split('/').all(|part| part != "..");
    if inside {
        Ok(())
    } else {
        Err(Wrong(format!("{entry:?} is no file of the app")))
    }
}

/// The program and its arguments.
pub(crate) fn command(app: &App) -> Vec<String> {
    let words: &[&str] = match &app.runtime {
        Runtime::Static => &["nginx", "-e", "stderr", "-c", NGINX],
        Runtime::Node { .. } | Runtime::Next => {
            let node = iter::once("node".to_owned());
            return node.chain(heap(app)).chain(script(app)).collect();
        }
        Runtime::Python { entry } => &["python3", entry],
        Runtime::Command { command } => return command.clone(),
    };
    words.iter().map(|&word| word.to_owned()).collect()
}

/// What Node or Python runs, and its arguments; nothing where the app is neither's.
pub(crate) fn script(app: &App) -> Vec<String> {
    let port = app.port.to_string();
    let words: &[&str] = match &app.runtime {
        Runtime::Node { entry } | Runtime::Python { entry } => &[entry],
        Runtime::Next => &[NEXT, "start", "-p", &port, "-H", "0.0.0.0"],
        Runtime::Static | Runtime::Command { .. } => &[],
    };
    words.iter().map(|&word| word.to_owned()).collect()
}

/// Three quarters of an app's memory are for its heap, so that V8 collects before the kernel kills;
/// unless the owner says how large that is. Node cannot see the limit itself: a room has no `/sys`.
fn heap(app: &App) -> Option<String> {
    let says = |(name, value): &(String, String)| {
        name == "NODE_OPTIONS" && value.replace('_', "-").contains("--max-old-space-size")
    };
    let mebibytes = app.limits.memory / 4 * 3 / (1 << 20);
    (mebibytes > 0 && !app.env.iter().any(says))
        .then(|| format!("--max-old-space-size={mebibytes}"))
}

/// The environment of an app: what every app has, then the app's own on top.
pub(crate) fn environment(app: &App) -> Vec<(String, String)> {
    let port = app.port.to_string();
    let common = [
        ("PORT", port.as_str()),
        ("HOST", "0.0.0.0"),
        ("HOME", HOME),
        ("USER", "app"),
        ("PATH", PATH),
        ("LANG", "C.UTF-8"),
        ("NODE_ENV", "production"),
        ("PYTHONUNBUFFERED", "1"),
    ];
    overlaid(&common, &app.env)
}

/// The environment of a command that is not an app's.
pub(crate) fn root_environment(env: &[(String, String)]) -> Vec<(String, String)> {
    let common = [
        ("HOME", "/root"),
        ("USER", "root"),
        ("PATH", PATH),
        ("LANG", "C.UTF-8"),
    ];
    overlaid(&common, env)
}

/// `env` on top of `below`, each name once, at its first place.
pub(crate) fn overlaid(below: &[(&str, &str)], env: &[(String, String)]) -> Vec<(String, String)> {
    let below = below
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()));
    let mut all: Vec<(String, String)> = Vec::new();
    for (name, value) in below.chain(env.iter().cloned()) {
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => all.push((name, value)),
        }
    }
    all
}

/// nginx's settings for a static app: its files as they are, `index.html` of a folder, ranges; no
/// fallback to another file, and nothing compressed, for the way to the browser is memory.
pub(crate) fn nginx(port: u16) -> String {
    format!(
        "daemon off;
master_process off;
pid /tmp/nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    include /etc/nginx/mime.types;
    types {{
        text/javascript mjs;
        application/manifest+json webmanifest;
    }}
    types_hash_max_size 4096;
    default_type application/octet-stream;
    charset utf-8;
    log_format line '$request_method $request_uri $status $body_bytes_sent';
    access_log /dev/stdout line buffer=4k flush=1s;
    client_body_temp_path /tmp/client_body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    sendfile on;
    tcp_nodelay on;
    gzip off;
    server_tokens off;
    keepalive_timeout 300s;
    keepalive_requests 100000;
    server {{
        listen 0.0.0.0:{port};
        root {FILES};
        index index.html index.htm;
        absolute_redirect off;
        location / {{ try_files $uri $uri/ =404; }}
    }}
}}
"
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use control::{Digest, Limits};
    use expect_test::{Expect, expect};

    use super::*;

    pub(crate) fn app(runtime: Runtime) -> App {
        App {
            name: "shop".to_owned(),
            runtime,
            port: 3000,
            env: vec![
                ("HOST".to_owned(), "127.0.0.1".to_owned()),
                ("SECRET".to_owned(), "a=b".to_owned()),
            ],
            layers: Vec::new(),
            bundle: Digest([7; 32]),
            limits: Limits {
                memory: 1 << 26,
                processes: 32,
                nice: 0,
            },
            autostart: true,
        }
    }

    fn runs(runtime: Runtime, expected: Expect) {
        let app = app(runtime);
        let said = match check(&app) {
            Ok(()) => command(&app).join(" "),
            Err(Wrong(reason)) => format!("refused: {reason}"),
        };
        expected.assert_eq(&said);
    }

    #[test]
    fn each_runtime_has_its_command() {
        let entry = |entry: &str| Runtime::Node {
            entry: entry.to_owned(),
        };
        runs(
            Runtime::Static,
            expect!["nginx -e stderr -c /run/nginx.conf"],
        );
        runs(
            entry("src/server.mjs"),
            expect!["node --max-old-space-size=48 src/server.mjs"],
        );
        runs(
            Runtime::Next,
            expect![
                "node --max-old-space-size=48 node_modules/next/dist/bin/next start -p 3000 -H 0.0.0.0"
            ],
        );
        runs(
            Runtime::Python {
                entry: "main.py".to_owned(),
            },
            expect!["python3 main.py"],
        );
        runs(
            Runtime::Command {
                command: vec!["sh".to_owned(), "-c".to_owned(), "a b".to_owned()],
            },
            expect!["sh -c a b"],
        );
        runs(entry(""), expect![[r#"refused: "" is no file of the app"#]]);
        runs(
            entry("/etc/passwd"),
            expect![[r#"refused: "/etc/passwd" is no file of the app"#]],
        );
        runs(
            entry("a/../../b"),
            expect![[r#"refused: "a/../../b" is no file of the app"#]],
        );
        runs(
            entry("--eval=1"),
            expect![[r#"refused: "--eval=1" is no file of the app"#]],
        );
        runs(
            Runtime::Command {
                command: Vec::new(),
            },
            expect!["refused: no command"],
        );
        runs(
            Runtime::Command {
                command: vec!["a\0b".to_owned()],
            },
            expect!["refused: a zero byte in the command"],
        );
    }

    #[test]
    fn the_owner_may_say_how_large_a_heap_is() {
        let given = |memory, options: &str| {
            let mut app = app(Runtime::Next);
            app.limits.memory = memory;
            let options = ("NODE_OPTIONS".to_owned(), options.to_owned());
            app.env.push(options);
            heap(&app)
        };
        let limit = |size: &str| Some(format!("--max-old-space-size={size}"));
        assert_eq!(given(256 << 20, "--no-warnings"), limit("192"));
        assert_eq!(given(u64::MAX, ""), limit("13194139533311"));
        assert_eq!(given(1 << 20, ""), None);
        assert_eq!(given(256 << 20, "--max-old-space-size=64"), None);
        assert_eq!(given(256 << 20, "-r x --max_old_space_size 64"), None);
    }

    #[test]
    fn names_are_names_of_folders() {
        for good in ["a", "0", "my-app_2", &"x".repeat(63)] {
            assert_eq!(name(good), Ok(()), "{good}");
        }
        for wrong in [
            "",
            ".",
            "..",
            "-a",
            "_a",
            "A",
            "a/b",
            "a.b",
            "é",
            "a b",
            "a\0",
            &"x".repeat(64),
        ] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_app_has_the_last_word_in_its_environment() {
        let env = environment(&app(Runtime::Static));
        let lines: Vec<String> = env.iter().map(|(n, v)| format!("{n}={v}")).collect();
        expect![[r"
            PORT=3000
            HOST=127.0.0.1
            HOME=/home/app
            USER=app
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
            LANG=C.UTF-8
            NODE_ENV=production
            PYTHONUNBUFFERED=1
            SECRET=a=b"]]
        .assert_eq(&lines.join("\n"));
    }

    #[test]
    fn what_no_kernel_takes_is_refused() {
        for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "\0")] {
            let env = [(name.to_owned(), value.to_owned())];
            assert!(environment_is_one(&env).is_err(), "{name:?} {value:?}");
        }
        let wrong = |change: fn(&mut App)| {
            let mut app = app(Runtime::Static);
            change(&mut app);
            check(&app).is_err()
        };
        assert!(wrong(|app| app.port = 1023));
        assert!(wrong(|app| app.limits.nice = 20));
        assert!(wrong(|app| app.limits.memory = 0));
        assert!(wrong(|app| app.limits.processes = 0));
        assert!(wrong(|app| app.layers.push("../x".to_owned())));
        assert!(!wrong(|_| ()));
    }
}
