//! Public keys of credentials: `COSE_Key` (RFC 9052, section 7; RFC 9053 for the parameters).

use minicbor::{Decoder, data::Type};
use rsa::{BigUint, Pkcs1v15Sign, RsaPublicKey};
use sha2::{Digest as _, Sha256};
use signature::Verifier as _;

use super::WebAuthnError;

/// The algorithms that are offered, in order of preference, by their COSE numbers.
pub(super) const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];
const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;

/// The largest RSA key that is verified, in bytes: work grows with its cube.
const LARGEST_MODULUS: usize = 512;

#[derive(Debug)]
pub(super) enum PublicKey {
    P256(Box<p256::ecdsa::VerifyingKey>),
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
    Rsa(Box<RsaPublicKey>),
}

/// The parameters of a key, by their labels. Two mean different things for different types of key.
#[derive(Default)]
struct Parameters<'a> {
    kind: Option<i64>,
    algorithm: Option<i64>,
    /// -1: a curve, or an RSA modulus.
    curve: Option<i64>,
    modulus: Option<&'a [u8]>,
    /// -2: x, or an RSA exponent.
    second: Option<&'a [u8]>,
    /// -3: y.
    third: Option<&'a [u8]>,
}

impl PublicKey {
    /// Reads a key at the start of `bytes`; also says how long it is.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), WebAuthnError> {
        let mut decoder = Decoder::new(bytes);
        let parameters = Parameters::read(&mut decoder).map_err(|_error| WebAuthnError::Key)?;
        Ok((parameters.key()?, decoder.position()))
    }

    /// The number of its algorithm.
    pub(super) fn algorithm(&self) -> i64 {
        match self {
            Self::P256(_) => ES256,
            Self::Ed25519(_) => EDDSA,
            Self::Rsa(_) => RS256,
        }
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), WebAuthnError> {
        let verified = match self {
            // WebAuthn, section 6.5.5: an ECDSA signature is DER.
            Self::P256(key) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Self::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Self::Rsa(key) => key
                .verify(
                    Pkcs1v15Sign::new::<Sha256>(),
                    &Sha256::digest(message),
                    signature,
                )
                .is_ok(),
        };
        verified.then_some(()).ok_or(WebAuthnError::Signature)
    }
}

impl<'a> Parameters<'a> {
    fn read(decoder: &mut Decoder<'a>) -> Result<Self, minicbor::decode::Error> {
        let entries = decoder
            .map()?
            .ok_or_else(|| minicbor::decode::Error::message("a map without a length"))?;
        let mut parameters = Self::default();
        for _ in 0..entries {
            match decoder.i64()? {
                1 => parameters.kind = Some(decoder.i64()?),
                3 => parameters.algorithm = Some(decoder.i64()?),
                -1 if decoder.datatype()? == Type::Bytes => {
                    parameters.modulus = Some(decoder.bytes()?);
                }
                -1 => parameters.curve = Some(decoder.i64()?),
                -2 => parameters.second = Some(decoder.bytes()?),
                -3 => parameters.third = Some(decoder.bytes()?),
                _ => decoder.skip()?,
            }
        }
        Ok(parameters)
    }

    fn key(&self) -> Result<PublicKey, WebAuthnError> {
        let wrong = WebAuthnError::Key;
        match (self.kind, self.algorithm, self.curve) {
            (Some(2), Some(ES256), Some(1)) => {
                let (x, y) = (self.second.ok_or(wrong)?, self.third.ok_or(wrong)?);
                if x.len() != 32 || y.len() != 32 {
                    return Err(wrong);
                }
                let point = [&[4], x, y].concat();
                let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point);
                key.map(|key| PublicKey::P256(Box::new(key)))
                    .map_err(|_error| wrong)
            }
            (Some(1), Some(EDDSA), Some(6)) => {
                let key = ed25519_dalek::VerifyingKey::try_from(self.second.ok_or(wrong)?);
                key.map(|key| PublicKey::Ed25519(Box::new(key)))
                    .map_err(|_error| wrong)
            }
            (Some(3), Some(RS256), None) => {
                let (n, e) = (self.modulus.ok_or(wrong)?, self.second.ok_or(wrong)?);
                if n.len() > LARGEST_MODULUS {
                    return Err(wrong);
                }
                let key = RsaPublicKey::new(BigUint::from_bytes_be(n), BigUint::from_bytes_be(e));
                key.map(|key| PublicKey::Rsa(Box::new(key)))
                    .map_err(|_error| wrong)
            }
            (_, Some(algorithm), _) if !ALGORITHMS.contains(&algorithm) => {
                Err(WebAuthnError::Algorithm)
            }
            _ => Err(wrong),
        }
    }
}
