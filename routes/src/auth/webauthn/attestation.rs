//! Attestation objects (WebAuthn, section 6.5.4).

use minicbor::{Decoder, data::Type};
use sha2::{Digest as _, Sha256};

use super::{WebAuthnError, authenticator::AuthenticatorData};

/// An attestation object, read.
#[derive(Debug)]
pub(super) struct Object<'a> {
    pub authenticator_data: &'a [u8],
    statement: Statement<'a>,
}

#[derive(Debug)]
enum Statement<'a> {
    None,
    /// Signed with the credential's own key.
    Packed {
        algorithm: i64,
        signature: &'a [u8],
    },
}

impl<'a> Object<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, WebAuthnError> {
        let unreadable = |_error| WebAuthnError::Attestation;
        let mut decoder = Decoder::new(bytes);
        let entries = decoder.map().map_err(unreadable)?;
        let (mut format, mut statement, mut authenticator_data) = (None, None, None);
        for _ in 0..entries.ok_or(WebAuthnError::Attestation)? {
            match decoder.str().map_err(unreadable)? {
                "fmt" => format = Some(decoder.str().map_err(unreadable)?),
                "authData" => authenticator_data = Some(decoder.bytes().map_err(unreadable)?),
                "attStmt" => {
                    let start = decoder.position();
                    decoder.skip().map_err(unreadable)?;
                    statement = bytes.get(start..decoder.position());
                }
                _ => decoder.skip().map_err(unreadable)?,
            }
        }
        let statement = statement.ok_or(WebAuthnError::Attestation)?;
        Ok(Self {
            authenticator_data: authenticator_data.ok_or(WebAuthnError::Attestation)?,
            statement: match format.ok_or(WebAuthnError::Attestation)? {
                // CBOR's empty map.
                "none" if statement == [0xa0] => Statement::None,
                "none" => return Err(WebAuthnError::Attestation),
                "packed" => Statement::packed(statement)?,
                _ => return Err(WebAuthnError::AttestationFormat),
            },
        })
    }

    /// What kind of attestation it is, once its signature is verified.
    pub(super) fn verify(
        &self,
        data: &AuthenticatorData<'_>,
        client_data: &[u8],
    ) -> Result<&'static str, WebAuthnError> {
        let Statement::Packed {
            algorithm,
            signature,
        } = self.statement
        else {
            return Ok("none");
        };
        let credential = data
            .credential
            .as_ref()
            .ok_or(WebAuthnError::NoCredential)?;
        if algorithm != credential.key.algorithm() {
            return Err(WebAuthnError::Attestation);
        }
        let hash = Sha256::digest(client_data);
        let signed = [self.authenticator_data, &hash[..]].concat();
        credential.key.verify(&signed, signature)?;
        Ok("self")
    }
}

impl<'a> Statement<'a> {
    fn packed(bytes: &'a [u8]) -> Result<Self, WebAuthnError> {
        let unreadable = |_error| WebAuthnError::Attestation;
        let mut decoder = Decoder::new(bytes);
        let entries = decoder.map().map_err(unreadable)?;
        let (mut algorithm, mut signature) = (None, None);
        for _ in 0..entries.ok_or(WebAuthnError::Attestation)? {
            match decoder.str().map_err(unreadable)? {
                "alg" => algorithm = Some(decoder.i64().map_err(unreadable)?),
                "sig" if decoder.datatype().map_err(unreadable)? == Type::Bytes => {
                    signature = Some(decoder.bytes().map_err(unreadable)?);
                }
                // A maker's certificate, which nobody here could trust or distrust.
                "x5c" => return Err(WebAuthnError::AttestationFormat),
                _ => return Err(WebAuthnError::Attestation),
            }
        }
        match (algorithm, signature) {
            (Some(algorithm), Some(signature)) => Ok(Self::Packed {
                algorithm,
                signature,
            }),
            _ => Err(WebAuthnError::Attestation),
        }
    }
}
