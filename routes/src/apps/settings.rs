//! What an application is run with: read from JSON, checked, filled with defaults.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// The first port that an application gets where it names none.
pub const FIRST_PORT: u16 = 8001;
/// What stands in an answer for a value that is secret; sent back, it means the value as it was.
pub const MASK: &str = "********";

/// Ports on the switch that are not an application's: the gateway, Postgres, the way out.
const TAKEN_PORTS: [u16; 3] = [5173, 5432, 3128];
const LOWEST_PORT: u16 = 1024;
/// Names in the environment that the guest's agent sets itself.
const OWN_NAMES: [&str; 2] = ["PORT", "HOST"];
/// The largest environment, names and values together, in bytes.
const LARGEST_ENV: usize = 32 * 1024;
/// The longest command, in arguments and in bytes.
const MOST_ARGUMENTS: usize = 100;
const LONGEST_ARGUMENT: usize = 4096;
const MEMORY: std::ops::RangeInclusive<u32> = 16..=2048;
const PROCESSES: std::ops::RangeInclusive<u32> = 1..=4096;
const NICE: std::ops::RangeInclusive<u32> = 0..=19;
const START_DEADLINE: std::ops::RangeInclusive<u32> = 1..=600;

/// How an application is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// Files, served by nginx.
    Static,
    Node,
    NextJs,
    Python,
    /// Any program.
    Command,
}

impl Runtime {
    /// The layers of the system disk that it needs.
    pub const fn layers(self) -> &'static [&'static str] {
        match self {
            Self::Static => &["nginx"],
            Self::Node | Self::NextJs => &["node"],
            Self::Python => &["python"],
            Self::Command => &[],
        }
    }

    /// Files that it begins with where the application names none: the first that is there.
    const fn entries(self) -> &'static [&'static str] {
        match self {
            Self::Node => &[
                "server.js",
                "index.js",
                "app.js",
                "main.js",
                "server.mjs",
                "index.mjs",
            ],
            Self::Python => &["main.py", "app.py", "server.py"],
            Self::Static | Self::NextJs | Self::Command => &[],
        }
    }
}

/// What an application may take of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    pub memory_mib: u32,
    /// Processes and threads together.
    pub processes: u32,
    /// 0 is as urgent as any other, 19 the least.
    pub nice: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_mib: 256,
            processes: 128,
            nice: 0,
        }
    }
}

/// An application's settings, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub runtime: Runtime,
    /// A file of the bundle; empty where the runtime needs none.
    pub entry: String,
    /// Empty for every runtime but [`Runtime::Command`].
    pub command: Vec<String>,
    /// `None` where the database is to choose one.
    pub port: Option<u16>,
    pub env: BTreeMap<String, String>,
    pub limits: Limits,
    pub autostart: bool,
    /// Seconds.
    pub start_deadline_s: u32,
}

/// Settings as a client sends them: what it leaves out is as it was, or the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    pub runtime: Option<Runtime>,
    pub entry: Option<String>,
    pub command: Option<Vec<String>>,
    pub port: Option<u16>,
    pub env: Option<BTreeMap<String, String>>,
    pub limits: Option<LimitsDraft>,
    pub autostart: Option<bool>,
    pub start_deadline_s: Option<u32>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsDraft {
    pub memory_mib: Option<u32>,
    pub processes: Option<u32>,
    pub nice: Option<u32>,
}

/// Why settings were not taken; a sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError(pub String);

impl fmt::Display for SettingsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for SettingsError {}

fn refuse<T>(message: impl Into<String>) -> Result<T, SettingsError> {
    Err(SettingsError(message.into()))
}

impl Draft {
    /// Reads a client's JSON.
    pub fn parse(json: &[u8]) -> Result<Self, SettingsError> {
        serde_json::from_slice(json).map_err(|error| SettingsError(error.to_string()))
    }

    /// Reads `runtime` and `entry` of a query, for where a ZIP is sent by itself.
    pub fn of_query(query: &str) -> Result<Self, SettingsError> {
        let mut draft = serde_json::Map::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if matches!(name, "runtime" | "entry") {
                let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
                draft.insert(name.to_owned(), value.into_owned().into());
            }
        }
        Self::parse(serde_json::Value::Object(draft).to_string().as_bytes())
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The settings that this draft makes of those `before`. `contains` says which files the bundle has.
    pub fn apply(
        self,
        before: Option<&Settings>,
        contains: impl Fn(&str) -> bool,
    ) -> Result<Settings, SettingsError> {
        let Some(runtime) = self.runtime.or_else(|| before.map(|before| before.runtime)) else {
            return refuse("runtime is one of static, node, nextjs, python and command");
        };
        // Of another runtime, the entry point and the command mean nothing any more.
        let same = before.filter(|before| before.runtime == runtime);
        let given = self.entry.or_else(|| same.map(|same| same.entry.clone()));
        let entry = entry(runtime, given.as_deref().unwrap_or_default(), &contains)?;
        let command = self
            .command
            .or_else(|| same.map(|same| same.command.clone()));
        let command = check_command(runtime, command.unwrap_or_default())?;
        let port = self.port.or_else(|| before.and_then(|before| before.port));
        if let Some(port) = port
            && (port < LOWEST_PORT || TAKEN_PORTS.contains(&port))
        {
            return refuse(format!(
                "port is a number from {LOWEST_PORT} to 65535, and none of {TAKEN_PORTS:?}"
            ));
        }
        let known = before.map(|before| &before.env);
        let env = match self.env {
            None => known.cloned().unwrap_or_default(),
            Some(env) => check_env(env, known)?,
        };
        Ok(Settings {
            runtime,
            entry,
            command,
            port,
            env,
            limits: limits(self.limits.unwrap_or_default(), before)?,
            autostart: self
                .autostart
                .or_else(|| before.map(|before| before.autostart))
                .unwrap_or_default(),
            start_deadline_s: within(
                "start_deadline_s",
                self.start_deadline_s
                    .or_else(|| before.map(|before| before.start_deadline_s))
                    .unwrap_or(120),
                &START_DEADLINE,
            )?,
        })
    }
}

pub(crate) fn within(
    name: &str,
    value: u32,
    range: &std::ops::RangeInclusive<u32>,
) -> Result<u32, SettingsError> {
    if range.contains(&value) {
        return Ok(value);
    }
    let (least, most) = (range.start(), range.end());
    refuse(format!("{name} is a number from {least} to {most}"))
}

fn limits(draft: LimitsDraft, before: Option<&Settings>) -> Result<Limits, SettingsError> {
    let before = before.map_or_else(Limits::default, |before| before.limits);
    let or = |draft: Option<u32>, before| draft.unwrap_or(before);
    Ok(Limits {
        memory_mib: within(
            "limits.memory_mib",
            or(draft.memory_mib, before.memory_mib),
            &MEMORY,
        )?,
        processes: within(
            "limits.processes",
            or(draft.processes, before.processes),
            &PROCESSES,
        )?,
        nice: within("limits.nice", or(draft.nice, before.nice), &NICE)?,
    })
}

/// The entry point, without a `./` before it.
fn entry(
    runtime: Runtime,
    given: &str,
    contains: &impl Fn(&str) -> bool,
) -> Result<String, SettingsError> {
    let given = given.strip_prefix("./").unwrap_or(given);
    match runtime {
        Runtime::Static | Runtime::Command | Runtime::NextJs if !given.is_empty() => {
            return refuse("Only node and python have an entry point");
        }
        Runtime::NextJs => {
            let needed = ["node_modules/next/dist/bin/next", ".next/BUILD_ID"];
            return match needed.iter().find(|path| !contains(path)) {
                None => Ok(String::new()),
                Some(path) => refuse(format!(
                    "The bundle has no {path}: build the application (next build) and add .next and \
                     node_modules"
                )),
            };
        }
        Runtime::Static | Runtime::Command => return Ok(String::new()),
        Runtime::Node | Runtime::Python => {}
    }
    if given.is_empty() {
        let found = runtime.entries().iter().find(|path| contains(path));
        return match found {
            Some(found) => Ok((*found).to_owned()),
            None => refuse(format!(
                "entry is the file to begin with; the bundle has none of {}",
                runtime.entries().join(", ")
            )),
        };
    }
    if !contains(given) {
        return refuse(format!("entry: the bundle has no file {given}"));
    }
    Ok(given.to_owned())
}

fn check_command(runtime: Runtime, command: Vec<String>) -> Result<Vec<String>, SettingsError> {
    let is_command = runtime == Runtime::Command;
    if !is_command && !command.is_empty() {
        return refuse("Only the runtime command has a command");
    }
    let fits = command.len() <= MOST_ARGUMENTS
        && command
            .iter()
            .all(|argument| argument.len() <= LONGEST_ARGUMENT && !argument.contains('\0'));
    if !fits || (is_command && command.first().is_none_or(String::is_empty)) {
        return refuse(format!(
            "command is a program and its arguments, at most {MOST_ARGUMENTS} of {LONGEST_ARGUMENT} \
             bytes, without NUL"
        ));
    }
    Ok(command)
}

/// A value that is [`MASK`] is the one that is `known`.
fn check_env(
    mut env: BTreeMap<String, String>,
    known: Option<&BTreeMap<String, String>>,
) -> Result<BTreeMap<String, String>, SettingsError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(allowed)
            && !name.starts_with(|first: char| first.is_ascii_digit())
    };
    for (name, value) in &mut env {
        if !is_name(name) {
            return refuse(format!(
                "env: {name:?} is no name; they are letters, digits and _"
            ));
        }
        if OWN_NAMES.contains(&name.as_str()) {
            return refuse(format!(
                "env: {name} is set by the gateway; port says which"
            ));
        }
        if value == MASK {
            let Some(known) = known.and_then(|known| known.get(name)) else {
                return refuse(format!(
                    "env: {name} was not set before, so it has no value"
                ));
            };
            value.clone_from(known);
        }
        if value.contains('\0') {
            return refuse(format!("env: the value of {name} has a NUL"));
        }
    }
    let size: usize = env
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if size > LARGEST_ENV {
        return refuse(format!("env is larger than {LARGEST_ENV} bytes"));
    }
    Ok(env)
}

/// The environment as it may be shown: values that look secret, by their names or by what they are,
/// are [`MASK`].
pub fn masked(env: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
    const SECRET: [&str; 8] = [
        "KEY",
        "SECRET",
        "TOKEN",
        "PASS",
        "CREDENTIAL",
        "AUTH",
        "COOKIE",
        "PRIVATE",
    ];
    let is_secret = |name: &str, value: &str| {
        let name = name.to_ascii_uppercase();
        SECRET.iter().any(|word| name.contains(word))
            || value.starts_with("sb_secret_")
            || value.starts_with("eyJ")
            // An address with a password in it.
            || value.split_once("://").is_some_and(|(_, rest)| {
                let authority = rest.split('/').next().unwrap_or_default();
                authority.contains('@')
            })
    };
    let shown = env.iter().map(|(name, value)| {
        let value = if is_secret(name, value) { MASK } else { value };
        (name.as_str(), value)
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const FILES: [&str; 3] = [
        "server.js",
        "lib/main.py",
        "node_modules/next/dist/bin/next",
    ];

    fn apply(json: &str, before: Option<&Settings>) -> Result<Settings, SettingsError> {
        Draft::parse(json.as_bytes())?.apply(before, |path| FILES.contains(&path))
    }

    fn check(json: &str, expected: Expect) {
        expected.assert_eq(&match apply(json, None) {
            Ok(settings) => serde_json::to_string(&settings).unwrap(),
            Err(error) => error.to_string(),
        });
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        check(
            r#"{"runtime":"node"}"#,
            expect![[
                r#"{"runtime":"node","entry":"server.js","command":[],"port":null,"env":{},"limits":{"memory_mib":256,"processes":128,"nice":0},"autostart":false,"start_deadline_s":120}"#
            ]],
        );
        check(
            r#"{"runtime":"python","entry":"./lib/main.py","port":9000,"env":{"A":"b"},"limits":{"nice":5},"autostart":true,"start_deadline_s":5}"#,
            expect![[
                r#"{"runtime":"python","entry":"lib/main.py","command":[],"port":9000,"env":{"A":"b"},"limits":{"memory_mib":256,"processes":128,"nice":5},"autostart":true,"start_deadline_s":5}"#
            ]],
        );
    }

    #[test]
    fn what_cannot_be_run_is_refused_in_a_sentence() {
        check("", expect!["EOF while parsing a value at line 1 column 0"]);
        check(
            "{}",
            expect!["runtime is one of static, node, nextjs, python and command"],
        );
        check(
            r#"{"runtime":"ruby"}"#,
            expect![
                "unknown variant `ruby`, expected one of `static`, `node`, `nextjs`, `python`, `command` at line 1 column 17"
            ],
        );
        check(
            r#"{"runtime":"node","runtim":1}"#,
            expect![
                "unknown field `runtim`, expected one of `runtime`, `entry`, `command`, `port`, `env`, `limits`, `autostart`, `start_deadline_s` at line 1 column 26"
            ],
        );
        check(
            r#"{"runtime":"python"}"#,
            expect![
                "entry is the file to begin with; the bundle has none of main.py, app.py, server.py"
            ],
        );
        check(
            r#"{"runtime":"node","entry":"../x.js"}"#,
            expect!["entry: the bundle has no file ../x.js"],
        );
        check(
            r#"{"runtime":"static","entry":"x"}"#,
            expect!["Only node and python have an entry point"],
        );
        check(
            r#"{"runtime":"nextjs"}"#,
            expect![
                "The bundle has no .next/BUILD_ID: build the application (next build) and add .next and node_modules"
            ],
        );
        check(
            r#"{"runtime":"command"}"#,
            expect![
                "command is a program and its arguments, at most 100 of 4096 bytes, without NUL"
            ],
        );
        check(
            r#"{"runtime":"node","command":["sh"]}"#,
            expect!["Only the runtime command has a command"],
        );
        check(
            r#"{"runtime":"node","port":80}"#,
            expect!["port is a number from 1024 to 65535, and none of [5173, 5432, 3128]"],
        );
        check(
            r#"{"runtime":"node","port":5432}"#,
            expect!["port is a number from 1024 to 65535, and none of [5173, 5432, 3128]"],
        );
        check(
            r#"{"runtime":"node","port":65536}"#,
            expect!["invalid value: integer `65536`, expected u16 at line 1 column 30"],
        );
        check(
            r#"{"runtime":"node","env":{"A-B":"x"}}"#,
            expect![[r#"env: "A-B" is no name; they are letters, digits and _"#]],
        );
        check(
            r#"{"runtime":"node","env":{"PORT":"1"}}"#,
            expect!["env: PORT is set by the gateway; port says which"],
        );
        check(
            r#"{"runtime":"node","env":{"A":"\u0000"}}"#,
            expect!["env: the value of A has a NUL"],
        );
        check(
            r#"{"runtime":"node","env":{"A":"********"}}"#,
            expect!["env: A was not set before, so it has no value"],
        );
        check(
            r#"{"runtime":"node","limits":{"memory_mib":8}}"#,
            expect!["limits.memory_mib is a number from 16 to 2048"],
        );
        check(
            r#"{"runtime":"node","start_deadline_s":0}"#,
            expect!["start_deadline_s is a number from 1 to 600"],
        );
        let large = format!(
            r#"{{"runtime":"node","env":{{"A":"{}"}}}}"#,
            "x".repeat(40_000)
        );
        check(&large, expect!["env is larger than 32768 bytes"]);
    }

    #[test]
    fn what_is_not_said_again_stays() {
        let before = apply(
            r#"{"runtime":"command","command":["sh","run"],"port":9000,"env":{"API_KEY":"k","MODE":"dev"}}"#,
            None,
        )
        .unwrap();
        assert_eq!(apply("{}", Some(&before)).unwrap(), before);
        let masked = apply(
            r#"{"env":{"API_KEY":"********","MODE":"x"}}"#,
            Some(&before),
        )
        .unwrap();
        assert_eq!(masked.env["API_KEY"], "k");
        assert_eq!(masked.env["MODE"], "x");
        let node = apply(r#"{"runtime":"node"}"#, Some(&before)).unwrap();
        assert!(node.command.is_empty());
        assert_eq!((node.entry.as_str(), node.port), ("server.js", Some(9000)));
    }

    #[test]
    fn what_looks_secret_is_not_shown() {
        let secret = [
            ("STRIPE_KEY", "k"),
            ("db_password", "p"),
            ("X", "sb_secret_1"),
            ("Y", "eyJhbGciOi"),
            ("DATABASE_URL", "postgres://me:secret@localhost/x"),
        ];
        let shown = [
            ("MODE", "dev"),
            ("URL", "http://localhost/a@b"),
            ("EMPTY", ""),
        ];
        let env = secret.iter().chain(&shown);
        let env = env.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let env = env.collect();
        let masked = masked(&env);
        for (name, _) in secret {
            assert_eq!(masked[name], MASK, "{name}");
        }
        for (name, value) in shown {
            assert_eq!(masked[name], value, "{name}");
        }
    }
}
