//! What is remembered of a function beside its answers: lines of its log, on their way to the router,
//! and counts.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    fmt,
    rc::Rc,
};

use http::Request;
use port::peer::Body;
use serde_json::{Map, Value, json};

use super::{Failure, Level, Limit};
use crate::{
    gateway::Router,
    surroundings::{Milliseconds, World},
};

/// Between two batches.
const PACE: Milliseconds = 250;
/// Bytes of a batch; the router takes 1 MB.
const BATCH_BYTES: usize = 800_000;
/// Lines of a batch, and lines that wait for one. Of more, the oldest are let go.
const BATCH: usize = 200;
const WAITING: usize = 2_000;
/// How often a batch is sent that the router does not take.
const TRIES: u32 = 5;
/// Bytes of a message, as where functions are hosted.
const LONGEST: usize = 10_000;
/// Bytes of a value that is looked for to be hidden: a shorter one is in too many words.
const SHORTEST_SECRET: usize = 6;
/// Answers whose times are kept.
const TIMES: usize = 1_000;
/// Requests to elsewhere that may be made at once, and that many more each minute.
pub(super) const RATE: u32 = 600;

/// Of which isolate's life, and in the course of which request, a line is.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    pub(super) version: u32,
    pub(super) execution_id: String,
    /// Of the request; empty without one.
    pub(super) trace: String,
}

impl Place {
    /// In an isolate's life, and in the course of no request.
    pub(super) fn outside_requests(version: u32, execution_id: &str) -> Self {
        Self {
            version,
            execution_id: execution_id.to_owned(),
            trace: String::new(),
        }
    }
}

/// A line of a log.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    pub(super) event: &'static str,
    pub(super) level: Option<Level>,
    pub(super) message: String,
    pub(super) stack: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) ms: Option<Milliseconds>,
    /// The code of the failure that was the answer.
    pub(super) failure: Option<&'static str>,
    pub(super) call: Option<Call>,
}

/// What a function asked of the database, for the audit.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) path: String,
    /// As whom; none where its token proved nobody.
    pub(super) role: Option<String>,
}

/// One function's.
pub(super) struct Account {
    world: World,
    router: Rc<dyn Router>,
    name: String,
    /// Each is JSON, and a line.
    lines: RefCell<VecDeque<String>>,
    lost: Cell<usize>,
    ships: Cell<bool>,
    /// Values that no line may have.
    secrets: RefCell<Vec<String>>,
    counts: RefCell<Counts>,
    since: Milliseconds,
    /// Thousandths of requests to elsewhere that may be made now, and since when.
    rate: Cell<(u64, Milliseconds)>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: u64,
    boot: u64,
    worker: u64,
    limit: u64,
    timeout: u64,
    status: BTreeMap<u16, u64>,
    times: VecDeque<Milliseconds>,
    cold_starts: u64,
    cpu_ms: u64,
}

impl Account {
    pub(super) fn new(world: &World, router: &Rc<dyn Router>, name: &str) -> Self {
        Self {
            world: Rc::clone(world),
            router: Rc::clone(router),
            name: name.to_owned(),
            lines: RefCell::default(),
            lost: Cell::default(),
            ships: Cell::default(),
            secrets: RefCell::default(),
            counts: RefCell::default(),
            since: world.now(),
            rate: Cell::new((u64::from(RATE) * 1_000, world.now())),
        }
    }

    /// Hides these values from now on, and those that are in them where they are JSON.
    pub(super) fn hide(&self, env: &[(String, String)]) {
        let mut secrets = self.secrets.borrow_mut();
        for (name, value) in env {
            if !is_public(name) {
                collect(value, &mut secrets);
            }
        }
        // The longest first: one may be in another.
        secrets.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        secrets.dedup();
    }

    /// Writes a line down, and sends it soon.
    pub(super) fn note(self: &Rc<Self>, place: &Place, line: Line) {
        let mut told = Map::new();
        told.insert("at".to_owned(), self.world.wall_clock().into());
        told.insert("function".to_owned(), self.name.clone().into());
        told.insert("version".to_owned(), place.version.into());
        told.insert("execution_id".to_owned(), place.execution_id.clone().into());
        if !place.trace.is_empty() {
            told.insert("trace".to_owned(), place.trace.clone().into());
        }
        let level = line.level.unwrap_or(Level::Info);
        told.insert("level".to_owned(), level.name().into());
        told.insert("event".to_owned(), line.event.into());
        told.insert("message".to_owned(), self.clean(&line.message).into());
        if let Some(stack) = line.stack {
            told.insert("stack".to_owned(), self.clean(&stack).into());
        }
        if let Some(status) = line.status {
            told.insert("status".to_owned(), status.into());
        }
        if let Some(ms) = line.ms {
            told.insert("ms".to_owned(), ms.into());
        }
        if let Some(failure) = line.failure {
            told.insert("failure".to_owned(), failure.into());
        }
        if let Some(Call { method, path, role }) = line.call {
            let call = json!({"method": method, "path": self.clean(&path), "role": role});
            told.insert("call".to_owned(), call);
        }
        self.queue(format!("{}\n", Value::Object(told)));
    }

    fn queue(self: &Rc<Self>, line: String) {
        let mut lines = self.lines.borrow_mut();
        lines.push_back(line);
        if lines.len() > WAITING {
            lines.pop_front();
            self.lost.set(self.lost.get() + 1);
        }
        drop(lines);
        if !self.ships.replace(true) {
            let account = Rc::clone(self);
            self.world
                .spawn(Box::pin(async move { account.ship().await }));
        }
    }

    /// Sends what waits, a batch at a time.
    async fn ship(&self) {
        let mut failed = 0;
        loop {
            self.world.sleep(PACE << failed.min(6)).await;
            let batch = self.batch();
            if batch.is_empty() {
                self.ships.set(false);
                return;
            }
            let (length, lost) = (batch.len(), self.lost.get());
            let taken = self.send(batch).await;
            if taken || failed + 1 == TRIES {
                // What was let go meanwhile was of this batch.
                let gone = self.lost.get() - lost;
                let mut lines = self.lines.borrow_mut();
                let sent = length.saturating_sub(gone).min(lines.len());
                lines.drain(..sent);
                failed = 0;
            } else {
                failed += 1;
            }
        }
    }

    fn batch(&self) -> Vec<String> {
        let mut left = BATCH_BYTES;
        let lines = self.lines.borrow();
        let batch = lines.iter().take(BATCH).take_while(|line| {
            let fits = line.len() <= left;
            left = left.saturating_sub(line.len());
            fits
        });
        batch.cloned().collect()
    }

    async fn send(&self, batch: Vec<String>) -> bool {
        let uri = format!("http://gateway/gateway/functions/{}/logs", self.name);
        let request = Request::post(uri)
            .header("x-gateway-internal", "1")
            .header("content-type", "application/x-ndjson")
            .body(Body::from(batch.concat()));
        let Ok(request) = request else { return true };
        // Who refuses it will refuse it again.
        self.router
            .request(request)
            .await
            .is_ok_and(|answer| !answer.status().is_server_error())
    }

    /// A text without secrets, and not too long.
    fn clean(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for secret in &*self.secrets.borrow() {
            if clean.contains(secret.as_str()) {
                clean = clean.replace(secret.as_str(), "[redacted]");
            }
        }
        if clean.len() > LONGEST {
            let end = (0..=LONGEST).rev().find(|&end| clean.is_char_boundary(end));
            clean.truncate(end.unwrap_or_default());
            clean.push('…');
        }
        clean
    }

    pub(super) fn began(&self) {
        self.counts.borrow_mut().requests += 1;
    }

    pub(super) fn answered(&self, status: u16, took: Milliseconds) {
        let mut counts = self.counts.borrow_mut();
        *counts.status.entry(status).or_default() += 1;
        counts.times.push_back(took);
        if counts.times.len() > TIMES {
            counts.times.pop_front();
        }
    }

    pub(super) fn failed(&self, failure: &Failure) {
        let mut counts = self.counts.borrow_mut();
        let counted = match failure {
            Failure::Boot(_) => &mut counts.boot,
            Failure::Worker(_) => &mut counts.worker,
            Failure::Limit(Limit::Cpu | Limit::Memory | Limit::WallClock) => &mut counts.limit,
            Failure::Timeout => &mut counts.timeout,
            Failure::Missing | Failure::QueueFull | Failure::Vm(_) | Failure::Invalid(_) => return,
        };
        *counted += 1;
    }

    pub(super) fn booted(&self) {
        self.counts.borrow_mut().cold_starts += 1;
    }

    pub(super) fn computed(&self, ms: u64) {
        self.counts.borrow_mut().cpu_ms += ms;
    }

    /// Whether one more request to elsewhere may be made now.
    pub(super) fn may_ask(&self) -> bool {
        let (left, since) = self.rate.get();
        let now = self.world.now();
        let most = u64::from(RATE) * 1_000;
        let left = most.min(left + (now - since) * u64::from(RATE) / 60);
        let may = left >= 1_000;
        self.rate.set((if may { left - 1_000 } else { left }, now));
        may
    }

    /// What was counted, as the router tells it.
    pub(super) fn to_json(&self) -> Value {
        let counts = self.counts.borrow();
        let mut times: Vec<_> = counts.times.iter().copied().collect();
        times.sort_unstable();
        let quantile = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100);
            times.get(rank.saturating_sub(1)).copied()
        };
        let status: Map<_, _> = counts
            .status
            .iter()
            .map(|(status, count)| (status.to_string(), (*count).into()))
            .collect();
        json!({
            "requests": counts.requests,
            "errors": {
                "boot": counts.boot,
                "worker": counts.worker,
                "limit": counts.limit,
                "timeout": counts.timeout,
            },
            "status": status,
            "p50_ms": quantile(50),
            "p95_ms": quantile(95),
            "p99_ms": quantile(99),
            "cold_starts": counts.cold_starts,
            "cpu_ms": counts.cpu_ms,
            "window_s": (self.world.now() - self.since) / 1_000,
        })
    }
}

/// Whether everybody may know the value of a variable.
fn is_public(name: &str) -> bool {
    matches!(
        name,
        "SUPABASE_URL"
            | "SUPABASE_ANON_KEY"
            | "SUPABASE_PUBLISHABLE_KEYS"
            | "SUPABASE_JWKS"
            | "SB_REGION"
            | "SB_EXECUTION_ID"
    )
}

/// What must not be told of a value: it, and where it is JSON with texts, those.
fn collect(value: &str, secrets: &mut Vec<String>) {
    if value.len() < SHORTEST_SECRET {
        return;
    }
    secrets.push(value.to_owned());
    match serde_json::from_str(value) {
        Ok(Value::Object(fields)) => {
            let texts = fields.values().filter_map(Value::as_str);
            secrets.extend(
                texts
                    .filter(|text| text.len() >= SHORTEST_SECRET)
                    .map(str::to_owned),
            );
        }
        Ok(Value::Array(texts)) => {
            let texts = texts.iter().filter_map(Value::as_str);
            secrets.extend(
                texts
                    .filter(|text| text.len() >= SHORTEST_SECRET)
                    .map(str::to_owned),
            );
        }
        _ => {}
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Account")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
