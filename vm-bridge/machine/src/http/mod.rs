//! HTTP to the guest's programs, over connections that are kept and used again.
//!
//! What is promised:
//! - A response is read as fast as its reader takes it, and no faster; a request's body is read as
//!   fast as the program takes it.
//! - A dropped request, or a dropped body of its response, is a reset for the program.
//! - A request is sent a second time only where a kept connection turned out to be closed, nothing
//!   came back on it, and sending it twice is harmless.
//! - Each wait has a limit.

mod answer;
mod failure;
mod link;
mod measure;
mod pool;
#[cfg(test)]
mod tests;
mod upload;

use std::{cell::RefCell, collections::BTreeMap, fmt, rc::Rc};

use bytes::Bytes;
use futures::future::{self, Either};
use http::{Request, Response, header, request, response};
use http1::{Event, Length};
use port::peer::Body;

use crate::{
    network::{ByteStream, Network},
    surroundings::{Milliseconds, World},
};
use answer::Answer;
pub use failure::Failure;
use link::Link;
use measure::measured;
use pool::Pool;
use upload::Upload;

/// How many and how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the head of a response, counted from the last byte of the request that was taken.
    pub head: Milliseconds,
    /// Between two pieces of a response's body, while somebody waits for the next.
    pub idle: Milliseconds,
    /// For a client that waits to be asked for its body, before it is sent unasked.
    pub unasked: Milliseconds,
    /// Bytes of a body of unknown length that may be held to find its length, and how long its sender
    /// may pause meanwhile.
    pub held: usize,
    pub pause: Milliseconds,
    /// That a connection is kept after its last response.
    pub kept: Milliseconds,
    /// Connections to one port at a time.
    pub connections: usize,
    /// Requests to one port that may wait for a connection, and how long.
    pub waiting: usize,
    pub turn: Milliseconds,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 150_000,
            idle: 300_000,
            unasked: 1_000,
            held: 4 * 1024 * 1024,
            pause: 200,
            kept: 60_000,
            connections: 128,
            waiting: 1_024,
            turn: 30_000,
        }
    }
}

/// The client of all of a guest's programs.
#[derive(Clone)]
pub struct Http {
    network: Rc<dyn Network>,
    world: World,
    limits: Limits,
    pools: Rc<RefCell<BTreeMap<u16, Rc<Pool>>>>,
}

/// A connection that speaks another protocol from now on.
#[derive(Debug)]
pub struct Upgraded {
    pub head: response::Parts,
    pub stream: ByteStream,
    /// What has come in the new protocol already.
    pub rest: Bytes,
    /// Counts among the port's connections while it lives.
    pub slot: pool::Slot,
}

/// What a request for another protocol comes to.
#[derive(Debug)]
pub enum Upgrade {
    Done(Upgraded),
    /// The program answered with something else.
    Refused(Response<Body>),
}

impl Http {
    pub fn new(network: Rc<dyn Network>, world: World, limits: Limits) -> Self {
        Self {
            network,
            world,
            limits,
            pools: Rc::default(),
        }
    }

    /// Asks the program that listens on `port`.
    pub async fn request(
        &self,
        port: u16,
        request: Request<Body>,
    ) -> Result<Response<Body>, Failure> {
        let (head, body) = request.into_parts();
        let (length, body) = measured(&self.world, &self.limits, &head, body).await;
        let mut body = Some(body);
        let mut is_second = false;
        loop {
            let (link, is_used) = if is_second {
                (self.dial(port).await?, false)
            } else {
                self.connect(port).await?
            };
            let repeatable =
                head.method.is_idempotent() && body.as_ref().is_none_or(Body::is_empty);
            match self.exchange(port, link, &head, length, body.take()).await {
                Err(Failure::ClosedEarly) if is_used && repeatable => {
                    // The others were closed with it, most likely.
                    self.forget(port);
                    is_second = true;
                }
                outcome => return outcome,
            }
        }
    }

    /// Asks the program that listens on `port` to speak another protocol.
    pub async fn upgrade(&self, port: u16, head: &request::Parts) -> Result<Upgrade, Failure> {
        let link = self.dial(port).await?;
        link.client.borrow_mut().request(head, Length::None);
        let mut upload = Upload::none();
        match self.head(&link, &mut upload).await? {
            Event::Upgrade(head) => {
                let rest = link.client.borrow_mut().upgraded();
                // Nobody else holds it: no body is being sent.
                let Some(link) = Rc::into_inner(link) else {
                    return Err(Failure::ClosedEarly);
                };
                Ok(Upgrade::Done(Upgraded {
                    head,
                    stream: link.stream,
                    rest,
                    slot: link.slot,
                }))
            }
            Event::Response(head) => Ok(Upgrade::Refused(self.answer(port, link, upload, head))),
            Event::Continue | Event::Body(_) | Event::End(_) => Err(Failure::ClosedEarly),
        }
    }

    /// Closes the connections to a port that nobody uses.
    pub fn forget(&self, port: u16) {
        if let Some(pool) = self.pools.borrow().get(&port) {
            pool.forget();
        }
    }

    /// How many connections to a port are open, used or kept.
    pub fn open(&self, port: u16) -> usize {
        let pools = self.pools.borrow();
        pools.get(&port).map_or(0, |pool| pool.open())
    }

    fn pool(&self, port: u16) -> Rc<Pool> {
        let mut pools = self.pools.borrow_mut();
        Rc::clone(pools.entry(port).or_default())
    }

    /// A connection, and whether it was used before.
    async fn connect(&self, port: u16) -> Result<(Rc<Link>, bool), Failure> {
        let pool = self.pool(port);
        if let Some(link) = pool.kept() {
            return Ok((link, true));
        }
        match pool.turn(&self.world, &self.limits).await? {
            Either::Left(link) => Ok((link, true)),
            Either::Right(slot) => Ok((self.dial_in(port, slot).await?, false)),
        }
    }

    /// A connection that was never used.
    async fn dial(&self, port: u16) -> Result<Rc<Link>, Failure> {
        let pool = self.pool(port);
        match pool.turn(&self.world, &self.limits).await? {
            Either::Left(link) => {
                // Its place is wanted, not itself.
                drop(link);
                let slot = pool.slot().ok_or(Failure::TooManyConnections)?;
                self.dial_in(port, slot).await
            }
            Either::Right(slot) => self.dial_in(port, slot).await,
        }
    }

    async fn dial_in(&self, port: u16, slot: pool::Slot) -> Result<Rc<Link>, Failure> {
        let stream = self.network.dial(port).await?;
        Ok(Rc::new(Link::new(stream, slot)))
    }

    async fn exchange(
        &self,
        port: u16,
        link: Rc<Link>,
        head: &request::Parts,
        length: Length,
        body: Option<Body>,
    ) -> Result<Response<Body>, Failure> {
        let body = body.filter(|body| !body.is_empty());
        link.client.borrow_mut().request(head, length);
        // A connection that takes nothing any more may have an answer all the same.
        let _ = link.flush().await;
        let mut upload = match body {
            None => Upload::none(),
            Some(body) => {
                let is_asked = !head.headers.contains_key(header::EXPECT);
                Upload::start(&self.world, &self.limits, Rc::clone(&link), body, is_asked)
            }
        };
        match self.head(&link, &mut upload).await? {
            Event::Response(head) => Ok(self.answer(port, link, upload, head)),
            // Only a request for it is answered so.
            Event::Upgrade(_) | Event::Continue | Event::Body(_) | Event::End(_) => {
                Err(Failure::ClosedEarly)
            }
        }
    }

    /// Waits for the head of the response, or for the change of protocol.
    async fn head(&self, link: &Link, upload: &mut Upload) -> Result<Event, Failure> {
        let _ = link.flush().await;
        upload.advanced(&self.world);
        loop {
            let event = link.client.borrow_mut().poll_event();
            match event {
                Some(Event::Continue) => upload.go(),
                Some(event) => return Ok(event),
                None => {
                    let left = (upload.since() + self.limits.head).checked_sub(self.world.now());
                    let Some(left) = left.filter(|left| *left > 0) else {
                        return Err(Failure::Timeout);
                    };
                    let come = future::select(Box::pin(link.read()), Box::pin(upload.failed()));
                    match future::select(come, self.world.sleep(left)).await {
                        Either::Left((Either::Left((read, _)), _)) => link.take(read)?,
                        Either::Left((Either::Right((failure, _)), _)) => return Err(failure),
                        // The request may have gone on meanwhile.
                        Either::Right(((), _)) => {}
                    }
                }
            }
        }
    }

    fn answer(
        &self,
        port: u16,
        link: Rc<Link>,
        upload: Upload,
        head: response::Parts,
    ) -> Response<Body> {
        let mut answer = Answer::new(self, port, link, upload);
        let body = if answer.is_over() {
            Body::empty()
        } else {
            Body::stream(answer)
        };
        Response::from_parts(head, body)
    }
}

/// The length that a request says its body has.
fn announced(head: &request::Parts) -> Option<u64> {
    head.headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

impl fmt::Debug for Http {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Http")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
