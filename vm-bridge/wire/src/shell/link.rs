//! A line to a database worker: the port client, driven.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures::Stream;
use port::{Client, Conversation, Exchange, Limits, Lost, Milliseconds, Output, PortId, Storage};

use super::{Attached, Heard, Timer, now};

/// What the line tells.
#[derive(Debug)]
pub enum News {
    /// Nobody is on the line: a port is wanted.
    WantPort,
    /// A database answers from now on; what it notified before was missed.
    Connected,
    Notify {
        channel: String,
        payload: String,
    },
}

/// The line to one project's database.
///
/// **Invariant:** no borrow of a cell is held while JavaScript or a waker is called.
pub struct Link {
    client: RefCell<Client>,
    ports: RefCell<BTreeMap<PortId, Attached>>,
    owners: RefCell<BTreeMap<PortId, String>>,
    readers: RefCell<BTreeMap<Conversation, Waker>>,
    timer: RefCell<Option<(Milliseconds, Timer)>>,
    driving: Cell<bool>,
    tell: Box<dyn Fn(News)>,
    this: Weak<Self>,
}

impl Link {
    /// A line with nobody at its other end yet.
    pub fn new(build: &str, life: &str, tell: impl Fn(News) + 'static) -> Rc<Self> {
        Rc::new_cyclic(|this| Self {
            client: RefCell::new(Client::new(build, life, Limits::default())),
            ports: RefCell::default(),
            owners: RefCell::default(),
            readers: RefCell::default(),
            timer: RefCell::default(),
            driving: Cell::new(false),
            tell: Box::new(tell),
            this: this.clone(),
        })
    }

    /// Where the database keeps its files, once it answers, and the name of the page whose port is in
    /// use.
    pub fn host(&self) -> Option<(Storage, Option<String>)> {
        let storage = self.client.borrow().welcome()?.storage;
        // The one port that is open is the one in use.
        let owner = self.owners.borrow().values().next().cloned();
        Some((storage, owner))
    }

    /// Takes a port that a page handed over; `owner` names the page.
    pub fn attach(&self, port: web_sys::MessagePort, owner: Option<String>) {
        let id = self.client.borrow_mut().handle_port(now());
        if let Some(owner) = owner {
            self.owners.borrow_mut().insert(id, owner);
        }
        let this = self.this.clone();
        let attached = Attached::new(port, move |heard| {
            if let Some(link) = this.upgrade() {
                link.step(|client, now| match heard {
                    Heard::Buffer(buffer, _port) => client.handle_buffer(id, buffer.into(), now),
                    Heard::Closed => client.handle_lost(id, now),
                });
            }
        });
        self.ports.borrow_mut().insert(id, attached);
        self.drive();
    }

    /// Another tab may own the database now.
    pub fn owner_changed(&self) {
        self.step(Client::handle_owner_changed);
    }

    /// Says goodbye.
    pub fn close(&self) {
        self.step(|client, _now| client.close());
    }

    /// Sends an exchange; its answer comes, or an error does, but never nothing.
    pub fn exchange(&self, exchange: Exchange) -> (Conversation, Reading) {
        let conversation = self.step(|client, now| client.open(exchange, now));
        let reading = Reading {
            link: self.this.clone(),
            conversation,
        };
        (conversation, reading)
    }

    fn step<Outcome>(&self, step: impl FnOnce(&mut Client, Milliseconds) -> Outcome) -> Outcome {
        let outcome = step(&mut self.client.borrow_mut(), now());
        self.drive();
        outcome
    }

    /// Does what the client wants done, then sets the timer for what it wants to be told.
    fn drive(&self) {
        // What is done below may lead back here; the outer turn of the loop does the rest.
        if self.driving.replace(true) {
            return;
        }
        loop {
            let output = self.client.borrow_mut().poll_output();
            match output {
                Some(output) => self.perform(output),
                None => break,
            }
        }
        self.driving.set(false);
        self.set_timer();
    }

    fn perform(&self, output: Output) {
        match output {
            Output::WantPort => (self.tell)(News::WantPort),
            Output::Connected { .. } => (self.tell)(News::Connected),
            Output::Notify { channel, payload } => (self.tell)(News::Notify { channel, payload }),
            Output::Post { port, buffer } => {
                let posted = match self.ports.borrow().get(&port) {
                    Some(attached) => attached.post(&buffer),
                    None => Ok(()),
                };
                if posted.is_err() {
                    self.client.borrow_mut().handle_lost(port, now());
                }
            }
            Output::Watch { port, life } => {
                let this = self.this.clone();
                if let Some(attached) = self.ports.borrow().get(&port) {
                    attached.watch(&life, move || {
                        if let Some(link) = this.upgrade() {
                            link.step(|client, now| client.handle_lost(port, now));
                        }
                    });
                }
            }
            Output::Close { port } => {
                self.owners.borrow_mut().remove(&port);
                let closed = self.ports.borrow_mut().remove(&port);
                drop(closed);
            }
            Output::Readable { conversation } => {
                let reader = self.readers.borrow_mut().remove(&conversation);
                if let Some(reader) = reader {
                    reader.wake();
                }
            }
        }
    }

    /// One timer for the earliest deadline. One that is set for an earlier moment is left alone: when
    /// it comes, the client says what to wait for next. So a request sets no timer of its own.
    fn set_timer(&self) {
        let Some(due) = self.client.borrow().poll_timeout() else {
            self.timer.take();
            return;
        };
        if self
            .timer
            .borrow()
            .as_ref()
            .is_some_and(|(set, _)| *set <= due)
        {
            return;
        }
        let this = self.this.clone();
        let timer = Timer::new(due.saturating_sub(now()), move || {
            if let Some(link) = this.upgrade() {
                // A closure that drops itself lives until it returns.
                drop(link.timer.take());
                link.step(Client::handle_timeout);
            }
        });
        self.timer.replace(Some((due, timer)));
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Link").finish_non_exhaustive()
    }
}

/// The bytes of one answer. Dropping it tells the database that nobody listens.
#[derive(Debug)]
pub struct Reading {
    link: Weak<Link>,
    conversation: Conversation,
}

impl Stream for Reading {
    type Item = Result<Bytes, Lost>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(link) = self.link.upgrade() else {
            return Poll::Ready(None);
        };
        let read = link.step(|client, now| client.read(self.conversation, now));
        if read.is_pending() {
            let waker = context.waker().clone();
            link.readers.borrow_mut().insert(self.conversation, waker);
        }
        read
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(link) = self.link.upgrade() {
            link.readers.borrow_mut().remove(&self.conversation);
            link.step(|client, now| client.cancel(self.conversation, now));
        }
    }
}
