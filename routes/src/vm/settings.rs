//! What the virtual machine is run with.

use serde::{Deserialize, Serialize};

use crate::apps::{is_name, settings::SettingsError};

const MEMORY: std::ops::RangeInclusive<u32> = 128..=2048;
/// Names that programs inside may reach, at most, and how long each may be.
const MOST_ALLOWED: usize = 500;
const LONGEST_ALLOWED: usize = 300;

/// Runtimes that can be installed, at most.
const MOST_RUNTIMES: usize = 50;

/// The software that runs the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    #[default]
    V86,
    CheerpX,
}

/// The settings of a project's virtual machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub engine: Engine,
    /// MiB.
    pub memory: u32,
    pub outbound: Outbound,
    /// The layers beside the base that are installed.
    pub runtimes: Vec<String>,
}

/// Where programs inside may send requests to, out on the network: nowhere, unless it is listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outbound {
    pub allow: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            engine: Engine::default(),
            memory: 512,
            outbound: Outbound::default(),
            runtimes: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    engine: Option<Engine>,
    memory: Option<u32>,
    outbound: Option<Outbound>,
    runtimes: Option<Vec<String>>,
}

impl Settings {
    /// These settings with what a client's JSON changes of them.
    pub fn change(self, json: &[u8]) -> Result<Self, SettingsError> {
        let draft: Draft =
            serde_json::from_slice(json).map_err(|error| SettingsError(error.to_string()))?;
        let settings = Self {
            engine: draft.engine.unwrap_or(self.engine),
            memory: draft.memory.unwrap_or(self.memory),
            outbound: draft.outbound.unwrap_or(self.outbound),
            runtimes: draft.runtimes.unwrap_or(self.runtimes),
        };
        if settings.runtimes.len() > MOST_RUNTIMES
            || !settings.runtimes.iter().all(|name| is_name(name))
        {
            let message = "runtimes lists names of runtimes".to_owned();
            return Err(SettingsError(message));
        }
        if !MEMORY.contains(&settings.memory) {
            let (least, most) = (MEMORY.start(), MEMORY.end());
            let message = format!("memory is a number of MiB from {least} to {most}");
            return Err(SettingsError(message));
        }
        let allow = &settings.outbound.allow;
        let fits = |name: &String| {
            (1..=LONGEST_ALLOWED).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if allow.len() > MOST_ALLOWED || !allow.iter().all(fits) {
            let message = format!(
                "outbound.allow lists at most {MOST_ALLOWED} hosts of {LONGEST_ALLOWED} letters, without \
                 spaces"
            );
            return Err(SettingsError(message));
        }
        Ok(settings)
    }
}

impl Settings {
    /// These settings with a runtime installed, or not installed any more.
    #[must_use]
    pub fn with_runtime(mut self, name: &str, is_installed: bool) -> Self {
        self.runtimes.retain(|runtime| runtime != name);
        if is_installed {
            self.runtimes.push(name.to_owned());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(json: &str, expected: Expect) {
        expected.assert_eq(&match Settings::default().change(json.as_bytes()) {
            Ok(settings) => serde_json::to_string(&settings).unwrap(),
            Err(error) => error.to_string(),
        });
    }

    #[test]
    fn runtimes_come_and_go() {
        let installed = Settings::default()
            .with_runtime("node", true)
            .with_runtime("python", true)
            .with_runtime("node", true);
        assert_eq!(installed.runtimes, ["python", "node"]);
        let kept = installed.change(b"{}").unwrap();
        assert_eq!(kept.with_runtime("python", false).runtimes, ["node"]);
        let odd = Settings::default().change(br#"{"runtimes":["../x"]}"#);
        assert_eq!(
            odd.unwrap_err().to_string(),
            "runtimes lists names of runtimes"
        );
    }

    #[test]
    fn what_is_left_out_stays() {
        check(
            "{}",
            expect![[r#"{"engine":"v86","memory":512,"outbound":{"allow":[]},"runtimes":[]}"#]],
        );
        check(
            r#"{"engine":"cheerpx","memory":256,"outbound":{"allow":["*.example.com"]}}"#,
            expect![[
                r#"{"engine":"cheerpx","memory":256,"outbound":{"allow":["*.example.com"]},"runtimes":[]}"#
            ]],
        );
        check(
            r#"{"memory":64}"#,
            expect!["memory is a number of MiB from 128 to 2048"],
        );
        check(
            r#"{"engine":"qemu"}"#,
            expect!["unknown variant `qemu`, expected `v86` or `cheerpx` at line 1 column 16"],
        );
        check(
            r#"{"outbound":{"allow":["a b"]}}"#,
            expect!["outbound.allow lists at most 500 hosts of 300 letters, without spaces"],
        );
        check(
            r#"{"disk":1}"#,
            expect![
                "unknown field `disk`, expected one of `engine`, `memory`, `outbound`, `runtimes` at line 1 column 7"
            ],
        );
    }
}
