//! Passwords: whether one is good enough, how it is kept, whether it is the one that was kept.
//!
//! New ones are kept as bcrypt of cost 10. What is verified beside it came from elsewhere: argon2,
//! Firebase's scrypt, and the PBKDF2 records of Supabase Lite. All requests share one thread, so the
//! work is cut into slices with `World::pause` between, and never done while a transaction is open.

mod bcrypt;
mod foreign;

use base64::{
    Engine as _, alphabet,
    engine::general_purpose::{GeneralPurpose, NO_PAD},
};

use super::{
    Context,
    error::{AuthError, WeakReason},
};
use crate::World;

/// bcrypt reads no more.
const LONGEST: usize = 72;
const COST: u32 = 10;

/// A hash of no password that anybody has: it makes the answer for an unknown user take as long as
/// the one for a wrong password.
const NOBODYS: &str = "$2a$10$abcdefghijklmnopqrstuuWd4iyPfsHd5jIjmbtq4g0ZP1tBsFeFO";

/// Sets of characters that `password_requirements` names.
const LETTERS_DIGITS: &[&str] = &[
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "0123456789",
];
const LOWER_UPPER_LETTERS_DIGITS: &[&str] = &[
    "abcdefghijklmnopqrstuvwxyz",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "0123456789",
];
const LOWER_UPPER_LETTERS_DIGITS_SYMBOLS: &[&str] = &[
    "abcdefghijklmnopqrstuvwxyz",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "0123456789",
    "!@#$%^&*()_+-=[]{};'\\:\"|<>?,./`~",
];

impl<W: World> Context<'_, W> {
    /// Whether a password may be set: not too long for bcrypt, and as strong as the settings ask.
    pub fn check_password(&self, password: &str) -> Result<(), AuthError> {
        if password.len() > LONGEST {
            return Err(AuthError::invalid(format!(
                "Password cannot be longer than {LONGEST} characters"
            )));
        }
        let (message, reasons) = self.weakness(password);
        if reasons.is_empty() {
            Ok(())
        } else {
            Err(AuthError::weak_password(message, reasons))
        }
    }

    /// What is weak about a password: a sentence for a person, and the reasons; none where it is
    /// strong.
    pub fn weakness(&self, password: &str) -> (String, Vec<WeakReason>) {
        let mut messages = Vec::new();
        let mut reasons = Vec::new();
        let least = self.settings.minimum_password_length.max(6);
        if u64::try_from(password.len()).unwrap_or(u64::MAX) < least {
            reasons.push(WeakReason::Length);
            messages.push(format!("Password should be at least {least} characters."));
        }
        let sets = required(&self.settings.password_requirements);
        let lacks = |set: &String| !set.is_empty() && !password.chars().any(|c| set.contains(c));
        if sets.iter().any(lacks) {
            reasons.push(WeakReason::Characters);
            messages.push(format!(
                "Password should contain at least one character of each: {}.",
                sets.join(", ")
            ));
        }
        (messages.join(" "), reasons)
    }

    /// The hash under which a password is kept.
    pub async fn hash_password(&self, password: &str) -> String {
        bcrypt::hash(self.world, password, COST, self.random()).await
    }

    /// Whether a password is the one that was kept as `hash`. Without a hash it takes as long, and is
    /// not.
    pub async fn verify_password(&self, hash: Option<&str>, password: &str) -> bool {
        match hash.filter(|hash| !hash.is_empty()) {
            None => {
                bcrypt::verify(self.world, NOBODYS, password).await;
                false
            }
            Some(hash) if bcrypt::is_hash(hash) => bcrypt::verify(self.world, hash, password).await,
            Some(hash) => foreign::verify(self.world, hash, password).await,
        }
    }
}

/// A hash in the usual form of a password that nobody knows, for users who sign in otherwise. Salt and
/// digest are as random as those of any password, so that nothing has to be computed.
pub fn unknown(world: &impl World) -> String {
    let (mut salt, mut digest) = ([0; 16], [0; 23]);
    world.random(&mut salt);
    world.random(&mut digest);
    let (salt, digest) = (BCRYPT.encode(salt), BCRYPT.encode(digest));
    format!("$2a${COST:02}${salt}{digest}")
}

/// bcrypt's own alphabet.
const BCRYPT: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);

/// Whether a hash that somebody brings along is one that we can verify.
pub fn is_known_hash(hash: &str) -> bool {
    bcrypt::is_hash(hash) || foreign::is_hash(hash)
}

/// Whether a kept hash should be made anew, now that the password is known: GoTrue does so where its
/// cost is not the usual one.
pub fn is_outdated(hash: &str) -> bool {
    bcrypt::cost(hash).is_some_and(|cost| cost > COST || cost == bcrypt::LEAST_COST)
}

/// The sets of characters of `password_requirements`. In GoTrue's own form they stand between colons,
/// and `\:` is a colon.
fn required(requirements: &str) -> Vec<String> {
    let named = match requirements {
        "" => return Vec::new(),
        "letters_digits" => LETTERS_DIGITS,
        "lower_upper_letters_digits" => LOWER_UPPER_LETTERS_DIGITS,
        "lower_upper_letters_digits_symbols" => LOWER_UPPER_LETTERS_DIGITS_SYMBOLS,
        own => {
            let own = own.replace("\\:", "\u{0}");
            return own
                .split(':')
                .filter(|set| !set.is_empty())
                .map(|set| set.replace('\u{0}', ":"))
                .collect();
        }
    };
    named.iter().map(|&set| set.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_characters() {
        assert_eq!(required("letters_digits").len(), 2);
        assert_eq!(required(r"abc:0123:\:!"), ["abc", "0123", ":!"]);
        assert!(required("").is_empty());
    }

    #[test]
    fn hashes_are_known_by_their_shape() {
        assert!(bcrypt::is_hash(NOBODYS));
        assert!(!is_outdated(NOBODYS));
        assert!(is_outdated(&NOBODYS.replace("$10$", "$12$")));
        for hash in ["", "plain", "$2a$10$short", "$1$abc", "{}"] {
            assert!(!is_known_hash(hash), "{hash}");
        }
    }
}
