//! Where a token's role is: `jwt-role-claim-key`.

use std::fmt;

use serde_json::{Map, Value};

/// A path into the claims: `.role`, `.app.roles[0]`, `."https://x/roles"[?(@ ^== "api_")]`.
///
/// Source: PostgREST, "JWT Role Extraction".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePath {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
    /// The first text of an array that fits; always the last step.
    Filter(Comparison, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    StartsWith,
    EndsWith,
    Contains,
}

/// A path that cannot be read; the text says where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePathError(String);

impl fmt::Display for RolePathError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "not a path into claims at \"{}\"", self.0)
    }
}

impl std::error::Error for RolePathError {}

impl RolePath {
    pub fn parse(text: &str) -> Result<Self, RolePathError> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (step, after) = parse_step(rest).ok_or_else(|| RolePathError(rest.to_owned()))?;
            let is_filter = matches!(step, Step::Filter(..));
            let starts_with_key = !steps.is_empty() || matches!(step, Step::Key(_));
            if !starts_with_key || (is_filter && !after.is_empty()) {
                return Err(RolePathError(rest.to_owned()));
            }
            steps.push(step);
            rest = after;
        }
        if steps.is_empty() {
            return Err(RolePathError(String::new()));
        }
        Ok(Self { steps })
    }

    /// The value at the path, if the claims have one.
    pub fn find<'claims>(&self, claims: &'claims Map<String, Value>) -> Option<&'claims Value> {
        let (first, steps) = self.steps.split_first()?;
        let Step::Key(first) = first else {
            return None;
        };
        steps
            .iter()
            .try_fold(claims.get(first)?, |value, step| match step {
                Step::Key(key) => value.as_object()?.get(key),
                Step::Index(index) => value.as_array()?.get(*index),
                Step::Filter(comparison, text) => value.as_array()?.iter().find(|value| {
                    value
                        .as_str()
                        .is_some_and(|value| comparison.fits(value, text))
                }),
            })
    }
}

impl Comparison {
    const ALL: [(&'static str, Self); 5] = [
        ("==^", Self::EndsWith),
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
        ("^==", Self::StartsWith),
        ("*==", Self::Contains),
    ];

    fn fits(self, value: &str, text: &str) -> bool {
        match self {
            Self::Equal => value == text,
            Self::NotEqual => value != text,
            Self::StartsWith => value.starts_with(text),
            Self::EndsWith => value.ends_with(text),
            Self::Contains => value.contains(text),
        }
    }
}

fn parse_step(text: &str) -> Option<(Step, &str)> {
    if let Some(rest) = text.strip_prefix('.') {
        if rest.starts_with('"') {
            let (key, rest) = quoted(rest)?;
            return Some((Step::Key(key.to_owned()), rest));
        }
        let plain = |c: char| c.is_alphanumeric() || "_$@".contains(c);
        let end = rest.find(|c| !plain(c)).unwrap_or(rest.len());
        let (key, rest) = rest.split_at(end);
        return (!key.is_empty()).then(|| (Step::Key(key.to_owned()), rest));
    }
    if let Some(rest) = text.strip_prefix("[?(") {
        let rest = rest.trim_start().strip_prefix('@')?.trim_start();
        let (comparison, rest) = Comparison::ALL
            .iter()
            .find_map(|(sign, comparison)| Some((*comparison, rest.strip_prefix(sign)?)))?;
        let (value, rest) = quoted(rest.trim_start())?;
        let rest = rest.trim_start().strip_prefix(")]")?;
        return Some((Step::Filter(comparison, value.to_owned()), rest));
    }
    let (index, rest) = text.strip_prefix('[')?.split_once(']')?;
    let digits = index.bytes().all(|byte| byte.is_ascii_digit());
    let index = index.parse().ok().filter(|_| digits)?;
    Some((Step::Index(index), rest))
}

fn quoted(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('"')?.split_once('"')
}
