//! What an endpoint has before it begins: the request, the project's settings, the database.

use bytes::Bytes;
use http::{HeaderMap, Method, header, request::Parts};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    error::{AuthError, ErrorCode},
    redirect,
    settings::Settings,
    table::Route,
    time::Time,
};
use crate::{
    World,
    database::{Database, Session},
    project::Project,
};

/// The role that owns the schema `auth`.
const ROLE: &str = "supabase_auth_admin";
const SEARCH_PATH: &str = "auth";

/// One request to Auth.
#[derive(Debug)]
pub struct Context<'a, W> {
    pub world: &'a W,
    pub project: &'a Project,
    pub settings: &'a Settings,
    pub head: &'a Parts,
    pub route: &'a Route,
    /// The whole body: at most a megabyte.
    pub body: Bytes,
    /// When the request came.
    pub now: Time,
    /// Where the world finds this API, without a slash at its end.
    pub url: String,
}

impl<'a, W: World> Context<'a, W> {
    /// The project's database; statements run in the session that [`Context::session`] gives.
    pub fn database(&self) -> Database<'a, W> {
        Database::new(self.world, &self.project.name)
    }

    /// The owner of the schema `auth`, which it finds without a prefix.
    pub fn session(&self) -> Session {
        owner()
    }

    pub fn method(&self) -> &Method {
        &self.head.method
    }

    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// A header's text; empty where there is none or it is not text.
    pub fn header(&self, name: &str) -> &'a str {
        let value = self.head.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The first parameter of this name in the query string, decoded; empty where there is none.
    pub fn query(&self, name: &str) -> String {
        let query = self.head.uri.query().unwrap_or_default();
        form_value(query, name).unwrap_or_default()
    }

    /// The body as JSON. A body that is none is 400 `bad_json`; none at all is an empty object.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, AuthError> {
        let body = if self.body.is_empty() {
            b"{}"
        } else {
            &self.body[..]
        };
        serde_json::from_slice(body).map_err(|error| {
            AuthError::bad_request(
                ErrorCode::BadJson,
                format!("Could not parse request body as JSON: {error}"),
            )
        })
    }

    /// The body as a JSON object.
    pub fn object(&self) -> Result<Map<String, Value>, AuthError> {
        self.json()
    }

    /// The body as an HTML form, as OAuth has it: the first value of this name.
    pub fn form(&self, name: &str) -> Option<String> {
        form_value(std::str::from_utf8(&self.body).ok()?, name)
    }

    /// Random bytes that nobody can guess.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.world.random(&mut bytes);
        bytes
    }

    /// A new random id.
    pub fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.random()).into_uuid()
    }

    /// The client's address: the first that a proxy names. A browser's service worker has none.
    pub fn ip_address(&self) -> &'a str {
        let forwarded = self.header("x-forwarded-for");
        let first = forwarded.split(',').next().unwrap_or_default().trim();
        if first.parse::<core::net::IpAddr>().is_ok() {
            first
        } else {
            "127.0.0.1"
        }
    }

    pub fn user_agent(&self) -> &'a str {
        self.header(header::USER_AGENT.as_str())
    }

    /// Where users are sent to: the setting, else the origin that the gateway is at.
    pub fn site_url(&self) -> String {
        if !self.settings.site_url.is_empty() {
            return self.settings.site_url.clone();
        }
        origin(self.world, &self.head.uri)
    }
}

/// The session of the schema's owner.
pub(super) fn owner() -> Session {
    Session::of_role(ROLE, SEARCH_PATH)
}

/// The origin that a request came to, as links may name it. Where requests say it themselves, only
/// this machine is believed: a link in a mail must not lead to whoever asked for the mail.
pub(super) fn origin(world: &impl World, uri: &http::Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("http");
    let named = uri
        .authority()
        .map(|authority| format!("{scheme}://{}", authority.as_str()));
    let named = named.unwrap_or_else(|| "http://127.0.0.1:54321".to_owned());
    let host = uri.host().unwrap_or("127.0.0.1");
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if redirect::is_loopback(host) || world.origin().as_ref() == Some(&named) {
        return named;
    }
    match uri.port_u16() {
        Some(port) => format!("{scheme}://localhost:{port}"),
        None => format!("{scheme}://localhost"),
    }
}

/// The first value of a name in `application/x-www-form-urlencoded` text.
fn form_value(text: &str, name: &str) -> Option<String> {
    let decode = |part: &str| {
        let part = part.replace('+', " ");
        percent_encoding::percent_decode_str(&part)
            .decode_utf8_lossy()
            .into_owned()
    };
    text.split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find(|(key, _)| decode(key) == name)
        .map(|(_, value)| decode(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read() {
        assert_eq!(form_value("a=1&b=%20x+y&a=2", "a").as_deref(), Some("1"));
        assert_eq!(form_value("a=1&b=%20x+y", "b").as_deref(), Some(" x y"));
        assert_eq!(form_value("a&c=", "a").as_deref(), Some(""));
        assert_eq!(form_value("", "a"), None);
    }
}
