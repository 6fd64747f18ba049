//! The signatures that we verify, for `jsonwebtoken`.
//!
//! Its own provider carries every algorithm it knows, signing keys and a third curve included: a
//! fifth of what a browser would have to load. This one verifies HS256-512, RS256-512, ES256 and
//! `EdDSA`, and signs with HMAC only.

use hmac::{Hmac, Mac, digest::KeyInit};
use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
};
use rsa::{BigUint, Pkcs1v15Sign, RsaPublicKey};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use signature::{Signer, Verifier};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    // Used to make JWKs of keys, which we never do.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes `jsonwebtoken` use these algorithms. **Invariant:** it is called before the crate first signs
/// or verifies, which would otherwise panic for good; again does no harm.
pub(super) fn install() {
    // The error says that somebody was before us: we ourselves.
    let _ = PROVIDER.install_default();
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the crate's own signature"
)]
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    let public = match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
            PublicKey::Secret(key.try_get_as_bytes()?.to_vec())
        }
        Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => {
            let DecodingKeyKind::RsaModulusExponent { n, e } = key.kind() else {
                return Err(ErrorKind::InvalidKeyFormat.into());
            };
            let (n, e) = (BigUint::from_bytes_be(n), BigUint::from_bytes_be(e));
            let key = RsaPublicKey::new(n, e)
                .map_err(|error| ErrorKind::InvalidRsaKey(error.to_string()))?;
            PublicKey::Rsa(Box::new(key))
        }
        Algorithm::ES256 => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key.try_get_as_bytes()?)
                .map_err(|_error| ErrorKind::InvalidEcdsaKey)?;
            PublicKey::P256(Box::new(key))
        }
        Algorithm::EdDSA => {
            let key = ed25519_dalek::VerifyingKey::try_from(key.try_get_as_bytes()?)
                .map_err(|_error| ErrorKind::InvalidEddsaKey)?;
            PublicKey::Ed25519(Box::new(key))
        }
        _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
    };
    Ok(Box::new(Verifying {
        algorithm: *algorithm,
        key: public,
    }))
}

/// What a signature is verified with. Made for one signature: keys are few and tokens short.
enum PublicKey {
    Secret(Vec<u8>),
    Rsa(Box<RsaPublicKey>),
    P256(Box<p256::ecdsa::VerifyingKey>),
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
}

struct Verifying {
    algorithm: Algorithm,
    key: PublicKey,
}

impl Verifier<Vec<u8>> for Verifying {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let source = |error: rsa::Error| signature::Error::from_source(error);
        match (&self.key, self.algorithm) {
            (PublicKey::Secret(secret), Algorithm::HS256) => {
                authenticate::<Hmac<Sha256>>(secret, message, signature)
            }
            (PublicKey::Secret(secret), Algorithm::HS384) => {
                authenticate::<Hmac<Sha384>>(secret, message, signature)
            }
            (PublicKey::Secret(secret), Algorithm::HS512) => {
                authenticate::<Hmac<Sha512>>(secret, message, signature)
            }
            (PublicKey::Rsa(key), Algorithm::RS256) => key
                .verify(
                    Pkcs1v15Sign::new::<Sha256>(),
                    &Sha256::digest(message),
                    signature,
                )
                .map_err(source),
            (PublicKey::Rsa(key), Algorithm::RS384) => key
                .verify(
                    Pkcs1v15Sign::new::<Sha384>(),
                    &Sha384::digest(message),
                    signature,
                )
                .map_err(source),
            (PublicKey::Rsa(key), Algorithm::RS512) => key
                .verify(
                    Pkcs1v15Sign::new::<Sha512>(),
                    &Sha512::digest(message),
                    signature,
                )
                .map_err(source),
            (PublicKey::P256(key), _) => {
                key.verify(message, &p256::ecdsa::Signature::from_slice(signature)?)
            }
            (PublicKey::Ed25519(key), _) => {
                key.verify(message, &ed25519_dalek::Signature::from_slice(signature)?)
            }
            (PublicKey::Secret(_) | PublicKey::Rsa(_), _) => Err(signature::Error::new()),
        }
    }
}

impl JwtVerifier for Verifying {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

fn keyed<M: Mac + KeyInit>(secret: &[u8], message: &[u8]) -> Result<M, signature::Error> {
    let mut mac = <M as Mac>::new_from_slice(secret).map_err(signature::Error::from_source)?;
    mac.update(message);
    Ok(mac)
}

/// Compares in constant time.
fn authenticate<M: Mac + KeyInit>(
    secret: &[u8],
    message: &[u8],
    code: &[u8],
) -> Result<(), signature::Error> {
    let mac = keyed::<M>(secret, message)?;
    mac.verify_slice(code)
        .map_err(signature::Error::from_source)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the crate's own signature"
)]
fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => Ok(Box::new(Signing {
            algorithm: *algorithm,
            key: key.clone(),
        })),
        _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
    }
}

struct Signing {
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Signer<Vec<u8>> for Signing {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        fn code<M: Mac + KeyInit>(
            secret: &[u8],
            message: &[u8],
        ) -> Result<Vec<u8>, signature::Error> {
            let mac = keyed::<M>(secret, message)?;
            Ok(mac.finalize().into_bytes().to_vec())
        }
        let secret = self.key.as_bytes();
        match self.algorithm {
            Algorithm::HS256 => code::<Hmac<Sha256>>(secret, message),
            Algorithm::HS384 => code::<Hmac<Sha384>>(secret, message),
            Algorithm::HS512 => code::<Hmac<Sha512>>(secret, message),
            _ => Err(signature::Error::new()),
        }
    }
}

impl JwtSigner for Signing {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
