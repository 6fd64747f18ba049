//! One connection to a program.

use std::{cell::RefCell, fmt, future::Future};

use bytes::Bytes;
use http1::{Client, Malformed};

use super::{Failure, pool::Slot};
use crate::network::{Broken, ByteStream};

pub(super) struct Link {
    pub(super) stream: ByteStream,
    pub(super) client: RefCell<Client>,
    /// Counts it among the port's connections while it lives.
    pub(super) slot: Slot,
}

impl Link {
    pub(super) fn new(stream: ByteStream, slot: Slot) -> Self {
        Self {
            stream,
            client: RefCell::new(Client::new()),
            slot,
        }
    }

    pub(super) fn read(&self) -> impl Future<Output = Result<Option<Bytes>, Broken>> {
        self.stream.read()
    }

    /// Writes what the client has to say.
    pub(super) async fn flush(&self) -> Result<(), Broken> {
        loop {
            let bytes = self.client.borrow_mut().poll_bytes();
            match bytes {
                Some(bytes) => self.stream.write(bytes).await?,
                None => return Ok(()),
            }
        }
    }

    /// Takes what was read, before there is a head.
    pub(super) fn take(&self, read: Result<Option<Bytes>, Broken>) -> Result<(), Failure> {
        let mut client = self.client.borrow_mut();
        match read {
            Ok(Some(bytes)) => client.handle_bytes(&bytes).map_err(Failure::BadResponse),
            Ok(None) => match client.handle_end() {
                Ok(()) | Err(Malformed::Truncated) => Err(Failure::ClosedEarly),
                Err(malformed) => Err(Failure::BadResponse(malformed)),
            },
            Err(Broken::Reset) => Err(Failure::ClosedEarly),
            Err(Broken::Silence) => Err(Failure::Unreachable),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Link")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}
