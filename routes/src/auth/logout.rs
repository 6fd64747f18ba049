//! `POST /logout?scope=…`: sessions end. Source: supabase/auth, `internal/api/logout.go`.

use http::{Response, StatusCode};
use serde_json::Value;

use super::{
    Context,
    audit::{self, Action, Actor},
    error::AuthError,
    sql,
};
use crate::{Body, World};

pub(super) async fn handle<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    let caller = context.caller().await?;
    let user = &caller.user;
    let session = caller.session.as_ref();
    let ended = match (context.query("scope").as_str(), session) {
        // A token without a session ends them all, whatever it asks for.
        ("" | "global", _) | ("local" | "others", None) => sql::sessions::delete_all(user.id),
        ("local", Some(session)) => sql::sessions::delete(session.id),
        ("others", Some(session)) => sql::sessions::delete_others(user.id, session.id),
        (scope, _) => {
            return Err(AuthError::invalid(format!(
                "Unsupported logout scope \"{scope}\""
            )));
        }
    };
    let entry = audit::entry(context, Actor::User(user), Action::Logout, Value::Null);
    context
        .database()
        .run(&context.session(), &[entry, ended])
        .await?;
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}
