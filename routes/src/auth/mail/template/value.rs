//! What stands between the braces, and its value.
//!
//! Functions: `eq`, `ne`, `lt`, `le`, `gt`, `ge`, `and`, `or`, `not`, `len`, `index`, `print`,
//! `html`, `urlquery`.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::{TemplateError, escape};
use crate::auth::redirect;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    /// `.a.b`; without names the dot itself.
    Dot(Vec<String>),
    /// `$.a.b`, from the outermost value.
    Root(Vec<String>),
    Literal(Value),
    Call(Function, Vec<Self>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
    Not,
    Len,
    Index,
    Print,
    Html,
    UrlQuery,
}

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            "lt" => Self::Lt,
            "le" => Self::Le,
            "gt" => Self::Gt,
            "ge" => Self::Ge,
            "and" => Self::And,
            "or" => Self::Or,
            "not" => Self::Not,
            "len" => Self::Len,
            "index" => Self::Index,
            "print" => Self::Print,
            "html" => Self::Html,
            "urlquery" => Self::UrlQuery,
            _ => return None,
        })
    }
}

impl Expression {
    pub(super) fn evaluate(&self, root: &Value, dot: &Value) -> Result<Value, TemplateError> {
        match self {
            Self::Dot(names) => field(dot, names),
            Self::Root(names) => field(root, names),
            Self::Literal(value) => Ok(value.clone()),
            Self::Call(function, arguments) => {
                let arguments = arguments
                    .iter()
                    .map(|argument| argument.evaluate(root, dot));
                call(*function, arguments.collect::<Result<_, _>>()?)
            }
        }
    }
}

/// A missing name is no value; a name of what has none is a mistake.
fn field(value: &Value, names: &[String]) -> Result<Value, TemplateError> {
    let mut value = value;
    for name in names {
        value = match value {
            Value::Object(fields) => fields.get(name).unwrap_or(&Value::Null),
            Value::Null => &Value::Null,
            _ => return Err(TemplateError(format!("can't evaluate field {name}"))),
        };
    }
    Ok(value.clone())
}

fn call(function: Function, arguments: Vec<Value>) -> Result<Value, TemplateError> {
    let wrong = || TemplateError(format!("wrong number of arguments for {function:?}"));
    let compared = |expected: &[Ordering]| match arguments.as_slice() {
        [one, other] => match compare(one, other) {
            Some(ordering) => Ok(Value::Bool(expected.contains(&ordering))),
            None => Err(TemplateError(format!("cannot compare {one} and {other}"))),
        },
        _ => Err(wrong()),
    };
    match function {
        Function::Eq => match arguments.split_first() {
            Some((first, others)) if !others.is_empty() => Ok(Value::Bool(
                others.iter().any(|other| is_same(first, other)),
            )),
            _ => Err(wrong()),
        },
        Function::Ne => match arguments.as_slice() {
            [one, other] => Ok(Value::Bool(!is_same(one, other))),
            _ => Err(wrong()),
        },
        Function::Lt => compared(&[Ordering::Less]),
        Function::Le => compared(&[Ordering::Less, Ordering::Equal]),
        Function::Gt => compared(&[Ordering::Greater]),
        Function::Ge => compared(&[Ordering::Greater, Ordering::Equal]),
        Function::And | Function::Or => {
            let decides = |value: &Value| is_true(value) == (function == Function::Or);
            let last = arguments.last().cloned().ok_or_else(wrong)?;
            let found = arguments.into_iter().find(decides);
            Ok(found.unwrap_or(last))
        }
        Function::Not => match arguments.as_slice() {
            [one] => Ok(Value::Bool(!is_true(one))),
            _ => Err(wrong()),
        },
        Function::Len => match arguments.as_slice() {
            [Value::String(text)] => Ok(text.len().into()),
            [Value::Array(values)] => Ok(values.len().into()),
            [Value::Object(fields)] => Ok(fields.len().into()),
            _ => Err(wrong()),
        },
        Function::Index => {
            let (first, keys) = arguments.split_first().ok_or_else(wrong)?;
            keys.iter().try_fold(first.clone(), |value, key| {
                let found = match (&value, key) {
                    (Value::Object(fields), Value::String(name)) => {
                        Some(fields.get(name).cloned().unwrap_or_default())
                    }
                    (Value::Array(values), Value::Number(number)) => number
                        .as_u64()
                        .and_then(|at| values.get(usize::try_from(at).ok()?).cloned()),
                    _ => None,
                };
                found.ok_or_else(|| TemplateError(format!("cannot index {value} with {key}")))
            })
        }
        Function::Print => Ok(Value::String(arguments.iter().map(text).collect())),
        Function::Html => {
            let text: String = arguments.iter().map(text).collect();
            Ok(Value::String(escape::html(&text)))
        }
        Function::UrlQuery => {
            let text: String = arguments.iter().map(text).collect();
            Ok(Value::String(redirect::encode(&text)))
        }
    }
}

/// Whether a value is more than nothing: not false, 0, "" or empty.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (one, other) => one == other,
    }
}

fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    let number = |number: &Number| number.as_f64();
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => number(one)?.partial_cmp(&number(other)?),
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

/// A value as a reader sees it: a text without quotes, nothing for no value.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
