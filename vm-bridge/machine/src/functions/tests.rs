//! The supervisor, with isolates that do as their code says.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use futures::{StreamExt as _, channel::mpsc, future::join_all, stream};
use http::{HeaderMap, Request, Response};
use port::peer::{Body, Interrupted, Lost};
use serde_json::{Value, json};

use super::{
    bundle::tests::zip,
    message::{Gone, Thrown},
    *,
};
use crate::{
    outbound::Unfetched,
    testing::{Stage, scene::Answered},
    tunnel::{FromPage, ToPage},
};

/// What isolates were told, and how many live.
#[derive(Default)]
pub(super) struct Host {
    pub(super) started: Cell<usize>,
    alive: Cell<usize>,
    told: RefCell<Vec<ToIsolate>>,
    /// As if the isolates said it.
    say: RefCell<Vec<mpsc::UnboundedSender<FromIsolate>>>,
}

struct Alive(Rc<Host>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.set(self.0.alive.get() - 1);
    }
}

pub(super) struct Scripted(pub(super) Rc<Host>);

impl Isolates for Scripted {
    fn start(
        &self,
        _name: &str,
        _limits: &Limits,
    ) -> LocalBoxFuture<'static, Result<Seat, String>> {
        let host = Rc::clone(&self.0);
        host.started.set(host.started.get() + 1);
        host.alive.set(host.alive.get() + 1);
        let (say, heard) = mpsc::unbounded();
        host.say.borrow_mut().push(say.clone());
        let alive = Alive(Rc::clone(&host));
        let script = RefCell::new(Script::default());
        let post = Box::new(move |message: ToIsolate| {
            let _alive = &alive;
            host.told.borrow_mut().push(message.clone());
            for said in script.borrow_mut().hear(message) {
                // The supervisor may have had enough.
                let _ = say.unbounded_send(said);
            }
        });
        Box::pin(std::future::ready(Ok(Seat { post, heard })))
    }
}

/// There is no virtual machine.
struct NoMachine;

impl Isolates for NoMachine {
    fn start(
        &self,
        _name: &str,
        _limits: &Limits,
    ) -> LocalBoxFuture<'static, Result<Seat, String>> {
        let reason = "There is no virtual machine".to_owned();
        Box::pin(std::future::ready(Err(reason)))
    }
}

/// What an isolate does: its code is a word for it.
#[derive(Default)]
struct Script {
    code: String,
    env: BTreeMap<String, String>,
    hangs: bool,
    /// Milliseconds that it was.
    busy: u64,
    bodies: BTreeMap<u32, Vec<u8>>,
}

fn thrown(message: &str) -> Thrown {
    Thrown {
        message: message.to_owned(),
        stack: Some("at bundle/index.js:1:1".to_owned()),
    }
}

fn answer(id: u32, text: &str) -> Vec<FromIsolate> {
    let headers = vec![
        ("content-type".to_owned(), "text/plain".to_owned()),
        ("x-gateway-failure".to_owned(), "forged".to_owned()),
        ("content-length".to_owned(), "999".to_owned()),
    ];
    vec![
        FromIsolate::Response {
            id,
            status: 200,
            headers,
            has_body: true,
        },
        FromIsolate::Chunk {
            id,
            bytes: text.to_owned().into(),
        },
        FromIsolate::End { id },
    ]
}

impl Script {
    fn hear(&mut self, message: ToIsolate) -> Vec<FromIsolate> {
        if self.hangs {
            return Vec::new();
        }
        match message {
            ToIsolate::Boot { code, env, .. } => {
                self.code = code;
                self.env = env.into_iter().collect();
                match self.code.as_str() {
                    "throws at boot" => vec![FromIsolate::Failed(thrown("no such thing"))],
                    "ends at boot" => vec![FromIsolate::Gone(Gone::Broke("exit 1".to_owned()))],
                    "never boots" => Vec::new(),
                    _ => vec![FromIsolate::Ready],
                }
            }
            ToIsolate::Ping => {
                self.busy += if self.code == "computes" { 200 } else { 0 };
                vec![FromIsolate::Pong {
                    cpu: Some(7 + self.busy),
                }]
            }
            ToIsolate::Unload { .. } => vec![FromIsolate::Unloaded],
            ToIsolate::Request {
                id,
                method,
                url,
                headers,
                has_body,
                upgrade,
            } => self.asked(id, &method, &url, &headers, has_body, upgrade),
            ToIsolate::Chunk { id, bytes } => {
                self.bodies.entry(id).or_default().extend(&bytes);
                let bytes = bytes.len();
                vec![FromIsolate::Credit { id, bytes }]
            }
            ToIsolate::End { id } => {
                let body = self.bodies.remove(&id).unwrap_or_default();
                let id = if id % 2 == 1 { id + 1 } else { id };
                answer(
                    id,
                    &format!(
                        "{} bytes {}",
                        body.len(),
                        String::from_utf8_lossy(&body[..body.len().min(100)])
                    ),
                )
            }
            ToIsolate::Refused { id, message } => answer(id + 1, &format!("refused: {message}")),
            ToIsolate::Text { id, text } => vec![FromIsolate::Text {
                id,
                text: format!("you said {text}"),
            }],
            _ => Vec::new(),
        }
    }

    fn asked(
        &mut self,
        id: u32,
        method: &str,
        url: &str,
        headers: &[(String, String)],
        has_body: bool,
        upgrade: bool,
    ) -> Vec<FromIsolate> {
        let own: Vec<_> = headers
            .iter()
            .filter(|(name, _)| name.starts_with("x-"))
            .collect();
        match self.code.as_str() {
            "echo" if has_body => Vec::new(),
            "echo" => answer(id, &format!("{method} {url} {own:?}")),
            "env" => answer(id, &format!("{:?}", self.env)),
            "throws" => vec![FromIsolate::Threw {
                id,
                thrown: thrown("the key is s3cr3t-value"),
            }],
            "loops" => {
                self.hangs = true;
                Vec::new()
            }
            "loops on POST" if method == "POST" => {
                self.hangs = true;
                Vec::new()
            }
            "loops on POST" => answer(id, "fine"),
            "computes" if method == "POST" => answer(id, "computed"),
            "ends" => vec![FromIsolate::Gone(Gone::Broke("exit 3".to_owned()))],
            "leaks" => vec![FromIsolate::Memory { bytes: 257 << 20 }],
            "no answer" => vec![FromIsolate::Response {
                id,
                status: 99,
                headers: Vec::new(),
                has_body: false,
            }],
            "empty" => vec![FromIsolate::Response {
                id,
                status: 204,
                headers: Vec::new(),
                has_body: false,
            }],
            "breaks off" => {
                let mut said = answer(id, "half");
                said.pop();
                said.push(FromIsolate::Broken {
                    id,
                    thrown: thrown("the other half"),
                });
                said
            }
            "half" => {
                let mut said = answer(id, "half");
                said.pop();
                said
            }
            "floods" => {
                let chunk = || FromIsolate::Chunk {
                    id,
                    bytes: vec![0; 64 << 10].into(),
                };
                let mut said = answer(id, "x");
                said.pop();
                said.extend(std::iter::repeat_with(chunk).take(20));
                said
            }
            "fetches" => {
                let url = headers
                    .iter()
                    .find(|(name, _)| name == "x-url")
                    .map_or("", |(_, url)| url);
                vec![FromIsolate::Fetch {
                    id: id - 1,
                    method: "GET".to_owned(),
                    url: url.to_owned(),
                    headers: vec![
                        ("x-mine".to_owned(), "1".to_owned()),
                        ("x-gateway-internal".to_owned(), "1".to_owned()),
                    ],
                    has_body: false,
                    of: None,
                }]
            }
            "waits" => {
                let mut said = answer(id, "later");
                said.insert(0, FromIsolate::Waiting { count: 1 });
                said
            }
            "socket"
                if upgrade
                    && headers
                        .iter()
                        .any(|(name, value)| name == "upgrade" && value == "websocket") =>
            {
                vec![FromIsolate::Upgraded {
                    id,
                    protocol: "chat".to_owned(),
                }]
            }
            _ => Vec::new(),
        }
    }
}

/// The router: what is deployed is named by its hash.
#[derive(Default)]
pub(super) struct Gateway {
    pub(super) env: RefCell<BTreeMap<String, String>>,
    asked: RefCell<Vec<(String, HeaderMap)>>,
    pub(super) logs: RefCell<Vec<Value>>,
    /// Takes no batch of lines.
    is_deaf: Cell<bool>,
    batches: Cell<usize>,
}

pub(super) struct Deployed(pub(super) Rc<Gateway>);

impl Router for Deployed {
    fn request(
        &self,
        request: Request<Body>,
    ) -> LocalBoxFuture<'static, Result<Response<Body>, Lost>> {
        let gateway = Rc::clone(&self.0);
        Box::pin(async move {
            let (head, mut body) = request.into_parts();
            let path = head.uri.path().to_owned();
            if path.ends_with("/logs") {
                gateway.batches.set(gateway.batches.get() + 1);
                if gateway.is_deaf.get() {
                    return Err(Lost::NoOwner);
                }
                let mut json = Vec::new();
                while let Some(chunk) = body.next().await {
                    json.extend(&chunk.unwrap());
                }
                let text = String::from_utf8(json).unwrap();
                let lines: Vec<Value> = text
                    .lines()
                    .map(|line| serde_json::from_str(line).unwrap())
                    .collect();
                gateway.logs.borrow_mut().extend(lines);
                return Ok(Response::new(Body::empty()));
            }
            gateway
                .asked
                .borrow_mut()
                .push((head.uri.to_string(), head.headers));
            let body = if let Some((_, code)) = path.split_once("/bundle/") {
                let code = code.replace('_', " ");
                if code == "gone" {
                    let mut response = Response::new(Body::empty());
                    *response.status_mut() = StatusCode::NOT_FOUND;
                    return Ok(response);
                }
                let map = r#"{"version":3,"sources":["../source/index.ts"],"mappings":"AAEA"}"#;
                let mut files = vec![("bundle/index.js", &code[..]), ("bundle/index.js.map", map)];
                if code.starts_with("packed") {
                    files.push(("bundle/packages.js", "export {}"));
                }
                Body::full(zip(&files))
            } else if path.ends_with("/env") {
                Body::from(json!({"hash": "1", "env": *gateway.env.borrow()}).to_string())
            } else {
                Body::from(format!("the gateway: {}", head.uri))
            };
            let mut response = Response::new(body);
            // As the router says of what its database answered.
            let role = match path.rsplit('/').next() {
                Some("todos") => Some("authenticated"),
                Some("nobodys") => Some(""),
                _ => None,
            };
            if let Some(role) = role {
                let headers = response.headers_mut();
                headers.insert("x-gateway-role", role.parse().unwrap());
            }
            Ok(response)
        })
    }
}

pub(super) struct Web(pub(super) Rc<RefCell<Vec<String>>>);

impl Fetch for Web {
    fn fetch(
        &self,
        request: Request<Body>,
    ) -> LocalBoxFuture<'static, Result<Response<Body>, Unfetched>> {
        self.0.borrow_mut().push(request.uri().to_string());
        let answer = if request.uri().host() == Some("down.example") {
            Err(Unfetched("Failed to fetch".to_owned()))
        } else {
            Ok(Response::new(Body::from("the web")))
        };
        Box::pin(std::future::ready(answer))
    }
}

struct Scene {
    stage: Stage,
    host: Rc<Host>,
    gateway: Rc<Gateway>,
    web: Rc<RefCell<Vec<String>>>,
    functions: Functions,
}

impl Scene {
    fn new() -> Self {
        let stage = Stage::new();
        let (host, gateway) = (Rc::<Host>::default(), Rc::<Gateway>::default());
        let web = Rc::<RefCell<Vec<String>>>::default();
        gateway.env.borrow_mut().extend([
            (
                "SUPABASE_URL".to_owned(),
                "http://127.0.0.1:54321".to_owned(),
            ),
            ("STRIPE_KEY".to_owned(), "s3cr3t-value".to_owned()),
        ]);
        let functions = Functions::new(
            stage.world(),
            Hosts {
                isolate: Rc::new(Scripted(Rc::clone(&host))),
                vm: Rc::new(NoMachine),
            },
            Rc::new(Deployed(Rc::clone(&gateway))),
            Rc::new(Web(Rc::clone(&web))),
            || {
                Policy::new(&[
                    "api.example".to_owned(),
                    "down.example".to_owned(),
                    "http://local.example:8080".to_owned(),
                ])
            },
        );
        Self {
            stage,
            host,
            gateway,
            web,
            functions,
        }
    }

    fn ask(&mut self, spec: &Value, request: Request<Body>) -> Answered {
        let answer = self.begin(spec, request);
        self.stage.run(answer)
    }

    fn get(&mut self, code: &str) -> Answered {
        self.ask(&function(code), to("GET", "/x?y=1", Body::empty()))
    }

    fn begin(&self, spec: &Value, mut request: Request<Body>) -> LocalBoxFuture<'static, Answered> {
        let name = spec["name"].as_str().unwrap().to_owned();
        let headers = request.headers_mut();
        headers.insert(HEADER, spec.to_string().parse().unwrap());
        let functions = self.functions.clone();
        Box::pin(async move {
            let response = functions.handle(&name, request, None).await;
            Answered::read(response).await
        })
    }

    /// The lines of the log, as far as they are one of these events.
    fn lines(&mut self, events: &[&str]) -> Vec<String> {
        self.stage.pass(1_000);
        let logs = self.gateway.logs.borrow();
        let lines = logs
            .iter()
            .filter(|line| events.contains(&line["event"].as_str().unwrap()));
        lines
            .map(|line| line["message"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// A function that does as `code` says.
fn function(code: &str) -> Value {
    json!({
        "name": "hello",
        "version": 1,
        "sha256": code.replace(' ', "_"),
        "env": "1",
        "host": "isolate",
        "limits": {"timeout_ms": 20_000, "concurrency": 4, "queue": 2},
        "execution_id": "e1",
        "trace": "t1",
        "url": "http://127.0.0.1:54321/shop",
    })
}

fn to(method: &str, path: &str, body: Body) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(format!("/functions/hello{path}"))
        .header("x-own", "1")
        .header("x-gateway-vm", "{}")
        .header("authorization", "Bearer user")
        .body(body)
        .unwrap()
}

#[test]
fn a_function_answers_and_is_begun_once() {
    let mut scene = Scene::new();
    let answer = scene.get("echo");
    assert_eq!((answer.status, &*answer.failure), (200, ""), "{answer:?}");
    assert_eq!(
        answer.body,
        r#"GET http://127.0.0.1:54321/hello/x?y=1 [("x-own", "1")]"#
    );
    let body = Body::stream(stream::iter((0..40).map(|_| Ok(vec![b'a'; 50_000].into()))));
    let answer = scene.ask(&function("echo"), to("POST", "", body));
    assert_eq!(answer.body, format!("2000000 bytes {}", "a".repeat(100)));
    assert_eq!(scene.host.started.get(), 1);
    let asked: Vec<_> = scene
        .gateway
        .asked
        .borrow()
        .iter()
        .map(|(uri, _)| uri.clone())
        .collect();
    assert_eq!(
        asked,
        [
            "http://gateway/gateway/functions/hello/bundle/echo",
            "http://gateway/gateway/functions/hello/env",
        ]
    );
    assert_eq!(scene.get("empty").status, 204);
}

#[test]
fn each_failure_is_told() {
    let table: [(&str, u16, &str, &str); 11] = [
        ("throws at boot", 503, "boot-error", "no such thing"),
        ("ends at boot", 503, "boot-error", "exit 1"),
        (
            "never boots",
            503,
            "boot-error",
            "It was not ready after 10 s",
        ),
        ("throws", 500, "worker-error", "the key is s3cr3t-value"),
        ("ends", 500, "worker-error", "exit 3"),
        (
            "no answer",
            500,
            "worker-error",
            "What it answered is no answer: a status 99",
        ),
        (
            "loops",
            546,
            "worker-limit",
            "The function computed for longer than it may without a pause, and was ended",
        ),
        (
            "leaks",
            546,
            "worker-limit",
            "The function took more memory than it may, and was ended",
        ),
        (
            "never answers",
            504,
            "timeout",
            "The function did not answer in time",
        ),
        (
            "gone",
            404,
            "function-missing",
            "The function is not there any more",
        ),
        (
            "socket",
            504,
            "timeout",
            "The function did not answer in time",
        ),
    ];
    for (code, status, failure, message) in table {
        let mut scene = Scene::new();
        let begun = scene.stage.now();
        let answer = scene.get(code);
        assert_eq!(
            (answer.status, &*answer.failure),
            (status, failure),
            "{code}"
        );
        assert_eq!(answer.json()["message"], message, "{code}");
        let told = scene.lines(&["request"]);
        assert_eq!(told, ["GET /hello/x"], "{code}");
        let requests = scene.gateway.logs.borrow().clone();
        let request = requests
            .iter()
            .find(|line| line["event"] == "request")
            .unwrap();
        assert_eq!(
            (&request["failure"], &request["status"]),
            (&json!(failure), &json!(status))
        );
        let took = scene.stage.now() - begun - 1_000;
        assert!(took <= 20_000, "{code} took {took} ms");
        let told = scene.lines(&["error"]);
        assert!(
            told.iter().all(|line| !line.contains("s3cr3t-value")),
            "{told:?}"
        );
        assert!(
            told.iter()
                .any(|line| line.contains(&message.replace("s3cr3t-value", "[redacted]"))),
            "{code}: {told:?}"
        );
        // Whoever ended is begun anew.
        if failure != "timeout" {
            assert_eq!(scene.get("echo").status, 200, "{code}");
        }
    }
}

#[test]
fn a_loop_ends_the_requests_of_its_isolate_and_the_next_one_begins_another() {
    let mut scene = Scene::new();
    let spec = function("loops on POST");
    assert_eq!(scene.ask(&spec, to("GET", "", Body::empty())).body, "fine");
    let both = join_all([
        scene.begin(&spec, to("POST", "", Body::empty())),
        scene.begin(&spec, to("POST", "", Body::empty())),
    ]);
    let begun = scene.stage.now();
    let answers = scene.stage.run(both);
    assert_eq!(
        answers
            .iter()
            .map(|answer| answer.status)
            .collect::<Vec<_>>(),
        [546; 2]
    );
    assert_eq!(answers[0].json()["limit"], "cpu");
    let took = scene.stage.now() - begun;
    assert!((2_000..3_000).contains(&took), "{took}");
    assert_eq!(scene.host.alive.get(), 0);
    assert_eq!(scene.ask(&spec, to("GET", "", Body::empty())).body, "fine");
    assert_eq!(scene.host.started.get(), 2);
}

#[test]
fn what_computes_in_pieces_is_ended_like_what_loops() {
    let mut scene = Scene::new();
    let begun = scene.stage.now();
    let answer = scene.get("computes");
    assert_eq!(
        (answer.status, &answer.json()["limit"]),
        (546, &json!("cpu"))
    );
    let took = scene.stage.now() - begun;
    assert!((2_000..3_000).contains(&took), "{took}");
    let log = scene.lines(&["shutdown"]);
    assert_eq!(log, ["shutdown: cpu"]);
}

#[test]
fn what_others_compute_is_not_held_against_one_that_stays() {
    let mut scene = Scene::new();
    let spec = function("computes");
    let stays = scene.begin(&spec, to("GET", "", Body::empty()));
    let quick: Vec<_> = (0..100)
        .map(|_| scene.begin(&spec, to("POST", "", Body::empty())))
        .collect();
    let world = scene.stage.world();
    let started = Rc::clone(&scene.host);
    let (stayed, ()) = scene.stage.run(async move {
        let others = async {
            for one in quick {
                world.sleep(125).await;
                assert_eq!(one.await.status, 200);
                if started.started.get() > 1 {
                    break;
                }
            }
        };
        futures::join!(stays, others)
    });
    // Half of its limit had gone by then, and what it computes by itself is its own.
    assert_eq!(stayed.status, 546);
    assert_eq!(scene.host.started.get(), 2);
}

#[test]
fn bodies_that_break_off_do_so_for_the_client() {
    let mut scene = Scene::new();
    let answer = scene.get("breaks off");
    assert_eq!((answer.status, &*answer.body), (200, "half"));
    assert_eq!(answer.broken.as_deref(), Some("the other half"));
    // Places are told as they were written.
    scene.stage.pass(1_000);
    let logs = scene.gateway.logs.borrow().clone();
    let error = logs.iter().find(|line| line["event"] == "error").unwrap();
    assert_eq!(error["stack"], "at index.ts:3:1");
    assert_eq!(
        (&error["execution_id"], &error["version"]),
        (&json!("e1"), &json!(1))
    );
    let mut scene = Scene::new();
    let half = scene.begin(&function("half"), to("GET", "", Body::empty()));
    let host = Rc::clone(&scene.host);
    scene.stage.clock.soon(move || {
        let say = host.say.borrow()[0].clone();
        say.unbounded_send(FromIsolate::Gone(Gone::Memory)).unwrap();
    });
    let answer = scene.stage.run(half);
    assert_eq!(answer.body, "half");
    assert_eq!(
        answer.broken.as_deref(),
        Some("The function took more memory than it may, and was ended")
    );
}

#[test]
fn one_that_sends_more_than_is_read_is_ended() {
    let mut scene = Scene::new();
    let spec = function("floods");
    let functions = scene.functions.clone();
    let mut request = to("GET", "", Body::empty());
    request
        .headers_mut()
        .insert(HEADER, spec.to_string().parse().unwrap());
    let response = scene
        .stage
        .run(async move { functions.handle("hello", request, None).await });
    scene.stage.pass(1_000);
    assert_eq!(scene.host.alive.get(), 0);
    let answer = scene
        .stage
        .run(async move { Answered::read(response).await });
    assert_eq!(
        answer.broken.as_deref(),
        Some("It sent more than anybody reads")
    );
}

#[test]
fn a_client_that_goes_away_is_told_to_the_function() {
    let mut scene = Scene::new();
    let world = scene.stage.world();
    let asked = scene.begin(&function("never answers"), to("GET", "", Body::empty()));
    scene.stage.run(async move {
        let gone = within(&world, 100, asked).await;
        assert!(gone.is_err());
    });
    assert!(
        scene
            .host
            .told
            .borrow()
            .contains(&ToIsolate::Cancel { id: 2 })
    );
    assert_eq!(scene.functions.state()[0]["active"], 0);
}

#[test]
fn so_many_at_a_time_and_so_many_wait() {
    let mut scene = Scene::new();
    let spec = function("never answers");
    let asked: Vec<_> = (0..7)
        .map(|_| scene.begin(&spec, to("GET", "", Body::empty())))
        .collect();
    let (functions, world) = (scene.functions.clone(), scene.stage.world());
    let (answers, state) = scene.stage.run(async move {
        let look = async {
            world.sleep(1_000).await;
            functions.state()[0].clone()
        };
        futures::join!(join_all(asked), look)
    });
    assert_eq!((&state["active"], &state["queued"]), (&json!(4), &json!(2)));
    let codes: Vec<_> = answers.iter().map(|answer| &*answer.failure).collect();
    assert_eq!(
        codes,
        [
            "timeout",
            "timeout",
            "timeout",
            "timeout",
            "timeout",
            "timeout",
            "queue-full"
        ]
    );
    let spec = function("echo");
    let asked = (0..6).map(|_| scene.begin(&spec, to("GET", "", Body::empty())));
    let answers = scene.stage.run(join_all(asked.collect::<Vec<_>>()));
    assert!(
        answers.iter().all(|answer| answer.status == 200),
        "{answers:?}"
    );
}

#[test]
fn another_version_or_environment_is_another_isolate_and_the_old_one_ends() {
    let mut scene = Scene::new();
    assert_eq!(scene.get("echo").status, 200);
    let mut other = function("echo");
    other["env"] = "2".into();
    assert_eq!(scene.ask(&other, to("GET", "", Body::empty())).status, 200);
    assert_eq!(scene.host.started.get(), 2);
    scene.stage.pass(1_000);
    assert_eq!(scene.host.alive.get(), 1);
    // The bundle is the same.
    let bundles = |scene: &Scene| {
        let asked = scene.gateway.asked.borrow();
        asked
            .iter()
            .filter(|(uri, _)| uri.contains("/bundle/"))
            .count()
    };
    assert_eq!(bundles(&scene), 1);
    assert!(scene.host.told.borrow().contains(&ToIsolate::Unload {
        reason: "termination"
    }));
    // What is under way in the old one is finished.
    let slow = scene.begin(&function("never answers"), to("GET", "", Body::empty()));
    let host = Rc::clone(&scene.host);
    let quick = scene.begin(&function("echo"), to("GET", "", Body::empty()));
    let (quick, slow) = scene.stage.run(async move {
        let quick = async {
            let quick = quick.await;
            let say = host.say.borrow()[2].clone();
            for said in answer(2, "at last") {
                say.unbounded_send(said).unwrap();
            }
            quick
        };
        let (slow, quick) = futures::join!(slow, quick);
        (quick, slow)
    });
    assert_eq!((quick.status, &*slow.body), (200, "at last"));
    scene.functions.forget("hello");
    scene.stage.pass(1_000);
    assert_eq!(scene.host.alive.get(), 0);
}

#[test]
fn the_version_before_ends_when_the_new_one_has_begun_or_will_not() {
    let mut scene = Scene::new();
    assert_eq!(scene.get("echo").status, 200);
    let unloaded = |host: &Host| {
        let told = host.told.borrow();
        let unloads = told
            .iter()
            .filter(|message| matches!(message, ToIsolate::Unload { .. }));
        unloads.count()
    };
    let begin = |scene: &Scene, version: &str| {
        let mut function = function("never boots");
        function["env"] = version.into();
        scene.begin(&function, to("GET", "", Body::empty()))
    };
    let (second, third) = (begin(&scene, "2"), begin(&scene, "3"));
    let (world, host) = (scene.stage.world(), Rc::clone(&scene.host));
    let (second, third, early) = scene.stage.run(async move {
        let early = async {
            world.sleep(2_000).await;
            unloaded(&host)
        };
        futures::join!(second, third, early)
    });
    assert_eq!((second.status, third.status, early), (503, 503, 0));
    scene.stage.pass(1_000);
    let ended = (unloaded(&scene.host), scene.host.alive.get());
    assert_eq!(ended, (1, 0));
}

#[test]
fn one_that_nobody_asks_ends_after_a_while_but_not_while_it_has_something_to_do() {
    let mut scene = Scene::new();
    assert_eq!(scene.get("echo").status, 200);
    scene.stage.pass(50_000);
    assert_eq!(scene.host.alive.get(), 1);
    scene.stage.pass(20_000);
    assert_eq!(scene.host.alive.get(), 0);
    assert_eq!(scene.functions.state()[0]["state"], "idle");
    assert!(scene.host.told.borrow().contains(&ToIsolate::Unload {
        reason: "early_drop"
    }));
    assert_eq!(scene.get("waits").body, "later");
    scene.stage.pass(100_000);
    assert_eq!(scene.host.alive.get(), 1);
    let say = scene.host.say.borrow()[1].clone();
    say.unbounded_send(FromIsolate::Waiting { count: 0 })
        .unwrap();
    scene.stage.pass(70_000);
    assert_eq!(scene.host.alive.get(), 0);
}

#[test]
fn a_life_is_only_so_long() {
    let mut scene = Scene::new();
    let mut spec = function("waits");
    spec["limits"]["wall_clock_ms"] = 100_000.into();
    assert_eq!(scene.ask(&spec, to("GET", "", Body::empty())).body, "later");
    scene.stage.pass(85_000);
    // It has no time for a new request, and still does what it was about.
    assert_eq!(scene.ask(&spec, to("GET", "", Body::empty())).body, "later");
    assert_eq!((scene.host.started.get(), scene.host.alive.get()), (2, 2));
    scene.stage.pass(20_000);
    assert_eq!(scene.host.alive.get(), 1);
    assert!(scene.host.told.borrow().contains(&ToIsolate::Unload {
        reason: "wall_clock"
    }));
}

#[test]
fn what_a_function_fetches() {
    let table = [
        (
            "http://127.0.0.1:54321/shop/rest/v1/todos?a=b",
            "57 bytes the gateway: http://localhost:5173/shop/rest/v1/todos?a=b",
        ),
        (
            "http://localhost:5173/rest/v1/todos",
            "48 bytes the gateway: http://localhost:5173/rest/v1/todos",
        ),
        ("https://api.example/a", "7 bytes the web"),
        ("http://local.example:8080/a", "7 bytes the web"),
        (
            "http://api.example/a",
            "refused: No rule lets functions ask http://api.example: add \"http://api.example\" to the project's outbound list",
        ),
        (
            "https://evil.example/a",
            "refused: No rule lets functions ask https://evil.example: add \"evil.example\" to the project's outbound list",
        ),
        (
            "ftp://api.example/a",
            "refused: Only http: and https: can be fetched, not ftp://api.example/a",
        ),
        (
            "https://down.example/a",
            "refused: No answer from down.example: Failed to fetch. It is unreachable, or does not let other origins read its answers (CORS); a browser does not tell which",
        ),
    ];
    let mut scene = Scene::new();
    for (url, expected) in table {
        let mut request = to("GET", "", Body::empty());
        request.headers_mut().insert("x-url", url.parse().unwrap());
        let answer = scene.ask(&function("fetches"), request);
        assert_eq!(answer.body, expected, "{url}");
    }
    let asked = scene.gateway.asked.borrow().clone();
    let home: Vec<_> = asked
        .iter()
        .filter(|(uri, _)| uri.contains("/rest/"))
        .collect();
    for (_, headers) in &home {
        assert_eq!(headers["authorization"], "Bearer user");
        assert_eq!(headers["x-gateway-trace"], "t1");
        assert_eq!(headers["x-mine"], "1");
        assert!(
            !headers.contains_key("x-gateway-internal"),
            "a function is not the gateway"
        );
    }
    assert_eq!(home.len(), 2);
    assert_eq!(scene.web.borrow().len(), 3);
    let fetched = scene.lines(&["fetch"]);
    assert_eq!(fetched[0], "GET /shop/rest/v1/todos");
    assert_eq!(fetched[2], "GET https://api.example/a");
    assert_eq!(fetched.len(), table.len() - 1);
}

#[test]
fn what_the_database_was_asked_is_told_with_the_role() {
    let mut scene = Scene::new();
    for url in [
        "http://localhost:5173/rest/v1/todos?secret=x",
        "http://localhost:5173/rest/v1/nobodys",
        "http://localhost:5173/health",
        "https://api.example/a",
    ] {
        let mut request = to("GET", "", Body::empty());
        request.headers_mut().insert("x-url", url.parse().unwrap());
        let answer = scene.ask(&function("fetches"), request);
        assert_eq!(answer.status, 200, "{url}");
    }
    scene.stage.pass(1_000);
    let logs = scene.gateway.logs.borrow();
    let calls: Vec<_> = logs.iter().filter_map(|line| line.get("call")).collect();
    let expected = [
        json!({"method": "GET", "path": "/rest/v1/todos", "role": "authenticated"}),
        json!({"method": "GET", "path": "/rest/v1/nobodys", "role": null}),
    ];
    assert_eq!(calls, expected.iter().collect::<Vec<_>>());
}

#[test]
fn nobody_is_spoken_for_where_it_is_not_known_who_asks() {
    // Whether the isolate knows for whom it asks, what else is under way, and as whom it asks then.
    let table: [(Option<u32>, bool, usize, Option<&str>); 6] = [
        (None, false, 0, Some("Bearer user")),
        (None, true, 0, None),
        (None, false, 1, None),
        (Some(2), true, 1, Some("Bearer user")),
        (Some(4), true, 1, Some("Bearer other")),
        (Some(6), false, 0, None),
    ];
    for (of, another, count, expected) in table {
        let mut scene = Scene::new();
        let spec = function("never answers");
        let first = scene.begin(&spec, to("GET", "", Body::empty()));
        let mut request = to("GET", "", Body::empty());
        let authorization = "Bearer other".parse().unwrap();
        request.headers_mut().insert("authorization", authorization);
        let second = scene.begin(&spec, request);
        let (host, world) = (Rc::clone(&scene.host), scene.stage.world());
        scene.stage.run(async move {
            let ask = async {
                world.sleep(1_000).await;
                let say = host.say.borrow()[0].clone();
                say.unbounded_send(FromIsolate::Waiting { count }).unwrap();
                say.unbounded_send(FromIsolate::Fetch {
                    id: 1,
                    method: "GET".to_owned(),
                    url: "http://localhost:5173/rest/v1/t".to_owned(),
                    headers: Vec::new(),
                    has_body: false,
                    of,
                })
                .unwrap();
                world.sleep(1_000).await;
            };
            let requests = async {
                if another {
                    futures::join!(first, second);
                } else {
                    first.await;
                }
            };
            let _ = futures::future::select(std::pin::pin!(ask), std::pin::pin!(requests)).await;
        });
        let asked = scene.gateway.asked.borrow();
        let (_, headers) = asked
            .iter()
            .find(|(uri, _)| uri.contains("/rest/"))
            .unwrap();
        let told = headers
            .get("authorization")
            .map(|value| value.to_str().unwrap());
        assert_eq!(told, expected, "{of:?} {another} {count}");
    }
}

#[test]
fn elsewhere_is_asked_so_often_only() {
    let mut scene = Scene::new();
    let ask = |scene: &mut Scene| {
        let mut request = to("GET", "", Body::empty());
        request
            .headers_mut()
            .insert("x-url", "https://api.example/".parse().unwrap());
        scene.ask(&function("fetches"), request).body
    };
    for _ in 0..600 {
        assert_eq!(ask(&mut scene), "7 bytes the web");
    }
    assert_eq!(
        ask(&mut scene),
        "refused: More than 600 requests a minute to elsewhere"
    );
    scene.stage.pass(1_000);
    assert_eq!(ask(&mut scene), "7 bytes the web");
}

#[test]
fn logs_go_in_batches_and_wait_for_a_router_that_is_away() {
    let mut scene = Scene::new();
    scene.gateway.is_deaf.set(true);
    assert_eq!(scene.get("echo").status, 200);
    let say = scene.host.say.borrow()[0].clone();
    for number in 0..300 {
        let message = format!("line {number}");
        say.unbounded_send(FromIsolate::Log {
            level: Level::Warn,
            message,
            of: Some(2),
        })
        .unwrap();
    }
    scene.stage.pass(600);
    assert_eq!(scene.gateway.logs.borrow().len(), 0);
    scene.gateway.is_deaf.set(false);
    scene.stage.pass(3_000);
    let lines = scene.lines(&["log"]);
    assert_eq!(lines.len(), 300);
    assert_eq!((&*lines[0], &*lines[299]), ("line 0", "line 299"));
    assert!(
        scene.gateway.batches.get() < 8,
        "{}",
        scene.gateway.batches.get()
    );
    let logs = scene.gateway.logs.borrow().clone();
    let first = logs.iter().find(|line| line["event"] == "log").unwrap();
    assert_eq!(
        *first,
        json!({
            "at": first["at"], "function": "hello", "version": 1, "execution_id": "e1", "trace": "t1",
            "level": "warn", "event": "log", "message": "line 0",
        })
    );
    // One that takes nothing is not asked for ever.
    scene.gateway.is_deaf.set(true);
    say.unbounded_send(FromIsolate::Uncaught(thrown("x")))
        .unwrap();
    let before = scene.gateway.batches.get();
    scene.stage.pass(50_000);
    assert_eq!(scene.gateway.batches.get() - before, 5);
}

#[test]
fn what_was_counted() {
    let mut scene = Scene::new();
    for code in ["echo", "throws", "never answers", "throws at boot"] {
        scene.get(code);
    }
    let state = &scene.functions.state()[0];
    let expected = json!({
        "requests": 4,
        "errors": {"boot": 1, "worker": 1, "limit": 0, "timeout": 1},
        "status": {"200": 1, "500": 1, "503": 1, "504": 1},
        "p50_ms": 0, "p95_ms": 20_000, "p99_ms": 20_000,
        "cold_starts": 3, "cpu_ms": state["cpu_ms"], "window_s": 20,
        "name": "hello", "version": 1, "state": "idle", "isolates": 0, "active": 0, "queued": 0,
    });
    assert_eq!(*state, expected);
}

#[test]
fn the_environment_is_the_function_s_own() {
    let mut scene = Scene::new();
    assert_eq!(
        scene.get("env").body,
        r#"{"SB_EXECUTION_ID": "e1", "STRIPE_KEY": "s3cr3t-value", "SUPABASE_URL": "http://127.0.0.1:54321"}"#
    );
}

#[test]
fn what_the_router_says_wrong_is_told() {
    let mut scene = Scene::new();
    let mut vm = function("echo");
    vm["host"] = "vm".into();
    let answer = scene.ask(&vm, to("GET", "", Body::empty()));
    assert_eq!((answer.status, &*answer.failure), (503, "vm-failed"));
    vm["host"] = "vm-or-isolate".into();
    assert_eq!(scene.ask(&vm, to("GET", "", Body::empty())).status, 200);
    let functions = scene.functions.clone();
    let answers = scene.stage.run(async move {
        let mut answers = Vec::new();
        for told in ["", "{}", &function("echo").to_string()] {
            let request = Request::get("/functions/other")
                .header(HEADER, told)
                .body(Body::empty())
                .unwrap();
            answers.push(
                Answered::read(functions.handle("other", request, None).await)
                    .await
                    .failure,
            );
        }
        answers
    });
    assert_eq!(answers, ["invalid"; 3]);
}

#[test]
fn a_web_socket() {
    let mut scene = Scene::new();
    let connect = |scene: &Scene, code: &str| {
        let (said, hears) = mpsc::unbounded();
        let (say, incoming) = mpsc::unbounded();
        let tunnel = Tunnel {
            incoming: Box::pin(incoming),
            post: Box::new(move |message| said.unbounded_send(message).unwrap()),
        };
        let mut request = to("GET", "/chat", Body::empty());
        request
            .headers_mut()
            .insert(HEADER, function(code).to_string().parse().unwrap());
        let functions = scene.functions.clone();
        let answer = async move {
            functions
                .handle("hello", request, Some(tunnel))
                .await
                .status()
        };
        (answer, say, hears)
    };
    let (answer, say, mut hears) = connect(&scene, "socket");
    let heard = scene.stage.run(async move {
        assert_eq!(answer.await, 204);
        let open = hears.next().await;
        say.unbounded_send(FromPage::Text("hi".to_owned())).unwrap();
        let text = hears.next().await;
        say.unbounded_send(FromPage::Close {
            code: Some(1000),
            reason: "bye".to_owned(),
        })
        .unwrap();
        [open, text, hears.next().await].map(Option::unwrap)
    });
    let close = |code, reason: &str, clean| ToPage::Close {
        code,
        reason: reason.to_owned(),
        clean,
    };
    assert_eq!(
        heard,
        [
            ToPage::Open {
                protocol: "chat".to_owned()
            },
            ToPage::Text("you said hi".to_owned()),
            close(1000, "bye", true)
        ]
    );
    assert!(scene.host.told.borrow().contains(&ToIsolate::Close {
        id: 2,
        code: 1000,
        reason: "bye".to_owned(),
        clean: true
    }));
    for (code, reason) in [
        ("echo", "The function answered 200"),
        ("throws", "the key is s3cr3t-value"),
        ("throws at boot", "no such thing"),
    ] {
        let (answer, _say, mut hears) = connect(&scene, code);
        let heard = scene.stage.run(async move {
            answer.await;
            hears.next().await.unwrap()
        });
        assert_eq!(heard, close(1006, reason, false));
    }
    // A function that ends takes its sockets with it.
    let (answer, _say, mut hears) = connect(&scene, "socket");
    let host = Rc::clone(&scene.host);
    let heard = scene.stage.run(async move {
        answer.await;
        hears.next().await.unwrap();
        let say = host.say.borrow().last().unwrap().clone();
        say.unbounded_send(FromIsolate::Gone(Gone::Memory)).unwrap();
        hears.next().await.unwrap()
    });
    assert_eq!(
        heard,
        close(
            1006,
            "The function took more memory than it may, and was ended",
            false
        )
    );
}

#[test]
fn an_interrupted_upload_is_told_to_the_function() {
    let mut scene = Scene::new();
    let broken = Interrupted::Broken("the client left".to_owned());
    let body = Body::stream(stream::iter([Ok("a".into()), Err(broken)]));
    let answer = scene.begin(&function("echo"), to("POST", "", body));
    let world = scene.stage.world();
    scene.stage.run(async move {
        let _ = within(&world, 1_000, answer).await;
    });
    let told = ToIsolate::Broken {
        id: 2,
        message: "the client left".to_owned(),
    };
    assert!(scene.host.told.borrow().contains(&told));
}
