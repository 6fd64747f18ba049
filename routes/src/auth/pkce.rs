//! Proof Key for Code Exchange (RFC 7636): the challenge that a client sends first, and the verifier
//! that it shows last.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::error::AuthError;

/// How the challenge was made of the verifier: `auth.code_challenge_method`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    S256,
    Plain,
}

impl Method {
    /// The label of the enum in the database.
    pub const fn label(self) -> &'static str {
        match self {
            Self::S256 => "s256",
            Self::Plain => "plain",
        }
    }

    /// Reads a method as a client writes it, whatever its case.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "s256" => Some(Self::S256),
            "plain" => Some(Self::Plain),
            _ => None,
        }
    }
}

/// A challenge that may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    pub challenge: String,
    pub method: Method,
}

/// Why a challenge is refused. The texts are the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChallengeError {
    /// One of the two is missing.
    Half,
    Length,
    Characters,
    /// GoTrue takes this for a fault of its own and answers 500; it is the client's.
    Method(String),
}

impl ChallengeError {
    pub fn message(&self) -> String {
        match self {
            Self::Half => "PKCE flow requires code_challenge_method and code_challenge".to_owned(),
            Self::Length => "code challenge has to be between 43 and 128 characters".to_owned(),
            Self::Characters => "code challenge can only contain alphanumeric characters, hyphens, periods, underscores and tildes".to_owned(),
            Self::Method(method) => format!("unsupported code_challenge method {method:?}"),
        }
    }
}

impl Challenge {
    /// The challenge of a request; `None` where it has none and the flow is implicit.
    pub fn read(challenge: &str, method: &str) -> Result<Option<Self>, ChallengeError> {
        match (challenge.is_empty(), method.is_empty()) {
            (true, true) => return Ok(None),
            (false, false) => {}
            (true, false) | (false, true) => return Err(ChallengeError::Half),
        }
        if !(43..=128).contains(&challenge.len()) {
            return Err(ChallengeError::Length);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if !challenge.bytes().all(allowed) {
            return Err(ChallengeError::Characters);
        }
        let method =
            Method::parse(method).ok_or_else(|| ChallengeError::Method(method.to_owned()))?;
        Ok(Some(Self {
            challenge: challenge.to_owned(),
            method,
        }))
    }

    /// The challenge of a request's body.
    pub fn of_request(
        challenge: Option<&str>,
        method: Option<&str>,
    ) -> Result<Option<Self>, AuthError> {
        Self::read(challenge.unwrap_or_default(), method.unwrap_or_default())
            .map_err(|error| AuthError::invalid(error.message()))
    }

    /// Whether this is the verifier that the challenge was made of, in time that tells nothing.
    pub fn is_met_by(&self, verifier: &str) -> bool {
        let made = match self.method {
            Method::S256 => URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)),
            Method::Plain => verifier.to_owned(),
        };
        self.challenge.as_bytes().ct_eq(made.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let good = "a".repeat(43);
        for (challenge, method, expected) in [
            ("", "", Ok(None)),
            (&*good, "", Err(ChallengeError::Half)),
            ("", "s256", Err(ChallengeError::Half)),
            (&good[1..], "s256", Err(ChallengeError::Length)),
            (&"a".repeat(129), "s256", Err(ChallengeError::Length)),
            (
                &format!("{}+", &good[1..]),
                "s256",
                Err(ChallengeError::Characters),
            ),
            (
                &good,
                "S512",
                Err(ChallengeError::Method("S512".to_owned())),
            ),
            (
                &good,
                "S256",
                Ok(Some(Challenge {
                    challenge: good.clone(),
                    method: Method::S256,
                })),
            ),
            (
                &good,
                "plain",
                Ok(Some(Challenge {
                    challenge: good.clone(),
                    method: Method::Plain,
                })),
            ),
        ] {
            assert_eq!(
                Challenge::read(challenge, method),
                expected,
                "{challenge} {method}"
            );
        }
    }

    /// The example of RFC 7636, appendix B.
    #[test]
    fn verifiers_meet_their_challenge() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let hashed = Challenge {
            challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned(),
            method: Method::S256,
        };
        let plain = Challenge {
            challenge: verifier.to_owned(),
            method: Method::Plain,
        };
        assert!(hashed.is_met_by(verifier));
        assert!(plain.is_met_by(verifier));
        for wrong in ["", &verifier[1..], &hashed.challenge] {
            assert!(!hashed.is_met_by(wrong), "{wrong}");
            assert!(!plain.is_met_by(wrong), "{wrong}");
        }
    }
}
