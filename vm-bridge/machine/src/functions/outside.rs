//! What a function's `fetch` reaches: the gateway, and elsewhere as far as the project allows it.

use std::{fmt, rc::Rc};

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, header,
    uri::{Authority, Scheme},
};
use port::peer::Body;

use super::account::{Account, Call, Line, Place, RATE};
use crate::{
    functions::Level,
    gateway::{PORT, Router, strip},
    outbound::{Fetch, Policy},
    surroundings::{Milliseconds, World, within},
};

/// For a server's head.
const HEAD: Milliseconds = 150_000;

/// What a browser says itself, or what belongs to one connection only (RFC 9110, 7.6.1).
const DROPPED: [HeaderName; 8] = [
    header::HOST,
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::ACCEPT_ENCODING,
    header::CONTENT_LENGTH,
];

/// The header that ties a call of the database to the request it was made for.
const TRACE: HeaderName = HeaderName::from_static("x-gateway-trace");
/// The role that the database was asked as, in its answer: empty where the token proved nobody.
const ROLE: HeaderName = HeaderName::from_static("x-gateway-role");

/// On whose behalf a function asks.
#[derive(Debug, Clone, Default)]
pub(super) struct Caller {
    pub(super) authorization: Option<HeaderValue>,
    pub(super) trace: String,
    pub(super) execution_id: String,
}

/// The world around the isolates.
pub(super) struct Outside {
    pub(super) world: World,
    pub(super) router: Rc<dyn Router>,
    pub(super) fetch: Rc<dyn Fetch>,
    /// The rules of now.
    pub(super) policy: Box<dyn Fn() -> Policy>,
}

impl Outside {
    /// Asks for a function. `homes` are the origins that the function knows the gateway by. An error is
    /// what its `fetch` rejects with.
    pub(super) async fn ask(
        &self,
        account: &Rc<Account>,
        place: &Place,
        homes: &[Origin],
        caller: Option<&Caller>,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, String> {
        let begun = self.world.now();
        let method = request.method().clone();
        let origin = Origin::of(request.uri()).ok_or_else(|| {
            format!(
                "Only http: and https: can be fetched, not {}",
                request.uri()
            )
        })?;
        let headers = request.headers_mut();
        strip(headers);
        for name in DROPPED {
            headers.remove(name);
        }
        let is_home = origin.is_here() || homes.contains(&origin);
        // A query may have what is nobody's business.
        let shown = if is_home {
            request.uri().path().to_owned()
        } else {
            format!("{origin}{}", request.uri().path())
        };
        let mut call = None;
        let answer = if is_home {
            let path = request.uri().path().to_owned();
            let answer = self.home(caller, request).await;
            // What has no answer may have reached the database all the same.
            let role = answer
                .as_ref()
                .map_or(Some(""), |(_, role)| role.as_deref());
            call = role.map(|role| Call {
                method: method.to_string(),
                path,
                role: Some(role.to_owned()).filter(|role| !role.is_empty()),
            });
            answer.map(|(response, _)| response)
        } else {
            self.elsewhere(account, &origin, request).await
        };
        let (status, message) = match &answer {
            Ok(response) => (
                Some(response.status().as_u16()),
                format!("{method} {shown}"),
            ),
            Err(reason) => (None, format!("{method} {shown}: {reason}")),
        };
        let level = answer.as_ref().map_or(Level::Warn, |_| Level::Info);
        account.note(
            place,
            Line {
                event: "fetch",
                level: Some(level),
                message,
                status,
                ms: Some(self.world.now() - begun),
                call,
                ..Line::default()
            },
        );
        answer
    }

    /// Asks the gateway, as a program in the virtual machine does. With the answer comes, where the database
    /// gave it, as whom it was asked.
    async fn home(
        &self,
        caller: Option<&Caller>,
        mut request: Request<Body>,
    ) -> Result<(Response<Body>, Option<String>), String> {
        let target = request.uri().path_and_query();
        let target = target.map_or("/", |target| target.as_str());
        let uri = format!("http://localhost:{PORT}{target}").parse();
        *request.uri_mut() = uri.map_err(|error: http::uri::InvalidUri| error.to_string())?;
        speak_for(caller, request.headers_mut());
        let mut response = self
            .router
            .request(request)
            .await
            .map_err(|lost| format!("The gateway did not answer: {lost}"))?;
        let role = response.headers().get(ROLE);
        let role = role.map(|role| String::from_utf8_lossy(role.as_bytes()).into_owned());
        strip(response.headers_mut());
        Ok((response, role))
    }

    async fn elsewhere(
        &self,
        account: &Account,
        origin: &Origin,
        request: Request<Body>,
    ) -> Result<Response<Body>, String> {
        let policy = (self.policy)();
        let (scheme, host, port) = (&origin.scheme, origin.host.as_str(), origin.port);
        let allowed = if *scheme == Scheme::HTTPS {
            policy.allows(scheme, host, port)
        } else {
            policy.names(scheme, host, port)
        };
        if !allowed {
            let rule = origin.rule();
            return Err(format!(
                "No rule lets functions ask {origin}: add \"{rule}\" to the project's outbound list"
            ));
        }
        if !account.may_ask() {
            return Err(format!("More than {RATE} requests a minute to elsewhere"));
        }
        let answer = within(&self.world, HEAD, self.fetch.fetch(request)).await;
        let mut response = answer
            .map_err(|_elapsed| format!("{host} did not answer in time"))?
            .map_err(|unfetched| {
                format!(
                    "No answer from {host}: {}. It is unreachable, or does not let other origins read its answers (CORS); a browser does not tell which",
                    unfetched.0
                )
            })?;
        let headers = response.headers_mut();
        if headers.remove(header::CONTENT_ENCODING).is_some() {
            headers.remove(header::CONTENT_LENGTH);
        }
        strip(headers);
        Ok(response)
    }
}

/// A call of the gateway without an identity of its own has that of whoever asked the function. Where it is
/// not known who that is, it still says that a function calls.
fn speak_for(caller: Option<&Caller>, headers: &mut HeaderMap) {
    let authorization = caller.and_then(|caller| caller.authorization.as_ref());
    if let Some(authorization) = authorization
        && !headers.contains_key(header::AUTHORIZATION)
    {
        headers.insert(header::AUTHORIZATION, authorization.clone());
    }
    let trace = caller.map_or("", |caller| &caller.trace);
    if let Ok(trace) = HeaderValue::from_str(trace) {
        headers.insert(TRACE, trace);
    }
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: Scheme,
    host: String,
    port: u16,
}

impl Origin {
    /// That of an absolute URL of HTTP's.
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        let scheme = uri.scheme()?;
        let usual = usual(scheme)?;
        let authority: &Authority = uri.authority()?;
        Some(Self {
            scheme: scheme.clone(),
            host: authority.host().to_ascii_lowercase(),
            port: authority.port_u16().unwrap_or(usual),
        })
    }

    /// That of a text.
    pub(super) fn read(url: &str) -> Option<Self> {
        Self::of(&url.parse().ok()?)
    }

    /// Whether the gateway is known by it everywhere.
    fn is_here(&self) -> bool {
        self.port == PORT && matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "gateway")
    }

    /// The rule that would allow it.
    fn rule(&self) -> String {
        if self.scheme == Scheme::HTTPS && self.port == 443 {
            self.host.clone()
        } else {
            self.to_string()
        }
    }
}

fn usual(scheme: &Scheme) -> Option<u16> {
    if *scheme == Scheme::HTTPS {
        Some(443)
    } else if *scheme == Scheme::HTTP {
        Some(80)
    } else {
        None
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.scheme, self.host)?;
        if usual(&self.scheme) == Some(self.port) {
            Ok(())
        } else {
            write!(formatter, ":{}", self.port)
        }
    }
}

impl fmt::Debug for Outside {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Outside")
    }
}
