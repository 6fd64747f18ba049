//! Why a credential was refused.

use std::fmt;

/// Why a credential was refused. Clients are told only that it was; the rest is for a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebAuthnError {
    /// The JSON that the browser's credential became.
    Response,
    ClientData,
    /// `webauthn.create` where `webauthn.get` was due, or the other way round.
    Ceremony,
    Challenge,
    Origin,
    /// The authenticator's data end too soon or go on for too long.
    AuthenticatorData,
    /// The credential is bound to another domain.
    RelyingParty,
    UserAbsent,
    UserUnverified,
    /// A backup of what cannot be backed up, or a credential that changed its mind about it.
    Backup,
    NoCredential,
    /// The id beside the credential is another one.
    CredentialId,
    Key,
    /// An algorithm that was not offered.
    Algorithm,
    Attestation,
    AttestationFormat,
    Signature,
    /// The credential is not among those that were allowed.
    NotAllowed,
    UserHandle,
    /// The counter went back: somebody has a copy of the authenticator.
    Cloned,
}

impl fmt::Display for WebAuthnError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Response => "the credential is not one of WebAuthn",
            Self::ClientData => "clientDataJSON cannot be read",
            Self::Ceremony => "the response is of the other ceremony",
            Self::Challenge => "the challenge is another one",
            Self::Origin => "the origin is not allowed",
            Self::AuthenticatorData => "the authenticator's data cannot be read",
            Self::RelyingParty => "the credential belongs to another relying party",
            Self::UserAbsent => "no user was present",
            Self::UserUnverified => "the user was not verified",
            Self::Backup => "the backup flags contradict each other",
            Self::NoCredential => "there is no credential in the response",
            Self::CredentialId => "the credential's id does not match",
            Self::Key => "the public key cannot be read",
            Self::Algorithm => "the public key is of an algorithm that was not offered",
            Self::Attestation => "the attestation cannot be read",
            Self::AttestationFormat => "the attestation's format is not supported",
            Self::Signature => "the signature is wrong",
            Self::NotAllowed => "the credential is not allowed here",
            Self::UserHandle => "the credential belongs to another user",
            Self::Cloned => "the authenticator's counter went back",
        })
    }
}

impl std::error::Error for WebAuthnError {}
