//! Why a text was refused, and how `PostgREST`'s parser library (Parsec) words it.

use std::fmt::{self, Write as _};

/// One thing a parser has to say about a position.
///
/// The order is the order of the report: what was met, what was forbidden, what would have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Message {
    /// The character that no rule takes; `None` at the end of the text.
    Met(Option<char>),
    /// A character that a rule forbids.
    Forbidden(char),
    /// A text that would have been taken, shown in quotes.
    Text(&'static str),
    /// A rule by its name.
    Rule(&'static str),
    /// Anything else, as it stands.
    Remark(&'static str),
}

impl Message {
    /// Where its kind stands in a report.
    const fn rank(self) -> u8 {
        match self {
            Self::Met(_) => 0,
            Self::Forbidden(_) => 1,
            Self::Text(_) | Self::Rule(_) => 2,
            Self::Remark(_) => 3,
        }
    }

    const fn is_expectation(self) -> bool {
        matches!(self, Self::Text(_) | Self::Rule(_))
    }
}

/// What was met and expected at the furthest position that said anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Failure {
    /// A byte offset into the text.
    pub(super) position: usize,
    pub(super) messages: Vec<Message>,
}

impl Failure {
    pub(super) const fn silent(position: usize) -> Self {
        Self {
            position,
            messages: Vec::new(),
        }
    }

    pub(super) const fn is_silent(&self) -> bool {
        self.messages.is_empty()
    }

    /// Adds what another rule says: the further position wins, and at the same one both speak.
    pub(super) fn merge(&mut self, position: usize, messages: &[Message]) {
        if messages.is_empty() {
            return;
        }
        if self.is_silent() || position > self.position {
            self.messages.clear();
            self.position = position;
        } else if position < self.position {
            return;
        }
        for message in messages {
            if !self.messages.contains(message) {
                self.messages.push(*message);
            }
        }
    }

    /// Replaces every expectation by the name of the rule they belong to.
    pub(super) fn expect_rule(&mut self, name: &'static str) {
        self.messages.retain(|message| !message.is_expectation());
        self.messages.insert(0, Message::Rule(name));
    }

    /// `(line 1, column 4)`: a tab goes to the next multiple of eight, as Parsec counts.
    pub(super) fn place(&self, text: &str) -> String {
        let (mut line, mut column) = (1_usize, 1_usize);
        for character in text.get(..self.position).unwrap_or(text).chars() {
            match character {
                '\n' => (line, column) = (line + 1, 1),
                '\t' => column += 8 - (column - 1) % 8,
                _ => column += 1,
            }
        }
        format!("(line {line}, column {column})")
    }
}

impl fmt::Display for Failure {
    /// `unexpected "x" expecting a, b or c`
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut messages = self.messages.clone();
        messages.sort_by_key(|message| message.rank());
        let of_rank = |rank| {
            messages
                .iter()
                .filter(move |message| message.rank() == rank)
        };
        let mut parts = Vec::new();
        let forbidden = of_rank(1).map(shown).collect::<Vec<_>>();
        match (forbidden.as_slice(), of_rank(0).next()) {
            ([], None) => {}
            ([], Some(met)) => parts.push(format!("unexpected {}", shown(met))),
            (several, _) => parts.push(format!("unexpected {}", alternatives(several))),
        }
        let expected = of_rank(2).map(shown).collect::<Vec<_>>();
        if !expected.is_empty() {
            parts.push(format!("expecting {}", alternatives(&expected)));
        }
        parts.extend(of_rank(3).map(shown));
        if parts.is_empty() {
            parts.push("unknown parse error".to_owned());
        }
        formatter.write_str(&parts.join(" "))
    }
}

fn shown(message: &Message) -> String {
    match message {
        Message::Met(None) => "end of input".to_owned(),
        Message::Met(Some(character)) => quoted('"', &character.to_string()),
        Message::Forbidden(character) => quoted('\'', &character.to_string()),
        Message::Text(text) => quoted('"', text),
        Message::Rule(name) | Message::Remark(name) => (*name).to_owned(),
    }
}

/// `a, b or c`
fn alternatives(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// A text as Haskell's `show` prints it, in the given quotes.
fn quoted(quote: char, text: &str) -> String {
    const CONTROL: [&str; 32] = [
        "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "a", "b", "t", "n", "v", "f", "r", "SO",
        "SI", "DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC",
        "FS", "GS", "RS", "US",
    ];
    let mut shown = String::from(quote);
    for character in text.chars() {
        match character {
            '\\' => shown.push_str("\\\\"),
            '\u{7f}' => shown.push_str("\\DEL"),
            _ if character == quote => {
                shown.push('\\');
                shown.push(quote);
            }
            ' '..='~' => shown.push(character),
            _ => {
                let code = u32::from(character);
                let control = usize::try_from(code)
                    .ok()
                    .and_then(|code| CONTROL.get(code));
                shown.push('\\');
                match control {
                    Some(name) => shown.push_str(name),
                    None => _ = write!(shown, "{code}"),
                }
            }
        }
    }
    shown.push(quote);
    shown
}
