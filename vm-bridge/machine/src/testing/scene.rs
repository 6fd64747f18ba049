//! A whole machine on a stage, and what it asks of the world.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use futures::{StreamExt as _, future::LocalBoxFuture};
use http::{Method, Request, Response};
use port::{
    Conversation, Exchange,
    peer::{Body, Lost},
};
use serde_json::{Value, json};

use super::{
    Stage,
    guest::{FakeEngines, Guest, digest},
};
use crate::{
    functions::{Isolates, Limits, Seat, guest::Runtime},
    gateway::Router,
    machine::Machine,
    outbound::{Fetch, Unfetched},
    parts::Parts,
    postgres::{Answer, Database},
};

/// The router, as far as the machine asks it: it knows what is deployed, has every bundle, and tells
/// other requests back.
#[derive(Default)]
pub(crate) struct FakeRouter {
    pub(crate) deployed: RefCell<Vec<Value>>,
    pub(crate) asked: RefCell<Vec<String>>,
    /// It does not answer.
    pub(crate) is_gone: Cell<bool>,
}

impl Router for FakeRouter {
    fn request(
        &self,
        request: Request<Body>,
    ) -> LocalBoxFuture<'static, Result<Response<Body>, Lost>> {
        let uri = request.uri().to_string();
        let is_ours = request.headers().contains_key("x-gateway-internal");
        self.asked.borrow_mut().push(format!("{uri} {is_ours}"));
        let answer = if self.is_gone.get() {
            Err(Lost::NoOwner)
        } else if !is_ours {
            Ok(Response::new(Body::from(format!("the gateway: {uri}"))))
        } else if uri.contains("/bundle/") {
            Ok(Response::new(Body::full(vec![0; 600_000])))
        } else {
            let apps = json!({"vm": {}, "apps": *self.deployed.borrow()});
            Ok(Response::new(Body::from(apps.to_string())))
        };
        Box::pin(std::future::ready(answer))
    }
}

pub(crate) struct NoDatabase;

impl Database for NoDatabase {
    fn exchange(&self, _exchange: Exchange) -> (Conversation, Answer) {
        let lost = futures::stream::iter([Err(port::Lost::NoOwner)]);
        (Conversation(0), Box::pin(lost))
    }
}

struct NoIsolates;

impl Isolates for NoIsolates {
    fn start(
        &self,
        _name: &str,
        _limits: &Limits,
    ) -> LocalBoxFuture<'static, Result<Seat, String>> {
        Box::pin(std::future::ready(Err("There are none here".to_owned())))
    }
}

/// A runtime that is the same for all.
pub(crate) struct FakeRuntime;

impl Runtime for FakeRuntime {
    fn script(&self) -> LocalBoxFuture<'static, Result<String, String>> {
        Box::pin(std::future::ready(Ok("the runtime".to_owned())))
    }
}

struct NoFetch;

impl Fetch for NoFetch {
    fn fetch(
        &self,
        _request: Request<Body>,
    ) -> LocalBoxFuture<'static, Result<Response<Body>, Unfetched>> {
        let failed = Unfetched("Failed to fetch".to_owned());
        Box::pin(std::future::ready(Err(failed)))
    }
}

pub(crate) struct Scene {
    pub(crate) stage: Stage,
    pub(crate) machine: Machine,
    pub(crate) guest: Rc<Guest>,
    pub(crate) router: Rc<FakeRouter>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let stage = Stage::new();
        let guest = Guest::new(&stage.clock);
        let router = Rc::<FakeRouter>::default();
        let machine = Self::machine(&stage, &guest, &router);
        Self {
            stage,
            machine,
            guest,
            router,
        }
    }

    fn machine(stage: &Stage, guest: &Rc<Guest>, router: &Rc<FakeRouter>) -> Machine {
        Machine::new(Parts {
            world: stage.world(),
            engines: Rc::new(FakeEngines(Rc::clone(guest))),
            isolates: Rc::new(NoIsolates),
            runtime: Rc::new(FakeRuntime),
            router: Rc::<FakeRouter>::clone(router),
            database: Rc::new(NoDatabase),
            fetch: Rc::new(NoFetch),
        })
    }

    /// The page is loaded again: another machine, with what is on the guest's disk.
    pub(crate) fn reload(&mut self) {
        self.send(Method::POST, "/vm/stop", &Value::Null);
        self.machine = Self::machine(&self.stage, &self.guest, &self.router);
    }

    /// A request of the router's, answered: the status, the failure's code, the body.
    pub(crate) fn ask(&mut self, request: Request<Body>) -> Answered {
        let answer = self.machine.handle(request, None);
        self.stage
            .run(async move { Answered::read(answer.await).await })
    }

    pub(crate) fn get(&mut self, path: &str) -> Answered {
        self.ask(request(Method::GET, path, Body::empty()))
    }

    pub(crate) fn send(&mut self, method: Method, path: &str, body: &Value) -> Answered {
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        self.ask(request(method, path, body))
    }

    /// A request to an app.
    pub(crate) fn visit(&mut self, spec: &Value, path: &str) -> Answered {
        self.ask(to_app(spec, path, 60_000))
    }
}

pub(crate) fn request(method: Method, path: &str, body: Body) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    request.body(body).unwrap()
}

pub(crate) fn to_app(spec: &Value, path: &str, wait: u64) -> Request<Body> {
    let name = spec["name"].as_str().unwrap();
    let mut request = request(Method::GET, &format!("/http/{name}{path}"), Body::empty());
    let headers = request.headers_mut();
    headers.insert("x-gateway-app", spec.to_string().parse().unwrap());
    headers.insert("x-gateway-wait", wait.into());
    headers.insert("host", "localhost".parse().unwrap());
    request
}

/// An app that does as its command says; see `Guest`.
pub(crate) fn app(name: &str, manner: &str, port: u16) -> Value {
    json!({
        "name": name,
        "runtime": "command",
        "entry": "",
        "command": [manner],
        "port": port,
        "env": {"A": "1"},
        "layers": [],
        "bundle": digest(1),
        "bundle_bytes": 600_000,
        "limits": {"memory_mib": 64, "processes": 8, "nice": 0},
        "autostart": false,
        "start_deadline_s": 20,
        "role": format!("app_{name}"),
        "role_password": "secret",
    })
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) failure: String,
    pub(crate) body: String,
    /// Why the body broke off.
    pub(crate) broken: Option<String>,
}

impl Answered {
    pub(crate) async fn read(response: Response<Body>) -> Self {
        let (head, mut body) = response.into_parts();
        let failure = head.headers.get("x-gateway-failure");
        let failure = failure.map_or("", |code| code.to_str().unwrap());
        let (mut bytes, mut broken) = (Vec::new(), None);
        while let Some(chunk) = body.next().await {
            match chunk {
                Ok(chunk) => bytes.extend_from_slice(&chunk),
                Err(interrupted) => broken = Some(interrupted.to_string()),
            }
        }
        Self {
            status: head.status.as_u16(),
            failure: failure.to_owned(),
            body: String::from_utf8(bytes).unwrap(),
            broken,
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
