//! `POST /otp` and `POST /magiclink`: signing in, or up, by a link or a code.
//!
//! Source: supabase/auth, `internal/api/otp.go` and `magic_link.go`.

use http::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Context, address,
    audit::{self, Action, Actor},
    delivery,
    error::{AuthError, ErrorCode},
    limits::Limit,
    password,
    pkce::Challenge,
    session::read_user,
    signup::{self, Provider},
    sql,
    user::User,
};
use crate::{Body, World, database::Statement};

#[derive(Debug, Deserialize)]
struct Parameters {
    #[serde(default)]
    email: String,
    #[serde(default)]
    phone: String,
    /// Yes, unless it is said.
    #[serde(default)]
    create_user: Option<bool>,
    #[serde(default)]
    data: Option<Map<String, Value>>,
    #[serde(default)]
    channel: String,
    #[serde(default)]
    code_challenge: Option<String>,
    #[serde(default)]
    code_challenge_method: Option<String>,
}

pub(super) async fn otp<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    context.limit(Limit::Otp)?;
    let parameters: Parameters = context.json()?;
    if !parameters.email.is_empty() && !parameters.phone.is_empty() {
        return Err(AuthError::invalid(
            "Only an email address or phone number should be provided",
        ));
    }
    if !parameters.email.is_empty() && !parameters.channel.is_empty() {
        return Err(AuthError::invalid(
            "Channel should only be specified with Phone OTP",
        ));
    }
    let challenge = challenge(&parameters)?;
    if !parameters.create_user.unwrap_or(true) {
        check_known(context, &parameters).await?;
    }
    if !parameters.email.is_empty() {
        return by_email(context, parameters, challenge).await;
    }
    if !parameters.phone.is_empty() {
        return by_phone(context, parameters).await;
    }
    Err(AuthError::invalid("One of email or phone must be set"))
}

pub(super) async fn magic_link<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    context.limit(Limit::MagicLink)?;
    let parameters: Parameters = context.json()?;
    let challenge = challenge(&parameters)?;
    by_email(context, parameters, challenge).await
}

fn challenge(parameters: &Parameters) -> Result<Option<Challenge>, AuthError> {
    Challenge::of_request(
        parameters.code_challenge.as_deref(),
        parameters.code_challenge_method.as_deref(),
    )
}

/// 422 for who is not there, where nobody is to be made. Who asks so tells of their own users.
async fn check_known<W: World>(
    context: &Context<'_, W>,
    parameters: &Parameters,
) -> Result<(), AuthError> {
    let audience = context.audience();
    let statement = if !parameters.email.is_empty() {
        sql::users::by_email(&address::email(&parameters.email)?, &audience)
    } else if !parameters.phone.is_empty() {
        sql::users::by_phone(&address::phone(&parameters.phone)?, &audience)
    } else {
        return Ok(());
    };
    if find(context, statement).await?.is_some() {
        return Ok(());
    }
    Err(AuthError::unprocessable(
        ErrorCode::OtpDisabled,
        "Signups not allowed for otp",
    ))
}

async fn find<W: World>(
    context: &Context<'_, W>,
    statement: Statement,
) -> Result<Option<User>, AuthError> {
    let session = context.session().read_only();
    read_user(Some(context.database().one(&session, statement).await?))
}

async fn by_email<W: World>(
    context: &Context<'_, W>,
    parameters: Parameters,
    challenge: Option<Challenge>,
) -> Result<Response<Body>, AuthError> {
    if !context.settings.email_enabled {
        return Err(AuthError::unprocessable(
            ErrorCode::EmailProviderDisabled,
            "Email logins are disabled",
        ));
    }
    if parameters.email.is_empty() {
        return Err(AuthError::unprocessable(
            ErrorCode::ValidationFailed,
            "Password recovery requires an email",
        ));
    }
    let email = address::email(&parameters.email)?;
    let audience = context.audience();
    let existing = find(context, sql::users::by_email(&email, &audience)).await?;
    let known = existing.as_ref().is_some_and(User::is_email_confirmed);
    let user = if known {
        existing
    } else {
        let data = parameters.data.unwrap_or_default();
        let name = Newcomer {
            provider: Provider::Email,
            address: &email,
            data,
        };
        Some(sign_up(context, existing, name).await?)
    };
    let user = user.ok_or_else(|| AuthError::internal("Database error finding user"))?;
    if user.is_email_confirmed() {
        let log = requested(context, &user, Action::UserRecoveryRequested, Value::Null);
        delivery::magic_link(context, &user, challenge.as_ref(), vec![log]).await?;
    } else {
        delivery::confirmation(context, &user, challenge.as_ref()).await?;
    }
    Ok(super::json(json!({})))
}

async fn by_phone<W: World>(
    context: &Context<'_, W>,
    parameters: Parameters,
) -> Result<Response<Body>, AuthError> {
    if !context.settings.sms_enable_signup {
        return Err(AuthError::bad_request(
            ErrorCode::PhoneProviderDisabled,
            "Unsupported phone provider",
        ));
    }
    let phone = address::phone(&parameters.phone)?;
    delivery::check_channel(&parameters.channel)?;
    let audience = context.audience();
    let existing = find(context, sql::users::by_phone(&phone, &audience)).await?;
    let known = existing.as_ref().is_some_and(User::is_phone_confirmed);
    let user = if known {
        existing
    } else {
        let name = Newcomer {
            provider: Provider::Phone,
            address: &phone,
            data: parameters.data.unwrap_or_default(),
        };
        Some(sign_up(context, existing, name).await?)
    };
    let user = user.ok_or_else(|| AuthError::internal("Database error finding user"))?;
    if !user.is_phone_confirmed() {
        delivery::phone_confirmation(context, &user, &phone, &parameters.channel, Vec::new())
            .await?;
        return Ok(super::json(json!({})));
    }
    let channel = match parameters.channel.as_str() {
        "" => "sms",
        channel => channel,
    };
    let traits = json!({"channel": channel});
    let log = requested(context, &user, Action::UserRecoveryRequested, traits);
    let id = delivery::phone_confirmation(context, &user, &phone, channel, vec![log]).await?;
    Ok(super::json(json!({"message_id": id})))
}

fn requested<W: World>(
    context: &Context<'_, W>,
    user: &User,
    action: Action,
    traits: Value,
) -> Statement {
    audit::entry(context, Actor::User(user), action, traits)
}

/// Somebody who is not there yet, or has not proved that the address is theirs.
struct Newcomer<'a> {
    provider: Provider,
    address: &'a str,
    data: Map<String, Value>,
}

/// Makes the user, with a password that nobody knows. Who is there already stays as they are: who
/// they are nobody knows yet. Where nothing has to be proved they are confirmed at once, and the
/// message signs them in.
async fn sign_up<W: World>(
    context: &Context<'_, W>,
    existing: Option<User>,
    newcomer: Newcomer<'_>,
) -> Result<User, AuthError> {
    let Newcomer {
        provider,
        address,
        data,
    } = newcomer;
    signup::check_enabled(context)?;
    signup::check_provider(context, provider)?;
    let settings = context.settings;
    let autoconfirm = match provider {
        Provider::Email => !settings.email_enable_confirmations,
        Provider::Phone => !settings.sms_enable_confirmations,
    };
    let (user, mut statements) = if let Some(user) = existing {
        (user, Vec::new())
    } else {
        let hash = password::unknown(context.world);
        signup::new_user(context, provider, address, Some(&hash), data)
    };
    let traits = json!({"provider": provider.as_str()});
    if autoconfirm {
        statements.push(match provider {
            Provider::Email => sql::users::confirm_email(user.id),
            Provider::Phone => sql::users::confirm_phone(user.id),
        });
        statements.push(requested(context, &user, Action::UserSignedUp, traits));
    } else {
        let action = Action::UserConfirmationRequested;
        statements.push(requested(context, &user, action, traits));
    }
    signup::save(context, statements, user.id).await
}
