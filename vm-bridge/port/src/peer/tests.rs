//! Two lines joined in memory, on a stepped clock.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use bytes::{Bytes, BytesMut};
use futures::{
    FutureExt as _, StreamExt as _,
    executor::{LocalPool, LocalSpawner},
    future::{AbortHandle, Abortable, LocalBoxFuture},
    stream,
    task::LocalSpawnExt as _,
};
use http::{Method, Request, Response, StatusCode};

use super::*;
use crate::{CHUNK, INITIAL_CREDIT};

const ROUTER: usize = 0;
const WORKER: usize = 1;

/// What both sides run in.
struct Net {
    spawner: LocalSpawner,
    clock: Cell<Milliseconds>,
    timers: [Cell<Option<Milliseconds>>; 2],
    wanted: RefCell<Vec<(usize, bool)>>,
    watched: RefCell<Vec<(usize, String)>>,
    /// On their way: to which side, by which channel.
    events: RefCell<VecDeque<(usize, usize, Event)>>,
    channels: RefCell<Vec<Channel>>,
}

enum Event {
    Buffer(Bytes, Option<Attachment>),
    Closed,
}

#[derive(Default)]
struct Channel {
    ids: [Option<PortId>; 2],
    /// Nothing gets through any more, and nobody is told.
    dead: bool,
}

struct TestShell(usize, Rc<Net>);

impl Shell for TestShell {
    fn now(&self) -> Milliseconds {
        self.1.clock.get()
    }

    fn set_timer(&self, due: Option<Milliseconds>) {
        self.1.timers[self.0].set(due);
    }

    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        self.1.spawner.spawn_local(task).unwrap();
    }

    fn want_port(&self, start: bool) {
        self.1.wanted.borrow_mut().push((self.0, start));
    }
}

struct TestPort {
    side: usize,
    channel: usize,
    net: Rc<Net>,
}

impl TestPort {
    fn send(&self, event: Event) {
        if !self.net.channels.borrow()[self.channel].dead {
            let event = (1 - self.side, self.channel, event);
            self.net.events.borrow_mut().push_back(event);
        }
    }
}

impl Port for TestPort {
    fn post(&self, buffer: Bytes, attachment: Option<Attachment>) -> Result<(), Closed> {
        self.send(Event::Buffer(buffer, attachment));
        Ok(())
    }

    fn watch(&self, life: &str) {
        let watched = (self.side, life.to_owned());
        self.net.watched.borrow_mut().push(watched);
    }
}

impl Drop for TestPort {
    fn drop(&mut self) {
        self.send(Event::Closed);
    }
}

struct Bench {
    pool: LocalPool,
    net: Rc<Net>,
    lines: [Line; 2],
    /// Requests that each side was asked.
    asked: [Rc<RefCell<Vec<String>>>; 2],
}

/// A future that runs; dropping it ends it.
struct Started<Output> {
    outcome: Rc<RefCell<Option<Output>>>,
    handle: AbortHandle,
}

impl<Output> Started<Output> {
    fn take(&self) -> Option<Output> {
        self.outcome.borrow_mut().take()
    }
}

impl<Output> Drop for Started<Output> {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

type Answered = LocalBoxFuture<'static, Response<Body>>;

impl Bench {
    fn new(
        router: impl Fn(Request<Body>, Option<Attachment>) -> Answered + 'static,
        worker: impl Fn(Request<Body>, Option<Attachment>) -> Answered + 'static,
    ) -> Self {
        let pool = LocalPool::new();
        let net = Rc::new(Net {
            spawner: pool.spawner(),
            clock: Cell::new(1_000),
            timers: Default::default(),
            wanted: RefCell::default(),
            watched: RefCell::default(),
            events: RefCell::default(),
            channels: RefCell::default(),
        });
        let asked = [Rc::default(), Rc::default()];
        let lines = [
            line(ROUTER, &net, &asked[ROUTER], router),
            line(WORKER, &net, &asked[WORKER], worker),
        ];
        Self {
            pool,
            net,
            lines,
            asked,
        }
    }

    /// A router that answers nothing of interest, joined to this worker.
    fn joined(worker: impl Fn(Request<Body>, Option<Attachment>) -> Answered + 'static) -> Self {
        let mut bench = Self::new(echo, worker);
        bench.join();
        bench
    }

    /// Hands a port to both sides.
    fn join(&mut self) -> usize {
        let channel = self.net.channels.borrow().len();
        self.net.channels.borrow_mut().push(Channel::default());
        for (side, line) in self.lines.iter().enumerate() {
            let net = Rc::clone(&self.net);
            line.attach(|id| {
                net.channels.borrow_mut()[channel].ids[side] = Some(id);
                let net = Rc::clone(&net);
                Rc::new(TestPort { side, channel, net })
            });
        }
        self.run();
        channel
    }

    fn run(&mut self) {
        loop {
            self.pool.run_until_stalled();
            let Some((side, channel, event)) = self.net.events.borrow_mut().pop_front() else {
                return;
            };
            let id = self.net.channels.borrow()[channel].ids[side];
            let Some(id) = id else { continue };
            match event {
                Event::Buffer(buffer, attachment) => {
                    self.lines[side].buffer(id, buffer, attachment);
                }
                Event::Closed => self.lines[side].lost(id),
            }
        }
    }

    /// Lets time pass, in which every timer is due at its own moment.
    fn pass(&mut self, milliseconds: Milliseconds) {
        let until = self.net.clock.get() + milliseconds;
        loop {
            self.run();
            let due = self.net.timers.iter().filter_map(Cell::get).min();
            let Some(due) = due.filter(|due| *due <= until) else {
                break;
            };
            self.net.clock.set(due.max(self.net.clock.get()));
            for (side, line) in self.lines.iter().enumerate() {
                if self.net.timers[side].get().is_some_and(|at| at <= due) {
                    self.net.timers[side].set(None);
                    line.handle_timeout();
                }
            }
        }
        self.net.clock.set(until);
    }

    fn start<Output: 'static>(
        &mut self,
        future: impl Future<Output = Output> + 'static,
    ) -> Started<Output> {
        let outcome = Rc::new(RefCell::new(None));
        let (handle, registration) = AbortHandle::new_pair();
        let told = Rc::clone(&outcome);
        let task = Abortable::new(future, registration).map(move |done| {
            if let Ok(done) = done {
                told.replace(Some(done));
            }
        });
        self.net.spawner.spawn_local(task).unwrap();
        self.run();
        Started { outcome, handle }
    }

    /// Asks and reads the whole answer.
    fn ask(&mut self, from: usize, request: Request<Body>) -> Started<Whole> {
        let asking = self.lines[from].request(request);
        self.start(whole(asking))
    }

    fn kill(&self, channel: usize) {
        self.net.channels.borrow_mut()[channel].dead = true;
    }

    fn lose(&mut self, channel: usize) {
        self.kill(channel);
        let ids = self.net.channels.borrow()[channel].ids;
        for (line, id) in self.lines.iter().zip(ids) {
            line.lost(id.unwrap());
        }
        self.run();
    }

    fn wanted(&self) -> Vec<(usize, bool)> {
        self.net.wanted.take()
    }

    fn asked(&self, side: usize) -> Vec<String> {
        self.asked[side].take()
    }
}

fn line(
    side: usize,
    net: &Rc<Net>,
    asked: &Rc<RefCell<Vec<String>>>,
    answering: impl Fn(Request<Body>, Option<Attachment>) -> Answered + 'static,
) -> Line {
    let asked = Rc::clone(asked);
    Line::new(
        [Side::Router, Side::Worker][side],
        "build",
        ["router's life", "worker's life"][side],
        Limits::default(),
        TestShell(side, Rc::clone(net)),
        move |request, attachment| {
            let text = format!("{} {}", request.method(), request.uri());
            asked.borrow_mut().push(text);
            answering(request, attachment)
        },
    )
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Whole {
    /// Status, body, and how the body ended.
    Answer(u16, Bytes, Result<(), Interrupted>),
    Lost(Lost),
}

async fn whole(asking: Asking) -> Whole {
    match asking.await {
        Ok(response) => {
            let status = response.status().as_u16();
            let (bytes, end) = collect(response.into_body()).await;
            Whole::Answer(status, bytes, end)
        }
        Err(lost) => Whole::Lost(lost),
    }
}

async fn collect(mut body: Body) -> (Bytes, Result<(), Interrupted>) {
    let mut bytes = BytesMut::new();
    loop {
        match body.next().await {
            Some(Ok(chunk)) => bytes.extend_from_slice(&chunk),
            Some(Err(error)) => return (bytes.freeze(), Err(error)),
            None => return (bytes.freeze(), Ok(())),
        }
    }
}

fn get(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::empty()).unwrap()
}

fn post(uri: &str, body: Body) -> Request<Body> {
    Request::post(uri).body(body).unwrap()
}

fn answer(status: u16, body: impl Into<Bytes>) -> Whole {
    Whole::Answer(status, body.into(), Ok(()))
}

fn ok(body: Body) -> Answered {
    Box::pin(async { Response::new(body) })
}

fn echo(request: Request<Body>, _attachment: Option<Attachment>) -> Answered {
    ok(request.into_body())
}

/// Neither answers nor lets go of the request.
fn never(request: Request<Body>, _attachment: Option<Attachment>) -> Answered {
    Box::pin(async move {
        let _held = request;
        futures::future::pending().await
    })
}

/// Bytes of which no two windows are alike.
fn pattern(seed: u64, length: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = BytesMut::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.freeze()
}

/// A body in pieces, and how many bytes of it were taken; `dropped` once it is.
struct Source {
    taken: Rc<Cell<usize>>,
    dropped: Rc<Cell<bool>>,
}

struct Dropped(Rc<Cell<bool>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

impl Source {
    fn new() -> Self {
        Self {
            taken: Rc::default(),
            dropped: Rc::default(),
        }
    }

    fn body(&self, bytes: Bytes, piece: usize, end: Option<Result<Bytes, Interrupted>>) -> Body {
        let taken = Rc::clone(&self.taken);
        let dropped = Dropped(Rc::clone(&self.dropped));
        let ends = end.is_some();
        let pieces = stream::unfold(bytes, move |mut rest| {
            taken.set(taken.get() + rest.len().min(piece));
            async move {
                let bytes = rest.split_to(rest.len().min(piece));
                (!bytes.is_empty()).then_some((Ok(bytes), rest))
            }
        });
        let pieces = pieces.chain(stream::iter(end));
        // Without an end it goes on for ever without a byte.
        let pieces = pieces.chain(stream::once(async move {
            if !ends {
                futures::future::pending::<()>().await;
            }
            Ok(Bytes::new())
        }));
        Body::stream(pieces.map(move |piece| {
            let _ = &dropped;
            piece
        }))
    }
}

#[test]
fn requests_and_answers_cross_in_both_directions() {
    let describe = |request: Request<Body>, _attachment| -> Answered {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let had_body = !body.is_empty();
            let (bytes, end) = collect(body).await;
            assert_eq!(end, Ok(()));
            let text = format!(
                "{} {} {:?} {had_body} {}",
                head.method,
                head.uri,
                head.headers,
                bytes.len()
            );
            let mut response = Response::new(Body::from(text));
            *response.status_mut() = StatusCode::from_u16(207).unwrap();
            response.headers_mut().append("a", "1".parse().unwrap());
            response.headers_mut().append("a", "2".parse().unwrap());
            response
        })
    };
    let mut bench = Bench::new(describe, describe);
    bench.join();
    for from in [ROUTER, WORKER] {
        let mut request = post("http://localhost:5173/rest/v1/t?a=b", Body::from("hello"));
        *request.method_mut() = Method::from_bytes(b"PROPFIND").unwrap();
        request.headers_mut().append("x", "1".parse().unwrap());
        request.headers_mut().append("x", "2".parse().unwrap());
        assert_eq!(
            bench.ask(from, request).take(),
            Some(answer(
                207,
                "PROPFIND http://localhost:5173/rest/v1/t?a=b {\"x\": \"1\", \"x\": \"2\"} true 5"
            ))
        );
        assert_eq!(
            bench.ask(from, get("/vm")).take(),
            Some(answer(207, "GET /vm {} false 0"))
        );
        let asking = bench.lines[from].request(get("/"));
        let headers = bench.start(async { asking.await.unwrap().headers().clone() });
        let headers = headers.take().unwrap();
        let values: Vec<_> = headers.get_all("a").iter().collect();
        assert_eq!(values, ["1", "2"]);
    }
    let watched = bench.net.watched.take();
    assert!(watched.contains(&(ROUTER, "worker's life".to_owned())));
    assert!(watched.contains(&(WORKER, "router's life".to_owned())));
    assert_eq!(bench.net.timers.each_ref().map(Cell::get), [None, None]);
}

#[test]
fn an_answer_may_have_no_body() {
    let no_content = |_request, _attachment| -> Answered {
        Box::pin(async { Response::builder().status(204).body(Body::empty()).unwrap() })
    };
    let mut bench = Bench::joined(no_content);
    let asking = bench.lines[ROUTER].request(get("/"));
    let started = bench.start(asking);
    let response = started.take().unwrap().unwrap();
    assert_eq!(response.status(), 204);
    assert!(response.body().is_empty());
}

#[test]
fn large_bodies_cross_under_credit_in_both_directions_at_once() {
    let mut bench = Bench::joined(echo);
    let body = pattern(1, 5 * INITIAL_CREDIT as usize + 12_345);
    for piece in [1_400, 60_000, CHUNK, 3 * CHUNK, body.len()] {
        for from in [ROUTER, WORKER] {
            let source = Source::new();
            let request = post(
                "/",
                source.body(body.clone(), piece, Some(Ok(Bytes::new()))),
            );
            assert_eq!(
                bench.ask(from, request).take(),
                Some(answer(200, body.clone())),
                "in pieces of {piece}"
            );
        }
    }
}

#[test]
fn a_slow_reader_leaves_the_bytes_where_they_are_made() {
    let source = Rc::new(Source::new());
    let made = Rc::clone(&source);
    let body = pattern(2, 10 * INITIAL_CREDIT as usize);
    let all = body.clone();
    let mut bench = Bench::joined(move |request, attachment| {
        if request.uri().path() == "/slow" {
            ok(made.body(all.clone(), 100_000, Some(Ok(Bytes::new()))))
        } else {
            echo(request, attachment)
        }
    });
    let asking = bench.lines[ROUTER].request(get("/slow"));
    let mut slow = bench.start(asking).take().unwrap().unwrap().into_body();
    let ahead = INITIAL_CREDIT as usize + 200_000;
    assert!(source.taken.get() <= ahead, "{}", source.taken.get());
    // Nobody else waits for it, and nobody gives it up.
    let other = post("/", Body::from("x"));
    assert_eq!(bench.ask(ROUTER, other).take(), Some(answer(200, "x")));
    bench.pass(3_600_000);
    let mut read = BytesMut::new();
    while let Some(chunk) = slow.next().now_or_never().flatten() {
        read.extend_from_slice(&chunk.unwrap());
        assert!(source.taken.get() <= read.len() + ahead);
        bench.run();
    }
    assert!(read == body);
}

#[test]
fn giving_up_reaches_whoever_works_for_it() {
    // An answer nobody waits for.
    let dropped = Rc::new(Cell::new(false));
    let told = Rc::clone(&dropped);
    let mut bench = Bench::joined(move |_request, _attachment| {
        let dropped = Dropped(Rc::clone(&told));
        Box::pin(async move {
            futures::future::pending::<()>().await;
            drop(dropped);
            Response::default()
        })
    });
    let asking = bench.lines[ROUTER].request(get("/"));
    let started = bench.start(asking);
    assert!(!dropped.get());
    drop(started);
    bench.run();
    assert!(dropped.get(), "an answer nobody waits for");

    // An answer nobody reads on, though no byte of it moves.
    for from in [ROUTER, WORKER] {
        let source = Rc::new(Source::new());
        let made = Rc::clone(&source);
        let serve = move |_request, _attachment| ok(made.body(pattern(3, 100), 10, None));
        let mut bench = Bench::new(serve.clone(), serve);
        bench.join();
        let asking = bench.lines[from].request(get("/"));
        let response = bench.start(asking).take().unwrap().unwrap();
        assert!(!source.dropped.get());
        drop(response);
        bench.run();
        assert!(source.dropped.get(), "an answer nobody reads on");
        assert_eq!(bench.net.timers[1 - from].get(), None, "it is forgotten");
    }

    // A request's body that is sent while nobody waits for its answer any more.
    let source = Source::new();
    let mut bench = Bench::joined(never);
    let request = post("/", source.body(pattern(4, 100), 10, None));
    let started = bench.ask(ROUTER, request);
    assert!(!source.dropped.get());
    drop(started);
    bench.run();
    assert!(source.dropped.get(), "a request nobody waits for");
}

#[test]
fn a_request_body_that_is_not_read_ends_and_its_answer_comes() {
    let source = Source::new();
    let mut bench = Bench::joined(|request: Request<Body>, _attachment| {
        drop(request);
        Box::pin(async { Response::new(Body::from("enough")) })
    });
    let body = pattern(5, 9 * INITIAL_CREDIT as usize);
    let request = post("/", source.body(body, CHUNK, None));
    assert_eq!(
        bench.ask(ROUTER, request).take(),
        Some(answer(200, "enough"))
    );
    assert!(source.dropped.get());
    assert!(source.taken.get() <= INITIAL_CREDIT as usize + 2 * CHUNK);

    // Also where the answer takes its time.
    let source = Source::new();
    let mut bench = Bench::joined(|request: Request<Body>, _attachment| {
        drop(request);
        never(get("/"), None)
    });
    let request = post("/", source.body(pattern(6, 10), 10, None));
    let _waiting = bench.ask(ROUTER, request);
    assert!(source.dropped.get());
}

#[test]
fn a_body_that_breaks_off_says_so_after_what_came_before() {
    let broken = || Some(Err(Interrupted::Broken("the disk is full".to_owned())));
    let mut bench = Bench::joined(move |request, _attachment| {
        Box::pin(async move {
            if request.uri().path() == "/answer" {
                let body = Source::new().body(Bytes::from_static(b"abc"), 2, broken());
                return Response::new(body);
            }
            let (bytes, end) = collect(request.into_body()).await;
            Response::new(Body::from(format!("{} {end:?}", bytes.len())))
        })
    });
    assert_eq!(
        bench.ask(ROUTER, get("/answer")).take(),
        Some(Whole::Answer(
            200,
            Bytes::from_static(b"abc"),
            Err(Interrupted::Broken("the disk is full".to_owned()))
        ))
    );
    let request = post("/", Source::new().body(pattern(7, 20), 10, broken()));
    assert_eq!(
        bench.ask(ROUTER, request).take(),
        Some(answer(200, "20 Err(Broken(\"the disk is full\"))"))
    );
    assert_eq!(bench.net.timers.each_ref().map(Cell::get), [None, None]);
}

#[test]
fn a_port_that_is_lost_at_each_stage() {
    let lost = Whole::Lost(Lost::OwnerLost);
    let broken_off = Whole::Answer(200, Bytes::from_static(b"ab"), Err(Interrupted::Lost));
    let again = answer(200, "again");
    // (request, what its first worker does) and what becomes of it at the second.
    let cases = [
        (Method::GET, false, "nothing", again.clone()),
        (Method::HEAD, false, "nothing", again.clone()),
        (Method::PUT, false, "nothing", again.clone()),
        (Method::DELETE, false, "nothing", again),
        (Method::POST, false, "nothing", lost.clone()),
        (Method::PATCH, false, "nothing", lost.clone()),
        // What was sent of its body cannot be sent again.
        (Method::PUT, true, "nothing", lost),
        (Method::GET, false, "head", broken_off.clone()),
        (Method::POST, false, "head", broken_off),
        (Method::GET, false, "all", answer(200, "all")),
    ];
    for (method, has_body, does, expected) in cases {
        for from in [ROUTER, WORKER] {
            let first = Rc::new(Cell::new(true));
            let serve = move |_request, _attachment| {
                if !first.replace(false) {
                    return ok(Body::from("again"));
                }
                match does {
                    "nothing" => never(get("/"), None),
                    "head" => ok(Source::new().body(Bytes::from_static(b"ab"), 2, None)),
                    _ => ok(Body::from("all")),
                }
            };
            let mut bench = Bench::new(serve.clone(), serve);
            let channel = bench.join();
            let body = if has_body {
                Source::new().body(pattern(8, 10), 10, None)
            } else {
                Body::empty()
            };
            let request = Request::builder()
                .method(method.clone())
                .body(body)
                .unwrap();
            let started = bench.ask(from, request);
            bench.lose(channel);
            bench.join();
            let label = format!("{method} {has_body} {does}");
            assert_eq!(started.take(), Some(expected.clone()), "{label}");
        }
    }
}

#[test]
fn a_request_that_was_never_sent_waits_for_a_port() {
    for from in [ROUTER, WORKER] {
        let mut bench = Bench::new(echo, echo);
        let body = pattern(9, 3 * INITIAL_CREDIT as usize);
        let source = Source::new();
        let request = post(
            "/",
            source.body(body.clone(), CHUNK, Some(Ok(Bytes::new()))),
        );
        let started = bench.ask(from, request);
        assert_eq!(bench.wanted(), [(from, true)]);
        bench.pass(4_000);
        assert_eq!(source.taken.get(), 0, "nothing is taken from it before");
        bench.join();
        assert_eq!(started.take(), Some(answer(200, body)));
    }
}

#[test]
fn an_owner_that_never_comes() {
    let mut bench = Bench::new(echo, echo);
    let started = bench.ask(ROUTER, get("/"));
    bench.pass(4_999);
    assert_eq!(started.take(), None);
    assert_eq!(bench.wanted().len(), 10);
    bench.pass(1);
    assert_eq!(started.take(), Some(Whole::Lost(Lost::NoOwner)));
    bench.pass(60_000);
    assert_eq!(bench.wanted(), [], "nobody waits any more");

    // Lost, its wait for another owner begins.
    let channel = bench.join();
    bench.lines[WORKER].close();
    bench.run();
    bench.lose(channel);
    let started = bench.ask(ROUTER, get("/"));
    bench.pass(5_000);
    assert_eq!(started.take(), Some(Whole::Lost(Lost::NoOwner)));
}

#[test]
fn who_wants_nobody_started_is_told_at_once_that_nobody_is_there() {
    let mut bench = Bench::new(echo, echo);
    let asking = bench.lines[ROUTER].request_if_there(get("/vm"));
    let looks = bench.start(whole(asking));
    assert_eq!(bench.wanted(), [(ROUTER, false)]);
    let wakes = bench.ask(ROUTER, get("/http/web/"));
    assert_eq!(
        bench.wanted(),
        [(ROUTER, true)],
        "it does not wait its turn"
    );
    bench.lines[ROUTER].absent();
    bench.run();
    assert_eq!(looks.take(), Some(Whole::Lost(Lost::NoOwner)));
    assert_eq!(wakes.take(), None);
    bench.lines[ROUTER].unable("the disk is damaged");
    bench.run();
    let broken = Lost::Broken("the disk is damaged".to_owned());
    assert_eq!(wakes.take(), Some(Whole::Lost(broken)));

    bench.join();
    let asking = bench.lines[ROUTER].request_if_there(get("/vm"));
    let looks = bench.start(whole(asking));
    assert_eq!(looks.take(), Some(answer(200, "")));
}

#[test]
fn a_new_owner_is_asked_at_once() {
    let mut bench = Bench::new(echo, echo);
    bench.lines[ROUTER].owner_changed();
    assert_eq!(bench.wanted(), [], "nobody waits");
    let _waiting = bench.ask(ROUTER, get("/"));
    bench.wanted();
    bench.lines[ROUTER].owner_changed();
    assert_eq!(bench.wanted(), [(ROUTER, true)]);
    bench.join();
    bench.lines[ROUTER].owner_changed();
    assert_eq!(bench.wanted(), [], "it has a port that works");
}

#[test]
fn silence_is_noticed_and_mended() {
    for from in [ROUTER, WORKER] {
        let mut bench = Bench::new(echo, echo);
        let channel = bench.join();
        bench.kill(channel);
        let read = bench.ask(from, get("/"));
        let write = bench.ask(from, post("/", Body::from("x")));
        bench.pass(14_999);
        assert_eq!(write.take(), None);
        bench.pass(1);
        assert_eq!(write.take(), Some(Whole::Lost(Lost::OwnerLost)));
        assert_eq!(bench.wanted(), [(from, true)]);
        bench.join();
        assert_eq!(read.take(), Some(answer(200, "")));
    }
}

#[test]
fn whoever_says_that_it_is_there_may_take_its_time() {
    let mut bench = Bench::joined(never);
    let started = bench.ask(ROUTER, get("/"));
    bench.pass(179_999);
    assert_eq!(started.take(), None);
    bench.pass(1);
    assert_eq!(started.take(), Some(Whole::Lost(Lost::Deadline)));
    // The port is as good as before.
    assert_eq!(bench.asked(WORKER), ["GET /"]);
    let _started = bench.ask(ROUTER, get("/2"));
    assert_eq!(bench.asked(WORKER), ["GET /2"]);
}

#[test]
fn an_open_body_has_no_deadline() {
    let mut bench = Bench::joined(|_request, _attachment| {
        ok(Source::new().body(Bytes::from_static(b"event"), 5, None))
    });
    let started = bench.ask(ROUTER, get("/events"));
    bench.pass(86_400_000);
    assert_eq!(started.take(), None);
}

#[test]
fn nobody_greets() {
    let mut bench = Bench::new(echo, echo);
    let started = bench.ask(ROUTER, get("/"));
    let silent = bench.net.channels.borrow().len();
    bench.net.channels.borrow_mut().push(Channel {
        dead: true,
        ..Channel::default()
    });
    let net = Rc::clone(&bench.net);
    bench.lines[ROUTER].attach(|_id| {
        Rc::new(TestPort {
            side: ROUTER,
            channel: silent,
            net,
        })
    });
    bench.pass(29_999);
    assert_eq!(started.take(), None);
    bench.pass(1);
    assert_eq!(started.take(), Some(Whole::Lost(Lost::Deadline)));
}

#[test]
fn a_port_nobody_spoke_on_is_not_waited_for_when_nobody_can() {
    let mut bench = Bench::new(echo, echo);
    let silent = |bench: &mut Bench| {
        let channel = bench.net.channels.borrow().len();
        let dead = true;
        let ids = [None; 2];
        let unheard = Channel { ids, dead };
        bench.net.channels.borrow_mut().push(unheard);
        let (side, net) = (ROUTER, Rc::clone(&bench.net));
        bench.lines[ROUTER].attach(|_id| Rc::new(TestPort { side, channel, net }));
        bench.run();
    };
    let first = bench.ask(ROUTER, get("/"));
    silent(&mut bench);
    bench.lines[ROUTER].unable("it did not load");
    bench.run();
    let broken = Lost::Broken("it did not load".to_owned());
    assert_eq!(first.take(), Some(Whole::Lost(broken)));
    bench.wanted();
    let second = bench.ask(ROUTER, get("/"));
    assert_eq!(bench.wanted(), [(ROUTER, true)], "it tries anew");
    silent(&mut bench);
    bench.lines[ROUTER].owner_changed();
    assert_eq!(bench.wanted(), [(ROUTER, true)], "another one is asked");
    bench.join();
    assert_eq!(second.take(), Some(answer(200, "")));
}

#[test]
fn the_router_keeps_a_port_that_works() {
    let mut bench = Bench::joined(echo);
    let second = bench.join();
    bench.run();
    bench.lose(second);
    assert_eq!(
        bench.ask(WORKER, get("/")).take(),
        Some(answer(200, "")),
        "the worker has dropped the one that was not taken"
    );
}

#[test]
fn a_router_that_begins_anew_is_another_one() {
    // The same numbers, on another port of the same worker.
    let mut bench = Bench::joined(never);
    let _first = bench.ask(ROUTER, get("/first"));
    let Bench {
        net, lines, asked, ..
    } = &mut bench;
    lines[ROUTER] = line(ROUTER, net, &asked[ROUTER], echo);
    bench.kill(0);
    bench.join();
    let _second = bench.ask(ROUTER, get("/second"));
    assert_eq!(bench.asked(WORKER), ["GET /first", "GET /second"]);
    assert_eq!(
        bench.ask(WORKER, post("/", Body::from("x"))).take(),
        Some(answer(200, "x")),
        "the newest port is the one that answers"
    );
}

#[test]
fn goodbye_ends_what_is_under_way() {
    let mut bench = Bench::new(echo, |request, _attachment| {
        if request.uri().path() == "/body" {
            ok(Source::new().body(Bytes::from_static(b"ab"), 2, None))
        } else {
            never(request, None)
        }
    });
    bench.join();
    let waits = bench.ask(ROUTER, post("/", Body::empty()));
    let reads = bench.ask(ROUTER, get("/body"));
    bench.lines[WORKER].close();
    bench.run();
    assert_eq!(waits.take(), Some(Whole::Lost(Lost::OwnerLost)));
    let ab = Bytes::from_static(b"ab");
    assert_eq!(
        reads.take(),
        Some(Whole::Answer(200, ab.clone(), Err(Interrupted::Lost)))
    );

    bench.join();
    let waits = bench.ask(ROUTER, get("/"));
    let reads = bench.ask(ROUTER, get("/body"));
    bench.lines[ROUTER].close();
    bench.run();
    assert_eq!(waits.take(), Some(Whole::Lost(Lost::OwnerLost)));
    assert_eq!(
        reads.take(),
        Some(Whole::Answer(200, ab, Err(Interrupted::Lost)))
    );
}

#[test]
fn attachments_travel_with_their_request_and_never_twice() {
    let first = Cell::new(true);
    let answers: Rc<RefCell<Vec<Option<u32>>>> = Rc::default();
    let seen = Rc::clone(&answers);
    let mut bench = Bench::joined(move |request, attachment: Option<Attachment>| {
        let attachment = attachment.map(|attachment| *attachment.downcast::<u32>().unwrap());
        seen.borrow_mut().push(attachment);
        if first.replace(false) {
            never(request, None)
        } else {
            echo(request, None)
        }
    });
    let asking = bench.lines[ROUTER].request_with(get("/terminal"), Box::new(7_u32));
    let started = bench.start(whole(asking));
    bench.lose(0);
    bench.join();
    assert_eq!(started.take(), Some(Whole::Lost(Lost::OwnerLost)));
    let asking = bench.lines[ROUTER].request_with(get("/terminal"), Box::new(8_u32));
    assert_eq!(
        bench.start(whole(asking)).take(),
        Some(answer(200, "")),
        "one that is attached now"
    );
    assert_eq!(bench.ask(ROUTER, get("/")).take(), Some(answer(200, "")));
    assert_eq!(answers.take(), [Some(7), Some(8), None]);
}

#[test]
fn too_many_conversations_are_refused_and_the_others_go_on() {
    let mut bench = Bench::joined(never);
    let most = Limits::default().conversations;
    let started: Vec<_> = (0..=most).map(|_| bench.ask(ROUTER, get("/"))).collect();
    let refused = started.iter().filter_map(Started::take);
    assert_eq!(refused.collect::<Vec<_>>(), [Whole::Lost(Lost::Busy)]);
    assert_eq!(bench.asked(WORKER).len(), most);
    drop(started);
    bench.run();
    let _next = bench.ask(ROUTER, get("/"));
    assert_eq!(bench.asked(WORKER).len(), 1);
}

#[test]
fn hundreds_of_conversations_do_not_mix() {
    // Each request is answered with what the router says to a request that was made for it.
    let back: Rc<RefCell<Option<Line>>> = Rc::default();
    let line = Rc::clone(&back);
    let mut bench = Bench::joined(move |request, _attachment| {
        let line = line.borrow().clone().unwrap();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let asking = line.request(post(&format!("/back{}", head.uri), body));
            asking.await.unwrap()
        })
    });
    back.replace(Some(bench.lines[WORKER].clone()));
    let started: Vec<_> = (0..300_u64)
        .map(|number| {
            let body = pattern(number, 40_000 + 100 * usize::try_from(number).unwrap());
            let source = Source::new().body(body, 9_000, Some(Ok(Bytes::new())));
            bench.ask(ROUTER, post(&format!("/{number}"), source))
        })
        .collect();
    for (number, started) in (0_u64..).zip(started) {
        let body = pattern(number, 40_000 + 100 * usize::try_from(number).unwrap());
        assert!(started.take() == Some(answer(200, body)), "{number}");
    }
    back.take();
    assert_eq!(bench.net.timers.each_ref().map(Cell::get), [None, None]);
}

#[test]
fn another_version_is_refused_on_both_sides() {
    let mut bench = Bench::new(echo, echo);
    let started = bench.ask(ROUTER, get("/"));
    let channel = bench.net.channels.borrow().len();
    bench.net.channels.borrow_mut().push(Channel::default());
    let net = Rc::clone(&bench.net);
    bench.lines[ROUTER].attach(|id| {
        net.channels.borrow_mut()[channel].ids[ROUTER] = Some(id);
        let (side, net) = (ROUTER, Rc::clone(&net));
        Rc::new(TestPort { side, channel, net })
    });
    let id = bench.net.channels.borrow()[channel].ids[ROUTER].unwrap();
    bench.net.events.borrow_mut().clear();
    bench.lines[ROUTER].buffer(id, Bytes::from_static(&[9, 0, 32]), None);
    let said = bench.net.events.borrow_mut().pop_front();
    let Some((WORKER, _, Event::Buffer(said, None))) = said else {
        panic!("it says nothing");
    };
    assert_eq!(Frame::decode(said), Ok(Frame::Refused(Refusal::Version)));
    bench.run();
    let version = Lost::Version { ours: 1, theirs: 9 };
    assert_eq!(started.take(), Some(Whole::Lost(version)));
}

static TOO_MUCH: [u8; INITIAL_CREDIT as usize + 1] = [0; INITIAL_CREDIT as usize + 1];

#[test]
fn nonsense_ends_the_port_and_nothing_hangs() {
    let conversation = |number| Conversation(number);
    let head = ResponseHead {
        status: StatusCode::OK,
        headers: http::HeaderMap::new(),
    };
    let request = |number| Frame::Request {
        conversation: conversation(number),
        head: RequestHead {
            method: Method::GET,
            uri: "/".parse().unwrap(),
            headers: http::HeaderMap::new(),
        },
        has_body: false,
        attachment: false,
    };
    let response = |has_body| Frame::Response {
        conversation: conversation(2),
        head: head.clone(),
        has_body,
    };
    let body = |offset, last, bytes: &'static [u8]| Frame::Body {
        conversation: conversation(2),
        offset,
        last,
        bytes: Bytes::from_static(bytes),
    };
    let hello = || Frame::Hello {
        build: String::new(),
        life: String::new(),
    };
    // What a worker says after its greeting, to a router that has asked it once.
    let cases: Vec<(&str, Vec<Frame>)> = vec![
        ("greets twice", vec![hello()]),
        ("answers twice", vec![response(true), response(true)]),
        ("takes the router's numbers", vec![request(4)]),
        ("asks twice by one number", vec![request(3), request(3)]),
        (
            "answers its own request",
            vec![request(3), {
                Frame::Response {
                    conversation: conversation(3),
                    head: head.clone(),
                    has_body: false,
                }
            }],
        ),
        ("a body before its head", vec![body(0, true, b"x")]),
        ("a hole", vec![response(true), body(1, false, b"x")]),
        (
            "goes on after the end",
            vec![response(true), body(0, true, b"x"), body(1, true, b"y")],
        ),
        ("too much", vec![response(true), body(0, false, &TOO_MUCH)]),
    ];
    for (label, frames) in cases {
        let mut bench = Bench::joined(never);
        let started = bench.ask(ROUTER, post("/", Body::empty()));
        for frame in frames {
            bench.lines[ROUTER].buffer(PortId(1), frame.encode(), None);
        }
        assert!(!bench.lines[ROUTER].is_connected(), "{label}");
        bench.run();
        let outcome = started.take();
        assert!(
            matches!(
                outcome,
                Some(Whole::Lost(Lost::Broken(_)) | Whole::Answer(_, _, _))
            ),
            "{label} {outcome:?}"
        );
    }
    // What is late is no nonsense.
    let mut bench = Bench::joined(never);
    let given_up = bench.ask(ROUTER, get("/"));
    drop(given_up);
    bench.run();
    for frame in [response(true), body(0, true, b"x")] {
        bench.lines[ROUTER].buffer(PortId(1), frame.encode(), None);
    }
    assert!(bench.lines[ROUTER].is_connected());
    // Who has not greeted says nothing else.
    let mut bench = Bench::new(echo, echo);
    bench.net.channels.borrow_mut().push(Channel::default());
    let net = Rc::clone(&bench.net);
    bench.lines[WORKER].attach(|_id| {
        Rc::new(TestPort {
            side: WORKER,
            channel: 0,
            net,
        })
    });
    bench.lines[WORKER].buffer(PortId(1), request(2).encode(), None);
    bench.run();
    assert_eq!(bench.asked(WORKER), [""; 0]);
}

/// A seeded generator, so that a failure repeats.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

#[test]
fn noise_never_panics_and_never_hangs_anybody() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..200 {
        let mut bench = Bench::joined(echo);
        let started: Vec<_> = (0..3)
            .map(|from| {
                let source = Source::new();
                bench.ask(from % 2, post("/", source.body(pattern(1, 50), 10, None)))
            })
            .collect();
        for _ in 0..30 {
            let side = usize::try_from(dice.roll(2)).unwrap();
            let mut noise = vec![1, 0, 32 + u8::try_from(dice.roll(12)).unwrap()];
            // Numbers and lengths that are sometimes right.
            for _ in 0..dice.roll(12) {
                let small = u8::try_from(dice.roll(5)).unwrap();
                noise.extend_from_slice(
                    &[small, 0, 0, 0][..=usize::try_from(dice.roll(4)).unwrap()],
                );
            }
            bench.lines[side].buffer(PortId(1), noise.into(), None);
            bench.run();
        }
        bench.lose(0);
        bench.pass(200_000);
        for started in started {
            assert!(started.take().is_some());
        }
    }
}

#[test]
fn whatever_happens_to_the_ports_every_request_ends_and_no_byte_is_wrong() {
    let mut dice = Dice(0xdead_beef_cafe_f00d);
    let (mut whole, mut broken) = (0, 0);
    for _ in 0..40 {
        let mut bench = Bench::joined(echo);
        let mut running = Vec::new();
        let mut channel = 0;
        for number in 0..40 {
            match dice.roll(6) {
                0 => {
                    bench.lose(channel);
                    channel = bench.join();
                }
                1 => bench.kill(channel),
                2 => bench.pass(dice.roll(20_000)),
                3 if !running.is_empty() => {
                    let index = usize::try_from(dice.roll(running.len() as u64)).unwrap();
                    drop(running.swap_remove(index));
                }
                _ => {
                    let from = usize::try_from(dice.roll(2)).unwrap();
                    let length = usize::try_from(dice.roll(2_000_000)).unwrap();
                    let body = pattern(number, length);
                    let piece = usize::try_from(dice.roll(400_000)).unwrap() + 1;
                    let source = Source::new().body(body.clone(), piece, Some(Ok(Bytes::new())));
                    running.push((bench.ask(from, post("/", source)), body));
                }
            }
        }
        // No port comes any more.
        bench.kill(channel);
        bench.pass(400_000);
        for (started, body) in running {
            match started.take().expect("it ended") {
                Whole::Answer(200, bytes, Ok(())) => {
                    whole += 1;
                    assert!(bytes == body);
                }
                Whole::Answer(200, bytes, Err(_)) => {
                    broken += 1;
                    assert!(body.starts_with(&bytes));
                }
                Whole::Answer(status, ..) => panic!("{status}"),
                Whole::Lost(_) => broken += 1,
            }
        }
    }
    assert!(whole > 50 && broken > 50, "{whole} whole, {broken} broken");
}
