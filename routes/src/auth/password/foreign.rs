//! Hashes that users bring from elsewhere: verified, never made.

use aes::{
    Aes256,
    cipher::{BlockEncrypt as _, KeyInit as _},
};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use hmac::{Hmac, Mac};
use serde::Deserialize;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq as _;

use crate::World;

/// With or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Kibibytes of memory that one hash may ask for.
const MOST_MEMORY: u32 = 256 * 1024;
/// Rounds of PBKDF2 between two pauses.
const SLICE: u32 = 2000;
const MOST_ROUNDS: u32 = 10_000_000;

enum Hash {
    Argon2 {
        argon2: Box<Argon2<'static>>,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    Firebase(Firebase),
    Pbkdf2(Pbkdf2),
}

/// `$fbscrypt$v=1,n=14,r=8,p=1,ss=<salt separator>,sk=<signer key>$<salt>$<hash>`: scrypt's output
/// encrypts the signer key. Source: github.com/firebase/scrypt.
struct Firebase {
    cost: u8,
    block: u32,
    parallel: u32,
    separator: Vec<u8>,
    signer: Vec<u8>,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

/// A JSON record of Supabase Lite.
struct Pbkdf2 {
    is_sha512: bool,
    rounds: u32,
    /// The salt's bytes, and its text: one of them was salted with.
    salts: Vec<Vec<u8>>,
    hash: Vec<u8>,
}

#[derive(Deserialize)]
struct Record {
    hash: String,
    salt: String,
    iterations: u32,
    #[serde(default)]
    algorithm: String,
    #[serde(default)]
    digest: String,
}

fn parse(text: &str) -> Option<Hash> {
    if text.starts_with("$argon2") {
        parse_argon2(text)
    } else if let Some(rest) = text.strip_prefix("$fbscrypt$") {
        parse_firebase(rest).map(Hash::Firebase)
    } else if text.starts_with('{') {
        parse_pbkdf2(text).map(Hash::Pbkdf2)
    } else {
        None
    }
}

/// `$argon2id$v=19$m=65536,t=3,p=4$salt$hash`
fn parse_argon2(text: &str) -> Option<Hash> {
    let parts: Vec<&str> = text.split('$').collect();
    let &["", name, version, parameters, salt, hash] = &parts[..] else {
        return None;
    };
    let algorithm = match name {
        "argon2i" => Algorithm::Argon2i,
        "argon2id" => Algorithm::Argon2id,
        _ => return None,
    };
    if version != "v=19" {
        return None;
    }
    let value = |name| value_of(parameters, name)?.parse::<u32>().ok();
    let memory = value("m").filter(|memory| *memory <= MOST_MEMORY)?;
    let hash = BASE64.decode(hash).ok()?;
    let parameters = Params::new(memory, value("t")?, value("p")?, Some(hash.len())).ok()?;
    Some(Hash::Argon2 {
        argon2: Box::new(Argon2::new(algorithm, Version::V0x13, parameters)),
        salt: BASE64.decode(salt).ok()?,
        hash,
    })
}

/// The value of a name in `a=1,b=2`.
fn value_of<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = parameters
        .split(',')
        .filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn parse_firebase(rest: &str) -> Option<Firebase> {
    let parts: Vec<&str> = rest.split('$').collect();
    let &[parameters, salt, hash] = &parts[..] else {
        return None;
    };
    if value_of(parameters, "v")? != "1" {
        return None;
    }
    let bytes = |name| BASE64.decode(value_of(parameters, name)?).ok();
    let cost: u8 = value_of(parameters, "n")?.parse().ok()?;
    let block: u32 = value_of(parameters, "r")?.parse().ok()?;
    let memory = 1_u64.checked_shl(cost.into())?.checked_mul(block.into())? / 8;
    if memory > u64::from(MOST_MEMORY) {
        return None;
    }
    Some(Firebase {
        cost,
        block,
        parallel: value_of(parameters, "p")?.parse().ok()?,
        separator: bytes("ss")?,
        signer: bytes("sk")?,
        salt: BASE64.decode(salt).ok()?,
        hash: BASE64.decode(hash).ok()?,
    })
}

fn parse_pbkdf2(text: &str) -> Option<Pbkdf2> {
    let record: Record = serde_json::from_str(text).ok()?;
    let named = format!("{}{}", record.algorithm, record.digest).to_ascii_lowercase();
    let hash = decode(&record.hash)?;
    let salts = decode(&record.salt).into_iter();
    let is_possible = (1..=MOST_ROUNDS).contains(&record.iterations) && hash.len() >= 16;
    is_possible.then(|| Pbkdf2 {
        is_sha512: named.contains("512"),
        rounds: record.iterations,
        salts: salts.chain([record.salt.into_bytes()]).collect(),
        hash,
    })
}

/// Hexadecimal, else base64 of either alphabet.
fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let digits = text.as_bytes().chunks_exact(2);
        return digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
    }
    BASE64.decode(text.replace('-', "+").replace('_', "/")).ok()
}

pub(super) fn is_hash(text: &str) -> bool {
    parse(text).is_some()
}

pub(super) async fn verify(world: &impl World, hash: &str, password: &str) -> bool {
    match parse(hash) {
        None => false,
        Some(Hash::Argon2 { argon2, salt, hash }) => {
            // One computation that cannot be cut: what was ready before it goes first.
            world.pause().await;
            let mut computed = vec![0; hash.len()];
            let made = argon2.hash_password_into(password.as_bytes(), &salt, &mut computed);
            made.is_ok() && computed.ct_eq(&hash).into()
        }
        Some(Hash::Firebase(firebase)) => {
            world.pause().await;
            firebase.verify(password).unwrap_or(false)
        }
        Some(Hash::Pbkdf2(record)) => {
            for salt in &record.salts {
                let length = record.hash.len();
                let computed = if record.is_sha512 {
                    pbkdf2::<Sha512Mac>(world, password, salt, record.rounds, length).await
                } else {
                    pbkdf2::<Sha256Mac>(world, password, salt, record.rounds, length).await
                };
                if bool::from(computed.ct_eq(&record.hash)) {
                    return true;
                }
            }
            false
        }
    }
}

impl Firebase {
    fn verify(&self, password: &str) -> Option<bool> {
        let parameters = scrypt::Params::new(self.cost, self.block, self.parallel, 32).ok()?;
        let salt = [&self.salt[..], &self.separator].concat();
        let mut key = [0; 32];
        scrypt::scrypt(password.as_bytes(), &salt, &parameters, &mut key).ok()?;
        // AES-256 in counter mode, from zero.
        let cipher = Aes256::new(&key.into());
        let mut encrypted = Vec::with_capacity(self.signer.len());
        for (counter, chunk) in (0_u128..).zip(self.signer.chunks(16)) {
            let mut block = counter.to_be_bytes().into();
            cipher.encrypt_block(&mut block);
            encrypted.extend(chunk.iter().zip(block).map(|(byte, pad)| byte ^ pad));
        }
        Some(encrypted.ct_eq(&self.hash).into())
    }
}

/// A keyed hash that PBKDF2 is made of.
trait Prf: Clone {
    fn keyed(key: &[u8]) -> Option<Self>;
    fn of(&self, message: &[u8]) -> Vec<u8>;
}

#[derive(Clone)]
struct Sha256Mac(Hmac<Sha256>);
#[derive(Clone)]
struct Sha512Mac(Hmac<Sha512>);

impl Prf for Sha256Mac {
    fn keyed(key: &[u8]) -> Option<Self> {
        Mac::new_from_slice(key).ok().map(Self)
    }

    fn of(&self, message: &[u8]) -> Vec<u8> {
        self.0
            .clone()
            .chain_update(message)
            .finalize()
            .into_bytes()
            .to_vec()
    }
}

impl Prf for Sha512Mac {
    fn keyed(key: &[u8]) -> Option<Self> {
        Mac::new_from_slice(key).ok().map(Self)
    }

    fn of(&self, message: &[u8]) -> Vec<u8> {
        self.0
            .clone()
            .chain_update(message)
            .finalize()
            .into_bytes()
            .to_vec()
    }
}

/// RFC 8018, section 5.2, with pauses. Empty where the key cannot be one, which fits no hash.
async fn pbkdf2<P: Prf>(
    world: &impl World,
    password: &str,
    salt: &[u8],
    rounds: u32,
    length: usize,
) -> Vec<u8> {
    let Some(prf) = P::keyed(password.as_bytes()) else {
        return Vec::new();
    };
    let mut derived = Vec::with_capacity(length);
    for block in 1_u32.. {
        let mut last = prf.of(&[salt, &block.to_be_bytes()].concat());
        let mut sum = last.clone();
        for round in 1..rounds {
            if round % SLICE == 0 {
                world.pause().await;
            }
            last = prf.of(&last);
            for (sum, byte) in sum.iter_mut().zip(&last) {
                *sum ^= byte;
            }
        }
        derived.extend(sum);
        if derived.len() >= length {
            break;
        }
    }
    derived.truncate(length);
    derived
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::database::told::Told;

    fn check(hash: &str, password: &str) {
        let world = Told::default();
        assert!(block_on(verify(&world, hash, password)), "{hash}");
        assert!(!block_on(verify(&world, hash, "another")), "{hash}");
    }

    /// Made by the reference implementation, as in GoTrue's own tests.
    #[test]
    fn argon2() {
        check(
            "$argon2i$v=19$m=16,t=2,p=1$bGJRWThNOHJJTVBSdHl2dQ$NfEnUOuUpb7F2fQkgFUG4g",
            "test",
        );
        check(
            "$argon2id$v=19$m=32,t=3,p=2$SFVpOWJ0eXhjRzVkdGN1RQ$RXnb8rh7LaDcn07xsssqqulZYXOM/EUCEFMVcAcyYVk",
            "test",
        );
    }

    /// The example of Firebase's documentation.
    #[test]
    fn firebase_scrypt() {
        check(
            "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
            "user1password",
        );
    }

    /// RFC 7914, section 11, as a record.
    #[test]
    fn pbkdf2_records() {
        check(
            r#"{"algorithm":"PBKDF2","iterations":1,"salt":"salt","hash":"55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783"}"#,
            "passwd",
        );
        check(
            r#"{"iterations":80000,"salt":"4e61436c","hash":"4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d"}"#,
            "Password",
        );
    }

    #[test]
    fn what_would_exhaust_us_is_no_hash() {
        for hash in [
            "$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
            "$argon2d$v=19$m=16,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
            r#"{"iterations":4000000000,"salt":"00","hash":"00"}"#,
            r#"{"iterations":1,"salt":"00","hash":""}"#,
        ] {
            assert!(!is_hash(hash), "{hash}");
        }
    }
}
