//! Codes and secrets.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, Mac as _};
use sha1::Sha1;
use subtle::{Choice, ConstantTimeEq as _};

/// Seconds that a code is for.
const PERIOD: u64 = 30;

/// How many periods a clock may be off, either way.
const SKEW: u64 = 1;

/// 20 bytes, as RFC 4226 recommends.
const LENGTH: usize = 20;

/// What the app and the server share. Its text is base32 without padding.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// A new one.
    pub fn generate(random: impl FnOnce(&mut [u8])) -> Self {
        let mut bytes = vec![0; LENGTH];
        random(&mut bytes);
        Self(bytes)
    }

    /// The secret whose text is `text`, in either case, with padding or without.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches('=').to_ascii_uppercase();
        let bytes = BASE32_NOPAD.decode(text.as_bytes()).ok()?;
        (!bytes.is_empty()).then_some(Self(bytes))
    }

    /// The code of a period (RFC 4226, section 5.3): `digits` decimal digits.
    fn code(&self, period: u64, digits: u32) -> Option<String> {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.0).ok()?;
        mac.update(&period.to_be_bytes());
        let hash = mac.finalize().into_bytes();
        let offset = usize::from(hash.last()? & 0xf);
        let bytes = hash.get(offset..offset + 4)?.try_into().ok()?;
        let number = (u32::from_be_bytes(bytes) & 0x7fff_ffff) % 10_u32.checked_pow(digits)?;
        Some(format!("{number:0width$}", width = digits as usize))
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&BASE32_NOPAD.encode(&self.0))
    }
}

/// Never shown by accident.
impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// Whether `code` is the secret's six digits at `now`, in seconds since the epoch. It takes as long
/// for a wrong code as for a right one.
pub fn verify(secret: &Secret, code: &str, now: u64) -> bool {
    let code = code.trim().as_bytes();
    let period = now / PERIOD;
    let mut right = Choice::from(0);
    for period in period.saturating_sub(SKEW)..=period.saturating_add(SKEW) {
        if let Some(expected) = secret.code(period, 6) {
            right |= expected.as_bytes().ct_eq(code);
        }
    }
    right.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret(b"12345678901234567890".to_vec())
    }

    /// RFC 6238, appendix B, those of SHA-1.
    #[test]
    fn the_vectors_of_the_rfc() {
        for (time, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(secret().code(time / PERIOD, 8).as_deref(), Some(code));
            assert!(verify(&secret(), &code[2..], time));
        }
    }

    #[test]
    fn a_clock_may_be_one_period_off() {
        let right = |now| verify(&secret(), "287082", now);
        assert!(right(59) && right(30) && right(89) && right(0));
        assert!(!right(90) && !right(120));
        assert!(!verify(&secret(), "", 59));
        assert!(!verify(&secret(), "28708", 59));
        assert!(!verify(&secret(), "0287082", 59));
        assert!(verify(&secret(), " 287082 ", 59));
        assert!(!verify(&secret(), "287082", u64::MAX));
    }

    #[test]
    fn secrets_are_text() {
        let text = secret().to_string();
        assert_eq!(text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(Secret::parse(&text.to_lowercase()), Some(secret()));
        assert_eq!(Secret::parse("1"), None);
        assert_eq!(Secret::parse(""), None);
        let new = Secret::generate(|bytes| bytes.fill(0xff));
        assert_eq!(new.to_string(), "7".repeat(32));
    }
}
