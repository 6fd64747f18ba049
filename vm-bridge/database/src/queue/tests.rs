//! The queue joined in memory with the client's machine and with a session that keeps the rules of
//! Postgres for a handful of commands, on a stepped clock.

use std::collections::BTreeMap;
use std::task::Poll;

use bytes::BytesMut;
use port::{Client, Exchange, Lost, PortId};

use super::*;
use crate::frontend;

/// Commands, several of them in one query parted by `;`:
/// `begin`, `commit`, `rollback`, `read`, `write NAME`, `fail`, `big BYTES`, `notify TEXT`, `set`,
/// `sleep MILLISECONDS`, `die`.
#[derive(Debug, Default)]
struct FakeSession {
    log: Vec<String>,
    transaction: Option<Vec<String>>,
    failed: bool,
    applied: Vec<String>,
    durable: Vec<String>,
    settings: u32,
    /// For how long it ran, which is yet to be told to the clock.
    slept: Milliseconds,
}

impl FakeSession {
    fn run(&mut self, messages: &[u8]) -> (Bytes, bool) {
        let mut answer = Vec::new();
        let mut wrote = false;
        for message in backend::messages(messages).filter(|message| message.kind == b'Q') {
            let text = String::from_utf8_lossy(message.contents);
            for command in text.trim_end_matches('\0').split(';').map(str::trim) {
                if command.is_empty() {
                    continue;
                }
                self.log.push(command.to_owned());
                if command == "die" {
                    return (Bytes::new(), wrote);
                }
                if self.failed && command != "rollback" && command != "commit" {
                    put(
                        &mut answer,
                        b'E',
                        b"SERROR\0C25P02\0Mcurrent transaction is aborted\0\0",
                    );
                    break;
                }
                if command == "fail" {
                    self.failed = self.transaction.is_some();
                    put(&mut answer, b'E', b"SERROR\0C22012\0Mdivision by zero\0\0");
                    break;
                }
                wrote |= self.command(command, &mut answer);
            }
            let status = match (&self.transaction, self.failed) {
                (None, _) => b"I",
                (Some(_), false) => b"T",
                (Some(_), true) => b"E",
            };
            put(&mut answer, b'Z', status);
        }
        (answer.into(), wrote)
    }

    fn command(&mut self, command: &str, answer: &mut Vec<u8>) -> bool {
        let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
        let mut wrote = false;
        let tag: &[u8] = match word {
            "begin" => {
                self.transaction = Some(Vec::new());
                b"BEGIN\0"
            }
            "commit" | "rollback" => {
                let writes = self.transaction.take().unwrap_or_default();
                if word == "commit" && !self.failed {
                    wrote = !writes.is_empty();
                    self.applied.extend(writes);
                }
                self.failed = false;
                b"COMMIT\0"
            }
            "write" => {
                if let Some(writes) = &mut self.transaction {
                    writes.push(rest.to_owned());
                } else {
                    self.applied.push(rest.to_owned());
                    wrote = true;
                }
                b"INSERT 0 1\0"
            }
            "big" => {
                let length: usize = rest.parse().unwrap();
                let bytes: Vec<u8> = (0..length).map(|index| index.to_le_bytes()[1]).collect();
                put(answer, b'D', &bytes);
                b"SELECT 1\0"
            }
            "notify" => {
                put(
                    answer,
                    b'A',
                    format!("\0\0\0\x01pgrst\0{rest}\0").as_bytes(),
                );
                b"NOTIFY\0"
            }
            "set" if rest.is_empty() => {
                self.settings += 1;
                b"SET\0"
            }
            "discard" | "reset" => {
                self.settings = 0;
                b"RESET\0"
            }
            "sleep" => {
                self.slept += rest.parse::<Milliseconds>().unwrap();
                b"SELECT 1\0"
            }
            "listen" => b"LISTEN\0",
            _ => b"SELECT 1\0",
        };
        put(answer, b'C', tag);
        wrote
    }
}

fn put(answer: &mut Vec<u8>, kind: u8, contents: &[u8]) {
    answer.push(kind);
    answer.extend(u32::try_from(contents.len() + 4).unwrap().to_be_bytes());
    answer.extend(contents);
}

#[derive(Debug)]
enum Event {
    ToQueue(usize, PortId, Bytes),
    ToClient(ClientId, Bytes),
    Execute(Bytes),
    Sync,
    Pause,
    Port(usize),
    /// A port was closed by the queue, or by a client.
    Closed(ClientId),
    Hung(usize, PortId),
}

type Read = (Vec<u8>, Option<Result<(), Lost>>);

struct Side {
    client: Client,
    /// What was read so far, and how it ended.
    answers: BTreeMap<Conversation, Read>,
    notified: Vec<String>,
    /// A reader that is not there yet.
    asleep: bool,
}

struct Bench {
    now: Milliseconds,
    queue: Option<Queue>,
    session: FakeSession,
    sides: Vec<Side>,
    ports: BTreeMap<ClientId, (usize, PortId)>,
    events: VecDeque<Event>,
    next: u32,
    broken: Vec<String>,
    /// Which frame, counting from now, does not arrive.
    lose: Option<usize>,
    limits: Limits,
}

fn settings(limits: Limits) -> Settings {
    Settings {
        build: "test".to_owned(),
        life: "lock".to_owned(),
        baseline: String::new(),
        limits,
    }
}

fn query(text: &str) -> Exchange {
    Exchange {
        messages: frontend::query(text),
        idempotent: text.starts_with("read") || text.starts_with("big"),
        continues: None,
        hold: false,
    }
}

fn hold(text: &str) -> Exchange {
    Exchange {
        hold: true,
        ..query(text)
    }
}

impl Bench {
    fn new(clients: usize) -> Self {
        Self::with(clients, Limits::default())
    }

    fn with(clients: usize, limits: Limits) -> Self {
        let mut bench = Self {
            now: 1_000,
            queue: None,
            session: FakeSession::default(),
            sides: Vec::new(),
            ports: BTreeMap::new(),
            events: VecDeque::new(),
            next: 0,
            broken: Vec::new(),
            lose: None,
            limits,
        };
        for _ in 0..clients {
            bench.sides.push(Side {
                client: Client::new("test", "", port::Limits::default()),
                answers: BTreeMap::new(),
                notified: Vec::new(),
                asleep: false,
            });
        }
        bench.start();
        bench.run();
        bench.session.log.clear();
        bench
    }

    fn start(&mut self) {
        let mut queue = Queue::new(settings(self.limits), self.now);
        queue.handle_opened(Storage::Memory, None);
        self.queue = Some(queue);
    }

    /// The worker dies: what was not synced is gone, frames on their way too.
    fn kill(&mut self) {
        self.queue = None;
        self.session.transaction = None;
        self.session.failed = false;
        self.session.applied.clone_from(&self.session.durable);
        self.events.retain(|event| matches!(event, Event::Port(_)));
        for (_, (side, port)) in std::mem::take(&mut self.ports) {
            self.sides[side].client.handle_lost(port, self.now);
        }
    }

    fn open(&mut self, side: usize, exchange: Exchange) -> Conversation {
        let side = &mut self.sides[side];
        let conversation = side.client.open(exchange, self.now);
        side.answers.insert(conversation, (Vec::new(), None));
        conversation
    }

    /// Moves what the machines put out into the events, and reads all that can be read.
    fn collect(&mut self) {
        for (index, side) in self.sides.iter_mut().enumerate() {
            let asleep = side.asleep;
            for (&conversation, (bytes, end)) in &mut side.answers {
                while end.is_none() && !asleep {
                    match side.client.read(conversation, self.now) {
                        Poll::Pending => break,
                        Poll::Ready(Some(Ok(chunk))) => bytes.extend_from_slice(&chunk),
                        Poll::Ready(Some(Err(lost))) => *end = Some(Err(lost)),
                        Poll::Ready(None) => *end = Some(Ok(())),
                    }
                }
            }
            while let Some(output) = side.client.poll_output() {
                match output {
                    port::Output::WantPort => self.events.push_back(Event::Port(index)),
                    port::Output::Post { port, buffer } => {
                        self.events.push_back(Event::ToQueue(index, port, buffer));
                    }
                    port::Output::Close { port } => {
                        self.events.push_back(Event::Hung(index, port));
                    }
                    port::Output::Notify { payload, .. } => side.notified.push(payload),
                    port::Output::Watch { .. }
                    | port::Output::Connected { .. }
                    | port::Output::Readable { .. } => {}
                }
            }
        }
        while let Some(output) = self.queue.as_mut().and_then(Queue::poll_output) {
            self.events.push_back(match output {
                Output::Execute { messages } => {
                    // Nothing comes in between: the shell executes as soon as it is told to.
                    self.events.push_front(Event::Execute(messages));
                    continue;
                }
                Output::Sync => Event::Sync,
                Output::Pause => Event::Pause,
                Output::Post { client, buffer } => Event::ToClient(client, buffer),
                Output::Watch { .. } => continue,
                Output::Close { client } => Event::Closed(client),
                Output::Broken { text } => {
                    self.broken.push(text);
                    continue;
                }
            });
        }
    }

    fn lost(&mut self) -> bool {
        match &mut self.lose {
            Some(0) => {
                self.lose = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    /// One thing happens. False if there was none.
    fn step(&mut self) -> bool {
        self.collect();
        let Some(event) = self.events.pop_front() else {
            return false;
        };
        match event {
            Event::Port(side) if self.queue.is_some() => {
                let port = self.sides[side].client.handle_port(self.now);
                self.next += 1;
                self.ports.insert(ClientId(self.next), (side, port));
            }
            Event::Port(_) => {}
            Event::ToQueue(side, port, buffer) => {
                let to = self.ports.iter().find(|(_, to)| **to == (side, port));
                let client = to.map(|(client, _)| *client);
                if !self.lost()
                    && let Some((queue, client)) = self.queue.as_mut().zip(client)
                {
                    queue.handle_buffer(client, buffer, self.now);
                }
            }
            Event::ToClient(client, buffer) => {
                if !self.lost()
                    && let Some(&(side, port)) = self.ports.get(&client)
                {
                    self.sides[side]
                        .client
                        .handle_buffer(port, buffer, self.now);
                }
            }
            Event::Closed(client) => {
                self.ports.remove(&client);
            }
            Event::Hung(side, port) => self.ports.retain(|_, to| *to != (side, port)),
            Event::Execute(messages) => {
                let (answer, wrote) = self.session.run(&messages);
                self.now += std::mem::take(&mut self.session.slept);
                if let Some(queue) = &mut self.queue {
                    queue.handle_answer(answer, wrote, self.now);
                }
            }
            Event::Pause => {
                if let Some(queue) = &mut self.queue {
                    queue.handle_paused(self.now);
                }
            }
            Event::Sync => {
                self.session.durable.clone_from(&self.session.applied);
                self.session.log.push("sync".to_owned());
                if let Some(queue) = &mut self.queue {
                    queue.handle_synced(Ok(()), self.now);
                }
            }
        }
        true
    }

    /// Goes on until something of this kind is about to happen.
    fn until(&mut self, kind: fn(&Event) -> bool) {
        self.collect();
        while !self.events.front().is_some_and(kind) {
            assert!(self.step(), "it never happens");
            self.collect();
        }
    }

    fn run(&mut self) {
        let mut steps = 0;
        while self.step() {
            steps += 1;
            assert!(steps < 100_000, "it never comes to rest");
        }
    }

    /// The next thing that is due on anybody's clock happens.
    fn tick(&mut self) -> bool {
        self.run();
        let due = self
            .sides
            .iter()
            .filter_map(|side| side.client.poll_timeout())
            .chain(self.queue.as_ref().and_then(Queue::poll_timeout))
            .min();
        let Some(due) = due else {
            return false;
        };
        self.now = self.now.max(due);
        for side in &mut self.sides {
            side.client.handle_timeout(self.now);
        }
        if let Some(queue) = &mut self.queue {
            queue.handle_timeout(self.now);
        }
        self.run();
        true
    }

    fn settle(&mut self) {
        let mut ticks = 0;
        while self.tick() {
            ticks += 1;
            assert!(ticks < 1_000, "it waits for ever");
        }
    }

    fn end(&self, side: usize, conversation: Conversation) -> Option<&Result<(), Lost>> {
        self.sides[side].answers[&conversation].1.as_ref()
    }

    /// What ran, without the queue's own housekeeping.
    fn ran(&mut self) -> Vec<String> {
        let log = std::mem::take(&mut self.session.log);
        let own = [
            "set session authorization postgres",
            "set role none",
            "reset all",
            "discard all",
            "listen pgrst",
        ];
        log.into_iter()
            .filter(|command| !own.contains(&command.as_str()))
            .collect()
    }
}

#[test]
fn clients_take_turns() {
    let mut bench = Bench::new(2);
    bench.open(0, query("read warm"));
    bench.open(1, query("read warm"));
    bench.run();
    bench.ran();
    bench.open(0, query("sleep 20"));
    bench.until(|event| matches!(event, Event::Execute(_)));
    for name in ["a1", "a2", "a3"] {
        bench.open(0, query(&format!("read {name}")));
    }
    bench.open(1, query("read b1"));
    bench.run();
    let ran = ["sleep 20", "read a1", "read b1", "read a2", "read a3"];
    assert_eq!(bench.ran(), ran);
}

#[test]
fn transactions_are_never_interleaved() {
    let mut bench = Bench::new(2);
    let one = bench.open(0, hold("begin; write a"));
    let two = bench.open(1, hold("begin; write b"));
    let three = bench.open(0, query("read c"));
    bench.run();
    assert_eq!(bench.ran(), ["begin", "write a"]);
    assert_eq!((bench.end(0, three), bench.end(1, two)), (None, None));
    for (side, conversation) in [(0, one), (1, two)] {
        assert_eq!(bench.end(side, conversation), Some(&Ok(())));
        bench.open(
            side,
            Exchange {
                continues: Some(conversation),
                ..query("commit")
            },
        );
        bench.run();
    }
    assert_eq!(
        bench.ran(),
        [
            "commit", "read c", "begin", "write b", "sync", "commit", "sync"
        ]
    );
    assert_eq!(bench.session.durable, ["a", "b"]);
}

#[test]
fn open_transactions_end_with_their_owner() {
    // What leaves a transaction open, what happens then, and what runs because of it.
    type Then = fn(&mut Bench, Conversation);
    let table: [(Exchange, Then, &[&str]); 5] = [
        (
            query("begin; write a"),
            |_, _| {},
            &["begin", "write a", "rollback"],
        ),
        (
            query("begin; fail"),
            |_, _| {},
            &["begin", "fail", "rollback"],
        ),
        (
            hold("begin; write a"),
            |bench, _| bench.settle(),
            &["begin", "write a", "rollback"],
        ),
        (
            hold("begin; write a"),
            |bench, _| {
                bench.sides[0].client.close();
                bench.run();
            },
            &["begin", "write a", "rollback"],
        ),
        (
            hold("begin; write a"),
            |bench, _| {
                let client = *bench.ports.keys().next().unwrap();
                let now = bench.now;
                bench.queue.as_mut().unwrap().handle_gone(client, now);
                bench.run();
            },
            &["begin", "write a", "rollback"],
        ),
    ];
    for (exchange, then, expected) in table {
        let mut bench = Bench::new(1);
        let conversation = bench.open(0, exchange);
        bench.run();
        then(&mut bench, conversation);
        assert_eq!(bench.ran(), expected);
        assert_eq!(bench.session.transaction, None);
        assert_eq!(bench.session.applied, [""; 0]);
    }
}

#[test]
fn commit_after_the_hold_ran_out_is_refused() {
    let mut bench = Bench::new(1);
    let one = bench.open(0, hold("begin; write a"));
    bench.run();
    bench.now += 5_000;
    let now = bench.now;
    bench.queue.as_mut().unwrap().handle_timeout(now);
    bench.run();
    let late = bench.open(
        0,
        Exchange {
            continues: Some(one),
            ..query("commit")
        },
    );
    bench.run();
    assert_eq!(bench.end(0, late), Some(&Err(Lost::TransactionLost)));
    assert_eq!(bench.ran(), ["begin", "write a", "rollback"]);
}

#[test]
fn cancelled_ones_do_not_run() {
    let mut bench = Bench::new(2);
    bench.open(0, hold("begin"));
    let waiting = bench.open(1, query("write b"));
    let other = bench.open(1, query("read c"));
    bench.run();
    bench.sides[1].client.cancel(waiting, bench.now);
    bench.run();
    bench.settle();
    assert_eq!(bench.ran(), ["begin", "rollback", "read c"]);
    assert_eq!(bench.end(1, other), Some(&Ok(())));
}

#[test]
fn what_waits_at_the_ports_comes_in_after_a_long_exchange() {
    let mut bench = Bench::new(2);
    bench.open(0, query("read warm"));
    bench.open(1, query("read warm"));
    bench.run();
    bench.ran();
    let slow = bench.open(0, query("sleep 1500"));
    bench.until(|event| matches!(event, Event::Execute(_)));
    // Both frames reach the port while the session is busy.
    let aborted = bench.open(1, query("write a"));
    let behind = bench.open(1, query("write b"));
    bench.collect();
    bench.sides[1].client.cancel(aborted, bench.now);
    bench.run();
    assert_eq!(bench.ran(), ["sleep 1500", "write b", "sync"]);
    assert_eq!(bench.end(0, slow), Some(&Ok(())));
    assert_eq!(bench.end(1, behind), Some(&Ok(())));
}

#[test]
fn what_comes_together_is_made_durable_together() {
    let mut bench = Bench::new(1);
    for index in 0..40 {
        bench.open(0, query(&format!("write {index}")));
    }
    bench.run();
    assert_eq!(bench.ran().iter().filter(|log| *log == "sync").count(), 1);
}

#[test]
fn cancel_of_what_runs_drops_the_answer_and_its_transaction() {
    let mut bench = Bench::new(1);
    bench.open(0, query("read warm"));
    bench.run();
    bench.ran();
    let one = bench.open(0, hold("begin; write a"));
    bench.until(|event| matches!(event, Event::Execute(_)));
    bench.sides[0].client.cancel(one, bench.now);
    bench.collect();
    bench.events.rotate_left(1);
    bench.run();
    assert_eq!(bench.ran(), ["begin", "write a", "rollback"]);
}

#[test]
fn nothing_leaves_before_it_is_durable() {
    let mut bench = Bench::new(1);
    let first = bench.open(0, query("write a"));
    let second = bench.open(0, query("write b"));
    let read = bench.open(0, query("read"));
    loop {
        let acknowledged = [first, second, read]
            .iter()
            .filter(|one| bench.end(0, **one).is_some())
            .count();
        assert!(acknowledged == 0 || bench.session.durable.len() == 2);
        if !bench.step() {
            break;
        }
    }
    assert_eq!(bench.ran(), ["write a", "write b", "read", "sync"]);
    bench.open(0, query("read"));
    bench.run();
    assert_eq!(bench.ran(), ["read"], "what wrote nothing costs no sync");
}

#[test]
fn failed_sync_is_told_to_whom_it_concerns() {
    let mut bench = Bench::new(1);
    let write = bench.open(0, query("write a"));
    bench.until(|event| matches!(event, Event::Sync));
    bench.events.clear();
    let now = bench.now;
    bench
        .queue
        .as_mut()
        .unwrap()
        .handle_synced(Err("quota".to_owned()), now);
    bench.run();
    let text = "What was written could not be saved: quota";
    assert_eq!(
        bench.end(0, write),
        Some(&Err(Lost::Broken(text.to_owned())))
    );
    assert_eq!(bench.broken, [text]);
}

#[test]
fn session_is_clean_for_the_next() {
    let mut bench = Bench::new(2);
    bench.open(0, query("set"));
    bench.open(1, query("read"));
    bench.run();
    assert_eq!(
        bench.session.log,
        [
            "set",
            "discard all",
            "set session authorization postgres",
            "set role none",
            "reset all",
            "listen pgrst",
            "read",
            "set session authorization postgres",
            "set role none",
            "reset all"
        ]
    );
    assert_eq!(bench.session.settings, 0);
}

#[test]
fn notifications_reach_every_client_before_the_answer() {
    let mut bench = Bench::new(3);
    for side in 0..3 {
        bench.open(side, query("read"));
    }
    bench.run();
    let one = bench.open(1, query("write t; notify reload schema"));
    bench.run();
    for side in &bench.sides {
        assert_eq!(side.notified, ["reload schema"]);
    }
    assert_eq!(bench.end(1, one), Some(&Ok(())));
}

#[test]
fn malformed_messages_are_answered_and_never_run() {
    let mut bench = Bench::new(1);
    let one = bench.open(
        0,
        Exchange {
            messages: Bytes::from_static(b"X\0\0\0\x04"),
            ..query("")
        },
    );
    bench.run();
    let answer = &bench.sides[0].answers[&one].0;
    let summary = backend::summarize(answer);
    assert_eq!(summary.error.unwrap().0, "08P01");
    assert_eq!(summary.status, Some(b'I'));
    assert_eq!(bench.ran(), [""; 0]);
}

#[test]
fn too_many_are_told_so() {
    let mut bench = Bench::with(
        1,
        Limits {
            waiting: 2,
            ..Limits::default()
        },
    );
    bench.open(0, hold("begin"));
    bench.run();
    let waiting: Vec<_> = (0..3).map(|_| bench.open(0, query("read"))).collect();
    bench.run();
    assert_eq!(bench.end(0, waiting[2]), Some(&Err(Lost::Busy)));
    bench.settle();
    assert_eq!(bench.end(0, waiting[1]), Some(&Ok(())));
}

#[test]
fn slow_reader_holds_the_bytes_here_and_nobody_else() {
    let mut bench = Bench::with(
        2,
        Limits {
            unread: 6_000_000,
            ..Limits::default()
        },
    );
    bench.sides[0].asleep = true;
    let big = bench.open(0, query("big 5000000"));
    let other = bench.open(1, query("read"));
    bench.run();
    assert_eq!(bench.end(1, other), Some(&Ok(())));
    assert!(bench.queue.as_ref().unwrap().outgoing.unread() > 3_000_000);
    bench.sides[0].asleep = false;
    bench.settle();
    assert_eq!(bench.end(0, big), Some(&Ok(())));
    let answer = &bench.sides[0].answers[&big].0;
    assert_eq!(answer.len(), 5_000_000 + 5 + 14 + 6);
    assert!(
        answer[5..5_000_005]
            .iter()
            .enumerate()
            .all(|(index, byte)| *byte == index.to_le_bytes()[1])
    );
    assert_eq!(bench.queue.as_ref().unwrap().outgoing.unread(), 0);
}

#[test]
fn reader_that_never_reads_gives_way_when_memory_is_short() {
    let mut bench = Bench::with(
        2,
        Limits {
            unread: 3_000_000,
            ..Limits::default()
        },
    );
    bench.sides[0].asleep = true;
    let big = bench.open(0, query("big 5000000"));
    bench.run();
    let other = bench.open(1, query("read"));
    bench.run();
    assert_eq!(bench.end(1, other), None, "memory is short: it waits");
    bench.now += 29_999;
    let now = bench.now;
    bench.queue.as_mut().unwrap().handle_timeout(now);
    bench.run();
    assert_eq!(bench.end(1, other), None);
    bench.now += 1;
    let now = bench.now;
    bench.queue.as_mut().unwrap().handle_timeout(now);
    bench.run();
    assert_eq!(bench.end(1, other), Some(&Ok(())));
    bench.sides[0].asleep = false;
    bench.run();
    assert_eq!(bench.end(0, big), Some(&Err(Lost::Stalled)));
}

#[test]
fn broken_session_serves_nobody_again() {
    let mut bench = Bench::new(2);
    bench.open(1, query("read"));
    bench.run();
    let poison = bench.open(0, query("read; die"));
    bench.until(|event| matches!(event, Event::Execute(_)));
    let read = bench.open(1, query("read"));
    let write = bench.open(1, query("write b"));
    bench.until(|event| matches!(event, Event::Closed(_)));
    assert!(!bench.broken.is_empty());
    // The owner starts the next worker; what broke the first one does not reach it.
    bench.kill();
    bench.start();
    bench.settle();
    assert!(matches!(bench.end(0, poison), Some(Err(Lost::Broken(_)))));
    assert_eq!(bench.end(1, read), Some(&Ok(())));
    assert_eq!(bench.end(1, write), Some(&Err(Lost::OwnerLost)));
}

#[test]
fn database_that_did_not_open_says_why() {
    let mut bench = Bench::new(1);
    bench.queue = Some(Queue::new(settings(Limits::default()), 0));
    let one = bench.open(0, query("read"));
    bench.run();
    bench.now += 59_999;
    bench.sides[0].client.handle_timeout(bench.now);
    bench.run();
    assert_eq!(bench.end(0, one), None, "it is told that somebody is there");
    bench
        .queue
        .as_mut()
        .unwrap()
        .handle_broken("the folder is damaged");
    bench.run();
    let text = "the folder is damaged".to_owned();
    assert_eq!(bench.end(0, one), Some(&Err(Lost::Broken(text))));
}

type Write = (usize, Conversation, String);

/// Reads, writes and a big answer, by two clients.
fn traffic(bench: &mut Bench) -> (Vec<(usize, Conversation)>, Vec<Write>) {
    let reads = vec![
        (0, bench.open(0, query("read"))),
        (1, bench.open(1, query("big 1400000"))),
        (1, bench.open(1, query("read"))),
    ];
    let mut writes = Vec::new();
    for name in ["a", "b", "c"] {
        for side in 0..2 {
            let name = format!("{name}{side}");
            let conversation = bench.open(side, query(&format!("write {name}")));
            writes.push((side, conversation, name));
        }
    }
    (reads, writes)
}

#[test]
fn owner_dies_at_every_point() {
    let mut points = 0;
    for point in 0.. {
        let mut bench = Bench::new(2);
        let (reads, writes) = traffic(&mut bench);
        let mut done = true;
        for _ in 0..point {
            done = !bench.step();
        }
        bench.collect();
        bench.kill();
        if point % 2 == 0 {
            bench.start();
        } else {
            bench.now += 1_000;
            bench.run();
            bench.start();
        }
        bench.settle();
        for (side, conversation) in &reads {
            let (bytes, end) = &bench.sides[*side].answers[conversation];
            match end {
                Some(Ok(())) => assert_eq!(backend::summarize(bytes).status, Some(b'I')),
                // Part of it had been read already.
                Some(Err(Lost::OwnerLost)) => assert!(!bytes.is_empty(), "at {point}"),
                other => panic!("{other:?} at {point}"),
            }
        }
        for (side, conversation, name) in &writes {
            let times = bench
                .session
                .durable
                .iter()
                .filter(|durable| *durable == name)
                .count();
            match bench.end(*side, *conversation) {
                Some(Ok(())) => assert_eq!(times, 1, "acknowledged and lost at {point}"),
                Some(Err(Lost::OwnerLost)) => assert!(times <= 1, "ran twice at {point}"),
                other => panic!("{other:?} at {point}"),
            }
        }
        points = point;
        if point > 0 && done {
            break;
        }
    }
    assert!(points > 50, "only {points} points: the test shows little");
}

#[test]
fn any_one_frame_is_lost() {
    let mut frames = 0;
    for frame in 0.. {
        let mut bench = Bench::new(2);
        bench.lose = Some(frame);
        let (reads, writes) = traffic(&mut bench);
        bench.settle();
        let ends = reads
            .iter()
            .map(|(side, conversation)| (*side, *conversation))
            .chain(
                writes
                    .iter()
                    .map(|(side, conversation, _)| (*side, *conversation)),
            );
        for (side, conversation) in ends {
            let (bytes, end) = &bench.sides[side].answers[&conversation];
            match end {
                Some(Ok(())) => assert_eq!(backend::summarize(bytes).status, Some(b'I')),
                Some(Err(Lost::OwnerLost | Lost::Deadline | Lost::NoOwner)) => {}
                other => panic!("{other:?} without frame {frame}"),
            }
        }
        for (side, conversation, name) in &writes {
            let times = bench
                .session
                .durable
                .iter()
                .filter(|durable| *durable == name)
                .count();
            assert!(times <= 1, "ran twice without frame {frame}");
            if bench.end(*side, *conversation) == Some(&Ok(())) {
                assert_eq!(times, 1);
            }
        }
        assert_eq!(bench.session.transaction, None);
        if bench.lose.is_some() {
            break;
        }
        frames = frame;
    }
    assert!(frames > 25, "only {frames} frames: the test shows little");
}

#[test]
fn frames_no_client_sends() {
    let conversation = Conversation(1);
    let table = [
        Frame::Cancel { conversation },
        Frame::Notify {
            channel: String::new(),
            payload: String::new(),
        },
    ];
    for frame in table {
        let mut queue = Queue::new(settings(Limits::default()), 0);
        while queue.poll_output().is_some() {}
        queue.handle_buffer(ClientId(1), frame.encode(), 0);
        let Some(Output::Post { buffer, .. }) = queue.poll_output() else {
            panic!("no refusal");
        };
        assert!(matches!(
            Frame::decode(buffer),
            Ok(Frame::Refused(Refusal::Malformed(_)))
        ));
        assert_eq!(
            queue.poll_output(),
            Some(Output::Close {
                client: ClientId(1)
            })
        );
    }
    let mut queue = Queue::new(settings(Limits::default()), 0);
    while queue.poll_output().is_some() {}
    let mut other_version = BytesMut::from(&Frame::Goodbye.encode()[..]);
    other_version[0] = 200;
    queue.handle_buffer(ClientId(1), other_version.freeze(), 0);
    let Some(Output::Post { buffer, .. }) = queue.poll_output() else {
        panic!("no refusal");
    };
    assert_eq!(Frame::decode(buffer), Ok(Frame::Refused(Refusal::Version)));
}
