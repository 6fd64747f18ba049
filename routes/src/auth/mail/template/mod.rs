//! Templates of messages, in the part of Go's language that templates of mails use.
//!
//! `{{ .Name }}`, `{{ .Data.name }}`, `{{ if }} {{ else if }} {{ else }} {{ end }}`, `{{ with }}`,
//! `{{ range }}`, comments, the functions in `value`, pipes, and `{{-` and `-}}` against blanks.
//! <https://pkg.go.dev/text/template>
//!
//! What is shown in HTML is escaped for the place where it is shown, as `html/template` does, so
//! that nothing that a user named becomes markup.

mod escape;
mod parse;
mod value;

use std::fmt;

use serde_json::Value;

use escape::{Place, escape};
use value::Expression;

/// Why a template cannot be used; the text is for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError(pub String);

impl fmt::Display for TemplateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for TemplateError {}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Text(String),
    Show {
        expression: Expression,
        place: Place,
    },
    /// The first branch whose condition is true, else the last.
    If {
        branches: Vec<(Expression, Vec<Self>)>,
        otherwise: Vec<Self>,
    },
    /// The body with the dot at the value, where that is not empty.
    With {
        value: Expression,
        body: Vec<Self>,
        otherwise: Vec<Self>,
    },
    /// The body for each element, with the dot at it.
    Range {
        values: Expression,
        body: Vec<Self>,
        otherwise: Vec<Self>,
    },
}

/// What a template makes, and so what is escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Html,
    Text,
}

/// A template that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Template(Vec<Node>);

impl Template {
    pub fn parse(text: &str, format: Format) -> Result<Self, TemplateError> {
        parse::template(text, format).map(Self)
    }

    /// What the template makes of an object's values.
    pub fn render(&self, values: &Value) -> Result<String, TemplateError> {
        let mut text = String::new();
        show(&self.0, values, values, &mut text)?;
        Ok(text)
    }
}

fn show(nodes: &[Node], root: &Value, dot: &Value, text: &mut String) -> Result<(), TemplateError> {
    for node in nodes {
        match node {
            Node::Text(literal) => text.push_str(literal),
            Node::Show { expression, place } => {
                let value = expression.evaluate(root, dot)?;
                text.push_str(&escape(&value, *place));
            }
            Node::If {
                branches,
                otherwise,
            } => {
                let mut chosen = otherwise;
                for (condition, body) in branches {
                    if value::is_true(&condition.evaluate(root, dot)?) {
                        chosen = body;
                        break;
                    }
                }
                show(chosen, root, dot, text)?;
            }
            Node::With {
                value,
                body,
                otherwise,
            } => {
                let value = value.evaluate(root, dot)?;
                if value::is_true(&value) {
                    show(body, root, &value, text)?;
                } else {
                    show(otherwise, root, dot, text)?;
                }
            }
            Node::Range {
                values,
                body,
                otherwise,
            } => {
                let values = match values.evaluate(root, dot)? {
                    Value::Array(values) => values,
                    Value::Object(values) => values.into_iter().map(|(_, value)| value).collect(),
                    Value::Null => Vec::new(),
                    other => {
                        return Err(TemplateError(format!("range can't iterate over {other}")));
                    }
                };
                if values.is_empty() {
                    show(otherwise, root, dot, text)?;
                }
                for value in &values {
                    show(body, root, value, text)?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
