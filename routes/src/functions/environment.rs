//! What a function finds in `Deno.env`: where the gateway is, the project's keys, and its secrets.
//!
//! The names are those that the Supabase CLI gives a function that it serves. Unlike an application, a
//! function has the token of the `service_role`: its code is the owner's, and its requests are answered
//! by it alone.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::memory::Functions;
use crate::{World, apps::app::prefix, project::Project};

/// The gateway as whoever runs functions finds it, where it is not known where the world does.
const INSIDE: &str = "http://localhost:5173";
const DATABASE: &str = "postgresql://postgres:postgres@localhost:5432/postgres";

/// Everything but the secrets.
pub(super) fn own(world: &impl World, project: &Project) -> BTreeMap<String, String> {
    let origin = world.origin();
    let origin = origin.as_deref().unwrap_or(INSIDE);
    let mut env = BTreeMap::from([
        (
            "SUPABASE_URL".to_owned(),
            format!("{origin}{}", prefix(&project.name)),
        ),
        ("SUPABASE_DB_URL".to_owned(), DATABASE.to_owned()),
        ("SUPABASE_JWKS".to_owned(), jwks(project).to_string()),
        ("SB_REGION".to_owned(), super::REGION.to_owned()),
    ]);
    if let Some(keys) = &project.keys {
        let named = |key: &str| json!({"default": key}).to_string();
        env.extend([
            ("SUPABASE_ANON_KEY".to_owned(), keys.anon.clone()),
            (
                "SUPABASE_SERVICE_ROLE_KEY".to_owned(),
                keys.service_role.clone(),
            ),
            (
                "SUPABASE_PUBLISHABLE_KEYS".to_owned(),
                named(&keys.publishable),
            ),
            ("SUPABASE_SECRET_KEYS".to_owned(), named(&keys.secret)),
        ]);
    }
    env
}

/// What verifies the project's tokens. Where no key signs that has a public part, that is the secret, as
/// the CLI has it.
fn jwks(project: &Project) -> Value {
    let mut keys = project
        .signing
        .as_ref()
        .map_or_else(Vec::new, |keys| keys.public().to_vec());
    if keys.is_empty()
        && let Some(secret) = project.signing_secret()
    {
        keys.push(json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(secret)}));
    }
    json!({"keys": keys})
}

/// Tells one environment from another, without opening a secret.
pub(super) fn hash(own: &BTreeMap<String, String>, known: &Functions) -> String {
    let mut hash = Sha256::new();
    let secrets = known
        .secrets
        .iter()
        .map(|(name, secret)| (name, &secret.bytes));
    for (name, value) in own.iter().chain(secrets) {
        for text in [name, value] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
    }
    let mut hash = format!("{:x}", hash.finalize());
    hash.truncate(32);
    hash
}

/// What must not be read in a log: secrets' values, and the keys that open the whole project.
pub(super) fn hidden(project: &Project, secrets: &BTreeMap<String, String>) -> Vec<String> {
    let keys = project.keys.iter().flat_map(|keys| {
        let keys = [&keys.secret, &keys.service_role, &keys.jwt_secret];
        keys.into_iter().cloned()
    });
    secrets.values().cloned().chain(keys).collect()
}
