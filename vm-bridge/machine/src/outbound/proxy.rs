//! The HTTP proxy that the guest's programs find at [`super::PORT`], and at port 80 of every allowed
//! name.
//!
//! A request is in absolute form (`GET http://example.com/ HTTP/1.1`), as a client sends it to a
//! proxy, or in origin form with a `Host`, as a client sends it that believes to speak with the server
//! itself. `https://` in absolute form is asked over TLS, by the browser. `CONNECT` is refused: what
//! goes through such a tunnel is encrypted for a server that only the browser could reach, and the
//! browser opens no TCP connections.

use std::rc::Rc;

use futures::future::LocalBoxFuture;
use http::{
    HeaderName, Method, Request, Response, StatusCode, Uri, header, uri::Authority, uri::Scheme,
};
use port::peer::Body;
use serde_json::json;

use super::{Fetch, Policy, Unfetched};
use crate::{
    failure::json_response,
    gateway::{self, Gateway, strip},
    served::Answers,
    surroundings::{Milliseconds, World, within},
};

/// For a server's head.
const HEAD: Milliseconds = 150_000;

/// The gateway's own names, as far as a program means it by them.
const HERE: [&str; 4] = ["localhost", "127.0.0.1", "10.0.2.2", "gateway"];

/// What is between a client and its proxy only (RFC 9110, 7.6.1), and what a browser says itself.
const DROPPED: [HeaderName; 6] = [
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHORIZATION,
    header::PROXY_AUTHENTICATE,
    header::HOST,
    header::ACCEPT_ENCODING,
    header::CONTENT_LENGTH,
];

/// Answers with what the world outside says, as far as that is allowed.
pub struct Proxy {
    pub world: World,
    pub fetch: Rc<dyn Fetch>,
    /// The rules of now.
    pub policy: Box<dyn Fn() -> Policy>,
    pub gateway: Rc<Gateway>,
}

impl Answers for Proxy {
    fn answer(&self, mut request: Request<Body>) -> LocalBoxFuture<'static, Response<Body>> {
        if request.method() == Method::CONNECT {
            let target = request.uri().to_string();
            return done(refused_tunnel(&target));
        }
        let Some(target) = target(&request) else {
            let message =
                "The request names no server: its target is not absolute, and it has no Host";
            return done(told(StatusCode::BAD_REQUEST, message, None, None));
        };
        let usual = if target.scheme == Scheme::HTTPS {
            443
        } else {
            80
        };
        let port = target.authority.port_u16().unwrap_or(usual);
        let host = target.authority.host().to_ascii_lowercase();
        if HERE.contains(&host.as_str()) {
            return if port == gateway::PORT {
                self.gateway.answer(request)
            } else {
                let message = format!("Nothing of the gateway's listens at {host}:{port}");
                done(told(StatusCode::FORBIDDEN, &message, None, None))
            };
        }
        if !(self.policy)().allows(&target.scheme, &host, port) {
            return done(refused(&target.scheme, &host, port, port == usual));
        }
        let uri = Uri::builder()
            .scheme(target.scheme)
            .authority(target.authority)
            .path_and_query(
                request
                    .uri()
                    .path_and_query()
                    .map_or("/", |path| path.as_str()),
            )
            .build();
        let Ok(uri) = uri else {
            return done(told(
                StatusCode::BAD_REQUEST,
                "The target is malformed",
                None,
                None,
            ));
        };
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        strip(headers);
        for name in DROPPED {
            headers.remove(name);
        }
        let work = self.fetch.fetch(request);
        let world = Rc::clone(&self.world);
        Box::pin(async move {
            match within(&world, HEAD, work).await {
                Ok(Ok(response)) => as_received(response),
                Ok(Err(unfetched)) => unreached(&host, &unfetched),
                Err(_elapsed) => {
                    let message = format!("{host} did not answer in time");
                    told(StatusCode::GATEWAY_TIMEOUT, &message, None, None)
                }
            }
        })
    }
}

struct Target {
    scheme: Scheme,
    authority: Authority,
}

fn target(request: &Request<Body>) -> Option<Target> {
    let uri = request.uri();
    if let Some(authority) = uri.authority() {
        return Some(Target {
            scheme: uri.scheme().cloned().unwrap_or(Scheme::HTTP),
            authority: authority.clone(),
        });
    }
    let host = request.headers().get(header::HOST)?.to_str().ok()?;
    Some(Target {
        scheme: Scheme::HTTP,
        authority: host.parse().ok()?,
    })
}

/// The browser has undone the content's coding, and counted nothing.
fn as_received(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    if headers.remove(header::CONTENT_ENCODING).is_some() {
        headers.remove(header::CONTENT_LENGTH);
    }
    strip(headers);
    response
}

fn refused(scheme: &Scheme, host: &str, port: u16, is_usual: bool) -> Response<Body> {
    let rule = if is_usual {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    };
    let message = format!("No rule lets programs ask {scheme}://{host}:{port}");
    let hint = format!("Add the rule \"{rule}\" to the virtual machine's outbound list");
    told(StatusCode::FORBIDDEN, &message, Some(&hint), Some(&rule))
}

fn refused_tunnel(target: &str) -> Response<Body> {
    let host = target.split(':').next().unwrap_or_default();
    let message = format!("No tunnel to {target}: a browser opens no TCP connections");
    let hint = format!(
        "Send the request to this proxy in absolute form, as \"GET https://{host}/ HTTP/1.1\": it goes out over TLS"
    );
    told(StatusCode::FORBIDDEN, &message, Some(&hint), None)
}

fn unreached(host: &str, unfetched: &Unfetched) -> Response<Body> {
    let message = format!("The browser got no answer from {host}: {}", unfetched.0);
    let hint = format!(
        "{host} is unreachable, or does not allow other origins to read its answers (CORS); a browser does not tell which"
    );
    told(StatusCode::BAD_GATEWAY, &message, Some(&hint), None)
}

fn told(
    status: StatusCode,
    message: &str,
    hint: Option<&str>,
    rule: Option<&str>,
) -> Response<Body> {
    let mut json = json!({"message": message, "hint": hint});
    if let Some(rule) = rule {
        json["rule"] = rule.into();
    }
    json_response(status, &json)
}

fn done(response: Response<Body>) -> LocalBoxFuture<'static, Response<Body>> {
    Box::pin(std::future::ready(response))
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Proxy")
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use futures::StreamExt as _;
    use port::peer::Lost;

    use super::*;
    use crate::testing::Stage;

    /// A browser for which `down.example.com` is down; it tells others back.
    struct FakeFetch;

    impl Fetch for FakeFetch {
        fn fetch(
            &self,
            request: Request<Body>,
        ) -> LocalBoxFuture<'static, Result<Response<Body>, Unfetched>> {
            let mut text = format!("{} {}", request.method(), request.uri());
            for (name, value) in request.headers() {
                text = format!("{text} {name}={}", value.to_str().unwrap());
            }
            let answer = if request.uri().host() == Some("down.example.com") {
                Err(Unfetched("Failed to fetch".to_owned()))
            } else {
                let response = Response::builder()
                    .header("content-encoding", "gzip")
                    .header("content-length", "3")
                    .body(Body::from(text));
                Ok(response.unwrap())
            };
            Box::pin(std::future::ready(answer))
        }
    }

    struct Echo;

    impl gateway::Router for Echo {
        fn request(
            &self,
            request: Request<Body>,
        ) -> LocalBoxFuture<'static, Result<Response<Body>, Lost>> {
            let text = format!("the gateway {}", request.uri());
            Box::pin(std::future::ready(Ok(Response::new(Body::from(text)))))
        }
    }

    fn check(method: &str, uri: &str, host: &str, expected: Expect) {
        let mut stage = Stage::new();
        let rules = [
            "*.example.com".to_owned(),
            "http://plain.org:8080".to_owned(),
        ];
        let proxy = Proxy {
            world: stage.world(),
            fetch: Rc::new(FakeFetch),
            policy: Box::new(move || Policy::new(&rules)),
            gateway: Rc::new(Gateway(Rc::new(Echo))),
        };
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("host", host)
            .header("x-gateway-app", "forged")
            .header("proxy-connection", "keep-alive")
            .header("accept", "*/*");
        let answer = proxy.answer(request.body(Body::empty()).unwrap());
        let text = stage.run(async move {
            let (head, mut body) = answer.await.into_parts();
            let mut text = format!("{}", head.status.as_u16());
            if head.headers.contains_key("content-encoding") {
                text.push_str(" encoded");
            }
            while let Some(chunk) = body.next().await {
                text = format!("{text} {}", String::from_utf8_lossy(&chunk.unwrap()));
            }
            text
        });
        expected.assert_eq(&text);
    }

    #[test]
    fn what_is_allowed_goes_out() {
        check(
            "GET",
            "http://api.example.com/a?b",
            "x",
            expect!["200 GET http://api.example.com/a?b accept=*/*"],
        );
        check(
            "POST",
            "https://api.example.com/",
            "x",
            expect!["200 POST https://api.example.com/ accept=*/*"],
        );
        check(
            "GET",
            "/a",
            "api.example.com",
            expect!["200 GET http://api.example.com/a accept=*/*"],
        );
        check(
            "GET",
            "http://plain.org:8080/",
            "x",
            expect!["200 GET http://plain.org:8080/ accept=*/*"],
        );
        check(
            "GET",
            "http://plain.org/",
            "x",
            expect![[
                r#"403 {"message":"No rule lets programs ask http://plain.org:80","hint":"Add the rule \"plain.org\" to the virtual machine's outbound list","rule":"plain.org"}"#
            ]],
        );
        check(
            "GET",
            "http://example.com/",
            "x",
            expect![[
                r#"403 {"message":"No rule lets programs ask http://example.com:80","hint":"Add the rule \"example.com\" to the virtual machine's outbound list","rule":"example.com"}"#
            ]],
        );
        check(
            "GET",
            "https://evil.org:8443/",
            "x",
            expect![[
                r#"403 {"message":"No rule lets programs ask https://evil.org:8443","hint":"Add the rule \"evil.org:8443\" to the virtual machine's outbound list","rule":"evil.org:8443"}"#
            ]],
        );
        check(
            "GET",
            "http://down.example.com/",
            "x",
            expect![[
                r#"502 {"message":"The browser got no answer from down.example.com: Failed to fetch","hint":"down.example.com is unreachable, or does not allow other origins to read its answers (CORS); a browser does not tell which"}"#
            ]],
        );
        check(
            "CONNECT",
            "api.example.com:443",
            "x",
            expect![[
                r#"403 {"message":"No tunnel to api.example.com:443: a browser opens no TCP connections","hint":"Send the request to this proxy in absolute form, as \"GET https://api.example.com/ HTTP/1.1\": it goes out over TLS"}"#
            ]],
        );
        check(
            "GET",
            "http://localhost:5173/rest/v1/",
            "x",
            expect!["200 the gateway http://localhost:5173/rest/v1/"],
        );
        check(
            "GET",
            "http://localhost:5432/",
            "x",
            expect![[
                r#"403 {"message":"Nothing of the gateway's listens at localhost:5432","hint":null}"#
            ]],
        );
        check(
            "GET",
            "/",
            "a b",
            expect![[
                r#"400 {"message":"The request names no server: its target is not absolute, and it has no Host","hint":null}"#
            ]],
        );
    }
}
