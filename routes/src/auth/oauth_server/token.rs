//! An application's code becomes a session, and its refresh token the next.
//!
//! Source: supabase/auth, `internal/api/oauthserver/handlers.go` and `client_auth.go`; RFC 6749,
//! sections 2.3 and 5.

use std::collections::BTreeMap;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::{HeaderValue, Response, header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use super::{
    super::{
        AuthError, Context, ErrorCode,
        audit::{self, Action, Actor},
        error::Kind,
        redirect,
        session::{Grant, Method, SignedIn, begin, read_user},
        sql, token,
    },
    claims,
    client::{self, Client},
    consent::Authorization,
    scope::Scopes,
};
use crate::{Body, World, auth};

fn refused(error: &'static str, description: impl Into<String>) -> AuthError {
    AuthError::oauth(error, description)
}

/// What the request says: a form, or JSON.
struct Parameters(BTreeMap<String, String>);

impl Parameters {
    fn read<W: World>(context: &Context<'_, W>) -> Result<Self, AuthError> {
        if context
            .header(header::CONTENT_TYPE.as_str())
            .contains("application/json")
        {
            let object = context
                .object()
                .map_err(|_error| refused("invalid_request", "Invalid JSON body"))?;
            let texts = object.into_iter().filter_map(|(name, value)| match value {
                Value::String(text) => Some((name, text)),
                _ => None,
            });
            return Ok(Self(texts.collect()));
        }
        let body = std::str::from_utf8(&context.body)
            .map_err(|_error| refused("invalid_request", "Failed to parse form data"))?;
        // The first of a name counts.
        Ok(Self(redirect::pairs(body).into_iter().rev().collect()))
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// `POST /oauth/token`.
pub async fn token<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    let parameters = Parameters::read(context)?;
    let client = authenticate(context, &parameters).await?;
    let grant = parameters.get("grant_type");
    if grant.is_empty() {
        return Err(refused("invalid_request", "grant_type is required"));
    }
    if !client.may_use(grant) {
        let message = format!("Client is not allowed to use grant type: {grant}");
        return Err(refused("unsupported_grant_type", message));
    }
    let body = match grant {
        "authorization_code" => exchange(context, &client, &parameters).await?,
        "refresh_token" => refresh(context, &client, &parameters).await?,
        _ => {
            let message = format!("Unsupported grant type: {grant}");
            return Err(refused("unsupported_grant_type", message));
        }
    };
    let mut response = auth::json(body);
    // RFC 6749, section 5.1.
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    Ok(response)
}

/// The application that asks; what it says of itself must be right.
async fn authenticate<W: World>(
    context: &Context<'_, W>,
    parameters: &Parameters,
) -> Result<Client, AuthError> {
    let refuse = |message: &str| refused("invalid_client", message);
    let authorization = context.header(header::AUTHORIZATION.as_str());
    let (id, secret) = match authorization.strip_prefix("Basic ") {
        Some(encoded) => {
            let decoded = STANDARD.decode(encoded).ok();
            let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
            let decoded = decoded.ok_or_else(|| refuse("invalid basic auth encoding"))?;
            let (id, secret) = decoded
                .split_once(':')
                .ok_or_else(|| refuse("invalid basic auth format"))?;
            (id.to_owned(), secret.to_owned())
        }
        None => (
            parameters.get("client_id").to_owned(),
            parameters.get("client_secret").to_owned(),
        ),
    };
    if id.is_empty() {
        return Err(refuse("Client authentication required"));
    }
    let id = Uuid::parse_str(&id).map_err(|_error| refuse("Invalid client credentials"))?;
    let client = client::find(context, id)
        .await?
        .ok_or_else(|| refuse("Invalid client credentials"))?;
    match (client.client_type.as_str(), secret.as_str()) {
        ("public", "") => Ok(client),
        ("public", _) => Err(refuse("public clients must not provide client_secret")),
        (_, "") => Err(refuse("confidential clients must provide client_secret")),
        (_, secret) => {
            let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(secret));
            let kept = client.client_secret_hash.as_deref().unwrap_or_default();
            if bool::from(kept.as_bytes().ct_eq(hash.as_bytes())) {
                Ok(client)
            } else {
                Err(refuse("Invalid client credentials"))
            }
        }
    }
}

async fn exchange<W: World>(
    context: &Context<'_, W>,
    client: &Client,
    parameters: &Parameters,
) -> Result<Value, AuthError> {
    let code = parameters.get("code");
    if code.is_empty() {
        let message = "code is required for authorization_code grant";
        return Err(refused("invalid_request", message));
    }
    let invalid = |message: &str| refused("invalid_grant", message);
    let (found, signed_in) = context
        .database()
        .transaction(&context.session(), async |transaction| {
            let result = transaction
                .one(sql::oauth_authorizations::by_code(code))
                .await?;
            let found = Authorization::read(&result)?
                .ok_or_else(|| invalid("Invalid authorization code"))?;
            let user_id = check(context, client, parameters, &found)?;
            let user = transaction.one(sql::users::by_id(user_id)).await?;
            let user = read_user(Some(user))?
                .ok_or_else(|| invalid("User not found for authorization code"))?;
            if user.is_banned(context.now) {
                return Err(refused("access_denied", "User is banned"));
            }
            let grant = Grant {
                oauth_client_id: Some(client.id),
                scopes: Some(found.scope.clone()),
                ..Grant::default()
            };
            let (begun, session) = begin(context, user_id, Method::OAuthProvider, grant);
            let traits = json!({
                "provider_type": Method::OAuthProvider.as_str().replace('/', "_"),
                "client_id": client.id,
            });
            let mut statements = vec![
                sql::oauth_authorizations::delete(found.id),
                audit::entry(context, Actor::User(&user), Action::Login, traits),
            ];
            statements.extend(session);
            statements.push(sql::users::by_id(user_id));
            let mut results = transaction.run(&statements).await?;
            let user = read_user(results.pop())?
                .ok_or_else(|| AuthError::internal("Database error granting user"))?;
            let signed_in = SignedIn {
                user,
                session: begun.session,
                refresh_token: begun.refresh_token,
            };
            Ok((found, signed_in))
        })
        .await?;
    let mut body = tokens(context, &signed_in)?;
    if Scopes::of(&found.scope).has("openid") {
        let id_token = claims::id_token(context, client, &signed_in.user, &found)?;
        body["id_token"] = id_token.into();
    }
    Ok(body)
}

/// Whose code it is, if the application may have it.
fn check<W: World>(
    context: &Context<'_, W>,
    client: &Client,
    parameters: &Parameters,
    found: &Authorization,
) -> Result<Uuid, AuthError> {
    let invalid = |message: &str| refused("invalid_grant", message);
    if found.is_expired(context.now) {
        return Err(invalid("Authorization code has expired"));
    }
    if found.client.id != client.id {
        let message = "Authorization code was not issued for this client";
        return Err(invalid(message));
    }
    let resource = parameters.get("resource");
    if !resource.is_empty() && Some(resource) != found.resource.as_deref() {
        let message = "Authorization code resource does not match the resource parameter";
        return Err(invalid(message));
    }
    let redirect_uri = parameters.get("redirect_uri");
    if !redirect_uri.is_empty() && redirect_uri != found.redirect_uri {
        return Err(invalid("Invalid redirect_uri"));
    }
    let verifier = parameters.get("code_verifier");
    if let Some(challenge) = found.challenge() {
        if verifier.is_empty() {
            let message = "PKCE verification failed: code_verifier is required when PKCE challenge is present";
            return Err(invalid(message));
        }
        if !challenge.is_met_by(verifier) {
            let message = "PKCE verification failed: code challenge does not match previously saved code verifier";
            return Err(invalid(message));
        }
    }
    found
        .user_id
        .ok_or_else(|| invalid("Authorization code has no associated user"))
}

async fn refresh<W: World>(
    context: &Context<'_, W>,
    client: &Client,
    parameters: &Parameters,
) -> Result<Value, AuthError> {
    let refresh_token = parameters.get("refresh_token");
    if refresh_token.is_empty() {
        let message = "refresh_token is required for refresh_token grant";
        return Err(refused("invalid_request", message));
    }
    let signed_in = token::swapped(context, refresh_token, Some(client.id))
        .await
        .map_err(as_oauth)?;
    tokens(context, &signed_in)
}

/// A grant that is good for nothing any more, in the words of RFC 6749, section 5.2.
fn as_oauth(error: AuthError) -> AuthError {
    match &error.kind {
        Kind::Code(
            ErrorCode::RefreshTokenNotFound
            | ErrorCode::RefreshTokenAlreadyUsed
            | ErrorCode::SessionNotFound
            | ErrorCode::SessionExpired
            | ErrorCode::UserBanned,
        ) => refused("invalid_grant", error.message),
        Kind::Code(_) | Kind::WeakPassword(_) | Kind::OAuth(_) => error,
    }
}

/// A session as applications get it: without the user.
fn tokens<W: World>(context: &Context<'_, W>, signed_in: &SignedIn) -> Result<Value, AuthError> {
    let mut session = signed_in.to_json(context)?;
    session.retain(|name, _| {
        ["access_token", "token_type", "expires_in", "refresh_token"].contains(&name.as_str())
    });
    Ok(session.into())
}
