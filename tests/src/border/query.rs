//! Query strings: what is parsed, rendered and parsed again means the same.

use routes::{
    ApiError,
    rest::query::{LogicTree, Query, QueryError},
};

use super::render;

/// Any bytes as a query string.
pub fn query_string(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for call_by_url in [false, true] {
        check(&text, call_by_url);
    }
}

/// Any bytes as the value of `or=`.
pub fn logic_tree(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    check(&format!("or={}", render::encoded(&text)), false);
}

fn check(text: &str, call_by_url: bool) {
    let query = match Query::parse(text, call_by_url) {
        Ok(query) => query,
        Err(error) => return explained(error),
    };
    // A key that ends in `.or` without being one puts a filter where a group belongs; there is no
    // other way to write that.
    if query
        .logic
        .iter()
        .any(|(_, tree)| matches!(tree, LogicTree::Filter(_)))
    {
        return;
    }
    let rendered = render::query(&query);
    let mut again = Query::parse(&rendered, call_by_url)
        .unwrap_or_else(|error| panic!("{text:?} as {rendered:?}: {error:?}"));
    again.canonical.clone_from(&query.canonical);
    assert_eq!(again, query, "{text:?} as {rendered:?}");
}

/// Every refusal says what was met or expected, in one line.
fn explained(error: QueryError) {
    let is_syntax = matches!(error, QueryError::Syntax { .. });
    let error = ApiError::from(error);
    assert!(error.status.is_client_error());
    assert!(!error.message.is_empty());
    if is_syntax {
        let details = error.details.expect("a syntax error has details");
        let details = details.as_str().expect("details are text");
        assert!(
            details.starts_with("unexpected ") || details.contains("nesting"),
            "{details}"
        );
    }
}
