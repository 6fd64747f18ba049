//! Where in HTML a value is shown, and how it is escaped there.
//! <https://pkg.go.dev/html/template#hdr-Contexts>

use std::fmt::Write as _;

use serde_json::Value;

use super::value;

/// What stands for an address that must not be followed from a mail.
const UNSAFE: &str = "#ZgotmplZ";
const URL_ATTRIBUTES: [&str; 14] = [
    "action",
    "archive",
    "background",
    "cite",
    "classid",
    "codebase",
    "data",
    "formaction",
    "href",
    "icon",
    "longdesc",
    "poster",
    "src",
    "usemap",
];

/// Where a value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// No HTML at all.
    Plain,
    /// Between tags.
    Text,
    /// In an attribute.
    Attribute { quoted: bool },
    /// In an attribute that is an address.
    Url { quoted: bool, part: Part },
    /// In a script, as a literal.
    Script,
    /// In a comment, a style or a name of a tag: not shown at all.
    Nowhere,
}

/// How far in an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// At its beginning, where the scheme is.
    Begin,
    Path,
    /// After `?` or `#`.
    Query,
}

/// A value as it is shown in a place.
pub(super) fn escape(value: &Value, place: Place) -> String {
    let text = value::text(value);
    match place {
        Place::Plain => text,
        Place::Text => html(&text),
        Place::Attribute { quoted } => attribute(&text, quoted),
        Place::Url { quoted, part } => {
            let address = match part {
                Part::Begin if !is_safe(&text) => UNSAFE.to_owned(),
                Part::Begin | Part::Path => encode(&text, true),
                Part::Query => encode(&text, false),
            };
            attribute(&address, quoted)
        }
        Place::Script => value
            .to_string()
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026")
            .replace('\u{2028}', "\\u2028")
            .replace('\u{2029}', "\\u2029"),
        Place::Nowhere => String::new(),
    }
}

/// A text that is no markup.
pub(super) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\0' => escaped.push('\u{fffd}'),
            '"' => escaped.push_str("&#34;"),
            '&' => escaped.push_str("&amp;"),
            '\'' => escaped.push_str("&#39;"),
            '+' => escaped.push_str("&#43;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn attribute(text: &str, quoted: bool) -> String {
    let mut escaped = html(text);
    if !quoted {
        for (character, entity) in [
            ('\t', "&#9;"),
            ('\n', "&#10;"),
            ('\u{c}', "&#12;"),
            ('\r', "&#13;"),
            (' ', "&#32;"),
            ('=', "&#61;"),
            ('`', "&#96;"),
        ] {
            escaped = escaped.replace(character, entity);
        }
    }
    escaped
}

/// Whether an address is one of the web, of mail, or relative.
fn is_safe(address: &str) -> bool {
    match address.split_once(':') {
        Some((scheme, _)) if !scheme.contains('/') => ["http", "https", "mailto"]
            .iter()
            .any(|safe| scheme.eq_ignore_ascii_case(safe)),
        _ => true,
    }
}

/// Percent-encodes all that an address, or one value in it, cannot have.
fn encode(text: &str, is_address: bool) -> String {
    let bytes = text.as_bytes();
    let is_hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let mut encoded = String::with_capacity(text.len());
    for (at, &byte) in bytes.iter().enumerate() {
        let kept = match byte {
            b'-' | b'.' | b'_' | b'~' => true,
            b'%' => is_address && is_hex(at + 1) && is_hex(at + 2),
            b'!' | b'#' | b'$' | b'&' | b'*' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?'
            | b'@' | b'[' | b']' => is_address,
            other => other.is_ascii_alphanumeric(),
        };
        if kept {
            encoded.push(char::from(byte));
        } else {
            // A text takes whatever is written to it.
            let _ = write!(encoded, "%{byte:02x}");
        }
    }
    encoded
}

/// Reads a template's own HTML and knows where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reader {
    state: State,
    /// The element whose tag is read, or whose raw text.
    element: String,
    attribute: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    Comment,
    /// Inside a tag's name.
    Name,
    /// Between attributes.
    Tag,
    AttributeName,
    /// After an attribute's name or `=`.
    BeforeValue,
    Value {
        quote: Option<char>,
        part: Part,
    },
    /// In a script or a style.
    Raw,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            state: State::Text,
            element: String::new(),
            attribute: String::new(),
        }
    }
}

impl Reader {
    /// The place of a value that stands here; reading goes on after it.
    pub(super) fn show(&mut self) -> Place {
        if self.state == State::BeforeValue {
            self.state = State::Value {
                quote: None,
                part: Part::Begin,
            };
        }
        match self.state {
            State::Text => Place::Text,
            State::Raw if self.element == "script" => Place::Script,
            State::Value { quote, part } => {
                let quoted = quote.is_some();
                if part == Part::Begin {
                    self.state = State::Value {
                        quote,
                        part: Part::Path,
                    };
                }
                if self.attribute.starts_with("on") || self.attribute == "style" {
                    Place::Nowhere
                } else if URL_ATTRIBUTES.contains(&self.attribute.as_str()) {
                    Place::Url { quoted, part }
                } else {
                    Place::Attribute { quoted }
                }
            }
            State::Comment
            | State::Name
            | State::Tag
            | State::AttributeName
            | State::BeforeValue
            | State::Raw => Place::Nowhere,
        }
    }

    /// Reads on.
    pub(super) fn read(&mut self, html: &str) {
        let mut rest = html;
        while let Some(character) = rest.chars().next() {
            let mut length = character.len_utf8();
            match self.state {
                State::Text => {
                    if rest.starts_with("<!--") {
                        self.state = State::Comment;
                        length = 4;
                    } else if character == '<' {
                        self.state = State::Name;
                        self.element.clear();
                    }
                }
                State::Comment => {
                    if rest.starts_with("-->") {
                        self.state = State::Text;
                        length = 3;
                    }
                }
                State::Raw => {
                    let end = format!("</{}", self.element);
                    let begin = rest.get(..end.len());
                    if begin.is_some_and(|begin| begin.eq_ignore_ascii_case(&end)) {
                        self.state = State::Name;
                        self.element.clear();
                    }
                }
                State::Name | State::Tag | State::AttributeName | State::BeforeValue
                    if character == '>' =>
                {
                    self.close();
                }
                State::Name if character.is_whitespace() => self.state = State::Tag,
                State::Name => self.element.push(character.to_ascii_lowercase()),
                State::Tag if character.is_whitespace() || character == '/' => {}
                State::Tag => {
                    self.attribute = character.to_ascii_lowercase().to_string();
                    self.state = State::AttributeName;
                }
                State::AttributeName if character == '=' => self.state = State::BeforeValue,
                State::AttributeName if character.is_whitespace() => self.state = State::Tag,
                State::AttributeName => self.attribute.push(character.to_ascii_lowercase()),
                State::BeforeValue if character.is_whitespace() => {}
                State::BeforeValue if character == '"' || character == '\'' => {
                    self.state = State::Value {
                        quote: Some(character),
                        part: Part::Begin,
                    };
                }
                State::BeforeValue => {
                    self.state = State::Value {
                        quote: None,
                        part: Part::Begin,
                    };
                    length = 0;
                }
                State::Value {
                    quote: Some(quote), ..
                } if character == quote => {
                    self.state = State::Tag;
                }
                State::Value { quote: None, .. } if character.is_whitespace() => {
                    self.state = State::Tag;
                }
                State::Value { quote: None, .. } if character == '>' => self.close(),
                State::Value { quote, part } => {
                    let part = match character {
                        '?' | '#' => Part::Query,
                        _ if part == Part::Begin => Part::Path,
                        _ => part,
                    };
                    self.state = State::Value { quote, part };
                }
            }
            rest = &rest[length..];
        }
    }

    fn close(&mut self) {
        let raw = ["script", "style"].contains(&self.element.as_str());
        self.state = if raw { State::Raw } else { State::Text };
    }
}
