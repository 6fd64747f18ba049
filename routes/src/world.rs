//! What the router asks of the world: time, randomness, a Postgres session.

use std::{fmt, future::Future, pin::Pin, rc::Rc, time::Duration};

use bytes::Bytes;
use futures::{Stream, future::LocalBoxFuture};

use crate::blobs::Files;

use crate::body::{Body, BodyError};

/// Milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Whole seconds since the Unix epoch, as JWT claims count them.
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

/// Bytes of the Postgres wire protocol, from one client to the server, whole messages only.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Frontend messages; the last one is a Sync or a simple Query.
    pub messages: Bytes,
    /// Whether running it twice is harmless. Only such exchanges are retried when the database's
    /// owner dies while they are in flight.
    pub idempotent: bool,
    /// The transaction this exchange continues, if an earlier one left it open.
    pub transaction: Option<Transaction>,
    /// Whether a transaction that is still open after this exchange is kept for the next one of the
    /// same client. Without it the database worker rolls back what was left open.
    pub hold: bool,
}

/// An open transaction that the database worker keeps for one client; rolled back when it is idle
/// for too long or the client goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Transaction(pub u32);

/// The backend's messages in answer to one [`Exchange`], in chunks that may end anywhere.
pub struct Answer {
    /// Ends after `ReadyForQuery`. Dropping it tells the database worker that nobody listens.
    pub chunks: Pin<Box<dyn Stream<Item = Result<Bytes, Unavailable>>>>,
    /// Names the transaction that was kept open (`hold`), for the exchange that ends it. It counts
    /// only where the answer's `ReadyForQuery` says that a transaction is open.
    pub transaction: Transaction,
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Answer")
            .field("transaction", &self.transaction)
            .finish_non_exhaustive()
    }
}

/// Why no answer came from the database. Each becomes a 503 with `Retry-After`, except
/// [`Unavailable::Broken`], which no retry mends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unavailable {
    /// No tab owns the database.
    NoOwner,
    /// The owner went away before it answered; whether the exchange took effect is unknown.
    OwnerLost,
    /// The owner did not answer within the deadline.
    Deadline,
    /// Too many exchanges are waiting.
    Busy,
    /// The worker speaks another version of the port protocol.
    Version { ours: u16, theirs: u16 },
    /// The database could not be opened; the text is for a person.
    Broken(String),
}

impl fmt::Display for Unavailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOwner => formatter.write_str("No tab has the database open"),
            Self::OwnerLost => formatter
                .write_str("The tab that had the database open went away before it answered"),
            Self::Deadline => formatter.write_str("The database did not answer in time"),
            Self::Busy => formatter.write_str("Too many requests wait for the database"),
            Self::Version { ours, theirs } => write!(
                formatter,
                "The database worker speaks version {theirs} of the protocol, the gateway {ours}"
            ),
            Self::Broken(reason) => write!(formatter, "The database could not be opened: {reason}"),
        }
    }
}

impl std::error::Error for Unavailable {}

/// Why a server out on the network gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchError {
    /// No such host, no connection, or the browser does not let its answer be read (CORS); the text
    /// is for a person.
    Unreachable(String),
    /// It did not answer within the deadline.
    Deadline,
    /// Its answer is larger than this many bytes, or ended too soon.
    Body(BodyError),
}

impl fmt::Display for FetchError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(reason) => write!(formatter, "it cannot be reached: {reason}"),
            Self::Deadline => formatter.write_str("it did not answer in time"),
            Self::Body(BodyError::TooLarge { limit }) => {
                write!(formatter, "its answer is larger than {limit} bytes")
            }
            Self::Body(BodyError::Interrupted(reason)) => {
                write!(formatter, "its answer ended too soon: {reason}")
            }
        }
    }
}

impl std::error::Error for FetchError {}

/// The router's one dependency on its surroundings: the service worker, the Node host and the
/// tests each bring their own.
pub trait World {
    /// The time now. It never panics and may repeat.
    fn now(&self) -> Timestamp;

    /// Time on a clock that only runs forwards, from any moment: for durations, and finer than
    /// [`World::now`] where the surroundings have such a clock.
    fn clock(&self) -> Duration {
        Duration::from_millis(self.now().0)
    }

    /// Fills `buffer` with cryptographically secure random bytes.
    fn random(&self, buffer: &mut [u8]);

    /// Sends messages to the Postgres session of `project` and gives its answer.
    fn exchange(
        &self,
        project: &str,
        exchange: Exchange,
    ) -> impl Future<Output = Result<Answer, Unavailable>>;

    /// Asks a server out on the network, as a sign-in provider, and reads its whole answer: any
    /// status is an answer. Only what the project's own settings name is ever asked.
    fn fetch(
        &self,
        _request: http::Request<Bytes>,
    ) -> impl Future<Output = Result<http::Response<Bytes>, FetchError>> {
        std::future::ready(Err(FetchError::Unreachable(
            "there is no network".to_owned(),
        )))
    }

    /// Hands a mail over to a mail server and says what became of it: nothing, or why it was not
    /// taken, for a person. `None` where no mail server can be reached at all, as from a browser.
    fn deliver(&self, _mail: Mail) -> impl Future<Output = Option<Result<(), String>>> {
        std::future::ready(None)
    }

    /// The origin that all requests come to. `None` where they name one themselves, and may name a
    /// wrong one.
    fn origin(&self) -> Option<String> {
        None
    }

    /// Lets everything else that is ready run first: a long computation is cut by it, because all
    /// requests share one thread.
    fn pause(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }

    /// What [`World::keep`] was last given for this project, as far as it is still there.
    fn kept(&self, _project: &str) -> impl Future<Output = Option<Bytes>> {
        std::future::ready(None)
    }

    /// Keeps bytes for a later life of the gateway. They may be lost at any time, and whoever may
    /// write to the origin's storage, where the database's own files are, may write them too.
    fn keep(&self, _project: &str, _bytes: Bytes) {}

    /// Whether there is such a project at all; its database need not be open now.
    fn has_project(&self, _project: &str) -> impl Future<Output = bool> {
        std::future::ready(true)
    }

    /// Renders a picture as `options` say, which are imgproxy's between commas; it takes a while.
    fn render(
        &self,
        _picture: Bytes,
        _options: &str,
    ) -> impl Future<Output = Result<Rendered, RenderError>> {
        let nobody = "Nothing here renders pictures".to_owned();
        std::future::ready(Err(RenderError::Failed(nobody)))
    }

    /// Where the bytes of this project's files are; `None` where there is no place for them.
    fn files(&self, _project: &str) -> Option<Rc<dyn Files>> {
        None
    }

    /// Encrypts what only this project's gateway is to read again, with a key that is kept where the
    /// database is not. Whoever has both, as a copy of everything, has what is sealed.
    fn seal(
        &self,
        _project: &str,
        _bytes: Bytes,
    ) -> impl Future<Output = Result<Bytes, SealError>> {
        std::future::ready(Err(SealError::NoKey))
    }

    /// What [`World::seal`] was given to make these bytes. It fails where they were changed since, or
    /// sealed for another project, or with a key that is gone.
    fn open(
        &self,
        _project: &str,
        _sealed: Bytes,
    ) -> impl Future<Output = Result<Bytes, SealError>> {
        std::future::ready(Err(SealError::NoKey))
    }

    /// Does a task that no request waits for. It may be ended at any moment, with the gateway.
    fn spawn(&self, _task: LocalBoxFuture<'static, ()>) {}

    /// Where the database of `project` is open; `None` while nobody has said.
    fn host(&self, _project: &str) -> Option<Host> {
        None
    }

    /// Asks the VM worker of `project`, and through it the applications in its virtual machine: the
    /// paths are those of `vm` and `apps`, the host says nothing. Where no worker is there, `wake`
    /// starts one; without it, that is [`Unavailable::NoOwner`]. Dropping the answer, or the future
    /// before it, tells the worker that nobody listens.
    fn guest(
        &self,
        _project: &str,
        _request: http::Request<Body>,
        _wake: bool,
    ) -> impl Future<Output = Result<http::Response<Body>, Unavailable>> {
        std::future::ready(Err(Unavailable::NoOwner))
    }

    /// Bytes of memory that the gateway itself takes, where that is known.
    fn memory(&self) -> Option<u64> {
        None
    }
}

/// Who has a database open, and where its files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The page that runs the database worker, by its service worker client id.
    pub owner: Option<String>,
    /// `opfs`, `indexeddb`, `memory`, `directory`.
    pub storage: String,
    /// Whether it outlives the worker.
    pub durable: bool,
}

/// Why something was not sealed, or not opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SealError {
    /// Nothing here keeps a key.
    NoKey,
    /// The text is for a person.
    Failed(String),
}

impl fmt::Display for SealError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => formatter.write_str("Nothing here keeps a key for secrets"),
            Self::Failed(reason) => write!(formatter, "The secret could not be sealed: {reason}"),
        }
    }
}

impl std::error::Error for SealError {}

/// A mail on its way to a mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub server: MailServer,
    /// What its Message-ID is made of.
    pub id: String,
    /// `"Name" <address>`, or an address alone.
    pub from: String,
    pub to: String,
    pub subject: String,
    pub html: String,
    pub text: String,
}

/// A mail server, as SMTP reaches it.
#[derive(Clone, PartialEq, Eq)]
pub struct MailServer {
    pub host: String,
    pub port: u16,
    /// Empty where the server asks for none.
    pub user: String,
    pub password: String,
}

impl fmt::Debug for MailServer {
    /// Shows no password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MailServer")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// A picture that was rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub bytes: Bytes,
    /// Its media type.
    pub media: String,
}

/// Why a picture was not rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenderError {
    /// It is no picture, a damaged one, or of a kind that is not rendered.
    Invalid,
    /// It has too many pixels.
    TooLarge,
    /// The options are none.
    Option,
    /// The renderer failed, or could not begin; the text is for a person.
    Failed(String),
}

impl RenderError {
    /// What a renderer says, in its own short words.
    pub fn parse(text: &str) -> Self {
        match text.split(' ').next() {
            Some("invalid") => Self::Invalid,
            Some("too-large") => Self::TooLarge,
            Some("option" | "format") => Self::Option,
            _ => Self::Failed(text.to_owned()),
        }
    }
}
