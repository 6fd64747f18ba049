//! A user's identities: another one is linked, one is given up.

use http::Response;
use serde_json::json;
use uuid::Uuid;

use super::{
    super::{
        AuthError, Context, ErrorCode,
        audit::{self, Action, Actor},
        delivery::notice,
        sql,
    },
    account::{self, Settled},
    authorize, callback,
    profile::Profile,
};
use crate::{
    Body, World, auth,
    database::{DatabaseError, Transaction},
};

/// `GET /user/identities/authorize`: where the user goes for another identity.
pub async fn link<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    let caller = context.caller().await?;
    check_allowed(context)?;
    let address = authorize::address(context, Some(caller.user.id)).await?;
    if context.query("skip_http_redirect") == "true" {
        return Ok(auth::json(json!({"url": address})));
    }
    callback::redirect_to(&address)
}

/// `DELETE /user/identities/{identity_id}`.
pub async fn unlink<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    let caller = context.caller().await?;
    check_allowed(context)?;
    let id = Uuid::parse_str(context.route.parameter("identity_id")).map_err(|_error| {
        AuthError::not_found(ErrorCode::ValidationFailed, "identity_id must be an UUID")
    })?;
    let user = &caller.user;
    if user.identities.len() <= 1 {
        return Err(AuthError::unprocessable(
            ErrorCode::SingleIdentityNotDeletable,
            "User must have at least 1 identity after unlinking",
        ));
    }
    let identity = user.identities.iter().find(|identity| identity.id == id);
    let identity = identity.ok_or_else(|| {
        AuthError::unprocessable(ErrorCode::IdentityNotFound, "Identity doesn't exist")
    })?;
    let traits = json!({
        "identity_id": identity.id,
        "provider": identity.provider,
        "provider_id": identity.provider_id,
    });
    let statements = [
        audit::entry(context, Actor::User(user), Action::IdentityUnlink, traits),
        sql::external::delete_identity(id, user.id),
        match identity.provider.as_str() {
            "phone" => sql::external::clear_phone(user.id),
            _ => sql::external::email_from_identities(user.id),
        },
        sql::users::refresh_providers(user.id),
    ];
    context
        .database()
        .run(&context.session(), &statements)
        .await
        .map_err(|error| match error.constraint() {
            Some("users_email_partial_key") => AuthError::unprocessable(
                ErrorCode::EmailConflictIdentityNotDeletable,
                "Unable to unlink identity due to email conflict",
            ),
            _ => error.into(),
        })?;
    notice::identity_unlinked(context, user, &identity.provider).await;
    Ok(auth::json(json!({})))
}

fn check_allowed<W>(context: &Context<'_, W>) -> Result<(), AuthError> {
    if context.settings.enable_manual_linking {
        return Ok(());
    }
    let message = "Manual linking is disabled";
    Err(AuthError::not_found(
        ErrorCode::ManualLinkingDisabled,
        message,
    ))
}

/// Gives a user another identity, in a transaction.
pub(super) async fn attach<W: World>(
    context: &Context<'_, W>,
    transaction: &mut Transaction<'_, W>,
    target: Uuid,
    provider: &str,
    profile: &Profile,
) -> Result<Settled, AuthError> {
    let known = transaction
        .one(sql::external::identity(provider, &profile.subject))
        .await?;
    if let Some(row) = known.rows.first() {
        let is_own = row.text(1) == Some(target.to_string().as_str());
        return Err(taken(is_own));
    }
    let user = account::load(transaction, target).await.map_err(|_error| {
        AuthError::unprocessable(ErrorCode::UserNotFound, "Linking target user not found")
    })?;
    let statements = [
        account::insert_identity(context.uuid(), target, provider, profile),
        sql::users::refresh_providers(target),
    ];
    transaction
        .run(&statements)
        .await
        .map_err(|error: DatabaseError| match error.constraint() {
            Some("identities_provider_id_provider_unique") => taken(false),
            _ => error.into(),
        })?;
    let mut unverified = false;
    if user.email().is_empty() {
        let adopted = transaction
            .one(sql::external::email_from_identities(target))
            .await;
        adopted.map_err(|error| match error.constraint() {
            Some("users_email_partial_key") => AuthError::bad_request(
                ErrorCode::EmailExists,
                "A user with this email address has already been registered",
            ),
            _ => error.into(),
        })?;
        let is_verified = profile.data.get("email_verified") == Some(&true.into());
        if is_verified {
            let mut confirmed = vec![
                sql::users::confirm_email(target),
                sql::users::clear_one_time_tokens(target),
            ];
            if user.is_anonymous {
                confirmed.push(sql::users::set_anonymous(target, false));
            }
            transaction.run(&confirmed).await?;
        } else {
            unverified = true;
        }
    }
    Ok(Settled {
        user: account::load(transaction, target).await?,
        unverified,
    })
}

fn taken(is_own: bool) -> AuthError {
    let message = if is_own {
        "Identity is already linked"
    } else {
        "Identity is already linked to another user"
    };
    AuthError::unprocessable(ErrorCode::IdentityAlreadyExists, message)
}
