//! The answering end of a connection.

use std::collections::VecDeque;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, Version, header, request, response};

use crate::{
    Length, Malformed,
    body::{Part, Reading, Writing, has_no_body},
    head,
};

/// What is asked, in order.
#[derive(Debug)]
pub enum Asked {
    /// A request begins. Headers that spoke of the connection are not among its headers.
    Request(request::Parts),
    Body(Bytes),
    /// The request has ended.
    End(HeaderMap),
}

/// One connection from a client: requests come one after the other, the next one is read when the
/// one before is answered.
#[derive(Debug)]
pub struct Server {
    outgoing: BytesMut,
    incoming: BytesMut,
    reading: State,
    answering: Answering,
    method: Method,
    version: Version,
    persists: bool,
    /// The client waits with its body until it is asked for.
    waits: bool,
    ended: bool,
    asked: VecDeque<Asked>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Body(Reading),
    /// Read to its end, not answered yet.
    Read,
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answering {
    /// Nothing to answer, or not begun.
    Before,
    Body(Writing),
    Done,
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// A connection that was accepted.
    pub fn new() -> Self {
        Self {
            outgoing: BytesMut::new(),
            incoming: BytesMut::new(),
            reading: State::Head,
            answering: Answering::Before,
            method: Method::GET,
            version: Version::HTTP_11,
            persists: true,
            waits: false,
            ended: false,
            asked: VecDeque::new(),
        }
    }

    /// Takes bytes from the stream. After a failure there is one thing to do: answer 400 with
    /// [`Server::refuse`] and end the stream.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.incoming.extend_from_slice(bytes);
        self.read()
    }

    /// The client says no more.
    pub fn handle_end(&mut self) -> Result<(), Malformed> {
        self.ended = true;
        self.persists = false;
        match self.reading {
            State::Head if self.incoming.is_empty() => Ok(()),
            State::Read | State::Over => Ok(()),
            State::Head | State::Body(_) => Err(Malformed::Truncated),
        }
    }

    /// The next thing that is asked.
    pub fn poll_asked(&mut self) -> Option<Asked> {
        self.asked.pop_front()
    }

    /// Takes the end of the request, if it is the next thing: whether there is no body is known before
    /// anybody reads one.
    pub fn poll_end(&mut self) -> bool {
        let is_end = matches!(self.asked.front(), Some(Asked::End(_)));
        if is_end {
            self.asked.pop_front();
        }
        is_end
    }

    /// Asks for the body, if the client waits to be asked. Whoever reads the body calls it.
    pub fn want_body(&mut self) {
        if std::mem::take(&mut self.waits) && self.answering == Answering::Before {
            self.outgoing.put_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    /// Begins the response. Its body's frame is written from `length`, whatever the headers say of
    /// it; what has no body by its method or status gets none.
    pub fn respond(&mut self, head: &response::Parts, length: Length) {
        // A client that was never asked for its body may send it or not: nobody can tell what its
        // next bytes are.
        self.persists &= !std::mem::take(&mut self.waits);
        let buffer = &mut self.outgoing;
        head::write_status_line(buffer, head.status);
        let is_head = self.method == Method::HEAD;
        // The length that a GET would have is told with what has no body, if it is known.
        let kept: &[_] = if is_head {
            &[]
        } else {
            &[header::CONTENT_LENGTH]
        };
        head::write_headers(buffer, &head.headers, kept);
        if is_head
            && let Length::Known(length) = length
            && !head.headers.contains_key(header::CONTENT_LENGTH)
        {
            let text = length.to_string();
            head::write_header(buffer, &header::CONTENT_LENGTH, text.as_bytes());
        }
        let writing = if is_head || has_no_body(head.status) {
            Writing::Done
        } else {
            match length {
                Length::None | Length::Known(0) => {
                    head::write_header(buffer, &header::CONTENT_LENGTH, b"0");
                    Writing::Done
                }
                Length::Known(length) => {
                    let text = length.to_string();
                    head::write_header(buffer, &header::CONTENT_LENGTH, text.as_bytes());
                    Writing::Length(length)
                }
                Length::Unknown if self.version == Version::HTTP_11 => {
                    head::write_header(buffer, &header::TRANSFER_ENCODING, b"chunked");
                    Writing::Chunks
                }
                Length::Unknown => {
                    self.persists = false;
                    Writing::UntilEnd
                }
            }
        };
        match (self.persists, self.version) {
            (false, _) => head::write_header(buffer, &header::CONNECTION, b"close"),
            (true, Version::HTTP_10) => {
                head::write_header(buffer, &header::CONNECTION, b"keep-alive");
            }
            (true, _) => {}
        }
        buffer.put_slice(b"\r\n");
        self.answering = Answering::Body(writing);
    }

    /// Sends a piece of the response's body. What goes beyond the length that was said is not sent.
    pub fn send(&mut self, bytes: &[u8]) {
        if let Answering::Body(writing) = &mut self.answering {
            writing.write(&mut self.outgoing, bytes);
        }
    }

    /// Ends the response, and reads the next request. `false` where the body was longer, by what
    /// was said: then the stream has to be broken off.
    pub fn finish(&mut self, trailers: Option<&HeaderMap>) -> Result<bool, Malformed> {
        let Answering::Body(mut writing) = self.answering else {
            return Ok(true);
        };
        let whole = writing.finish(&mut self.outgoing, trailers);
        self.answering = Answering::Done;
        self.persists &= whole;
        self.read()?;
        Ok(whole)
    }

    /// Answers what is no request, and what cannot be answered otherwise; the stream ends after it.
    pub fn refuse(&mut self, status: StatusCode, content_type: &str, text: &str) {
        if self.answering == Answering::Before {
            self.persists = false;
            self.method = Method::GET;
            head::write_status_line(&mut self.outgoing, status);
            let length = text.len().to_string();
            let content_type = content_type.as_bytes();
            head::write_header(&mut self.outgoing, &header::CONTENT_TYPE, content_type);
            head::write_header(
                &mut self.outgoing,
                &header::CONTENT_LENGTH,
                length.as_bytes(),
            );
            head::write_header(&mut self.outgoing, &header::CONNECTION, b"close");
            self.outgoing.put_slice(b"\r\n");
            self.outgoing.put_slice(text.as_bytes());
        }
        self.reading = State::Over;
        self.answering = Answering::Done;
    }

    /// Bytes for the stream.
    pub fn poll_bytes(&mut self) -> Option<Bytes> {
        (!self.outgoing.is_empty()).then(|| self.outgoing.split().freeze())
    }

    /// Whether the stream is to be ended, once all bytes are sent.
    pub fn is_over(&self) -> bool {
        let answered = self.answering == Answering::Done;
        answered && !self.persists || self.ended && self.reading == State::Head
    }

    fn read(&mut self) -> Result<(), Malformed> {
        loop {
            match self.reading {
                State::Head => {
                    // A line's end before a request is overlooked (RFC 9112, 2.2).
                    while self.incoming.starts_with(b"\r\n") {
                        let _ = self.incoming.split_to(2);
                    }
                    if self.incoming.is_empty() {
                        return Ok(());
                    }
                    let Some(head) = head::read_request(&mut self.incoming)? else {
                        return Ok(());
                    };
                    self.begin(head)?;
                }
                State::Body(mut reading) => {
                    let part = reading.read(&mut self.incoming)?;
                    self.reading = State::Body(reading);
                    match part {
                        None => return Ok(()),
                        Some(Part::Bytes(bytes)) => {
                            self.waits = false;
                            self.asked.push_back(Asked::Body(bytes));
                        }
                        Some(Part::End(trailers)) => {
                            self.waits = false;
                            self.reading = State::Read;
                            self.asked.push_back(Asked::End(trailers));
                        }
                    }
                }
                State::Read if self.answering == Answering::Done && self.persists => {
                    self.reading = State::Head;
                    self.answering = Answering::Before;
                }
                State::Read | State::Over => return Ok(()),
            }
        }
    }

    fn begin(&mut self, mut head: request::Parts) -> Result<(), Malformed> {
        // Without a host, or with two, nobody knows whom it is for (RFC 9112, 3.2).
        let hosts = head.headers.get_all(header::HOST).iter().count();
        if hosts > 1 || hosts == 0 && head.version == Version::HTTP_11 {
            return Err(Malformed::Host);
        }
        let reading = Reading::of_request(&head.headers)?;
        self.persists = !self.ended && head::persists(head.version, &head.headers);
        self.waits = head.version == Version::HTTP_11
            && head::has_token(&head.headers, &header::EXPECT, "100-continue");
        self.method = head.method.clone();
        self.version = head.version;
        head::remove_hop_by_hop(&mut head.headers);
        head.headers.remove(header::EXPECT);
        self.reading = State::Body(reading);
        self.asked.push_back(Asked::Request(head));
        Ok(())
    }
}
