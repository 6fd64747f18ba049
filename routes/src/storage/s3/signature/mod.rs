//! AWS Signature Version 4, from the side of the server: what a request claims, and whether the
//! claim is true.
//!
//! Sources: "Authenticating Requests (AWS Signature Version 4)" of the S3 API reference, and what
//! storage-api accepts (`src/storage/protocols/s3/signature-v4.ts`).

mod canonical;
mod claim;
mod key;
#[cfg(test)]
mod tests;

pub use canonical::{Signed, canonical_request, encode, string_to_sign};
pub use claim::{Claim, Payload, Scope};
pub use key::{SigningKey, hex, same, sha256};

use super::date::AmzDate;
use crate::world::Timestamp;

/// The one algorithm there is for a symmetric key.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// How far a signer's clock may be from ours, in seconds: fifteen minutes, as Amazon has it. A
/// request that was overheard is worth nothing after that.
const SKEW_SECONDS: u64 = 15 * 60;

/// The longest life of a presigned URL, in seconds: seven days.
const LONGEST_LIFE_SECONDS: u64 = 7 * 24 * 60 * 60;

/// Why a claim is not believed, or cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureError {
    /// The request carries no signature at all.
    Missing,
    /// A part of the signature has no meaning; the text says which.
    Invalid(&'static str),
    /// The credentials are not the project's; the text says what is wrong with them.
    Denied(&'static str),
    /// The presigned URL or the policy has expired.
    Expired,
    /// The signer's clock is too far from ours.
    Skewed,
    /// The signature is another one than ours.
    Mismatch,
}

/// Which secret a claim is measured with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials<'a> {
    pub access_key: &'a str,
    /// A signature by any of them counts.
    pub secrets: Vec<&'a str>,
    /// The region the project says it is in.
    pub region: &'a str,
}

/// Regions that clients sign for when they have not been told another.
const ANY_REGION: [&str; 3] = ["auto", "us-east-1", ""];

impl Claim {
    /// Whether the time the claim names is near enough to `now`, or its life not over.
    pub fn check_time(&self, now: Timestamp) -> Result<(), SignatureError> {
        let signed = self.date.seconds();
        if !self.date.text().starts_with(&self.scope.date) {
            return Err(SignatureError::Invalid("Invalid signature format"));
        }
        let age = now.seconds().saturating_sub(signed);
        let ahead = signed.saturating_sub(now.seconds());
        match self.expires {
            Some(life) if life > LONGEST_LIFE_SECONDS => {
                Err(SignatureError::Invalid("Invalid expiration"))
            }
            Some(life) if age > life => Err(SignatureError::Expired),
            None if age > SKEW_SECONDS => Err(SignatureError::Skewed),
            // One that begins tomorrow would live longer than it says.
            _ if ahead > SKEW_SECONDS => Err(SignatureError::Skewed),
            _ => Ok(()),
        }
    }

    /// The key that made the signature over `signed`, if one of the credentials' did.
    pub fn verify(
        &self,
        credentials: &Credentials<'_>,
        signed: &Signed<'_>,
    ) -> Result<SigningKey, SignatureError> {
        let canonical = canonical_request(self, signed);
        let text = string_to_sign(&self.date, &self.scope, &canonical);
        self.find_key(credentials, &text)
    }

    /// The key that made the signature over a POST policy, which is signed as it is sent.
    pub fn verify_policy(
        &self,
        credentials: &Credentials<'_>,
        policy: &str,
    ) -> Result<SigningKey, SignatureError> {
        self.find_key(credentials, policy)
    }

    fn find_key(
        &self,
        credentials: &Credentials<'_>,
        text: &str,
    ) -> Result<SigningKey, SignatureError> {
        if !same(
            self.scope.access_key.as_bytes(),
            credentials.access_key.as_bytes(),
        ) {
            return Err(SignatureError::Denied("Invalid Access Key"));
        }
        if self.scope.service != "s3" {
            return Err(SignatureError::Denied("Invalid Service"));
        }
        let region = self.scope.region.as_str();
        if region != credentials.region && !ANY_REGION.contains(&region) {
            return Err(SignatureError::Mismatch);
        }
        let keys = credentials.secrets.iter();
        keys.map(|secret| SigningKey::derive(secret, &self.scope))
            .find(|key| same(key.sign(text).as_bytes(), self.signature.as_bytes()))
            .ok_or(SignatureError::Mismatch)
    }
}

/// The date of a claim, read from text.
fn date(text: &str) -> Result<AmzDate, SignatureError> {
    AmzDate::parse(text).ok_or(SignatureError::Invalid("Invalid signature format"))
}
