//! What signs access tokens, and what the world may verify them with.
//!
//! Without `auth.signing_keys` the project's own secret signs, with HS256. With them the first JWK
//! that may sign does, and every one verifies, so that a key is replaced in two steps: the new one
//! behind the old one, then before it. Source: RFC 7515, RFC 7517, RFC 7518.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use p256::ecdsa::{self, signature::Signer as _};
use rsa::{BigUint, Pkcs1v15Sign, RsaPrivateKey};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// A project's signing keys. Never shown: `Debug` names ids only.
#[derive(Clone)]
pub struct SigningKeys {
    signer: Signer,
    id: Option<String>,
    /// Public parts, for `/.well-known/jwks.json`.
    public: Vec<Value>,
    /// All that verifies, as JWKs: public parts, and secrets of HS256.
    verifying: Vec<Value>,
}

#[derive(Clone)]
enum Signer {
    Hs256(Vec<u8>),
    Es256(Box<ecdsa::SigningKey>),
    Rs256(Box<RsaPrivateKey>),
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigningKeys")
            .field("id", &self.id)
            .field("public", &self.public.len())
            .finish_non_exhaustive()
    }
}

/// Why a text is not a list of signing keys; for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeysError(String);

impl fmt::Display for SigningKeysError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "auth.signing_keys: {}", self.0)
    }
}

impl std::error::Error for SigningKeysError {}

impl SigningKeys {
    /// Signs with a secret.
    pub fn secret(secret: &[u8]) -> Self {
        Self {
            signer: Signer::Hs256(secret.to_vec()),
            id: None,
            public: Vec::new(),
            verifying: Vec::new(),
        }
    }

    /// Reads `auth.signing_keys`: an array of JWKs, or a JWK set, with private parts.
    pub fn parse(text: &str) -> Result<Self, SigningKeysError> {
        let error = |reason: &str| SigningKeysError(reason.to_owned());
        let keys = match serde_json::from_str(text) {
            Ok(Value::Array(keys)) => keys,
            Ok(Value::Object(mut set)) => match set.remove("keys") {
                Some(Value::Array(keys)) => keys,
                Some(_) | None => vec![Value::Object(set)],
            },
            Ok(_) | Err(_) => return Err(error("expected an array of JWKs")),
        };
        let mut keys_read = Self {
            signer: Signer::Hs256(Vec::new()),
            id: None,
            public: Vec::new(),
            verifying: Vec::new(),
        };
        let mut signs = false;
        for (index, key) in keys.iter().enumerate() {
            let key = key.as_object().ok_or_else(|| error("expected JWKs"))?;
            let refused = |reason| SigningKeysError(format!("key {}: {reason}", index + 1));
            if !signs && may_sign(key) {
                keys_read.signer = signer(key).map_err(refused)?;
                keys_read.id = text_of(key, "kid").map(str::to_owned);
                signs = true;
            }
            if text_of(key, "kty") == Some("oct") {
                keys_read.verifying.push(Value::Object(key.clone()));
            } else {
                let public = public_part(key).map_err(refused)?;
                keys_read.verifying.push(public.clone());
                keys_read.public.push(public);
            }
        }
        if !signs {
            return Err(error("no key may sign"));
        }
        Ok(keys_read)
    }

    /// The keys that anybody may know.
    pub fn public(&self) -> &[Value] {
        &self.public
    }

    /// All that verifies, as JWKs.
    pub fn verifying(&self) -> &[Value] {
        &self.verifying
    }

    /// The name of the algorithm that signs.
    pub const fn algorithm(&self) -> &'static str {
        match self.signer {
            Signer::Hs256(_) => "HS256",
            Signer::Es256(_) => "ES256",
            Signer::Rs256(_) => "RS256",
        }
    }

    /// Whether anybody may verify what these keys sign.
    pub const fn is_asymmetric(&self) -> bool {
        !matches!(self.signer, Signer::Hs256(_))
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &Value) -> Result<String, SigningKeysError> {
        let mut header = json!({"alg": self.algorithm(), "typ": "JWT"});
        if let Some(id) = &self.id {
            header["kid"] = id.as_str().into();
        }
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = self.signature(signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn signature(&self, signed: &[u8]) -> Result<Vec<u8>, SigningKeysError> {
        match &self.signer {
            Signer::Hs256(secret) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(secret)
                    .map_err(|error| SigningKeysError(error.to_string()))?;
                mac.update(signed);
                Ok(mac.finalize().into_bytes().to_vec())
            }
            // Deterministic (RFC 6979): no randomness to get wrong.
            Signer::Es256(key) => {
                let signature: ecdsa::Signature = key.sign(signed);
                Ok(signature.to_vec())
            }
            Signer::Rs256(key) => key
                .sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(signed))
                .map_err(|error| SigningKeysError(error.to_string())),
        }
    }
}

fn text_of<'a>(key: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    key.get(name).and_then(Value::as_str)
}

/// A key says itself what it is for; one that does not say signs where it has a private part.
fn may_sign(key: &Map<String, Value>) -> bool {
    let has_private = key.contains_key("d") || key.contains_key("k");
    match key.get("key_ops").and_then(Value::as_array) {
        Some(operations) => has_private && operations.iter().any(|name| name == "sign"),
        None => has_private,
    }
}

fn bytes_of(key: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, String> {
    let text = text_of(key, name).ok_or_else(|| format!("{name} is missing"))?;
    URL_SAFE_NO_PAD
        .decode(text.trim_end_matches('='))
        .map_err(|_error| format!("{name} is not base64url"))
}

fn signer(key: &Map<String, Value>) -> Result<Signer, String> {
    let algorithm = text_of(key, "alg").unwrap_or_default();
    match (text_of(key, "kty").unwrap_or_default(), algorithm) {
        ("oct", "" | "HS256") => Ok(Signer::Hs256(bytes_of(key, "k")?)),
        ("EC", "" | "ES256") if text_of(key, "crv") == Some("P-256") => {
            let secret = bytes_of(key, "d")?;
            let key = ecdsa::SigningKey::from_slice(&secret)
                .map_err(|_error| "d is no P-256 key".to_owned())?;
            Ok(Signer::Es256(Box::new(key)))
        }
        ("RSA", "" | "RS256") => {
            let number = |name| Ok::<_, String>(BigUint::from_bytes_be(&bytes_of(key, name)?));
            let primes = vec![number("p")?, number("q")?];
            let key =
                RsaPrivateKey::from_components(number("n")?, number("e")?, number("d")?, primes)
                    .map_err(|error| error.to_string())?;
            Ok(Signer::Rs256(Box::new(key)))
        }
        _ => Err("expected HS256, ES256 on P-256 or RS256".to_owned()),
    }
}

fn public_part(key: &Map<String, Value>) -> Result<Value, String> {
    let (algorithm, names): (_, &[&str]) = match text_of(key, "kty") {
        Some("EC") => ("ES256", &["crv", "x", "y"]),
        Some("RSA") => ("RS256", &["n", "e"]),
        Some("OKP") => ("EdDSA", &["crv", "x"]),
        _ => return Err("its kty is not supported".to_owned()),
    };
    let mut public = Map::new();
    let kty = text_of(key, "kty").unwrap_or_default();
    public.insert("kty".to_owned(), kty.into());
    if let Some(id) = text_of(key, "kid") {
        public.insert("kid".to_owned(), id.into());
    }
    let algorithm = text_of(key, "alg").unwrap_or(algorithm);
    public.insert("alg".to_owned(), algorithm.into());
    public.insert("use".to_owned(), "sig".into());
    public.insert("key_ops".to_owned(), json!(["verify"]));
    for name in names {
        let value = text_of(key, name).ok_or_else(|| format!("{name} is missing"))?;
        public.insert((*name).to_owned(), value.into());
    }
    Ok(public.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::KeySet;

    const EC: &str = r#"{"kty":"EC","kid":"one","use":"sig","key_ops":["sign","verify"],"alg":"ES256","ext":true,"crv":"P-256","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#;

    #[test]
    fn a_token_is_verified_by_the_public_part() {
        let keys = SigningKeys::parse(&format!("[{EC}]")).unwrap();
        let token = keys.sign(&json!({"sub": "x"})).unwrap();
        assert!(!keys.public()[0].as_object().unwrap().contains_key("d"));
        let set = json!({"keys": keys.verifying()}).to_string();
        let set = KeySet::parse(&set, false).unwrap();
        let claims = set.verify(token.as_bytes()).unwrap();
        assert_eq!(claims["sub"], "x");
        assert!(set.verify(format!("{token}A").as_bytes()).is_err());
        let header = token.split('.').next().unwrap();
        let header = URL_SAFE_NO_PAD.decode(header).unwrap();
        assert_eq!(header, br#"{"alg":"ES256","typ":"JWT","kid":"one"}"#);
    }

    #[test]
    fn a_secret_signs_as_the_keys_of_the_project_are_signed() {
        let secret = b"0123456789012345678901234567890123456789";
        let keys = SigningKeys::secret(secret);
        let token = keys.sign(&json!({"sub": "x"})).unwrap();
        assert!(KeySet::secret(secret).verify(token.as_bytes()).is_ok());
        assert!(keys.public().is_empty() && !keys.is_asymmetric());
    }

    #[test]
    fn the_first_that_may_sign_does() {
        let verify = EC
            .replace(r#""sign","verify""#, r#""verify""#)
            .replace("one", "old");
        let keys = SigningKeys::parse(&format!("[{verify},{EC}]")).unwrap();
        assert_eq!(keys.id.as_deref(), Some("one"));
        assert_eq!(keys.public().len(), 2);
        for (text, reason) in [
            ("no", "auth.signing_keys: expected an array of JWKs"),
            ("[]", "auth.signing_keys: no key may sign"),
            (
                r#"[{"kty":"EC","d":"AA","crv":"P-256","alg":"ES256","x":"","y":""}]"#,
                "auth.signing_keys: key 1: d is no P-256 key",
            ),
            (
                r#"[{"kty":"RSA","alg":"PS256","d":"AA"}]"#,
                "auth.signing_keys: key 1: expected HS256, ES256 on P-256 or RS256",
            ),
        ] {
            assert_eq!(SigningKeys::parse(text).unwrap_err().to_string(), reason);
        }
    }
}
