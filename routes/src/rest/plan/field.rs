//! Fields resolved against a table: their type, and the functions that read or write them.

use crate::{
    rest::query::{Aggregate, Field, Filter, FullText, JsonStep, Operation, SelectField},
    schema::{QualifiedName, SchemaCache, Table},
};

/// A column or a path into its JSON, with what Postgres must do to it.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedField {
    pub name: String,
    pub json_path: Vec<JsonStep>,
    /// The column is not JSON itself: `to_jsonb` comes before its arrows.
    pub to_json: bool,
    /// A full-text filter on something that is no `tsvector` yet.
    pub to_tsvector: Option<Language>,
    /// The type that values are read as; `None` where the column is not known (computed ones).
    pub data_type: Option<String>,
    /// The representation's function, for output, for a filter's value or for a payload's value.
    pub transform: Option<QualifiedName>,
    pub default: Option<String>,
    /// The whole row instead of a column, as `count()` of a spread embed counts.
    pub whole_row: bool,
}

/// The text search configuration; the database's own where none was said.
pub type Language = Option<String>;

/// One output column.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectColumn {
    pub field: ResolvedField,
    pub cast: Option<String>,
    pub aggregate: Option<Aggregate>,
    pub aggregate_cast: Option<String>,
    /// What it is called in the answer, where that is not the column's name.
    pub alias: Option<String>,
}

/// Looks fields up in one table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    pub(crate) cache: &'a SchemaCache,
    pub(crate) table: Option<&'a Table>,
}

impl ResolvedField {
    /// A column that no table is known to have.
    pub fn unknown(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            json_path: Vec::new(),
            to_json: true,
            to_tsvector: None,
            data_type: None,
            transform: None,
            default: None,
            whole_row: false,
        }
    }

    /// The name that a JSON path gives its result: the last key in it, else the column's.
    fn path_name(&self) -> Option<String> {
        use crate::rest::query::JsonOperand;
        if self.json_path.is_empty() {
            return None;
        }
        let key = self
            .json_path
            .iter()
            .rev()
            .find_map(|step| match &step.operand {
                JsonOperand::Key(key) => Some(key.clone()),
                JsonOperand::Index(_) => None,
            });
        Some(key.unwrap_or_else(|| self.name.clone()))
    }
}

impl Fields<'_> {
    /// A field as it stands in a condition or an order.
    pub(crate) fn plain(&self, field: Field) -> ResolvedField {
        let column = self.table.and_then(|table| table.column(&field.name));
        let data_type = column.map(|column| column.nominal_type.clone());
        let is_json = matches!(data_type.as_deref(), Some("json" | "jsonb"));
        ResolvedField {
            json_path: field.json_path,
            to_json: !is_json,
            data_type,
            default: column.and_then(|column| column.default.clone()),
            ..ResolvedField::unknown(field.name)
        }
    }

    /// A field of the answer: its output representation applies.
    pub(crate) fn output(&self, field: Field) -> ResolvedField {
        let mut field = self.plain(field);
        if let Some(data_type) = &field.data_type {
            field.transform = self.representation(data_type, "json");
        }
        field
    }

    /// A field that a filter compares: its representation reads the filter's text.
    pub(crate) fn filtered(&self, filter: &Filter) -> ResolvedField {
        let mut field = self.plain(filter.field.clone());
        if let Operation::FullText { language, .. } = &filter.operation {
            // What is not known, as a computed column, is taken for the `tsvector` that it may be.
            let column = self.table.and_then(|table| table.column(&field.name));
            if column.is_some_and(|column| column.data_type != "tsvector") {
                field.to_tsvector = Some(language.clone());
            }
        }
        if let Some(data_type) = &field.data_type {
            field.transform = self.representation("text", data_type);
        }
        field
    }

    /// A column that a payload writes: its representation reads the payload's JSON. `None` where
    /// the table has no such column.
    pub(crate) fn written(&self, name: &str) -> Option<ResolvedField> {
        let column = self.table?.column(name)?;
        let transform = self.representation("json", &column.nominal_type);
        Some(ResolvedField {
            data_type: Some(match transform {
                Some(_) => "json".to_owned(),
                None => column.nominal_type.clone(),
            }),
            transform,
            default: column.default.clone(),
            ..ResolvedField::unknown(name)
        })
    }

    /// One item of the select list, with the alias that its path or representation needs.
    pub(crate) fn selected(&self, item: SelectField) -> SelectColumn {
        let field = self.output(item.field);
        let alias = match (item.alias, item.aggregate) {
            (Some(alias), _) => Some(alias),
            (None, Some(_)) => None,
            (None, None) => field
                .path_name()
                .or_else(|| field.transform.as_ref().map(|_| field.name.clone())),
        };
        SelectColumn {
            field,
            cast: item.cast,
            aggregate: item.aggregate,
            aggregate_cast: item.aggregate_cast,
            alias,
        }
    }

    /// Every column of the table by name, in place of `*`; `None` where the table is not known.
    pub(crate) fn all(&self) -> Option<Vec<SelectColumn>> {
        let table = self.table?;
        let columns = table.columns.iter().map(|column| {
            self.selected(SelectField {
                field: Field {
                    name: column.name.clone(),
                    json_path: Vec::new(),
                },
                cast: None,
                alias: None,
                aggregate: None,
                aggregate_cast: None,
            })
        });
        Some(columns.collect())
    }

    /// Whether any column is shown through a representation, so that `*` cannot stand for them.
    pub(crate) fn has_output_representation(&self) -> bool {
        self.table.is_some_and(|table| {
            table
                .columns
                .iter()
                .any(|column| self.representation(&column.nominal_type, "json").is_some())
        })
    }

    fn representation(&self, from: &str, to: &str) -> Option<QualifiedName> {
        self.cache
            .representations
            .get(&(from.to_owned(), to.to_owned()))
            .map(|representation| representation.function.clone())
    }
}

impl SelectColumn {
    /// What the column is called in the answer of its own query.
    pub fn name(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.field.name)
    }

    /// `*` itself, without an aggregate around it.
    pub fn is_star(&self) -> bool {
        self.field.name == "*" && self.field.json_path.is_empty() && self.aggregate.is_none()
    }
}

impl FullText {
    /// The function that parses the query.
    pub fn function(self) -> &'static str {
        match self {
            Self::Fts => "to_tsquery",
            Self::Plain => "plainto_tsquery",
            Self::Phrase => "phraseto_tsquery",
            Self::Websearch => "websearch_to_tsquery",
        }
    }
}
