//! The gateway as JavaScript sees it.

use std::{cell::Cell, rc::Rc};

use http::{HeaderMap, Response, StatusCode};
use js_sys::Promise;
use routes::{ApiError, Body, Handled, Router};
use wasm_bindgen::{JsError, prelude::wasm_bindgen};
use wasm_bindgen_futures::future_to_promise;

use super::{
    abort::{GivenUp, unless_aborted},
    convert::{self, Unanswerable},
    link::News,
    surroundings::Surroundings,
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
        let config = options.settings().map_err(readable)?;
        let shared = Rc::new_cyclic(|this: &std::rc::Weak<Shared>| {
            let this = this.clone();
            let world =
                Surroundings::new(&options.build, &options.life, move |project, news| {
                    match (news, this.upgrade()) {
                        (News::WantPort, _) => want_port(project),
                        (News::Connected, Some(shared)) => shared.router.connected(project),
                        (News::Notify { channel, payload }, Some(shared)) => {
                            shared.router.notified(project, &channel, &payload);
                        }
                        (News::Connected | News::Notify { .. }, None) => {}
                    }
                });
            Shared {
                router: Router::new(world, config),
                headers,
                faulty: Cell::new(false),
            }
        });
        Ok(Self { shared })
    }

    /// Answers a request. The promise resolves to a `Response`, whatever the request was.
    pub fn handle(&self, request: web_sys::Request) -> Promise {
        let shared = Rc::clone(&self.shared);
        future_to_promise(async move { Ok(shared.answer(request).await.into()) })
    }

    /// Takes a port to the worker that has this project's database open.
    pub fn attach(&self, project: &str, port: web_sys::MessagePort) {
        self.shared.router.world().link(project).attach(port);
    }

    /// Another page may have this project's database open now.
    #[wasm_bindgen(js_name = ownerChanged)]
    pub fn owner_changed(&self, project: &str) {
        self.shared.router.world().link(project).owner_changed();
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
    async fn answer(&self, request: web_sys::Request) -> web_sys::Response {
        let signal = request.signal();
        let mut response = match convert::request_in(request) {
            Err(refused) => refusal(&refused),
            Ok(request) => match unless_aborted(&signal, self.route(request)).await {
                Ok(response) => response,
                Err(GivenUp) => return web_sys::Response::error(),
            },
        };
        let headers = response.headers_mut();
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        match convert::response_out(response) {
            Ok(response) => response,
            Err(unanswerable) => fallback(&unanswerable),
        }
    }

    async fn route(&self, request: http::Request<Body>) -> Response<Body> {
        let response = match self.router.handle(request).await {
            Handled::Response(response) => response,
            Handled::PassThrough => not_ours(),
        };
        assert!(!self.faulty.get(), "a fault that was asked for");
        response
    }
}

/// A path that the script took for the gateway's. Until the script can ask the network for it, nobody
/// answers.
fn not_ours() -> Response<Body> {
    ApiError::new(StatusCode::NOT_FOUND, "GW404", "Nothing is here").into_response()
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
