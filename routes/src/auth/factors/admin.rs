//! Factors of any user, for admins.

use http::Response;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{
    super::{
        AuthError, Context, ErrorCode, address,
        audit::{self, Action, Actor},
        session::read_user,
        sql,
        user::{Factor, User},
    },
    Kind, owned,
};
use crate::{Body, World, auth, database::Statement};

pub async fn list<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    context.admin()?;
    let user = named_user(context).await?;
    Ok(auth::json(json!(user.factors)))
}

pub async fn delete<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    let admin = context.admin()?;
    let user = named_user(context).await?;
    let factor = owned(context, &user)?;
    let deleted = sql::factors::delete(factor.id);
    change(
        context,
        &admin.role,
        factor,
        Action::DeleteFactor,
        &user,
        deleted,
    )
    .await?;
    Ok(auth::json(json!(factor)))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Parameters {
    friendly_name: String,
    phone: String,
}

pub async fn update<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    let admin = context.admin()?;
    let mut user = named_user(context).await?;
    let parameters: Parameters = context.json()?;
    let factor = owned(context, &user)?;
    let is_phone = Kind::named(&factor.factor_type) == Some(Kind::Phone);
    let phone = match parameters.phone.as_str() {
        phone if is_phone && !phone.is_empty() => address::phone(phone)?,
        _ => String::new(),
    };
    let updated = sql::factors::update(factor.id, &parameters.friendly_name, &phone);
    change(
        context,
        &admin.role,
        factor,
        Action::UpdateFactor,
        &user,
        updated,
    )
    .await?;
    let id = factor.id;
    user = named_user(context).await?;
    let factor = user.factors.iter().find(|factor| factor.id == id);
    Ok(auth::json(json!(factor)))
}

async fn change<W: World>(
    context: &Context<'_, W>,
    role: &str,
    factor: &Factor,
    action: Action,
    user: &User,
    statement: Statement,
) -> Result<(), AuthError> {
    let traits = json!({
        "user_id": user.id,
        "factor_id": factor.id,
        "factor_type": factor.factor_type,
    });
    let statements = [
        audit::entry(context, Actor::Admin(role), action, traits),
        statement,
    ];
    context
        .database()
        .run(&context.session(), &statements)
        .await?;
    Ok(())
}

/// The user that the path names.
pub async fn named_user<W: World>(context: &Context<'_, W>) -> Result<User, AuthError> {
    let id = Uuid::parse_str(context.route.parameter("user_id")).map_err(|_error| {
        AuthError::not_found(ErrorCode::ValidationFailed, "user_id must be an UUID")
    })?;
    let session = context.session().read_only();
    let result = context
        .database()
        .one(&session, sql::users::by_id(id))
        .await?;
    read_user(Some(result))?
        .ok_or_else(|| AuthError::not_found(ErrorCode::UserNotFound, "User not found"))
}
