//! What the browser is asked (WebAuthn, sections 5.4 and 5.5, in the JSON of section 5.1.8).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{RelyingParty, key::ALGORITHMS};

/// How long a person may take, in milliseconds (section 15.1 recommends five minutes).
const TIMEOUT: u32 = 300_000;

/// The user that a credential is for.
#[derive(Debug, Clone, Copy)]
pub struct Entity<'a> {
    /// What authenticators keep, and give back as the user handle.
    pub handle: &'a [u8],
    /// For a person, who may have several accounts.
    pub name: &'a str,
}

/// How much something is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    Required,
    Preferred,
}

impl Requirement {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Preferred => "preferred",
        }
    }
}

/// What one ceremony asks.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    pub party: &'a RelyingParty,
    pub challenge: &'a [u8],
    pub user_verification: Requirement,
    /// Creation: whether the authenticator must find the credential by itself later.
    pub resident_key: Option<Requirement>,
    /// Creation: those that the user has already. Use: those that may be used; any, if empty.
    pub credentials: &'a [Vec<u8>],
}

impl Options<'_> {
    /// `PublicKeyCredentialCreationOptionsJSON`.
    pub fn create(&self, user: Entity<'_>) -> Value {
        let algorithms = ALGORITHMS.map(|number| json!({"type": "public-key", "alg": number}));
        let mut selection = json!({"userVerification": self.user_verification.name()});
        if let Some(resident_key) = self.resident_key {
            selection["residentKey"] = resident_key.name().into();
            // What Level 1 had instead.
            selection["requireResidentKey"] = (resident_key == Requirement::Required).into();
        }
        let mut options = json!({
            "rp": {"name": self.party.name, "id": self.party.id},
            "user": {
                "name": user.name,
                "displayName": user.name,
                "id": URL_SAFE_NO_PAD.encode(user.handle),
            },
            "challenge": URL_SAFE_NO_PAD.encode(self.challenge),
            "pubKeyCredParams": algorithms,
            "timeout": TIMEOUT,
            "authenticatorSelection": selection,
            "attestation": "none",
        });
        if !self.credentials.is_empty() {
            options["excludeCredentials"] = self.descriptors();
        }
        options
    }

    /// `PublicKeyCredentialRequestOptionsJSON`.
    pub fn get(&self) -> Value {
        let mut options = json!({
            "challenge": URL_SAFE_NO_PAD.encode(self.challenge),
            "timeout": TIMEOUT,
            "rpId": self.party.id,
            "userVerification": self.user_verification.name(),
        });
        if !self.credentials.is_empty() {
            options["allowCredentials"] = self.descriptors();
        }
        options
    }

    fn descriptors(&self) -> Value {
        let ids = self.credentials.iter();
        ids.map(|id| json!({"type": "public-key", "id": URL_SAFE_NO_PAD.encode(id)}))
            .collect()
    }
}
