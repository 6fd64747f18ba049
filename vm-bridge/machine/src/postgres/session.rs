//! What a connection's client believes to be in its session, and what is put there again before each
//! exchange: between two exchanges of different clients the one session there is is reset.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};

use super::{
    guard::{self, Leaves},
    message::{self, Message, Report, put, put_query},
};

/// Settings that are done again before each exchange.
const MOST_SETTINGS: usize = 100;
/// Statements that are prepared, and bytes of them.
const MOST_STATEMENTS: usize = 1_000;
const MOST_BYTES: usize = 16 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Session {
    role: String,
    /// Of the role, and what the client opened with; by name.
    opened_with: Vec<(String, String)>,
    /// The text that made a setting, by the setting's name; in the order in which they were made.
    settings: Vec<(String, String)>,
    /// The Parse message of each named statement.
    statements: BTreeMap<String, Bytes>,
    bytes: usize,
}

/// What messages leave behind if they succeed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Left(Vec<(Leaves, String)>);

impl Session {
    pub(super) fn new(role: &str, opened_with: Vec<(String, String)>) -> Self {
        Self {
            role: role.to_owned(),
            opened_with,
            ..Self::default()
        }
    }

    pub(super) fn role(&self) -> &str {
        &self.role
    }

    /// Settings that the role has go before those that the client opened with.
    pub(super) fn role_has(&mut self, mut settings: Vec<(String, String)>) {
        settings.append(&mut self.opened_with);
        self.opened_with = settings;
    }

    /// Queries that make the session this one's, in a new exchange; how many they are.
    ///
    /// **Invariant:** what follows them never runs as anybody but the role, or as `anon` where there
    /// is no such role any more: that was made first, and cannot fail.
    pub(super) fn prelude(&self, messages: &mut BytesMut) -> usize {
        put_query(messages, "set session authorization anon");
        let role = identifier(&self.role);
        put_query(messages, &format!("set session authorization {role}"));
        let mut count = 2;
        if !self.opened_with.is_empty() {
            let set = |(name, value): &(String, String)| {
                format!("set_config({}, {}, false)", literal(name), literal(value))
            };
            let all: Vec<_> = self.opened_with.iter().map(set).collect();
            put_query(messages, &format!("select {}", all.join(", ")));
            count += 1;
        }
        for (_, sql) in &self.settings {
            put_query(messages, sql);
            count += 1;
        }
        count
    }

    /// Prepares again what these messages use, do not prepare themselves, and is not in the session
    /// still; how many that is. `there` has what is in the session, and what will be.
    pub(super) fn prepare(
        &self,
        batch: &[Message],
        there: &mut BTreeSet<String>,
        messages: &mut BytesMut,
    ) -> usize {
        let mut count = 0;
        for message in batch {
            if message.kind == b'P' {
                there.extend(first_text(message).map(str::to_owned));
            } else if let Some(name) = used(message)
                && let Some(parse) = self.statements.get(name)
                && there.insert(name.to_owned())
            {
                // It may be there, where what prepared it failed later on.
                let close = [b"S", name.as_bytes(), b"\0"].concat();
                put(messages, b'C', &close);
                messages.extend_from_slice(parse);
                count += 1;
            }
        }
        count
    }

    /// Looks at a message before it is run: why it is not, or what it leaves behind.
    pub(super) fn look(&mut self, message: &Message, left: &mut Left) -> Result<(), Report> {
        let mut contents = message.contents();
        let broken = || Report::fatal("08P01", "invalid frontend message");
        match message.kind {
            b'Q' => {
                let sql = message::text(&mut contents).ok_or_else(broken)?;
                statement(sql, left)
            }
            b'P' => {
                let name = message::text(&mut contents).ok_or_else(broken)?;
                let sql = message::text(&mut contents).ok_or_else(broken)?;
                statement(sql, left)?;
                if name.is_empty() {
                    return Ok(());
                }
                let before = self.statements.get(name).map_or(0, Bytes::len);
                let bytes = self.bytes - before + message.whole.len();
                if bytes > MOST_BYTES || self.statements.len() >= MOST_STATEMENTS && before == 0 {
                    let text = "too many prepared statements";
                    return Err(Report::error("53400", text));
                }
                self.bytes = bytes;
                let parse = message.whole.clone();
                self.statements.insert(name.to_owned(), parse);
                Ok(())
            }
            b'C' if contents.first() == Some(&b'S') => {
                contents = contents.get(1..).unwrap_or_default();
                let name = message::text(&mut contents).ok_or_else(broken)?;
                if let Some(parse) = self.statements.remove(name) {
                    self.bytes -= parse.len();
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What was run succeeded: what it left is done again before the next exchange.
    pub(super) fn keep(&mut self, left: Left) {
        for (leaves, sql) in left.0 {
            match leaves {
                Leaves::Setting { name } => {
                    self.settings.retain(|(of, _)| *of != name);
                    if self.settings.len() < MOST_SETTINGS {
                        self.settings.push((name, sql));
                    }
                }
                Leaves::Reset { name: Some(name) } => self.settings.retain(|(of, _)| *of != name),
                Leaves::Reset { name: None } => self.settings.clear(),
            }
        }
    }
}

fn statement(sql: &str, left: &mut Left) -> Result<(), Report> {
    if let Some(report) = guard::refuse(sql) {
        return Err(report);
    }
    if let Some(leaves) = guard::leaves(sql) {
        left.0.push((leaves, sql.to_owned()));
    }
    Ok(())
}

fn first_text(message: &Message) -> Option<&str> {
    message::text(&mut message.contents())
}

/// The named statement that a message uses.
fn used(message: &Message) -> Option<&str> {
    let mut contents = message.contents();
    let name = match message.kind {
        b'B' => {
            message::text(&mut contents)?;
            message::text(&mut contents)?
        }
        b'D' if contents.first() == Some(&b'S') => {
            contents = contents.get(1..)?;
            message::text(&mut contents)?
        }
        _ => return None,
    };
    (!name.is_empty()).then_some(name)
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Written so that it means the same whatever the session's settings are.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message_of(kind: u8, contents: &[u8]) -> Message {
        let mut buffer = BytesMut::new();
        put(&mut buffer, kind, contents);
        message::message(&mut buffer).unwrap().unwrap()
    }

    fn run(session: &mut Session, message: &Message) {
        let mut left = Left::default();
        session.look(message, &mut left).unwrap();
        session.keep(left);
    }

    fn prelude(session: &Session) -> Vec<String> {
        let mut bytes = BytesMut::new();
        let count = session.prelude(&mut bytes);
        let queries: Vec<_> = std::iter::from_fn(|| message::message(&mut bytes).unwrap())
            .map(|query| first_text(&query).unwrap().to_owned())
            .collect();
        assert_eq!(queries.len(), count);
        queries
    }

    #[test]
    fn a_session_is_made_again() {
        let opened = vec![("application_name".to_owned(), "it's \\".to_owned())];
        let mut session = Session::new("a\"b", opened);
        session.role_has(vec![("search_path".to_owned(), "x".to_owned())]);
        run(&mut session, &message_of(b'Q', b"set timezone to 'UTC'\0"));
        run(&mut session, &message_of(b'Q', b"set a.b = 1\0"));
        run(&mut session, &message_of(b'Q', b"set timezone to 'CET'\0"));
        run(&mut session, &message_of(b'Q', b"set c = 1\0"));
        run(&mut session, &message_of(b'Q', b"reset c\0"));
        assert_eq!(
            prelude(&session),
            [
                "set session authorization anon",
                "set session authorization \"a\"\"b\"",
                r"select set_config(E'search_path', E'x', false), set_config(E'application_name', E'it\'s \\', false)",
                "set a.b = 1",
                "set timezone to 'CET'",
            ]
        );
        run(&mut session, &message_of(b'Q', b"reset all\0"));
        assert_eq!(prelude(&session).len(), 3);
    }

    #[test]
    fn statements_are_prepared_again_where_they_are_used() {
        let mut session = Session::new("a", Vec::new());
        let parse = message_of(b'P', b"one\0select 1\0\0\0");
        run(&mut session, &parse);
        let bind = message_of(b'B', b"\0one\0\0\0\0\0\0\0");
        let describe = message_of(b'D', b"Sone\0");
        let prepared = |session: &Session, batch: &[&Message]| {
            let batch: Vec<_> = batch.iter().map(|message| (*message).clone()).collect();
            let mut bytes = BytesMut::new();
            let count = session.prepare(&batch, &mut BTreeSet::new(), &mut bytes);
            let close = "C....Sone.".len();
            assert_eq!(bytes.len(), count * (parse.whole.len() + close));
            count
        };
        assert_eq!(prepared(&session, &[&bind]), 1);
        assert_eq!(prepared(&session, &[&describe, &bind]), 1);
        assert_eq!(prepared(&session, &[&parse, &bind]), 0);
        assert_eq!(
            prepared(&session, &[&message_of(b'B', b"\0two\0\0\0\0\0\0\0")]),
            0
        );
        assert_eq!(prepared(&session, &[&message_of(b'D', b"Pone\0")]), 0);
        let mut there = BTreeSet::from(["one".to_owned()]);
        let held = session.prepare(
            std::slice::from_ref(&bind),
            &mut there,
            &mut BytesMut::new(),
        );
        assert_eq!(held, 0, "it is there");
        run(&mut session, &message_of(b'C', b"Sone\0"));
        assert_eq!(prepared(&session, &[&bind]), 0);
        assert_eq!(session.bytes, 0);
    }

    #[test]
    fn what_cannot_be_is_reported() {
        let mut session = Session::new("a", Vec::new());
        let mut code = |message: &Message| {
            let looked = session.look(message, &mut Left::default());
            looked.err().map(|report| report.code)
        };
        assert_eq!(code(&message_of(b'Q', b"listen x\0")), Some("0A000"));
        assert_eq!(
            code(&message_of(b'P', b"\0reset session authorization\0\0\0")),
            Some("42501")
        );
        assert_eq!(code(&message_of(b'Q', b"select")), Some("08P01"));
        for number in 0..MOST_STATEMENTS {
            assert_eq!(
                code(&message_of(
                    b'P',
                    format!("s{number}\0select 1\0\0\0").as_bytes()
                )),
                None
            );
        }
        assert_eq!(
            code(&message_of(b'P', b"more\0select 1\0\0\0")),
            Some("53400")
        );
        assert_eq!(code(&message_of(b'P', b"s7\0select 2\0\0\0")), None);
    }
}
