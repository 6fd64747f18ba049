//! Functions: their arguments, in a query string or a body.

use serde_json::{Value, json};

use super::{Object, lines, media_types, types};
use crate::{
    rest::media::MediaType,
    schema::{Parameter, Routine, Volatility},
};

/// What may be done with a function whose parameters have `types`: what may write takes POST alone.
pub(super) fn path(routine: &Routine, types: &[&str]) -> Value {
    let (summary, description) = lines(routine.description.as_deref());
    let produced = [
        MediaType::Json,
        MediaType::Object { strip_nulls: true },
        MediaType::Object { strip_nulls: false },
    ];
    let operation = |parameters: Value| {
        Object::default()
            .with("tags", vec![format!("(rpc) {}", routine.name.name)])
            .with("summary", summary)
            .with("description", description.filter(|text| !text.is_empty()))
            .with("produces", media_types(&produced))
            .with("parameters", parameters)
            .with("responses", json!({ "200": { "description": "OK" } }))
    };
    let typed = || routine.parameters.iter().zip(types.iter().copied());
    let path = match routine.volatility {
        Volatility::Volatile => Object::default(),
        Volatility::Stable | Volatility::Immutable => {
            let parameters = typed().map(|(parameter, data_type)| by_url(parameter, data_type));
            Object::default().with("get", operation(parameters.collect()))
        }
    };
    let body = json!([
        { "name": "args", "required": true, "in": "body", "schema": arguments(routine, typed()) },
        { "$ref": "#/parameters/preferParams" },
    ]);
    path.with("post", operation(body)).into()
}

/// The arguments as a JSON object.
fn arguments<'a>(
    routine: &Routine,
    typed: impl Iterator<Item = (&'a Parameter, &'a str)>,
) -> Value {
    let required = routine
        .parameters
        .iter()
        .filter(|parameter| parameter.required)
        .map(|parameter| parameter.name.as_str());
    let properties = typed.map(|(parameter, data_type)| {
        let property = types::value(Object::default(), data_type);
        (parameter.name.clone(), Value::from(property))
    });
    Object::default()
        .with("description", routine.description.as_deref())
        .with("required", required.collect::<Value>())
        .with("properties", properties.collect::<Value>())
        .with("type", "object")
        .into()
}

/// An argument in the query string. There an array is written as Postgres writes it, unless it is
/// variadic: then the parameter is repeated.
fn by_url(parameter: &Parameter, data_type: &str) -> Value {
    let object = Object::default()
        .with("name", parameter.name.as_str())
        .with("required", parameter.required)
        .with("in", "query");
    if let Some(element) = types::element(data_type).filter(|_| parameter.variadic) {
        let items = Object::default()
            .with("type", types::name(element))
            .with("format", types::format(element));
        return object
            .with("type", "array")
            .with("items", items)
            .with("collectionFormat", "multi")
            .into();
    }
    let name = types::name(data_type).filter(|name| *name != "array");
    object
        .with("type", name.unwrap_or("string"))
        .with("format", types::format(data_type))
        .into()
}
