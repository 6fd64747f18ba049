//! Connections that come in, and who is who among them.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    rc::Rc,
    task::Poll,
};

use bytes::BytesMut;
use futures::{StreamExt as _, future, stream::FuturesUnordered};

use super::{Database, Roles, message::Report, serve::serve};
use crate::{
    network::{ByteStream, Listener},
    surroundings::{Bell, Milliseconds, Task, World},
};

/// How many and how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// For a client to sign in.
    pub sign_in: Milliseconds,
    /// For a client to take the last words of a connection.
    pub linger: Milliseconds,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 100,
            sign_in: 60_000,
            linger: 5_000,
        }
    }
}

/// What connections share.
pub(super) struct Shared {
    pub(super) world: World,
    pub(super) limits: Limits,
    pub(super) database: Rc<dyn Database>,
    pub(super) roles: Rc<Roles>,
    pub(super) clients: RefCell<BTreeMap<u32, Rc<Key>>>,
    pub(super) last: Cell<u32>,
}

/// By what a client's work can be cancelled over another connection.
#[derive(Debug, Default)]
pub(super) struct Key {
    secret: u32,
    cancelled: Cell<bool>,
    changed: Bell,
}

impl Key {
    /// Waits until somebody cancels what is done.
    pub(super) async fn cancelled(&self) {
        self.changed
            .wait(|| self.cancelled.get().then_some(()))
            .await;
    }

    /// Whatever was cancelled is over.
    pub(super) fn renew(&self) {
        self.cancelled.set(false);
    }

    pub(super) fn secret(&self) -> u32 {
        self.secret
    }
}

impl Shared {
    /// Names a client; what is returned forgets it.
    pub(super) fn admit(self: &Rc<Self>) -> Admitted {
        let process = self.last.get().wrapping_add(1);
        self.last.set(process);
        let mut secret = [0; 4];
        self.world.random(&mut secret);
        let key = Rc::new(Key {
            secret: u32::from_ne_bytes(secret),
            ..Key::default()
        });
        self.clients.borrow_mut().insert(process, Rc::clone(&key));
        Admitted {
            shared: Rc::clone(self),
            process,
            key,
        }
    }

    /// Cancels what a client does, if the secret is its.
    pub(super) fn cancel(&self, process: u32, secret: u32) {
        let clients = self.clients.borrow();
        if let Some(key) = clients.get(&process).filter(|key| key.secret == secret) {
            key.cancelled.set(true);
            key.changed.ring();
        }
    }
}

/// A client that has signed in.
pub(super) struct Admitted {
    shared: Rc<Shared>,
    pub(super) process: u32,
    pub(super) key: Rc<Key>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.shared.clients.borrow_mut().remove(&self.process);
    }
}

/// Serves what comes in, until this value is dropped; open connections end with it.
#[derive(Debug)]
pub struct Listening {
    _task: Task,
}

impl Listening {
    #[must_use]
    pub fn start(
        world: &World,
        limits: Limits,
        mut listener: Listener,
        database: Rc<dyn Database>,
        roles: Rc<Roles>,
    ) -> Self {
        let shared = Rc::new(Shared {
            world: Rc::clone(world),
            limits,
            database,
            roles,
            clients: RefCell::default(),
            last: Cell::new(0),
        });
        let mut open = FuturesUnordered::new();
        let work = future::poll_fn(move |context| {
            while let Poll::Ready(call) = listener.poll_accept(context) {
                let Some(stream) = call else {
                    return Poll::Ready(());
                };
                let is_full = open.len() >= limits.connections;
                let shared = Rc::clone(&shared);
                open.push(async move {
                    if is_full {
                        turn_away(&shared, stream).await;
                    } else {
                        serve(&shared, stream).await;
                    }
                });
            }
            while let Poll::Ready(Some(())) = open.poll_next_unpin(context) {}
            Poll::Pending
        });
        Self {
            _task: Task::run(world, work),
        }
    }
}

async fn turn_away(shared: &Shared, stream: ByteStream) {
    let mut bytes = BytesMut::new();
    let report = Report::fatal("53300", "sorry, too many clients already");
    report.put(&mut bytes);
    // Who does not hear it sees the end.
    let _ = stream.write(bytes.freeze()).await;
    stream.close(&shared.world, shared.limits.linger).await;
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").finish_non_exhaustive()
    }
}
