//! A project's API keys, and the token that a request's keys stand for.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use http::{HeaderMap, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::crypto;
use crate::world::Timestamp;

/// Ten years, as the keys of a Supabase project last.
const LIFETIME_SECONDS: u64 = 10 * 365 * 24 * 60 * 60;

/// What a project's keys are made of. Made once, stored with the project, never shown in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets {
    /// Signs the project's tokens, with HS256.
    pub jwt_secret: String,
    /// `sb_publishable_…`: stands for the `anon` role.
    pub publishable: String,
    /// `sb_secret_…`: stands for the `service_role`.
    pub secret: String,
    /// When they were made, in seconds since the epoch.
    pub issued_at: u64,
}

/// All that a project's clients may be given.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Keys {
    pub publishable: String,
    pub secret: String,
    /// The token that the publishable key stands for.
    pub anon: String,
    /// The token that the secret key stands for.
    pub service_role: String,
    /// The HS256 secret that signs them; users sign tokens of their own with it.
    pub jwt_secret: String,
    /// What signs requests of the S3 protocol, for the `service_role`.
    pub s3_access_key_id: String,
    pub s3_secret_access_key: String,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secrets(…)")
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Keys(…)")
    }
}

impl Secrets {
    /// New secrets out of random bytes.
    pub fn generate(random: impl Fn(&mut [u8]), now: Timestamp) -> Self {
        let text = |size: usize| {
            let mut bytes = vec![0; size];
            random(&mut bytes);
            URL_SAFE_NO_PAD.encode(bytes)
        };
        // The shape of Supabase's keys: 22 characters, an underscore, 8 characters.
        let key = |kind: &str| format!("sb_{kind}_{}_{}", text(16), text(6));
        Self {
            jwt_secret: text(40),
            publishable: key("publishable"),
            secret: key("secret"),
            issued_at: now.seconds(),
        }
    }
}

#[derive(Serialize)]
struct KeyClaims<'a> {
    iss: &'a str,
    #[serde(rename = "ref")]
    project: &'a str,
    role: &'a str,
    iat: u64,
    exp: u64,
}

impl Keys {
    /// The keys of `project`, signed with its secret or with `configured`, the one that its
    /// settings name instead.
    ///
    /// The same secrets always give the same keys.
    pub fn new(project: &str, secrets: &Secrets, configured: Option<&[u8]>) -> Self {
        crypto::install();
        let signing = configured.unwrap_or(secrets.jwt_secret.as_bytes());
        let token = |role: &str| {
            let claims = KeyClaims {
                iss: "supabase-lite",
                project,
                role,
                iat: secrets.issued_at,
                exp: secrets.issued_at.saturating_add(LIFETIME_SECONDS),
            };
            let key = EncodingKey::from_secret(signing);
            // HMAC takes a key of any length, and these claims are always JSON.
            jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap_or_default()
        };
        // Out of the project's own secret, so that nothing more has to be kept; neither leads back to it.
        let derived = |name: &str, size: usize| {
            let mut key = hmac(signing, name.as_bytes());
            key.truncate(size * 2);
            key
        };
        Self {
            s3_access_key_id: derived("s3 access key id", 16),
            s3_secret_access_key: derived("s3 secret access key", 32),
            publishable: secrets.publishable.clone(),
            secret: secrets.secret.clone(),
            anon: token("anon"),
            service_role: token("service_role"),
            jwt_secret: match configured {
                None => secrets.jwt_secret.clone(),
                Some(secret) => match std::str::from_utf8(secret) {
                    Ok(text) => text.to_owned(),
                    Err(_binary) => URL_SAFE_NO_PAD.encode(secret),
                },
            },
        }
    }

    /// The token that a request carries, as Supabase's gateway rewrites it:
    ///
    /// `Authorization` counts unless it is a `Bearer sb_…`; else the secret and the publishable key
    /// stand for their tokens, and any other `apikey` is the token itself.
    pub fn bearer<'a>(keys: Option<&'a Self>, headers: &'a HeaderMap) -> Option<&'a [u8]> {
        if let Some(value) = headers.get(header::AUTHORIZATION)
            && !value.as_bytes().starts_with(b"Bearer sb_")
        {
            return bearer_token(value.as_bytes());
        }
        let apikey = headers.get("apikey")?.as_bytes();
        let is = |key: &str| bool::from(apikey.ct_eq(key.as_bytes()));
        match keys {
            Some(keys) if is(&keys.secret) => Some(keys.service_role.as_bytes()),
            Some(keys) if is(&keys.publishable) => Some(keys.anon.as_bytes()),
            Some(_) | None if apikey.is_empty() => None,
            Some(_) | None => Some(apikey),
        }
    }
}

/// HMAC-SHA256 in hexadecimal.
fn hmac(key: &[u8], text: &[u8]) -> String {
    // HMAC takes a key of any length, so there is always one.
    let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(key) else {
        return String::new();
    };
    hmac.update(text);
    format!("{:x}", hmac.finalize().into_bytes())
}

/// A token with these claims, signed with HS256; `None` where they cannot be written.
pub fn sign(secret: &[u8], claims: &Map<String, Value>) -> Option<String> {
    crypto::install();
    let key = EncodingKey::from_secret(secret);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).ok()
}

/// The token of `Authorization: Bearer …`; another scheme carries none (RFC 6750, section 2.1).
fn bearer_token(authorization: &[u8]) -> Option<&[u8]> {
    let end = authorization
        .iter()
        .position(u8::is_ascii_whitespace)
        .unwrap_or(authorization.len());
    let (scheme, token) = authorization.split_at(end);
    scheme
        .eq_ignore_ascii_case(b"bearer")
        .then(|| token.trim_ascii())
}
