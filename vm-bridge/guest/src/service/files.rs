//! Files: bundles that come in, files that go out.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc::Sender;

use control::{Answer, Channel, Digest, Failure, Incoming, Outgoing, Overrun, ToWorker};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::Service;
use super::jobs::{Ask, Upload, disk_failure};
use super::machine::{Hold, OWNER};
use crate::bundle::Owner;
use crate::program;
use crate::system::disk::system;

/// A bundle that is coming in.
#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) app: String,
    incoming: Incoming,
    /// To the thread that unpacks it. Dropped before the last chunk, it ends that.
    chunks: Sender<Vec<u8>>,
}

impl Receiving {
    pub(super) fn input(&mut self, offset: u64, last: bool, bytes: Vec<u8>) -> Result<(), Overrun> {
        self.incoming.receive(offset, bytes.len(), last)?;
        if !bytes.is_empty() {
            let _refused_already = self.chunks.send(bytes);
        }
        if last {
            let _refused_already = self.chunks.send(Vec::new());
        }
        Ok(())
    }
}

/// A file that is going out.
#[derive(Debug)]
pub(super) struct Reading {
    file: File,
    /// Of the part that was asked for.
    left: u64,
    whole: u64,
    outgoing: Outgoing,
    hold: Option<Hold>,
}

impl Reading {
    pub(super) fn grant(&mut self, bytes: u32) {
        self.outgoing.grant(bytes);
    }

    pub(super) fn can_go(&self) -> bool {
        self.left == 0 || self.outgoing.room() > 0
    }

    /// The next bytes; empty at the end.
    fn next(&mut self) -> std::io::Result<Vec<u8>> {
        let room = self.outgoing.room() as u64;
        let wanted = room.min(self.left);
        let mut bytes = Vec::new();
        (&mut self.file).take(wanted).read_to_end(&mut bytes)?;
        let length = bytes.len() as u64;
        // A file that became shorter ends where it ends.
        self.left = if length < wanted {
            0
        } else {
            self.left - length
        };
        Ok(bytes)
    }
}

impl Service {
    pub(super) fn receive(
        &mut self,
        ask: Ask,
        app: String,
        bundle: Digest,
        bytes: u64,
    ) -> Result<(), Failure> {
        program::name(&app).map_err(|wrong| Failure::Invalid { reason: wrong.0 })?;
        let store = self.store()?.clone();
        if let Ok(disk) = rustix::fs::statvfs(store.root())
            && disk.f_bavail.saturating_mul(disk.f_frsize) < bytes
        {
            return Err(Failure::DiskFull);
        }
        let failed = |error: std::io::Error| disk_failure(&error, "receive the bundle");
        let owner = if self.place.guest {
            let uid = store.user(&app).map_err(failed)?;
            Some(Owner { uid, gid: uid })
        } else {
            None
        };
        let incoming = store.incoming(&app, self.number()).map_err(failed)?;
        if let Some(owner) = owner {
            let owned = std::os::unix::fs::chown(&incoming, Some(owner.uid), Some(owner.gid));
            owned.map_err(failed)?;
        }
        let upload = Upload {
            app: app.clone(),
            bundle,
            incoming,
            owner,
        };
        let chunks = self
            .jobs
            .unpack(ask, store, upload)
            .map_err(system("begin a job"))?;
        let receiving = Receiving {
            app,
            incoming: Incoming::default(),
            chunks,
        };
        self.receiving.insert(ask, receiving);
        Ok(())
    }

    /// So much of an upload is unpacked.
    pub(super) fn consumed(&mut self, ask: Ask, bytes: usize) {
        let Some(receiving) = self.receiving.get_mut(&ask) else {
            return;
        };
        if let Some(bytes) = receiving.incoming.consume(bytes) {
            let conversation = ask.conversation;
            self.send_for(
                ask,
                &ToWorker::Credit {
                    conversation,
                    bytes,
                },
            );
        }
    }

    pub(super) fn read_file(
        &mut self,
        ask: Ask,
        app: Option<String>,
        path: &str,
        offset: u64,
        limit: u64,
    ) -> Result<(), Failure> {
        let hold = match &app {
            Some(app) => self.hold_app(app)?,
            None => self.hold_owner()?,
        };
        match self.open_file(app.as_deref(), path, offset, limit) {
            Ok(mut reading) => {
                reading.hold = hold;
                self.reading.insert(ask, reading);
                Ok(())
            }
            Err(failure) => {
                if let Some(hold) = hold {
                    self.rooms.release(hold);
                }
                Err(failure)
            }
        }
    }

    fn open_file(
        &self,
        app: Option<&str>,
        path: &str,
        offset: u64,
        limit: u64,
    ) -> Result<Reading, Failure> {
        let refused = |error: std::io::Error| Failure::NoFile {
            reason: error.to_string(),
        };
        let hosted = app.and_then(|app| self.apps.get(app));
        let (root, path) = match (hosted, self.place.guest) {
            (hosted, true) => {
                let start = if hosted.is_some() {
                    program::FILES
                } else {
                    "/root"
                };
                let room = self.rooms.path(app.unwrap_or(OWNER));
                (room, Path::new(start).join(path))
            }
            (Some(hosted), false) => {
                let root = self.store()?.bundle(&hosted.app.name, hosted.app.bundle);
                (root, path.into())
            }
            (None, false) => ("/".into(), path.into()),
        };
        let folder = File::open(root).map_err(refused)?;
        // Every link is followed as who is in the room would follow it.
        let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = openat2(&folder, &path, flags, Mode::empty(), within)
            .map_err(|error| refused(error.into()))?;
        let mut file = File::from(file);
        let metadata = file.metadata().map_err(refused)?;
        if !metadata.is_file() {
            return Err(Failure::NoFile {
                reason: "it is no regular file".to_owned(),
            });
        }
        let owned = hosted.is_none_or(|hosted| hosted.uid == metadata.uid());
        if !owned && metadata.mode() & 0o004 == 0 {
            return Err(refused(std::io::ErrorKind::PermissionDenied.into()));
        }
        let whole = metadata.len();
        let offset = offset.min(whole);
        file.seek(SeekFrom::Start(offset)).map_err(refused)?;
        Ok(Reading {
            file,
            left: limit.min(whole - offset),
            whole,
            outgoing: Outgoing::default(),
            hold: None,
        })
    }

    /// Sends on what can be sent of the files that go out.
    pub(super) fn tick_reading(&mut self) {
        let asks: Vec<Ask> = self.reading.keys().copied().collect();
        for ask in asks {
            self.send_file(ask);
        }
    }

    fn send_file(&mut self, ask: Ask) {
        while let Some(reading) = self.reading.get_mut(&ask) {
            if !reading.can_go() || self.link.as_ref().is_none_or(super::Link::is_full) {
                return;
            }
            let bytes = match reading.next() {
                Ok(bytes) => bytes,
                Err(error) => {
                    let reason = error.to_string();
                    return self.end_file(ask, Err(Failure::NoFile { reason }));
                }
            };
            let last = reading.left == 0;
            let whole = reading.whole;
            let chunk = ToWorker::Chunk {
                conversation: ask.conversation,
                channel: Channel::Output,
                offset: reading.outgoing.send(bytes.len()),
                last,
                bytes,
            };
            self.send_for(ask, &chunk);
            if last {
                return self.end_file(ask, Ok(Answer::File { bytes: whole }));
            }
        }
    }

    fn end_file(&mut self, ask: Ask, result: Result<Answer, Failure>) {
        if let Some(reading) = self.reading.remove(&ask) {
            self.end_reading(reading);
            self.answer(ask, result);
        }
    }

    pub(super) fn end_reading(&mut self, reading: Reading) {
        if let Some(hold) = reading.hold {
            self.rooms.release(hold);
        }
    }
}
