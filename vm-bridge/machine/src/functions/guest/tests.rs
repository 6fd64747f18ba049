//! A machine whose guest hosts functions that do as their code says, or does not.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use bytes::{Buf as _, Bytes};
use http::{Method, Request};
use port::peer::Body;
use serde_json::{Value, json};

use super::{frame::put, *};
use crate::{
    engine,
    functions::{
        HEADER, HOST,
        tests::{Deployed, Gateway, Host, Scripted, Web},
    },
    machine::Machine,
    network::Frames,
    parts::Parts,
    surroundings::Surroundings as _,
    testing::{
        Clock, Stage,
        guest::{FakeEngines, Guest},
        scene::{Answered, FakeRuntime, NoDatabase, request},
    },
};

/// What the guest's host knows, and what it does.
#[derive(Default)]
struct Threads {
    runtime: RefCell<Option<String>>,
    brought: Cell<usize>,
    calls: Cell<usize>,
    /// Threads that have not ended.
    alive: Cell<usize>,
    hellos: RefCell<Vec<Value>>,
    /// Of another version.
    is_old: Cell<bool>,
    /// The packages that threads have.
    packages: RefCell<Vec<String>>,
    /// What was said of packages to the functions that were started.
    booted: RefCell<Vec<Value>>,
}

struct Alive(Rc<Threads>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.set(self.0.alive.get() - 1);
    }
}

/// A frame that has come.
struct Come {
    head: Value,
    bytes: BytesMut,
}

async fn next(stream: &ByteStream, come: &mut BytesMut) -> Option<Come> {
    while come.len() < 4 || come.len() < 4 + come.clone().get_u32_le() as usize {
        come.extend_from_slice(&stream.read().await.ok()??);
    }
    let whole = come.get_u32_le() as usize;
    let mut bytes = come.split_to(whole);
    let length = bytes.get_u32_le() as usize;
    let head = serde_json::from_slice(&bytes.split_to(length)).unwrap();
    Some(Come { head, bytes })
}

async fn say(stream: &ByteStream, said: &[(Value, &[u8])]) -> Option<()> {
    let mut out = BytesMut::new();
    for (head, bytes) in said {
        put(&mut out, head, &[bytes]);
    }
    stream.write(out.freeze()).await.ok()
}

impl Threads {
    fn serve(self: &Rc<Self>, clock: &Rc<Clock>, network: &Frames, stream: ByteStream) {
        let (threads, network) = (Rc::clone(self), network.clone());
        let world = Rc::clone(clock);
        threads.calls.set(threads.calls.get() + 1);
        threads.alive.set(threads.alive.get() + 1);
        clock.spawn(Box::pin(async move {
            let _alive = Alive(Rc::clone(&threads));
            // Where it breaks off, the thread ends.
            let _ = threads.host(&world, &network, &stream).await;
        }));
    }

    async fn host(&self, clock: &Rc<Clock>, network: &Frames, stream: &ByteStream) -> Option<()> {
        let (mut come, mut wanted) = (BytesMut::new(), String::new());
        let has = |wanted: &String| self.runtime.borrow().as_ref() == Some(wanted);
        loop {
            let Come { head, bytes } = next(stream, &mut come).await?;
            match head["kind"].as_str().unwrap() {
                "hello" => {
                    wanted = head["runtime"].as_str().unwrap().to_owned();
                    let protocol = if self.is_old.get() { 0 } else { PROTOCOL };
                    let hello = json!({"kind": "hello", "protocol": protocol, "has": has(&wanted)});
                    self.hellos.borrow_mut().push(head);
                    say(stream, &[(hello, b"")]).await?;
                }
                "runtime" => {
                    assert_eq!(&bytes[..], b"the runtime");
                    self.brought.set(self.brought.get() + 1);
                    self.runtime.replace(Some(wanted));
                    break;
                }
                "begin" if has(&wanted) => break,
                _ => {}
            }
        }
        let port = 40_000 + u16::try_from(self.calls.get()).unwrap();
        let mut listener = network.listen(port);
        let packages = self.packages.borrow().clone();
        let there = json!({"kind": "thread", "port": port, "packages": packages});
        say(stream, &[(there, b"")]).await?;
        let alive = async {
            while let Some(Come { head, .. }) = next(stream, &mut come).await {
                assert_eq!(head["kind"], "ping");
                let _ = say(stream, &[(json!({"kind": "pong"}), b"")]).await;
            }
        };
        let thread = async {
            let stream = listener.accept().await?;
            self.thread(&stream).await
        };
        let gone = match future::select(pin!(alive), pin!(thread)).await {
            Either::Left(((), _)) => return None,
            Either::Right((Some(gone), _)) => gone,
            Either::Right((None, _)) => json!({"kind": "gone", "text": "its code is 1"}),
        };
        clock
            .sleep(gone["after"].as_u64().unwrap_or_default())
            .await;
        say(stream, &[(gone, b"")]).await
    }

    /// What its host says when it is no more.
    async fn thread(&self, stream: &ByteStream) -> Option<Value> {
        let (mut come, mut code) = (BytesMut::new(), String::new());
        let mut env = BTreeMap::<String, String>::new();
        loop {
            let Come { head, bytes } = next(stream, &mut come).await?;
            let id = &head["id"];
            match head["kind"].as_str().unwrap() {
                "boot" => {
                    let length = usize::try_from(head["code"].as_u64().unwrap()).unwrap();
                    self.booted.borrow_mut().push(head["packages"].clone());
                    code = String::from_utf8(bytes[..length].to_vec()).unwrap();
                    env = serde_json::from_value::<Vec<(String, String)>>(head["env"].clone())
                        .unwrap()
                        .into_iter()
                        .collect();
                    say(stream, &[(json!({"kind": "ready"}), b"")]).await?;
                }
                "request" => match code.as_str() {
                    "dies" => return None,
                    "never" => {}
                    "mad" => {
                        stream.write(Bytes::from_static(&[255; 8])).await.ok()?;
                        future::pending::<()>().await;
                    }
                    "full" => {
                        let reason = "memory";
                        return Some(json!({"kind": "gone", "reason": reason, "after": 1_000}));
                    }
                    "loops" => return Some(json!({"kind": "gone", "reason": "cpu", "text": ""})),
                    _ => {
                        let text = format!("{} {}", env["SUPABASE_URL"], head["url"]);
                        let headers = json!([["x-gateway-host", "forged"]]);
                        let response = json!({"kind": "response", "id": id, "status": 200, "headers": headers, "hasBody": true});
                        let chunk = json!({"kind": "chunk", "id": id});
                        let end = json!({"kind": "end", "id": id});
                        say(
                            stream,
                            &[(response, b""), (chunk, text.as_bytes()), (end, b"")],
                        )
                        .await?;
                        if code == "parts" {
                            return Some(json!({"kind": "gone", "text": "It called Deno.exit(0)"}));
                        }
                    }
                },
                "unload" => say(stream, &[(json!({"kind": "unloaded"}), b"")]).await?,
                _ => {}
            }
        }
    }
}

struct Scene {
    stage: Stage,
    guest: Rc<Guest>,
    threads: Rc<Threads>,
    beside: Rc<Host>,
    gateway: Rc<Gateway>,
    machine: Machine,
    runtimes: Vec<&'static str>,
}

impl Scene {
    fn new() -> Self {
        let stage = Stage::new();
        let guest = Guest::new(&stage.clock);
        let threads = Rc::<Threads>::default();
        let (beside, gateway) = (Rc::<Host>::default(), Rc::<Gateway>::default());
        gateway.env.borrow_mut().insert(
            "SUPABASE_URL".to_owned(),
            "https://page.example/shop".to_owned(),
        );
        guest.functions.replace(Some({
            let (threads, clock) = (Rc::clone(&threads), Rc::clone(&stage.clock));
            Rc::new(move |network, stream| threads.serve(&clock, network, stream))
        }));
        let machine = Machine::new(Parts {
            world: stage.world(),
            engines: Rc::new(FakeEngines(Rc::clone(&guest))),
            isolates: Rc::new(Scripted(Rc::clone(&beside))),
            runtime: Rc::new(FakeRuntime),
            router: Rc::new(Deployed(Rc::clone(&gateway))),
            database: Rc::new(NoDatabase),
            fetch: Rc::new(Web(Rc::default())),
        });
        Self {
            stage,
            guest,
            threads,
            beside,
            gateway,
            machine,
            runtimes: vec![LAYER],
        }
    }

    /// Asks a function that does as `code` says; where it was answered, and how.
    fn begin(&self, code: &str, host: &str) -> LocalBoxFuture<'static, (String, Answered)> {
        let spec = json!({
            "name": code, "version": 1, "sha256": code, "env": "1", "host": host,
            "limits": {"timeout_ms": 20_000},
            "execution_id": "e", "trace": "t", "url": "http://page.example/shop",
        });
        let mut request: Request<Body> =
            request(Method::GET, &format!("/functions/{code}/x"), Body::empty());
        let settings = json!({"runtimes": self.runtimes}).to_string();
        let headers = request.headers_mut();
        headers.insert(HEADER, spec.to_string().parse().unwrap());
        headers.insert("x-gateway-vm", settings.parse().unwrap());
        let answer = self.machine.handle(request, None);
        Box::pin(async move {
            let response = answer.await;
            let host = response.headers()[HOST].to_str().unwrap().to_owned();
            (host, Answered::read(response).await)
        })
    }

    fn ask(&mut self, code: &str, host: &str) -> (String, Answered) {
        let answer = self.begin(code, host);
        self.stage.run(answer)
    }

    /// Where it was answered, the status, the failure, and the body or its message.
    fn told(&mut self, code: &str, host: &str) -> (String, u16, String, String) {
        let (host, answered) = self.ask(code, host);
        let message = serde_json::from_str::<Value>(&answered.body)
            .ok()
            .and_then(|body| body["message"].as_str().map(str::to_owned));
        let body = message.unwrap_or(answered.body);
        (host, answered.status, answered.failure, body)
    }

    /// Lines of the log that tell of boots.
    fn boots(&mut self) -> Vec<String> {
        self.stage.pass(1_000);
        let logs = self.gateway.logs.borrow();
        let boots = logs.iter().filter(|line| line["event"] == "boot");
        boots
            .map(|line| line["message"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn told(host: &str, status: u16, failure: &str, body: &str) -> (String, u16, String, String) {
    (host.to_owned(), status, failure.to_owned(), body.to_owned())
}

#[test]
fn a_function_runs_in_the_guest_and_finds_the_gateway_there() {
    let mut scene = Scene::new();
    let home = r#"http://localhost:5173/shop "http://page.example/one/x""#;
    assert_eq!(scene.told("one", "vm"), told("vm", 200, "", home));
    assert_eq!(scene.told("one", "vm").1, 200);
    assert_eq!(scene.told("two", "vm-or-isolate").0, "vm");
    assert_eq!(scene.guest.boots.get(), 1);
    // One thread each, and the runtime is brought once.
    let threads = &scene.threads;
    assert_eq!((threads.calls.get(), threads.brought.get()), (2, 1));
    assert_eq!(scene.beside.started.get(), 0);
    let hello = scene.threads.hellos.borrow()[0].clone();
    assert_eq!(
        (&hello["memory"], &hello["cpu"]),
        (&json!(256), &json!(10_000))
    );
    // Nobody needs them any more.
    scene.stage.pass(700_000);
    assert_eq!(scene.threads.alive.get(), 0);
}

#[test]
fn packages_are_sent_to_threads_that_do_not_have_them() {
    let mut scene = Scene::new();
    let name = "9MXPm7eOhfFdwnGAJgY3zySyokvDngeIeDo6zMTd5hQ=";
    assert_eq!(scene.told("one", "vm").1, 200);
    scene.threads.packages.replace(vec!["others".to_owned()]);
    assert_eq!(scene.told("packed_1", "vm").1, 200);
    scene
        .threads
        .packages
        .replace(vec!["others".to_owned(), name.to_owned()]);
    assert_eq!(scene.told("packed_2", "vm").1, 200);
    let expected = [
        Value::Null,
        json!({"name": name, "code": 9}),
        json!({"name": name, "code": null}),
    ];
    assert_eq!(*scene.threads.booted.borrow(), expected);
}

#[test]
fn without_the_runtime_a_function_is_answered_beside_the_machine_or_not_at_all() {
    let mut scene = Scene::new();
    scene.runtimes = vec!["python"];
    let missing = r#"The virtual machine has no runtime "node": install it"#;
    assert_eq!(
        scene.told("one", "vm"),
        told("vm", 503, "vm-failed", missing)
    );
    let (host, status, ..) = scene.told("echo", "vm-or-isolate");
    assert_eq!((host.as_str(), status), ("isolate", 200));
    assert_eq!(scene.guest.boots.get(), 0);
    let boots = scene.boots();
    assert_eq!(
        boots[0],
        format!("It runs in an isolate of the browser: {missing}")
    );
}

#[test]
fn without_a_machine_likewise() {
    let mut scene = Scene::new();
    scene
        .guest
        .failure
        .replace(Some(engine::Failure::Image("no manifest".to_owned())));
    let (host, status, failure, message) = scene.told("one", "vm");
    assert_eq!(
        (host.as_str(), status, failure.as_str()),
        ("vm", 503, "vm-failed")
    );
    assert!(message.contains("no manifest"), "{message}");
    assert_eq!(scene.told("echo", "vm-or-isolate").0, "isolate");
}

#[test]
fn a_machine_that_takes_long_is_not_waited_for_where_another_host_may_answer() {
    let mut scene = Scene::new();
    scene.guest.is_mute.set(true);
    let begun = scene.stage.now();
    assert_eq!(scene.told("echo", "vm-or-isolate").0, "isolate");
    assert_eq!(scene.stage.now() - begun, 15_000);
    assert_eq!(scene.told("one", "vm").2, "timeout");
}

#[test]
fn a_guest_without_a_host_of_functions_says_so() {
    let mut scene = Scene::new();
    scene.guest.functions.take();
    let (_, status, _, message) = scene.told("one", "vm");
    assert_eq!(status, 503);
    assert!(
        message.ends_with("was not reached: nobody listens on the port"),
        "{message}"
    );
    let mut scene = Scene::new();
    scene.threads.is_old.set(true);
    let (_, status, _, message) = scene.told("one", "vm");
    assert_eq!(status, 503);
    assert!(message.contains("another version"), "{message}");
}

#[test]
fn what_ends_in_the_guest_fails_its_own_requests_only() {
    let mut scene = Scene::new();
    assert_eq!(scene.told("one", "vm").1, 200);
    let (host, status, failure, message) = scene.told("dies", "vm");
    assert_eq!(
        (host.as_str(), status, failure.as_str()),
        ("vm", 500, "worker-error")
    );
    assert!(message.contains("its code is 1"), "{message}");
    assert_eq!(scene.told("loops", "vm").1, 546);
    // What it had said is heard, though its host says at the same time that it is no more.
    assert_eq!(scene.told("parts", "vm").1, 200);
    let (_, status, failure, message) = scene.told("mad", "vm");
    assert_eq!((status, failure.as_str()), (500, "worker-error"));
    assert!(message.contains("a frame of"), "{message}");
    assert_eq!(scene.told("one", "vm").1, 200);
    // Each is begun anew.
    assert_eq!(scene.told("dies", "vm").2, "worker-error");
    assert_eq!(scene.threads.calls.get(), 6);
}

#[test]
fn why_an_isolate_ended_is_known_though_it_is_told_more_meanwhile() {
    let mut scene = Scene::new();
    let world = scene.stage.world();
    // Its thread is gone when the others ask, and its host has not said so yet.
    let asked = [0, 200, 400, 600, 800].map(|after| {
        let (pause, answer) = (world.sleep(after), scene.begin("full", "vm"));
        async move {
            pause.await;
            answer.await.1.status
        }
    });
    let told = scene.stage.run(future::join_all(asked));
    assert_eq!(told, [546; 5]);
}

#[test]
fn a_machine_that_goes_away_takes_its_isolates_with_it_and_the_next_has_others() {
    let mut scene = Scene::new();
    assert_eq!(scene.told("one", "vm").1, 200);
    let never = scene.begin("never", "vm");
    let stop = scene
        .machine
        .handle(request(Method::POST, "/vm/stop", Body::empty()), None);
    let world = scene.stage.world();
    let (_, (_, failed)) = scene.stage.run(async move {
        let stop = async move {
            world.sleep(1_000).await;
            stop.await
        };
        future::join(stop, never).await
    });
    assert_eq!(
        (failed.status, failed.failure.as_str()),
        (500, "worker-error")
    );
    assert!(failed.body.contains(GONE), "{}", failed.body);
    assert_eq!(scene.told("one", "vm").1, 200);
    assert_eq!(scene.guest.boots.get(), 2);
}
