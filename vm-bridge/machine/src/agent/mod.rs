//! The worker's end of the control connection to the guest's agent.
//!
//! It is dialled until somebody answers, and dialled again when it is lost. What was asked on a lost
//! connection fails with [`Failed::Lost`]; whether it took effect is unknown.

mod connection;
mod talk;
#[cfg(test)]
mod tests;

use std::{cell::RefCell, fmt, rc::Rc};

use bytes::Bytes;
use control::{Answer, Channel, Event, Failure, Refusal, Request, Welcome};
use futures::StreamExt as _;
use port::peer::{Body, Interrupted};

use crate::{
    network::Network,
    surroundings::{Bell, Milliseconds, Task, World, within},
};
use connection::Connection;
pub use talk::Talk;

/// How long the agent is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Between two tries to reach it.
    pub again: Milliseconds,
    /// For the first try to be answered by a connection, and for the first word on that. A guest
    /// that boots does not hear the first calls; each that was not answered doubles it.
    pub greeting: Milliseconds,
    /// The longest that it becomes.
    pub longest_greeting: Milliseconds,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            again: 50,
            greeting: 1_000,
            longest_greeting: 16_000,
        }
    }
}

/// What the agent tells, and what becomes of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    Connected(Welcome),
    Event(Event),
    Lost,
}

/// Why something that was asked for has no answer of the usual kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// The agent says why not.
    Agent(Failure),
    /// The connection was lost, or there is none.
    Lost,
    /// The agent did not answer in time.
    Late,
    /// What was to be sent broke off.
    Input(Interrupted),
    /// It answered something else.
    Odd,
}

impl fmt::Display for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(failure) => failure.fmt(formatter),
            Self::Lost => formatter.write_str("the connection to the virtual machine was lost"),
            Self::Late => formatter.write_str("the virtual machine did not answer in time"),
            Self::Input(interrupted) => interrupted.fmt(formatter),
            Self::Odd => formatter.write_str("the agent's answer was not expected"),
        }
    }
}

impl std::error::Error for Failed {}

/// The agent of one guest. Dropped, its connection is closed.
#[derive(Clone)]
pub struct Agent {
    inner: Rc<Inner>,
    _task: Rc<Task>,
}

struct Inner {
    network: Rc<dyn Network>,
    world: World,
    limits: Limits,
    news: Box<dyn Fn(News)>,
    connection: RefCell<Option<Rc<Connection>>>,
    /// The agent refused to be spoken to; no further try mends it.
    refused: RefCell<Option<Refusal>>,
    /// Rings when there is a connection, or none any more.
    changed: Bell,
}

impl Agent {
    /// Begins to dial. What the agent tells goes to `news`.
    pub fn dial(
        network: Rc<dyn Network>,
        world: World,
        limits: Limits,
        news: impl Fn(News) + 'static,
    ) -> Self {
        let inner = Rc::new(Inner {
            network,
            world,
            limits,
            news: Box::new(news),
            connection: RefCell::default(),
            refused: RefCell::default(),
            changed: Bell::default(),
        });
        let work = {
            let inner = Rc::clone(&inner);
            async move { inner.stay_connected().await }
        };
        let task = Rc::new(Task::run(&inner.world, work));
        Self { inner, _task: task }
    }

    /// Waits until the agent has answered a dial.
    pub async fn connected(&self) -> Result<Welcome, Refusal> {
        let inner = &self.inner;
        let look = || {
            let refused = inner.refused.borrow().clone().map(Err);
            let connection = inner.connection.borrow();
            refused.or_else(|| Some(Ok(connection.as_ref()?.welcome.clone())))
        };
        inner.changed.wait(look).await
    }

    /// Whether it can be asked now.
    pub fn is_connected(&self) -> bool {
        self.inner.connection.borrow().is_some()
    }

    /// Whether something is asked that has not been answered.
    pub fn is_busy(&self) -> bool {
        let connection = self.inner.connection.borrow();
        connection
            .as_ref()
            .is_some_and(|connection| connection.is_busy())
    }

    /// Gives the connection up and dials again: the guest has stood still, and is told the time.
    pub fn renew(&self) {
        let connection = self.inner.connection.take();
        if let Some(connection) = connection {
            connection.give_up();
        }
    }

    /// Begins a conversation.
    pub fn begin(&self, request: Request) -> Result<Talk, Failed> {
        let connection = self.inner.connection.borrow().clone();
        connection.ok_or(Failed::Lost)?.begin(request)
    }

    /// Asks for something, and waits so long.
    pub async fn ask(&self, request: Request, limit: Milliseconds) -> Result<Answer, Failed> {
        let talk = self.begin(request)?;
        let answer = within(&self.inner.world, limit, talk.answer()).await;
        answer.map_err(|_elapsed| Failed::Late)?
    }

    /// Asks for something that has an input, and sends that. The limit is for what follows it.
    pub async fn send(
        &self,
        request: Request,
        mut input: Body,
        limit: Milliseconds,
    ) -> Result<Answer, Failed> {
        let talk = self.begin(request)?;
        while let Some(chunk) = input.next().await {
            let chunk = chunk.map_err(Failed::Input)?;
            if talk.send(chunk).await.is_err() {
                // Why it takes no more is what it answers.
                break;
            }
        }
        talk.finish();
        let answer = within(&self.inner.world, limit, talk.answer()).await;
        answer.map_err(|_elapsed| Failed::Late)?
    }

    /// Asks for something that has outputs, and gathers those, `most` bytes of each.
    pub async fn gather(
        &self,
        request: Request,
        most: usize,
    ) -> Result<(Answer, Bytes, Bytes), Failed> {
        let talk = self.begin(request)?;
        talk.finish();
        let output = talk.gather(Channel::Output, most);
        let error = talk.gather(Channel::Error, most);
        let (answer, output, error) = futures::join!(talk.answer(), output, error);
        Ok((answer?, output, error))
    }
}

impl Inner {
    async fn stay_connected(&self) {
        let mut greeting = self.limits.greeting;
        loop {
            match within(&self.world, greeting, self.connect()).await {
                Ok(Ok((connection, welcome))) => {
                    greeting = self.limits.greeting;
                    self.connection.replace(Some(Rc::clone(&connection)));
                    (self.news)(News::Connected(welcome));
                    self.changed.ring();
                    connection
                        .run(&|event| (self.news)(News::Event(event)))
                        .await;
                    self.connection.replace(None);
                    connection.fail();
                    self.changed.ring();
                    (self.news)(News::Lost);
                }
                Ok(Err(Some(refusal))) => {
                    self.refused.replace(Some(refusal));
                    self.changed.ring();
                    return;
                }
                Ok(Err(None)) => {}
                Err(_elapsed) => greeting = self.limits.longest_greeting.min(greeting * 2),
            }
            self.world.sleep(self.limits.again).await;
        }
    }

    async fn connect(&self) -> Result<(Rc<Connection>, Welcome), Option<Refusal>> {
        let dialled = self.network.dial(control::PORT).await;
        let stream = dialled.map_err(|_unreached| None)?;
        let mut entropy = [0; 64];
        self.world.random(&mut entropy);
        let hello = control::Hello {
            protocol: control::PROTOCOL,
            now: self.world.wall_clock(),
            entropy,
        };
        let connection = Connection::open(stream, hello).await?;
        let welcome = connection.welcome.clone();
        Ok((Rc::new(connection), welcome))
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Agent")
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}
