//! The gateway as JavaScript sees it.

use std::{cell::Cell, rc::Rc};

use http::{HeaderMap, Response, StatusCode};
use js_sys::Promise;
use routes::{
    ApiError, Body, Handled, Router,
    router::{Client, Trusted},
};
use wasm_bindgen::{JsError, JsValue, prelude::wasm_bindgen};
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
        let config = options.config().map_err(readable)?;
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

    /// Answers a request. The promise resolves to a `Response`, or to `undefined` where the request is
    /// not the gateway's after all. `trusted` is whether its sender may see the project's keys;
    /// `client` names that sender, where it has a name.
    pub fn handle(
        &self,
        request: web_sys::Request,
        trusted: bool,
        client: Option<String>,
    ) -> Promise {
        let shared = Rc::clone(&self.shared);
        future_to_promise(async move {
            let response = shared.answer(request, trusted, client).await;
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
    async fn answer(
        &self,
        request: web_sys::Request,
        trusted: bool,
        client: Option<String>,
    ) -> Option<web_sys::Response> {
        let signal = request.signal();
        let mut response = match convert::request_in(request) {
            Err(refused) => refusal(&refused),
            Ok(mut request) => {
                if trusted {
                    request.extensions_mut().insert(Trusted);
                }
                if let Some(client) = client {
                    request.extensions_mut().insert(Client(client));
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

    async fn route(&self, request: http::Request<Body>) -> Handled {
        let handled = self.router.handle(request).await;
        assert!(!self.faulty.get(), "a fault that was asked for");
        handled
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
