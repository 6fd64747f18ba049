//! What takes long, on threads: unpacking, deleting, writing to the disk. The service polls on, and
//! is woken by what they say.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use control::{Conversation, Digest, Failure};
use rustix::event::{EventfdFlags, eventfd};

use crate::bundle::{self, Owner, Refused};
use crate::store::Store;
use crate::system::disk::system;

/// What a job says.
#[derive(Debug)]
pub(crate) enum Said {
    /// So many bytes of an upload are unpacked.
    Consumed { ask: Ask, bytes: usize },
    /// An upload is over.
    Unpacked {
        ask: Ask,
        result: Result<(), Failure>,
    },
    /// Something with no other result is done.
    Done {
        ask: Option<Ask>,
        result: Result<(), Failure>,
    },
    /// An app's files are deleted.
    Removed { app: String },
}

/// A conversation, and the connection it belongs to: what is said for an older one is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ask {
    pub(crate) link: u32,
    pub(crate) conversation: Conversation,
}

/// Starts jobs, and hears from them.
#[derive(Debug)]
pub(crate) struct Jobs {
    wake: Arc<OwnedFd>,
    sender: Sender<Said>,
    receiver: Receiver<Said>,
}

impl Jobs {
    pub(crate) fn new() -> io::Result<Self> {
        let (sender, receiver) = channel();
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            wake: Arc::new(wake),
            sender,
            receiver,
        })
    }

    /// Readable when a job said something.
    pub(crate) fn wake(&self) -> &OwnedFd {
        &self.wake
    }

    pub(crate) fn heard(&self) -> Vec<Said> {
        let mut count = [0; 8];
        let _not_woken = rustix::io::read(&*self.wake, &mut count);
        self.receiver.try_iter().collect()
    }

    /// Unpacks what is sent to the returned end.
    pub(crate) fn unpack(
        &self,
        ask: Ask,
        store: Store,
        upload: Upload,
    ) -> io::Result<Sender<Vec<u8>>> {
        let (chunks, source) = channel();
        let report = self.report();
        let source = Chunks {
            source,
            chunk: Vec::new(),
            read: 0,
            consumed: {
                let report = report.clone();
                Box::new(move |bytes| report.say(Said::Consumed { ask, bytes }))
            },
        };
        start(move || {
            let result = unpack(source, &store, &upload);
            report.say(Said::Unpacked { ask, result });
        })?;
        Ok(chunks)
    }

    /// Writes everything to the data disk.
    pub(crate) fn sync(&self, ask: Ask, store: Store) -> io::Result<()> {
        let report = self.report();
        start(move || {
            let result = File::open(store.root())
                .and_then(|disk| Ok(nix::unistd::syncfs(disk)?))
                .map_err(system("write to the disk"));
            report.say(Said::Done {
                ask: Some(ask),
                result,
            });
        })
    }

    /// Holds what is free on the data disk but so much, or lets go of it.
    pub(crate) fn leave(&self, ask: Ask, store: Store, room: Option<u64>) -> io::Result<()> {
        let report = self.report();
        start(move || {
            let result = store.leave(room).map_err(system("hold room on the disk"));
            report.say(Said::Done {
                ask: Some(ask),
                result,
            });
        })
    }

    /// Deletes what was thrown away, lately that of `app`.
    pub(crate) fn empty_trash(&self, store: Store, app: Option<String>) -> io::Result<()> {
        let report = self.report();
        start(move || {
            let result = store.empty_trash().map_err(system("delete files"));
            match app {
                Some(app) => report.say(Said::Removed { app }),
                None => report.say(Said::Done { ask: None, result }),
            }
        })
    }

    fn report(&self) -> Report {
        Report {
            wake: Arc::clone(&self.wake),
            sender: self.sender.clone(),
        }
    }
}

/// A job's way to the service.
#[derive(Debug, Clone)]
struct Report {
    wake: Arc<OwnedFd>,
    sender: Sender<Said>,
}

impl Report {
    fn say(&self, said: Said) {
        let _the_service_ended = self.sender.send(said);
        let _woken_already = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
    }
}

fn start(job: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(job)
        .map(drop)
}

/// A bundle that comes in.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) app: String,
    pub(crate) bundle: Digest,
    pub(crate) incoming: PathBuf,
    pub(crate) owner: Option<Owner>,
}

fn unpack(source: Chunks, store: &Store, upload: &Upload) -> Result<(), Failure> {
    let unpacked = if store.has_bundle(&upload.app, upload.bundle) {
        bundle::skip(source)
    } else {
        bundle::unpack(source, upload.bundle, &upload.incoming, upload.owner)
    };
    let kept = match unpacked {
        Ok(()) => store
            .keep(&upload.incoming, &upload.app, upload.bundle)
            .map_err(|error| disk_failure(&error, "keep the bundle")),
        Err(Refused::Bundle(reason)) => Err(Failure::BundleRefused { reason }),
        Err(Refused::Disk(error)) => Err(disk_failure(&error, "write the bundle")),
        Err(Refused::Source) => Err(Failure::Cancelled),
    };
    if kept.is_err() {
        let discarded = store.discard(&upload.incoming);
        let _next_time = discarded.and_then(|()| store.empty_trash());
    }
    kept
}

/// What the disk's refusal means.
pub(crate) fn disk_failure(error: &io::Error, wanted: &str) -> Failure {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Failure::DiskFull,
        _ => system(wanted)(error),
    }
}

/// The chunks of an upload, as one reader. It fails where the sender is dropped without having sent
/// an empty chunk, the last one.
struct Chunks {
    source: Receiver<Vec<u8>>,
    chunk: Vec<u8>,
    read: usize,
    consumed: Box<dyn Fn(usize) + Send>,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.chunk.len() {
            if self.read > 0 {
                (self.consumed)(self.read);
            }
            self.read = 0;
            self.chunk = match self.source.recv() {
                Ok(chunk) => chunk,
                Err(_) => return Err(io::ErrorKind::ConnectionAborted.into()),
            };
        }
        let rest = &self.chunk[self.read..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.read += length;
        Ok(length)
    }
}
