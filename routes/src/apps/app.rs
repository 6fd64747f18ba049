//! An application that is deployed, as its row says.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::settings::{Settings, masked};
use crate::{bundle::Bundle, project::Project, table::DEFAULT_PROJECT};

/// The longest name of a role.
const LONGEST_ROLE: usize = 63;

/// A row of `gateway.apps`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct App {
    pub name: String,
    pub settings: Settings,
    /// Its role in the project's database.
    pub role: String,
    pub role_password: String,
    pub bundle: Bundle,
    pub created_at: String,
    pub updated_at: String,
}

impl std::fmt::Debug for App {
    /// Shows no password and no environment.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("App")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What the VM worker has to know to run an application.
#[derive(Serialize)]
struct Spec<'a> {
    name: &'a str,
    #[serde(flatten)]
    settings: &'a Settings,
    layers: &'static [&'static str],
    bundle: &'a str,
    bundle_bytes: u64,
    role: &'a str,
    role_password: &'a str,
}

impl App {
    /// The application as its owner sees it; `run` is what the VM worker says of it, where it says
    /// anything.
    pub fn to_json(&self, project: &Project, run: Option<&Value>) -> Value {
        let settings = &self.settings;
        let state = run.and_then(|run| run.get("state"));
        json!({
            "name": self.name,
            "runtime": settings.runtime,
            "entry": settings.entry,
            "command": settings.command,
            "port": settings.port,
            "env": masked(&settings.env),
            "limits": settings.limits,
            "autostart": settings.autostart,
            "start_deadline_s": settings.start_deadline_s,
            "state": state.cloned().unwrap_or_else(|| "unloaded".into()),
            "process": run,
            "url": format!("{}/app/{}/", prefix(&project.name), self.name),
            "role": self.role,
            "bundle": self.bundle,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        })
    }

    /// The application as the VM worker gets it, in ASCII, so that a header can carry it. Its
    /// environment is where the gateway is, with the keys that pages have too, and the database as the
    /// application's own role; what the owner set goes before.
    ///
    /// **Invariant:** neither the secret key nor the token of the `service_role` is in it, unless the
    /// owner put it there.
    pub fn spec(&self, project: &Project) -> String {
        let mut settings = self.settings.clone();
        settings.env = self.environment(project);
        let spec = Spec {
            name: &self.name,
            settings: &settings,
            layers: settings.runtime.layers(),
            bundle: &self.bundle.sha256,
            bundle_bytes: self.bundle.bytes,
            role: &self.role,
            role_password: &self.role_password,
        };
        ascii(&json!(spec).to_string())
    }

    fn environment(&self, project: &Project) -> BTreeMap<String, String> {
        let url = format!("http://localhost:5173{}", prefix(&project.name));
        let (role, password) = (&self.role, &self.role_password);
        let database = format!("postgres://{role}:{password}@localhost:5432/postgres");
        let mut env = BTreeMap::from([
            ("SUPABASE_URL".to_owned(), url),
            ("DATABASE_URL".to_owned(), database),
        ]);
        if let Some(keys) = &project.keys {
            env.insert("SUPABASE_ANON_KEY".to_owned(), keys.anon.clone());
            env.insert(
                "SUPABASE_PUBLISHABLE_KEY".to_owned(),
                keys.publishable.clone(),
            );
        }
        env.extend(self.settings.env.clone());
        env
    }
}

/// The prefix of a project's paths: none for the one that paths without a prefix address.
pub fn prefix(project: &str) -> String {
    match project {
        DEFAULT_PROJECT => String::new(),
        name => format!("/{name}"),
    }
}

/// The role of an application: `app_<name>`. Where that is longer than a role's name may be, its end is
/// a hash of it instead, because Postgres would cut it off.
pub fn role(name: &str) -> String {
    const HASHED: usize = 8;
    let role = format!("app_{name}");
    if role.len() <= LONGEST_ROLE {
        return role;
    }
    let hash = format!("{:x}", Sha256::digest(name));
    // Names are ASCII.
    format!("{}_{}", &role[..LONGEST_ROLE - HASHED - 1], &hash[..HASHED])
}

/// JSON without a letter that a header cannot carry.
pub fn ascii(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    let mut units = [0; 2];
    for letter in json.chars() {
        if (' '..='~').contains(&letter) {
            ascii.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut units) {
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_the_applications_own() {
        assert_eq!(role("my-shop"), "app_my-shop");
        assert_eq!(role(&"a".repeat(59)).len(), 63);
        let (one, other) = (role(&"a".repeat(60)), role(&"a".repeat(63)));
        assert_eq!((one.len(), other.len()), (63, 63));
        assert_ne!(one, other);
    }

    #[test]
    fn json_stays_what_it_is_in_ascii() {
        let value = json!({"a": "é\u{7f}😀\n\"\\"});
        let text = ascii(&value.to_string());
        assert!(text.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
