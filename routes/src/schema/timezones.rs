//! The names of time zones, which take the database long to list.

use std::{cell::OnceCell, collections::HashSet};

/// Names that `Prefer: timezone=` may use.
///
/// Postgres reads one file for each, 100 ms and more in PGlite's file system, so they are fetched
/// when a request first names one (`load_timezones`) and not with the rest of the schema.
#[derive(Debug, Default)]
pub struct Timezones {
    names: OnceCell<HashSet<String>>,
}

impl Timezones {
    /// Whether Postgres knows the zone. Nothing is known before [`Timezones::fill`].
    pub fn contains(&self, name: &str) -> bool {
        self.names.get().is_some_and(|names| names.contains(name))
    }

    pub fn is_loaded(&self) -> bool {
        self.names.get().is_some()
    }

    /// Takes the names; the first ones stay where this is called again.
    pub fn fill(&self, names: HashSet<String>) {
        self.names.get_or_init(|| names);
    }
}
