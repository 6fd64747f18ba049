//! The browser's credentials as JSON (WebAuthn, sections 5.1.1 and 5.1.2: `toJSON`).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use super::WebAuthnError;

/// Bytes that JSON carries as base64url, with padding or without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Binary(pub Vec<u8>);

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
        bytes.map(Self).map_err(D::Error::custom)
    }
}

/// A new credential.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attestation {
    raw_id: Binary,
    #[serde(rename = "type")]
    kind: String,
    response: AttestationResponse,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AttestationResponse {
    #[serde(rename = "clientDataJSON")]
    client_data: Binary,
    attestation_object: Binary,
    #[serde(default)]
    transports: Vec<String>,
}

/// The use of a credential.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assertion {
    raw_id: Binary,
    #[serde(rename = "type")]
    kind: String,
    response: AssertionResponse,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssertionResponse {
    #[serde(rename = "clientDataJSON")]
    client_data: Binary,
    authenticator_data: Binary,
    signature: Binary,
    #[serde(default)]
    user_handle: Option<Binary>,
}

impl Attestation {
    pub fn read(json: &Value) -> Result<Self, WebAuthnError> {
        let read = Self::deserialize(json).map_err(|_error| WebAuthnError::Response)?;
        public_key(&read.kind).map(|()| read)
    }

    pub(super) fn id(&self) -> &[u8] {
        &self.raw_id.0
    }

    pub(super) fn client_data(&self) -> &[u8] {
        &self.response.client_data.0
    }

    pub(super) fn object(&self) -> &[u8] {
        &self.response.attestation_object.0
    }

    /// How the authenticator may be reached, in the browser's words.
    pub(super) fn transports(&self) -> &[String] {
        &self.response.transports
    }
}

impl Assertion {
    pub fn read(json: &Value) -> Result<Self, WebAuthnError> {
        let read = Self::deserialize(json).map_err(|_error| WebAuthnError::Response)?;
        public_key(&read.kind).map(|()| read)
    }

    /// The credential that was used.
    pub fn id(&self) -> &[u8] {
        &self.raw_id.0
    }

    /// Whose it is, where the authenticator knows.
    pub fn user_handle(&self) -> Option<&[u8]> {
        let handle = self.response.user_handle.as_ref()?;
        (!handle.0.is_empty()).then_some(&handle.0)
    }

    pub(super) fn client_data(&self) -> &[u8] {
        &self.response.client_data.0
    }

    pub(super) fn authenticator_data(&self) -> &[u8] {
        &self.response.authenticator_data.0
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.response.signature.0
    }
}

fn public_key(kind: &str) -> Result<(), WebAuthnError> {
    (kind == "public-key")
        .then_some(())
        .ok_or(WebAuthnError::Response)
}
