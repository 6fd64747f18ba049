//! The control connection: bytes in and out of one socket, frames in between.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use control::{Decoder, Malformed, ToAgent, ToWorker, encode};

/// Bytes that may wait to be sent before the agent stops reading what would make more of them.
const FULL: usize = 256 * 1024;
/// Beyond this log lines are not even queued.
const FLOODED: usize = 1024 * 1024;

/// One control connection.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    decoder: Decoder<ToAgent>,
    out: Vec<u8>,
    /// How much of `out` is sent.
    sent: usize,
    /// Whether the worker said Hello.
    pub(crate) greeted: bool,
    /// Nothing more is read, and it ends when everything is sent.
    pub(crate) closing: bool,
}

/// Why a connection is over.
#[derive(Debug)]
pub(crate) enum Over {
    /// The worker closed it, or the network did.
    Closed,
    Broken(Malformed),
}

impl Link {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            decoder: Decoder::new(),
            out: Vec::new(),
            sent: 0,
            greeted: false,
            closing: false,
        })
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// What has arrived.
    pub(crate) fn read(&mut self) -> Result<Vec<ToAgent>, Over> {
        let mut buffer = vec![0; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => return Err(Over::Closed),
            Ok(length) => self.decoder.push(&buffer[..length]),
            Err(error) if is_transient(&error) => return Ok(Vec::new()),
            Err(_) => return Err(Over::Closed),
        }
        let mut frames = Vec::new();
        loop {
            match self.decoder.poll() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => return Ok(frames),
                // What came before the damage was asked rightly, but its answers could not be told
                // from those of the damage.
                Err(malformed) => return Err(Over::Broken(malformed)),
            }
        }
    }

    /// Queues a frame. One that is too long is the agent's mistake, and left out.
    pub(crate) fn send(&mut self, frame: &ToWorker) {
        if let Err(error) = encode(frame, &mut self.out) {
            crate::system::console(error);
        }
    }

    /// Sends what can be sent now.
    pub(crate) fn flush(&mut self) -> Result<(), Over> {
        while self.sent < self.out.len() {
            match self.stream.write(&self.out[self.sent..]) {
                Ok(0) => return Err(Over::Closed),
                Ok(length) => self.sent += length,
                Err(error) if is_transient(&error) => return Ok(()),
                Err(_) => return Err(Over::Closed),
            }
        }
        self.out.clear();
        self.sent = 0;
        if self.closing {
            let _closed_already = self.stream.shutdown(std::net::Shutdown::Both);
            return Err(Over::Closed);
        }
        Ok(())
    }

    pub(crate) fn has_unsent(&self) -> bool {
        self.sent < self.out.len() || self.closing
    }

    pub(crate) fn is_full(&self) -> bool {
        self.out.len() - self.sent >= FULL
    }

    pub(crate) fn is_flooded(&self) -> bool {
        self.out.len() - self.sent >= FLOODED
    }
}

pub(crate) fn is_transient(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
