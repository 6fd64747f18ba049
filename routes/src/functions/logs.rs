//! What functions say: lines that whoever runs them sends here, and that their owner reads.

use std::{fmt, rc::Rc};

use bytes::Bytes;
use futures::{StreamExt as _, channel::mpsc};
use http::{HeaderValue, Response, header, request::Parts};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Memory, audit, environment, error::FunctionError, redact::Redactor, sql};
use crate::{
    Body, World,
    apps::sql::values,
    database::{Database, Session},
    project::Project,
};

/// The largest batch of lines, in bytes.
pub(super) const LARGEST_BATCH: usize = 1024 * 1024;
/// The most of a text that is kept, in characters.
const LONGEST_TEXT: usize = 10_000;
/// Milliseconds that a line is kept.
const LIFETIME: u64 = 7 * 24 * 60 * 60 * 1000;
/// The longest name of a failure, and the longest id.
const LONGEST_WORD: usize = 64;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Debug,
    Info,
    Log,
    Warn,
    Error,
}

impl Level {
    const ALL: [Self; 5] = [Self::Debug, Self::Info, Self::Log, Self::Warn, Self::Error];

    /// `console.log` and `console.info` matter the same.
    const fn rank(self) -> u8 {
        match self {
            Self::Debug => 0,
            Self::Info | Self::Log => 1,
            Self::Warn => 2,
            Self::Error => 3,
        }
    }
}

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// The function's own words.
    Log,
    Boot,
    /// One line for each request, with its status.
    Request,
    Error,
    Shutdown,
    /// A request that the function made.
    Fetch,
}

/// A line as whoever runs functions sends it. Its own `function` is not read: the path says it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Milliseconds since the Unix epoch.
    pub at: u64,
    pub version: Option<u32>,
    pub execution_id: Option<String>,
    pub trace: Option<String>,
    pub level: Level,
    pub event: Event,
    #[serde(default)]
    pub message: String,
    pub stack: Option<String>,
    pub status: Option<u16>,
    pub ms: Option<f64>,
    pub failure: Option<String>,
    /// Of a fetch that the database answered. It is the audit's, and not read with the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<Call>,
}

/// What a function asked of the database, and as whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    pub method: String,
    /// Without the query.
    pub path: String,
    /// None where its token proved nobody.
    pub role: Option<String>,
}

/// A line that has its number.
#[derive(Debug)]
pub(super) struct Written {
    id: u64,
    line: Line,
    /// As it is read.
    json: String,
}

/// Why lines were not taken; a sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineError(String);

impl fmt::Display for LineError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "A line of a log cannot be read: {}", self.0)
    }
}

/// Reads a batch: JSON, one line each, or an array of the same.
pub(super) fn parse(batch: &[u8]) -> Result<Vec<Line>, LineError> {
    let refuse = |error: serde_json::Error| LineError(error.to_string());
    if batch.trim_ascii_start().starts_with(b"[") {
        return serde_json::from_slice(batch).map_err(refuse);
    }
    let lines = serde_json::Deserializer::from_slice(batch).into_iter();
    lines.collect::<Result<_, _>>().map_err(refuse)
}

impl Line {
    /// The line without secrets, and without what Postgres does not take.
    fn clean(mut self, redactor: &Redactor) -> Self {
        let texts = [Some(&mut self.message), self.stack.as_mut()];
        let call = self.call.iter_mut();
        let call = call.flat_map(|call| [Some(&mut call.path), call.role.as_mut()]);
        for text in texts.into_iter().chain(call).flatten() {
            redactor.apply(text);
            *text = text.replace('\0', "\u{fffd}");
            if let Some((end, _)) = text.char_indices().nth(LONGEST_TEXT) {
                text.truncate(end);
                text.push('…');
            }
        }
        let is_word =
            |word: &str| word.len() <= LONGEST_WORD && word.bytes().all(|b| b.is_ascii_graphic());
        for word in [&mut self.execution_id, &mut self.trace, &mut self.failure] {
            if !word.as_deref().is_none_or(is_word) {
                *word = None;
            }
        }
        self.ms = self.ms.filter(|ms| ms.is_finite() && *ms >= 0.0);
        // A method is a token (RFC 9110, 9.1), and whoever sent it knows that.
        self.call = self.call.filter(|call| is_word(&call.method));
        self
    }
}

/// Writes lines to a function's log, and tells those who read it.
pub(super) async fn write<W: World>(
    world: &W,
    memory: &Memory,
    project: &Project,
    function: &str,
    lines: Vec<Line>,
) -> Result<(), FunctionError> {
    if lines.is_empty() {
        return Ok(());
    }
    let opened = memory.opened(world, &project.name).await?;
    let redactor = Redactor::new(environment::hidden(project, &opened.values));
    let lines: Vec<Line> = lines
        .into_iter()
        .map(|line| line.clean(&redactor))
        .collect();
    let batch = serde_json::json!(lines).to_string();
    let database = Database::new(world, &project.name);
    let mut statements = vec![sql::write_lines(function, &batch)];
    if lines.iter().any(|line| line.call.is_some()) {
        statements.push(sql::write_calls(function, &batch));
    }
    let written = database.run(&Session::default(), &statements).await?;
    let written = written.first().ok_or(FunctionError::NoTable)?;
    let ids: Vec<u64> = values(written).collect();
    if ids.is_empty() {
        return Err(FunctionError::Unknown(function.to_owned()));
    }
    let written: Vec<_> = ids
        .into_iter()
        .zip(lines)
        .map(|(id, line)| Rc::new(Written::new(id, function, line)))
        .collect();
    if memory.wrote(&project.name, function, &written) {
        let oldest = |lifetime| world.now().0.saturating_sub(lifetime);
        let statements = [
            sql::drop_lines(function, oldest(LIFETIME)),
            sql::drop_calls(oldest(audit::LIFETIME)),
        ];
        database.run(&Session::default(), &statements).await?;
    }
    Ok(())
}

impl Written {
    fn new(id: u64, function: &str, line: Line) -> Self {
        let mut json = serde_json::Map::new();
        json.insert("id".to_owned(), id.into());
        if let Value::Object(fields) = serde_json::json!(line) {
            for (name, value) in fields
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .filter(|(name, _)| name != "call")
            {
                let is_time = name == "at";
                json.insert(name, value);
                if is_time {
                    json.insert("function".to_owned(), function.into());
                }
            }
        }
        Self {
            id,
            line,
            json: Value::Object(json).to_string(),
        }
    }
}

/// Which lines are to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub(super) tail: u32,
    /// The least level.
    level: Level,
    /// Text that stands in the message or in the stack, in whichever case.
    pub(super) search: Option<String>,
    /// Milliseconds since the Unix epoch.
    pub(super) since: u64,
    /// The number of the last line that is known already.
    pub(super) after: u64,
    follow: bool,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            tail: 200,
            level: Level::Debug,
            search: None,
            since: 0,
            after: 0,
            follow: false,
        }
    }
}

impl Query {
    /// Reads the query of an address, and the header `Last-Event-ID` of one that comes again.
    pub fn read(head: &Parts) -> Result<Self, FunctionError> {
        let mut read = Self::default();
        for (name, value) in parameters(head) {
            let number = || number(name, &value);
            match name {
                "tail" => {
                    let tail = number()?.min(sql::KEPT_LINES.into());
                    read.tail = u32::try_from(tail).unwrap_or(sql::KEPT_LINES);
                }
                "since" if !value.is_empty() => read.since = number()?,
                "level" if !value.is_empty() => {
                    let level = serde_json::from_value(value.into());
                    read.level = level.map_err(|_unknown| {
                        let levels = "level is one of debug, info, log, warn and error";
                        FunctionError::Request(levels.to_owned())
                    })?;
                }
                "search" if !value.is_empty() => read.search = Some(value),
                "follow" => read.follow = value == "true",
                _ => {}
            }
        }
        let last = head.headers.get("last-event-id");
        if read.follow
            && let Some(last) = last.and_then(|last| last.to_str().ok()?.parse().ok())
        {
            // What it missed, and not again what it saw.
            read.after = last;
            read.tail = sql::KEPT_LINES;
        }
        Ok(read)
    }

    /// The levels that are asked for.
    pub(super) fn levels(&self) -> Vec<Level> {
        let mut levels = Level::ALL.to_vec();
        levels.retain(|level| level.rank() >= self.level.rank());
        levels
    }

    pub(super) fn wants(&self, written: &Written) -> bool {
        let Line {
            at,
            level,
            message,
            stack,
            ..
        } = &written.line;
        let finds = |search: &String| {
            let stack = stack.as_deref().unwrap_or_default();
            let text = format!("{message} {stack}").to_lowercase();
            text.contains(&search.to_lowercase())
        };
        *at >= self.since
            && level.rank() >= self.level.rank()
            && self.search.as_ref().is_none_or(finds)
    }
}

/// What is asked for behind an address: names, and values that are decoded.
pub(super) fn parameters(head: &Parts) -> impl Iterator<Item = (&str, String)> {
    let pairs = head.uri.query().unwrap_or_default().split('&');
    pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = value.replace('+', " ");
        let value = percent_decode_str(&value).decode_utf8_lossy().into_owned();
        (name, value)
    })
}

pub(super) fn number(name: &str, value: &str) -> Result<u64, FunctionError> {
    let refuse = |_not_a_number| FunctionError::Request(format!("{name} is a number"));
    // Postgres has none above.
    value
        .parse::<u64>()
        .map_err(refuse)
        .map(|number| number.min(i64::MAX.unsigned_abs()))
}

/// JSON lines.
pub(super) fn lines(lines: &[Value]) -> Response<Body> {
    let lines = lines
        .iter()
        .flat_map(|line| [line.to_string(), "\n".to_owned()]);
    answer("application/x-ndjson", lines.collect::<String>().into())
}

fn answer(media_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `application/x-ndjson`, or with `follow=true` `text/event-stream`.
pub(super) async fn read<W: World>(
    world: &W,
    memory: &Memory,
    project: &Project,
    function: &str,
    head: &Parts,
) -> Result<Response<Body>, FunctionError> {
    let query = Query::read(head)?;
    // Who follows hears what is written meanwhile, too.
    let follower = query
        .follow
        .then(|| memory.follow(&project.name, function, &query));
    let found = Database::new(world, &project.name)
        .one(
            &Session::default().read_only(),
            sql::read_lines(function, &query),
        )
        .await?;
    let found: Vec<Value> = values(&found).collect();
    Ok(match follower {
        None => lines(&found),
        Some(follower) => answer("text/event-stream", events(&found, query.after, follower)),
    })
}

fn events(lines: &[Value], after: u64, follower: mpsc::Receiver<Rc<Written>>) -> Body {
    let id = |line: &Value| line.get("id").and_then(Value::as_u64).unwrap_or_default();
    let last = lines.last().map_or(after, id);
    let mut first = "retry: 2000\n\n".to_owned();
    for line in lines {
        first.push_str(&event(id(line), &line.to_string()));
    }
    let first = futures::stream::iter([Ok(Bytes::from(first))]);
    let rest = follower.filter_map(move |written| async move {
        let text = (written.id > last).then(|| event(written.id, &written.json))?;
        Some(Ok(Bytes::from(text)))
    });
    Body::Stream(Box::pin(first.chain(rest)))
}

fn event(id: u64, json: &str) -> String {
    format!("id: {id}\ndata: {json}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_lines_or_an_array() {
        let one = r#"{"at":1,"level":"log","event":"log","message":"a"}"#;
        for (batch, count) in [
            (String::new(), 0),
            (one.to_owned(), 1),
            (format!("{one}\n{one}\n"), 2),
            (format!(" [{one},{one}]"), 2),
        ] {
            assert_eq!(parse(batch.as_bytes()).unwrap().len(), count, "{batch}");
        }
        for batch in ["{", r#"{"at":1}"#, "x", r#"[{"at":-1}]"#] {
            assert!(parse(batch.as_bytes()).is_err(), "{batch}");
        }
    }

    #[test]
    fn what_cannot_be_kept_is_taken_out() {
        let json = r#"{"at":1,"level":"error","event":"request","message":"a\u0000b","ms":-1,"trace":"x y","failure":"timeout"}"#;
        let mut line = parse(json.as_bytes()).unwrap().remove(0);
        line.stack = Some("é".repeat(LONGEST_TEXT + 1));
        let line = line.clean(&Redactor::default());
        assert_eq!(line.message, "a\u{fffd}b");
        assert_eq!((line.ms, line.trace.as_deref()), (None, None));
        assert_eq!(line.failure.as_deref(), Some("timeout"));
        assert_eq!(line.stack.unwrap().chars().count(), LONGEST_TEXT + 1);
    }
}
