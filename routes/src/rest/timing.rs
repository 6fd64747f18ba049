//! `Server-Timing`: how long each stage took.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Response};

use crate::{Body, World};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// When each stage ended.
#[derive(Debug)]
pub(super) struct Timing {
    arrived: Duration,
    started: Duration,
    parsed: Duration,
    planned: Duration,
    ran: Duration,
}

impl Timing {
    pub(super) fn start(world: &impl World, arrived: Duration) -> Self {
        let started = world.clock();
        Self {
            arrived,
            started,
            parsed: started,
            planned: started,
            ran: started,
        }
    }

    pub(super) fn parsed(&mut self, world: &impl World) {
        self.parsed = world.clock();
    }

    pub(super) fn planned(&mut self, world: &impl World) {
        self.planned = world.clock();
    }

    pub(super) fn ran(&mut self, world: &impl World) {
        self.ran = world.clock();
    }

    /// Adds the header, in milliseconds with a fraction.
    pub(super) fn show(&self, world: &impl World, response: &mut Response<Body>) {
        let stages = [
            ("jwt", self.arrived, self.started),
            ("parse", self.started, self.parsed),
            ("plan", self.parsed, self.planned),
            ("transaction", self.planned, self.ran),
            ("response", self.ran, world.clock()),
        ];
        let stages: Vec<_> = stages
            .into_iter()
            .map(|(name, from, to)| {
                let milliseconds = to.saturating_sub(from).as_secs_f64() * 1000.0;
                format!("{name};dur={milliseconds:.1}")
            })
            .collect();
        if let Ok(value) = HeaderValue::from_str(&stages.join(", ")) {
            response.headers_mut().append(SERVER_TIMING, value);
        }
    }
}
