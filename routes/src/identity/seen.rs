//! Tokens whose signature was verified lately.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    fmt,
};

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// How many are remembered. A page has a few; a test of many users goes round in them.
const MOST: usize = 128;

/// Claims of longer tokens are not kept.
const LONGEST: usize = 4 * 1024;

type Hash = [u8; 32];

/// The claims of verified tokens by the tokens' hashes, the oldest forgotten first. No token is kept.
///
/// **Invariant:** it belongs to one set of keys, and holds what those verified. What time does to
/// claims is not its business.
#[derive(Clone, Default)]
pub(super) struct Seen(RefCell<Tokens>);

#[derive(Clone, Default)]
struct Tokens {
    claims: HashMap<Hash, Map<String, Value>>,
    /// In the order in which they came.
    order: VecDeque<Hash>,
}

impl Seen {
    /// The claims of `token`: remembered, or those that `verify` finds.
    pub(super) fn claims<E>(
        &self,
        token: &[u8],
        verify: impl FnOnce() -> Result<Map<String, Value>, E>,
    ) -> Result<Map<String, Value>, E> {
        if token.len() > LONGEST {
            return verify();
        }
        let hash = Hash::from(Sha256::digest(token));
        if let Some(claims) = self.0.borrow().claims.get(&hash) {
            return Ok(claims.clone());
        }
        let claims = verify()?;
        let mut tokens = self.0.borrow_mut();
        if tokens.order.len() >= MOST
            && let Some(oldest) = tokens.order.pop_front()
        {
            tokens.claims.remove(&oldest);
        }
        tokens.order.push_back(hash);
        tokens.claims.insert(hash, claims.clone());
        Ok(claims)
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Seen({})", self.0.borrow().order.len())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn the_oldest_is_verified_again() {
        let (seen, verified) = (Seen::default(), Cell::new(0));
        let ask = |token: &str| {
            let claims = seen.claims(token.as_bytes(), || {
                verified.set(verified.get() + 1);
                Ok::<_, ()>(Map::from_iter([("sub".to_owned(), Value::from(token))]))
            });
            assert_eq!(claims.unwrap()["sub"], token);
            verified.get()
        };
        assert_eq!((ask("first"), ask("first"), ask("first")), (1, 1, 1));
        for number in 1..MOST {
            assert_eq!(ask(&number.to_string()), number + 1);
        }
        assert_eq!((ask("first"), ask("1")), (MOST, MOST));
        assert_eq!(
            (ask("one more"), ask("1"), ask("first")),
            (MOST + 1, MOST + 1, MOST + 2)
        );
        assert_eq!(seen.0.borrow().claims.len(), MOST);
    }

    #[test]
    fn what_is_refused_or_long_is_not_kept() {
        let seen = Seen::default();
        let refused = seen.claims(b"bad", || Err::<Map<_, _>, _>("wrong"));
        assert_eq!(refused, Err("wrong"));
        let long = [b'x'; LONGEST + 1];
        _ = seen.claims(&long, || Ok::<_, ()>(Map::new()));
        assert!(seen.0.borrow().claims.is_empty());
    }
}
