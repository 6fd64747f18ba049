//! From a template's text to its nodes.

use std::{iter::Peekable, str::Chars};

use serde_json::Value;

use super::{
    Format, Node, TemplateError,
    escape::{Place, Reader},
    value::{Expression, Function},
};

/// Templates nest no deeper than this; more would be an attack on the stack.
const DEPTH: usize = 32;

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Action(Vec<Word>),
}

#[derive(Debug, Clone, PartialEq)]
enum Word {
    /// `.a.b` or `$.a`
    Path {
        root: bool,
        names: Vec<String>,
    },
    Name(String),
    Literal(Value),
    Open,
    Close,
    Pipe,
}

pub(super) fn template(text: &str, format: Format) -> Result<Vec<Node>, TemplateError> {
    let mut parser = Parser {
        pieces: pieces(text)?.into_iter().peekable(),
        reader: (format == Format::Html).then(Reader::default),
        depth: 0,
    };
    let (nodes, end) = parser.body()?;
    match end {
        None => Ok(nodes),
        Some(words) => Err(TemplateError(format!("unexpected {}", keyword(&words)))),
    }
}

struct Parser<I: Iterator<Item = Piece>> {
    pieces: Peekable<I>,
    reader: Option<Reader>,
    depth: usize,
}

impl<I: Iterator<Item = Piece>> Parser<I> {
    /// Reads up to an `else` or an `end`, which is given back, or to the end of the text.
    fn body(&mut self) -> Result<(Vec<Node>, Option<Vec<Word>>), TemplateError> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(TemplateError("nested too deeply".to_owned()));
        }
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let words = match piece {
                Piece::Text(text) => {
                    if let Some(reader) = &mut self.reader {
                        reader.read(&text);
                    }
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action(words) => words,
            };
            match keyword(&words) {
                "else" | "end" => {
                    self.depth -= 1;
                    return Ok((nodes, Some(words)));
                }
                "if" => nodes.push(self.conditions(&words[1..])?),
                "with" => {
                    let value = pipeline(&words[1..])?;
                    let (body, otherwise) = self.bodies()?;
                    nodes.push(Node::With {
                        value,
                        body,
                        otherwise,
                    });
                }
                "range" => {
                    let values = pipeline(&words[1..])?;
                    let (body, otherwise) = self.bodies()?;
                    nodes.push(Node::Range {
                        values,
                        body,
                        otherwise,
                    });
                }
                _ => {
                    let expression = pipeline(&words)?;
                    let place = self.reader.as_mut().map_or(Place::Plain, Reader::show);
                    nodes.push(Node::Show { expression, place });
                }
            }
        }
        self.depth -= 1;
        Ok((nodes, None))
    }

    fn conditions(&mut self, condition: &[Word]) -> Result<Node, TemplateError> {
        let mut branches = Vec::new();
        let mut condition = pipeline(condition)?;
        loop {
            let (body, end) = self.body()?;
            branches.push((condition, body));
            let end = end.ok_or_else(unended)?;
            condition = match (keyword(&end), end.get(1)) {
                ("end", None) => {
                    return Ok(Node::If {
                        branches,
                        otherwise: Vec::new(),
                    });
                }
                ("else", None) => {
                    let otherwise = self.last()?;
                    return Ok(Node::If {
                        branches,
                        otherwise,
                    });
                }
                ("else", Some(Word::Name(name))) if name == "if" => pipeline(&end[2..])?,
                _ => return Err(TemplateError("unexpected words after else".to_owned())),
            };
        }
    }

    /// The body, and the one after `else`.
    fn bodies(&mut self) -> Result<(Vec<Node>, Vec<Node>), TemplateError> {
        let (body, end) = self.body()?;
        let end = end.ok_or_else(unended)?;
        if keyword(&end) == "end" {
            return Ok((body, Vec::new()));
        }
        Ok((body, self.last()?))
    }

    fn last(&mut self) -> Result<Vec<Node>, TemplateError> {
        let (body, end) = self.body()?;
        match end {
            Some(words) if keyword(&words) == "end" => Ok(body),
            _ => Err(unended()),
        }
    }
}

fn unended() -> TemplateError {
    TemplateError("unexpected EOF: an {{ end }} is missing".to_owned())
}

fn keyword(words: &[Word]) -> &str {
    match words.first() {
        Some(Word::Name(name)) => name,
        _ => "",
    }
}

/// Commands between pipes: each value is the last argument of the next.
fn pipeline(words: &[Word]) -> Result<Expression, TemplateError> {
    let mut value = None;
    let mut at = 0;
    loop {
        value = Some(command(words, &mut at, value, 0)?);
        match words.get(at) {
            Some(Word::Pipe) => at += 1,
            Some(word) => return Err(TemplateError(format!("unexpected {word:?}"))),
            None => break,
        }
    }
    value.ok_or_else(missing)
}

fn missing() -> TemplateError {
    TemplateError("missing value for command".to_owned())
}

fn command(
    words: &[Word],
    at: &mut usize,
    piped: Option<Expression>,
    depth: usize,
) -> Result<Expression, TemplateError> {
    if let Some(Word::Name(name)) = words.get(*at) {
        let function = Function::named(name)
            .ok_or_else(|| TemplateError(format!("function {name:?} not defined")))?;
        *at += 1;
        let mut arguments = Vec::new();
        while !matches!(words.get(*at), None | Some(Word::Pipe | Word::Close)) {
            arguments.push(operand(words, at, depth)?);
        }
        arguments.extend(piped);
        return Ok(Expression::Call(function, arguments));
    }
    if piped.is_some() {
        return Err(TemplateError("a pipe leads to no function".to_owned()));
    }
    operand(words, at, depth)
}

fn operand(words: &[Word], at: &mut usize, depth: usize) -> Result<Expression, TemplateError> {
    let word = words.get(*at).ok_or_else(missing)?;
    *at += 1;
    match word {
        Word::Path { root: false, names } => Ok(Expression::Dot(names.clone())),
        Word::Path { root: true, names } => Ok(Expression::Root(names.clone())),
        Word::Literal(value) => Ok(Expression::Literal(value.clone())),
        Word::Open if depth < DEPTH => {
            let mut value = command(words, at, None, depth + 1)?;
            while words.get(*at) == Some(&Word::Pipe) {
                *at += 1;
                value = command(words, at, Some(value), depth + 1)?;
            }
            if words.get(*at) != Some(&Word::Close) {
                return Err(TemplateError("unclosed left paren".to_owned()));
            }
            *at += 1;
            Ok(value)
        }
        // A function without arguments.
        Word::Name(name) => Err(TemplateError(format!("unexpected {name:?}"))),
        Word::Open | Word::Close | Word::Pipe => Err(TemplateError(format!("unexpected {word:?}"))),
    }
}

/// Cuts a text at its braces.
fn pieces(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut trim = false;
    while let Some(begin) = rest.find("{{") {
        let (mut literal, action) = (&rest[..begin], &rest[begin + 2..]);
        if trim {
            literal = literal.trim_start();
        }
        let trims = |text: &str| {
            text.strip_prefix('-')
                .is_some_and(|after| after.starts_with(char::is_whitespace))
        };
        let action = if trims(action) {
            literal = literal.trim_end();
            &action[1..]
        } else {
            action
        };
        found.push(Piece::Text(literal.to_owned()));
        let comment = action.trim_start().strip_prefix("/*");
        let end = match comment {
            Some(comment) => comment
                .find("*/")
                .map(|at| action.len() - comment.len() + at + 2),
            None => end_of(action),
        };
        let end = end.ok_or_else(|| TemplateError("unclosed action".to_owned()))?;
        let (inside, after) = action.split_at(end);
        let (gap, after) = after
            .split_once("}}")
            .ok_or_else(|| TemplateError("unclosed action".to_owned()))?;
        let inside = if comment.is_some() { gap } else { inside };
        trim = inside.ends_with('-') && inside.trim_end_matches('-').ends_with(char::is_whitespace);
        if comment.is_none() {
            let inside = if trim {
                &inside[..inside.len() - 1]
            } else {
                inside
            };
            found.push(Piece::Action(words(inside)?));
        }
        rest = after;
    }
    found.push(Piece::Text(
        if trim { rest.trim_start() } else { rest }.to_owned(),
    ));
    found.retain(|piece| *piece != Piece::Text(String::new()));
    Ok(found)
}

/// Where the closing braces are, outside of strings.
fn end_of(action: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, character) in action.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some('"') if character == '\\' => escaped = true,
            Some(open) if character == open => quote = None,
            None if character == '"' || character == '`' => quote = Some(character),
            None if action[at..].starts_with("}}") => return Some(at),
            Some(_) | None => {}
        }
    }
    None
}

fn words(text: &str) -> Result<Vec<Word>, TemplateError> {
    let mut found = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(&character) = characters.peek() {
        let word = match character {
            _ if character.is_whitespace() => {
                characters.next();
                continue;
            }
            '(' | ')' | '|' => {
                characters.next();
                match character {
                    '(' => Word::Open,
                    ')' => Word::Close,
                    _ => Word::Pipe,
                }
            }
            '"' | '`' => Word::Literal(Value::String(string(&mut characters)?)),
            '.' | '$' => path(&mut characters)?,
            _ if character.is_ascii_digit() || character == '-' => {
                let digits = take(&mut characters, |c| {
                    c.is_ascii_alphanumeric() || "+-.".contains(c)
                });
                let number = serde_json::from_str(&digits)
                    .map_err(|_no_number| TemplateError(format!("bad number {digits:?}")))?;
                Word::Literal(Value::Number(number))
            }
            _ if character.is_alphabetic() || character == '_' => {
                let name = take(&mut characters, is_name);
                match name.as_str() {
                    "true" => Word::Literal(Value::Bool(true)),
                    "false" => Word::Literal(Value::Bool(false)),
                    "nil" => Word::Literal(Value::Null),
                    _ => Word::Name(name),
                }
            }
            other => {
                return Err(TemplateError(format!("unexpected {other:?} in an action")));
            }
        };
        found.push(word);
    }
    if found.is_empty() {
        return Err(missing());
    }
    Ok(found)
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn take(characters: &mut Peekable<Chars<'_>>, belongs: impl Fn(char) -> bool) -> String {
    let mut taken = String::new();
    while let Some(character) = characters.next_if(|&character| belongs(character)) {
        taken.push(character);
    }
    taken
}

fn path(characters: &mut Peekable<Chars<'_>>) -> Result<Word, TemplateError> {
    let root = characters.next_if_eq(&'$').is_some();
    let mut names = Vec::new();
    while characters.next_if_eq(&'.').is_some() {
        let name = take(characters, is_name);
        if !name.is_empty() {
            names.push(name);
        } else if root || !names.is_empty() {
            return Err(TemplateError("a name is missing after a dot".to_owned()));
        }
    }
    if root && names.is_empty() && characters.peek().is_some_and(|&next| is_name(next)) {
        return Err(TemplateError("variables are not supported".to_owned()));
    }
    Ok(Word::Path { root, names })
}

fn string(characters: &mut Peekable<Chars<'_>>) -> Result<String, TemplateError> {
    let unended = || TemplateError("unterminated quoted string".to_owned());
    let quote = characters.next().ok_or_else(unended)?;
    let mut text = String::new();
    loop {
        match characters.next().ok_or_else(unended)? {
            end if end == quote => return Ok(text),
            '\\' if quote == '"' => text.push(match characters.next().ok_or_else(unended)? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            }),
            other => text.push(other),
        }
    }
}
