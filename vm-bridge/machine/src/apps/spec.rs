//! An app, as the router tells of it.

use std::collections::BTreeMap;

use control::{App, Digest, Limits, Runtime};
use serde::Deserialize;

use crate::failure::Failure;

/// What is to run, and how. The router has checked its settings; what this reads is checked for what
/// the guest has to rely on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AppSpec {
    pub name: String,
    pub runtime: RuntimeName,
    #[serde(default)]
    pub entry: String,
    #[serde(default)]
    pub command: Vec<String>,
    pub port: u16,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    #[serde(default)]
    pub layers: Vec<String>,
    /// The SHA-256 of the bundle's tar.
    pub bundle: String,
    #[serde(default)]
    pub bundle_bytes: u64,
    #[serde(default)]
    pub limits: LimitsSpec,
    #[serde(default)]
    pub autostart: bool,
    #[serde(default = "start_deadline")]
    pub start_deadline_s: u64,
    #[serde(default)]
    pub role: String,
    #[serde(default)]
    pub role_password: String,
}

const fn start_deadline() -> u64 {
    120
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeName {
    Static,
    Node,
    NextJs,
    Python,
    Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LimitsSpec {
    pub memory_mib: u64,
    pub processes: u32,
    pub nice: u8,
}

impl Default for LimitsSpec {
    fn default() -> Self {
        Self {
            memory_mib: 256,
            processes: 128,
            nice: 0,
        }
    }
}

impl AppSpec {
    /// Reads the JSON of a header or a body.
    pub fn parse(json: &[u8]) -> Result<Self, Failure> {
        let spec: Self = serde_json::from_slice(json).map_err(|error| {
            Failure::Invalid(format!("The app's description is malformed: {error}"))
        })?;
        spec.digest()?;
        if spec.port < 1024 {
            let reason = format!("No app listens on port {}", spec.port);
            return Err(Failure::Invalid(reason));
        }
        Ok(spec)
    }

    pub fn digest(&self) -> Result<Digest, Failure> {
        let digest = self.bundle.parse();
        digest.map_err(|error| Failure::Invalid(format!("The app's bundle: {error}")))
    }

    /// As the guest's agent gets it.
    pub fn app(&self) -> Result<App, Failure> {
        let entry = self.entry.clone();
        Ok(App {
            name: self.name.clone(),
            runtime: match self.runtime {
                RuntimeName::Static => Runtime::Static,
                RuntimeName::Node => Runtime::Node { entry },
                RuntimeName::NextJs => Runtime::Next,
                RuntimeName::Python => Runtime::Python { entry },
                RuntimeName::Command => Runtime::Command {
                    command: self.command.clone(),
                },
            },
            port: self.port,
            env: self.env.clone().into_iter().collect(),
            layers: self.layers.clone(),
            bundle: self.digest()?,
            limits: Limits {
                memory: self.limits.memory_mib.saturating_mul(1024 * 1024),
                processes: self.limits.processes,
                nice: self.limits.nice,
            },
            autostart: self.autostart,
        })
    }
}
