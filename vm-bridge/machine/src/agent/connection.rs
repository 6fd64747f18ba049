//! One connection to the agent, from its first word on.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::{Rc, Weak},
};

use control::{
    Conversation, Decoder, Event, Hello, PROTOCOL, Refusal, Request, ToAgent, ToWorker, Welcome,
    encode,
};
use futures::future::{self, Either};

use super::{
    Failed,
    talk::{State, Talk},
};
use crate::{network::ByteStream, surroundings::Bell};

pub(super) struct Connection {
    pub(super) welcome: Welcome,
    stream: ByteStream,
    /// What came before the first frame was read to its end.
    decoder: RefCell<Decoder<ToWorker>>,
    leaving: Rc<Leaving>,
    talks: Rc<Talks>,
    conversations: Cell<u32>,
}

pub(super) type Talks = RefCell<BTreeMap<Conversation, Rc<State>>>;

/// Frames that wait to be written.
#[derive(Default)]
pub(super) struct Leaving {
    bytes: RefCell<Vec<u8>>,
    /// The connection is over, or is to be.
    over: Cell<bool>,
    changed: Bell,
}

impl Leaving {
    /// Puts a frame behind those that wait.
    pub(super) fn put(&self, message: &ToAgent) -> Result<(), Failed> {
        if self.over.get() {
            return Err(Failed::Lost);
        }
        let encoded = encode(message, &mut self.bytes.borrow_mut());
        encoded.map_err(|too_long| {
            let reason = too_long.to_string();
            Failed::Agent(control::Failure::Invalid { reason })
        })?;
        self.changed.ring();
        Ok(())
    }

    fn end(&self) {
        self.over.set(true);
        self.changed.ring();
    }
}

impl Connection {
    /// Says hello on a stream. An error is the agent's refusal, or none where it said nothing.
    pub(super) async fn open(stream: ByteStream, hello: Hello) -> Result<Self, Option<Refusal>> {
        let mut bytes = Vec::new();
        encode(&ToAgent::Hello(hello), &mut bytes).map_err(|_too_long| None)?;
        stream.write(bytes.into()).await.map_err(|_broken| None)?;
        let mut decoder = Decoder::new();
        let welcome = loop {
            match decoder.poll().map_err(|_malformed| None)? {
                Some(ToWorker::Hello(welcome)) => break welcome,
                Some(ToWorker::Refused(refusal)) => return Err(Some(refusal)),
                Some(_) => return Err(None),
                None => {}
            }
            match stream.read().await {
                Ok(Some(bytes)) => decoder.push(&bytes),
                Ok(None) | Err(_) => return Err(None),
            }
        };
        if welcome.protocol != PROTOCOL {
            let protocol = welcome.protocol;
            return Err(Some(Refusal::Version { protocol }));
        }
        Ok(Self {
            welcome,
            stream,
            decoder: RefCell::new(decoder),
            leaving: Rc::default(),
            talks: Rc::default(),
            conversations: Cell::new(0),
        })
    }

    /// Carries what is said in both directions, until the connection is lost.
    pub(super) async fn run(&self, tell: &dyn Fn(Event)) {
        let read = std::pin::pin!(self.read(tell));
        let write = std::pin::pin!(self.write());
        match future::select(read, write).await {
            Either::Left(((), _)) | Either::Right(((), _)) => {}
        }
        self.leaving.end();
    }

    /// Ends [`Connection::run`].
    pub(super) fn give_up(&self) {
        self.leaving.end();
    }

    /// Whatever is under way hears that it has no answer.
    pub(super) fn fail(&self) {
        for state in std::mem::take(&mut *self.talks.borrow_mut()).into_values() {
            state.end(Err(Failed::Lost));
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.talks.borrow().is_empty()
    }

    pub(super) fn begin(&self, request: Request) -> Result<Talk, Failed> {
        let number = self.conversations.get().wrapping_add(1);
        self.conversations.set(number);
        let conversation = Conversation(number);
        let state = Rc::new(State::default());
        self.leaving.put(&ToAgent::Ask {
            conversation,
            request,
        })?;
        self.talks
            .borrow_mut()
            .insert(conversation, Rc::clone(&state));
        let (leaving, talks): (_, Weak<Talks>) =
            (Rc::clone(&self.leaving), Rc::downgrade(&self.talks));
        Ok(Talk::new(conversation, state, leaving, talks))
    }

    async fn read(&self, tell: &dyn Fn(Event)) {
        loop {
            loop {
                let polled = self.decoder.borrow_mut().poll();
                match polled {
                    Ok(Some(message)) => {
                        if self.handle(message, tell).is_none() {
                            return;
                        }
                    }
                    Ok(None) => break,
                    Err(_malformed) => return,
                }
            }
            match self.stream.read().await {
                Ok(Some(bytes)) => self.decoder.borrow_mut().push(&bytes),
                Ok(None) | Err(_) => return,
            }
        }
    }

    async fn write(&self) {
        loop {
            let next = self.leaving.changed.wait(|| {
                let bytes = self.leaving.bytes.take();
                if self.leaving.over.get() {
                    return Some(None);
                }
                (!bytes.is_empty()).then_some(Some(bytes))
            });
            let Some(bytes) = next.await else {
                return;
            };
            if self.stream.write(bytes.into()).await.is_err() {
                return;
            }
        }
    }

    /// Takes a message; `None` where it breaks the protocol. What is about a conversation that was
    /// given up is of no meaning.
    fn handle(&self, message: ToWorker, tell: &dyn Fn(Event)) -> Option<()> {
        let talk = |conversation| self.talks.borrow().get(&conversation).cloned();
        match message {
            ToWorker::Hello(_) | ToWorker::Refused(_) => return None,
            ToWorker::Answer {
                conversation,
                answer,
            } => {
                if let Some(state) = self.talks.borrow_mut().remove(&conversation) {
                    state.end(Ok(answer));
                }
            }
            ToWorker::Failed {
                conversation,
                failure,
            } => {
                if let Some(state) = self.talks.borrow_mut().remove(&conversation) {
                    state.end(Err(Failed::Agent(failure)));
                }
            }
            ToWorker::Chunk {
                conversation,
                channel,
                offset,
                last,
                bytes,
            } => {
                if let Some(state) = talk(conversation) {
                    state.receive(channel, offset, last, bytes)?;
                }
            }
            ToWorker::Credit {
                conversation,
                bytes,
            } => {
                if let Some(state) = talk(conversation) {
                    state.grant(bytes);
                }
            }
            ToWorker::Event(event) => tell(event),
        }
        Some(())
    }
}
