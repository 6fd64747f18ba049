//! A user's passkeys: listed, named, taken away; by the user or by an admin.

use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    super::{
        AuthError, Context, ErrorCode,
        audit::{self, Action, Actor},
        factors, sql,
        user::User,
    },
    Passkey, check_enabled, check_level, of_user, read,
};
use crate::{Body, World, auth};

/// How many characters a name has at most.
const LONGEST_NAME: usize = 120;

pub async fn list<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    check_enabled(context)?;
    let caller = context.caller_not_anonymous().await?;
    items(context, &caller.user).await
}

pub async fn admin_list<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    context.admin()?;
    check_enabled(context)?;
    let user = factors::named_user(context).await?;
    items(context, &user).await
}

async fn items<W: World>(
    context: &Context<'_, W>,
    user: &User,
) -> Result<Response<Body>, AuthError> {
    let passkeys = of_user(context, user.id).await?;
    let items: Value = passkeys.iter().map(Passkey::to_json).collect();
    Ok(auth::json(items))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Parameters {
    friendly_name: String,
}

pub async fn rename<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    check_enabled(context)?;
    let caller = context.caller_not_anonymous().await?;
    let id = named(context)?;
    let parameters: Parameters = context.json()?;
    if parameters.friendly_name.is_empty() {
        return Err(AuthError::invalid("friendly_name is required"));
    }
    if parameters.friendly_name.chars().count() > LONGEST_NAME {
        let message = "friendly_name must be 120 characters or less";
        return Err(AuthError::invalid(message));
    }
    let user = &caller.user;
    let renamed = context
        .database()
        .transaction(&context.session(), async |transaction| {
            let statement = sql::passkeys::rename(id, user.id, &parameters.friendly_name);
            let result = transaction.one(statement).await?;
            let passkey = read(&result)?.into_iter().next().ok_or_else(not_found)?;
            let traits = json!({"passkey_id": id});
            let entry = audit::entry(context, Actor::User(user), Action::PasskeyUpdated, traits);
            transaction.one(entry).await?;
            Ok::<Passkey, AuthError>(passkey)
        })
        .await?;
    Ok(auth::json(renamed.to_json()))
}

pub async fn delete<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    check_enabled(context)?;
    let caller = context.caller_not_anonymous().await?;
    check_level(&caller)?;
    remove(context, &caller.user, Actor::User(&caller.user)).await
}

pub async fn admin_delete<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    let admin = context.admin()?;
    check_enabled(context)?;
    let user = factors::named_user(context).await?;
    remove(context, &user, Actor::Admin(&admin.role)).await
}

async fn remove<W: World>(
    context: &Context<'_, W>,
    user: &User,
    actor: Actor<'_>,
) -> Result<Response<Body>, AuthError> {
    let id = named(context)?;
    context
        .database()
        .transaction(&context.session(), async |transaction| {
            let result = transaction.one(sql::passkeys::delete(id, user.id)).await?;
            if result.rows.is_empty() {
                return Err(not_found());
            }
            let traits = json!({"passkey_id": id, "user_id": user.id});
            let entry = audit::entry(context, actor, Action::PasskeyDeleted, traits);
            transaction.one(entry).await?;
            Ok(())
        })
        .await?;
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// The passkey that the path names.
fn named<W: World>(context: &Context<'_, W>) -> Result<Uuid, AuthError> {
    Uuid::parse_str(context.route.parameter("passkey_id")).map_err(|_error| not_found())
}

fn not_found() -> AuthError {
    AuthError::not_found(ErrorCode::ValidationFailed, "Passkey not found")
}
