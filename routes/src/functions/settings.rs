//! What a function is run with: read from JSON, checked, filled with defaults.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::apps::settings::{SettingsError, within};

const MEMORY: RangeInclusive<u32> = 16..=2048;
const WALL_CLOCK: RangeInclusive<u32> = 1000..=3_600_000;
const CPU: RangeInclusive<u32> = 10..=600_000;
const TIMEOUT: RangeInclusive<u32> = 100..=3_600_000;
const CONCURRENCY: RangeInclusive<u32> = 1..=1000;
const QUEUE: RangeInclusive<u32> = 0..=10_000;
/// The longest path of an entry point.
const LONGEST_ENTRYPOINT: usize = 512;

/// Where a function may run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Host {
    /// In a worker of the browser, or of the Node that serves.
    #[default]
    Isolate,
    /// In the virtual machine.
    Vm,
    /// In the virtual machine, and where there is none in a worker.
    VmOrIsolate,
}

impl Host {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Isolate => "isolate",
            Self::Vm => "vm",
            Self::VmOrIsolate => "vm-or-isolate",
        }
    }
}

/// What a function may take: Supabase's limits, unless it has others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    pub memory_mib: u32,
    /// Of one isolate, from its beginning to its end.
    pub wall_clock_ms: u32,
    pub cpu_ms: u32,
    /// Until an answer has begun.
    pub timeout_ms: u32,
    /// Requests at a time.
    pub concurrency: u32,
    /// Requests that wait for others to end.
    pub queue: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_mib: 256,
            wall_clock_ms: 400_000,
            cpu_ms: 2000,
            timeout_ms: 150_000,
            concurrency: 64,
            queue: 256,
        }
    }
}

/// A function's settings, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Whether only requests with a token of the project's reach it.
    pub verify_jwt: bool,
    pub host: Host,
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            verify_jwt: true,
            host: Host::default(),
            limits: Limits::default(),
        }
    }
}

/// Settings as a client sends them: what it leaves out is as it was, or the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    pub verify_jwt: Option<bool>,
    pub host: Option<Host>,
    /// Only of what is deployed with it.
    pub entrypoint: Option<String>,
    pub limits: Option<LimitsDraft>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsDraft {
    pub memory_mib: Option<u32>,
    pub wall_clock_ms: Option<u32>,
    pub cpu_ms: Option<u32>,
    pub timeout_ms: Option<u32>,
    pub concurrency: Option<u32>,
    pub queue: Option<u32>,
}

impl Draft {
    /// Reads a client's JSON.
    pub fn parse(json: &[u8]) -> Result<Self, SettingsError> {
        serde_json::from_slice(json).map_err(|error| SettingsError(error.to_string()))
    }

    /// The settings that this draft makes of those `before`.
    pub fn apply(&self, before: &Settings) -> Result<Settings, SettingsError> {
        let (draft, limits) = (self.limits.unwrap_or_default(), before.limits);
        let limit = |name: &str, draft: Option<u32>, before, range| {
            within(&format!("limits.{name}"), draft.unwrap_or(before), range)
        };
        Ok(Settings {
            verify_jwt: self.verify_jwt.unwrap_or(before.verify_jwt),
            host: self.host.unwrap_or(before.host),
            limits: Limits {
                memory_mib: limit("memory_mib", draft.memory_mib, limits.memory_mib, &MEMORY)?,
                wall_clock_ms: limit(
                    "wall_clock_ms",
                    draft.wall_clock_ms,
                    limits.wall_clock_ms,
                    &WALL_CLOCK,
                )?,
                cpu_ms: limit("cpu_ms", draft.cpu_ms, limits.cpu_ms, &CPU)?,
                timeout_ms: limit("timeout_ms", draft.timeout_ms, limits.timeout_ms, &TIMEOUT)?,
                concurrency: limit(
                    "concurrency",
                    draft.concurrency,
                    limits.concurrency,
                    &CONCURRENCY,
                )?,
                queue: limit("queue", draft.queue, limits.queue, &QUEUE)?,
            },
        })
    }

    /// The entry point that is named, if one is.
    pub fn entrypoint(&self) -> Result<Option<&str>, SettingsError> {
        match self.entrypoint.as_deref() {
            Some(path) if path.is_empty() || path.len() > LONGEST_ENTRYPOINT => Err(SettingsError(
                format!("entrypoint is a path of at most {LONGEST_ENTRYPOINT} bytes"),
            )),
            path => Ok(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(json: &str, expected: Expect) {
        let settings =
            Draft::parse(json.as_bytes()).and_then(|draft| draft.apply(&Settings::default()));
        expected.assert_eq(&match settings {
            Ok(settings) => serde_json::to_string(&settings).unwrap(),
            Err(error) => error.to_string(),
        });
    }

    #[test]
    fn what_is_left_out_has_supabases_default() {
        check(
            "{}",
            expect![[
                r#"{"verify_jwt":true,"host":"isolate","limits":{"memory_mib":256,"wall_clock_ms":400000,"cpu_ms":2000,"timeout_ms":150000,"concurrency":64,"queue":256}}"#
            ]],
        );
        check(
            r#"{"verify_jwt":false,"host":"vm-or-isolate","limits":{"queue":0}}"#,
            expect![[
                r#"{"verify_jwt":false,"host":"vm-or-isolate","limits":{"memory_mib":256,"wall_clock_ms":400000,"cpu_ms":2000,"timeout_ms":150000,"concurrency":64,"queue":0}}"#
            ]],
        );
        check(
            r#"{"limits":{"memory_mib":4}}"#,
            expect!["limits.memory_mib is a number from 16 to 2048"],
        );
        check(
            r#"{"limits":{"concurrency":0}}"#,
            expect!["limits.concurrency is a number from 1 to 1000"],
        );
        check(
            r#"{"host":"deno"}"#,
            expect![
                "unknown variant `deno`, expected one of `isolate`, `vm`, `vm-or-isolate` at line 1 column 14"
            ],
        );
        check(
            r#"{"verifyJWT":false}"#,
            expect![
                "unknown field `verifyJWT`, expected one of `verify_jwt`, `host`, `entrypoint`, `limits` at line 1 column 12"
            ],
        );
    }

    #[test]
    fn what_is_not_said_again_stays() {
        let before = Draft::parse(br#"{"verify_jwt":false,"host":"vm","limits":{"cpu_ms":50}}"#)
            .unwrap()
            .apply(&Settings::default())
            .unwrap();
        assert_eq!(Draft::default().apply(&before).unwrap(), before);
        let mut draft = Draft::default();
        assert_eq!(draft.entrypoint(), Ok(None));
        draft.entrypoint = Some(String::new());
        assert!(draft.entrypoint().is_err());
    }
}
