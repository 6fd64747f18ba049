//! One isolate: its exchanges, its life, and what ends it.

mod bodies;
mod cpu;
mod heads;
mod heard;
mod life;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    pin::pin,
    rc::Rc,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures::{
    StreamExt as _,
    channel::oneshot,
    future::{self, Either},
};
use http::{HeaderValue, Response, header, request};
use port::peer::Body;

use super::{
    Failure, HOST, Seat, Side, Spec,
    account::{Account, Place},
    bundle::Bundle,
    message::{Exchange, ToIsolate},
    outside::{Caller, Origin, Outside},
    talk::{Head, Role, Talk},
};
use crate::{
    gateway::strip,
    surroundings::{Bell, Milliseconds},
    tunnel::{FromPage, ToPage, Tunnel, websocket},
};
use bodies::{Asking, Reading, Sending};
use cpu::Spent;
use heads::{headers_out, respond};
use life::{listen, watch};

pub(super) use heads::abnormal;

/// In which isolate's life a request was answered.
const EXECUTION: &str = "x-gateway-execution-id";

/// One isolate. It ends when this value and all that is read of it are dropped.
#[derive(Clone)]
pub(super) struct Isolate(Rc<Inner>);

type Post = Box<dyn Fn(ToIsolate)>;

struct Inner {
    spec: Spec,
    side: Side,
    place: Place,
    outside: Rc<Outside>,
    account: Rc<Account>,
    bundle: Rc<Bundle>,
    /// The origins that the function knows the gateway by.
    homes: RefCell<Vec<Origin>>,
    /// Gone once it has ended.
    post: RefCell<Option<Post>>,
    began: Milliseconds,
    talks: RefCell<BTreeMap<Exchange, Talk>>,
    callers: RefCell<BTreeMap<Exchange, Rc<Caller>>>,
    next: Cell<Exchange>,
    ready: Cell<bool>,
    /// Nothing new is begun in it.
    retired: Cell<bool>,
    over: RefCell<Option<Failure>>,
    waiting: Cell<usize>,
    /// It has heard that it ends.
    unloaded: Cell<bool>,
    /// Something was heard since the last look.
    heard: Cell<bool>,
    memory: Cell<Option<u64>>,
    cpu: Spent,
    /// Rings when it is ready or over, and when it has something to do.
    changed: Bell,
}

/// A request as an isolate takes it.
pub(super) struct Asked {
    pub(super) head: request::Parts,
    /// As the function sees it.
    pub(super) url: String,
    pub(super) body: Body,
    pub(super) caller: Caller,
    /// Of the gateway, as its clients know it.
    pub(super) home: Option<Origin>,
}

impl Isolate {
    /// Makes a function of an isolate. [`Isolate::booted`] tells what comes of it.
    pub(super) fn boot(
        outside: &Rc<Outside>,
        account: &Rc<Account>,
        spec: &Spec,
        bundle: &Rc<Bundle>,
        env: Vec<(String, String)>,
        execution_id: &str,
        (side, seat): (Side, Seat),
    ) -> Self {
        let home = env.iter().find(|(name, _)| name == "SUPABASE_URL");
        let home = home.and_then(|(_, url)| Origin::read(url));
        let Seat { post, heard } = seat;
        let inner = Rc::new(Inner {
            spec: spec.clone(),
            side,
            place: Place {
                version: spec.version,
                execution_id: execution_id.to_owned(),
                ..Place::default()
            },
            outside: Rc::clone(outside),
            account: Rc::clone(account),
            bundle: Rc::clone(bundle),
            homes: RefCell::new(home.into_iter().collect()),
            post: RefCell::new(Some(post)),
            began: outside.world.now(),
            talks: RefCell::default(),
            callers: RefCell::default(),
            next: Cell::new(0),
            ready: Cell::new(false),
            retired: Cell::new(false),
            over: RefCell::default(),
            waiting: Cell::new(0),
            unloaded: Cell::new(false),
            heard: Cell::new(false),
            memory: Cell::new(None),
            cpu: Spent::default(),
            changed: Bell::default(),
        });
        inner.post(ToIsolate::Boot {
            code: bundle.code.clone(),
            packages: bundle.packages.clone(),
            files: bundle.files.clone(),
            env,
        });
        let weak = Rc::downgrade(&inner);
        outside.world.spawn(Box::pin(listen(weak, heard)));
        let weak = Rc::downgrade(&inner);
        let world = Rc::clone(&outside.world);
        outside.world.spawn(Box::pin(watch(world, weak)));
        Self(inner)
    }

    /// Done when it waits for requests, or never will.
    pub(super) async fn booted(&self) -> Result<(), Failure> {
        let inner = &self.0;
        let outcome = inner.changed.wait(|| {
            if inner.ready.get() {
                return Some(Ok(()));
            }
            inner.over.borrow().clone().map(Err)
        });
        outcome.await
    }

    /// Whether a new request may be given to it.
    pub(super) fn takes_requests(&self) -> bool {
        self.0.over.borrow().is_none() && !self.0.retired.get()
    }

    /// How many requests it has.
    pub(super) fn active(&self) -> usize {
        let talks = self.0.talks.borrow();
        talks.values().filter(|talk| talk.is_request()).count()
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.over.borrow().is_some()
    }

    pub(super) fn memory(&self) -> Option<u64> {
        self.0.memory.get()
    }

    /// Asks it. `kept` is let go with the last of the answer.
    pub(super) async fn request(
        &self,
        asked: Asked,
        kept: impl fmt::Debug + 'static,
    ) -> Result<Response<Body>, Failure> {
        let is_head = asked.head.method == http::Method::HEAD;
        let (mut asking, body) = self.begin(asked, None)?;
        let head = asking.head().await?;
        let Head::Response {
            status,
            headers,
            has_body,
        } = head
        else {
            return Err(Failure::Worker(
                "It took a WebSocket that nobody asked for".to_owned(),
            ));
        };
        let mut response = respond(status, &headers, is_head || !has_body)?;
        let host = HeaderValue::from_static(self.0.side.name());
        response.headers_mut().insert(HOST, host);
        if let Ok(execution_id) = HeaderValue::from_str(&self.0.place.execution_id) {
            response.headers_mut().insert(EXECUTION, execution_id);
        }
        if has_body {
            let reading = Reading {
                isolate: Rc::clone(&self.0),
                asking: Some(asking),
                body,
                _kept: Box::new(kept),
            };
            *response.body_mut() = Body::stream(reading);
        }
        Ok(response)
    }

    /// Connects a page to it, until one of them has enough.
    pub(super) async fn socket(&self, asked: Asked, tunnel: Tunnel) -> Result<(), Failure> {
        let Tunnel { mut incoming, post } = tunnel;
        let post: Rc<dyn Fn(ToPage)> = post.into();
        let (mut asking, _body) = self.begin(asked, Some(Rc::clone(&post)))?;
        let id = asking.id;
        match asking.head().await {
            Ok(Head::Upgraded { protocol }) => post(ToPage::Open { protocol }),
            Ok(Head::Response { status, .. }) => {
                let reason = format!("The function answered {status}");
                post(abnormal(reason));
                return Ok(());
            }
            Err(failure) => {
                post(abnormal(failure.message()));
                return Err(failure);
            }
        }
        // What the function says goes to the page as it comes; it is over with the exchange.
        loop {
            let over = self.0.changed.wait(|| (!self.0.has(id)).then_some(()));
            let said = match future::select(incoming.next(), pin!(over)).await {
                Either::Left((said, _)) => said,
                Either::Right(((), _)) => return Ok(()),
            };
            match said {
                Some(FromPage::Text(text)) => self.0.post(ToIsolate::Text { id, text }),
                Some(FromPage::Binary(bytes)) => self.0.post(ToIsolate::Binary { id, bytes }),
                Some(FromPage::Resize { .. }) => {}
                Some(FromPage::Close { code, reason }) => {
                    self.0.post(ToIsolate::Close {
                        id,
                        code: code.unwrap_or(1005),
                        reason: reason.clone(),
                        clean: true,
                    });
                    asking.is_over = true;
                    self.0.forget(id);
                    post(ToPage::Close {
                        code: code.unwrap_or(1005),
                        reason,
                        clean: true,
                    });
                    return Ok(());
                }
                None => {
                    self.0.post(ToIsolate::Close {
                        id,
                        code: heads::ABNORMAL,
                        reason: String::new(),
                        clean: false,
                    });
                    asking.is_over = true;
                    self.0.forget(id);
                    return Ok(());
                }
            }
        }
    }

    /// Begins nothing new in it; it ends when what is under way has.
    pub(super) fn retire(&self, reason: &'static str) {
        if self.0.retired.replace(true) {
            return;
        }
        let isolate = self.clone();
        self.0.outside.world.spawn(Box::pin(async move {
            isolate.leave(reason).await;
        }));
    }

    async fn leave(&self, reason: &'static str) {
        let inner = &self.0;
        let is_done = || {
            let done = inner.talks.borrow().is_empty() && inner.waiting.get() == 0;
            (done || inner.over.borrow().is_some()).then_some(())
        };
        inner.changed.wait(is_done).await;
        inner.goodbye(reason).await;
    }

    /// It ends now; whatever is under way in it fails so.
    pub(super) fn end(&self, failure: Failure) {
        self.0.end(failure, "terminated");
    }

    fn begin(
        &self,
        asked: Asked,
        socket: Option<Rc<dyn Fn(ToPage)>>,
    ) -> Result<(Asking, Option<Sending>), Failure> {
        let inner = &self.0;
        if let Some(over) = &*inner.over.borrow() {
            return Err(over.clone());
        }
        let Asked {
            mut head,
            url,
            body,
            caller,
            home,
        } = asked;
        if let Some(home) = home
            && !inner.homes.borrow().contains(&home)
        {
            inner.homes.borrow_mut().push(home);
        }
        strip(&mut head.headers);
        if socket.is_some() {
            let mut key = [0; 16];
            inner.outside.world.random(&mut key);
            websocket::ask(&mut head, &BASE64_STANDARD.encode(key));
            let upgrade = HeaderValue::from_static("Upgrade");
            head.headers.insert(header::CONNECTION, upgrade);
        }
        let id = inner.next.get() + 2;
        inner.next.set(id);
        let caller = Rc::new(caller);
        inner.remember(id, &caller);
        let (sender, receiver) = oneshot::channel();
        let upgrade = socket.is_some();
        let head_sender = Some(sender);
        let role = match socket {
            None => Role::Asks { head: head_sender },
            Some(post) => Role::Socket {
                head: head_sender,
                post,
            },
        };
        let talk = Talk::new(role, Some(caller));
        inner.talks.borrow_mut().insert(id, talk);
        let has_body = !body.is_empty() && !upgrade;
        inner.post(ToIsolate::Request {
            id,
            method: head.method.as_str().to_owned(),
            url,
            headers: headers_out(&head.headers),
            has_body,
            upgrade,
        });
        inner.changed.ring();
        let sending = has_body.then(|| Sending::start(inner, id, body));
        let asking = Asking {
            isolate: Rc::clone(inner),
            id,
            head: Some(receiver),
            is_over: false,
        };
        Ok((asking, sending))
    }
}
impl fmt::Debug for Isolate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Isolate").finish_non_exhaustive()
    }
}
