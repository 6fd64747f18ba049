//! Why a token is refused, in PostgREST's words.

use http::{HeaderValue, StatusCode, header};

use crate::ApiError;

/// A refused token. Source: PostgREST v14, errors PGRST300 to PGRST303.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityError {
    /// No key is configured, so nothing can be verified.
    SecretMissing,
    /// There is no token and no anonymous role.
    TokenRequired,
    /// `Authorization: Bearer` with nothing behind it.
    Empty,
    /// Not `header.claims.signature`.
    Parts(usize),
    /// The header or the encoding cannot be read.
    Undecodable,
    /// `alg: none`.
    Unsecured,
    /// No key is for this algorithm and key id.
    NoSuitableKey,
    /// No suitable key made this signature.
    WrongSignature,
    /// The claims are not a JSON object.
    ClaimsUnreadable,
    /// `exp`, `nbf` or `iat` is not a number.
    NotANumber(TimeClaim),
    /// `aud` is neither a string nor an array of strings.
    AudienceMalformed,
    Expired,
    NotYetValid,
    IssuedInTheFuture,
    NotInAudience,
}

/// A claim that holds a time, in seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeClaim {
    Expires,
    NotBefore,
    IssuedAt,
}

impl TimeClaim {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Expires => "exp",
            Self::NotBefore => "nbf",
            Self::IssuedAt => "iat",
        }
    }
}

impl IdentityError {
    pub const fn status(self) -> StatusCode {
        match self {
            Self::SecretMissing => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TokenRequired
            | Self::Empty
            | Self::Parts(_)
            | Self::Undecodable
            | Self::Unsecured
            | Self::NoSuitableKey
            | Self::WrongSignature
            | Self::ClaimsUnreadable
            | Self::NotANumber(_)
            | Self::AudienceMalformed
            | Self::Expired
            | Self::NotYetValid
            | Self::IssuedInTheFuture
            | Self::NotInAudience => StatusCode::UNAUTHORIZED,
        }
    }

    pub const fn code(self) -> &'static str {
        match self {
            Self::SecretMissing => "PGRST300",
            Self::Empty
            | Self::Parts(_)
            | Self::Undecodable
            | Self::Unsecured
            | Self::NoSuitableKey
            | Self::WrongSignature => "PGRST301",
            Self::TokenRequired => "PGRST302",
            Self::ClaimsUnreadable
            | Self::NotANumber(_)
            | Self::AudienceMalformed
            | Self::Expired
            | Self::NotYetValid
            | Self::IssuedInTheFuture
            | Self::NotInAudience => "PGRST303",
        }
    }

    pub fn message(self) -> String {
        match self {
            Self::SecretMissing => "Server lacks JWT secret".to_owned(),
            Self::TokenRequired => "Anonymous access is disabled".to_owned(),
            Self::Empty => "Empty JWT is sent in Authorization header".to_owned(),
            Self::Parts(count) => format!("Expected 3 parts in JWT; got {count}"),
            Self::Undecodable => "JWT cryptographic operation failed".to_owned(),
            Self::Unsecured => "Wrong or unsupported encoding algorithm".to_owned(),
            Self::NoSuitableKey | Self::WrongSignature => {
                "No suitable key or wrong key type".to_owned()
            }
            Self::ClaimsUnreadable => "Parsing claims failed".to_owned(),
            Self::NotANumber(claim) => {
                format!("The JWT '{}' claim must be a number", claim.name())
            }
            Self::AudienceMalformed => {
                "The JWT 'aud' claim must be a string or an array of strings".to_owned()
            }
            Self::Expired => "JWT expired".to_owned(),
            Self::NotYetValid => "JWT not yet valid".to_owned(),
            Self::IssuedInTheFuture => "JWT issued at future".to_owned(),
            Self::NotInAudience => "JWT not in audience".to_owned(),
        }
    }

    const fn details(self) -> Option<&'static str> {
        match self {
            Self::Unsecured => Some("JWT is unsecured but expected 'alg' was not 'none'"),
            Self::NoSuitableKey => Some("No suitable key was found to decode the JWT"),
            Self::WrongSignature => Some("None of the keys was able to decode the JWT"),
            Self::SecretMissing
            | Self::TokenRequired
            | Self::Empty
            | Self::Parts(_)
            | Self::Undecodable
            | Self::ClaimsUnreadable
            | Self::NotANumber(_)
            | Self::AudienceMalformed
            | Self::Expired
            | Self::NotYetValid
            | Self::IssuedInTheFuture
            | Self::NotInAudience => None,
        }
    }

    /// What the client should send instead (RFC 6750, section 3).
    fn challenge(self) -> Option<HeaderValue> {
        match self {
            Self::SecretMissing => None,
            Self::TokenRequired => Some(HeaderValue::from_static("Bearer")),
            refused => {
                let message = refused.message();
                let value =
                    format!(r#"Bearer error="invalid_token", error_description="{message}""#);
                HeaderValue::from_str(&value).ok()
            }
        }
    }
}

impl From<IdentityError> for ApiError {
    fn from(error: IdentityError) -> Self {
        let mut api = Self::new(error.status(), error.code(), error.message());
        if let Some(details) = error.details() {
            api = api.details(details);
        }
        match error.challenge() {
            Some(challenge) => api.header(header::WWW_AUTHENTICATE, challenge),
            None => api,
        }
    }
}
