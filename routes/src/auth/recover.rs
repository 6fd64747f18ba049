//! `POST /recover`, `POST /resend` and `GET /reauthenticate`: another message, for who asks.
//!
//! **Invariant:** the first two answer alike whether there is such a user or not.
//!
//! Source: supabase/auth, `internal/api/recover.go`, `resend.go` and `reauthenticate.go`.

use http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Context, address,
    audit::{self, Action, Actor},
    delivery,
    error::{AuthError, ErrorCode},
    limits::Limit,
    pkce::Challenge,
    session::read_user,
    sql,
    user::User,
};
use crate::{Body, World, database::Statement};

#[derive(Debug, Deserialize)]
struct Parameters {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    code_challenge: Option<String>,
    #[serde(default)]
    code_challenge_method: Option<String>,
}

impl Parameters {
    fn challenge(&self) -> Result<Option<Challenge>, AuthError> {
        Challenge::of_request(
            self.code_challenge.as_deref(),
            self.code_challenge_method.as_deref(),
        )
    }
}

pub(super) async fn recover<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    context.limit(Limit::Recover)?;
    let parameters: Parameters = context.json()?;
    if parameters.email.is_empty() {
        return Err(AuthError::invalid("Password recovery requires an email"));
    }
    let email = address::email(&parameters.email)?;
    let challenge = parameters.challenge()?;
    let statement = sql::users::by_email(&email, &context.audience());
    if let Some(user) = find(context, statement).await? {
        let log = log(context, &user, Action::UserRecoveryRequested);
        delivery::recovery(context, &user, challenge.as_ref(), vec![log]).await?;
    }
    Ok(nothing())
}

async fn find<W: World>(
    context: &Context<'_, W>,
    statement: Statement,
) -> Result<Option<User>, AuthError> {
    let session = context.session().read_only();
    read_user(Some(context.database().one(&session, statement).await?))
}

fn log<W: World>(context: &Context<'_, W>, user: &User, action: Action) -> Statement {
    audit::entry(context, Actor::User(user), action, Value::Null)
}

fn nothing() -> Response<Body> {
    super::json(json!({}))
}

/// What was sent before and is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    Signup,
    EmailChange,
    Sms,
    PhoneChange,
}

impl Again {
    fn read(text: &str) -> Option<Self> {
        match text {
            "signup" => Some(Self::Signup),
            "email_change" => Some(Self::EmailChange),
            "sms" => Some(Self::Sms),
            "phone_change" => Some(Self::PhoneChange),
            _ => None,
        }
    }
}

pub(super) async fn resend<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    context.limit(Limit::Resend)?;
    let parameters: Parameters = context.json()?;
    let again = Again::read(&parameters.kind).ok_or_else(|| {
        AuthError::invalid("Missing one of these types: signup, email_change, sms, phone_change")
    })?;
    let challenge = match again {
        Again::Signup | Again::EmailChange => parameters.challenge()?,
        Again::Sms | Again::PhoneChange => None,
    };
    if parameters.email.is_empty() && again == Again::Signup {
        return Err(AuthError::invalid(
            "Type provided requires an email address",
        ));
    }
    if parameters.phone.is_empty() && again == Again::Sms {
        return Err(AuthError::invalid("Type provided requires a phone number"));
    }
    let settings = context.settings;
    let audience = context.audience();
    let (phone, statement) = match (parameters.email.as_str(), parameters.phone.as_str()) {
        ("", "") => {
            return Err(AuthError::invalid("Missing email address or phone number"));
        }
        (email, "") => {
            if !settings.email_enabled {
                return Err(AuthError::bad_request(
                    ErrorCode::EmailProviderDisabled,
                    "Email logins are disabled",
                ));
            }
            let email = address::email(email)?;
            (String::new(), sql::users::by_email(&email, &audience))
        }
        ("", phone) => {
            if !settings.sms_enable_signup {
                return Err(AuthError::bad_request(
                    ErrorCode::PhoneProviderDisabled,
                    "Phone logins are disabled",
                ));
            }
            let phone = address::phone(phone)?;
            let statement = sql::users::by_phone(&phone, &audience);
            (phone, statement)
        }
        _ => {
            return Err(AuthError::invalid(
                "Only an email address or phone number should be provided.",
            ));
        }
    };
    let Some(user) = find(context, statement).await? else {
        return Ok(nothing());
    };
    let id = match again {
        Again::Signup if user.is_email_confirmed() => None,
        Again::Signup => {
            delivery::confirmation_again(context, &user, challenge.as_ref()).await?;
            None
        }
        Again::EmailChange => {
            let wanted = user.email_change.clone().unwrap_or_default();
            if !wanted.is_empty() {
                delivery::email_change(context, &user, &wanted, challenge.as_ref()).await?;
            }
            None
        }
        Again::Sms if user.is_phone_confirmed() => None,
        Again::Sms => {
            let log = log(context, &user, Action::UserRecoveryRequested);
            delivery::phone_confirmation(context, &user, &phone, "", vec![log]).await?
        }
        Again::PhoneChange => {
            let wanted = user.phone_change.clone().unwrap_or_default();
            match wanted.as_str() {
                "" => None,
                wanted => delivery::phone_change(context, &user, wanted, "").await?,
            }
        }
    };
    Ok(answer(id))
}

pub(super) async fn reauthenticate<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    let caller = context.caller().await?;
    let user = &caller.user;
    match (user.email(), user.phone()) {
        ("", "") => {
            return Err(AuthError::invalid(
                "Reauthentication requires the user to have an email or a phone number",
            ));
        }
        ("", _) if !user.is_phone_confirmed() => {
            return Err(AuthError::unprocessable(
                ErrorCode::PhoneNotConfirmed,
                "Please verify your phone first.",
            ));
        }
        (email, _) if !email.is_empty() && !user.is_email_confirmed() => {
            return Err(AuthError::unprocessable(
                ErrorCode::EmailNotConfirmed,
                "Please verify your email first.",
            ));
        }
        _ => {}
    }
    let log = log(context, user, Action::UserReauthenticate);
    Ok(answer(delivery::nonce(context, user, vec![log]).await?))
}

fn answer(message_id: Option<String>) -> Response<Body> {
    match message_id {
        Some(id) => super::json(json!({"message_id": id})),
        None => nothing(),
    }
}
