//! What an isolate says, and what becomes of it.

use std::{pin::pin, rc::Rc};

use futures::future;
use http::Request;
use port::peer::{Body, Interrupted};

use super::{
    Caller, Exchange, Failure, Head, Inner, Milliseconds, Place, Role, Talk, ToIsolate,
    bodies::{FetchBody, bring},
    heads::{abnormal, headers_in},
};
use crate::{
    functions::{
        Level, Limit,
        account::Line,
        message::{FromIsolate, Gone, Headers, Thrown},
    },
    surroundings::Task,
    tunnel::ToPage,
};

/// For `beforeunload`, and what it begins.
const GOODBYE: Milliseconds = 5_000;

/// Requests whose callers are remembered: what they began may go on for them.
const CALLERS: usize = 1_024;

impl Inner {
    pub(super) fn post(&self, message: ToIsolate) {
        if let Some(post) = &*self.post.borrow() {
            post(message);
        }
    }

    pub(super) fn has(&self, id: Exchange) -> bool {
        self.talks.borrow().contains_key(&id)
    }

    pub(super) fn forget(&self, id: Exchange) {
        let talk = self.talks.borrow_mut().remove(&id);
        if let Some(mut talk) = talk {
            self.cpu.ended(&talk);
            talk.outgoing.close();
            talk.incoming.end(Err(Interrupted::Lost));
            // What it drops may lead back here.
            drop(talk);
            self.changed.ring();
        }
    }

    pub(super) fn remember(&self, id: Exchange, caller: &Rc<Caller>) {
        let mut callers = self.callers.borrow_mut();
        callers.insert(id, Rc::clone(caller));
        if callers.len() > CALLERS {
            callers.pop_first();
        }
    }

    /// On whose behalf the function does something: where it does not know, there is no doubt only with
    /// one request under way.
    pub(super) fn caller(&self, of: Option<Exchange>) -> Option<Rc<Caller>> {
        if let Some(of) = of {
            return self.callers.borrow().get(&of).cloned();
        }
        // What goes on after its answer may be anybody's.
        if self.waiting.get() > 0 {
            return None;
        }
        let talks = self.talks.borrow();
        let mut requests = talks.values().filter(|talk| talk.is_request());
        match (requests.next(), requests.next()) {
            (Some(only), None) => only.caller.clone(),
            _ => None,
        }
    }

    pub(super) fn place(&self, of: Option<Exchange>) -> Place {
        self.caller(of).map_or_else(
            || self.place.clone(),
            |caller| Place {
                version: self.place.version,
                execution_id: caller.execution_id.clone(),
                trace: caller.trace.clone(),
            },
        )
    }

    pub(super) fn has_work(&self) -> bool {
        !self.ready.get() || self.waiting.get() > 0 || !self.talks.borrow().is_empty()
    }

    pub(super) fn translate(&self, thrown: Thrown) -> (String, Option<String>) {
        let translate = |text| self.bundle.translate(text);
        (translate(thrown.message), thrown.stack.map(translate))
    }

    pub(super) fn complain(&self, of: Option<Exchange>, thrown: Thrown) -> String {
        let (message, stack) = self.translate(thrown);
        self.account.note(
            &self.place(of),
            Line {
                event: "error",
                level: Some(Level::Error),
                message: message.clone(),
                stack,
                ..Line::default()
            },
        );
        message
    }

    /// It is no more: whoever waits for something of it is told why.
    pub(super) fn end(&self, failure: Failure, reason: &str) {
        if self.over.borrow().is_some() {
            return;
        }
        self.over.replace(Some(failure.clone()));
        let post = self.post.take();
        drop(post);
        self.account.note(
            &self.place,
            Line {
                event: "shutdown",
                level: Some(Level::Info),
                message: format!("shutdown: {reason}"),
                ms: Some(self.outside.world.now() - self.began),
                ..Line::default()
            },
        );
        // What has come whole may still be read; nothing else goes on.
        let (mut told, mut left) = (Vec::new(), Vec::new());
        let talks = self.talks.take();
        for (id, mut talk) in talks {
            if let Some(head) = talk.head() {
                // Who does not wait is not told.
                let _ = head.send(Err(failure.clone()));
            } else if let Role::Socket { post, .. } = &talk.role {
                told.push(Rc::clone(post));
            }
            talk.incoming
                .end(Err(Interrupted::Broken(failure.message())));
            talk.outgoing.close();
            if matches!(talk.role, Role::Asks { .. }) {
                left.push((id, talk));
            }
        }
        self.talks.borrow_mut().extend(left);
        for post in told {
            post(abnormal(failure.message()));
        }
        self.changed.ring();
    }

    /// Says that the end is near, and ends it when that was heard.
    pub(super) async fn goodbye(&self, reason: &'static str) {
        if self.over.borrow().is_some() {
            return;
        }
        self.post(ToIsolate::Unload { reason });
        let world = Rc::clone(&self.outside.world);
        let answered = self
            .changed
            .wait(|| (self.unloaded.get() && self.waiting.get() == 0).then_some(()));
        let _ = future::select(pin!(answered), world.sleep(GOODBYE)).await;
        self.end(Failure::Worker("The function was ended".to_owned()), reason);
    }

    pub(super) fn handle(self: &Rc<Self>, message: FromIsolate) {
        self.heard.set(true);
        match message {
            FromIsolate::Ready => {
                self.ready.set(true);
                self.changed.ring();
            }
            FromIsolate::Failed(thrown) => {
                let message = self.complain(None, thrown);
                self.end(Failure::Boot(message), "boot failed");
            }
            FromIsolate::Response {
                id,
                status,
                headers,
                has_body,
            } => {
                let head = Head::Response {
                    status,
                    headers,
                    has_body,
                };
                self.answered(id, Ok(head));
            }
            FromIsolate::Upgraded { id, protocol } => {
                self.answered(id, Ok(Head::Upgraded { protocol }));
            }
            FromIsolate::Threw { id, thrown } => {
                let message = self.complain(Some(id), thrown);
                self.answered(id, Err(Failure::Worker(message)));
            }
            FromIsolate::Fetch {
                id,
                method,
                url,
                headers,
                has_body,
                of,
            } => self.fetch(id, &method, &url, &headers, has_body, of),
            FromIsolate::Chunk { id, bytes } => {
                let kept = self.with(id, |talk| talk.incoming.push(bytes));
                if kept == Some(false) {
                    let reason = "It sent more than anybody reads".to_owned();
                    self.end(Failure::Worker(reason), "terminated");
                }
            }
            FromIsolate::End { id } => {
                self.with(id, |talk| talk.incoming.end(Ok(())));
            }
            FromIsolate::Broken { id, thrown } => {
                let reason = self.complain(self.of(id), thrown);
                self.with(id, |talk| {
                    talk.incoming.end(Err(Interrupted::Broken(reason)));
                });
            }
            FromIsolate::Credit { id, bytes } => {
                self.with(id, |talk| talk.outgoing.credit(bytes));
            }
            FromIsolate::Cancel { id } => {
                self.with(id, |talk| talk.outgoing.close());
                if !id.is_multiple_of(2) {
                    self.forget(id);
                }
            }
            FromIsolate::Text { id, text } => self.say(id, ToPage::Text(text)),
            FromIsolate::Binary { id, bytes } => self.say(id, ToPage::Binary(bytes)),
            FromIsolate::Close { id, code, reason } => {
                let closing = ToPage::Close {
                    code: code.unwrap_or(1005),
                    reason,
                    clean: true,
                };
                self.say(id, closing);
                if id.is_multiple_of(2) {
                    self.forget(id);
                }
            }
            FromIsolate::Log { level, message, of } => {
                let (message, _) = self.translate(Thrown {
                    message,
                    stack: None,
                });
                let line = Line {
                    event: "log",
                    level: Some(level),
                    message,
                    ..Line::default()
                };
                self.account.note(&self.place(of), line);
            }
            FromIsolate::Uncaught(thrown) => {
                self.complain(None, thrown);
            }
            FromIsolate::Pong { cpu } => {
                if let Some(cpu) = cpu {
                    self.computed(cpu);
                }
                self.changed.ring();
            }
            FromIsolate::Unloaded => {
                self.unloaded.set(true);
                self.changed.ring();
            }
            FromIsolate::Waiting { count } => {
                self.waiting.set(count);
                self.changed.ring();
            }
            FromIsolate::Memory { bytes } => {
                self.memory.set(Some(bytes));
                if bytes > u64::from(self.spec.limits.memory_mib) << 20 {
                    self.end(Failure::Limit(Limit::Memory), Limit::Memory.name());
                }
            }
            FromIsolate::Gone(Gone::Memory) => {
                self.end(Failure::Limit(Limit::Memory), Limit::Memory.name());
            }
            FromIsolate::Gone(Gone::Cpu) => {
                self.end(Failure::Limit(Limit::Cpu), Limit::Cpu.name());
            }
            FromIsolate::Gone(Gone::Broke(reason)) => {
                let failure = if self.ready.get() {
                    Failure::Worker(reason.clone())
                } else {
                    Failure::Boot(reason.clone())
                };
                self.complain(
                    None,
                    Thrown {
                        message: reason,
                        stack: None,
                    },
                );
                self.end(failure, "ended by itself");
            }
        }
    }

    /// The request that an exchange belongs to, where it is one.
    pub(super) fn of(&self, id: Exchange) -> Option<Exchange> {
        (id.is_multiple_of(2) && self.has(id)).then_some(id)
    }

    pub(super) fn with<Outcome>(
        &self,
        id: Exchange,
        act: impl FnOnce(&mut Talk) -> Outcome,
    ) -> Option<Outcome> {
        self.talks.borrow_mut().get_mut(&id).map(act)
    }

    pub(super) fn answered(&self, id: Exchange, head: Result<Head, Failure>) {
        let waits = self.with(id, Talk::head).flatten();
        if let Some(waits) = waits {
            // Who does not wait any more has said so already.
            let _ = waits.send(head);
        }
    }

    pub(super) fn say(&self, id: Exchange, message: ToPage) {
        let post = self.with(id, |talk| match &talk.role {
            Role::Socket { head: None, post } => Some(Rc::clone(post)),
            _ => None,
        });
        if let Some(post) = post.flatten() {
            post(message);
        }
    }

    /// The function asks somebody.
    pub(super) fn fetch(
        self: &Rc<Self>,
        id: Exchange,
        method: &str,
        url: &str,
        headers: &Headers,
        has_body: bool,
        of: Option<Exchange>,
    ) {
        if id.is_multiple_of(2) || self.has(id) {
            return;
        }
        let refuse = |message: String| self.post(ToIsolate::Refused { id, message });
        let request = Request::builder().method(method).uri(url).body(());
        let mut request = match request {
            Ok(request) => request,
            Err(error) => return refuse(format!("{method} {url}: {error}")),
        };
        match headers_in(headers) {
            Ok(headers) => *request.headers_mut() = headers,
            Err(reason) => return refuse(reason),
        }
        let (caller, place) = (self.caller(of), self.place(of));
        let body = if has_body {
            Body::stream(FetchBody {
                isolate: Rc::downgrade(self),
                id,
            })
        } else {
            Body::empty()
        };
        let request = request.map(|()| body);
        let task = Task::run(&self.outside.world, {
            let weak = Rc::downgrade(self);
            let (outside, account) = (Rc::clone(&self.outside), Rc::clone(&self.account));
            let homes = self.homes.borrow().clone();
            let caller = caller.clone();
            async move {
                let answer = outside
                    .ask(&account, &place, &homes, caller.as_deref(), request)
                    .await;
                bring(weak, id, answer).await;
            }
        });
        let talk = Talk::new(Role::Fetches { _task: task }, caller);
        self.talks.borrow_mut().insert(id, talk);
    }
}
