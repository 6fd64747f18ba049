//! What a relying party does in WebAuthn Level 3: options for the browser, and verification of what
//! the authenticator answered.
//!
//! Attestation is not asked for, so nothing is believed about the make of an authenticator: the
//! formats `none` and `packed` (self attestation) are read, any other is refused.

mod attestation;
mod authenticator;
mod ceremony;
mod client_data;
mod error;
mod key;
mod options;
mod response;
#[cfg(test)]
mod tests;

pub use authenticator::Flags;
pub use ceremony::{Challenge, Registered, Used, authenticate, register};
pub use error::WebAuthnError;
pub use options::{Entity, Options, Requirement};
pub use response::{Assertion, Attestation};

/// The site that credentials are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelyingParty {
    /// A domain, as `localhost`: credentials are bound to it.
    pub id: String,
    /// For a person.
    pub name: String,
    /// The origins that may use them, as `http://localhost:3000`.
    pub origins: Vec<String>,
}

/// A credential as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub id: Vec<u8>,
    /// A `COSE_Key` (RFC 9052, section 7).
    pub public_key: Vec<u8>,
    /// How often the authenticator said that it had signed; 0 where it does not count.
    pub sign_count: u32,
    /// Whether it may be copied to other devices. That never changes.
    pub backup_eligible: bool,
}
