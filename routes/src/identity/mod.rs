//! Who is asking: from `apikey` and `Authorization` to verified claims.

use serde_json::{Map, Value};

/// A request's verified identity.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// The Postgres role that the request's transaction runs as.
    pub role: String,
    /// The token's claims as they were sent, with `role` added where the token had none; given to
    /// Postgres as `request.jwt.claims`.
    pub claims: Map<String, Value>,
}
