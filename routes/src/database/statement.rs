//! SQL and its values.

use crate::wire::Parameter;

/// SQL and the values that its `$n` stand for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statement {
    pub sql: String,
    pub parameters: Vec<Parameter>,
}

impl Statement {
    /// A statement of our own text.
    pub fn new(sql: impl Into<String>, parameters: impl Into<Vec<Parameter>>) -> Self {
        Self {
            sql: sql.into(),
            parameters: parameters.into(),
        }
    }
}
