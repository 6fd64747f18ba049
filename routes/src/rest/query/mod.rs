//! The query string as types: select tree, filters, order, ranges.
//!
//! Source: PostgREST's pages on tables and views, resource embedding, aggregate functions.

mod cursor;
mod error;
mod failure;
mod filter;
mod name;
mod order;
mod pairs;
mod parse;
mod select;
#[cfg(test)]
mod tests;

pub use error::QueryError;
pub(super) use pairs::decode as form_pairs;
pub use parse::{MAX_EMBEDS, MAX_LENGTH};

/// The parsed query string.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// `*` where `select` was not given; empty where it was given without items.
    pub select: Vec<SelectItem>,
    /// `column=op.value`; the path leads to the embed it applies to.
    pub filters: Vec<(EmbedPath, Filter)>,
    /// `and=(…)`, `or=(…)`, `not.and=(…)`, behind the path of the embed.
    pub logic: Vec<(EmbedPath, LogicTree)>,
    pub order: Vec<(EmbedPath, Vec<OrderTerm>)>,
    /// `limit` and `offset`, by embed; at most one window for each path.
    pub ranges: Vec<(EmbedPath, Window)>,
    /// `columns=a,b`: the keys of the payload that count, sorted, each once.
    pub columns: Option<Vec<String>>,
    pub on_conflict: Option<Vec<String>>,
    /// The arguments of an RPC by GET: pairs whose value is no `operator.value`, in order, with
    /// repeated names (a variadic argument) kept. Empty for every other request.
    pub parameters: Vec<(String, String)>,
    /// The query string with its keys sorted, for `Content-Location` and canonical comparison.
    pub canonical: String,
}

/// Names of embeds from the root down; empty for the root itself.
pub type EmbedPath = Vec<String>;

/// What `limit` and `offset` asked for. Signed: Postgres is the one to refuse a negative number
/// for an embed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    pub offset: i64,
    pub limit: Option<i64>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum SelectItem {
    Field(SelectField),
    /// `alias:relation!hint!inner(…)`.
    Relation(SelectRelation),
    /// `...relation!hint!inner(…)`.
    Spread(SelectRelation),
}

#[derive(Debug, Clone, PartialEq)]
pub struct SelectField {
    pub field: Field,
    pub cast: Option<String>,
    pub alias: Option<String>,
    pub aggregate: Option<Aggregate>,
    pub aggregate_cast: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SelectRelation {
    pub name: String,
    pub alias: Option<String>,
    /// A constraint, a column or a junction that tells relationships apart.
    pub hint: Option<String>,
    pub join: Option<JoinType>,
    pub children: Vec<SelectItem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinType {
    Inner,
    Left,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    Sum,
    Avg,
    Max,
    Min,
    Count,
}

/// A column, or a path into its JSON. `*` is a name like any other here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    pub json_path: Vec<JsonStep>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonStep {
    /// `->>` gives text, `->` gives JSON.
    pub as_text: bool,
    pub operand: JsonOperand,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonOperand {
    Key(String),
    /// Digits with an optional minus, kept as text.
    Index(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    pub field: Field,
    pub negated: bool,
    pub operation: Operation,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    Compare {
        operator: Operator,
        quantifier: Option<Quantifier>,
        value: String,
    },
    In(Vec<String>),
    Is(IsValue),
    IsDistinctFrom(String),
    FullText {
        operator: FullText,
        language: Option<String>,
        value: String,
    },
}

/// Operators that take one value as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    GreaterThan,
    GreaterThanEqual,
    LessThan,
    LessThanEqual,
    Like,
    ILike,
    Match,
    IMatch,
    Contains,
    Contained,
    Overlap,
    StrictlyLeft,
    StrictlyRight,
    NotExtendsRight,
    NotExtendsLeft,
    Adjacent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    Any,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsValue {
    Null,
    NotNull,
    True,
    False,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FullText {
    Plain,
    Phrase,
    Websearch,
    Fts,
}

#[derive(Debug, Clone, PartialEq)]
pub enum LogicTree {
    Group {
        negated: bool,
        operator: LogicOperator,
        children: Vec<Self>,
    },
    Filter(Filter),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogicOperator {
    And,
    Or,
}

#[derive(Debug, Clone, PartialEq)]
pub struct OrderTerm {
    /// `order=clients(name).desc`: by a column of a to-one embed.
    pub relation: Option<String>,
    pub field: Field,
    pub direction: Option<Direction>,
    pub nulls: Option<Nulls>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nulls {
    First,
    Last,
}
