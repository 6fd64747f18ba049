//! A function that is deployed, as its rows say.

use serde::Deserialize;
use serde_json::{Value, json};

use super::settings::Settings;
use crate::{apps::app::prefix, bundle::Bundle, project::Project, table};

/// A row of `gateway.functions`, with those of its versions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Function {
    pub name: String,
    pub settings: Settings,
    /// The number of the version that answers.
    pub version: u32,
    /// Those that are kept, the newest first.
    pub versions: Vec<Version>,
    pub created_at: String,
    pub updated_at: String,
}

/// A version of a function.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Version {
    pub version: u32,
    pub entrypoint: String,
    pub bundle: Bundle,
    pub created_at: String,
}

impl Function {
    /// The version that answers.
    pub fn active(&self) -> Option<&Version> {
        self.numbered(self.version)
    }

    pub fn numbered(&self, number: u32) -> Option<&Version> {
        self.versions
            .iter()
            .find(|version| version.version == number)
    }

    /// The newest version whose ZIP has this hash.
    pub fn hashed(&self, sha256: &str) -> Option<&Version> {
        self.versions
            .iter()
            .find(|version| version.bundle.sha256 == sha256)
    }

    /// The function as its owner sees it.
    pub fn to_json(&self, project: &Project) -> Value {
        let settings = &self.settings;
        let active = self.active();
        json!({
            "name": self.name,
            "version": self.version,
            "status": "ACTIVE",
            "verify_jwt": settings.verify_jwt,
            "host": settings.host,
            "entrypoint": active.map(|version| &version.entrypoint),
            "limits": settings.limits,
            "sha256": active.map(|version| &version.bundle.sha256),
            "bytes": active.map(|version| version.bundle.bytes),
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "url": format!("{}{}/{}", prefix(&project.name), table::FUNCTIONS, self.name),
        })
    }

    /// Its versions as their owner sees them.
    pub fn versions_to_json(&self) -> Value {
        let versions = self.versions.iter().map(|version| {
            json!({
                "version": version.version,
                "sha256": version.bundle.sha256,
                "bytes": version.bundle.bytes,
                "entrypoint": version.entrypoint,
                "created_at": version.created_at,
                "active": version.version == self.version,
            })
        });
        versions.collect()
    }
}
