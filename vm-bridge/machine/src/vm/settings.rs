//! The machine's settings, as the router keeps them and sends them with its requests.

use serde::Deserialize;

use crate::{engine::Kind, outbound::Policy};

/// MiB of a machine where none are set.
const MEMORY: u32 = 512;

/// How the machine is to be. What is unknown is not looked at: the router has checked it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub engine: Kind,
    /// MiB.
    pub memory: u32,
    pub outbound: Policy,
    /// The layers beside the base that are installed.
    pub runtimes: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            engine: Kind::default(),
            memory: MEMORY,
            outbound: Policy::default(),
            runtimes: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
struct Draft {
    engine: Option<String>,
    memory: Option<u32>,
    outbound: Option<Outbound>,
    runtimes: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Outbound {
    #[serde(default)]
    allow: Vec<String>,
}

impl Settings {
    /// These settings, with what JSON says of them. What is no JSON says nothing.
    #[must_use]
    pub fn with(&self, json: &[u8]) -> Self {
        let Ok(draft) = serde_json::from_slice::<Draft>(json) else {
            return self.clone();
        };
        let engine = draft.engine.as_deref().and_then(Kind::named);
        Self {
            engine: engine.unwrap_or(self.engine),
            memory: draft.memory.unwrap_or(self.memory),
            outbound: draft.outbound.map_or_else(
                || self.outbound.clone(),
                |outbound| Policy::new(&outbound.allow),
            ),
            runtimes: draft.runtimes.unwrap_or_else(|| self.runtimes.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_taken() {
        let before = Settings::default();
        let after = before.with(br#"{"engine":"cheerpx","memory":256,"outbound":{"allow":["a.b"]},"runtimes":["node"],"new":1}"#);
        assert_eq!(after.engine, Kind::CheerpX);
        assert_eq!(after.memory, 256);
        assert_eq!(after.runtimes, ["node"]);
        assert_eq!(after.outbound, Policy::new(&["a.b".to_owned()]));
        assert_eq!(after.with(b"{}"), after);
        assert_eq!(after.with(b"no JSON"), after);
        assert_eq!(after.with(br#"{"engine":"bochs"}"#), after);
    }
}
