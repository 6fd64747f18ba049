//! An HTTP server for the guest's programs: whatever listens for them and answers.
//!
//! What is promised:
//! - A request's body is read as fast as whoever answers takes it, a response's body as fast as the
//!   program takes it.
//! - A program that goes away drops what it asked for.
//! - What is no HTTP is answered 400 and ends the connection. So is a response that broke off, by a
//!   reset.
//! - Connections are independent: a request may wait for the answer to another.

mod asked;
#[cfg(test)]
mod tests;

use std::{fmt, pin::pin, rc::Rc, task::Poll};

use futures::{
    StreamExt as _,
    future::{self, Either, LocalBoxFuture},
    stream::FuturesUnordered,
};
use http::{Request, Response, StatusCode, header, request, response};
use http1::{Asked, Length, Malformed, Server};
use port::peer::Body;

use crate::{
    network::{Broken, ByteStream, Listener},
    surroundings::{Milliseconds, Task, World, within},
};
use asked::Connection;

/// Whoever answers.
pub trait Answers {
    /// Answers one request. Its URI is as the program wrote it: a path, or absolute.
    fn answer(&self, request: Request<Body>) -> LocalBoxFuture<'static, Response<Body>>;

    /// What is said to bytes that are no request: the content's type, and the content.
    fn refusal(&self, status: StatusCode, malformed: Malformed) -> (&'static str, String) {
        let _ = status;
        ("text/plain; charset=utf-8", malformed.to_string())
    }
}

/// The status that says what is wrong with bytes.
fn status(malformed: Malformed) -> StatusCode {
    match malformed {
        Malformed::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Malformed::Head(_)
        | Malformed::Host
        | Malformed::Length
        | Malformed::Coding
        | Malformed::Chunk
        | Malformed::Truncated
        | Malformed::Unasked => StatusCode::BAD_REQUEST,
    }
}

/// How long a server waits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the next request on an open connection, and for the whole of its head.
    pub idle: Milliseconds,
    /// For a program to take the rest of an answer, once all of it is sent.
    pub linger: Milliseconds,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle: 120_000,
            linger: 10_000,
        }
    }
}

/// Serves what comes in, until this value is dropped; open connections end with it.
#[derive(Debug)]
pub struct Service {
    _task: Task,
}

impl Service {
    #[must_use]
    pub fn start(
        world: &World,
        limits: Limits,
        mut listener: Listener,
        answers: Rc<dyn Answers>,
    ) -> Self {
        let task = Task::run(world, {
            let world = Rc::clone(world);
            let mut open = FuturesUnordered::new();
            future::poll_fn(move |context| {
                while let Poll::Ready(call) = listener.poll_accept(context) {
                    match call {
                        Some(stream) => {
                            let (world, answers) = (Rc::clone(&world), Rc::clone(&answers));
                            open.push(serve(world, limits, stream, answers));
                        }
                        None => return Poll::Ready(()),
                    }
                }
                while let Poll::Ready(Some(())) = open.poll_next_unpin(context) {}
                Poll::Pending
            })
        });
        Self { _task: task }
    }
}

/// Serves one connection to its end.
async fn serve(world: World, limits: Limits, stream: ByteStream, answers: Rc<dyn Answers>) {
    let connection = Rc::new(Connection::new(stream));
    loop {
        let head = match within(&world, limits.idle, connection.head()).await {
            Ok(Ok(Some(head))) => head,
            // It has said its last, went away, or says nothing.
            Ok(Ok(None) | Err(Failed::Broken)) | Err(_) => break,
            Ok(Err(Failed::Malformed(malformed))) => {
                refuse(&connection, &*answers, malformed).await;
                break;
            }
        };
        match exchange(&connection, head, &*answers).await {
            Ok(()) if connection.is_over() => break,
            Ok(()) => {}
            // Dropped, the stream tells the program that the answer is not whole.
            Err(Failed::Broken) => return,
            Err(Failed::Malformed(malformed)) => {
                refuse(&connection, &*answers, malformed).await;
                break;
            }
        }
    }
    connection.close(&world, limits.linger).await;
}

/// Why a connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failed {
    /// One of the two ends broke it off.
    Broken,
    /// What came is no HTTP.
    Malformed(Malformed),
}

impl From<Broken> for Failed {
    fn from(_broken: Broken) -> Self {
        Self::Broken
    }
}

impl From<Malformed> for Failed {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// Answers one request, as long as the program is there to hear it.
async fn exchange(
    connection: &Rc<Connection>,
    head: request::Parts,
    answers: &dyn Answers,
) -> Result<(), Failed> {
    let body = connection.body();
    let request = Request::from_parts(head, body);
    let work = async {
        let response = answers.answer(request).await;
        respond(connection, response).await
    };
    match future::select(pin!(work), pin!(connection.gone())).await {
        Either::Left((done, _)) => done,
        Either::Right((failed, _)) => Err(failed),
    }
}

async fn respond(connection: &Connection, response: Response<Body>) -> Result<(), Failed> {
    let (head, mut body) = response.into_parts();
    let length = length(&head, &body);
    connection.server().respond(&head, length);
    connection.flush().await?;
    while let Some(chunk) = body.next().await {
        // Nobody can tell the program what went wrong in the middle of an answer, but that it did.
        let chunk = chunk.map_err(|_interrupted| Failed::Broken)?;
        connection.server().send(&chunk);
        connection.flush().await?;
    }
    let finished = connection.finish();
    connection.flush().await?;
    if finished? {
        Ok(())
    } else {
        Err(Failed::Broken)
    }
}

/// The length of a body, as far as it is known before it comes.
fn length(head: &response::Parts, body: &Body) -> Length {
    if body.is_empty() {
        return Length::Known(0);
    }
    let announced = head.headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok());
    announced.map_or(Length::Unknown, Length::Known)
}

async fn refuse(connection: &Connection, answers: &dyn Answers, malformed: Malformed) {
    let status = status(malformed);
    let (content_type, text) = answers.refusal(status, malformed);
    connection.server().refuse(status, content_type, &text);
    // Whoever does not take it does not want it.
    let _ = connection.flush().await;
}

impl fmt::Debug for dyn Answers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Answers")
    }
}
