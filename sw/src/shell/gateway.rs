//! The gateway as JavaScript sees it.

use std::{
    cell::Cell,
    rc::{Rc, Weak},
};

use futures::FutureExt as _;
use http::{Extensions, HeaderMap, Request, Response, StatusCode};
use js_sys::Promise;
use routes::{
    ApiError, Body, Handled, Router,
    table::{self, Endpoint},
};
use wasm_bindgen::{JsError, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::future_to_promise;

use super::{
    abort::{GivenUp, unless_aborted},
    caller::Caller,
    convert::{self, Unanswerable},
    link::News,
    surroundings::Surroundings,
    tunnel,
};
use crate::{border::Refused, options::Options};

#[wasm_bindgen]
extern "C" {
    /// This instance panicked and is about to trap: nothing it promised will come.
    #[wasm_bindgen(js_namespace = supervisor)]
    fn panicked(message: &str);

    /// A request waits for a port to this project's database.
    #[wasm_bindgen(js_namespace = supervisor, js_name = wantPort)]
    fn want_port(project: &str);

    /// Some VM worker waits for a port to this instance: each that is there is to hand one over.
    #[wasm_bindgen(js_namespace = supervisor, js_name = wantGuests)]
    fn want_guests();
}

/// The gateway: requests in, responses out, ports to databases beside.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Gateway {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    router: Router<Surroundings>,
    headers: HeaderMap,
    faulty: Cell<bool>,
}

#[wasm_bindgen]
impl Gateway {
    /// A gateway with the given [`Options`]; throws where they cannot be read.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &str) -> Result<Self, JsError> {
        std::panic::set_hook(Box::new(|panic| panicked(&panic.to_string())));
        let readable = |error: String| JsError::new(&error);
        let options = Options::parse(options).map_err(readable)?;
        let headers = options.header_map().map_err(readable)?;
        let config = options.config().map_err(readable)?;
        let shared = Rc::new_cyclic(|this: &Weak<Shared>| {
            let this = this.clone();
            let answering = this.clone();
            let tell = move |project: &str, news| match (news, this.upgrade()) {
                (News::WantPort, _) => want_port(project),
                (News::Connected, Some(shared)) => shared.router.connected(project),
                (News::Notify { channel, payload }, Some(shared)) => {
                    shared.router.notified(project, &channel, &payload);
                }
                (News::Connected | News::Notify { .. }, None) => {}
            };
            let answer = move |request| answer_inside(answering.clone(), request).boxed_local();
            let world = Surroundings::new(&options.build, &options.life, tell, answer);
            Shared {
                router: Router::new(world, config),
                headers,
                faulty: Cell::new(false),
            }
        });
        Ok(Self { shared })
    }

    /// Answers a request. The promise resolves to a `Response`, or to `undefined` where the request is
    /// not the gateway's after all. `from` is who sent it, where that is known.
    pub fn handle(&self, request: web_sys::Request, from: Option<Caller>) -> Promise {
        let shared = Rc::clone(&self.shared);
        future_to_promise(async move {
            let response = shared.answer(request, from).await;
            Ok(response.map_or(JsValue::UNDEFINED, JsValue::from))
        })
    }

    /// The keys of a project as JSON, made on first use; `undefined` where its database keeps none.
    /// Rejects with a text for a person where there is no database.
    pub fn keys(&self, project: String) -> Promise {
        let shared = Rc::clone(&self.shared);
        future_to_promise(async move {
            match shared.router.project(&project).await {
                Ok(project) => Ok(keys(project.keys.as_ref())),
                Err(error) => Err(JsError::new(&error.message).into()),
            }
        })
    }

    /// Takes a port to the worker that has this project's database open. `owner` names the page it
    /// came from.
    pub fn attach(&self, project: &str, port: web_sys::MessagePort, owner: Option<String>) {
        self.shared.router.world().link(project).attach(port, owner);
    }

    /// Another page may have this project's database open now, or a backup of another time took its
    /// place: whoever asks from now on is not answered out of what was known before.
    #[wasm_bindgen(js_name = ownerChanged)]
    pub fn owner_changed(&self, project: &str) {
        self.shared.router.connected(project);
        let world = self.shared.router.world();
        world.link(project).owner_changed();
        world.wire(project).line().owner_changed();
    }

    /// Takes a port to this project's VM worker.
    #[wasm_bindgen(js_name = attachGuest)]
    pub fn attach_guest(&self, project: &str, port: web_sys::MessagePort) {
        self.shared.router.world().wire(project).attach(port);
    }

    /// This project has no VM worker, and none was started.
    #[wasm_bindgen(js_name = guestAbsent)]
    pub fn guest_absent(&self, project: &str) {
        self.shared.router.world().wire(project).line().absent();
    }

    /// This project's VM worker cannot be started; `reason` is for a person.
    #[wasm_bindgen(js_name = guestFailed)]
    pub fn guest_failed(&self, project: &str, reason: &str) {
        let wire = self.shared.router.world().wire(project);
        wire.line().unable(reason);
    }

    /// Connects a page's WebSocket: `port` is what it has instead of a connection. What becomes of it
    /// is said there. `headers` are those that came with it, where somebody else than a page asks.
    pub fn tunnel(
        &self,
        url: String,
        protocols: Vec<String>,
        port: web_sys::MessagePort,
        from: Caller,
        headers: Option<web_sys::Headers>,
    ) -> Promise {
        let shared = Rc::clone(&self.shared);
        future_to_promise(async move {
            let headers = headers.as_ref();
            tunnel::open(&shared.router, &url, &protocols, headers, port, &from).await;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Says goodbye to every database.
    pub fn close(&self) {
        self.shared.router.world().close();
    }

    /// Makes the next request panic while it is answered. Only the script that holds this object can
    /// call it; no request and no message leads here.
    pub fn fault(&self) {
        self.shared.faulty.set(true);
    }
}

impl Shared {
    async fn answer(
        &self,
        request: web_sys::Request,
        from: Option<Caller>,
    ) -> Option<web_sys::Response> {
        let signal = request.signal();
        let mut extensions = Extensions::new();
        if let Some(from) = from {
            from.tell(&request, &mut extensions);
        }
        let mut response = match convert::request_in(request) {
            Err(refused) => refusal(&refused),
            Ok(mut request) => {
                *request.extensions_mut() = extensions;
                if is_wake(request.uri().path()) {
                    want_guests();
                }
                match unless_aborted(&signal, self.route(request)).await {
                    Ok(Handled::Response(response)) => response,
                    Ok(Handled::PassThrough) => return None,
                    Err(GivenUp) => return Some(web_sys::Response::error()),
                }
            }
        };
        let headers = response.headers_mut();
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        Some(convert::response_out(response).unwrap_or_else(|error| fallback(&error)))
    }

    async fn route(&self, request: Request<Body>) -> Handled {
        let handled = self.router.handle(request).await;
        assert!(!self.faulty.get(), "a fault that was asked for");
        handled
    }
}

fn is_wake(path: &str) -> bool {
    table::find(path).is_some_and(|route| route.endpoint == Endpoint::Wake)
}

/// Answers a request out of a virtual machine, where there is no network to pass it to.
async fn answer_inside(shared: Weak<Shared>, request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let Some(shared) = shared.upgrade() else {
        let message = "The gateway is closing";
        return ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "GW503", message).into_response();
    };
    match shared.route(request).await {
        Handled::Response(response) => response,
        Handled::PassThrough => {
            let message = format!("No API answers {path}");
            ApiError::new(StatusCode::NOT_FOUND, "GW404", message).into_response()
        }
    }
}

fn keys(keys: Option<&impl serde::Serialize>) -> JsValue {
    match keys.map(serde_json::to_string) {
        Some(Ok(json)) => JsValue::from_str(&json),
        Some(Err(_)) | None => JsValue::UNDEFINED,
    }
}

fn refusal(refused: &Refused) -> Response<Body> {
    ApiError::new(refused.status(), "GW400", refused.to_string()).into_response()
}

/// What is sent where the response itself cannot be.
fn fallback(unanswerable: &Unanswerable) -> web_sys::Response {
    let message = match unanswerable {
        Unanswerable::Status(status) => format!("{} is no status of an answer", status.as_u16()),
        Unanswerable::Refused(error) => super::describe(error),
    };
    let error = ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "GW500", message);
    convert::response_out(error.into_response()).unwrap_or_else(|_| web_sys::Response::error())
}
