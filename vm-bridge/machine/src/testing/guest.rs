//! An engine whose guest is made of tasks: an agent, and apps that do as their command says.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use bytes::Bytes;
use control::{
    Answer, App, AppStatus, Channel, Conversation, Decoder, Digest, Event as Told, Exit, Line,
    Request, Runtime, State, Stream, ToAgent, ToWorker, Usage, Welcome, encode,
};
use disk::Manifest;
use futures::{
    StreamExt as _,
    channel::mpsc::{self, UnboundedSender},
    future::{self, LocalBoxFuture},
};
use http::Response;
use network::Settings;
use port::peer::Body;

use super::Clock;
use crate::{
    engine::{
        Booted, Engine, Engines, Event, Events, Failure, Kind, Plan, Progress, Stage as Step,
        sockets,
    },
    http::{Http, Limits},
    network::{ByteStream, Frames, Network},
    served::{self, Answers, Service},
    surroundings::{Surroundings as _, Task, World},
};

/// What the test decides, and what it can see. It outlives the machine's lives, as a disk does.
pub(crate) struct Guest {
    pub(crate) clock: Rc<Clock>,
    pub(crate) boots: Cell<usize>,
    pub(crate) stops: Cell<usize>,
    pub(crate) paused: Cell<bool>,
    /// What a boot comes to; a guest that boots where there is none.
    pub(crate) failure: RefCell<Option<Failure>>,
    /// The agent does not listen.
    pub(crate) is_mute: Cell<bool>,
    /// The agent tells nothing unasked.
    pub(crate) is_quiet: Cell<bool>,
    pub(crate) plan: RefCell<Option<Plan>>,
    pub(crate) bundles: RefCell<BTreeSet<(String, String)>>,
    pub(crate) attached: RefCell<BTreeSet<String>>,
    pub(crate) apps: RefCell<BTreeMap<String, Running>>,
    pub(crate) logs: RefCell<BTreeMap<String, Vec<Line>>>,
    pub(crate) starts: Cell<usize>,
    pub(crate) events: RefCell<Option<Events>>,
    /// Requests that apps were asked and that have not ended.
    pub(crate) open: Rc<Cell<usize>>,
    /// What it was told to leave of its disk.
    pub(crate) room: RefCell<Vec<Option<u64>>>,
    /// Whether this life has its disk.
    mounted: Cell<bool>,
    /// What answers at the port of the functions, if anything does.
    pub(crate) functions: RefCell<Option<Host>>,
    hosted: RefCell<Option<Task>>,
    network: RefCell<Option<Frames>>,
    agent: RefCell<Option<Task>>,
    told: RefCell<Option<UnboundedSender<ToWorker>>>,
}

/// Takes the calls of whoever runs functions.
pub(crate) type Host = Rc<dyn Fn(&Frames, ByteStream)>;

/// The port of the functions.
const FUNCTIONS: u16 = 2;

pub(crate) struct Running {
    pub(crate) app: App,
    pub(crate) status: AppStatus,
    /// Whether it is to run again when the disk is mounted.
    wanted: bool,
    /// What it runs; dropped, it has ended.
    tasks: Vec<Box<dyn std::any::Any>>,
}

impl Guest {
    pub(crate) fn new(clock: &Rc<Clock>) -> Rc<Self> {
        Rc::new(Self {
            clock: Rc::clone(clock),
            boots: Cell::new(0),
            stops: Cell::new(0),
            paused: Cell::new(false),
            failure: RefCell::default(),
            is_mute: Cell::new(false),
            is_quiet: Cell::new(false),
            plan: RefCell::default(),
            bundles: RefCell::default(),
            attached: RefCell::default(),
            apps: RefCell::default(),
            logs: RefCell::default(),
            starts: Cell::new(0),
            events: RefCell::default(),
            open: Rc::default(),
            room: RefCell::default(),
            mounted: Cell::new(false),
            functions: RefCell::default(),
            hosted: RefCell::default(),
            network: RefCell::default(),
            agent: RefCell::default(),
            told: RefCell::default(),
        })
    }

    /// The guest's end of the wire.
    pub(crate) fn network(&self) -> Frames {
        self.network.borrow().clone().expect("it runs")
    }

    fn world(&self) -> World {
        Rc::<Clock>::clone(&self.clock)
    }

    /// Tells the machine what happens in its engine, when everybody waits.
    pub(crate) fn happens(&self, event: Event) {
        if let Some(events) = self.events.borrow().clone() {
            self.clock.soon(move || events(event));
        }
    }

    /// The guest runs: its card is plugged in, its agent listens.
    fn wake(self: &Rc<Self>) {
        let near = Frames::settings(0);
        let settings = Settings {
            hardware: [2, 0, 0, 0, 0, 15],
            address: near.guest,
            guest: near.address,
            ..near
        };
        let weak = Rc::downgrade(self);
        let network = Frames::new(settings, self.world(), Rc::new(|_| None), move |frame| {
            if let Some(guest) = weak.upgrade() {
                guest.happens(Event::Frame(frame.into()));
            }
        });
        self.network.replace(Some(network.clone()));
        if self.is_mute.get() {
            return;
        }
        let weak = Rc::downgrade(self);
        let mut listener = network.listen(control::PORT);
        let agent = async move {
            let mut connection = None;
            while let Some(stream) = listener.accept().await {
                let Some(guest) = weak.upgrade() else { return };
                drop(connection.take());
                let serve = Rc::clone(&guest).serve(stream);
                connection = Some(Task::run(&guest.world(), serve));
            }
        };
        self.agent.replace(Some(Task::run(&self.world(), agent)));
        if let Some(host) = self.functions.borrow().clone() {
            let mut listener = network.listen(FUNCTIONS);
            let hosted = async move {
                while let Some(stream) = listener.accept().await {
                    host(&network, stream);
                }
            };
            self.hosted.replace(Some(Task::run(&self.world(), hosted)));
        }
    }

    fn sleep(&self) {
        self.told.take();
        self.agent.take();
        self.hosted.take();
        for running in self.apps.borrow_mut().values_mut() {
            running.tasks.clear();
            running.status.state = State::Stopped;
        }
        self.network.take();
        self.mounted.set(false);
        self.attached.borrow_mut().clear();
    }

    /// The agent's end of a connection.
    async fn serve(self: Rc<Self>, stream: ByteStream) {
        let stream = Rc::new(stream);
        let (told, mut to_tell) = mpsc::unbounded::<ToWorker>();
        self.told.replace(Some(told.clone()));
        let write = {
            let stream = Rc::clone(&stream);
            async move {
                while let Some(message) = to_tell.next().await {
                    let mut bytes = Vec::new();
                    encode(&message, &mut bytes).unwrap();
                    if stream.write(bytes.into()).await.is_err() {
                        return;
                    }
                }
            }
        };
        let read = async {
            let mut decoder = Decoder::<ToAgent>::new();
            let mut inputs = BTreeMap::new();
            loop {
                while let Some(message) = decoder.poll().unwrap() {
                    match message {
                        ToAgent::Hello(_) => {
                            let welcome = ToWorker::Hello(self.welcome());
                            told.unbounded_send(welcome).unwrap();
                        }
                        ToAgent::Ask {
                            conversation,
                            request: Request::PutBundle { app, bundle, .. },
                        } => {
                            inputs.insert(conversation, (app, bundle));
                        }
                        ToAgent::Ask {
                            conversation,
                            request,
                        } => self.asked(conversation, request, &told),
                        ToAgent::Chunk {
                            conversation,
                            last,
                            bytes,
                            ..
                        } => {
                            let credit = u32::try_from(bytes.len()).unwrap();
                            let credit = ToWorker::Credit {
                                conversation,
                                bytes: credit,
                            };
                            told.unbounded_send(credit).unwrap();
                            if last && let Some((app, bundle)) = inputs.remove(&conversation) {
                                self.bundles.borrow_mut().insert((app, bundle.to_string()));
                                answer(&told, conversation, Answer::Done);
                            }
                        }
                        ToAgent::Cancel { conversation } => {
                            let failure = control::Failure::Cancelled;
                            fail(&told, conversation, failure);
                        }
                        ToAgent::Credit { .. }
                        | ToAgent::Resize { .. }
                        | ToAgent::Signal { .. } => {}
                    }
                }
                match stream.read().await {
                    Ok(Some(bytes)) => decoder.push(&bytes),
                    Ok(None) | Err(_) => return,
                }
            }
        };
        future::select(Box::pin(read), Box::pin(write)).await;
    }

    fn welcome(&self) -> Welcome {
        let mounted = self.mounted.get();
        Welcome {
            protocol: control::PROTOCOL,
            version: "test".to_owned(),
            boot: [u8::try_from(self.boots.get()).unwrap(); 16],
            layers: self.attached.borrow().iter().cloned().collect(),
            mounted,
            // Its apps are on its disk.
            apps: if mounted { self.statuses() } else { Vec::new() },
        }
    }

    fn statuses(&self) -> Vec<AppStatus> {
        let apps = self.apps.borrow();
        apps.values()
            .map(|running| running.status.clone())
            .collect()
    }

    /// The disk is there: what was to run by itself when the last life ended does, as it was then.
    fn mount(self: &Rc<Self>) {
        if self.mounted.replace(true) {
            return;
        }
        let starting: Vec<App> = {
            let apps = self.apps.borrow();
            let starting = apps
                .values()
                .filter(|running| running.wanted && running.app.autostart);
            starting.map(|running| running.app.clone()).collect()
        };
        for app in starting {
            let status = self.start(app);
            self.tell(Told::App(status));
        }
    }

    fn asked(
        self: &Rc<Self>,
        conversation: Conversation,
        request: Request,
        told: &UnboundedSender<ToWorker>,
    ) {
        let known = |app: &str| self.apps.borrow().contains_key(app);
        let unknown = |app: String| control::Failure::UnknownApp { app };
        match request {
            Request::Mount { .. } => {
                self.mount();
                let (mended, apps) = (None, Vec::new());
                answer(told, conversation, Answer::Mounted { mended, apps });
            }
            Request::Attach { layer, .. } => {
                self.attached.borrow_mut().insert(layer);
                answer(told, conversation, Answer::Done);
            }
            Request::Detach { layer } => {
                let apps = self.apps.borrow();
                let users = apps.values().filter(|running| {
                    running.status.state == State::Running && running.app.layers.contains(&layer)
                });
                let apps: Vec<_> = users.map(|running| running.app.name.clone()).collect();
                if apps.is_empty() {
                    self.attached.borrow_mut().remove(&layer);
                    answer(told, conversation, Answer::Done);
                } else {
                    fail(told, conversation, control::Failure::LayerInUse { apps });
                }
            }
            Request::HasBundle { app, bundle } => {
                let key = (app, bundle.to_string());
                let present = self.bundles.borrow().contains(&key);
                answer(told, conversation, Answer::Bundle { present });
            }
            Request::Start(app) => {
                let status = match self.goes_on(&app) {
                    Some(status) => status,
                    None => self.start(app),
                };
                answer(told, conversation, Answer::App(status));
            }
            Request::Stop { app, .. } if known(&app) => {
                let status = self.change(&app, |running| {
                    running.tasks.clear();
                    running.wanted = false;
                    running.status.state = State::Stopped;
                });
                answer(told, conversation, Answer::App(status));
            }
            Request::Stop { app, .. } | Request::Restart { app, .. } => {
                fail(told, conversation, unknown(app));
            }
            Request::Remove { app } => {
                self.apps.borrow_mut().remove(&app);
                self.bundles.borrow_mut().retain(|(of, _)| *of != app);
                self.tell(Told::Removed { app });
                answer(told, conversation, Answer::Done);
            }
            Request::Logs { app, tail } => {
                let logs = self.logs.borrow();
                let lines = logs.get(&app).cloned().unwrap_or_default();
                let skipped = lines.len().saturating_sub(tail as usize);
                answer(told, conversation, Answer::Lines(lines[skipped..].to_vec()));
            }
            Request::Apps => {
                answer(told, conversation, Answer::Apps(self.statuses()));
            }
            Request::Usage => {
                let usage = Usage {
                    memory_used: 1,
                    memory_total: 2,
                    load: 50,
                    disk_used: 3,
                    disk_total: 4,
                    apps: Vec::new(),
                };
                answer(told, conversation, Answer::Usage(usage));
            }
            Request::Exec { command, .. } => {
                for (channel, bytes) in [
                    (Channel::Output, command.join(" ").into_bytes()),
                    (Channel::Error, b"!".to_vec()),
                ] {
                    let (offset, last) = (0, true);
                    let chunk = ToWorker::Chunk {
                        conversation,
                        channel,
                        offset,
                        last,
                        bytes,
                    };
                    told.unbounded_send(chunk).unwrap();
                }
                answer(told, conversation, Answer::Exited(Exit::Code { code: 7 }));
            }
            Request::Room { bytes } => {
                self.room.borrow_mut().push(bytes);
                answer(told, conversation, Answer::Done);
            }
            Request::PowerOff { .. } => {
                answer(told, conversation, Answer::Done);
                self.happens(Event::Halted);
            }
            other => panic!("{other:?}"),
        }
    }

    /// Whether exactly this runs, or is being started for the first time.
    fn goes_on(&self, app: &App) -> Option<AppStatus> {
        let apps = self.apps.borrow();
        let running = apps.get(&app.name)?;
        let is_up = match running.status.state {
            State::Running => true,
            State::Starting => running.status.exit.is_none(),
            State::Stopped | State::Crashed => false,
        };
        (is_up && running.app == *app).then(|| running.status.clone())
    }

    /// What an app's command makes it do: `listen`, `late` (in 10 s), `never`, `crash` (at once, again
    /// and again).
    fn start(self: &Rc<Self>, app: App) -> AppStatus {
        let Runtime::Command { command } = &app.runtime else {
            panic!("{app:?}");
        };
        self.starts.set(self.starts.get() + 1);
        let manner = command[0].clone();
        let status = AppStatus {
            name: app.name.clone(),
            state: State::Starting,
            pid: Some(100),
            since: 0,
            restarts: 0,
            exit: None,
            port: app.port,
            bundle: app.bundle,
            autostart: app.autostart,
        };
        let name = app.name.clone();
        self.log(&name, &format!("{manner} begins"));
        let (weak, world) = (Rc::downgrade(self), self.world());
        let life = Task::run(&self.world(), async move {
            let wait = if manner == "late" { 10_000 } else { 100 };
            world.sleep(wait).await;
            let Some(guest) = weak.upgrade() else { return };
            match manner.as_str() {
                "listen" | "late" => guest.listen(&name),
                "crash" => {
                    for restarts in 1..=5 {
                        guest.log(&name, "something is wrong");
                        guest.change(&name, |running| {
                            running.status.restarts = restarts;
                            running.status.exit = Some(Exit::Code { code: 3 });
                        });
                        world.sleep(500).await;
                    }
                    guest.change(&name, |running| running.status.state = State::Crashed);
                }
                _ => {}
            }
        });
        let running = Running {
            app,
            status: status.clone(),
            wanted: true,
            tasks: vec![Box::new(life)],
        };
        self.apps.borrow_mut().insert(status.name.clone(), running);
        status
    }

    fn listen(self: &Rc<Self>, name: &str) {
        let Some(network) = self.network.borrow().clone() else {
            return;
        };
        let port = self.apps.borrow()[name].app.port;
        let answers = Rc::new(AppAnswers {
            guest: Rc::downgrade(self),
            name: name.to_owned(),
            http: Http::new(Rc::new(network.clone()), self.world(), Limits::default()),
        });
        let limits = served::Limits::default();
        let service = Service::start(&self.world(), limits, network.listen(port), answers);
        self.change(name, |running| {
            running.tasks.push(Box::new(service));
            running.status.state = State::Running;
        });
    }

    /// Ends an app.
    pub(crate) fn kill(&self, name: &str) {
        self.log(name, "it was killed");
        self.change(name, |running| {
            running.tasks.clear();
            running.status.state = State::Crashed;
            running.status.exit = Some(Exit::Signal { signal: 9 });
        });
    }

    pub(crate) fn log(&self, name: &str, text: &str) {
        let line = Line {
            at: self.clock.now(),
            stream: Stream::Output,
            text: text.to_owned(),
            dropped: 0,
        };
        let mut logs = self.logs.borrow_mut();
        logs.entry(name.to_owned()).or_default().push(line.clone());
        drop(logs);
        let (app, lines) = (name.to_owned(), vec![line]);
        self.tell(Told::Log { app, lines });
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Running)) -> AppStatus {
        let mut apps = self.apps.borrow_mut();
        let running = apps.get_mut(name).expect("there is such an app");
        change(running);
        let status = running.status.clone();
        drop(apps);
        self.tell(Told::App(status.clone()));
        status
    }

    fn tell(&self, event: Told) {
        if self.is_quiet.get() {
            return;
        }
        if let Some(told) = &*self.told.borrow() {
            let _ = told.unbounded_send(ToWorker::Event(event));
        }
    }
}

fn answer(told: &UnboundedSender<ToWorker>, conversation: Conversation, answer: Answer) {
    let _ = told.unbounded_send(ToWorker::Answer {
        conversation,
        answer,
    });
}

fn fail(told: &UnboundedSender<ToWorker>, conversation: Conversation, failure: control::Failure) {
    let _ = told.unbounded_send(ToWorker::Failed {
        conversation,
        failure,
    });
}

/// An app that answers over HTTP:
///
/// | path | answer |
/// | --- | --- |
/// | `/die` | it ends without an answer |
/// | `/half` | it breaks off in the middle |
/// | `/wait` | none, ever |
/// | `/gateway/…` | what `localhost:5173` says to that path |
/// | any other | its name, the method, the path, the headers, the body |
struct AppAnswers {
    guest: std::rc::Weak<Guest>,
    name: String,
    http: Http,
}

impl Answers for AppAnswers {
    fn answer(&self, request: http::Request<Body>) -> LocalBoxFuture<'static, Response<Body>> {
        let (guest, name, http) = (self.guest.clone(), self.name.clone(), self.http.clone());
        let guest = guest.upgrade().expect("it runs in it");
        Box::pin(async move {
            let _open = Open::new(&guest.open);
            let (head, mut body) = request.into_parts();
            match head.uri.path() {
                "/die" => {
                    let dies = Rc::clone(&guest);
                    guest.clock.soon(move || dies.kill(&name));
                    future::pending().await
                }
                "/wait" => future::pending().await,
                "/half" => {
                    let broken = port::peer::Interrupted::Lost;
                    let half = [Ok(Bytes::from_static(b"half")), Err(broken)];
                    Response::new(Body::stream(futures::stream::iter(half)))
                }
                path if path.starts_with("/gateway/") => {
                    let request = http::Request::get(path.trim_start_matches("/gateway"))
                        .header("host", "localhost:5173")
                        .header("x-gateway-internal", "1")
                        .body(Body::empty())
                        .unwrap();
                    let response = http.request(crate::gateway::PORT, request).await;
                    response.unwrap()
                }
                _ => {
                    let mut text = format!("{name} {} {}", head.method, head.uri);
                    for (header, value) in &head.headers {
                        let value = value.as_bytes().escape_ascii();
                        text = format!("{text} {header}={value}");
                    }
                    while let Some(Ok(chunk)) = body.next().await {
                        text = format!("{text} {}", chunk.escape_ascii());
                    }
                    let forged = Response::builder().header("x-gateway-failure", "crashed");
                    forged.body(Body::from(text)).unwrap()
                }
            }
        })
    }
}

/// A request that has not ended.
struct Open(Rc<Cell<usize>>);

impl Open {
    fn new(open: &Rc<Cell<usize>>) -> Self {
        open.set(open.get() + 1);
        Self(Rc::clone(open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Makes engines whose guest is this one.
pub(crate) struct FakeEngines(pub(crate) Rc<Guest>);

struct FakeEngine(Rc<Guest>);

/// An image with two runtimes.
pub(crate) fn manifest() -> Manifest {
    let sha = "0".repeat(64);
    let file = serde_json::json!({"path": "x", "bytes": 1, "sha256": sha, "command_line": ""});
    let layer = |name: &str, number: u8| {
        serde_json::json!({
            "name": name,
            "title": name.to_uppercase(),
            "version": "1",
            "device": format!("/dev/sda{number}"),
            "offset": 0,
            "bytes": 2,
            "used": 1,
        })
    };
    let disk = serde_json::json!({"bytes": 4096, "chunks": [null]});
    let manifest = serde_json::json!({
        "version": "v",
        "chunk": 4096,
        "kernel": file,
        "bios": file,
        "vga_bios": file,
        "system": disk,
        "data": disk,
        "layers": [layer("base", 1), layer("node", 2), layer("python", 3)],
        "licences": "licences.txt",
    });
    Manifest::parse(manifest.to_string().as_bytes()).unwrap()
}

impl Engines for FakeEngines {
    fn manifest(&self) -> LocalBoxFuture<'static, Result<Rc<Manifest>, Failure>> {
        Box::pin(future::ready(Ok(Rc::new(manifest()))))
    }

    fn engine(&self, _kind: Kind, events: Events) -> Rc<dyn Engine> {
        self.0.events.replace(Some(events));
        Rc::new(FakeEngine(Rc::clone(&self.0)))
    }
}

impl Engine for FakeEngine {
    fn boot(&self, plan: Plan) -> LocalBoxFuture<'static, Result<Booted, Failure>> {
        let guest = Rc::clone(&self.0);
        Box::pin(async move {
            guest.boots.set(guest.boots.get() + 1);
            guest.plan.replace(Some(plan));
            guest.happens(Event::Progress(Progress {
                stage: Step::Kernel,
                loaded: 1,
                total: 2,
            }));
            guest.world().sleep(500).await;
            guest.happens(Event::Console("Linux".to_owned()));
            guest.world().sleep(1).await;
            if let Some(failure) = guest.failure.borrow().clone() {
                return Err(failure);
            }
            guest.wake();
            Ok(Booted {
                snapshot: Some(Vec::new()),
                hardware: None,
            })
        })
    }

    fn send_frame(&self, frame: Vec<u8>) {
        let guest = Rc::clone(&self.0);
        self.0.clock.soon(move || {
            let network = guest.network.borrow().clone();
            if let Some(network) = network.filter(|_| !guest.paused.get()) {
                network.handle_frame(&frame);
            }
        });
    }

    fn socket(&self, order: sockets::Order) {
        panic!("{order:?}");
    }

    fn pause(&self) {
        self.0.paused.set(true);
        if let Some(network) = &*self.0.network.borrow() {
            network.pause();
        }
    }

    fn resume(&self) {
        self.0.paused.set(false);
        if let Some(network) = &*self.0.network.borrow() {
            network.resume();
        }
    }

    fn stop(&self) -> LocalBoxFuture<'static, ()> {
        self.0.stops.set(self.0.stops.get() + 1);
        self.0.sleep();
        Box::pin(future::ready(()))
    }

    fn save(&self) -> LocalBoxFuture<'static, Result<Bytes, Failure>> {
        Box::pin(future::ready(Ok(Bytes::new())))
    }
}

/// A bundle's digest for tests.
pub(crate) fn digest(number: u8) -> String {
    Digest([number; 32]).to_string()
}
