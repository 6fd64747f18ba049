//! What an endpoint has before it begins: the request's head, the project, its rows and its bytes.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{StorageError, settings::Settings, sql, table::Route};
use crate::{
    Body, World,
    blobs::{BlobId, Blobs},
    database::{Database, DatabaseError, Session, Statement},
    identity::Identity,
    project::Project,
    router::json_response,
    wire::{PgError, StatementResult},
};

/// The largest JSON body of a request.
const LARGEST_BODY: usize = 1024 * 1024;

/// The role that storage-api's server is for whatever it does in its own name.
const SERVICE_ROLE: &str = "service_role";
const SEARCH_PATH: &str = "storage, public, extensions";

/// Who asks, as its token says.
#[derive(Debug, Clone)]
pub struct Caller {
    pub identity: Identity,
    /// `sub` of the token: who will own what is stored.
    pub owner: Option<String>,
    /// Whether there was a valid token at all.
    pub is_authenticated: bool,
}

/// One request to Storage.
#[derive(Debug)]
pub struct Context<'a, W> {
    pub world: &'a W,
    pub project: &'a Project,
    pub settings: &'a Settings,
    pub head: &'a Parts,
    /// The path behind the API's prefix, as it was sent.
    pub path: &'a str,
    pub route: Route,
    /// What policies see as `storage.operation()`.
    operation: String,
}

/// What several statements answered, each as somebody; see [`Context::ask`].
#[derive(Debug)]
pub struct Asked {
    results: std::vec::IntoIter<StatementResult>,
    failure: Option<Box<PgError>>,
}

impl<'a, W: World> Context<'a, W> {
    pub fn new(
        world: &'a W,
        project: &'a Project,
        head: &'a Parts,
        path: &'a str,
        route: Route,
    ) -> Self {
        Self {
            world,
            project,
            settings: &project.config.storage,
            head,
            path,
            operation: route.endpoint.operation(),
            route,
        }
    }

    /// The same request, known to policies under another name.
    #[must_use]
    pub fn named(&self, operation: &str) -> Self {
        Self {
            world: self.world,
            project: self.project,
            settings: self.settings,
            head: self.head,
            path: self.path,
            operation: operation.to_owned(),
            route: self.route.clone(),
        }
    }

    /// Who asks; a request without a token, or with one that is not valid, is refused.
    pub fn caller(&self) -> Result<Caller, StorageError> {
        self.route.check(self.path)?;
        let bearer = self.project.bearer(self.headers());
        if bearer.is_none_or(<[u8]>::is_empty) {
            return Err(StorageError::malformed(
                "headers must have required property 'authorization'",
            ));
        }
        let identity = self.project.identify(self.headers(), self.world.now())?;
        let owner = identity.claims.get("sub").and_then(Value::as_str);
        Ok(Caller {
            owner: owner.filter(|owner| !owner.is_empty()).map(str::to_owned),
            identity,
            is_authenticated: true,
        })
    }

    /// Who asks, where nobody has to be somebody: without a valid token, `anon`.
    pub fn anyone(&self) -> Result<Caller, StorageError> {
        self.route.check(self.path)?;
        Ok(self.caller().unwrap_or_else(|_nobody| Caller {
            identity: of_role("anon"),
            owner: None,
            is_authenticated: false,
        }))
    }

    /// The project's database; statements run in one of the two sessions below.
    pub fn database(&self) -> Database<'a, W> {
        Database::new(self.world, &self.project.name)
    }

    /// As who asks: row-level security decides.
    pub fn as_caller(&self, caller: &Caller) -> Session {
        let session = Session::of_caller(&caller.identity, &self.project.config, SEARCH_PATH);
        self.with_request(session)
    }

    /// As the server itself, past row-level security.
    pub fn as_server(&self) -> Session {
        let session = Session::of_caller(&of_role(SERVICE_ROLE), &self.project.config, SEARCH_PATH);
        self.with_request(session)
    }

    /// What policies and triggers may ask about the request.
    fn with_request(&self, session: Session) -> Session {
        let headers: Map<String, Value> = self
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.into())))
            .collect();
        session
            .with("request.method", self.head.method.as_str())
            .with("request.path", self.path)
            .with("request.headers", Value::Object(headers).to_string())
            .with("storage.operation", &*self.operation)
            .with("storage.allow_delete_query", "true")
    }

    /// Runs statements in one exchange, each as somebody, and takes back whatever they did.
    pub async fn ask(&self, steps: &[(&Session, Statement)]) -> Result<Asked, DatabaseError> {
        let rehearsal = self.database().rehearse(steps).await?;
        Ok(Asked {
            results: rehearsal.results.into_iter(),
            failure: rehearsal.failure,
        })
    }

    /// The project's blobs.
    pub fn blobs(&self) -> Result<Blobs, StorageError> {
        let files = self.world.files(&self.project.name);
        let missing = || StorageError::internal("There is no place for files here");
        files.map(Blobs::new).ok_or_else(missing)
    }

    /// A name for a new version of an object.
    pub fn new_version(&self) -> BlobId {
        let mut bytes = [0; 16];
        self.world.random(&mut bytes);
        BlobId::random(bytes)
    }

    pub fn headers(&self) -> &'a HeaderMap {
        &self.head.headers
    }

    /// A header's text; `None` where it is absent or no text.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// Whether what is there may be replaced.
    pub fn is_upsert(&self) -> bool {
        self.header("x-upsert") == Some("true")
    }

    /// The first parameter of this name in the query string, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.head.uri.query()?;
        let decode = |text: &str| {
            let text = text.replace('+', " ");
            percent_decode_str(&text).decode_utf8_lossy().into_owned()
        };
        query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(key, _)| decode(key) == name)
            .map(|(_, value)| decode(value))
    }

    /// The body as JSON; a small one, and none is an empty object.
    pub async fn json<T: DeserializeOwned>(&self, body: Body) -> Result<T, StorageError> {
        let bytes = body.collect(LARGEST_BODY).await?;
        let bytes = if bytes.is_empty() {
            Bytes::from_static(b"{}")
        } else {
            bytes
        };
        let value: Value = serde_json::from_slice(&bytes).map_err(|_not_json| {
            StorageError::malformed(
                "Body is not valid JSON but content-type is set to 'application/json'",
            )
        })?;
        serde_json::from_value(value).map_err(|error| shape(&error.to_string()))
    }
}

/// Who is nothing but a role.
fn of_role(role: &str) -> Identity {
    let mut claims = Map::new();
    claims.insert("role".to_owned(), role.into());
    Identity {
        role: role.to_owned(),
        claims,
    }
}

/// What is wrong with a body, in the words of the server's schema validator.
fn shape(error: &str) -> StorageError {
    let field = error.split('`').nth(1);
    StorageError::malformed(match field {
        Some(field) if error.starts_with("missing field") => {
            format!("body must have required property '{field}'")
        }
        _ => format!("body {error}"),
    })
}

impl Asked {
    /// The rows of the next statement.
    pub fn rows(&mut self) -> Result<StatementResult, StorageError> {
        match self.results.next() {
            Some(result) => Ok(result),
            None => Err(self.failure()),
        }
    }

    /// The next statement's first row as a value; see [`sql::value`].
    pub fn value<T: DeserializeOwned>(&mut self) -> Result<Option<T>, StorageError> {
        Ok(sql::value(&self.rows()?))
    }

    /// The failure of a statement, if one failed.
    pub fn check(mut self) -> Result<(), StorageError> {
        match self.failure {
            None => Ok(()),
            Some(_) => Err(self.failure()),
        }
    }

    fn failure(&mut self) -> StorageError {
        match self.failure.take() {
            Some(error) => (*error).into(),
            None => StorageError::internal("a statement was not answered"),
        }
    }
}

/// 200 with a JSON body.
pub fn json(body: Value) -> Response<Body> {
    json_response(StatusCode::OK, body)
}

/// 200 with a body that is JSON already.
pub fn json_text(body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
