//! `Server-Timing`: how long each stage took.

use http::{HeaderName, HeaderValue, Response};

use crate::{Body, World, world::Timestamp};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// When each stage ended.
#[derive(Debug)]
pub(super) struct Timing {
    arrived: Timestamp,
    started: Timestamp,
    parsed: Timestamp,
    planned: Timestamp,
    ran: Timestamp,
}

impl Timing {
    pub(super) fn start(world: &impl World, arrived: Timestamp) -> Self {
        let started = world.now();
        Self {
            arrived,
            started,
            parsed: started,
            planned: started,
            ran: started,
        }
    }

    pub(super) fn parsed(&mut self, world: &impl World) {
        self.parsed = world.now();
    }

    pub(super) fn planned(&mut self, world: &impl World) {
        self.planned = world.now();
    }

    pub(super) fn ran(&mut self, world: &impl World) {
        self.ran = world.now();
    }

    /// Adds the header. The world's clock counts whole milliseconds.
    pub(super) fn show(&self, world: &impl World, response: &mut Response<Body>) {
        let stages = [
            ("jwt", self.arrived, self.started),
            ("parse", self.started, self.parsed),
            ("plan", self.parsed, self.planned),
            ("transaction", self.planned, self.ran),
            ("response", self.ran, world.now()),
        ];
        let stages: Vec<_> = stages
            .into_iter()
            .map(|(name, from, to)| format!("{name};dur={}.0", to.0.saturating_sub(from.0)))
            .collect();
        if let Ok(value) = HeaderValue::from_str(&stages.join(", ")) {
            response.headers_mut().append(SERVER_TIMING, value);
        }
    }
}
