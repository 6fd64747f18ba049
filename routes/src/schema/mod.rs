//! What the database looks like: tables, views, keys, relationships, functions.
//!
//! [`load`] asks the database one question (`introspect`), whose answer is a JSON object of facts
//! (`facts`); `parse` makes of it what the planner reads, where `views` follows the columns of
//! views to the tables they come from and `relationships` derives the ways between tables. A
//! `snapshot` remembers which state of the database that was, and need not be read again in it.

mod error;
mod facts;
mod introspect;
mod parse;
mod relationships;
mod snapshot;
#[cfg(test)]
mod tests;
mod timezones;
mod views;

use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

pub use error::SchemaError;
#[cfg(test)]
pub(crate) use facts::NOTHING;
pub use introspect::{STATE, answered, load, load_timezones, question, state};
pub use parse::parse;
pub use snapshot::{Known, Mark, Snapshot, kept};
pub use timezones::Timezones;

/// A schema-qualified name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QualifiedName {
    /// Empty where the name is looked up on the search path.
    pub schema: String,
    pub name: String,
}

impl QualifiedName {
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            schema: schema.into(),
            name: name.into(),
        }
    }
}

/// Everything the planner knows of one database.
#[derive(Debug, Default)]
pub struct SchemaCache {
    pub tables: HashMap<QualifiedName, Table>,
    /// By the table the relationship starts from and the schema of the target: every relationship stands twice, once
    /// from each side.
    pub relationships: HashMap<(QualifiedName, String), Vec<Rc<Relationship>>>,
    /// Overloads share a key, those with fewer parameters first.
    pub routines: HashMap<QualifiedName, Vec<Rc<Routine>>>,
    /// Casts between a domain and json or text that change how a column is read or written: from
    /// one type to another, as `format_type` prints them.
    pub representations: HashMap<(String, String), Representation>,
    /// Custom media types, by (relation or `None` for any, media type in lower case). A function's
    /// own result is found under the function's name.
    pub media_handlers: HashMap<(Option<QualifiedName>, String), MediaHandler>,
    /// Names that `Prefer: timezone=` may use.
    pub timezones: Timezones,
    /// Settings of roles (`ALTER ROLE … SET`), by role, for the members of the authenticator.
    pub role_settings: HashMap<String, Vec<(String, String)>>,
    /// Comments on schemas, by name.
    pub schema_descriptions: HashMap<String, String>,
}

/// A table, view, materialised view, foreign table or partitioned table in an exposed schema. A
/// partition is none: it is read through its parent.
#[derive(Debug, Clone)]
pub struct Table {
    pub name: QualifiedName,
    pub description: Option<String>,
    pub is_view: bool,
    pub insertable: bool,
    pub updatable: bool,
    pub deletable: bool,
    /// Columns of the primary key, in the order of their names; of a view, those under which it
    /// shows its base table's, all of them or none.
    pub primary_key: Vec<String>,
    /// In the order of the table.
    pub columns: Vec<Column>,
}

impl Table {
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    pub description: Option<String>,
    pub nullable: bool,
    /// The type without its length, of a domain over one of Postgres' own types that one:
    /// `character varying`, `integer[]`, `public.colour`.
    pub data_type: String,
    /// The type as declared: `character varying(20)`, `public.email`.
    pub nominal_type: String,
    pub max_length: Option<u32>,
    /// The default's expression, as SQL.
    pub default: Option<String>,
    pub enum_values: Vec<String>,
    /// An identity or generated column that cannot be written.
    pub generated: bool,
}

// In PostgREST's order, in which ambiguous relationships are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cardinality {
    OneToMany,
    ManyToOne,
    /// `is_parent`: the foreign key is on the other side.
    OneToOne {
        is_parent: bool,
    },
    ManyToMany,
}

/// A way from `table` to `foreign_table`.
#[derive(Debug, Clone)]
pub struct Relationship {
    pub table: QualifiedName,
    pub foreign_table: QualifiedName,
    pub is_self: bool,
    pub table_is_view: bool,
    pub foreign_table_is_view: bool,
    pub kind: RelationshipKind,
}

#[derive(Debug, Clone)]
pub enum RelationshipKind {
    /// By a foreign key; `columns` pairs a column of `table` with one of `foreign_table`.
    ForeignKey {
        cardinality: Cardinality,
        constraint: String,
        columns: Vec<(String, String)>,
    },
    /// Through a junction table; `left` pairs columns of `table` with the junction's, `right` pairs the junction's columns with those of
    /// `foreign_table`.
    Junction {
        junction: QualifiedName,
        left_constraint: String,
        right_constraint: String,
        left: Vec<(String, String)>,
        right: Vec<(String, String)>,
    },
    /// By a function that takes a row of `table` and returns rows of `foreign_table`.
    Computed {
        function: QualifiedName,
        to_one: bool,
    },
}

/// A function that may be called by RPC.
#[derive(Debug, Clone)]
pub struct Routine {
    /// Which of its overloads it is, as the database tells them apart.
    pub oid: u32,
    pub name: QualifiedName,
    pub description: Option<String>,
    pub parameters: Vec<Parameter>,
    pub returns: ReturnType,
    /// `RETURNS SETOF` or `TABLE`.
    pub returns_set: bool,
    pub volatility: Volatility,
    pub has_variadic: bool,
    /// Its `SET` clauses that apply to the whole transaction (`db-hoisted-tx-settings`).
    pub settings: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
pub struct Parameter {
    /// Empty where the function gives none.
    pub name: String,
    /// As `format_type` prints it.
    pub data_type: String,
    /// The type that takes any length where `data_type` would cut values to one character:
    /// `character varying` for `character`, `bit varying` for `bit`.
    pub type_max_length: String,
    pub required: bool,
    pub variadic: bool,
}

#[derive(Debug, Clone)]
pub enum ReturnType {
    Void,
    /// The type, of a domain the base type.
    Scalar(QualifiedName),
    /// A table's row, a composite type, or `RETURNS TABLE` / `OUT` parameters (`record`). `is_alias`: a domain over it.
    Composite {
        name: QualifiedName,
        is_alias: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volatility {
    Volatile,
    Stable,
    Immutable,
}

/// A cast that PostgREST applies by itself: (source type, target type) -> function.
#[derive(Debug, Clone)]
pub struct Representation {
    pub function: QualifiedName,
}

/// An aggregate or function that renders a custom media type.
#[derive(Debug, Clone)]
pub struct MediaHandler {
    pub function: QualifiedName,
    /// The media type it answers with (`*/*` handlers name their own).
    pub media_type: String,
    /// Whether it is a function's own result that has the media type, and `function` the domain's
    /// name, rather than an aggregate over rows.
    pub is_function: bool,
}

/// Tables by schema, in name order: what OpenAPI and hints walk.
pub type TablesBySchema<'a> = BTreeMap<&'a str, Vec<&'a Table>>;
