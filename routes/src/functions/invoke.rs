//! Calls of functions, to whoever runs them and back.
//!
//! What a function sees: the path without what is before its name; `Host` and `X-Forwarded-…` as the
//! client has them; `Authorization` by the identity rule ([`identity`]): never the `service_role`'s where
//! it was not sent, never the secret key.
//!
//! What its clients see: its answer, with the headers that Supabase's have beside it, and
//! `x-gateway-function-host`: `isolate` or `vm`. Where a function does not answer, the words of
//! `supabase functions serve`.
//!
//! Source: supabase/cli, `functions/serve/templates/main.ts`; for the deadline, the hosted platform.

use std::rc::Rc;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
    request::Parts,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Function, Memory, environment, error::FunctionError, logs::parameters};
use crate::{
    ApiError, Body, World,
    apps::{
        self,
        app::{ascii, prefix},
        error::unavailable,
        traffic::{
            encoding,
            headers::{strip_hop_by_hop, strip_of_the_origin},
            identity, origin,
            request::{FORWARDED, climbs},
        },
    },
    cors,
    project::Project,
    router::{Guest, Sender, Tunnel, json_response},
    vm::worker::{self, Worker, strip_own},
};

/// The path behind the functions' own that says whether they are there at all, in parts.
const HEALTH: [&str; 3] = ["", "_internal", "health"];

/// What whoever runs functions has to know of this one.
const FUNCTION: &str = "x-gateway-function";
/// Which call led to this one.
const TRACE: &str = "x-gateway-trace";
/// Where the answer was made, as whoever runs functions says it and as clients are told.
const HOST: &str = "x-gateway-host";
const TOLD_HOST: HeaderName = HeaderName::from_static("x-gateway-function-host");
/// The isolate that answered, likewise.
const EXECUTION: &str = "x-gateway-execution-id";
const TOLD_EXECUTION: HeaderName = HeaderName::from_static("x-deno-execution-id");
const TOLD_TRACE: HeaderName = HeaderName::from_static("sb-request-id");
const TOLD_REGION: HeaderName = HeaderName::from_static("x-sb-edge-region");
const TOLD_SERVER: HeaderName = HeaderName::from_static("x-served-by");
const SERVER: HeaderValue = HeaderValue::from_static("supabase-edge-runtime");
/// The code of a failure, beside its body.
const ERROR_CODE: HeaderName = HeaderName::from_static("sb-error-code");
/// functions-js makes a `FunctionsRelayError` of an answer with it: no function was reached.
const RELAY_ERROR: HeaderName = HeaderName::from_static("x-relay-error");
/// What scripts of other origins may read beside what they may read of every API.
const EXPOSED: &str = "sb-request-id, sb-error-code, x-deno-execution-id, x-sb-edge-region, \
                       x-served-by, x-relay-error, x-gateway-function-host";

/// A call that may go on to its function.
struct Call<W> {
    world: Rc<W>,
    project: Rc<Project>,
    function: Rc<Function>,
    /// The virtual machine's settings.
    vm: String,
    /// Of the function's environment.
    environment: String,
    /// From the name on.
    target: String,
    origin: String,
    execution: Uuid,
    trace: Uuid,
}

/// Why a call goes no further.
enum Stop {
    Response(Response<Body>),
    Error(FunctionError),
}

impl From<FunctionError> for Stop {
    fn from(error: FunctionError) -> Self {
        Self::Error(error)
    }
}

/// Answers a call whose path behind the functions' own is `path`: empty, or from a `/` on.
pub async fn handle<W: World + 'static>(
    world: Rc<W>,
    (memory, apps): (&Memory, &apps::Memory),
    project: Rc<Project>,
    path: &str,
    request: Request<Body>,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let mut response = match find(&world, memory, apps, &project, path, &head).await {
        Err(Stop::Response(response)) => response,
        Err(Stop::Error(error)) => ApiError::from(error).into_response(),
        Ok(call) => {
            let inside = call.request(apps, &head).await;
            let request = Request::from_parts(inside, body);
            let worker = Worker::new(&*call.world, &call.project.name, &call.vm);
            let response = match worker.send(request, true).await {
                Err(error) => {
                    let mut response = unavailable(&error).into_response();
                    let value = HeaderValue::from_static("true");
                    response.headers_mut().insert(RELAY_ERROR, value);
                    response
                }
                Ok(response) => call.receive(&head, response).await,
            };
            call.told(response)
        }
    };
    let headers = response.headers_mut();
    if !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
        && let Ok(exposed) = HeaderValue::from_str(&format!("{}, {EXPOSED}", cors::EXPOSED))
    {
        headers
            .entry(header::ACCESS_CONTROL_EXPOSE_HEADERS)
            .or_insert(exposed);
    }
    response
}

/// Where a WebSocket to a function leads. Browsers let a page give it no headers; in the place of
/// `Authorization` and `apikey` stand what Supabase's guide has for functions that look themselves: `jwt` in
/// the query, a protocol `jwt-…`, or `apikey` in the query, as for Realtime.
pub async fn tunnel<W: World + 'static>(
    world: Rc<W>,
    (memory, apps): (&Memory, &apps::Memory),
    project: Rc<Project>,
    path: &str,
    head: &Parts,
) -> Result<Tunnel, ApiError> {
    let head = &with_token(head);
    let call = match find(&world, memory, apps, &project, path, head).await {
        Ok(call) => call,
        Err(Stop::Error(error)) => return Err(error.into()),
        Err(Stop::Response(response)) => {
            let status = response.status();
            let body = response.into_body().collect(usize::MAX).await;
            let text = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
            let code = format!("GW{}", status.as_u16());
            return Err(ApiError::new(status, code, text));
        }
    };
    let mut request = Request::from_parts(call.request(apps, head).await, Body::Empty);
    if let Ok(settings) = HeaderValue::from_str(&call.vm) {
        request.headers_mut().insert(worker::SETTINGS, settings);
    }
    Ok(Tunnel {
        project: call.project.name.clone(),
        request,
    })
}

/// The head of a WebSocket's request with the headers that its page could not give it.
fn with_token(head: &Parts) -> Parts {
    let mut told = head.clone();
    let protocols = head.headers.get(header::SEC_WEBSOCKET_PROTOCOL);
    let protocols = protocols.and_then(|protocols| protocols.to_str().ok());
    let protocol = protocols.unwrap_or_default().split(',');
    let protocol = protocol.filter_map(|name| name.trim().strip_prefix("jwt-"));
    let asked = |wanted| {
        let mut asked = parameters(head).filter(move |(name, _)| *name == wanted);
        asked.find_map(|(_, value)| Some(value).filter(|value| !value.is_empty()))
    };
    let token = asked("jwt").or_else(|| protocol.map(str::to_owned).next());
    let bearer = token.map(|token| format!("Bearer {token}"));
    for (name, value) in [
        (header::AUTHORIZATION, bearer),
        (HeaderName::from_static("apikey"), asked("apikey")),
    ] {
        let value = value.and_then(|value| HeaderValue::from_str(&value).ok());
        if let Some(value) = value {
            told.headers.entry(name).or_insert(value);
        }
    }
    told
}

async fn find<W: World + 'static>(
    world: &Rc<W>,
    memory: &Memory,
    apps: &apps::Memory,
    project: &Rc<Project>,
    path: &str,
    head: &Parts,
) -> Result<Call<W>, Stop> {
    if path.split('/').eq(HEALTH) {
        let body = json!({"message": "ok"});
        return Err(Stop::Response(answer(StatusCode::OK, &body)));
    }
    let target = path.trim_start_matches('/');
    let name = target.split('/').next().unwrap_or_default();
    let known = match memory.get(&**world, &project.name).await {
        Err(FunctionError::NoTable) => return Err(Stop::Response(not_found())),
        known => known?,
    };
    let function = known.by_name.get(name).filter(|_| path.starts_with('/'));
    let Some(function) = function.filter(|_| !climbs(path) && !path.starts_with("//")) else {
        return Err(Stop::Response(not_found()));
    };
    if function.settings.verify_jwt
        && head.method != Method::OPTIONS
        && let Err(refused) = verify(&**world, project, &head.headers)
    {
        let body = json!({"msg": refused});
        return Err(Stop::Response(answer(StatusCode::UNAUTHORIZED, &body)));
    }
    let vm = apps.get(&**world, &project.name).await;
    let vm = vm.map_err(FunctionError::from)?.vm.clone();
    let trace = head.headers.get(TRACE).filter(|_| {
        // Only whoever runs functions is believed.
        head.extensions.get::<Guest>().is_some()
    });
    let trace = trace.and_then(|trace| Uuid::parse_str(trace.to_str().ok()?).ok());
    Ok(Call {
        environment: environment::hash(&environment::own(&**world, project), &known),
        world: Rc::clone(world),
        project: Rc::clone(project),
        function: Rc::clone(function),
        vm,
        target: match head.uri.query() {
            Some(query) => format!("{target}?{query}"),
            None => target.to_owned(),
        },
        origin: origin(&**world, head),
        execution: uuid(&**world),
        trace: trace.unwrap_or_else(|| uuid(&**world)),
    })
}

fn uuid(world: &impl World) -> Uuid {
    let mut random = [0; 16];
    world.random(&mut random);
    uuid::Builder::from_random_bytes(random).into_uuid()
}

/// Whether a call has a token of this project's; else what is said to whoever has none. Keys stand for
/// tokens as on every other path, the secret key too: it proves more than a token asks for.
fn verify(world: &impl World, project: &Project, headers: &HeaderMap) -> Result<(), &'static str> {
    const MISSING: &str = "Error: Missing authorization header";
    const SCHEME: &str = "Error: Auth header is not 'Bearer {token}'";
    const INVALID: &str = "Invalid JWT";
    let sent = headers.get(header::AUTHORIZATION);
    let sent = sent.filter(|sent| !sent.as_bytes().starts_with(b"Bearer sb_"));
    let token = match sent {
        None => match project.bearer(headers) {
            Some(token) => token,
            None if headers.contains_key(header::AUTHORIZATION) => return Err(INVALID),
            None => return Err(MISSING),
        },
        Some(sent) => {
            let mut parts = sent.as_bytes().split(|byte| *byte == b' ');
            match (parts.next(), parts.next(), parts.next()) {
                (Some(b""), None, None) => return Err(MISSING),
                (Some(b"Bearer"), Some(token), None) if !token.is_empty() => token,
                _ => return Err(SCHEME),
            }
        }
    };
    match project.verifier.identify(Some(token), world.now()) {
        Ok(_) => Ok(()),
        Err(_) => Err(INVALID),
    }
}

impl<W: World + 'static> Call<W> {
    /// The head of the request as whoever runs functions gets it.
    async fn request(&self, apps: &apps::Memory, head: &Parts) -> Parts {
        let mut request = Request::new(());
        *request.method_mut() = head.method.clone();
        // It was part of one before, so it is one.
        let uri: Uri = format!("/functions/{}", self.target)
            .parse()
            .unwrap_or_default();
        *request.uri_mut() = uri;
        let (mut inside, ()) = request.into_parts();
        inside.headers = head.headers.clone();
        let headers = &mut inside.headers;
        strip_own(headers);
        strip_hop_by_hop(headers);
        identity::strip_secret(&self.project, headers);
        for name in FORWARDED {
            headers.remove(name);
        }
        let (scheme, host) = self
            .origin
            .split_once("://")
            .unwrap_or(("http", "localhost"));
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(header::HOST, host);
        set(HeaderName::from_static("x-forwarded-host"), host);
        set(HeaderName::from_static("x-forwarded-proto"), scheme);
        // Whoever asks is a page of this browser, or a client of this machine.
        set(HeaderName::from_static("x-forwarded-for"), "127.0.0.1");
        if head.extensions.get::<Sender>().is_some() {
            // A page gets what a service worker answers without decoding it.
            set(header::ACCEPT_ENCODING, "identity");
        }
        set(HeaderName::from_static(FUNCTION), &self.spec());
        let authorization =
            identity::authorization(&*self.world, apps, &self.project, head, &self.origin).await;
        match authorization {
            Some(authorization) => headers.insert(header::AUTHORIZATION, authorization),
            None => headers.remove(header::AUTHORIZATION),
        };
        inside
    }

    /// What whoever runs functions has to know, in ASCII, so that a header can carry it.
    fn spec(&self) -> String {
        let Function {
            name,
            version,
            settings,
            ..
        } = &*self.function;
        let active = self.function.active();
        let spec = json!({
            "name": name,
            "version": version,
            "sha256": active.map(|version| &version.bundle.sha256),
            "env": self.environment,
            "host": settings.host,
            "limits": settings.limits,
            "execution_id": self.execution.to_string(),
            "trace": self.trace.to_string(),
            "url": format!("{}{}", self.origin, prefix(&self.project.name)),
        });
        ascii(&spec.to_string())
    }

    /// The function's answer as its client gets it.
    async fn receive(&self, head: &Parts, response: Response<Body>) -> Response<Body> {
        let mut response = match worker::told(response).await {
            Ok((code, body)) => return self.failed(&code, &body),
            Err(response) => response,
        };
        let headers = response.headers_mut();
        let told = [(HOST, TOLD_HOST), (EXECUTION, TOLD_EXECUTION)];
        let told = told.map(|(from, to)| (to, headers.get(from).cloned()));
        strip_own(headers);
        strip_hop_by_hop(headers);
        strip_of_the_origin(headers);
        for (name, value) in told {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
        let has_body = head.method != Method::HEAD
            && !matches!(
                response.status(),
                StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT | StatusCode::PARTIAL_CONTENT
            );
        if !has_body || head.extensions.get::<Sender>().is_none() {
            return response;
        }
        // What is packed in a way that is not known here is the client's to unpack.
        encoding::decode(response).unwrap_or_else(|response| response)
    }

    /// What is said where the function did not answer.
    fn failed(&self, code: &str, body: &Value) -> Response<Body> {
        let message = body.get("message").and_then(Value::as_str);
        let message = message.unwrap_or("There was no reason given");
        let fail = |status: u16, code: &str, message: &str| {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = answer(status, &json!({"code": code, "message": message}));
            if let Ok(code) = HeaderValue::from_str(code) {
                response.headers_mut().insert(ERROR_CODE, code);
            }
            response
        };
        let later = |mut response: Response<Body>| {
            let value = HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, value);
            response
        };
        match code {
            "boot-error" => fail(
                503,
                "BOOT_ERROR",
                "Worker failed to boot (please check logs)",
            ),
            "worker-error" => fail(
                500,
                "WORKER_ERROR",
                "Function exited due to an error (please check logs)",
            ),
            "worker-limit" => fail(
                546,
                "WORKER_LIMIT",
                "Worker failed to respond due to a resource limit (please check logs)",
            ),
            "timeout" => {
                let seconds = f64::from(self.function.settings.limits.timeout_ms) / 1000.0;
                let message = format!("Request idle timeout limit ({seconds}s) reached");
                fail(504, "IDLE_TIMEOUT", &message)
            }
            "function-missing" => not_found(),
            "queue-full" => later(fail(
                503,
                "WORKER_QUEUE_FULL",
                "Too many requests wait for this function",
            )),
            "vm-failed" => later(fail(503, "VM_UNAVAILABLE", message)),
            "invalid" => fail(400, "INVALID_REQUEST", message),
            _ => {
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                let body = json!({
                    "code": "Internal Server Error",
                    "message": "Request failed due to an internal server error",
                    "trace": json!(message).to_string(),
                });
                answer(status, &body)
            }
        }
    }

    /// An answer with the headers that Supabase's have.
    fn told(&self, mut response: Response<Body>) -> Response<Body> {
        let headers = response.headers_mut();
        let mut set = |name, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(TOLD_TRACE, &self.trace.to_string());
        set(TOLD_REGION, super::REGION);
        headers.insert(TOLD_SERVER, SERVER);
        if !headers.contains_key(TOLD_EXECUTION)
            && let Ok(execution) = HeaderValue::from_str(&self.execution.to_string())
        {
            headers.insert(TOLD_EXECUTION, execution);
        }
        response
    }
}

fn not_found() -> Response<Body> {
    let mut response = Response::new(Body::from("Function not found".to_owned()));
    *response.status_mut() = StatusCode::NOT_FOUND;
    let text = HeaderValue::from_static("text/plain");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

/// JSON with the media type that Supabase's answers have.
fn answer(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = json_response(status, body.clone());
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
