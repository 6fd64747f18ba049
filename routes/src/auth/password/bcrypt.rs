//! bcrypt over Blowfish, a slice at a time. Source: Provos and Mazières, "A Future-Adaptable Password
//! Scheme" (USENIX 1999); the text form is that of OpenBSD, which pgcrypto's `crypt` writes too.

use base64::{
    Engine as _, alphabet,
    engine::{GeneralPurpose, general_purpose::NO_PAD},
};
use blowfish::Blowfish;
use subtle::ConstantTimeEq as _;

use crate::World;

const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);
/// Rounds between two pauses: some milliseconds in WebAssembly.
const SLICE: u32 = 64;
pub(super) const LEAST_COST: u32 = 4;
const GREATEST_COST: u32 = 31;

/// `$2a$10$`, 22 characters of salt, 31 of hash.
struct Parts {
    cost: u32,
    salt: [u8; 16],
    hash: Vec<u8>,
}

fn parse(text: &str) -> Option<Parts> {
    let rest = ["$2a$", "$2b$", "$2x$", "$2y$"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))?;
    let (cost, rest) = rest.split_once('$')?;
    if cost.len() != 2 || rest.len() != 53 || !rest.is_ascii() {
        return None;
    }
    let cost = cost.parse().ok()?;
    if !(LEAST_COST..=GREATEST_COST).contains(&cost) {
        return None;
    }
    // The last character of each part has bits to spare that some writers set.
    let lenient = GeneralPurpose::new(
        &alphabet::BCRYPT,
        NO_PAD.with_decode_allow_trailing_bits(true),
    );
    let salt = lenient.decode(&rest[..22]).ok()?.try_into().ok()?;
    let hash = lenient.decode(&rest[22..]).ok()?;
    Some(Parts { cost, salt, hash })
}

pub(super) fn is_hash(text: &str) -> bool {
    parse(text).is_some()
}

pub(super) fn cost(text: &str) -> Option<u32> {
    parse(text).map(|parts| parts.cost)
}

pub(super) async fn hash(world: &impl World, password: &str, cost: u32, salt: [u8; 16]) -> String {
    let hash = raw(world, password, cost, &salt).await;
    format!(
        "$2a${cost:02}${}{}",
        BASE64.encode(salt),
        BASE64.encode(&hash[..23])
    )
}

/// In constant time after the work that every password takes.
pub(super) async fn verify(world: &impl World, hash: &str, password: &str) -> bool {
    let Some(parts) = parse(hash) else {
        return false;
    };
    let computed = raw(world, password, parts.cost, &parts.salt).await;
    computed[..23].ct_eq(&parts.hash).into()
}

async fn raw(world: &impl World, password: &str, cost: u32, salt: &[u8; 16]) -> [u8; 24] {
    // The password's end counts too, and what is behind 72 bytes does not.
    let mut key = Vec::with_capacity(password.len() + 1);
    key.extend_from_slice(password.as_bytes());
    key.push(0);
    key.truncate(72);
    let mut state = Blowfish::bc_init_state();
    state.salted_expand_key(salt, &key);
    for round in 0..1_u32 << cost {
        if round % SLICE == SLICE - 1 {
            world.pause().await;
        }
        state.bc_expand_key(&key);
        state.bc_expand_key(salt);
    }
    let mut words = *b"OrpheanBeholderScryDoubt";
    for pair in words.chunks_exact_mut(8) {
        let word = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |word, &byte| word << 8 | u32::from(byte))
        };
        let mut block = [word(&pair[..4]), word(&pair[4..])];
        for _ in 0..64 {
            block = state.bc_encrypt(block);
        }
        pair[..4].copy_from_slice(&block[0].to_be_bytes());
        pair[4..].copy_from_slice(&block[1].to_be_bytes());
    }
    words
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::database::told::Told;

    /// From OpenBSD's and jBCrypt's own tests.
    #[test]
    fn known_hashes() {
        let world = Told::default();
        for (password, hash) in [
            (
                "",
                "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.",
            ),
            (
                "abc",
                "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
            ),
            (
                "abcdefghijklmnopqrstuvwxyz",
                "$2a$06$.rCVZVOThsIa97pEDOxvGuRRgzG64bvtJ0938xuqzv18d3ZpQhstC",
            ),
            (
                "~!@#$%^&*()      ~!@#$%^&*()PNBFRD",
                "$2a$06$fPIsBO8qRqkjj273rfaOI.HtSV9jLDpTbZn782DC6/t7qT67P6FfO",
            ),
        ] {
            assert!(block_on(verify(&world, hash, password)), "{password}");
            assert!(!block_on(verify(&world, hash, "other")), "{password}");
        }
    }

    #[test]
    fn a_hash_is_verified_by_itself() {
        let world = Told::default();
        let long = "x".repeat(100);
        let made = block_on(hash(&world, &long, 4, [7; 16]));
        assert_eq!(made.len(), 60);
        assert!(block_on(verify(&world, &made, &"x".repeat(72))));
        assert!(!block_on(verify(&world, &made, &"x".repeat(71))));
    }
}
