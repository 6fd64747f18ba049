//! Registered applications, for admins.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{
    super::{AuthError, Context, ErrorCode, sql, time::Time},
    register::{self, Parameters},
};
use crate::{Body, World, auth, database::Statement, wire::StatementResult};

/// A row of `auth.oauth_clients`.
#[expect(clippy::struct_field_names, reason = "the names of the columns")]
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Client {
    pub id: Uuid,
    pub client_type: String,
    #[serde(default)]
    pub client_secret_hash: Option<String>,
    registration_type: String,
    redirect_uris: String,
    grant_types: String,
    token_endpoint_auth_method: String,
    #[serde(default)]
    client_name: Option<String>,
    #[serde(default)]
    client_uri: Option<String>,
    #[serde(default)]
    logo_uri: Option<String>,
    created_at: Time,
    updated_at: Time,
}

impl Client {
    /// Whether a user may be sent there: the texts must be the same (OAuth 2.1, section 2.3.1).
    pub(super) fn redirects_to(&self, uri: &str) -> bool {
        self.redirect_uris.split(',').any(|known| known == uri)
    }

    pub(super) fn may_use(&self, grant: &str) -> bool {
        self.grant_types.split(',').any(|known| known == grant)
    }

    /// As its users see it.
    pub(super) fn introduction(&self) -> Value {
        let mut body = json!({"id": self.id});
        for (name, text) in [
            ("name", &self.client_name),
            ("uri", &self.client_uri),
            ("logo_uri", &self.logo_uri),
        ] {
            if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
                body[name] = text.into();
            }
        }
        body
    }

    /// As clients see it; a secret only when it is new.
    pub(super) fn to_json(&self, secret: Option<&str>) -> Value {
        let list = |text: &str| -> Vec<String> {
            let parts = text.split(',').filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect()
        };
        let mut body = Map::new();
        let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
        set("client_id", self.id.to_string().into());
        if let Some(secret) = secret {
            set("client_secret", secret.into());
        }
        set("client_type", self.client_type.as_str().into());
        set("redirect_uris", list(&self.redirect_uris).into());
        let authentication = self.token_endpoint_auth_method.as_str();
        set("token_endpoint_auth_method", authentication.into());
        set("grant_types", list(&self.grant_types).into());
        set("response_types", json!(["code"]));
        for (name, text) in [
            ("client_name", &self.client_name),
            ("client_uri", &self.client_uri),
            ("logo_uri", &self.logo_uri),
        ] {
            if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
                set(name, text.into());
            }
        }
        set("registration_type", self.registration_type.as_str().into());
        set("created_at", json!(self.created_at));
        set("updated_at", json!(self.updated_at));
        body.into()
    }
}

/// A new secret and the hash of it that is kept.
pub(super) fn secret<W: World>(context: &Context<'_, W>) -> (String, String) {
    let secret = URL_SAFE_NO_PAD.encode(context.random::<32>());
    let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(&secret));
    (secret, hash)
}

fn read(result: &StatementResult) -> Result<Vec<Client>, AuthError> {
    let rows = result.rows.iter();
    rows.map(|row| serde_json::from_slice(row.get(0).unwrap_or_default()))
        .collect::<Result<_, _>>()
        .map_err(|error| AuthError::internal(format!("Error loading OAuth client: {error}")))
}

/// A client that is there.
pub(super) async fn find<W: World>(
    context: &Context<'_, W>,
    id: Uuid,
) -> Result<Option<Client>, AuthError> {
    let session = context.session().read_only();
    let statement = sql::oauth_clients::by_id(id);
    let result = context.database().one(&session, statement).await?;
    Ok(read(&result)?.into_iter().next())
}

/// The client of a statement that gives one; 404 where it gives none.
pub(super) async fn one<W: World>(
    context: &Context<'_, W>,
    statement: Statement,
) -> Result<Client, AuthError> {
    let result = context
        .database()
        .one(&context.session(), statement)
        .await?;
    let client = read(&result)?.into_iter().next();
    client.ok_or_else(|| {
        AuthError::not_found(ErrorCode::OAuthClientNotFound, "OAuth client not found")
    })
}

/// The id that the path names.
fn named<W: World>(context: &Context<'_, W>) -> Result<Uuid, AuthError> {
    Uuid::parse_str(context.route.parameter("client_id"))
        .map_err(|_error| AuthError::invalid("invalid client_id format"))
}

pub async fn get<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    context.admin()?;
    let client = one(context, sql::oauth_clients::by_id(named(context)?)).await?;
    Ok(auth::json(client.to_json(None)))
}

/// Clients of a page unless the request says.
const PER_PAGE: u64 = 50;

pub async fn list<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    context.admin()?;
    let number = |name: &str, otherwise: u64| match context.query(name).as_str() {
        "" => Ok(otherwise),
        text => text
            .parse::<u64>()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| AuthError::invalid(format!("Bad Pagination Parameters: {text:?}"))),
    };
    let (page, per_page) = (number("page", 1)?, number("per_page", PER_PAGE)?);
    let offset = (page - 1).saturating_mul(per_page);
    let limit = i64::try_from(per_page).map_or(PER_PAGE, |_| per_page);
    let statement = sql::oauth_clients::page(limit, offset.min(i64::MAX.unsigned_abs()));
    let session = context.session().read_only();
    let result = context.database().one(&session, statement).await?;
    let total = result.rows.first().and_then(|row| row.text(1));
    let total = HeaderValue::from_str(total.unwrap_or("0"));
    let clients: Vec<Value> = read(&result)?
        .iter()
        .map(|client| client.to_json(None))
        .collect();
    let mut response = auth::json(json!({"clients": clients}));
    if let Ok(total) = total {
        let name = HeaderName::from_static("x-total-count");
        response.headers_mut().insert(name, total);
    }
    Ok(response)
}

pub async fn update<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    context.admin()?;
    let id = named(context)?;
    let known = one(context, sql::oauth_clients::by_id(id)).await?;
    let parameters: Parameters = context.json()?;
    if parameters.is_empty() {
        return Err(AuthError::invalid("No fields provided for update"));
    }
    parameters.check()?;
    if let Some(method) = &parameters.token_endpoint_auth_method {
        register::check_method(&known.client_type, method)?;
    }
    let change = sql::oauth_clients::Change {
        redirect_uris: parameters.redirect_uris.as_ref().map(|uris| uris.join(",")),
        grant_types: parameters.grant_types.as_ref().map(|types| types.join(",")),
        name: parameters.client_name.as_deref(),
        uri: parameters.client_uri.as_deref(),
        logo: parameters.logo_uri.as_deref(),
        authentication: parameters.token_endpoint_auth_method.as_deref(),
        secret_hash: None,
    };
    let client = one(context, sql::oauth_clients::update(id, &change)).await?;
    Ok(auth::json(client.to_json(None)))
}

pub async fn delete<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    context.admin()?;
    let id = named(context)?;
    one(context, sql::oauth_clients::by_id(id)).await?;
    let statements = sql::oauth_clients::delete(id);
    context
        .database()
        .run(&context.session(), &statements)
        .await?;
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

pub async fn regenerate_secret<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    context.admin()?;
    let id = named(context)?;
    let known = one(context, sql::oauth_clients::by_id(id)).await?;
    if known.client_type == "public" {
        let message = "Cannot regenerate secret for public client";
        return Err(AuthError::invalid(message));
    }
    let (secret, hash) = secret(context);
    let change = sql::oauth_clients::Change {
        secret_hash: Some(hash),
        ..sql::oauth_clients::Change::default()
    };
    let client = one(context, sql::oauth_clients::update(id, &change)).await?;
    Ok(auth::json(client.to_json(Some(&secret))))
}
