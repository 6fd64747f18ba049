//! Settings of the transaction: who asks, how, and what the response says back.

use super::writer::{Writer, quoted};
use crate::{database::Statement, schema::QualifiedName};

/// The call of the function that runs before every request.
pub fn pre_request(function: &str) -> Statement {
    let name = match function.split_once('.') {
        Some((schema, name)) => QualifiedName::new(schema, name),
        None => QualifiedName::new("", function),
    };
    let mut writer = Writer::default();
    writer.raw("SELECT ").name(&name).raw("()");
    writer.finish()
}

/// The value of `search_path`.
pub fn search_path<'a>(schemas: impl IntoIterator<Item = &'a String>) -> String {
    let schemas: Vec<_> = schemas.into_iter().map(|schema| quoted(schema)).collect();
    schemas.join(", ")
}

/// The settings by which SQL may change the response, read after everything else ran.
pub(super) fn response(writer: &mut Writer) {
    writer.raw(
        ", nullif(current_setting('response.headers', true), '') AS headers, \
         nullif(current_setting('response.status', true), '') AS status",
    );
}
