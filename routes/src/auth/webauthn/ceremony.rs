//! The two ceremonies of the relying party (WebAuthn, sections 7.1 and 7.2).

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{
    Assertion, Attestation, Credential, Flags, RelyingParty, WebAuthnError,
    attestation::Object,
    authenticator::AuthenticatorData,
    client_data::{self, Ceremony},
    key::{ALGORITHMS, PublicKey},
};

/// What the browser was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    pub bytes: Vec<u8>,
    pub user_verification_required: bool,
}

/// A credential that is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    pub credential: Credential,
    pub flags: Flags,
    /// The authenticator's model; zeros where it does not say.
    pub aaguid: [u8; 16],
    pub transports: Vec<String>,
    /// `none` or `self`.
    pub attestation: &'static str,
}

/// The use of a credential that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    pub sign_count: u32,
    pub flags: Flags,
}

/// Registers a credential that answers a challenge.
pub fn register(
    party: &RelyingParty,
    challenge: &Challenge,
    response: &Attestation,
) -> Result<Registered, WebAuthnError> {
    let client_data = response.client_data();
    client_data::check(client_data, Ceremony::Create, &challenge.bytes, party)?;
    let object = Object::read(response.object())?;
    let data = AuthenticatorData::read(object.authenticator_data)?;
    check_flags(party, challenge, &data)?;
    let attestation = object.verify(&data, client_data)?;
    let credential = data.credential.ok_or(WebAuthnError::NoCredential)?;
    if !ALGORITHMS.contains(&credential.key.algorithm()) {
        return Err(WebAuthnError::Algorithm);
    }
    if credential.id != response.id() {
        return Err(WebAuthnError::CredentialId);
    }
    Ok(Registered {
        credential: Credential {
            id: credential.id.to_vec(),
            public_key: credential.key_bytes.to_vec(),
            sign_count: data.sign_count,
            backup_eligible: data.flags.backup_eligible(),
        },
        flags: data.flags,
        aaguid: credential.aaguid,
        transports: response.transports().to_vec(),
        attestation,
    })
}

/// Checks the use of one of `credentials`, which belong to the user with this handle.
pub fn authenticate(
    party: &RelyingParty,
    challenge: &Challenge,
    credentials: &[Credential],
    user_handle: &[u8],
    response: &Assertion,
) -> Result<Used, WebAuthnError> {
    let credential = credentials
        .iter()
        .find(|credential| credential.id == response.id())
        .ok_or(WebAuthnError::NotAllowed)?;
    if response
        .user_handle()
        .is_some_and(|handle| handle != user_handle)
    {
        return Err(WebAuthnError::UserHandle);
    }
    let client_data = response.client_data();
    client_data::check(client_data, Ceremony::Get, &challenge.bytes, party)?;
    let data = AuthenticatorData::read(response.authenticator_data())?;
    check_flags(party, challenge, &data)?;
    if data.flags.backup_eligible() != credential.backup_eligible {
        return Err(WebAuthnError::Backup);
    }
    let (key, _length) = PublicKey::read(&credential.public_key)?;
    let hash = Sha256::digest(client_data);
    let signed = [response.authenticator_data(), &hash[..]].concat();
    key.verify(&signed, response.signature())?;
    let counts = data.sign_count != 0 || credential.sign_count != 0;
    if counts && data.sign_count <= credential.sign_count {
        return Err(WebAuthnError::Cloned);
    }
    Ok(Used {
        sign_count: data.sign_count,
        flags: data.flags,
    })
}

fn check_flags(
    party: &RelyingParty,
    challenge: &Challenge,
    data: &AuthenticatorData<'_>,
) -> Result<(), WebAuthnError> {
    let hash = Sha256::digest(party.id.as_bytes());
    if !bool::from(data.relying_party_hash.ct_eq(&hash[..])) {
        return Err(WebAuthnError::RelyingParty);
    }
    if !data.flags.user_present() {
        return Err(WebAuthnError::UserAbsent);
    }
    if challenge.user_verification_required && !data.flags.user_verified() {
        return Err(WebAuthnError::UserUnverified);
    }
    if data.flags.backed_up() && !data.flags.backup_eligible() {
        return Err(WebAuthnError::Backup);
    }
    Ok(())
}
