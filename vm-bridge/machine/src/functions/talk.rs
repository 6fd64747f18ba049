//! One exchange: two bodies, and whoever waits for something of them.

use std::{collections::VecDeque, rc::Rc, task::Waker};

use bytes::Bytes;
use futures::channel::oneshot;
use port::peer::Interrupted;

use super::{Failure, message::WINDOW, outside::Caller};
use crate::tunnel::ToPage;

/// The head of a function's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Head {
    Response {
        status: u16,
        headers: Vec<(String, String)>,
        has_body: bool,
    },
    /// The WebSocket is taken.
    Upgraded { protocol: String },
}

/// What an exchange is for.
pub(super) enum Role {
    /// Somebody asks the function.
    Asks {
        /// Until it is there.
        head: Option<oneshot::Sender<Result<Head, Failure>>>,
    },
    /// A page's WebSocket.
    Socket {
        head: Option<oneshot::Sender<Result<Head, Failure>>>,
        post: Rc<dyn Fn(ToPage)>,
    },
    /// The function asks; dropped, its request is aborted.
    Fetches { _task: crate::surroundings::Task },
}

/// One exchange with an isolate.
pub(super) struct Talk {
    pub(super) role: Role,
    pub(super) caller: Option<Rc<Caller>>,
    pub(super) incoming: Incoming,
    pub(super) outgoing: Outgoing,
    /// Of a request: microseconds that the isolate computed for it.
    pub(super) cpu: u64,
}

impl Talk {
    pub(super) fn new(role: Role, caller: Option<Rc<Caller>>) -> Self {
        Self {
            role,
            caller,
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
            cpu: 0,
        }
    }

    /// Whoever waits for the head of an answer, once.
    pub(super) fn head(&mut self) -> Option<oneshot::Sender<Result<Head, Failure>>> {
        match &mut self.role {
            Role::Asks { head } | Role::Socket { head, .. } => head.take(),
            Role::Fetches { .. } => None,
        }
    }

    pub(super) fn is_request(&self) -> bool {
        matches!(self.role, Role::Asks { .. } | Role::Socket { .. })
    }
}

/// The isolate's body, as far as nobody has read it.
#[derive(Default)]
pub(super) struct Incoming {
    chunks: VecDeque<Bytes>,
    held: usize,
    end: Option<Result<(), Interrupted>>,
    pub(super) reader: Option<Waker>,
}

impl Incoming {
    /// Takes a piece; whether it was allowed.
    pub(super) fn push(&mut self, bytes: Bytes) -> bool {
        if self.end.is_none() && !bytes.is_empty() {
            self.held += bytes.len();
            self.chunks.push_back(bytes);
            self.wake();
        }
        self.held <= 2 * WINDOW
    }

    pub(super) fn end(&mut self, end: Result<(), Interrupted>) {
        if self.end.is_none() {
            self.end = Some(end);
            self.wake();
        }
    }

    pub(super) fn take(&mut self) -> Option<Bytes> {
        let bytes = self.chunks.pop_front()?;
        self.held -= bytes.len();
        Some(bytes)
    }

    /// How it ended, once everything of it was taken.
    pub(super) fn ended(&self) -> Option<Result<(), Interrupted>> {
        self.end.clone().filter(|_| self.chunks.is_empty())
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

/// How much of a body the isolate takes.
pub(super) struct Outgoing {
    pub(super) room: usize,
    /// It takes nothing of it any more.
    pub(super) gone: bool,
    pub(super) writer: Option<Waker>,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self {
            room: WINDOW,
            gone: false,
            writer: None,
        }
    }
}

impl Outgoing {
    pub(super) fn credit(&mut self, bytes: usize) {
        self.room = self.room.saturating_add(bytes).min(WINDOW);
        self.wake();
    }

    pub(super) fn close(&mut self) {
        self.gone = true;
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}
