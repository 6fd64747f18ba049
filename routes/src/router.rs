//! The router: a request to the part that answers it.

use http::{HeaderValue, Request, Response, StatusCode, header};

use crate::{
    ApiError, Body, World, cors,
    table::{self, Endpoint},
};

/// Everything that answers requests, for every project.
#[derive(Debug)]
pub struct Router<W> {
    world: W,
}

impl<W: World> Router<W> {
    pub const fn new(world: W) -> Self {
        Self { world }
    }

    /// What the router asks for time, randomness and databases.
    pub const fn world(&self) -> &W {
        &self.world
    }

    /// The database of `project` answers from now on. What it notified before now was missed.
    pub fn connected(&self, _project: &str) {}

    /// Postgres notified in the database of `project`.
    pub fn notified(&self, _project: &str, _channel: &str, _payload: &str) {}

    /// Answers a request; never fails.
    #[expect(
        clippy::unused_async,
        reason = "the parts that follow wait for their databases"
    )]
    pub async fn handle(&self, request: Request<Body>) -> Response<Body> {
        if let Some(response) = cors::preflight(&request) {
            return allow(None, response);
        }
        let origin = request.headers().get(header::ORIGIN).cloned();
        let response = route(&request);
        allow(origin.as_ref(), response)
    }
}

fn route(request: &Request<Body>) -> Response<Body> {
    let path = request.uri().path();
    let endpoint = table::find(path).map_or(Endpoint::Unknown, |route| route.endpoint);
    let refused = match endpoint {
        Endpoint::Health => return health(),
        Endpoint::Unknown => ApiError::new(
            StatusCode::NOT_FOUND,
            "GW404",
            format!("No API answers {path}"),
        ),
        Endpoint::Rest
        | Endpoint::GraphQl
        | Endpoint::Auth
        | Endpoint::Storage
        | Endpoint::Functions
        | Endpoint::Realtime
        | Endpoint::App
        | Endpoint::Query
        | Endpoint::Status => ApiError::new(
            StatusCode::NOT_IMPLEMENTED,
            "GW501",
            format!("{path} is not answered yet"),
        ),
    };
    refused.into_response()
}

fn health() -> Response<Body> {
    let mut response = Response::new(Body::from(r#"{"status":"ok"}"#.to_owned()));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    response
}

fn allow(origin: Option<&HeaderValue>, mut response: Response<Body>) -> Response<Body> {
    cors::allow(origin, None, response.headers_mut());
    response
}
