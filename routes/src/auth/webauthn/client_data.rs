//! What the browser says and the authenticator signs (WebAuthn, section 5.8.1).

use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use super::{RelyingParty, WebAuthnError, response::Binary};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ceremony {
    Create,
    Get,
}

#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: Binary,
    origin: String,
}

/// Checks that the browser answered this challenge, in this ceremony, for one of the origins.
pub(super) fn check(
    json: &[u8],
    ceremony: Ceremony,
    challenge: &[u8],
    party: &RelyingParty,
) -> Result<(), WebAuthnError> {
    let data: ClientData =
        serde_json::from_slice(json).map_err(|_error| WebAuthnError::ClientData)?;
    let kind = match ceremony {
        Ceremony::Create => "webauthn.create",
        Ceremony::Get => "webauthn.get",
    };
    if data.kind != kind {
        return Err(WebAuthnError::Ceremony);
    }
    if !bool::from(data.challenge.0.ct_eq(challenge)) {
        return Err(WebAuthnError::Challenge);
    }
    let mut origins = party.origins.iter();
    if !origins.any(|origin| same_origin(origin, &data.origin)) {
        return Err(WebAuthnError::Origin);
    }
    Ok(())
}

/// Origins are compared as browsers write them; a slash at the end of a setting does no harm.
fn same_origin(allowed: &str, origin: &str) -> bool {
    let trim = |text: &str| text.trim_end_matches('/').to_ascii_lowercase();
    trim(allowed) == trim(origin)
}
