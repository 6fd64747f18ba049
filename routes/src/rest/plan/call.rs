//! Calls: which overload is meant, its arguments, and the read of what it returns.

use std::{collections::BTreeSet, rc::Rc};

use bytes::Bytes;

use super::{
    Catalog, PlanError,
    error::{NoRoutine, Unnamed},
    fuzzy, needed_columns,
    negotiate::{self, Renderer, Rendition},
    read::{self, Root},
    shape::{RootConditions, Shape},
    tree::{Condition, ReadNode},
};
use crate::{
    rest::{
        media::MediaType,
        preferences::Count,
        request::{Payload, RestRequest},
    },
    schema::{Parameter, QualifiedName, ReturnType, Routine, Volatility},
};

/// A call of a routine by RPC.
#[derive(Debug)]
pub struct CallPlan {
    pub routine: Rc<Routine>,
    pub arguments: Arguments,
    /// The columns of the result that the answer needs.
    pub returning: Vec<String>,
    pub tree: ReadNode,
    pub rendition: Rendition,
    pub count: Option<Count>,
    /// GET and HEAD, and POST of a function that is not volatile, may not write.
    pub read_only: bool,
}

#[derive(Debug, Clone)]
pub enum Arguments {
    None,
    /// The whole body is the one argument.
    Unnamed {
        parameter: Parameter,
        body: Bytes,
    },
    /// By name, from a JSON object, or the first object of an array.
    Json {
        parameters: Vec<Parameter>,
        body: Bytes,
        is_array: bool,
    },
    /// By name, from the query string or a form.
    Direct(Vec<(Parameter, Argument)>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    One(String),
    /// What a variadic parameter was given, in order.
    Many(Vec<String>),
}

impl Routine {
    /// Whether its result is one value per row, and no row of columns.
    pub fn returns_scalar(&self) -> bool {
        match self.returns {
            ReturnType::Void | ReturnType::Scalar(_) => true,
            ReturnType::Composite { .. } => false,
        }
    }

    pub fn returns_void(&self) -> bool {
        matches!(self.returns, ReturnType::Void)
    }

    /// The table whose rows it returns.
    fn table_name(&self) -> Option<&QualifiedName> {
        match &self.returns {
            ReturnType::Composite { name, .. } => Some(name),
            ReturnType::Void | ReturnType::Scalar(_) => None,
        }
    }
}

pub(crate) fn plan(
    catalog: Catalog<'_>,
    name: &str,
    request: &RestRequest,
    read: bool,
    head: bool,
) -> Result<CallPlan, PlanError> {
    let given = Given::of(request, read);
    let routine = find(catalog, name, request, &given)?;
    let table_name = routine.table_name().unwrap_or(&routine.name);
    let rows = QualifiedName::new(routine.name.schema.as_str(), table_name.name.as_str());
    let shape = Shape::of(
        &rows.name,
        &request.query,
        request.range.into(),
        RootConditions::Answer,
    )?;
    let root = Root::Returned {
        name: &rows.name,
        table: catalog.cache.tables.get(table_name),
    };
    let tree = read::build(catalog, &rows.schema, root, shape, catalog.max_rows())?;
    let mut rendition = negotiate::negotiate(catalog, &rows, &request.accept, tree.is_default())?;
    if head {
        rendition.renderer = Renderer::None;
    }
    if request.preferences.is_strict()
        && request.preferences.max_affected.is_some()
        && !routine.returns_set
    {
        return Err(PlanError::MaxAffectedOfOne);
    }
    let returning = needed_columns(&tree, &condition_columns(&tree));
    let read_only = read || routine.volatility != Volatility::Volatile;
    Ok(CallPlan {
        arguments: given.arguments(&routine, request.payload.as_ref()),
        routine,
        returning,
        tree,
        rendition,
        count: request.preferences.count,
        read_only,
    })
}

/// The routine that OPTIONS asks about.
pub(crate) fn find_for_options(
    catalog: Catalog<'_>,
    name: &str,
    request: &RestRequest,
) -> Result<Rc<Routine>, PlanError> {
    find(catalog, name, request, &Given::of(request, true))
}

/// Arguments as they were given, before it is known whose they are.
struct Given {
    /// By name, in order, repeated ones kept; empty where they are keys of a JSON body.
    pairs: Vec<(String, String)>,
    names: BTreeSet<String>,
    by_body: bool,
}

impl Given {
    fn of(request: &RestRequest, read: bool) -> Self {
        let (pairs, names): (Vec<_>, BTreeSet<_>) = if read {
            let pairs = request.query.parameters.clone();
            let names = pairs.iter().map(|(name, _)| name.clone()).collect();
            (pairs, names)
        } else {
            match (&request.payload, &request.query.columns) {
                (Some(Payload::Form(pairs)), _) => (
                    pairs.clone(),
                    pairs.iter().map(|(name, _)| name.clone()).collect(),
                ),
                (Some(Payload::Json { .. }), Some(columns)) => {
                    (Vec::new(), columns.iter().cloned().collect())
                }
                (Some(Payload::Json { keys, .. }), None) => {
                    (Vec::new(), keys.iter().cloned().collect())
                }
                (Some(Payload::Raw(_)) | None, _) => (Vec::new(), BTreeSet::new()),
            }
        };
        Self {
            pairs,
            names,
            by_body: !read,
        }
    }

    /// What the body may be the single unnamed parameter as.
    fn unnamed(&self, content_type: &MediaType) -> Unnamed {
        if !self.by_body {
            return Unnamed::No;
        }
        match content_type {
            MediaType::Json => Unnamed::Json,
            MediaType::Text => Unnamed::Text,
            MediaType::Xml => Unnamed::Xml,
            MediaType::OctetStream => Unnamed::Bytes,
            _ => Unnamed::No,
        }
    }

    fn arguments(self, routine: &Routine, payload: Option<&Payload>) -> Arguments {
        if let [only] = routine.parameters.as_slice()
            && only.name.is_empty()
        {
            let body = match payload {
                Some(Payload::Json { text, .. }) => text.clone(),
                Some(Payload::Raw(bytes)) => bytes.clone(),
                Some(Payload::Form(_)) | None => Bytes::new(),
            };
            return Arguments::Unnamed {
                parameter: only.clone(),
                body,
            };
        }
        let parameters: Vec<_> = routine
            .parameters
            .iter()
            .filter(|parameter| self.names.contains(&parameter.name))
            .cloned()
            .collect();
        if parameters.is_empty() {
            return Arguments::None;
        }
        match payload {
            Some(Payload::Json { text, is_array, .. }) if self.by_body => Arguments::Json {
                parameters,
                body: text.clone(),
                is_array: *is_array,
            },
            _ => Arguments::Direct(
                parameters
                    .into_iter()
                    .map(|parameter| {
                        let argument = self.argument(&parameter);
                        (parameter, argument)
                    })
                    .collect(),
            ),
        }
    }

    /// The last value given counts, except that a variadic parameter takes them all.
    fn argument(&self, parameter: &Parameter) -> Argument {
        let mut values = self
            .pairs
            .iter()
            .filter(|(name, _)| *name == parameter.name)
            .map(|(_, value)| value.clone());
        if parameter.variadic {
            Argument::Many(values.collect())
        } else {
            Argument::One(values.next_back().unwrap_or_default())
        }
    }
}

/// Finds the overload that takes just the arguments given; failing that, the one whose single
/// unnamed parameter the whole body can be.
fn find(
    catalog: Catalog<'_>,
    name: &str,
    request: &RestRequest,
    given: &Given,
) -> Result<Rc<Routine>, PlanError> {
    let name = QualifiedName::new(request.schema.as_str(), name);
    let unnamed = given.unnamed(&request.content_type);
    let overloads = catalog
        .cache
        .routines
        .get(&name)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut by_name: Vec<_> = overloads
        .iter()
        .filter(|routine| takes(routine, &given.names, unnamed))
        .map(Rc::clone)
        .collect();
    if by_name.is_empty() {
        by_name = overloads
            .iter()
            .filter(|routine| takes_body(routine, unnamed))
            .map(Rc::clone)
            .collect();
    }
    match by_name.as_slice() {
        [only] => Ok(Rc::clone(only)),
        [] => Err(PlanError::NoRoutine(Box::new(NoRoutine {
            similar: similar(catalog, &name, overloads, &given.names, unnamed),
            arguments: given.names.iter().cloned().collect(),
            name,
            unnamed,
        }))),
        _ => Err(PlanError::AmbiguousRoutine(by_name)),
    }
}

fn takes(routine: &Routine, names: &BTreeSet<String>, unnamed: Unnamed) -> bool {
    if routine.parameters.is_empty() {
        let body_is_argument = matches!(unnamed, Unnamed::Text | Unnamed::Xml | Unnamed::Bytes);
        return names.is_empty() && !body_is_argument;
    }
    let known = |name: &String| {
        routine
            .parameters
            .iter()
            .any(|parameter| parameter.name == *name)
    };
    names.iter().all(known)
        && routine
            .parameters
            .iter()
            .filter(|parameter| parameter.required)
            .all(|parameter| names.contains(&parameter.name))
}

fn takes_body(routine: &Routine, unnamed: Unnamed) -> bool {
    let [only] = routine.parameters.as_slice() else {
        return false;
    };
    only.name.is_empty()
        && match unnamed {
            Unnamed::No => false,
            Unnamed::Json => matches!(only.data_type.as_str(), "json" | "jsonb"),
            Unnamed::Text => only.data_type == "text",
            Unnamed::Xml => only.data_type == "xml",
            Unnamed::Bytes => only.data_type == "bytea",
        }
}

/// The function that was probably meant: another name, or other parameters of the same one.
fn similar(
    catalog: Catalog<'_>,
    name: &QualifiedName,
    overloads: &[Rc<Routine>],
    names: &BTreeSet<String>,
    unnamed: Unnamed,
) -> Option<String> {
    if matches!(unnamed, Unnamed::Text | Unnamed::Xml | Unnamed::Bytes) {
        return None;
    }
    if overloads.is_empty() {
        let known = catalog
            .cache
            .routines
            .keys()
            .filter(|known| known.schema == name.schema)
            .map(|known| known.name.as_str());
        return fuzzy::best(&name.name, known, fuzzy::STRICT);
    }
    let listed = |names: BTreeSet<&str>| {
        let names: Vec<_> = names.into_iter().collect();
        format!("({})", names.join(", "))
    };
    let signatures: Vec<_> = overloads
        .iter()
        .map(|routine| {
            listed(
                routine
                    .parameters
                    .iter()
                    .map(|parameter| parameter.name.as_str())
                    .collect(),
            )
        })
        .collect();
    let given = listed(names.iter().map(String::as_str).collect());
    fuzzy::best(
        &given,
        signatures.iter().map(String::as_str),
        fuzzy::LENIENT,
    )
    .map(|parameters| format!("{}{parameters}", name.name))
}

/// The columns that filters and orders of the root read.
fn condition_columns(tree: &ReadNode) -> Vec<String> {
    fn collect(condition: &Condition, columns: &mut Vec<String>) {
        match condition {
            Condition::Group { conditions, .. } => {
                for condition in conditions {
                    collect(condition, columns);
                }
            }
            Condition::Filter { field, .. } => columns.push(field.name.clone()),
            Condition::Embedded { .. } => {}
        }
    }
    let mut columns = Vec::new();
    for condition in &tree.conditions {
        collect(condition, &mut columns);
    }
    let ordered = tree.order.iter().filter(|order| order.embed.is_none());
    columns.extend(ordered.map(|order| order.field.name.clone()));
    columns
}
