//! The page asks its user: what an application wants, and what the user says to it.
//!
//! Source: supabase/auth, `internal/api/oauthserver/authorize.go` and `handlers.go`.

use http::{Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    super::{
        AuthError, Context, ErrorCode,
        audit::{self, Action, Actor},
        caller::Caller,
        pkce::{self, Challenge},
        sql,
        time::Time,
        user::User,
    },
    client::Client,
    scope::{Scopes, refusal, with_query},
};
use crate::{Body, World, auth, database::Transaction, wire::StatementResult};

/// A row of `auth.oauth_authorizations`, with the application that it is of.
#[derive(Debug, Deserialize)]
pub(super) struct Authorization {
    pub id: Uuid,
    /// By which pages name it.
    #[serde(rename = "authorization_id")]
    name: String,
    pub client: Client,
    pub user_id: Option<Uuid>,
    pub redirect_uri: String,
    pub scope: String,
    state: Option<String>,
    pub resource: Option<String>,
    pub nonce: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    status: String,
    expires_at: Time,
}

impl Authorization {
    pub(super) fn read(result: &StatementResult) -> Result<Option<Self>, AuthError> {
        let row = result.rows.first().and_then(|row| row.get(0));
        row.map(serde_json::from_slice)
            .transpose()
            .map_err(|error| AuthError::internal(format!("error finding authorization: {error}")))
    }

    pub(super) fn is_expired(&self, now: Time) -> bool {
        now > self.expires_at
    }

    pub(super) fn challenge(&self) -> Option<Challenge> {
        Some(Challenge {
            challenge: self.code_challenge.clone()?,
            method: pkce::Method::parse(self.code_challenge_method.as_deref()?)?,
        })
    }

    fn state(&self) -> &str {
        self.state.as_deref().unwrap_or_default()
    }

    /// Where the user goes on to, with a code.
    fn success(&self, code: &str) -> Result<String, AuthError> {
        let mut pairs = vec![("code", code)];
        if !self.state().is_empty() {
            pairs.push(("state", self.state()));
        }
        with_query(&self.redirect_uri, &pairs)
    }
}

/// Nobody learns of a request that is another's.
fn not_found() -> AuthError {
    AuthError::not_found(
        ErrorCode::OAuthAuthorizationNotFound,
        "authorization not found",
    )
}

/// Browsers say where a request comes from; only the project's own pages may ask.
fn check_origin<W: World>(context: &Context<'_, W>) -> Result<(), AuthError> {
    let origin = context.header(header::ORIGIN.as_str());
    if origin.is_empty() || context.allows_redirect(origin) {
        return Ok(());
    }
    Err(AuthError::invalid("unauthorized request origin"))
}

/// What is answered, whatever was written: that a request has expired is kept.
type Outcome<T> = Result<T, AuthError>;

/// The request that the path names, if it still waits for an answer.
async fn pending<W: World>(
    context: &Context<'_, W>,
    transaction: &mut Transaction<'_, W>,
) -> Result<Outcome<Authorization>, AuthError> {
    let name = context.route.parameter("authorization_id");
    let result = transaction
        .one(sql::oauth_authorizations::by_name(name))
        .await?;
    let Some(found) = Authorization::read(&result)? else {
        return Ok(Err(not_found()));
    };
    if found.is_expired(context.now) {
        if found.status == "pending" {
            transaction
                .one(sql::oauth_authorizations::expire(found.id))
                .await?;
        }
        return Ok(Err(not_found()));
    }
    if found.status != "pending" {
        let message = "authorization request cannot be processed";
        return Ok(Err(AuthError::invalid(message)));
    }
    Ok(Ok(found))
}

/// `GET /oauth/authorizations/{authorization_id}`: what is asked; or where to go on to, if the user has
/// consented to as much before.
pub async fn show<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    check_origin(context)?;
    let Caller { user, .. } = context.caller().await?;
    let shown = context
        .database()
        .transaction(&context.session(), async |transaction| {
            let found = match pending(context, transaction).await? {
                Ok(found) => found,
                Err(refused) => return Ok(Err(refused)),
            };
            if let Some(owner) = found.user_id {
                let own = owner == user.id;
                return Ok(if own {
                    Ok(details(&found, &user))
                } else {
                    Err(not_found())
                });
            }
            let statements = [
                sql::oauth_authorizations::set_user(found.id, user.id),
                sql::oauth_authorizations::consent(user.id, found.client.id),
            ];
            let results = transaction.run(&statements).await?;
            let granted = results.last().and_then(|result| result.rows.first());
            let granted = granted.and_then(|row| row.text(0));
            if granted.is_some_and(|granted| Scopes::of(granted).covers(Scopes::of(&found.scope))) {
                let code = context.uuid().to_string();
                transaction
                    .one(sql::oauth_authorizations::approve(found.id, &code))
                    .await?;
                return Ok::<_, AuthError>(Ok(json!({"redirect_url": found.success(&code)?})));
            }
            Ok(Ok(details(&found, &user)))
        })
        .await?;
    shown.map(auth::json)
}

fn details(found: &Authorization, user: &User) -> Value {
    json!({
        "authorization_id": found.name,
        "redirect_uri": found.redirect_uri,
        "client": found.client.introduction(),
        "user": {"id": user.id, "email": user.email()},
        "scope": found.scope,
    })
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    action: String,
}

/// `POST /oauth/authorizations/{authorization_id}/consent`: the user's answer; where to go on to with it.
pub async fn answer<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    check_origin(context)?;
    let Caller { user, .. } = context.caller().await?;
    let Answer { action } = context
        .json()
        .map_err(|_error| AuthError::bad_request(ErrorCode::BadJson, "invalid JSON body"))?;
    let approves = match action.as_str() {
        "approve" => true,
        "deny" => false,
        _ => return Err(AuthError::invalid("action must be 'approve' or 'deny'")),
    };
    let target = context
        .database()
        .transaction(&context.session(), async |transaction| {
            let found = match pending(context, transaction).await? {
                Ok(found) if found.user_id == Some(user.id) => found,
                Ok(_) => return Ok(Err(not_found())),
                Err(refused) => return Ok(Err(refused)),
            };
            if !approves {
                transaction
                    .one(sql::oauth_authorizations::deny(found.id))
                    .await?;
                let message = "User denied the request";
                let target = refusal(&found.redirect_uri, "access_denied", message, found.state())?;
                return Ok(Ok(target));
            }
            let code = context.uuid().to_string();
            let scopes: Vec<&str> = Scopes::of(&found.scope).iter().collect();
            let statements = [
                sql::oauth_authorizations::approve(found.id, &code),
                sql::oauth_authorizations::grant(
                    context.uuid(),
                    user.id,
                    found.client.id,
                    &scopes.join(" "),
                ),
            ];
            transaction.run(&statements).await?;
            Ok::<_, AuthError>(Ok(found.success(&code)?))
        })
        .await??;
    Ok(auth::json(json!({"redirect_url": target})))
}

/// A row of [`sql::oauth_authorizations::grants`].
#[derive(Deserialize)]
struct Grant {
    client: Client,
    scopes: String,
    granted_at: Time,
}

/// `GET /user/oauth/grants`: what the user lets applications have.
pub async fn grants<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    let Caller { user, .. } = context.caller().await?;
    let session = context.session().read_only();
    let statement = sql::oauth_authorizations::grants(user.id);
    let result = context.database().one(&session, statement).await?;
    let mut grants = Vec::new();
    for row in &result.rows {
        let grant: Grant =
            serde_json::from_slice(row.get(0).unwrap_or_default()).map_err(|error| {
                AuthError::internal(format!("Error fetching OAuth grants: {error}"))
            })?;
        grants.push(json!({
            "client": grant.client.introduction(),
            "scopes": Scopes::of(&grant.scopes).iter().collect::<Vec<_>>(),
            "granted_at": grant.granted_at,
        }));
    }
    Ok(auth::json(grants.into()))
}

/// `DELETE /user/oauth/grants?client_id=`: the user takes it back, and the application is signed out.
pub async fn revoke<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    let Caller { user, .. } = context.caller().await?;
    let client = context.query("client_id");
    if client.is_empty() {
        let message = "client_id query parameter is required";
        return Err(AuthError::invalid(message));
    }
    let client = Uuid::parse_str(&client)
        .map_err(|_error| AuthError::invalid("invalid client_id format"))?;
    let traits = json!({"oauth_client_id": client, "action": "revoke_oauth_grant"});
    let statements = [
        sql::oauth_authorizations::end_sessions(user.id, client),
        audit::entry(context, Actor::User(&user), Action::TokenRevoked, traits),
    ];
    context
        .database()
        .transaction(&context.session(), async |transaction| {
            let revoked = transaction
                .one(sql::oauth_authorizations::revoke(user.id, client))
                .await?;
            if revoked.rows.is_empty() {
                return Err(AuthError::not_found(
                    ErrorCode::OAuthConsentNotFound,
                    "No active grant found for this client",
                ));
            }
            transaction.run(&statements).await?;
            Ok(())
        })
        .await?;
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}
