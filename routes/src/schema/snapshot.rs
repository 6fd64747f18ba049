//! A schema and the state of the database that it is of: whether it still is, and how it is kept.

use std::rc::Rc;

use bytes::{BufMut as _, Bytes, BytesMut};
use sha2::{Digest as _, Sha256};

use super::{
    SchemaCache, SchemaError,
    introspect::{FACTS, parameters},
    parse,
};
use crate::config::Config;

/// Tells apart all that makes other facts: the question, its parameters, the database's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark([u8; Self::LENGTH]);

impl Mark {
    const LENGTH: usize = 32;

    /// The mark of the facts that a database in this state, as [`super::STATE`] words it, tells under a
    /// configuration.
    pub fn of(state: &[u8], config: &Config) -> Self {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            // Where one part ends and the next begins counts too.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        add(FACTS.as_bytes());
        for parameter in parameters(config) {
            add(parameter.value.as_deref().unwrap_or(b"\0"));
        }
        add(state);
        Self(hash.finalize().into())
    }
}

/// A schema, as it was when the database was in the state of the mark.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub schema: Rc<SchemaCache>,
    mark: Mark,
}

impl Snapshot {
    /// The snapshot of facts that have this mark.
    pub fn read(mark: Mark, facts: &[u8]) -> Result<Self, SchemaError> {
        Ok(Self {
            schema: Rc::new(parse(facts)?),
            mark,
        })
    }
}

/// What is known of a project's schema before its database is asked.
#[derive(Debug, Clone, Default)]
pub enum Known {
    #[default]
    Nothing,
    /// From earlier in this life of the gateway.
    Read(Snapshot),
    /// From an earlier life.
    Kept { mark: Mark, facts: Bytes },
}

impl Known {
    /// What [`kept`] made; nothing where it is something else.
    pub fn from_kept(mut bytes: Bytes) -> Self {
        let Some(mark) = bytes.first_chunk().copied().map(Mark) else {
            return Self::Nothing;
        };
        Self::Kept {
            mark,
            facts: bytes.split_off(Mark::LENGTH),
        }
    }

    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// The schema, where what is known has this mark.
    pub fn marked(self, wanted: Mark) -> Option<Snapshot> {
        match self {
            Self::Read(snapshot) if snapshot.mark == wanted => Some(snapshot),
            // What cannot be read any more was damaged, and is asked for again.
            Self::Kept { mark, facts } if mark == wanted => Snapshot::read(mark, &facts).ok(),
            Self::Nothing | Self::Read(_) | Self::Kept { .. } => None,
        }
    }
}

/// Facts and their mark, for a later life of the gateway.
pub fn kept(mark: Mark, facts: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(Mark::LENGTH + facts.len());
    bytes.put_slice(&mark.0);
    bytes.put_slice(facts);
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::NOTHING;

    #[test]
    fn a_mark_is_of_state_and_parameters() {
        let config = Config::default();
        let mark = Mark::of(b"one", &config);
        assert_eq!(mark, Mark::of(b"one", &config));
        assert_ne!(mark, Mark::of(b"other", &config));
        let other = |name: &str, value: &str| {
            let mut config = config.clone();
            config.set(name, value).unwrap();
            Mark::of(b"one", &config)
        };
        assert_ne!(mark, other("db-schemas", "api"));
        assert_ne!(mark, other("db-extra-search-path", "api"));
        assert_ne!(mark, other("db-authenticator", ""));
        assert_eq!(mark, other("db-max-rows", "7"));
    }

    #[test]
    fn only_what_has_the_mark_is_taken() {
        let config = Config::default();
        let (now, before) = (Mark::of(b"now", &config), Mark::of(b"before", &config));
        let known = |mark, facts: &str| Known::from_kept(kept(mark, facts.as_bytes()));
        assert!(known(now, NOTHING).marked(now).is_some());
        assert!(known(before, NOTHING).marked(now).is_none());
        assert!(known(now, "damaged").marked(now).is_none());
        assert!(Known::from_kept(Bytes::from_static(b"short")).is_nothing());
        let read = Snapshot::read(before, NOTHING.as_bytes()).unwrap();
        assert!(Known::Read(read.clone()).marked(before).is_some());
        assert!(Known::Read(read).marked(now).is_none());
        assert!(Known::default().marked(now).is_none());
    }
}
