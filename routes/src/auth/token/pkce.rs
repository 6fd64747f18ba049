//! `grant_type=pkce`: a code and the verifier of its challenge become a session.
//!
//! Source: supabase/auth, `internal/api/token.go`.

use http::Response;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::super::{
    Context,
    audit::{self, Action, Actor},
    error::{AuthError, ErrorCode},
    pkce::{self, Challenge},
    session::{Grant, Method, read_user, sign_in},
    sql,
    time::Time,
};
use crate::{Body, World};

#[derive(Debug, Deserialize)]
struct Parameters {
    #[serde(default)]
    auth_code: String,
    #[serde(default)]
    code_verifier: String,
}

/// A row of `auth.flow_state`, as far as its end needs it.
#[derive(Debug, Deserialize)]
struct Flow {
    id: Uuid,
    user_id: Option<Uuid>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    provider_type: String,
    provider_access_token: Option<String>,
    provider_refresh_token: Option<String>,
    authentication_method: String,
    created_at: Option<Time>,
    auth_code_issued_at: Option<Time>,
}

impl Flow {
    /// When it is too late. A link may lie in a mailbox for hours: its time begins when it is followed.
    fn is_expired(&self, lifetime: u64, now: Time) -> bool {
        let begun = match self.auth_code_issued_at {
            Some(issued) if self.authentication_method == Method::MagicLink.as_str() => {
                Some(issued)
            }
            _ => self.created_at,
        };
        let lifetime = i64::try_from(lifetime).unwrap_or(i64::MAX);
        begun.is_none_or(|begun| now > begun.plus(lifetime))
    }

    fn challenge(&self) -> Option<Challenge> {
        Some(Challenge {
            challenge: self.code_challenge.clone()?,
            method: pkce::Method::parse(self.code_challenge_method.as_deref()?)?,
        })
    }
}

pub(super) async fn handle<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    let parameters: Parameters = context.json()?;
    if parameters.auth_code.is_empty() || parameters.code_verifier.is_empty() {
        return Err(AuthError::invalid(
            "invalid request: both auth code and code verifier should be non-empty",
        ));
    }
    let missing = || {
        AuthError::not_found(
            ErrorCode::FlowStateNotFound,
            "invalid flow state, no valid flow state found",
        )
    };
    let session = context.session().read_only();
    let result = context
        .database()
        .one(&session, sql::flow_states::by_code(&parameters.auth_code))
        .await?;
    let row = result
        .rows
        .first()
        .and_then(|row| row.get(0))
        .ok_or_else(missing)?;
    let flow: Flow = serde_json::from_slice(row).map_err(|error| {
        AuthError::internal(format!("Database error loading flow state: {error}"))
    })?;
    let user_id = flow.user_id.ok_or_else(missing)?;
    if flow.is_expired(context.settings.flow_state_expiry.0, context.now) {
        return Err(AuthError::unprocessable(
            ErrorCode::FlowStateExpired,
            "invalid flow state, flow state has expired",
        ));
    }
    let is_met = flow
        .challenge()
        .is_some_and(|challenge| challenge.is_met_by(&parameters.code_verifier));
    if !is_met {
        return Err(AuthError::bad_request(
            ErrorCode::BadCodeVerifier,
            "code challenge does not match previously saved code verifier",
        ));
    }
    let method = Method::named(&flow.authentication_method)
        .ok_or_else(|| AuthError::internal("unsupported authentication method"))?;
    let result = context
        .database()
        .one(&session, sql::users::by_id(user_id))
        .await?;
    let user = read_user(Some(result))?
        .ok_or_else(|| AuthError::not_found(ErrorCode::UserNotFound, "User not found"))?;
    let traits = json!({"provider_type": flow.provider_type});
    let before = vec![
        sql::flow_states::take(flow.id),
        audit::entry(context, Actor::User(&user), Action::Login, traits),
    ];
    let signed_in = sign_in(context, before, user_id, method, Grant::default()).await;
    let signed_in = signed_in.map_err(|error| match error.sqlstate.as_deref() {
        Some(sql::flow_states::TAKEN) => missing(),
        _ => error,
    })?;
    let mut body = signed_in.to_json(context)?;
    for (name, token) in [
        ("provider_token", flow.provider_access_token),
        ("provider_refresh_token", flow.provider_refresh_token),
    ] {
        if let Some(token) = token.filter(|token| !token.is_empty()) {
            body.insert(name.to_owned(), token.into());
        }
    }
    Ok(super::super::json(body.into()))
}
