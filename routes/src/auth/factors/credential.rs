//! WebAuthn credentials of factors, in the JSON that GoTrue's library keeps them in.
//!
//! Source: github.com/go-webauthn/webauthn, `webauthn/types.go`, `credential.go`.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::{
    Context,
    context::origin,
    redirect,
    webauthn::{Challenge, Credential, Registered, RelyingParty, Requirement},
};
use crate::World;

/// The site that credentials are for: the settings, else the site's own address and the gateway's.
pub fn party<W: World>(context: &Context<'_, W>) -> RelyingParty {
    let settings = context.settings;
    let site = context.site_url();
    let site = redirect::Address::parse(&site);
    let text = |setting: &str, otherwise: &str| match setting {
        "" => otherwise.to_owned(),
        setting => setting.to_owned(),
    };
    let host = site.as_ref().map_or("localhost", |site| site.host);
    let id = text(&settings.webauthn_rp_id, host);
    let mut origins = settings.webauthn_rp_origins.clone();
    if origins.is_empty() {
        origins.extend(site.map(|site| site.origin().to_owned()));
        origins.push(origin(context.world, &context.head.uri));
    }
    RelyingParty {
        name: text(&settings.webauthn_rp_display_name, &id),
        id,
        origins,
    }
}

/// What is kept of a ceremony that begins.
pub fn session_data(
    party: &RelyingParty,
    challenge: &[u8],
    user_id: Option<Uuid>,
    verification: Requirement,
) -> Value {
    let user = user_id.map(|id| id.to_string()).unwrap_or_default();
    json!({
        "challenge": URL_SAFE_NO_PAD.encode(challenge),
        "rpId": party.id,
        "user_id": STANDARD.encode(user),
        "userVerification": verification.name(),
    })
}

/// What a ceremony that began was about; `None` where its JSON is none of ours.
pub fn challenge_of(session_data: &Value) -> Option<Challenge> {
    let text = |name: &str| session_data.get(name).and_then(Value::as_str);
    Some(Challenge {
        bytes: URL_SAFE_NO_PAD.decode(text("challenge")?).ok()?,
        user_verification_required: text("userVerification") == Some(Requirement::Required.name()),
    })
}

pub(super) fn to_json(registered: &Registered) -> Value {
    let credential = &registered.credential;
    json!({
        "id": STANDARD.encode(&credential.id),
        "publicKey": STANDARD.encode(&credential.public_key),
        "attestationType": registered.attestation,
        "transport": registered.transports,
        "flags": {
            "userPresent": registered.flags.user_present(),
            "userVerified": registered.flags.user_verified(),
            "backupEligible": registered.flags.backup_eligible(),
            "backupState": registered.flags.backed_up(),
        },
        "authenticator": {
            "AAGUID": STANDARD.encode(registered.aaguid),
            "signCount": credential.sign_count,
            "cloneWarning": false,
        },
    })
}

pub(super) fn of_json(json: &Value) -> Option<Credential> {
    let bytes = |name: &str| STANDARD.decode(json.get(name)?.as_str()?).ok();
    let count = json.pointer("/authenticator/signCount")?.as_u64()?;
    let eligible = json.pointer("/flags/backupEligible");
    Some(Credential {
        id: bytes("id")?,
        public_key: bytes("publicKey")?,
        sign_count: u32::try_from(count).ok()?,
        backup_eligible: eligible.and_then(Value::as_bool).unwrap_or_default(),
    })
}

/// The credential after a use.
pub(super) fn counted(mut json: Value, sign_count: u32) -> Value {
    if let Some(count) = json.pointer_mut("/authenticator/signCount") {
        *count = sign_count.into();
    }
    json
}

/// The authenticator's model, as the credential's JSON has it.
pub(super) fn aaguid(text: &str) -> Option<Uuid> {
    Uuid::from_slice(&STANDARD.decode(text).ok()?).ok()
}
