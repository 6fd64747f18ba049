//! Who is asking: from `apikey` and `Authorization` to verified claims.
//!
//! [`Keys::bearer`] rewrites what the request carries to one token, as Supabase's gateway does;
//! [`Verifier::identify`] verifies that token and finds its role, as PostgREST does.

mod claims;
mod crypto;
mod error;
mod key_set;
mod keys;
mod query;
mod role_path;
mod seen;

use serde_json::{Map, Value};

pub use error::IdentityError;
pub use key_set::{KeySet, KeySetError};
pub use keys::{Keys, Secrets, sign};
pub use query::take_key;
pub use role_path::{RolePath, RolePathError};

use crate::{config::Config, world::Timestamp};
use seen::Seen;

/// A request's verified identity.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// The Postgres role that the request's transaction runs as.
    pub role: String,
    /// The token's claims as they were sent, with `role` added where the token had none; given to
    /// Postgres as `request.jwt.claims`.
    pub claims: Map<String, Value>,
}

/// Verifies a project's tokens.
///
/// **Invariant:** an [`Identity`] other than the anonymous one comes only from a token whose
/// signature one of `keys` verified, with an algorithm that this key is for.
#[derive(Debug, Clone)]
pub struct Verifier {
    /// `None` refuses every token.
    pub keys: Option<KeySet>,
    seen: Seen,
    /// The `aud` a token must have, if it has one.
    pub audience: Option<String>,
    pub role_path: RolePath,
    /// The role of requests without a token, and of tokens without a role.
    pub anonymous_role: Option<String>,
}

/// Why a project's settings give no [`Verifier`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifierError {
    KeySet(KeySetError),
    RolePath(RolePathError),
}

impl std::fmt::Display for VerifierError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::KeySet(error) => write!(formatter, "jwt-secret: {error}"),
            Self::RolePath(error) => write!(formatter, "jwt-role-claim-key: {error}"),
        }
    }
}

impl std::error::Error for VerifierError {}

impl Verifier {
    /// The verifier that `config` describes. `stored` is the project's own signing secret: it
    /// verifies where the settings name no secret, and beside a key set that could not have signed
    /// the project's own keys.
    pub fn new(config: &Config, stored: Option<&str>) -> Result<Self, VerifierError> {
        let configured = config
            .jwt_secret
            .as_deref()
            .map(|secret| KeySet::parse(secret, config.jwt_secret_is_base64))
            .transpose()
            .map_err(VerifierError::KeySet)?;
        let stored = stored.map(|secret| KeySet::secret(secret.as_bytes()));
        let keys = match (configured, stored) {
            (Some(configured), Some(stored)) if configured.signing_secret().is_none() => {
                Some(configured.with(stored))
            }
            (Some(configured), _) => Some(configured),
            (None, stored) => stored,
        };
        Ok(Self {
            keys,
            seen: Seen::default(),
            audience: config.jwt_aud.clone(),
            role_path: RolePath::parse(&config.jwt_role_claim_key)
                .map_err(VerifierError::RolePath)?,
            anonymous_role: config.db_anon_role.clone(),
        })
    }

    /// The identity that `token` proves; without one, the anonymous.
    pub fn identify(
        &self,
        token: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Identity, IdentityError> {
        let claims = match token {
            None => Map::new(),
            Some(token) => {
                let keys = self.keys.as_ref().ok_or(IdentityError::SecretMissing)?;
                let claims = self.seen.claims(token, || keys.verify(token))?;
                claims::check(&claims, self.audience.as_deref(), now)?;
                claims
            }
        };
        self.identity(claims)
    }

    fn identity(&self, mut claims: Map<String, Value>) -> Result<Identity, IdentityError> {
        let role = match self.role_path.find(&claims) {
            Some(Value::String(role)) => role.clone(),
            Some(other) => other.to_string(),
            None => self
                .anonymous_role
                .clone()
                .ok_or(IdentityError::TokenRequired)?,
        };
        claims.insert("role".to_owned(), Value::String(role.clone()));
        Ok(Identity { role, claims })
    }
}

#[cfg(test)]
mod tests;
