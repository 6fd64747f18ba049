//! One connection, from its opening to its end.

use std::{
    collections::BTreeSet,
    pin::pin,
    rc::Rc,
    task::{Poll, ready},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::{
    StreamExt as _,
    future::{self, Either},
};
use port::{Conversation, Exchange, Lost};

use super::{
    answer::{Filter, Shape, first_row},
    listener::{Admitted, Shared},
    message::{
        self, Message, Opening, Report, opening, put, put_parameter, put_query, put_ready, put_sync,
    },
    session::{Left, Session},
};
use crate::{network::ByteStream, surroundings::within};

/// Bytes of a batch, and of what is read while an exchange runs.
const LONGEST_BATCH: usize = 64 * 1024 * 1024;
const AHEAD: usize = 1024 * 1024;

/// Version 3.0 of the protocol.
const MINOR: u32 = 0;

/// What the database says of itself, and what the role has as its settings.
const ABOUT: &str = "select current_setting('server_version'), current_setting('TimeZone'), \
    current_setting('DateStyle'), current_setting('IntervalStyle'), \
    coalesce((select json_agg(setting order by own.setdatabase)::text \
    from pg_catalog.pg_db_role_setting as own, unnest(own.setconfig) as setting \
    where own.setrole = (select oid from pg_catalog.pg_roles where rolname = session_user) \
    and own.setdatabase in (0, (select oid from pg_catalog.pg_database \
    where datname = current_database()))), '[]')";

/// Serves a connection to its end.
pub(super) async fn serve(shared: &Rc<Shared>, stream: ByteStream) {
    let mut connection = Connection {
        stream,
        buffer: BytesMut::new(),
    };
    let signed_in = connection.sign_in(shared);
    let end = match within(&shared.world, shared.limits.sign_in, signed_in).await {
        Ok(Ok(Some(session))) => {
            let admitted = shared.admit();
            let mut client = Client {
                shared,
                connection: &mut connection,
                admitted: &admitted,
                session,
                there: BTreeSet::new(),
                held: None,
                status: b'I',
                is_implicit: false,
                skips: false,
            };
            client.run().await
        }
        Ok(Ok(None)) => End::Gone,
        Ok(Err(end)) => end,
        Err(_elapsed) => return,
    };
    if let End::Report(report) = end {
        let mut bytes = BytesMut::new();
        report.put(&mut bytes);
        // Who does not hear it sees the end.
        let _ = connection.stream.write(bytes.freeze()).await;
    }
    let limit = shared.limits.linger;
    connection.stream.close(&shared.world, limit).await;
}

/// How a connection ends.
#[derive(Debug)]
enum End {
    /// The client has gone, or said that it will.
    Gone,
    /// The client is told why.
    Report(Report),
}

impl From<crate::network::Broken> for End {
    fn from(_broken: crate::network::Broken) -> Self {
        Self::Gone
    }
}

impl From<message::Malformed> for End {
    fn from(_malformed: message::Malformed) -> Self {
        Self::Report(Report::fatal("08P01", "invalid frontend message"))
    }
}

struct Connection {
    stream: ByteStream,
    buffer: BytesMut,
}

impl Connection {
    async fn more(&mut self) -> Result<(), End> {
        match self.stream.read().await? {
            Some(bytes) => {
                self.buffer.extend_from_slice(&bytes);
                Ok(())
            }
            None => Err(End::Gone),
        }
    }

    async fn message(&mut self) -> Result<Message, End> {
        loop {
            if let Some(message) = message::message(&mut self.buffer)? {
                return Ok(message);
            }
            self.more().await?;
        }
    }

    async fn opening(&mut self) -> Result<Opening, End> {
        loop {
            if let Some(opening) = opening(&mut self.buffer)? {
                return Ok(opening);
            }
            self.more().await?;
        }
    }

    async fn say(&self, bytes: BytesMut) -> Result<(), End> {
        Ok(self.stream.write(bytes.freeze()).await?)
    }

    /// Until somebody has signed in; `None` where the connection was for something else.
    async fn sign_in(&mut self, shared: &Shared) -> Result<Option<Session>, End> {
        let (newer, parameters) = loop {
            match self.opening().await? {
                Opening::Encryption => self.say(BytesMut::from(&b"N"[..])).await?,
                Opening::Cancel { process, secret } => {
                    shared.cancel(process, secret);
                    return Ok(None);
                }
                Opening::Startup { newer, parameters } => break (newer, parameters),
            }
        };
        let mut bytes = BytesMut::new();
        if let Some(options) = newer {
            let mut contents = BytesMut::new();
            contents.put_u32(MINOR);
            contents.put_u32(u32::try_from(options.len()).unwrap_or(0));
            for option in options {
                contents.put_slice(option.as_bytes());
                contents.put_u8(0);
            }
            put(&mut bytes, b'v', &contents);
        }
        let find = |wanted: &str| parameters.iter().find(|(name, _)| name == wanted);
        let Some((_, role)) = find("user") else {
            let text = "no PostgreSQL user name specified in startup packet";
            return Err(End::Report(Report::fatal("28000", text)));
        };
        if find("replication").is_some_and(|(_, value)| value != "false" && value != "off") {
            let text = "replication is not supported";
            return Err(End::Report(Report::fatal("0A000", text)));
        }
        put(&mut bytes, b'R', &3_u32.to_be_bytes());
        self.say(bytes).await?;
        let password = self.message().await?;
        let given = message::text(&mut password.contents());
        let is_right = password.kind == b'p'
            && given.is_some_and(|given| shared.roles.password(role).as_deref() == Some(given));
        if !is_right {
            let text = format!("password authentication failed for user \"{role}\"");
            return Err(End::Report(Report::fatal("28P01", text)));
        }
        Ok(Some(Session::new(role, settings(&parameters))))
    }
}

/// What a client opens with that is a setting.
fn settings(parameters: &[(String, String)]) -> Vec<(String, String)> {
    let mut settings = Vec::new();
    for (name, value) in parameters {
        match name.as_str() {
            // The connection's; its texts are UTF-8 and nothing else.
            "user" | "database" | "replication" | "client_encoding" => {}
            "options" => {
                let options = value.replace("-c ", "-c").replace("--", "-c");
                let options = options.split(' ').filter_map(|option| {
                    let (name, value) = option.strip_prefix("-c")?.split_once('=')?;
                    Some((name.replace('-', "_"), value.to_owned()))
                });
                settings.extend(options);
            }
            _ => settings.push((name.clone(), value.clone())),
        }
    }
    settings
}

struct Client<'a> {
    shared: &'a Rc<Shared>,
    connection: &'a mut Connection,
    admitted: &'a Admitted,
    session: Session,
    /// The statements that are prepared in the session that is held.
    there: BTreeSet<String>,
    /// The transaction that is open, and the client's or ours.
    held: Option<Conversation>,
    status: u8,
    /// The transaction is one of ours, begun for a Flush.
    is_implicit: bool,
    /// Something failed: what comes before the next Sync is not run.
    skips: bool,
}

/// How a batch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Query,
    Sync,
    Flush,
}

impl Client<'_> {
    async fn run(&mut self) -> End {
        let end = match self.try_run().await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        self.abandon().await;
        end
    }

    /// Takes back what is open: others wait for it to end.
    async fn abandon(&mut self) {
        if self.held.is_some() {
            let mut messages = BytesMut::new();
            put_query(&mut messages, "rollback");
            let (_, mut answer) = self.shared.database.exchange(Exchange {
                messages: messages.freeze(),
                idempotent: true,
                continues: self.held.take(),
                hold: false,
            });
            while let Some(Ok(_)) = answer.next().await {}
        }
    }

    async fn try_run(&mut self) -> Result<std::convert::Infallible, End> {
        self.greet().await?;
        let mut batch = Vec::new();
        let mut length = 0;
        let mut left = Left::default();
        loop {
            let message = self.connection.message().await?;
            let last = match message.kind {
                b'X' => return Err(End::Gone),
                b'Q' => Last::Query,
                b'S' => Last::Sync,
                b'H' => Last::Flush,
                // Rows of a COPY that has failed already.
                b'd' | b'c' | b'f' => continue,
                b'P' | b'B' | b'D' | b'E' | b'C' => {
                    if !self.skips {
                        length += message.whole.len();
                        self.look(&message, &mut left).await?;
                        batch.push(message);
                    }
                    if length > LONGEST_BATCH {
                        let report = Report::fatal("54000", "too much before a Sync");
                        return Err(End::Report(report));
                    }
                    continue;
                }
                b'F' => {
                    let report = Report::error("0A000", "function calls are not supported");
                    self.refuse(&report).await?;
                    continue;
                }
                other => {
                    let text = format!("invalid frontend message type {other}");
                    return Err(End::Report(Report::fatal("08P01", text)));
                }
            };
            length = 0;
            let mut batch = std::mem::take(&mut batch);
            let left = std::mem::take(&mut left);
            if self.skips {
                if last == Last::Sync {
                    self.recover().await?;
                }
                continue;
            }
            let mut left = left;
            if last == Last::Query {
                if let Err(report) = self.session.look(&message, &mut left) {
                    self.report_and_ready(&report).await?;
                    continue;
                }
                batch.push(message);
            }
            let is_nothing = batch.is_empty() && !self.is_implicit;
            if is_nothing {
                if last == Last::Sync {
                    self.ready().await?;
                }
                continue;
            }
            self.exchange(batch, last, left).await?;
        }
    }

    /// Says who is there, once it is known that somebody is.
    async fn greet(&mut self) -> Result<(), End> {
        let mut bytes = BytesMut::new();
        let mut messages = BytesMut::new();
        let prelude = self.session.prelude(&mut messages);
        put_query(&mut messages, ABOUT);
        let mut filter = Filter::new(Shape {
            prelude,
            ..Shape::default()
        });
        let exchange = Exchange {
            messages: messages.freeze(),
            idempotent: true,
            continues: None,
            hold: false,
        };
        let (_, mut answer) = self.shared.database.exchange(exchange);
        let mut about = BytesMut::new();
        while let Some(chunk) = answer.next().await {
            let chunk = chunk.map_err(|lost| End::Report(lost_at_opening(&lost)))?;
            about.extend_from_slice(&filter.pass(&chunk));
        }
        let refused = filter.refused().map(str::to_owned);
        let Some(row) = first_row(&about) else {
            let text = refused.unwrap_or_else(|| "the database did not answer".to_owned());
            return Err(End::Report(Report::fatal("28000", text)));
        };
        let column = |number: usize| row.get(number).cloned().flatten().unwrap_or_default();
        let own: Vec<String> = serde_json::from_str(&column(4)).unwrap_or_default();
        let own = own.iter().filter_map(|setting| {
            let (name, value) = setting.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        });
        self.session.role_has(own.collect());
        put(&mut bytes, b'R', &0_u32.to_be_bytes());
        for (name, value) in [
            ("server_version", column(0).as_str()),
            ("server_encoding", "UTF8"),
            ("client_encoding", "UTF8"),
            ("TimeZone", &column(1)),
            ("DateStyle", &column(2)),
            ("IntervalStyle", &column(3)),
            ("integer_datetimes", "on"),
            ("standard_conforming_strings", "on"),
            ("is_superuser", "off"),
            ("in_hot_standby", "off"),
            ("default_transaction_read_only", "off"),
            ("session_authorization", self.session.role()),
        ] {
            put_parameter(&mut bytes, name, value);
        }
        let key = [self.admitted.process, self.admitted.key.secret()];
        put(&mut bytes, b'K', &key.map(u32::to_be_bytes).concat());
        put_ready(&mut bytes, b'I');
        self.connection.say(bytes).await
    }

    /// Looks at a message of a batch. Where it cannot be run the rest of the batch is not either.
    async fn look(&mut self, message: &Message, left: &mut Left) -> Result<(), End> {
        match self.session.look(message, left) {
            Ok(()) => Ok(()),
            Err(report) if report.is_fatal => Err(End::Report(report)),
            Err(report) => self.refuse(&report).await,
        }
    }

    async fn refuse(&mut self, report: &Report) -> Result<(), End> {
        self.skips = true;
        let mut bytes = BytesMut::new();
        report.put(&mut bytes);
        self.connection.say(bytes).await
    }

    async fn report_and_ready(&mut self, report: &Report) -> Result<(), End> {
        let mut bytes = BytesMut::new();
        report.put(&mut bytes);
        put_ready(&mut bytes, self.status);
        self.connection.say(bytes).await
    }

    async fn ready(&mut self) -> Result<(), End> {
        let mut bytes = BytesMut::new();
        put_ready(&mut bytes, self.status);
        self.connection.say(bytes).await
    }

    /// The Sync after a failure: what was begun for a Flush is taken back.
    async fn recover(&mut self) -> Result<(), End> {
        self.skips = false;
        if !self.is_implicit {
            return self.ready().await;
        }
        let mut rollback = BytesMut::new();
        put_query(&mut rollback, "rollback");
        let shape = Shape {
            // Nothing of it is the client's but that all is ready.
            prelude: 0,
            ..Shape::default()
        };
        let filter = self.ask(rollback.freeze(), shape, false).await?;
        self.status = filter.status();
        self.settle();
        self.ready().await
    }

    /// Runs a batch.
    async fn exchange(&mut self, batch: Vec<Message>, last: Last, left: Left) -> Result<(), End> {
        let mut messages = BytesMut::new();
        let mut shape = Shape::default();
        if self.held.is_none() {
            self.there.clear();
            shape.prelude = self.session.prelude(&mut messages);
            if last == Last::Flush {
                put_query(&mut messages, "begin");
                shape.prelude += 1;
                self.is_implicit = true;
            }
        }
        shape.prepared = self.session.prepare(&batch, &mut self.there, &mut messages);
        for message in &batch {
            messages.extend_from_slice(&message.whole);
        }
        if last != Last::Query {
            put_sync(&mut messages);
        }
        shape.is_partial = last == Last::Flush;
        if self.is_implicit && last != Last::Flush {
            put_query(&mut messages, "commit");
            shape.commits = true;
        }
        let filter = self.ask(messages.freeze(), shape, true).await?;
        if let Some(text) = filter.refused() {
            return Err(End::Report(Report::fatal("28000", text)));
        }
        self.status = filter.status();
        self.skips = last == Last::Flush && filter.has_failed();
        if !filter.has_failed() {
            self.session.keep(left);
        }
        self.settle();
        Ok(())
    }

    /// What is held no longer is forgotten.
    fn settle(&mut self) {
        if self.status == b'I' {
            self.held = None;
            self.is_implicit = false;
            self.there.clear();
        }
    }

    /// Sends messages to the database, and what comes back to the client.
    async fn ask(&mut self, messages: Bytes, shape: Shape, shown: bool) -> Result<Filter, End> {
        let exchange = Exchange {
            hold: self.held.is_some() || may_begin(&messages),
            messages,
            idempotent: false,
            continues: self.held,
        };
        self.admitted.key.renew();
        let (conversation, mut answer) = self.shared.database.exchange(exchange);
        let mut filter = Filter::new(shape);
        loop {
            let step = {
                let cancelled = pin!(self.admitted.key.cancelled());
                let (stream, buffer) = (&self.connection.stream, &mut self.connection.buffer);
                let gone = pin!(read_ahead(stream, buffer));
                let stopped = future::select(cancelled, gone);
                match future::select(answer.next(), stopped).await {
                    Either::Left((answered, _)) => Step::Answered(answered),
                    Either::Right((Either::Left(_), _)) => Step::Cancelled,
                    Either::Right((Either::Right(_), _)) => Step::Gone,
                }
            };
            match step {
                Step::Cancelled => return self.cancelled(shape).await,
                Step::Gone => return Err(End::Gone),
                Step::Answered(Some(Ok(chunk))) => {
                    let bytes = filter.pass(&chunk);
                    if shown && !bytes.is_empty() {
                        self.connection.stream.write(bytes).await?;
                    }
                }
                Step::Answered(Some(Err(lost))) => return self.lost(&lost, shape).await,
                Step::Answered(None) => break,
            }
        }
        let Some(rest) = filter.finish() else {
            let text = "the database's answer is not whole";
            return Err(End::Report(Report::fatal("08006", text)));
        };
        if shown && !rest.is_empty() {
            self.connection.stream.write(rest).await?;
        }
        self.held = Some(conversation);
        Ok(filter)
    }

    /// Somebody has cancelled what is run. With its transaction the connection ends, as far as the
    /// database is concerned: what it was about is lost.
    async fn cancelled(&mut self, shape: Shape) -> Result<Filter, End> {
        let text = "canceling statement due to user request";
        if self.held.is_some() {
            return Err(End::Report(Report::fatal("57014", text)));
        }
        self.fail(&Report::error("57014", text), shape).await
    }

    async fn lost(&mut self, lost: &Lost, shape: Shape) -> Result<Filter, End> {
        let report = report(lost);
        if report.is_fatal || self.held.is_some() {
            let is_fatal = true;
            return Err(End::Report(Report { is_fatal, ..report }));
        }
        self.fail(&report, shape).await
    }

    /// Tells of a failure that is not the database's, outside of a transaction.
    async fn fail(&mut self, report: &Report, shape: Shape) -> Result<Filter, End> {
        self.is_implicit = false;
        self.status = b'I';
        if shape.is_partial {
            self.refuse(report).await?;
        } else {
            self.report_and_ready(report).await?;
        }
        let mut filter = Filter::new(Shape::default());
        // Failed, and idle.
        let mut failed = BytesMut::new();
        report.put(&mut failed);
        put_ready(&mut failed, b'I');
        drop(filter.pass(&failed));
        Ok(filter)
    }
}

/// Whether messages may leave a transaction open that was not: only what says so does, and a statement
/// is in the exchange that uses it. What is held costs the other end something, so little is.
fn may_begin(messages: &[u8]) -> bool {
    let says = |word: &[u8]| {
        let mut places = messages.windows(word.len());
        places.any(|place| place.eq_ignore_ascii_case(word))
    };
    says(b"begin") || says(b"start")
}

/// What happened while an exchange ran.
enum Step {
    Answered(Option<Result<Bytes, Lost>>),
    Cancelled,
    Gone,
}

/// Reads what the client says while an exchange runs, so far; done when the client is gone.
async fn read_ahead(stream: &ByteStream, buffer: &mut BytesMut) {
    future::poll_fn(|context| {
        while buffer.len() < AHEAD {
            match ready!(stream.poll_read(context)) {
                Ok(Some(bytes)) => buffer.extend_from_slice(&bytes),
                Ok(None) | Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Pending
    })
    .await;
}

fn lost_at_opening(lost: &Lost) -> Report {
    let report = report(lost);
    Report {
        is_fatal: true,
        ..report
    }
}

fn report(lost: &Lost) -> Report {
    match lost {
        Lost::NoOwner => Report::error("57P03", "nobody has the database open"),
        Lost::OwnerLost => Report::fatal(
            "08006",
            "the tab that had the database open is gone; whether the statement took effect is unknown",
        ),
        Lost::Deadline => Report::fatal(
            "08006",
            "the database did not answer in time; whether the statement took effect is unknown",
        ),
        Lost::Busy => Report::error("53300", "too many statements are waiting"),
        Lost::TransactionLost => Report::fatal(
            "25P03",
            "terminating connection due to idle-in-transaction timeout",
        )
        .hint("The database is shared: a transaction is given some seconds between two statements"),
        Lost::Stalled => Report::fatal("08006", "the answer was not read in time"),
        Lost::Version { ours, theirs } => Report::fatal(
            "08004",
            format!("the database speaks version {theirs} of the protocol, this {ours}"),
        ),
        Lost::Broken(reason) => Report::fatal("58000", reason.clone()),
    }
}
