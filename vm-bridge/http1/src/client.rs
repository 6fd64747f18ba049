//! The asking end of a connection.

use std::collections::VecDeque;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header, request, response};

use crate::{
    Length, Malformed,
    body::{Part, Reading, Writing},
    head,
};

/// What comes back, in order.
#[derive(Debug)]
pub enum Event {
    /// The other end wants the body now (`100 Continue`).
    Continue,
    /// The response begins. Headers that spoke of the connection are not among its headers.
    Response(response::Parts),
    Body(Bytes),
    /// The response has ended. A response to HEAD has no body, and is over at once.
    End(HeaderMap),
    /// The other end has changed the protocol: [`Client::upgraded`] has what it said since.
    Upgrade(response::Parts),
}

/// One connection to a server: a request at a time.
#[derive(Debug)]
pub struct Client {
    outgoing: BytesMut,
    incoming: BytesMut,
    writing: Writing,
    state: State,
    /// Of the request that is being answered.
    method: Method,
    upgrades: bool,
    /// Whether both ends mean to go on after this response.
    persists: bool,
    events: VecDeque<Event>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Head,
    Body(Reading),
    Upgraded,
    /// The stream has ended, or what came over it made no sense.
    Over,
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    /// A connection over a stream that is open.
    pub fn new() -> Self {
        Self {
            outgoing: BytesMut::new(),
            incoming: BytesMut::new(),
            writing: Writing::Done,
            state: State::Idle,
            method: Method::GET,
            upgrades: false,
            persists: true,
            events: VecDeque::new(),
        }
    }

    /// Whether a request can be sent now.
    pub fn is_idle(&self) -> bool {
        self.state == State::Idle && self.writing == Writing::Done && self.persists
    }

    /// Begins a request; only where [`Client::is_idle`]. The body's frame is written from `length`,
    /// whatever the headers say of it.
    pub fn request(&mut self, head: &request::Parts, length: Length) {
        debug_assert!(self.is_idle(), "one request at a time");
        self.method = head.method.clone();
        self.upgrades = head.headers.contains_key(header::UPGRADE);
        self.state = State::Head;
        let buffer = &mut self.outgoing;
        head::write_request_line(buffer, head);
        // It stands first (RFC 9110, 7.2).
        let host = head.headers.get(header::HOST);
        let host = host.map_or(&b"localhost"[..], |host| host.as_bytes());
        head::write_header(buffer, &header::HOST, host);
        head::write_headers(
            buffer,
            &head.headers,
            &[header::HOST, header::CONTENT_LENGTH],
        );
        if let Some(protocol) = head.headers.get(header::UPGRADE) {
            head::write_header(buffer, &header::CONNECTION, b"Upgrade");
            head::write_header(buffer, &header::UPGRADE, protocol.as_bytes());
        }
        let expects_body = !matches!(
            head.method,
            Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS | Method::CONNECT
        );
        self.writing = match length {
            Length::None if !expects_body => Writing::Done,
            Length::None => {
                head::write_header(buffer, &header::CONTENT_LENGTH, b"0");
                Writing::Done
            }
            Length::Known(length) => {
                let text = length.to_string();
                head::write_header(buffer, &header::CONTENT_LENGTH, text.as_bytes());
                Writing::Length(length)
            }
            Length::Unknown => {
                head::write_header(buffer, &header::TRANSFER_ENCODING, b"chunked");
                Writing::Chunks
            }
        };
        buffer.put_slice(b"\r\n");
    }

    /// Sends a piece of the request's body. What goes beyond the length that was said is not sent.
    pub fn send(&mut self, bytes: &[u8]) {
        self.writing.write(&mut self.outgoing, bytes);
    }

    /// Ends the request's body. `false` where it was longer, by what was said: then the stream has
    /// to be broken off.
    pub fn finish(&mut self, trailers: Option<&HeaderMap>) -> bool {
        let whole = self.writing.finish(&mut self.outgoing, trailers);
        self.persists &= whole;
        whole
    }

    /// Bytes for the stream.
    pub fn poll_bytes(&mut self) -> Option<Bytes> {
        (!self.outgoing.is_empty()).then(|| self.outgoing.split().freeze())
    }

    /// Takes bytes from the stream.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.incoming.extend_from_slice(bytes);
        let read = self.read();
        if read.is_err() {
            self.state = State::Over;
        }
        read
    }

    /// The stream has ended at the other side.
    pub fn handle_end(&mut self) -> Result<(), Malformed> {
        let state = std::mem::replace(&mut self.state, State::Over);
        self.persists = false;
        match state {
            State::Idle | State::Upgraded | State::Over => Ok(()),
            State::Body(reading) if reading.may_end() => {
                self.events.push_back(Event::End(HeaderMap::new()));
                Ok(())
            }
            State::Head | State::Body(_) => Err(Malformed::Truncated),
        }
    }

    /// The next thing that came back.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Takes the end of the response, if it is the next thing: whether there is nothing more of it is
    /// known before anybody reads it.
    pub fn poll_end(&mut self) -> bool {
        let is_end = matches!(self.events.front(), Some(Event::End(_)));
        if is_end {
            self.events.pop_front();
        }
        is_end
    }

    /// After [`Event::Upgrade`]: what the other end said in the new protocol so far.
    pub fn upgraded(&mut self) -> Bytes {
        self.incoming.split().freeze()
    }

    fn read(&mut self) -> Result<(), Malformed> {
        loop {
            match self.state {
                State::Idle if self.incoming.is_empty() => return Ok(()),
                State::Idle => return Err(Malformed::Unasked),
                State::Upgraded | State::Over => return Ok(()),
                State::Head => {
                    let Some(head) = head::read_response(&mut self.incoming)? else {
                        return Ok(());
                    };
                    self.begin(head)?;
                }
                State::Body(mut reading) => {
                    let part = reading.read(&mut self.incoming)?;
                    self.state = State::Body(reading);
                    match part {
                        None => return Ok(()),
                        Some(Part::Bytes(bytes)) => self.events.push_back(Event::Body(bytes)),
                        Some(Part::End(trailers)) => {
                            self.state = State::Idle;
                            self.events.push_back(Event::End(trailers));
                        }
                    }
                }
            }
        }
    }

    fn begin(&mut self, mut head: response::Parts) -> Result<(), Malformed> {
        if head.status == StatusCode::SWITCHING_PROTOCOLS && self.upgrades {
            self.state = State::Upgraded;
            self.persists = false;
            self.events.push_back(Event::Upgrade(head));
            return Ok(());
        }
        if head.status.is_informational() {
            if head.status == StatusCode::CONTINUE {
                self.events.push_back(Event::Continue);
            }
            return Ok(());
        }
        let reading = Reading::of_response(&self.method, &head)?;
        self.persists &= head::persists(head.version, &head.headers);
        head::remove_hop_by_hop(&mut head.headers);
        self.state = State::Body(reading);
        self.events.push_back(Event::Response(head));
        Ok(())
    }
}
