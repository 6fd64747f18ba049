//! What an authenticator says and signs (WebAuthn, section 6.1).

use minicbor::Decoder;

use super::{WebAuthnError, key::PublicKey};

/// The flags of an authenticator's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    const HAS_CREDENTIAL: u8 = 1 << 6;
    const HAS_EXTENSIONS: u8 = 1 << 7;

    pub const fn user_present(self) -> bool {
        self.0 & 1 != 0
    }

    pub const fn user_verified(self) -> bool {
        self.0 & (1 << 2) != 0
    }

    pub const fn backup_eligible(self) -> bool {
        self.0 & (1 << 3) != 0
    }

    pub const fn backed_up(self) -> bool {
        self.0 & (1 << 4) != 0
    }

    /// All of them, as the authenticator sent them.
    pub const fn bits(self) -> u8 {
        self.0
    }
}

/// An authenticator's data, read.
#[derive(Debug)]
pub(super) struct AuthenticatorData<'a> {
    pub relying_party_hash: &'a [u8],
    pub flags: Flags,
    pub sign_count: u32,
    /// Only where the credential is new.
    pub credential: Option<NewCredential<'a>>,
}

#[derive(Debug)]
pub(super) struct NewCredential<'a> {
    pub aaguid: [u8; 16],
    pub id: &'a [u8],
    pub key: PublicKey,
    /// The key's own bytes, to be kept.
    pub key_bytes: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Reads all of `bytes`: what is left over is an error.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, WebAuthnError> {
        let short = WebAuthnError::AuthenticatorData;
        let (relying_party_hash, rest) = bytes.split_at_checked(32).ok_or(short)?;
        let (&flags, rest) = rest.split_first().ok_or(short)?;
        let (count, mut rest) = rest.split_first_chunk::<4>().ok_or(short)?;
        let mut credential = None;
        if flags & Flags::HAS_CREDENTIAL != 0 {
            let (read, after) = NewCredential::read(rest)?;
            credential = Some(read);
            rest = after;
        }
        if flags & Flags::HAS_EXTENSIONS != 0 {
            let mut extensions = Decoder::new(rest);
            extensions.skip().map_err(|_error| short)?;
            rest = rest.get(extensions.position()..).ok_or(short)?;
        }
        if !rest.is_empty() {
            return Err(short);
        }
        Ok(Self {
            relying_party_hash,
            flags: Flags(flags),
            sign_count: u32::from_be_bytes(*count),
            credential,
        })
    }
}

impl<'a> NewCredential<'a> {
    /// Section 7.1, step 25: longer ids are refused.
    const LONGEST_ID: usize = 1023;

    fn read(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), WebAuthnError> {
        let short = WebAuthnError::AuthenticatorData;
        let (aaguid, rest) = bytes.split_first_chunk::<16>().ok_or(short)?;
        let (length, rest) = rest.split_first_chunk::<2>().ok_or(short)?;
        let length = usize::from(u16::from_be_bytes(*length));
        if length > Self::LONGEST_ID {
            return Err(WebAuthnError::CredentialId);
        }
        let (id, rest) = rest.split_at_checked(length).ok_or(short)?;
        let (key, length) = PublicKey::read(rest)?;
        let (key_bytes, rest) = rest.split_at_checked(length).ok_or(short)?;
        let credential = Self {
            aaguid: *aaguid,
            id,
            key,
            key_bytes,
        };
        Ok((credential, rest))
    }
}
