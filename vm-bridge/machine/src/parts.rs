//! What a machine needs of the world around it.

use std::{fmt, rc::Rc};

use crate::{
    engine::Engines,
    functions::{Isolates, guest::Runtime},
    gateway::Router,
    outbound::Fetch,
    postgres::Database,
    surroundings::World,
};

/// What a machine needs.
#[derive(Clone)]
pub struct Parts {
    pub world: World,
    pub engines: Rc<dyn Engines>,
    pub isolates: Rc<dyn Isolates>,
    /// What makes isolates of the guest's threads.
    pub runtime: Rc<dyn Runtime>,
    /// The line to the router, for the guest's requests and our own.
    pub router: Rc<dyn Router>,
    pub database: Rc<dyn Database>,
    pub fetch: Rc<dyn Fetch>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Parts").finish_non_exhaustive()
    }
}
