//! The router's world in JavaScript: its clock, its randomness, and lines to each project's database
//! and VM worker.

use std::{cell::RefCell, collections::BTreeMap, fmt, rc::Rc, time::Duration};

use bytes::Bytes;
use futures::{FutureExt as _, channel::oneshot, future::LocalBoxFuture};
use js_sys::{ArrayBuffer, Promise, Uint8Array};
use port::peer::{Limits, Side};
use routes::{
    Body, World,
    blobs::Files,
    world::{
        Answer, Exchange, FetchError, Host, Mail, RenderError, Rendered, SealError, Timestamp,
        Unavailable,
    },
};

use serde_json::json;
use wasm_bindgen::{JsCast as _, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;
use wire::shell::{Timer, Wire};

use crate::line;

use super::{
    fetch,
    files::ProjectFiles,
    link::{Link, News},
    pictures, secrets,
};

#[wasm_bindgen]
extern "C" {
    /// Whether there is such a project: a promise of a boolean.
    #[wasm_bindgen(js_namespace = supervisor, js_name = hasProject)]
    fn has_project(project: &str) -> Promise;

    /// What `keep` was last given for this project: an `ArrayBuffer`, or nothing.
    #[wasm_bindgen(js_namespace = supervisor, js_name = kept)]
    fn kept(project: &str) -> Promise;

    /// Keeps bytes for another instance, if that is possible.
    #[wasm_bindgen(js_namespace = supervisor, js_name = keep)]
    fn keep(project: &str, bytes: Uint8Array);

    /// Hands a mail, as JSON, to its server: a promise of an empty text, of why it was not taken, or
    /// of `undefined` where no server can be reached from here.
    #[wasm_bindgen(js_namespace = supervisor)]
    fn deliver(mail: &str) -> Promise;

    /// A request waits for a port to the VM worker of this project, which is to be started if it is not
    /// there, or not.
    #[wasm_bindgen(js_namespace = supervisor, js_name = wantGuest)]
    fn want_guest(project: &str, start: bool);

    /// The origin of all requests, where they cannot lie about it.
    #[wasm_bindgen(js_namespace = supervisor)]
    fn origin() -> Option<String>;
}

/// Hears, with the project's name, of what comes over its line.
type Tell = Rc<dyn Fn(&str, News)>;

/// Answers a request out of a project's VM.
type Answering = Rc<dyn Fn(http::Request<Body>) -> LocalBoxFuture<'static, http::Response<Body>>>;

/// What JavaScript offers the router.
pub(super) struct Surroundings {
    build: String,
    life: String,
    links: RefCell<BTreeMap<String, Rc<Link>>>,
    tell: Tell,
    guests: RefCell<BTreeMap<String, Wire>>,
    answering: Answering,
}

impl Surroundings {
    /// `build` and `life` are told to every worker; `tell` hears of each project's line to its
    /// database, and `answering` is asked by programs in the virtual machines.
    pub(super) fn new(
        build: &str,
        life: &str,
        tell: impl Fn(&str, News) + 'static,
        answering: impl Fn(http::Request<Body>) -> LocalBoxFuture<'static, http::Response<Body>>
        + 'static,
    ) -> Self {
        Self {
            build: build.to_owned(),
            life: life.to_owned(),
            links: RefCell::default(),
            tell: Rc::new(tell),
            guests: RefCell::default(),
            answering: Rc::new(answering),
        }
    }

    /// The line to a project's database, whether anybody is on it or not.
    pub(super) fn link(&self, project: &str) -> Rc<Link> {
        if let Some(link) = self.links.borrow().get(project) {
            return Rc::clone(link);
        }
        let tell = Rc::clone(&self.tell);
        let name = project.to_owned();
        let link = Link::new(&self.build, &self.life, move |news| tell(&name, news));
        self.links
            .borrow_mut()
            .insert(project.to_owned(), Rc::clone(&link));
        link
    }

    /// The line to a project's VM worker, whether anybody is on it or not.
    pub(super) fn wire(&self, project: &str) -> Wire {
        if let Some(wire) = self.guests.borrow().get(project) {
            return wire.clone();
        }
        let name = project.to_owned();
        let want = move |start| want_guest(&name, start);
        let name = project.to_owned();
        let answering = Rc::clone(&self.answering);
        let answer = move |request, _port| {
            let answer = answering(line::request_in(request, &name));
            let answer = answer.map(line::response_out);
            answer.boxed_local()
        };
        let limits = Limits::default();
        let wire = Wire::new(Side::Router, &self.build, &self.life, limits, want, answer);
        self.guests
            .borrow_mut()
            .insert(project.to_owned(), wire.clone());
        wire
    }

    /// Says goodbye on every line.
    pub(super) fn close(&self) {
        let links = self.links.take();
        for link in links.values() {
            link.close();
        }
        let guests = self.guests.take();
        for wire in guests.values() {
            wire.line().close();
        }
    }
}

impl World for Surroundings {
    fn now(&self) -> Timestamp {
        Timestamp(super::now())
    }

    fn clock(&self) -> Duration {
        super::clock()
    }

    fn random(&self, buffer: &mut [u8]) {
        // `crypto` is in every browser and every Node that can run this module at all.
        getrandom::fill(buffer).expect("crypto.getRandomValues answers");
    }

    async fn exchange(&self, project: &str, exchange: Exchange) -> Result<Answer, Unavailable> {
        Ok(self.link(project).exchange(exchange))
    }

    async fn pause(&self) {
        let (resume, resumed) = oneshot::channel();
        let mut resume = Some(resume);
        let _timer = Timer::new(0, move || {
            if let Some(resume) = resume.take() {
                // Whoever does not wait any more needs no answer.
                let _ = resume.send(());
            }
        });
        let _ = resumed.await;
    }

    async fn has_project(&self, project: &str) -> bool {
        // Where the browser does not tell, the database's silence has to.
        let told = JsFuture::from(has_project(project)).await;
        told.map_or(true, |told| told.is_truthy())
    }

    async fn fetch(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, FetchError> {
        fetch::fetch(request).await
    }

    async fn render(&self, picture: Bytes, options: &str) -> Result<Rendered, RenderError> {
        pictures::render(&picture, options).await
    }

    async fn seal(&self, project: &str, bytes: Bytes) -> Result<Bytes, SealError> {
        secrets::seal(project, &bytes).await
    }

    async fn open(&self, project: &str, sealed: Bytes) -> Result<Bytes, SealError> {
        secrets::open(project, &sealed).await
    }

    fn files(&self, project: &str) -> Option<Rc<dyn Files>> {
        Some(Rc::new(ProjectFiles::new(project)))
    }

    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        wasm_bindgen_futures::spawn_local(task);
    }

    async fn kept(&self, project: &str) -> Option<Bytes> {
        let kept = JsFuture::from(kept(project)).await.ok()?;
        let buffer = kept.dyn_into::<ArrayBuffer>().ok()?;
        Some(Uint8Array::new(&buffer).to_vec().into())
    }

    fn keep(&self, project: &str, bytes: Bytes) {
        keep(project, Uint8Array::from(&bytes[..]));
    }

    async fn deliver(&self, mail: Mail) -> Option<Result<(), String>> {
        let Mail {
            server,
            id,
            from,
            to,
            subject,
            html,
            text,
        } = mail;
        let server = json!({
            "host": server.host, "port": server.port, "user": server.user, "password": server.password,
        });
        let mail = json!({
            "server": server, "id": id, "from": from, "to": to, "subject": subject, "html": html, "text": text,
        });
        match JsFuture::from(deliver(&mail.to_string())).await {
            Ok(told) => told.as_string().map(|reason| match reason.as_str() {
                "" => Ok(()),
                _ => Err(reason),
            }),
            Err(error) => Some(Err(super::describe(&error))),
        }
    }

    fn origin(&self) -> Option<String> {
        origin()
    }

    async fn guest(
        &self,
        project: &str,
        request: http::Request<Body>,
        wake: bool,
    ) -> Result<http::Response<Body>, Unavailable> {
        let wire = self.wire(project);
        let request = line::request_out(request);
        let answer = if wake {
            wire.line().request(request)
        } else {
            wire.line().request_if_there(request)
        };
        let answer = answer.await.map_err(line::unavailable)?;
        Ok(line::response_in(answer))
    }

    fn host(&self, project: &str) -> Option<Host> {
        self.link(project).host()
    }

    fn memory(&self) -> Option<u64> {
        const PAGE: u64 = 64 * 1024;
        u64::try_from(core::arch::wasm32::memory_size(0))
            .ok()
            .map(|pages| pages * PAGE)
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Surroundings")
            .finish_non_exhaustive()
    }
}
