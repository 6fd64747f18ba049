//! The runtimes that can wait, which apps they can become, and what they are told then.

use control::{App, Runtime};

use crate::program;

/// A runtime of which one process waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) enum Kind {
    Node,
    Python,
}

/// What the environment says to the dynamic linker, or to libraries when they start: such an app starts
/// plainly.
const READ_AT_START: [&str; 6] = [
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "OPENSSL_CONF",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "UV_THREADPOOL_SIZE",
];

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Node, Self::Python];

    /// The one that the app is, with nothing about it that has to be there when that starts.
    pub(super) fn of(app: &App) -> Option<Self> {
        let kind = match app.runtime {
            Runtime::Node { .. } | Runtime::Next => Self::Node,
            Runtime::Python { .. } => Self::Python,
            Runtime::Static | Runtime::Command { .. } => return None,
        };
        let plain = app.env.iter().all(|(name, _)| kind.takes(name));
        (plain && app.layers.iter().any(|layer| layer == kind.layer())).then_some(kind)
    }

    /// Whether a variable may be set once it runs.
    fn takes(self, name: &str) -> bool {
        let prefix = match self {
            Self::Node => "NODE_",
            Self::Python => "PYTHON",
        };
        name == "NODE_ENV" || !(name.starts_with(prefix) || READ_AT_START.contains(&name))
    }

    /// The layer that has it.
    pub(super) const fn layer(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Python => "python",
        }
    }

    pub(super) const fn program(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Python => "python3",
        }
    }

    /// What it runs.
    pub(super) const fn script(self) -> &'static str {
        match self {
            Self::Node => include_str!("node.cjs"),
            Self::Python => include_str!("python.py"),
        }
    }

    /// Where that is in its room.
    pub(super) const fn script_path(self) -> &'static str {
        match self {
            Self::Node => "/run/warm.cjs",
            Self::Python => "/run/warm.py",
        }
    }

    /// What it has to know of the environment of apps when it starts.
    pub(super) fn environment(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let known: &[_] = match self {
            Self::Node => &[("NODE_ENV", "production")],
            Self::Python => &[("LANG", "C.UTF-8"), ("PYTHONUNBUFFERED", "1")],
        };
        known.iter().copied()
    }
}

/// What the process is told.
pub(super) fn orders(app: &App, uid: u32, seed: u32) -> String {
    let script = program::script(app);
    let mut words = vec![uid.to_string(), seed.to_string()];
    words.push(script.len().to_string());
    words.extend(script);
    if let Some(entry) = words.get_mut(3) {
        *entry = format!("{}/{entry}", program::FILES);
    }
    let env = program::environment(app);
    words.extend(env.iter().map(|(name, value)| format!("{name}={value}")));
    words.join("\0")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::program::tests::app;

    fn node() -> App {
        let mut app = app(Runtime::Node {
            entry: "src/main.mjs".to_owned(),
        });
        app.layers.push("node".to_owned());
        app
    }

    #[test]
    fn the_process_is_told_everything() {
        let said = orders(&node(), 10_001, 7).replace('\0', "\n");
        expect![[r"
            10001
            7
            1
            /app/src/main.mjs
            PORT=3000
            HOST=127.0.0.1
            HOME=/home/app
            USER=app
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
            LANG=C.UTF-8
            NODE_ENV=production
            PYTHONUNBUFFERED=1
            SECRET=a=b"]]
        .assert_eq(&said);
        let mut next = node();
        next.runtime = Runtime::Next;
        let said = orders(&next, 1, 2).replace('\0', " ");
        let begin = "1 2 6 /app/node_modules/next/dist/bin/next start -p 3000 -H 0.0.0.0 PORT=";
        assert!(said.starts_with(begin), "{said}");
    }

    #[test]
    fn python_is_told_its_program() {
        let mut app = app(Runtime::Python {
            entry: "main.py".to_owned(),
        });
        assert_eq!(Kind::of(&app), None);
        app.layers.push("python".to_owned());
        assert_eq!(Kind::of(&app), Some(Kind::Python));
        assert!(orders(&app, 1, 2).starts_with("1\x002\x001\x00/app/main.py\x00PORT=3000"));
        for name in ["PYTHONPATH", "LD_PRELOAD"] {
            let mut app = app.clone();
            app.env.push((name.to_owned(), "x".to_owned()));
            assert_eq!(Kind::of(&app), None, "{name}");
        }
    }

    #[test]
    fn what_node_reads_at_its_start_needs_a_start() {
        let takes_over = |change: fn(&mut App)| {
            let mut app = node();
            change(&mut app);
            Kind::of(&app).is_some()
        };
        let env = |app: &mut App, name: &str| app.env.push((name.to_owned(), "x".to_owned()));
        assert!(takes_over(|_| ()));
        assert!(takes_over(|app| app.runtime = Runtime::Next));
        assert!(!takes_over(|app| app.runtime = Runtime::Static));
        assert!(!takes_over(|app| app.layers.clear()));
        let mut app = node();
        env(&mut app, "NODE_ENV");
        assert!(Kind::of(&app).is_some());
        for name in ["NODE_OPTIONS", "NODE_EXTRA_CA_CERTS", "LD_PRELOAD"] {
            let mut app = node();
            env(&mut app, name);
            assert!(Kind::of(&app).is_none(), "{name}");
        }
    }
}
