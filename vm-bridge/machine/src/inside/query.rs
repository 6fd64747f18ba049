//! What a query says.

use std::str::FromStr;

use http::Uri;

/// Names and values, as they are written: those that are asked for here need no escapes but a name's.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn of(uri: &Uri) -> Self {
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), value.to_owned())
        };
        let query = uri.query().unwrap_or_default();
        Self(query.split('&').map(pair).collect())
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        let found = self
            .0
            .iter()
            .find(|(of, value)| of == name && !value.is_empty());
        found.map(|(_, value)| value.clone())
    }

    pub(super) fn number<Number: FromStr>(&self, name: &str) -> Option<Number> {
        self.text(name)?.parse().ok()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.text(name)
            .is_some_and(|value| value == "true" || value == "1")
    }
}
