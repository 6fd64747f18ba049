//! One REST request, parsed: what was asked of which resource, in what form.

use bytes::Bytes;
use http::Method;

use super::{media::MediaType, preferences::Preferences, query::Query};

/// The parsed request. After this nothing looks at `http::Request` again.
#[derive(Debug, Clone)]
pub struct RestRequest {
    pub resource: Resource,
    pub action: Action,
    /// The exposed schema that answers: `Accept-Profile`/`Content-Profile`, or the first one.
    pub schema: String,
    /// Whether a profile header chose it (then the response names it in `Content-Profile`).
    pub profile_chosen: bool,
    pub query: Query,
    pub preferences: Preferences,
    /// From `Accept`, best first; `*/*` where there is none.
    pub accept: Vec<MediaType>,
    pub content_type: MediaType,
    /// The top level's limit and offset: query parameters and `Range` header combined.
    pub range: RequestedRange,
    pub payload: Option<Payload>,
    pub method: Method,
    /// The path as Postgres sees it in `request.path`: `/todos`, `/rpc/f`.
    pub path: String,
    /// Lower-case names, in order, for `request.headers`; no cookies.
    pub headers: Vec<(String, String)>,
    pub cookies: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// `/`: the OpenAPI description.
    Root,
    Relation(String),
    Routine(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// GET or HEAD of a relation.
    Read {
        head: bool,
    },
    /// POST to a relation.
    Insert,
    /// PATCH.
    Update,
    /// PUT.
    SingleUpsert,
    Delete,
    /// RPC; `read` for GET and HEAD, which run read-only and take arguments from the query string.
    Call {
        read: bool,
        head: bool,
    },
    /// OPTIONS of any of them.
    Info,
    /// GET or HEAD of the root.
    Describe {
        head: bool,
    },
}

/// A top-level range as asked for; `limit: None` is no upper bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestedRange {
    pub offset: u64,
    pub limit: Option<u64>,
}

/// A body that became JSON, or stays as it is for a function with one unnamed parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    Json {
        /// The text as it came (checked to be JSON; CSV and urlencoded are converted to it).
        text: Bytes,
        /// The keys of its object or of the objects of its array: the columns it writes.
        keys: Vec<String>,
        /// An array, even of one.
        is_array: bool,
        /// An array without elements.
        is_empty_array: bool,
    },
    /// `application/x-www-form-urlencoded` to an RPC: arguments by name, repeated ones kept.
    Form(Vec<(String, String)>),
    /// Text, XML or bytes for a single unnamed parameter.
    Raw(Bytes),
}
