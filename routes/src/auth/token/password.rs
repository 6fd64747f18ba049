//! `grant_type=password`. Source: supabase/auth, `internal/api/token.go`.
//!
//! **Invariant:** an unknown user, one without a password and a wrong password are answered alike,
//! and take as long.

use http::Response;
use serde::Deserialize;
use serde_json::json;

use super::super::{
    Context,
    audit::{self, Action, Actor},
    error::{AuthError, ErrorCode},
    password,
    session::{Grant, Method, read_user, sign_in},
    sql,
};
use crate::{Body, World};

#[derive(Deserialize)]
struct Parameters {
    #[serde(default)]
    email: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    password: String,
}

pub(super) async fn handle<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    let Parameters {
        email,
        phone,
        password,
    } = context.json()?;
    let audience = context.audience();
    if !email.is_empty() && !phone.is_empty() {
        return Err(AuthError::invalid(
            "Only an email address or phone number should be provided on login.",
        ));
    }
    let (provider, statement) = if !email.is_empty() {
        if !context.settings.email_enabled {
            return Err(AuthError::unprocessable(
                ErrorCode::EmailProviderDisabled,
                "Email logins are disabled",
            ));
        }
        ("email", sql::users::by_email(&email, &audience))
    } else if !phone.is_empty() {
        if !context.settings.sms_enable_signup {
            return Err(AuthError::unprocessable(
                ErrorCode::PhoneProviderDisabled,
                "Phone logins are disabled",
            ));
        }
        // As it is kept: digits alone.
        let number = phone.trim_start_matches('+').replace(' ', "");
        ("phone", sql::users::by_phone(&number, &audience))
    } else {
        return Err(AuthError::invalid("missing email or phone"));
    };
    let session = context.session().read_only();
    let user = read_user(Some(context.database().one(&session, statement).await?))?;
    let hash = user
        .as_ref()
        .and_then(|user| user.encrypted_password.as_deref());
    let is_right = context.verify_password(hash, &password).await;
    let Some(user) = user.filter(|_| is_right) else {
        return Err(AuthError::bad_request(
            ErrorCode::InvalidCredentials,
            "Invalid login credentials",
        ));
    };
    if user.is_banned(context.now) {
        return Err(AuthError::bad_request(
            ErrorCode::UserBanned,
            "User is banned",
        ));
    }
    if provider == "email"
        && !user.is_email_confirmed()
        && !context.settings.email_allow_unverified_sign_ins
    {
        return Err(AuthError::bad_request(
            ErrorCode::EmailNotConfirmed,
            "Email not confirmed",
        ));
    }
    if provider == "phone" && !user.is_phone_confirmed() {
        return Err(AuthError::bad_request(
            ErrorCode::PhoneNotConfirmed,
            "Phone not confirmed",
        ));
    }

    let mut before = vec![audit::entry(
        context,
        Actor::User(&user),
        Action::Login,
        json!({"provider": provider}),
    )];
    if user
        .encrypted_password
        .as_deref()
        .is_some_and(password::is_outdated)
    {
        let hash = context.hash_password(&password).await;
        before.push(sql::users::rehash_password(user.id, &hash));
    }
    let signed_in = sign_in(context, before, user.id, Method::Password, Grant::default()).await?;
    let mut body = signed_in.to_json(context)?;
    // Who has a weak password is told so, and let in.
    let (message, reasons) = context.weakness(&password);
    if !reasons.is_empty() {
        let reasons: Vec<_> = reasons.iter().map(|reason| reason.as_str()).collect();
        let weak = json!({"message": message, "reasons": reasons});
        body.insert("weak_password".to_owned(), weak);
    }
    Ok(super::super::json(body.into()))
}
