//! What the service worker's script knows of who sent a request.

use http::Extensions;
use routes::router::{Client, Sender, Trusted};
use wasm_bindgen::{JsCast as _, prelude::wasm_bindgen};

use crate::tunnel::is_own;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r"
/** Who sent a request to a service worker. */
export interface Caller {
    /** It may see the project's keys. */
    trusted: boolean;
    /** The client's id; none for a navigation. */
    client?: string;
    /** The URL that the client was made with; none for a navigation. */
    url?: string;
}
";

#[wasm_bindgen]
extern "C" {
    /// Who sent a request.
    #[wasm_bindgen(typescript_type = "Caller")]
    pub type Caller;

    #[wasm_bindgen(method, getter)]
    fn trusted(this: &Caller) -> bool;

    #[wasm_bindgen(method, getter)]
    fn client(this: &Caller) -> Option<String>;

    #[wasm_bindgen(method, getter)]
    fn url(this: &Caller) -> Option<String>;

    /// A request, with what would have been headers.
    #[wasm_bindgen(extends = web_sys::Request)]
    type Sent;

    #[wasm_bindgen(method, getter)]
    fn referrer(this: &Sent) -> Option<String>;

    #[wasm_bindgen(method, getter)]
    fn mode(this: &Sent) -> Option<String>;

    #[wasm_bindgen(method, getter)]
    fn destination(this: &Sent) -> Option<String>;

    #[wasm_bindgen(method, getter)]
    fn credentials(this: &Sent) -> Option<String>;
}

impl Caller {
    /// Says it of a request.
    pub(super) fn tell(&self, request: &web_sys::Request, extensions: &mut Extensions) {
        let sent = request.unchecked_ref::<Sent>();
        self.introduce(extensions);
        extensions.insert(Sender {
            url: self.url(),
            // Anything else is `about:client`, for whoever's referrer is not told.
            referrer: sent.referrer().filter(|url| url.starts_with("http")),
            mode: sent.mode().unwrap_or_default(),
            destination: sent.destination().unwrap_or_default(),
            credentials: sent.credentials().is_none_or(|mode| mode != "omit"),
        });
    }

    /// Whether it may have a socket to this URL: the gateway's own page to any application.
    pub(super) fn may_have_socket(&self, url: &str) -> bool {
        self.trusted() || self.url().is_some_and(|page| is_own(&page, url))
    }

    /// Says it of a WebSocket, which no fetch is made for.
    pub(super) fn tell_of_socket(&self, extensions: &mut Extensions) {
        self.introduce(extensions);
        extensions.insert(Sender {
            url: self.url(),
            referrer: None,
            mode: "websocket".to_owned(),
            destination: String::new(),
            credentials: true,
        });
    }

    fn introduce(&self, extensions: &mut Extensions) {
        if self.trusted() {
            extensions.insert(Trusted);
        }
        if let Some(client) = self.client() {
            extensions.insert(Client(client));
        }
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Caller").finish_non_exhaustive()
    }
}
