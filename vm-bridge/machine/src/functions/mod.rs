//! Edge functions: which isolate answers a request, how many at a time, and what becomes of them.
//!
//! What is promised:
//! - Every request is answered by its deadline: by the function, or with a [`Failure`].
//! - A function that loops, leaks or ends harms its own requests only; the next one begins another
//!   isolate.
//! - An isolate is that of one version with one environment. A request that names another is answered by
//!   another isolate; what is under way in the old one is finished.
//! - A body is read as fast as the other side takes it.
//!
//! [`message`] is what an isolate says and hears; whoever makes isolates is [`Isolates`].

mod account;
mod bundle;
mod failure;
pub(crate) mod guest;
mod isolate;
pub mod message;
mod outside;
mod side;
mod sourcemap;
mod spec;
mod talk;
#[cfg(test)]
mod tests;
mod turns;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    rc::Rc,
};

use bytes::{Bytes, BytesMut};
use futures::{
    FutureExt as _, StreamExt as _,
    channel::mpsc::UnboundedReceiver,
    future::{LocalBoxFuture, Shared},
};
use http::{HeaderValue, Request, Response, StatusCode, header};
use port::peer::Body;
use serde::Deserialize;
use serde_json::Value;

pub use failure::{Failure, Limit};
pub use message::Level;
pub use spec::{Call, HEADER, Host, Limits, Spec};

use crate::{
    gateway::Router,
    outbound::{Fetch, Policy},
    surroundings::{Milliseconds, World, within},
    tunnel::Tunnel,
};
use account::{Account, Line, Place};
use bundle::Bundle;
use isolate::{Asked, Isolate};
use message::{FromIsolate, ToIsolate};
use outside::{Caller, Origin, Outside};
use side::Side;
use turns::Turns;

/// For the router to hand out what is deployed.
const DEPLOYED: Milliseconds = 30_000;
/// For the machine to have an isolate, where another may do.
const PREFERENCE: Milliseconds = 15_000;
/// Bytes of a function's environment.
const LARGEST_ENV: usize = 4 << 20;

/// Where a function runs, as its answers say.
const HOST: &str = "x-gateway-host";

/// Whoever makes isolates.
pub trait Isolates {
    /// Makes one for a function of this name. The error is for a person.
    fn start(&self, name: &str, limits: &Limits) -> LocalBoxFuture<'static, Result<Seat, String>>;
}

/// Those who make isolates.
#[derive(Clone)]
pub struct Hosts {
    /// Beside the machine.
    pub isolate: Rc<dyn Isolates>,
    /// In it.
    pub vm: Rc<dyn Isolates>,
}

/// An isolate that waits to be told what it is. It ends when `post` is dropped.
pub struct Seat {
    pub post: Box<dyn Fn(ToIsolate)>,
    /// Ends with it.
    pub heard: UnboundedReceiver<FromIsolate>,
}

/// All functions of a project.
#[derive(Clone)]
pub struct Functions(Rc<Inner>);

struct Inner {
    world: World,
    hosts: Hosts,
    outside: Rc<Outside>,
    functions: RefCell<BTreeMap<String, Entry>>,
}

/// What is known of a name.
struct Entry {
    account: Rc<Account>,
    current: Option<Rc<Function>>,
}

/// One version of a function with one environment.
struct Function {
    spec: Spec,
    account: Rc<Account>,
    turns: Turns,
    isolate: RefCell<Option<Isolate>>,
    booting: RefCell<Option<Booting>>,
    bundle: RefCell<Option<Rc<Bundle>>>,
    /// It is not the one that is deployed any more.
    is_over: Cell<bool>,
    /// The one that was deployed before, until this one is there.
    before: RefCell<Option<Rc<Self>>>,
}

type Booting = Shared<LocalBoxFuture<'static, Result<Isolate, Failure>>>;

#[derive(Deserialize)]
struct Env {
    env: BTreeMap<String, String>,
}

impl Functions {
    /// `policy` has the rules for what functions ask elsewhere.
    pub fn new(
        world: World,
        hosts: Hosts,
        router: Rc<dyn Router>,
        fetch: Rc<dyn Fetch>,
        policy: impl Fn() -> Policy + 'static,
    ) -> Self {
        let outside = Rc::new(Outside {
            world: Rc::clone(&world),
            router,
            fetch,
            policy: Box::new(policy),
        });
        Self(Rc::new(Inner {
            world,
            hosts,
            outside,
            functions: RefCell::default(),
        }))
    }

    /// Answers a request to `/functions/<name>/…`. It does not fail: a failure is an answer.
    pub async fn handle(
        &self,
        name: &str,
        request: Request<Body>,
        tunnel: Option<Tunnel>,
    ) -> Response<Body> {
        let call = match Call::of(name, request.headers()) {
            Ok(call) => call,
            Err(failure) => return failure.into_response(),
        };
        let world = &self.0.world;
        let begun = world.now();
        let account = self.0.account(name);
        account.began();
        let path = request.uri().path();
        let path = path.strip_prefix("/functions").unwrap_or(path);
        let what = format!("{} {path}", request.method());
        let place = Place {
            version: call.spec.version,
            execution_id: call.execution_id.clone(),
            trace: call.trace.clone(),
        };
        let asked = Side::of(call.spec.host);
        let answer = self.answer(&account, call, request, tunnel).await;
        let ms = Some(world.now() - begun);
        let (mut response, failure) = match answer {
            Ok(response) => (response, None),
            Err(failure) => {
                account.failed(&failure);
                let line = Line {
                    event: "error",
                    level: Some(Level::Error),
                    message: format!("{what}: {}", failure.message()),
                    ms,
                    ..Line::default()
                };
                account.note(&place, line);
                let code = failure.code();
                (failure.into_response(), Some(code))
            }
        };
        let status = response.status().as_u16();
        account.answered(status, world.now() - begun);
        let line = Line {
            event: "request",
            level: Some(Level::Info),
            message: what,
            status: Some(status),
            ms,
            failure,
            ..Line::default()
        };
        account.note(&place, line);
        // Where no isolate has said so: where it was to be.
        let host = HeaderValue::from_static(asked.name());
        response.headers_mut().entry(HOST).or_insert(host);
        response
    }

    async fn answer(
        &self,
        account: &Rc<Account>,
        call: Call,
        request: Request<Body>,
        tunnel: Option<Tunnel>,
    ) -> Result<Response<Body>, Failure> {
        let function = self.0.function(account, &call.spec);
        let (head, body) = request.into_parts();
        let url = seen(
            &call.url,
            head.uri
                .path_and_query()
                .map_or("/", |target| target.as_str()),
        );
        let caller = Caller {
            authorization: head.headers.get(header::AUTHORIZATION).cloned(),
            trace: call.trace.clone(),
            execution_id: call.execution_id.clone(),
        };
        let asked = Asked {
            head,
            url,
            body,
            caller,
            home: Origin::read(&call.url),
        };
        let limit = call.spec.limits.timeout_ms;
        if let Some(tunnel) = tunnel {
            let inner = Rc::clone(&self.0);
            self.0.world.spawn(Box::pin(async move {
                inner
                    .connect(&function, &call.execution_id, asked, tunnel)
                    .await;
            }));
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            return Ok(response);
        }
        let work = async {
            let turn = function.turns.turn().await?;
            let isolate = self.0.isolate(&function, &call.execution_id).await?;
            isolate.request(asked, turn).await
        };
        within(&self.0.world, limit, work)
            .await
            .unwrap_or(Err(Failure::Timeout))
    }

    /// How the functions are that were asked since this worker began.
    pub fn state(&self) -> Value {
        let functions = self.0.functions.borrow();
        functions
            .iter()
            .map(|(name, entry)| entry.describe(name))
            .collect()
    }

    /// Lets go of what was deployed under a name before: what is under way goes on, whoever asks next
    /// asks another isolate.
    pub fn forget(&self, name: &str) {
        let mut functions = self.0.functions.borrow_mut();
        if let Some(entry) = functions.get_mut(name)
            && let Some(function) = entry.current.take()
        {
            function.end();
        }
    }

    /// Ends every isolate, with what it is doing.
    pub fn stop(&self) {
        let functions = self.0.functions.take();
        for function in functions.into_values().filter_map(|entry| entry.current) {
            function.is_over.set(true);
            if let Some(isolate) = function.isolate.take() {
                isolate.end(Failure::Worker("The gateway was stopped".to_owned()));
            }
        }
    }
}

impl Inner {
    fn account(&self, name: &str) -> Rc<Account> {
        let mut functions = self.functions.borrow_mut();
        let entry = functions.entry(name.to_owned()).or_insert_with(|| Entry {
            account: Rc::new(Account::new(&self.world, &self.outside.router, name)),
            current: None,
        });
        Rc::clone(&entry.account)
    }

    /// The function as it is deployed now; what was deployed before ends when this is there instead.
    fn function(&self, account: &Rc<Account>, spec: &Spec) -> Rc<Function> {
        let mut functions = self.functions.borrow_mut();
        let entry = functions.entry(spec.name.clone()).or_insert_with(|| Entry {
            account: Rc::clone(account),
            current: None,
        });
        let known = entry.current.take();
        let function = match known {
            Some(known) if known.spec == *spec => known,
            before => {
                let function = Function::new(account, spec);
                if let Some(before) = before {
                    // Another environment needs no other bundle.
                    if before.spec.sha256 == spec.sha256 {
                        function.bundle.replace(before.bundle.borrow().clone());
                    }
                    before.is_over.set(true);
                    function.before.replace(Some(before));
                }
                Rc::new(function)
            }
        };
        entry.current = Some(Rc::clone(&function));
        function
    }

    /// An isolate that takes requests.
    async fn isolate(
        self: &Rc<Self>,
        function: &Rc<Function>,
        execution_id: &str,
    ) -> Result<Isolate, Failure> {
        let known = function.isolate.borrow().clone();
        if let Some(isolate) = known.filter(Isolate::takes_requests) {
            return Ok(isolate);
        }
        let booting = function.booting.borrow().clone();
        let booting = booting.unwrap_or_else(|| self.begin(function, execution_id));
        booting.await
    }

    /// Begins an isolate; it goes on when nobody waits for it.
    fn begin(self: &Rc<Self>, function: &Rc<Function>, execution_id: &str) -> Booting {
        let work: LocalBoxFuture<'static, _> = Box::pin({
            let (inner, function) = (Rc::clone(self), Rc::clone(function));
            let execution_id = execution_id.to_owned();
            async move {
                let booted = inner.boot(&function, &execution_id).await;
                function.booting.replace(None);
                // One that ends takes of the processor that this one needs to begin.
                if let Some(before) = function.before.take() {
                    before.end();
                }
                let isolate = booted?;
                if function.is_over.get() {
                    isolate.retire("termination");
                } else {
                    function.isolate.replace(Some(isolate.clone()));
                }
                Ok(isolate)
            }
        });
        let booting = work.shared();
        function.booting.replace(Some(booting.clone()));
        self.world.spawn(Box::pin(booting.clone().map(drop)));
        booting
    }

    async fn boot(&self, function: &Rc<Function>, execution_id: &str) -> Result<Isolate, Failure> {
        let begun = self.world.now();
        let (account, spec) = (&function.account, &function.spec);
        let (bundle, env, seat) = futures::join!(
            self.bundle(function),
            self.env(spec),
            self.seat(function, execution_id),
        );
        let (bundle, mut env, (side, seat)) = (bundle?, env?, seat?);
        side.lead_home(&mut env);
        account.hide(&env);
        env.push(("SB_EXECUTION_ID".to_owned(), execution_id.to_owned()));
        let isolate = Isolate::boot(
            &self.outside,
            account,
            spec,
            &bundle,
            env,
            execution_id,
            (side, seat),
        );
        let limit = side.boot();
        match within(&self.world, limit, isolate.booted()).await {
            Ok(booted) => booted?,
            Err(_elapsed) => {
                let reason = format!("It was not ready after {} s", limit / 1_000);
                isolate.end(Failure::Boot(reason.clone()));
                return Err(Failure::Boot(reason));
            }
        }
        account.booted();
        let ms = self.world.now() - begun;
        let line = Line {
            event: "boot",
            level: Some(Level::Info),
            message: format!("booted (time: {ms}ms)"),
            ms: Some(ms),
            ..Line::default()
        };
        let place = Place::outside_requests(spec.version, execution_id);
        account.note(&place, line);
        Ok(isolate)
    }

    /// An isolate that is nothing yet, where the function may run.
    async fn seat(&self, function: &Function, execution_id: &str) -> Result<(Side, Seat), Failure> {
        let (account, spec) = (&function.account, &function.spec);
        let unavailable = match spec.host {
            Host::Isolate => None,
            Host::Vm => {
                let seat = self.hosts.vm.start(&spec.name, &spec.limits).await;
                return seat.map(|seat| (Side::Vm, seat)).map_err(Failure::Vm);
            }
            Host::VmOrIsolate => {
                let seat = self.hosts.vm.start(&spec.name, &spec.limits);
                match within(&self.world, PREFERENCE, seat).await {
                    Ok(Ok(seat)) => return Ok((Side::Vm, seat)),
                    Ok(Err(reason)) => Some(reason),
                    // It may be there for the next one.
                    Err(_elapsed) => Some("The virtual machine is not ready yet".to_owned()),
                }
            }
        };
        if let Some(reason) = unavailable {
            let line = Line {
                event: "boot",
                level: Some(Level::Warn),
                message: format!("It runs in an isolate of the browser: {reason}"),
                ..Line::default()
            };
            let place = Place::outside_requests(spec.version, execution_id);
            account.note(&place, line);
        }
        let seat = self.hosts.isolate.start(&spec.name, &spec.limits).await;
        seat.map(|seat| (Side::Isolate, seat))
            .map_err(Failure::Boot)
    }

    async fn bundle(&self, function: &Function) -> Result<Rc<Bundle>, Failure> {
        if let Some(bundle) = &*function.bundle.borrow() {
            return Ok(Rc::clone(bundle));
        }
        let Spec { name, sha256, .. } = &function.spec;
        let path = format!("/gateway/functions/{name}/bundle/{sha256}");
        let zip = self.ask(&path, bundle::LARGEST).await?;
        let bundle = Rc::new(Bundle::read(&zip).map_err(Failure::Boot)?);
        function.bundle.replace(Some(Rc::clone(&bundle)));
        Ok(bundle)
    }

    async fn env(&self, spec: &Spec) -> Result<Vec<(String, String)>, Failure> {
        let path = format!("/gateway/functions/{}/env", spec.name);
        let json = self.ask(&path, LARGEST_ENV).await?;
        let env: Env = serde_json::from_slice(&json)
            .map_err(|error| Failure::Invalid(format!("The environment is malformed: {error}")))?;
        Ok(env.env.into_iter().collect())
    }

    /// What the router says to this worker itself.
    async fn ask(&self, path: &str, largest: usize) -> Result<Bytes, Failure> {
        let request = Request::get(format!("http://gateway{path}"))
            .header("x-gateway-internal", "1")
            .body(Body::empty())
            .map_err(|error| Failure::Invalid(error.to_string()))?;
        let work = async {
            let response = self.outside.router.request(request).await;
            let response = response
                .map_err(|lost| Failure::Invalid(format!("The gateway did not answer: {lost}")))?;
            match response.status() {
                status if status.is_success() => {}
                StatusCode::NOT_FOUND => return Err(Failure::Missing),
                status => {
                    return Err(Failure::Invalid(format!("The gateway answered {status}")));
                }
            }
            let (mut body, mut bytes) = (response.into_body(), BytesMut::new());
            while let Some(chunk) = body.next().await {
                let chunk = chunk.map_err(|error| Failure::Invalid(error.to_string()))?;
                bytes.extend_from_slice(&chunk);
                if bytes.len() > largest {
                    return Err(Failure::Boot("The bundle is too large".to_owned()));
                }
            }
            Ok(bytes.freeze())
        };
        within(&self.world, DEPLOYED, work)
            .await
            .unwrap_or_else(|_elapsed| {
                Err(Failure::Invalid(
                    "The gateway did not answer in time".to_owned(),
                ))
            })
    }

    /// A page's WebSocket to a function. What goes wrong before it is open is said on it.
    async fn connect(
        self: &Rc<Self>,
        function: &Rc<Function>,
        execution_id: &str,
        asked: Asked,
        tunnel: Tunnel,
    ) {
        let limit = function.spec.limits.timeout_ms;
        let ready = within(&self.world, limit, async {
            let turn = function.turns.turn().await?;
            let isolate = self.isolate(function, execution_id).await?;
            Ok((turn, isolate))
        });
        let (turn, isolate) = match ready.await.unwrap_or(Err(Failure::Timeout)) {
            Ok(ready) => ready,
            Err(failure) => {
                function.account.failed(&failure);
                (tunnel.post)(isolate::abnormal(failure.message()));
                return;
            }
        };
        if let Err(failure) = isolate.socket(asked, tunnel).await {
            function.account.failed(&failure);
        }
        drop(turn);
    }
}

impl Function {
    fn new(account: &Rc<Account>, spec: &Spec) -> Self {
        Self {
            spec: spec.clone(),
            account: Rc::clone(account),
            turns: Turns::new(spec.limits.concurrency, spec.limits.queue),
            isolate: RefCell::default(),
            booting: RefCell::default(),
            bundle: RefCell::default(),
            is_over: Cell::new(false),
            before: RefCell::default(),
        }
    }

    /// Nobody asks it any more; whoever has asked is answered.
    fn end(&self) {
        self.is_over.set(true);
        if let Some(before) = self.before.take() {
            before.end();
        }
        if let Some(isolate) = self.isolate.take() {
            isolate.retire("termination");
        }
    }
}

impl Entry {
    fn describe(&self, name: &str) -> Value {
        let mut told = self.account.to_json();
        told["name"] = name.into();
        let current = self.current.as_deref();
        let isolate = current.and_then(|function| function.isolate.borrow().clone());
        let isolate = isolate.filter(|isolate| !isolate.is_over());
        told["version"] = current.map(|function| function.spec.version).into();
        let is_booting = current.is_some_and(|function| function.booting.borrow().is_some());
        told["state"] = match &isolate {
            _ if is_booting => "booting",
            Some(_) => "ready",
            None => "idle",
        }
        .into();
        told["isolates"] = u32::from(isolate.is_some()).into();
        told["active"] = isolate.as_ref().map_or(0, Isolate::active).into();
        told["queued"] = current
            .map_or(0, |function| function.turns.waiting())
            .into();
        if let Some(memory) = isolate.and_then(|isolate| isolate.memory()) {
            told["memory_bytes"] = memory.into();
        }
        told
    }
}

/// The URL that a function sees: without the project's prefix, and without `/functions`.
fn seen(home: &str, target: &str) -> String {
    let target = target.strip_prefix("/functions").unwrap_or(target);
    let scheme = home.find("://").map_or(0, |at| at + 3);
    let end = home[scheme..]
        .find('/')
        .map_or(home.len(), |at| scheme + at);
    format!("{}{target}", &home[..end])
}

impl fmt::Debug for Functions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Functions").finish_non_exhaustive()
    }
}

impl fmt::Debug for Hosts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hosts").finish_non_exhaustive()
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Seat").finish_non_exhaustive()
    }
}
