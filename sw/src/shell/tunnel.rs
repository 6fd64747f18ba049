//! Web sockets of pages, which a service worker does not see: the page sends a port instead.

use http::{HeaderValue, Method, Request, Response, header};
use routes::{Body, Router};
use wasm_bindgen::{JsCast as _, prelude::wasm_bindgen};

use super::{caller::Caller, convert, surroundings::Surroundings};
use crate::{border, line};

#[wasm_bindgen]
extern "C" {
    /// What ends a tunnel, posted on its port. `static/src/vm/` and the shim read it.
    #[wasm_bindgen(extends = js_sys::Object)]
    type Close;

    #[wasm_bindgen(method, setter)]
    fn set_kind(this: &Close, kind: &str);

    #[wasm_bindgen(method, setter)]
    fn set_code(this: &Close, code: u16);

    #[wasm_bindgen(method, setter)]
    fn set_reason(this: &Close, reason: &str);

    #[wasm_bindgen(method, setter)]
    fn set_clean(this: &Close, clean: bool);
}

/// A connection that was never made, or broke (RFC 6455, section 7.4.1).
const ABNORMAL: u16 = 1006;

/// The longest reason that is passed on.
const LONGEST: usize = 4_096;

/// Sends the port to the VM worker, which speaks on it from then on. Where it does not come so far,
/// the port is told why, and closed.
pub(super) async fn open(
    router: &Router<Surroundings>,
    url: &str,
    protocols: &[String],
    headers: Option<&web_sys::Headers>,
    port: web_sys::MessagePort,
    from: &Caller,
) {
    if !from.may_have_socket(url) {
        return refuse(&port, "An application has sockets to itself alone");
    }
    let tunnel = match request(url, protocols, headers, from) {
        Ok(request) => router.tunnel(request).await,
        Err(reason) => return refuse(&port, &reason),
    };
    let tunnel = match tunnel {
        Ok(tunnel) => tunnel,
        Err(response) => return refuse(&port, &reason(response).await),
    };
    let wire = router.world().wire(&tunnel.project);
    let sent = wire.request_with(line::request_out(tunnel.request), port);
    if let Err((lost, Some(port))) = sent.await {
        // It was never sent: nobody else can say so.
        refuse(&port, &lost.to_string());
    }
}

fn request(
    url: &str,
    protocols: &[String],
    headers: Option<&web_sys::Headers>,
    from: &Caller,
) -> Result<Request<Body>, String> {
    let uri = border::url(url).map_err(|refused| refused.to_string())?;
    let mut request = Request::new(Body::Empty);
    if let Some(headers) = headers {
        let headers = convert::headers_in(headers).map_err(|refused| refused.to_string())?;
        *request.headers_mut() = headers;
    }
    *request.method_mut() = Method::GET;
    *request.uri_mut() = uri;
    if !protocols.is_empty() {
        let protocols = HeaderValue::from_str(&protocols.join(", "))
            .map_err(|_invalid| "a subprotocol's name is none".to_owned())?;
        let name = header::SEC_WEBSOCKET_PROTOCOL;
        request.headers_mut().insert(name, protocols);
    }
    from.tell_of_socket(request.extensions_mut());
    Ok(request)
}

/// What an answer says, for a person.
async fn reason(response: Response<Body>) -> String {
    let status = response.status();
    match response.into_body().collect(LONGEST).await {
        Ok(text) => format!("{status}: {}", String::from_utf8_lossy(&text)),
        Err(_broken) => status.to_string(),
    }
}

fn refuse(port: &web_sys::MessagePort, reason: &str) {
    let close = js_sys::Object::new().unchecked_into::<Close>();
    close.set_kind("close");
    close.set_code(ABNORMAL);
    close.set_reason(reason);
    close.set_clean(false);
    // A port that cannot be posted to has nobody at its other end.
    let _ = port.post_message(&close);
    port.close();
}
