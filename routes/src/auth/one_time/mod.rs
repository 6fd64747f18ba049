//! One-time tokens: the code that a person types, the hash that a link carries, and how long both
//! are good for.
//!
//! The code is random decimal digits. What is kept is a hash of the address and the code together,
//! so that a code is worth nothing for anybody else; the link carries that hash itself. A token of a
//! PKCE flow is the hash behind [`PKCE_PREFIX`].

use sha2::{Digest as _, Sha224};

use super::time::Time;
use crate::World;

/// What marks the token of a PKCE flow.
pub const PKCE_PREFIX: &str = "pkce_";

/// What a token is for: `auth.one_time_token_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Confirmation,
    Reauthentication,
    Recovery,
    EmailChangeNew,
    EmailChangeCurrent,
    PhoneChange,
}

impl Kind {
    /// The label of the enum in the database.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Confirmation => "confirmation_token",
            Self::Reauthentication => "reauthentication_token",
            Self::Recovery => "recovery_token",
            Self::EmailChangeNew => "email_change_token_new",
            Self::EmailChangeCurrent => "email_change_token_current",
            Self::PhoneChange => "phone_change_token",
        }
    }
}

/// How a session is handed over once the token was good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Tokens in the fragment of the redirect.
    Implicit,
    /// A code in its query, worth something only with the verifier.
    Pkce,
}

impl Flow {
    /// The flow of a request, by its code challenge.
    pub const fn of_challenge(challenge: &str) -> Self {
        if challenge.is_empty() {
            Self::Implicit
        } else {
            Self::Pkce
        }
    }

    /// The flow of a link, by its token.
    pub fn of_token(token: &str) -> Self {
        if token.starts_with(PKCE_PREFIX) {
            Self::Pkce
        } else {
            Self::Implicit
        }
    }

    /// The token as it is kept and sent.
    pub fn mark(self, hash: &str) -> String {
        match self {
            Self::Implicit => hash.to_owned(),
            Self::Pkce => format!("{PKCE_PREFIX}{hash}"),
        }
    }
}

/// A code and its token, before anybody has seen them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneTime {
    /// What a person types.
    pub code: String,
    /// What is kept, and what a link carries.
    pub token: String,
}

impl OneTime {
    /// A new code for an address: an email or a phone number.
    pub fn issue(world: &impl World, address: &str, digits: u32, flow: Flow) -> Self {
        Self::of_code(code(world, digits), address, flow)
    }

    /// The token of a code that is known, as one that tests use.
    pub fn of_code(code: String, address: &str, flow: Flow) -> Self {
        let token = flow.mark(&hash(address, &code));
        Self { code, token }
    }
}

/// A code of so many digits, each as likely as any other.
pub fn code(world: &impl World, digits: u32) -> String {
    let range = 10_u64.pow(digits.clamp(6, 10));
    // Numbers past the last whole multiple would make small codes likelier.
    let fair = u64::MAX - u64::MAX % range;
    loop {
        let mut bytes = [0; 8];
        world.random(&mut bytes);
        let number = u64::from_le_bytes(bytes);
        if number < fair {
            return format!("{:0width$}", number % range, width = digits as usize);
        }
    }
}

/// The hash of an address and a code together, in hex.
pub fn hash(address: &str, code: &str) -> String {
    let digest = Sha224::new().chain_update(address).chain_update(code);
    format!("{:x}", digest.finalize())
}

/// Whether what is kept is the token of this hash, in whichever flow it was asked for.
pub fn matches(kept: &str, hash: &str) -> bool {
    !hash.is_empty() && (kept == hash || kept.strip_prefix(PKCE_PREFIX) == Some(hash))
}

/// Whether a token that was sent then is too old now. `lifetime` is in seconds.
pub fn is_expired(sent_at: Time, lifetime: u64, now: Time) -> bool {
    now > sent_at.plus(seconds(lifetime))
}

/// How many whole seconds are left until the next message may go out; `None` where it may now.
/// `interval` is in seconds.
pub fn wait(sent_at: Option<Time>, interval: u64, now: Time) -> Option<i64> {
    let next = sent_at?.plus(seconds(interval));
    (next > now).then(|| (next.microseconds() - now.microseconds()) / 1_000_000)
}

fn seconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
