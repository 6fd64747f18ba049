//! The chains whose wallets may sign.

use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use sha3::{Digest as _, Keccak256};
use signature::Verifier as _;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chain {
    Ethereum,
    Solana,
}

impl Chain {
    /// As clients name it.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Ethereum => "ethereum",
            Self::Solana => "solana",
        }
    }

    /// For a person.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ethereum => "Ethereum",
            Self::Solana => "Solana",
        }
    }

    /// What stands before errors of its messages.
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Ethereum => "siwe",
            Self::Solana => "siws",
        }
    }

    /// Whether an address has its form.
    pub(super) fn is_address(self, text: &str) -> bool {
        match self {
            Self::Ethereum => text.strip_prefix("0x").is_some_and(|digits| {
                digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
            }),
            Self::Solana => {
                (32..=44).contains(&text.len())
                    && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
            }
        }
    }

    /// Whether the wallet at `address` signed this text.
    pub(super) fn verify(self, address: &str, text: &str, signature: &[u8]) -> bool {
        match self {
            Self::Ethereum => {
                recover(text, signature).is_some_and(|signer| signer.eq_ignore_ascii_case(address))
            }
            Self::Solana => {
                let key = bs58::decode(address).into_vec().ok();
                let key =
                    key.and_then(|key| ed25519_dalek::VerifyingKey::try_from(key.as_slice()).ok());
                let signature = ed25519_dalek::Signature::from_slice(signature).ok();
                key.zip(signature)
                    .is_some_and(|(key, signature)| key.verify(text.as_bytes(), &signature).is_ok())
            }
        }
    }
}

/// The address whose key signed a text (EIP-191, `personal_sign`).
fn recover(text: &str, signature: &[u8]) -> Option<String> {
    let (signature, id) = signature.split_at_checked(64)?;
    let id = match id {
        [id] if *id >= 27 => id - 27,
        [id] => *id,
        _ => return None,
    };
    let prefix = format!("\x19Ethereum Signed Message:\n{}", text.len());
    let hash = Keccak256::new()
        .chain_update(prefix)
        .chain_update(text)
        .finalize();
    let signature = Signature::from_slice(signature).ok()?;
    let id = RecoveryId::from_byte(id)?;
    let key = VerifyingKey::recover_from_prehash(&hash, &signature, id).ok()?;
    let point = key.to_encoded_point(false);
    let hash = Keccak256::digest(point.as_bytes().get(1..)?);
    Some(format!(
        "0x{}",
        data_encoding::HEXLOWER.encode(hash.get(12..)?)
    ))
}

#[cfg(test)]
mod tests {
    use k256::ecdsa::SigningKey;

    use super::*;

    /// The first account of Hardhat's and Anvil's public test mnemonic.
    const KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    const ADDRESS: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

    fn sign(text: &str) -> Vec<u8> {
        let key = data_encoding::HEXLOWER.decode(KEY.as_bytes()).unwrap();
        let key = SigningKey::from_slice(&key).unwrap();
        let prefix = format!("\x19Ethereum Signed Message:\n{}", text.len());
        let hash = Keccak256::digest(format!("{prefix}{text}"));
        let (signature, id) = key.sign_prehash_recoverable(&hash).unwrap();
        let mut bytes = signature.to_bytes().to_vec();
        bytes.push(id.to_byte() + 27);
        bytes
    }

    #[test]
    fn a_wallet_of_ethereum_signs() {
        let signature = sign("hello");
        assert!(Chain::Ethereum.verify(ADDRESS, "hello", &signature));
        assert!(Chain::Ethereum.verify(&ADDRESS.to_lowercase(), "hello", &signature));
        assert!(!Chain::Ethereum.verify(ADDRESS, "hallo", &signature));
        assert!(!Chain::Ethereum.verify(ADDRESS, "hello", &signature[..64]));
        assert!(!Chain::Ethereum.verify(ADDRESS, "hello", &[0; 65]));
        assert!(!Chain::Ethereum.verify(ADDRESS, "hello", &[255; 65]));
    }

    #[test]
    fn a_wallet_of_solana_signs() {
        use ed25519_dalek::Signer as _;
        let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let address = bs58::encode(key.verifying_key().as_bytes()).into_string();
        let signature = key.sign(b"hello").to_bytes();
        assert!(Chain::Solana.is_address(&address));
        assert!(Chain::Solana.verify(&address, "hello", &signature));
        assert!(!Chain::Solana.verify(&address, "hallo", &signature));
        assert!(!Chain::Solana.verify("1", "hello", &signature));
        assert!(!Chain::Solana.verify(&address, "hello", &signature[1..]));
    }
}
