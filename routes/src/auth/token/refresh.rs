//! `grant_type=refresh_token`: a token is swapped for the next one.
//!
//! Each token is a row that names the one it was swapped for. A token that was used already is taken
//! again where its successor was never used (the client lost the answer, and gets that successor)
//! or within the reuse interval (two tabs at once); otherwise somebody has a stolen one, and the whole
//! session's tokens are revoked, though the request fails.
//! Source: supabase/auth, `internal/tokens/service.go`.

use http::Response;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::super::{
    Context,
    audit::{self, Action, Actor},
    error::{AuthError, ErrorCode},
    session::{Session, SignedIn, read_user},
    sql,
    time::Time,
    user::User,
};
use crate::{Body, World, database::Transaction, wire::Row};

#[derive(Deserialize)]
struct Parameters {
    #[serde(default)]
    refresh_token: String,
}

/// A row of `auth.refresh_tokens`.
#[derive(Debug, Deserialize)]
struct Token {
    #[serde(rename = "token")]
    text: String,
    revoked: Option<bool>,
    updated_at: Option<Time>,
}

/// What the session's last token is: the token itself, and the one that it was swapped for.
#[derive(Debug)]
struct Active {
    token: String,
    parent: String,
}

/// The rows that a token leads to.
struct Found {
    token: Token,
    session: Option<Session>,
    active: Option<Active>,
    user_id: Uuid,
}

pub(super) async fn handle<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    let Parameters { refresh_token } = context.json()?;
    if refresh_token.is_empty() {
        return Err(AuthError::oauth(
            "invalid_request",
            "refresh_token required",
        ));
    }
    let signed_in = swapped(context, &refresh_token, None).await?;
    signed_in.into_response(context)
}

/// The session that a token keeps going, with its next token; `client` is the application that asks, who
/// must be the one that the session is for.
pub(in crate::auth) async fn swapped<W: World>(
    context: &Context<'_, W>,
    refresh_token: &str,
    client: Option<Uuid>,
) -> Result<SignedIn, AuthError> {
    // A refusal of a stolen token is a success of the transaction: what it revoked must stay.
    context
        .database()
        .transaction(&context.session(), async |transaction| {
            swap(context, transaction, refresh_token, client).await
        })
        .await?
}

/// The inner result is what the client gets, whatever was written.
type Outcome = Result<SignedIn, AuthError>;

async fn swap<W: World>(
    context: &Context<'_, W>,
    transaction: &mut Transaction<'_, W>,
    refresh_token: &str,
    client: Option<Uuid>,
) -> Result<Outcome, AuthError> {
    let refused = |code, message: &str| AuthError::bad_request(code, message);
    let result = transaction
        .one(sql::sessions::with_token(refresh_token))
        .await?;
    let found = result.rows.first().map(Found::read).transpose()?;
    let missing = || {
        refused(
            ErrorCode::RefreshTokenNotFound,
            "Invalid Refresh Token: Refresh Token Not Found",
        )
    };
    let Found {
        token,
        session,
        active,
        user_id,
    } = found.ok_or_else(missing)?;
    let user = transaction.one(sql::users::by_id(user_id)).await?;
    let user = read_user(Some(user))?.ok_or_else(missing)?;
    if user.is_banned(context.now) {
        return Err(refused(
            ErrorCode::UserBanned,
            "Invalid Refresh Token: User Banned",
        ));
    }
    let Some(session) = session else {
        transaction
            .one(sql::sessions::delete_token(&token.text))
            .await?;
        return Ok(Err(refused(
            ErrorCode::SessionNotFound,
            "Invalid Refresh Token: No Valid Session Found",
        )));
    };
    if let Some(why) = session.ended(context, &user, token.updated_at) {
        return Err(refused(ErrorCode::SessionExpired, why));
    }
    check_client(&session, client)?;
    if context.settings.sessions_single_per_user {
        let others = transaction.one(sql::sessions::of_user(user.id)).await?;
        if others
            .rows
            .iter()
            .any(|row| is_newer(context, row, &user, &session, &token))
        {
            return Err(refused(
                ErrorCode::SessionExpired,
                "Invalid Refresh Token: Session Expired (Revoked by Newer Login)",
            ));
        }
    }

    let mut statements = Vec::new();
    let issued = match judge(context, &token, active) {
        Verdict::Return(active) => active,
        Verdict::Swap => {
            let new = context.refresh_token();
            statements.push(sql::sessions::revoke_token(&token.text));
            statements.push(sql::sessions::insert_token(
                &new,
                user.id,
                session.id,
                Some(&token.text),
            ));
            statements.push(audit::entry(
                context,
                Actor::User(&user),
                Action::TokenRevoked,
                Value::Null,
            ));
            new
        }
        Verdict::Refuse => {
            if context.settings.enable_refresh_token_rotation {
                transaction
                    .one(sql::sessions::revoke_family(session.id))
                    .await?;
            }
            return Ok(Err(refused(
                ErrorCode::RefreshTokenAlreadyUsed,
                "Invalid Refresh Token: Already Used",
            )));
        }
    };
    statements.push(audit::entry(
        context,
        Actor::User(&user),
        Action::TokenRefreshed,
        Value::Null,
    ));
    statements.push(sql::sessions::refreshed(
        session.id,
        context.user_agent(),
        context.ip_address(),
    ));
    if session.oauth_client_id.is_none() {
        statements.extend(context.remember(session.id));
    }
    statements.push(sql::users::by_id(user.id));
    let mut results = transaction.run(&statements).await?;
    let user = read_user(results.pop())?.ok_or_else(missing)?;
    Ok(Ok(SignedIn {
        user,
        session,
        refresh_token: issued,
    }))
}

/// A session of an application's goes on for that application alone.
fn check_client(session: &Session, client: Option<Uuid>) -> Result<(), AuthError> {
    let description = match (session.oauth_client_id, client) {
        (Some(own), Some(client)) if own != client => {
            "Client does not match the session's OAuth client"
        }
        (Some(_), None) => "Client authentication required for OAuth session",
        (None, Some(_)) => "Client authentication not allowed for non-OAuth session",
        (Some(_), Some(_)) | (None, None) => return Ok(()),
    };
    Err(AuthError::oauth("invalid_client", description))
}

enum Verdict {
    /// A new token takes this one's place.
    Swap,
    /// The client never saw the session's last token: it is told again.
    Return(String),
    /// The token was used before, by somebody else or long ago.
    Refuse,
}

fn judge<W>(context: &Context<'_, W>, token: &Token, active: Option<Active>) -> Verdict {
    if token.revoked != Some(true) {
        return Verdict::Swap;
    }
    if let Some(active) = active.filter(|active| active.parent == token.text) {
        return Verdict::Return(active.token);
    }
    let interval = i64::try_from(context.settings.refresh_token_reuse_interval).unwrap_or(i64::MAX);
    match token.updated_at {
        Some(used) if context.now <= used.plus(interval) => Verdict::Swap,
        Some(_) | None => Verdict::Refuse,
    }
}

/// Whether another session of the user is alive and was used after this one.
fn is_newer<W: World>(
    context: &Context<'_, W>,
    row: &Row,
    user: &User,
    session: &Session,
    token: &Token,
) -> bool {
    let other = row.get(0).map(Session::from_row);
    other.is_some_and(|other| {
        other.is_ok_and(|other| {
            other.id != session.id
                && other.ended(context, user, None).is_none()
                && other.last_refreshed(None) > session.last_refreshed(token.updated_at)
        })
    })
}

impl Found {
    fn read(row: &Row) -> Result<Self, AuthError> {
        let unreadable = |error: serde_json::Error| {
            AuthError::internal(format!("Database error loading refresh token: {error}"))
        };
        let missing = || AuthError::internal("Database error loading refresh token");
        let token = serde_json::from_slice(row.get(0).ok_or_else(missing)?).map_err(unreadable)?;
        let session = row.get(1).map(Session::from_row).transpose();
        let active = row.text(2).map(|token| Active {
            token: token.to_owned(),
            parent: row.text(3).unwrap_or_default().to_owned(),
        });
        let user_id = row.text(4).and_then(|id| Uuid::parse_str(id).ok());
        Ok(Self {
            token,
            session: session.map_err(unreadable)?,
            active,
            user_id: user_id.ok_or_else(missing)?,
        })
    }
}
