//! What `introspect.sql` answers, field by field in its order.

use serde::{Deserialize, Deserializer};

/// A row's identity in a catalog of the database.
pub(super) type Oid = u32;

/// A column's number in its relation, from 1.
pub(super) type Number = i16;

/// The facts of a database with nothing in it.
#[cfg(test)]
pub(crate) const NOTHING: &str = r#"{"schemas":null,"relations":null,"types":null,"keys":null,
    "views":null,"computed":null,"routines":null,"representations":null,"media_handlers":null,
    "role_settings":null}"#;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Facts {
    #[serde(deserialize_with = "list")]
    pub(super) schemas: Vec<SchemaFact>,
    #[serde(deserialize_with = "list")]
    pub(super) relations: Vec<RelationFact>,
    #[serde(deserialize_with = "list")]
    pub(super) types: Vec<TypeFact>,
    #[serde(deserialize_with = "list")]
    pub(super) keys: Vec<KeyFact>,
    #[serde(deserialize_with = "list")]
    pub(super) views: Vec<ViewFact>,
    #[serde(deserialize_with = "list")]
    pub(super) computed: Vec<ComputedFact>,
    #[serde(deserialize_with = "list")]
    pub(super) routines: Vec<RoutineFact>,
    #[serde(deserialize_with = "list")]
    pub(super) representations: Vec<RepresentationFact>,
    #[serde(deserialize_with = "list")]
    pub(super) media_handlers: Vec<MediaHandlerFact>,
    #[serde(deserialize_with = "list")]
    pub(super) role_settings: Vec<RoleSettingFact>,
}

#[derive(Debug, Deserialize)]
pub(super) struct SchemaFact {
    pub(super) name: String,
    pub(super) description: Option<String>,
}

/// A relation in an exposed schema.
#[derive(Debug, Deserialize)]
pub(super) struct RelationFact {
    pub(super) oid: Oid,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) kind: RelationKind,
    pub(super) is_partition: bool,
    pub(super) description: Option<String>,
    /// A bit mask of what may be done with it.
    pub(super) commands: i32,
    // One element for each column, in the order of their numbers.
    #[serde(deserialize_with = "list")]
    pub(super) numbers: Vec<Number>,
    #[serde(deserialize_with = "list")]
    pub(super) names: Vec<String>,
    #[serde(deserialize_with = "list")]
    pub(super) descriptions: Vec<Option<String>>,
    #[serde(deserialize_with = "list")]
    pub(super) not_null: Vec<bool>,
    #[serde(deserialize_with = "list")]
    pub(super) types: Vec<Oid>,
    #[serde(deserialize_with = "list")]
    pub(super) modifiers: Vec<i32>,
    #[serde(deserialize_with = "list")]
    pub(super) defaults: Vec<Option<String>>,
    #[serde(deserialize_with = "list")]
    pub(super) generated: Vec<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum RelationKind {
    #[serde(rename = "r")]
    Table,
    #[serde(rename = "v")]
    View,
    #[serde(rename = "m")]
    MaterializedView,
    #[serde(rename = "f")]
    ForeignTable,
    #[serde(rename = "p")]
    PartitionedTable,
}

/// A type with a modifier, as a column uses it.
#[derive(Debug, Deserialize)]
pub(super) struct TypeFact {
    pub(super) oid: Oid,
    pub(super) modifier: i32,
    pub(super) data_type: String,
    pub(super) nominal_type: String,
    pub(super) max_length: Option<u32>,
    /// A domain's own default, for columns without one.
    pub(super) default: Option<String>,
    /// Of a domain: NULL is none of its values.
    pub(super) not_null: bool,
    pub(super) enum_values: Option<Vec<String>>,
}

/// A primary key, a unique constraint or a foreign key, in any schema.
#[derive(Debug, Deserialize)]
pub(super) struct KeyFact {
    pub(super) kind: KeyKind,
    pub(super) name: String,
    pub(super) table: Oid,
    #[serde(deserialize_with = "list")]
    pub(super) columns: Vec<Number>,
    /// 0 where it is no foreign key.
    pub(super) foreign_table: Oid,
    #[serde(deserialize_with = "list")]
    pub(super) foreign_columns: Vec<Number>,
    /// A partition's part of its parent's constraint.
    pub(super) is_inherited: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum KeyKind {
    #[serde(rename = "p")]
    Primary,
    #[serde(rename = "u")]
    Unique,
    #[serde(rename = "f")]
    Foreign,
}

/// A view or materialised view in an exposed schema or on the extra search path.
#[derive(Debug, Deserialize)]
pub(super) struct ViewFact {
    pub(super) oid: Oid,
    /// Its query as a tree of nodes.
    pub(super) tree: String,
}

/// A function from a row of one exposed relation to rows of another.
#[derive(Debug, Deserialize)]
pub(super) struct ComputedFact {
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) source: Oid,
    pub(super) target: Oid,
    pub(super) to_one: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct RoutineFact {
    pub(super) oid: Oid,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) parameters: Vec<ParameterFact>,
    pub(super) returned_schema: String,
    pub(super) returned_name: String,
    pub(super) returns_composite: bool,
    /// It returns a domain over the type named.
    pub(super) returns_alias: bool,
    pub(super) returns_set: bool,
    pub(super) volatility: VolatilityFact,
    #[serde(deserialize_with = "list")]
    pub(super) settings: Vec<(String, String)>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ParameterFact {
    pub(super) name: Option<String>,
    pub(super) data_type: String,
    pub(super) required: bool,
    pub(super) variadic: Option<bool>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) enum VolatilityFact {
    #[serde(rename = "v")]
    Volatile,
    #[serde(rename = "s")]
    Stable,
    #[serde(rename = "i")]
    Immutable,
}

#[derive(Debug, Deserialize)]
pub(super) struct RepresentationFact {
    pub(super) source: String,
    pub(super) target: String,
    pub(super) schema: String,
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct MediaHandlerFact {
    pub(super) schema: String,
    pub(super) name: String,
    /// What it renders; both `None` for anything.
    pub(super) target_schema: Option<String>,
    pub(super) target_name: Option<String>,
    pub(super) media_type: String,
    pub(super) is_function: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct RoleSettingFact {
    pub(super) role: String,
    pub(super) name: String,
    pub(super) value: String,
}

/// An aggregate over no rows is NULL in SQL: no elements.
fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
