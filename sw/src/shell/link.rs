//! The line to one project's database, as the router sees it.

use std::{fmt, rc::Rc};

use futures::StreamExt as _;
use port::{Conversation, Lost, Storage};
use routes::world::{Answer, Exchange, Host, Transaction, Unavailable};

pub(super) use wire::shell::News;

/// The line to one project's database.
pub(super) struct Link(Rc<wire::shell::Link>);

impl Link {
    /// A line with nobody at its other end yet.
    pub(super) fn new(build: &str, life: &str, tell: impl Fn(News) + 'static) -> Rc<Self> {
        Rc::new(Self(wire::shell::Link::new(build, life, tell)))
    }

    /// Where the database is open, once it answers.
    pub(super) fn host(&self) -> Option<Host> {
        let (storage, owner) = self.0.host()?;
        let (storage, durable) = match storage {
            Storage::Memory => ("memory", false),
            Storage::Opfs => ("opfs", true),
            Storage::IndexedDb => ("indexeddb", true),
            Storage::Directory => ("directory", true),
        };
        Some(Host {
            owner,
            storage: storage.to_owned(),
            durable,
        })
    }

    /// Takes a port that a page handed over; `owner` names the page.
    pub(super) fn attach(&self, port: web_sys::MessagePort, owner: Option<String>) {
        self.0.attach(port, owner);
    }

    /// Another tab may own the database now.
    pub(super) fn owner_changed(&self) {
        self.0.owner_changed();
    }

    /// Says goodbye.
    pub(super) fn close(&self) {
        self.0.close();
    }

    /// Sends an exchange; its answer comes, or an error does, but never nothing.
    pub(super) fn exchange(&self, exchange: Exchange) -> Answer {
        let (conversation, reading) = self.0.exchange(port::Exchange {
            messages: exchange.messages,
            idempotent: exchange.idempotent,
            continues: exchange
                .transaction
                .map(|Transaction(number)| Conversation(number)),
            hold: exchange.hold,
        });
        Answer {
            chunks: Box::pin(reading.map(|chunk| chunk.map_err(unavailable))),
            transaction: Transaction(conversation.0),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Link").finish_non_exhaustive()
    }
}

fn unavailable(lost: Lost) -> Unavailable {
    match lost {
        Lost::NoOwner => Unavailable::NoOwner,
        Lost::OwnerLost | Lost::TransactionLost => Unavailable::OwnerLost,
        Lost::Deadline | Lost::Stalled => Unavailable::Deadline,
        Lost::Busy => Unavailable::Busy,
        Lost::Version { ours, theirs } => Unavailable::Version { ours, theirs },
        Lost::Broken(reason) => Unavailable::Broken(reason),
    }
}
