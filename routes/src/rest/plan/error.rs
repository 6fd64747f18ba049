//! Why a request cannot be planned: one variant per answer a client can tell apart.

use std::rc::Rc;

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    ApiError,
    rest::media::MediaType,
    schema::{Cardinality, QualifiedName, Relationship, RelationshipKind, Routine},
};

#[derive(Debug, Clone)]
pub enum PlanError {
    NoPath,
    NoTable {
        table: QualifiedName,
        similar: Option<String>,
    },
    NoColumn {
        table: String,
        column: String,
    },
    NoRelationship(Box<NoRelationship>),
    AmbiguousRelationship {
        origin: String,
        target: String,
        candidates: Vec<Rc<Relationship>>,
    },
    NoRoutine(Box<NoRoutine>),
    AmbiguousRoutine(Vec<Rc<Routine>>),
    NotEmbedded(String),
    RelatedOrderNotToOne {
        origin: String,
        target: String,
    },
    AggregatesDisabled,
    AggregateInToManySpread,
    PutFilters,
    PutRange,
    NotAcceptable(Vec<MediaType>),
    MaxAffectedOfOne,
}

#[derive(Debug, Clone)]
pub struct NoRelationship {
    pub origin: String,
    pub target: String,
    pub hint: Option<String>,
    pub schema: String,
    /// (meant, instead of)
    pub similar: Option<(String, String)>,
}

#[derive(Debug, Clone)]
pub struct NoRoutine {
    pub name: QualifiedName,
    pub arguments: Vec<String>,
    /// What the body could have been the only argument as, by its media type.
    pub unnamed: Unnamed,
    /// A function's name, with the parameters of one overload where the name was right.
    pub similar: Option<String>,
}

/// How a request's body may stand for a function's single unnamed parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unnamed {
    /// The body is no single argument.
    No,
    /// JSON: arguments by name, or the whole.
    Json,
    Text,
    Xml,
    Bytes,
}

impl From<PlanError> for ApiError {
    fn from(error: PlanError) -> Self {
        let (status, code) = status_and_code(&error);
        let mut answer = Self::new(status, code, message(&error));
        answer.details = details(&error);
        answer.hint = hint(&error);
        answer
    }
}

fn status_and_code(error: &PlanError) -> (StatusCode, &'static str) {
    match error {
        PlanError::PutFilters => (StatusCode::METHOD_NOT_ALLOWED, "PGRST105"),
        PlanError::NotAcceptable(_) => (StatusCode::NOT_ACCEPTABLE, "PGRST107"),
        PlanError::NotEmbedded(_) => (StatusCode::BAD_REQUEST, "PGRST108"),
        PlanError::PutRange => (StatusCode::BAD_REQUEST, "PGRST114"),
        PlanError::RelatedOrderNotToOne { .. } => (StatusCode::BAD_REQUEST, "PGRST118"),
        PlanError::AggregatesDisabled => (StatusCode::BAD_REQUEST, "PGRST123"),
        PlanError::NoPath => (StatusCode::NOT_FOUND, "PGRST125"),
        PlanError::AggregateInToManySpread => (StatusCode::BAD_REQUEST, "PGRST127"),
        PlanError::MaxAffectedOfOne => (StatusCode::BAD_REQUEST, "PGRST128"),
        PlanError::NoRelationship(_) => (StatusCode::BAD_REQUEST, "PGRST200"),
        PlanError::AmbiguousRelationship { .. } => (StatusCode::MULTIPLE_CHOICES, "PGRST201"),
        PlanError::NoRoutine(_) => (StatusCode::NOT_FOUND, "PGRST202"),
        PlanError::AmbiguousRoutine(_) => (StatusCode::MULTIPLE_CHOICES, "PGRST203"),
        PlanError::NoColumn { .. } => (StatusCode::BAD_REQUEST, "PGRST204"),
        PlanError::NoTable { .. } => (StatusCode::NOT_FOUND, "PGRST205"),
    }
}

fn message(error: &PlanError) -> String {
    match error {
        PlanError::NoPath => "Invalid path specified in request URL".to_owned(),
        PlanError::NoTable { table, .. } => format!(
            "Could not find the table '{}.{}' in the schema cache",
            table.schema, table.name
        ),
        PlanError::NoColumn { table, column } => {
            format!("Could not find the '{column}' column of '{table}' in the schema cache")
        }
        PlanError::NoRelationship(missing) => format!(
            "Could not find a relationship between '{}' and '{}' in the schema cache",
            missing.origin, missing.target
        ),
        PlanError::AmbiguousRelationship { origin, target, .. } => format!(
            "Could not embed because more than one relationship was found for '{origin}' and '{target}'"
        ),
        PlanError::NoRoutine(missing) => {
            let NoRoutine {
                name,
                arguments,
                unnamed,
                ..
            } = missing.as_ref();
            let parameters = match unnamed {
                Unnamed::Text | Unnamed::Xml | Unnamed::Bytes => String::new(),
                Unnamed::No | Unnamed::Json if arguments.is_empty() => {
                    " without parameters".to_owned()
                }
                Unnamed::No | Unnamed::Json => format!("({})", arguments.join(", ")),
            };
            format!(
                "Could not find the function {}.{}{parameters} in the schema cache",
                name.schema, name.name
            )
        }
        PlanError::AmbiguousRoutine(candidates) => {
            let signatures: Vec<_> = candidates
                .iter()
                .map(|routine| signature(routine))
                .collect();
            format!(
                "Could not choose the best candidate function between: {}",
                signatures.join(", ")
            )
        }
        PlanError::NotEmbedded(name) => {
            format!("'{name}' is not an embedded resource in this request")
        }
        PlanError::RelatedOrderNotToOne { target, .. } => {
            format!("A related order on '{target}' is not possible")
        }
        PlanError::AggregatesDisabled => "Use of aggregate functions is not allowed".to_owned(),
        PlanError::AggregateInToManySpread => "Feature not implemented".to_owned(),
        PlanError::PutFilters => {
            "Filters must include all and only primary key columns with 'eq' operators".to_owned()
        }
        PlanError::PutRange => {
            "limit/offset querystring parameters are not allowed for PUT".to_owned()
        }
        PlanError::NotAcceptable(accepted) => {
            let names: Vec<_> = accepted.iter().map(ToString::to_string).collect();
            format!(
                "None of these media types are available: {}",
                names.join(", ")
            )
        }
        PlanError::MaxAffectedOfOne => "Function must return SETOF or TABLE when max-affected \
             preference is used with handling=strict"
            .to_owned(),
    }
}

fn details(error: &PlanError) -> Option<Value> {
    match error {
        PlanError::NoRelationship(missing) => {
            let NoRelationship {
                origin,
                target,
                hint,
                schema,
                ..
            } = missing.as_ref();
            let hint = hint
                .as_ref()
                .map(|hint| format!("' using the hint '{hint}"))
                .unwrap_or_default();
            Some(json!(format!(
                "Searched for a foreign key relationship between '{origin}' and '{target}{hint}' in \
                 the schema '{schema}', but no matches were found."
            )))
        }
        PlanError::AmbiguousRelationship { candidates, .. } => Some(
            candidates
                .iter()
                .map(|candidate| describe(candidate))
                .collect(),
        ),
        PlanError::NoRoutine(missing) => {
            let NoRoutine {
                name,
                arguments,
                unnamed,
                ..
            } = missing.as_ref();
            let by_name = match arguments.as_slice() {
                [] => " without parameters".to_owned(),
                [one] => format!(" with parameter {one}"),
                many => format!(" with parameters {}", many.join(", ")),
            };
            let searched = match unnamed {
                Unnamed::No => by_name,
                Unnamed::Json => {
                    format!("{by_name} or with a single unnamed json/jsonb parameter")
                }
                Unnamed::Text => " with a single unnamed text parameter".to_owned(),
                Unnamed::Xml => " with a single unnamed xml parameter".to_owned(),
                Unnamed::Bytes => " with a single unnamed bytea parameter".to_owned(),
            };
            Some(json!(format!(
                "Searched for the function {}.{}{searched}, but no matches were found in the schema cache.",
                name.schema, name.name
            )))
        }
        PlanError::RelatedOrderNotToOne { origin, target } => Some(json!(format!(
            "'{origin}' and '{target}' do not form a many-to-one or one-to-one relationship"
        ))),
        PlanError::AggregateInToManySpread => Some(json!(
            "Aggregates are not implemented for one-to-many or many-to-many spreads."
        )),
        PlanError::NoPath
        | PlanError::NoTable { .. }
        | PlanError::NoColumn { .. }
        | PlanError::AmbiguousRoutine(_)
        | PlanError::NotEmbedded(_)
        | PlanError::AggregatesDisabled
        | PlanError::PutFilters
        | PlanError::PutRange
        | PlanError::NotAcceptable(_)
        | PlanError::MaxAffectedOfOne => None,
    }
}

fn hint(error: &PlanError) -> Option<String> {
    match error {
        PlanError::NoTable { table, similar } => similar
            .as_ref()
            .map(|similar| format!("Perhaps you meant the table '{}.{similar}'", table.schema)),
        PlanError::NoRelationship(missing) => missing
            .similar
            .as_ref()
            .map(|(meant, instead)| format!("Perhaps you meant '{meant}' instead of '{instead}'.")),
        PlanError::AmbiguousRelationship {
            target, candidates, ..
        } => {
            let names: Vec<_> = candidates.iter().filter_map(|way| hinted(way)).collect();
            Some(format!(
                "Try changing '{target}' to one of the following: {}. Find the desired relationship \
                 in the 'details' key.",
                names.join(", ")
            ))
        }
        PlanError::NoRoutine(missing) => missing.similar.as_ref().map(|similar| {
            format!(
                "Perhaps you meant to call the function {}.{similar}",
                missing.name.schema
            )
        }),
        PlanError::AmbiguousRoutine(_) => Some(
            "Try renaming the parameters or the function itself in the database so function \
             overloading can be resolved"
                .to_owned(),
        ),
        PlanError::NotEmbedded(name) => Some(format!(
            "Verify that '{name}' is included in the 'select' query parameter."
        )),
        PlanError::NoPath
        | PlanError::NoColumn { .. }
        | PlanError::RelatedOrderNotToOne { .. }
        | PlanError::AggregatesDisabled
        | PlanError::AggregateInToManySpread
        | PlanError::PutFilters
        | PlanError::PutRange
        | PlanError::NotAcceptable(_)
        | PlanError::MaxAffectedOfOne => None,
    }
}

fn signature(routine: &Routine) -> String {
    let parameters: Vec<_> = routine
        .parameters
        .iter()
        .map(|parameter| format!("{} => {}", parameter.name, parameter.data_type))
        .collect();
    format!(
        "{}.{}({})",
        routine.name.schema,
        routine.name.name,
        parameters.join(", ")
    )
}

/// One candidate of an ambiguous embed, as `details` shows it.
fn describe(relationship: &Relationship) -> Value {
    let embedding = format!(
        "{} with {}",
        relationship.table.name, relationship.foreign_table.name
    );
    match &relationship.kind {
        RelationshipKind::ForeignKey {
            cardinality,
            constraint,
            columns,
        } => {
            let cardinality = match cardinality {
                Cardinality::OneToMany => "one-to-many",
                Cardinality::ManyToOne => "many-to-one",
                Cardinality::OneToOne { .. } => "one-to-one",
                Cardinality::ManyToMany => "many-to-many",
            };
            json!({
                "cardinality": cardinality,
                "embedding": embedding,
                "relationship": format!(
                    "{constraint} using {}({}) and {}({})",
                    relationship.table.name,
                    listed(columns, |(from, _)| from),
                    relationship.foreign_table.name,
                    listed(columns, |(_, to)| to),
                ),
            })
        }
        RelationshipKind::Junction {
            junction,
            left_constraint,
            right_constraint,
            left,
            right,
        } => json!({
            "cardinality": "many-to-many",
            "embedding": embedding,
            "relationship": format!(
                "{} using {left_constraint}({}) and {right_constraint}({})",
                junction.name,
                listed(left, |(_, to)| to),
                listed(right, |(from, _)| from),
            ),
        }),
        RelationshipKind::Computed { function, .. } => json!({
            "embedding": embedding,
            "relationship": function.name,
        }),
    }
}

fn hinted(relationship: &Relationship) -> Option<String> {
    let target = &relationship.foreign_table.name;
    match &relationship.kind {
        RelationshipKind::ForeignKey { constraint, .. } => Some(format!("'{target}!{constraint}'")),
        RelationshipKind::Junction { junction, .. } => {
            Some(format!("'{target}!{}'", junction.name))
        }
        RelationshipKind::Computed { .. } => None,
    }
}

fn listed(columns: &[(String, String)], side: impl Fn(&(String, String)) -> &String) -> String {
    let names: Vec<_> = columns.iter().map(|pair| side(pair).as_str()).collect();
    names.join(", ")
}
