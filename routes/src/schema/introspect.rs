//! The question to the database, and its asking.

use std::collections::HashSet;

use bytes::Bytes;

use super::{Mark, SchemaCache, SchemaError, Snapshot, kept};
use crate::{
    config::Config,
    wire::{Messages, Parameter, Pipeline, StatementResult},
    world::{Exchange, World},
};

/// Makes Postgres print every name with its schema, until the transaction's end. It stands before
/// [`FACTS`].
const NAMES_WITH_SCHEMAS: &str = "SELECT set_config('search_path', '', true)";

/// Everything about the database as one JSON object, which `parse::parse()` reads. It takes
/// [`parameters`].
pub(super) const FACTS: &str = include_str!("introspect.sql");

/// The state of everything that `FACTS` rests on, as one short text.
pub const STATE: &str = include_str!("state.sql");

const TIMEZONES: &str = "SELECT json_agg(name) FROM pg_timezone_names";

/// The parameters of [`FACTS`] under a configuration.
pub(super) fn parameters(config: &Config) -> [Parameter; 4] {
    [
        array(&config.db_schemas).into(),
        array(&config.db_extra_search_path).into(),
        array(&config.db_hoisted_tx_settings).into(),
        config.db_authenticator.as_deref().into(),
    ]
}

/// Reads the schema of `project` as it is now, and keeps it for a later life of the gateway.
pub async fn load(
    world: &impl World,
    project: &str,
    config: &Config,
) -> Result<Snapshot, SchemaError> {
    let mut pipeline = Pipeline::new();
    question(&mut pipeline, config);
    let results = ask(world, project, pipeline).await?;
    answered(world, project, config, &results)
}

/// Asks for the state and the facts, in one transaction.
pub fn question(pipeline: &mut Pipeline, config: &Config) {
    pipeline
        .query(STATE, &[])
        .execute(NAMES_WITH_SCHEMAS, &[])
        .query(FACTS, &parameters(config))
        .sync();
}

/// Reads what was answered to [`question`], and keeps it for a later life of the gateway.
pub fn answered(
    world: &impl World,
    project: &str,
    config: &Config,
    results: &[StatementResult],
) -> Result<Snapshot, SchemaError> {
    let (Some(state), Some(facts)) = (state(results), value(results.last())) else {
        return Err(SchemaError::NoAnswer);
    };
    let mark = Mark::of(&state, config);
    let snapshot = Snapshot::read(mark, &facts)?;
    world.keep(project, kept(mark, &facts));
    Ok(snapshot)
}

/// The state that the first statement answered.
pub fn state(results: &[StatementResult]) -> Option<Bytes> {
    value(results.first())
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
    let results = ask(world, project, pipeline).await?;
    let names = value(results.last()).ok_or(SchemaError::NoAnswer)?;
    let names: Option<HashSet<String>> = serde_json::from_slice(&names)?;
    schema.timezones.fill(names.unwrap_or_default());
    Ok(())
}

async fn ask(
    world: &impl World,
    project: &str,
    pipeline: Pipeline,
) -> Result<Vec<StatementResult>, SchemaError> {
    let exchange = Exchange {
        messages: pipeline.finish()?,
        idempotent: true,
        transaction: None,
        hold: false,
    };
    let answer = world.exchange(project, exchange).await?;
    Ok(Messages::new(answer).statements().await?.all()?)
}

/// The one value that a statement answered.
fn value(result: Option<&StatementResult>) -> Option<Bytes> {
    result?.rows.first()?.bytes(0)
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
