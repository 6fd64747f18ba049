//! The keys that verify tokens: one HMAC secret, a JWK, or a JWK set.

use std::fmt;

use base64::{Engine as _, engine::general_purpose};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    crypto::verify,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{IdentityError, crypto};

/// What verifies a project's tokens. Never shown: its `Debug` names kinds and ids only.
#[derive(Clone)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: Option<String>,
    /// The algorithms that this key is for. **Invariant:** all of one family, so that a public key
    /// is never taken for a secret.
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
    /// The secret itself, where it is one that can sign.
    secret: Option<Vec<u8>>,
}

impl fmt::Debug for KeySet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys.iter().map(|key| (&key.id, &key.algorithms));
        formatter.debug_list().entries(keys).finish()
    }
}

/// Why a text is not a key set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySetError {
    NotBase64,
    /// PostgREST asks for 32 characters.
    TooShort,
    /// A JWK set without a key that we can use; the text says why.
    NoUsableKey(String),
}

impl fmt::Display for KeySetError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBase64 => formatter.write_str("it is not base64"),
            Self::TooShort => {
                formatter.write_str("The JWT secret must be at least 32 characters long.")
            }
            Self::NoUsableKey(reason) => write!(formatter, "no usable key: {reason}"),
        }
    }
}

impl std::error::Error for KeySetError {}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that the verifier must understand (RFC 7515, section 4.1.11): we know none.
    crit: Option<Value>,
}

impl KeySet {
    /// Reads `jwt-secret`: a JWK set, a JWK, or else the text of an HS256 secret.
    pub fn parse(text: &str, is_base64: bool) -> Result<Self, KeySetError> {
        let secret = if is_base64 {
            decode_secret(text).ok_or(KeySetError::NotBase64)?
        } else {
            text.as_bytes().to_vec()
        };
        if let Ok(set) = serde_json::from_slice::<JwkSet>(&secret) {
            return Self::from_jwks(set.keys);
        }
        if let Ok(jwk @ Value::Object(_)) = serde_json::from_slice(&secret) {
            return Self::from_jwks(vec![jwk]);
        }
        if secret.len() < 32 {
            return Err(KeySetError::TooShort);
        }
        Ok(Self::secret(&secret))
    }

    /// One secret, for HS256 only.
    pub fn secret(secret: &[u8]) -> Self {
        let key = Key {
            id: None,
            algorithms: vec![Algorithm::HS256],
            decoding: DecodingKey::from_secret(secret),
            secret: Some(secret.to_vec()),
        };
        Self { keys: vec![key] }
    }

    /// The keys of a JWK set that we can use; an error where none is.
    pub fn from_jwks(jwks: Vec<Value>) -> Result<Self, KeySetError> {
        let mut keys = Vec::new();
        let mut complaint = "the set is empty".to_owned();
        for jwk in jwks {
            // A key of a kind we do not know is no reason to refuse the tokens of the others.
            match Key::from_jwk(jwk) {
                Ok(key) => keys.push(key),
                Err(reason) => complaint = reason,
            }
        }
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey(complaint));
        }
        Ok(Self { keys })
    }

    /// These keys and `other`'s.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.keys.extend(other.keys);
        self
    }

    /// The secret that HS256 tokens of these keys can be signed with, if there is one.
    pub fn signing_secret(&self) -> Option<&[u8]> {
        self.keys.iter().find_map(|key| {
            // A key with an id verifies only tokens that carry it, which the project's own do not
            // need: a token without an id is tried with every key.
            let signs = key.algorithms.contains(&Algorithm::HS256);
            key.secret.as_deref().filter(|_| signs)
        })
    }

    /// The claims of a token that one of these keys signed. They are not looked at any further.
    pub fn verify(&self, token: &[u8]) -> Result<Map<String, Value>, IdentityError> {
        if token.is_empty() {
            return Err(IdentityError::Empty);
        }
        let parts: Vec<&[u8]> = token.split(|&byte| byte == b'.').collect();
        let &[header, claims, signature] = &parts[..] else {
            return Err(IdentityError::Parts(parts.len()));
        };
        let header: Header = decode_part(header)
            .and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or(IdentityError::Undecodable)?;
        if header.alg == "none" {
            return Err(IdentityError::Unsecured);
        }
        let algorithm: Algorithm = match header.alg.parse() {
            Ok(algorithm) if header.crit.is_none() => algorithm,
            _ => return Err(IdentityError::Undecodable),
        };
        let suitable: Vec<&Key> = self
            .keys
            .iter()
            .filter(|key| key.algorithms.contains(&algorithm))
            .filter(|key| header.kid.is_none() || header.kid == key.id)
            .collect();
        if suitable.is_empty() {
            return Err(IdentityError::NoSuitableKey);
        }
        crypto::install();
        let signed = &token[..token.len() - signature.len() - 1];
        let verified = std::str::from_utf8(signature).is_ok_and(|signature| {
            suitable
                .iter()
                .any(|key| verify(signature, signed, &key.decoding, algorithm) == Ok(true))
        });
        if !verified {
            return Err(IdentityError::WrongSignature);
        }
        decode_part(claims)
            .and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or(IdentityError::ClaimsUnreadable)
    }
}

impl Key {
    fn from_jwk(jwk: Value) -> Result<Self, String> {
        let jwk: Jwk = serde_json::from_value(jwk).map_err(|error| error.to_string())?;
        if jwk.common.public_key_use == Some(PublicKeyUse::Encryption) {
            return Err("the key is for encryption".to_owned());
        }
        let family: &[Algorithm] = match &jwk.algorithm {
            AlgorithmParameters::OctetKey(_) => {
                &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512]
            }
            AlgorithmParameters::RSA(_) => &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512],
            AlgorithmParameters::EllipticCurve(key) => match key.curve {
                EllipticCurve::P256 => &[Algorithm::ES256],
                _ => return Err(format!("the curve {:?} is not supported", key.curve)),
            },
            AlgorithmParameters::OctetKeyPair(key) => match key.curve {
                EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
                _ => return Err(format!("the curve {:?} is not supported", key.curve)),
            },
            // The crate's enum is open.
            _ => return Err("its kty is not supported".to_owned()),
        };
        let algorithms: Vec<Algorithm> = match jwk.common.key_algorithm {
            None => family.to_vec(),
            Some(named) => family
                .iter()
                .copied()
                .filter(|&algorithm| is_named(algorithm, named))
                .collect(),
        };
        if algorithms.is_empty() {
            return Err("its alg does not fit its kty".to_owned());
        }
        let decoding = DecodingKey::from_jwk(&jwk).map_err(|error| error.to_string())?;
        let secret = match &jwk.algorithm {
            AlgorithmParameters::OctetKey(key) => decode_part(key.value.as_bytes()),
            _ => None,
        };
        Ok(Self {
            id: jwk.common.key_id,
            algorithms,
            decoding,
            secret,
        })
    }
}

fn is_named(algorithm: Algorithm, named: KeyAlgorithm) -> bool {
    named.to_string() == format!("{algorithm:?}")
}

fn decode_part(part: &[u8]) -> Option<Vec<u8>> {
    general_purpose::URL_SAFE_NO_PAD.decode(part).ok()
}

/// `jwt-secret-is-base64` takes both alphabets, and `.` for `=`.
fn decode_secret(text: &str) -> Option<Vec<u8>> {
    let standard: String = text
        .trim()
        .chars()
        .map(|c| match c {
            '_' => '/',
            '-' => '+',
            '.' => '=',
            other => other,
        })
        .collect();
    let engine = general_purpose::STANDARD_NO_PAD;
    engine.decode(standard.trim_end_matches('=')).ok()
}
