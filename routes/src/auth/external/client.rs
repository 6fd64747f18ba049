//! Questions to providers.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Request, Response, header};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::super::redirect;
use crate::{World, world::FetchError};

/// Why a provider's answer is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::auth) enum AskError {
    Fetch(FetchError),
    /// It refused, with this status.
    Status(u16),
    /// What it answered makes no sense.
    Answer(String),
}

impl fmt::Display for AskError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch(error) => error.fmt(formatter),
            Self::Status(status) => write!(formatter, "it answered {status}"),
            Self::Answer(reason) => formatter.write_str(reason),
        }
    }
}

/// What a provider gives for a code.
#[expect(clippy::struct_field_names, reason = "RFC 6749's own names")]
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Tokens {
    #[serde(default)]
    pub access_token: String,
    #[serde(default)]
    pub refresh_token: String,
    #[serde(default)]
    pub id_token: String,
}

/// A client of a provider, as the provider knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Credentials<'a> {
    pub client_id: &'a str,
    pub secret: &'a str,
}

/// Asks for JSON, as whoever the token belongs to.
pub(super) async fn get<T: DeserializeOwned>(
    world: &impl World,
    url: &str,
    token: Option<&str>,
) -> Result<T, AskError> {
    let mut request = Request::builder()
        .method(Method::GET)
        .uri(url)
        .header(header::ACCEPT, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let response = send(world, request.body(Bytes::new())).await?;
    serde_json::from_slice(response.body())
        .map_err(|error| AskError::Answer(format!("{url} answered no such JSON: {error}")))
}

/// Swaps a code for tokens (RFC 6749, section 4.1.3). Providers disagree where the client names
/// itself: first in the header, then in the form.
pub(super) async fn exchange(
    world: &impl World,
    url: &str,
    client: Credentials<'_>,
    code: &str,
    redirect_uri: &str,
    verifier: Option<&str>,
) -> Result<Tokens, AskError> {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", redirect_uri),
    ];
    if let Some(verifier) = verifier {
        form.push(("code_verifier", verifier));
    }
    let name = |text: &str| redirect::encode(text);
    let pair = format!("{}:{}", name(client.client_id), name(client.secret));
    let basic = format!("Basic {}", STANDARD.encode(pair));
    let first = post(world, url, &form, Some(&basic)).await;
    let response = match first {
        Err(AskError::Status(400..=403)) => {
            form.push(("client_id", client.client_id));
            form.push(("client_secret", client.secret));
            post(world, url, &form, None).await?
        }
        outcome => outcome?,
    };
    let tokens = read_tokens(response.body());
    tokens
        .filter(|tokens| !tokens.access_token.is_empty() || !tokens.id_token.is_empty())
        .ok_or_else(|| AskError::Answer("there is no token in the answer".to_owned()))
}

/// JSON, or a form as GitHub once answered.
fn read_tokens(body: &[u8]) -> Option<Tokens> {
    serde_json::from_slice(body).ok().or_else(|| {
        let pairs = redirect::pairs(std::str::from_utf8(body).ok()?);
        let object: Map<String, Value> = pairs
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect();
        serde_json::from_value(object.into()).ok()
    })
}

async fn post(
    world: &impl World,
    url: &str,
    form: &[(&str, &str)],
    authorization: Option<&str>,
) -> Result<Response<Bytes>, AskError> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    send(world, request.body(Bytes::from(redirect::form(form)))).await
}

async fn send(
    world: &impl World,
    request: Result<Request<Bytes>, http::Error>,
) -> Result<Response<Bytes>, AskError> {
    let request = request.map_err(|error| AskError::Answer(error.to_string()))?;
    let response = world.fetch(request).await.map_err(AskError::Fetch)?;
    if response.status().is_success() {
        Ok(response)
    } else {
        Err(AskError::Status(response.status().as_u16()))
    }
}
