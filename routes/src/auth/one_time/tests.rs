use std::cell::Cell;

use super::*;
use crate::world::{Answer, Exchange, Timestamp, Unavailable};

/// Random bytes that are all the same: first these, then one less, and so on.
struct Dice(Cell<u8>);

impl World for Dice {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn random(&self, buffer: &mut [u8]) {
        buffer.fill(self.0.get());
        self.0.set(self.0.get().wrapping_sub(1));
    }

    async fn exchange(&self, _: &str, _: Exchange) -> Result<Answer, Unavailable> {
        Err(Unavailable::NoOwner)
    }
}

#[test]
fn codes_have_their_length() {
    for digits in 6..=10 {
        for seed in [0, 1, 0x7f, 0xfe, 0xff] {
            let code = code(&Dice(Cell::new(seed)), digits);
            assert_eq!(code.len(), digits as usize, "{code}");
            assert!(code.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
        }
    }
    assert_eq!(code(&Dice(Cell::new(0)), 6), "000000");
    // 0xffff_ffff_ffff_ffff is past the last whole million and is thrown again.
    let again = code(&Dice(Cell::new(0xff)), 6);
    assert_eq!(again, code(&Dice(Cell::new(0xfe)), 6));
}

#[test]
fn hashes_are_sha224_of_address_and_code() {
    for (address, code, expected) in [
        (
            "",
            "",
            "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f",
        ),
        (
            "a",
            "bc",
            "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
        ),
    ] {
        assert_eq!(hash(address, code), expected);
    }
}

#[test]
fn tokens_match_in_either_flow() {
    let hash = hash("a@b.test", "123456");
    for (kept, given, expected) in [
        (hash.clone(), hash.as_str(), true),
        (Flow::Pkce.mark(&hash), hash.as_str(), true),
        (Flow::Pkce.mark(&hash), &Flow::Pkce.mark(&hash), true),
        (String::new(), "", false),
        (Flow::Pkce.mark(""), "", false),
        (hash.clone(), &Flow::Pkce.mark(&hash), false),
        (hash.clone(), "", false),
    ] {
        assert_eq!(matches(&kept, given), expected, "{kept} {given}");
    }
}

#[test]
fn tokens_and_intervals_end() {
    let at = |milliseconds| Time::from(Timestamp(milliseconds));
    let sent = at(10_000);
    for (now, expired, left) in [
        (10_000, false, Some(60)),
        (10_001, false, Some(59)),
        (69_999, false, Some(0)),
        (70_000, false, None),
        (3_610_000, false, None),
        (3_610_001, true, None),
    ] {
        assert_eq!(is_expired(sent, 3600, at(now)), expired, "{now}");
        assert_eq!(wait(Some(sent), 60, at(now)), left, "{now}");
    }
    assert_eq!(wait(None, 60, at(0)), None);
    assert_eq!(wait(Some(sent), 0, sent), None);
}
