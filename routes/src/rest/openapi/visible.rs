//! What the description shows.

use std::collections::{HashMap, HashSet};

use http::StatusCode;
use serde::Deserialize;

use crate::{
    ApiError,
    schema::{Routine, Table},
};

/// What the description shows of a schema.
#[derive(Debug)]
pub enum Visible {
    All,
    /// What the database says that the role may use.
    Usable(Usable),
}

#[derive(Debug, Deserialize)]
pub struct Usable {
    relations: HashSet<String>,
    /// By oid, the types of their parameters as the role's search path names them.
    routines: HashMap<u32, Vec<String>>,
}

impl Visible {
    /// Reads what the database answered.
    pub fn read(json: &[u8]) -> Result<Self, ApiError> {
        serde_json::from_slice(json)
            .map(Self::Usable)
            .map_err(|error| {
                let message = format!("The database did not say what the role may use: {error}");
                ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "PGRSTX00", message)
            })
    }

    pub(super) fn shows(&self, table: &Table) -> bool {
        match self {
            Self::All => true,
            Self::Usable(usable) => usable.relations.contains(&table.name.name),
        }
    }

    /// The types of a routine's parameters; `None` where it is not shown.
    pub(super) fn types<'a>(&'a self, routine: &'a Routine) -> Option<Vec<&'a str>> {
        let known = || routine.parameters.iter().map(|known| &*known.data_type);
        match self {
            Self::All => Some(known().collect()),
            Self::Usable(usable) => {
                let named = usable.routines.get(&routine.oid)?;
                // It was replaced a moment ago.
                if named.len() != routine.parameters.len() {
                    return None;
                }
                Some(named.iter().map(String::as_str).collect())
            }
        }
    }
}
