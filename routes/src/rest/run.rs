//! Runs a script in one transaction: settings, pre-request, statement and end in one exchange.

use bytes::{Bytes, BytesMut};

use super::sql::{ResultColumn, Script, settings};
use crate::{
    ApiError, Body, World,
    database::{self, Setting},
    wire::{
        AnswerError, BuildError, Format, Message, Messages, PgError, Pipeline, Row,
        TransactionStatus,
    },
    world::{self, Exchange, Unavailable},
};

/// Bodies up to this size wait for the end of the answer, so that an error after the rows can
/// still become the response; larger ones are streamed.
const STREAMED: usize = 64 * 1024;

/// All as text but the body, the last column.
const BODY_SENT: [Format; ResultColumn::Body as usize + 1] = {
    let mut formats = [Format::Text; ResultColumn::Body as usize + 1];
    formats[ResultColumn::Body as usize] = Format::Binary;
    formats
};

/// How the transaction begins and ends.
#[derive(Debug)]
pub struct Transaction {
    /// In this order, local to the transaction.
    pub settings: Vec<Setting>,
    pub pre_request: Option<String>,
    pub read_only: bool,
    /// A level other than the session's own.
    pub isolation: Option<Isolation>,
    pub end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    ReadUncommitted,
    RepeatableRead,
    Serializable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Commit,
    /// Nothing stays, but constraints that wait for the commit are checked.
    Rollback,
    /// The rows decide: it commits if the verdict on them is good.
    Verdict,
}

/// What came of the script.
#[derive(Debug)]
pub struct Outcome {
    /// All but the body; `None` of an EXPLAIN, whose rows are the body.
    row: Option<Row>,
    /// The planner's guess of the total.
    pub estimate: Option<u64>,
    pub body: Body,
}

/// Why nothing came of it.
#[derive(Debug)]
pub enum RunError {
    Unavailable(Unavailable),
    /// The database's answer makes no sense.
    Answer(AnswerError),
    Build(BuildError),
    Database(Box<PgError>),
}

impl Outcome {
    fn text(&self, column: ResultColumn) -> Option<&str> {
        self.row.as_ref()?.text(column as usize)
    }

    fn number(&self, column: ResultColumn) -> Option<u64> {
        self.text(column)?.parse().ok()
    }

    /// Whether the body is a plan instead of rows.
    pub fn is_explained(&self) -> bool {
        self.row.is_none()
    }

    pub fn total(&self) -> Option<u64> {
        self.number(ResultColumn::Total)
    }

    pub fn page(&self) -> u64 {
        self.number(ResultColumn::Page).unwrap_or_default()
    }

    /// An inserted row's key: columns and their values.
    pub fn location(&self) -> Option<Vec<(String, Option<String>)>> {
        serde_json::from_str(self.text(ResultColumn::Location)?).ok()
    }

    /// The settings `response.headers` and `response.status`.
    pub fn response_settings(&self) -> (Option<&str>, Option<&str>) {
        let headers = self.text(ResultColumn::Headers);
        (headers, self.text(ResultColumn::Status))
    }

    /// How many rows an upsert inserted, where that was counted.
    pub fn inserted(&self) -> Option<i64> {
        self.text(ResultColumn::Inserted)?.parse().ok()
    }
}

/// Runs a script. `streams` says that a large body may be on its way before the answer has ended:
/// reads only, because a write is done when its commit is. `verdict` is asked before a
/// [`End::Verdict`] commits, and after any other end.
pub async fn run<W: World, E: From<RunError>>(
    world: &W,
    project: &str,
    script: &Script,
    transaction: &Transaction,
    streams: bool,
    verdict: impl FnOnce(&Outcome) -> Result<(), E>,
) -> Result<Outcome, E> {
    let (messages, main) = pipeline(script, transaction).map_err(RunError::Build)?;
    let exchange = Exchange {
        messages,
        idempotent: transaction.read_only,
        transaction: None,
        hold: transaction.end == End::Verdict,
    };
    let answer = world
        .exchange(project, exchange)
        .await
        .map_err(RunError::Unavailable)?;
    if streams && script.estimate.is_none() {
        let outcome = streamed(Messages::streaming(answer), main).await?;
        verdict(&outcome)?;
        return Ok(outcome);
    }
    let messages = Messages::new(answer);
    let held = messages.transaction();
    let outcome = collected(messages, main).await;
    if transaction.end != End::Verdict {
        let (outcome, _) = outcome?;
        verdict(&outcome)?;
        return Ok(outcome);
    }
    let judged = match outcome {
        Ok((outcome, TransactionStatus::Open)) => verdict(&outcome).map(|()| outcome),
        Ok((outcome, _)) => Ok(outcome),
        Err(error) => Err(error.into()),
    };
    finish(world, project, held, judged.is_ok()).await?;
    judged
}

/// Ends a transaction that was held open for the verdict.
async fn finish<W: World>(
    world: &W,
    project: &str,
    transaction: world::Transaction,
    commit: bool,
) -> Result<(), RunError> {
    let mut pipeline = Pipeline::new();
    pipeline.simple(if commit { "COMMIT" } else { "ROLLBACK" });
    let exchange = Exchange {
        messages: pipeline.finish()?,
        idempotent: false,
        transaction: Some(transaction),
        hold: false,
    };
    let answer = world
        .exchange(project, exchange)
        .await
        .map_err(RunError::Unavailable)?;
    let statements = Messages::new(answer).statements().await?;
    match statements.error {
        Some(failure) if commit => Err(RunError::Database(failure.error)),
        Some(_) | None => Ok(()),
    }
}

/// The messages, and how many statements come before the script's own.
fn pipeline(script: &Script, transaction: &Transaction) -> Result<(Bytes, usize), BuildError> {
    let mut pipeline = Pipeline::new();
    let mut before = 0;
    let explicit = transaction.isolation.is_some() || transaction.end != End::Commit;
    if explicit {
        let begin = match transaction.isolation {
            None => "BEGIN",
            Some(Isolation::ReadUncommitted) => "BEGIN ISOLATION LEVEL READ UNCOMMITTED",
            Some(Isolation::RepeatableRead) => "BEGIN ISOLATION LEVEL REPEATABLE READ",
            Some(Isolation::Serializable) => "BEGIN ISOLATION LEVEL SERIALIZABLE",
        };
        pipeline.execute(begin, &[]);
        before += 1;
    }
    let local = database::settings(&transaction.settings);
    pipeline.execute(&local.sql, &local.parameters);
    before += 1;
    if let Some(function) = &transaction.pre_request {
        let call = settings::pre_request(function);
        pipeline.execute(&call.sql, &call.parameters);
        before += 1;
    }
    let formats: &[Format] = if script.sends_body { &BODY_SENT } else { &[] };
    pipeline.query_as(&script.main.sql, &script.main.parameters, formats);
    if let Some(estimate) = &script.estimate {
        pipeline.execute(&estimate.sql, &estimate.parameters);
    }
    match transaction.end {
        End::Commit if explicit => _ = pipeline.execute("COMMIT", &[]).sync(),
        End::Commit | End::Verdict => _ = pipeline.sync(),
        // After the Sync, so that it runs where a statement failed as well.
        End::Rollback => {
            pipeline.execute("SET CONSTRAINTS ALL IMMEDIATE", &[]);
            pipeline.sync().simple("ROLLBACK");
        }
    }
    Ok((pipeline.finish()?, before))
}

/// Reads the answer to its end.
async fn collected(
    messages: Messages,
    main: usize,
) -> Result<(Outcome, TransactionStatus), RunError> {
    let statements = messages.statements().await?;
    let status = statements.status;
    let mut results = statements
        .all()
        .map_err(RunError::Database)?
        .into_iter()
        .skip(main);
    // A statement that was dropped without a word must not pass for one that gave nothing.
    let result = results.next().filter(|result| result.columns.is_some());
    let result = result.ok_or(AnswerError::Truncated)?;
    let estimate = results.next().and_then(|estimate| {
        let plan = estimate.rows.first()?.text(0)?;
        planned_rows(plan)
    });
    let columns = result.columns.unwrap_or_default();
    if columns.len() <= ResultColumn::Body as usize {
        let mut plan = BytesMut::new();
        for row in &result.rows {
            plan.extend_from_slice(row.get(0).unwrap_or_default());
            plan.extend_from_slice(b"\n");
        }
        let outcome = Outcome {
            row: None,
            estimate,
            body: plan.freeze().into(),
        };
        return Ok((outcome, status));
    }
    let row = result.rows.into_iter().next().unwrap_or_default();
    let body = row.bytes(ResultColumn::Body as usize).unwrap_or_default();
    let outcome = Outcome {
        row: Some(row),
        estimate,
        body: body.into(),
    };
    Ok((outcome, status))
}

/// Reads the answer up to a large body, or to its end.
async fn streamed(mut messages: Messages, main: usize) -> Result<Outcome, RunError> {
    let mut done = 0;
    let mut row = None;
    let mut body = BytesMut::new();
    let mut failure = None;
    while let Some(message) = messages.next().await? {
        match message {
            Message::CommandComplete(_) | Message::EmptyQuery => done += 1,
            // A page beyond a function's one value has no row at all. A statement that was dropped
            // without a word has no columns either, and must not pass for one that gave nothing.
            Message::RowDescription(_) if done == main => row = Some(Row::default()),
            Message::RowHead { earlier, last } if done == main => {
                row = Some(earlier);
                if let Some(length) = last
                    && length > STREAMED
                {
                    return Ok(Outcome {
                        row,
                        estimate: None,
                        body: messages.into_body(length),
                    });
                }
            }
            Message::RowBytes(bytes) if done == main => body.extend_from_slice(&bytes),
            Message::Error(error) => _ = failure.get_or_insert(error),
            _ => {}
        }
    }
    match failure {
        Some(error) => Err(RunError::Database(error)),
        None => Ok(Outcome {
            row: Some(row.ok_or(AnswerError::Truncated)?),
            estimate: None,
            body: body.freeze().into(),
        }),
    }
}

/// The rows that a plan (`EXPLAIN (FORMAT JSON)`) expects.
fn planned_rows(plan: &str) -> Option<u64> {
    let plan: serde_json::Value = serde_json::from_str(plan).ok()?;
    plan.get(0)?.get("Plan")?.get("Plan Rows")?.as_u64()
}

impl Isolation {
    /// The level that a setting names; `None` is the usual one, `read committed`.
    pub fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "read uncommitted" => Some(Self::ReadUncommitted),
            "repeatable read" => Some(Self::RepeatableRead),
            "serializable" => Some(Self::Serializable),
            _ => None,
        }
    }
}

impl From<AnswerError> for RunError {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Unavailable(unavailable) => Self::Unavailable(unavailable),
            AnswerError::Malformed(_) | AnswerError::Truncated => Self::Answer(error),
        }
    }
}

impl From<BuildError> for RunError {
    fn from(error: BuildError) -> Self {
        Self::Build(error)
    }
}

impl RunError {
    /// The answer. `authenticated` says that the client is somebody: then what it lacks is a
    /// privilege, and no token.
    pub fn into_api_error(self, authenticated: bool) -> ApiError {
        match self {
            Self::Unavailable(unavailable) => unavailable.into(),
            Self::Answer(error) => error.into(),
            Self::Build(error) => error.into(),
            Self::Database(error) => super::respond::database_error(&error, authenticated),
        }
    }
}

#[cfg(test)]
mod tests;
