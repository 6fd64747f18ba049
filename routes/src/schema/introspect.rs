//! The question to the database, and its asking.

use std::collections::HashSet;

use super::{SchemaCache, SchemaError, parse};
use crate::{
    config::Config,
    wire::{Messages, Parameter, Pipeline},
    world::{Exchange, World},
};

/// Makes Postgres print every name with its schema, until the transaction's end. It stands before
/// [`FACTS`].
pub const NAMES_WITH_SCHEMAS: &str = "SELECT set_config('search_path', '', true)";

/// Everything about the database as one JSON object, which [`parse()`] reads. It takes
/// [`parameters`].
pub const FACTS: &str = include_str!("introspect.sql");

const TIMEZONES: &str = "SELECT json_agg(name) FROM pg_timezone_names";

/// The parameters of [`FACTS`] under a configuration.
pub fn parameters(config: &Config) -> [Parameter; 4] {
    [
        array(&config.db_schemas).into(),
        array(&config.db_extra_search_path).into(),
        array(&config.db_hoisted_tx_settings).into(),
        config.db_authenticator.as_deref().into(),
    ]
}

/// Reads the schema of `project` as it is now.
pub async fn load(
    world: &impl World,
    project: &str,
    config: &Config,
) -> Result<SchemaCache, SchemaError> {
    let mut pipeline = Pipeline::new();
    pipeline
        .execute(NAMES_WITH_SCHEMAS, &[])
        .query(FACTS, &parameters(config))
        .sync();
    parse(&ask(world, project, pipeline).await?)
}

/// Reads the names of time zones into the schema, unless they are there.
pub async fn load_timezones(
    world: &impl World,
    project: &str,
    schema: &SchemaCache,
) -> Result<(), SchemaError> {
    if schema.timezones.is_loaded() {
        return Ok(());
    }
    let mut pipeline = Pipeline::new();
    pipeline.query(TIMEZONES, &[]).sync();
    let answer = ask(world, project, pipeline).await?;
    let names: Option<HashSet<String>> = serde_json::from_slice(&answer)?;
    schema.timezones.fill(names.unwrap_or_default());
    Ok(())
}

/// The one value that the last statement answers.
async fn ask(
    world: &impl World,
    project: &str,
    pipeline: Pipeline,
) -> Result<bytes::Bytes, SchemaError> {
    let exchange = Exchange {
        messages: pipeline.finish()?,
        idempotent: true,
        transaction: None,
        hold: false,
    };
    let answer = world.exchange(project, exchange).await?;
    let results = Messages::new(answer).statements().await?.all()?;
    results
        .last()
        .and_then(|result| result.rows.first())
        .and_then(|row| row.bytes(0))
        .ok_or(SchemaError::NoAnswer)
}

/// A Postgres array of text, each element quoted.
fn array(elements: &[String]) -> String {
    let mut text = String::from("{");
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push('"');
        for character in element.chars() {
            if matches!(character, '"' | '\\') {
                text.push('\\');
            }
            text.push(character);
        }
        text.push('"');
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::array;

    fn check(elements: &[&str], expected: Expect) {
        let elements: Vec<_> = elements.iter().map(ToString::to_string).collect();
        expected.assert_eq(&array(&elements));
    }

    #[test]
    fn arrays_quote_every_element() {
        check(&[], expect!["{}"]);
        check(
            &["public", "My Schema"],
            expect![[r#"{"public","My Schema"}"#]],
        );
        check(
            &[r#"a"b"#, r"c\d", "e,f", "{g}", "null", ""],
            expect![[r#"{"a\"b","c\\d","e,f","{g}","null",""}"#]],
        );
    }
}
