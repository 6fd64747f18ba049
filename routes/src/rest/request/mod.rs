//! One REST request, parsed: what was asked of which resource, in what form.

mod error;
mod range;
mod server;
mod target;

use bytes::Bytes;
use http::{HeaderMap, Method, header, request::Parts};

pub use error::RequestError;
pub use range::RequestedRange;
pub use server::{Scheme, Server};
pub use target::{Action, Resource};

pub use super::payload::Payload;

use super::{
    media::{self, MediaType},
    preferences::Preferences,
    query::Query,
};
use crate::config::Config;

/// The parsed request. After this nothing looks at `http::Request` again.
#[derive(Debug, Clone)]
pub struct RestRequest {
    pub resource: Resource,
    pub action: Action,
    /// The exposed schema that answers: `Accept-Profile`/`Content-Profile`, or the first one.
    pub schema: String,
    /// Whether the response names the schema in `Content-Profile`: a profile header chose it, or
    /// there are several to choose from.
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
    /// Where clients reach the API.
    pub server: Server,
    /// The path as Postgres sees it in `request.path`: `/todos`, `/rpc/f`.
    pub path: String,
    /// Lower-case names, in order, for `request.headers`; no cookies.
    pub headers: Vec<(String, String)>,
    pub cookies: Vec<(String, String)>,
}

impl RestRequest {
    /// Reads a request whose path, behind the API's prefix, is `path` (`/todos`, still encoded).
    ///
    /// What is wrong is reported in PostgREST's order: path, profile, method, query, range, body.
    pub fn parse(
        parts: &Parts,
        body: Bytes,
        path: &str,
        config: &Config,
    ) -> Result<Self, RequestError> {
        let resource = Resource::parse(path, config)?;
        let (schema, profile_chosen) = target::schema(&parts.method, &parts.headers, config)?;
        let action = Action::of(&resource, &parts.method)?;
        let raw_query = parts.uri.query().unwrap_or_default();
        let query = Query::parse(raw_query, action.is_call_by_url())?;
        let range = range::top_level(&parts.method, &parts.headers, &query)?;
        let content_type = text_of(&parts.headers, &header::CONTENT_TYPE)
            .map_or(MediaType::Json, |text| MediaType::parse(&text));
        let payload = action
            .takes_body()
            .then(|| {
                let columns = query.columns.as_deref().filter(|_| action.takes_columns());
                Payload::parse(body, &content_type, action.is_call(), columns)
            })
            .transpose()?;
        let preferences = Preferences::parse(&parts.headers, config.db_tx_end.allow_override);
        preferences.check()?;
        Ok(Self {
            resource,
            action,
            schema,
            profile_chosen,
            query,
            preferences,
            accept: text_of(&parts.headers, &header::ACCEPT)
                .map_or_else(|| vec![MediaType::Any], |text| media::accepted(&text)),
            content_type,
            range,
            payload,
            method: parts.method.clone(),
            server: Server::of(&parts.uri, path, config),
            path: path.to_owned(),
            headers: headers(&parts.headers),
            cookies: cookies(&parts.headers),
        })
    }
}

/// The first value of a header.
fn text_of(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    headers.get(name).map(text)
}

/// Header values are bytes; what is not UTF-8 is Latin-1, as RFC 9110 had it.
fn text(value: &header::HeaderValue) -> String {
    let bytes = value.as_bytes();
    std::str::from_utf8(bytes).map_or_else(
        |_| bytes.iter().copied().map(char::from).collect(),
        str::to_owned,
    )
}

fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| *name != header::COOKIE)
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect()
}

/// The pairs of the `Cookie` header, in order.
fn cookies(headers: &HeaderMap) -> Vec<(String, String)> {
    let header = text_of(headers, &header::COOKIE).unwrap_or_default();
    header
        .split(';')
        .map(|cookie| cookie.trim_start_matches(' '))
        .filter(|cookie| !cookie.is_empty())
        .map(|cookie| {
            let (name, value) = cookie.split_once('=').unwrap_or((cookie, ""));
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests;
