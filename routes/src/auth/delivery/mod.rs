//! What is sent to users who sign up, sign in or change how they are reached, and what they bring
//! back.
//!
//! Every message stands in the outbox with its link and its code. Mails also go to the mail server of
//! the settings, where the gateway runs in a process that can reach one. Text messages stay.
//!
//! Source: supabase/auth, `internal/api/mail.go`, `phone.go` and `reauthenticate.go`.

pub mod notice;
mod outgoing;
mod smtp;

use serde_json::Value;

use super::{
    Context,
    audit::{self, Action, Actor},
    error::{AuthError, ErrorCode},
    mail::Letter,
    one_time::{self, Flow, Kind},
    pkce::Challenge,
    session::Method,
    sql::{self, flow_states::NewFlow},
    user::User,
};
use crate::{World, database::Statement, outbox::Channel};

pub use outgoing::{Outgoing, Token};

/// Text messages go by `sms` or by `whatsapp`; without a word by the first.
pub fn check_channel(channel: &str) -> Result<(), AuthError> {
    read_channel(channel).map(drop)
}

fn read_channel(channel: &str) -> Result<Channel, AuthError> {
    match channel {
        "" | "sms" => Ok(Channel::Sms),
        "whatsapp" => Ok(Channel::WhatsApp),
        _ => Err(AuthError::invalid(
            "Invalid channel, supported values are 'sms' or 'whatsapp'. 'whatsapp' is only supported if \
             Twilio or Twilio Verify is used as the provider.",
        )),
    }
}

/// The flow that a challenge asks for.
pub const fn flow(challenge: Option<&Challenge>) -> Flow {
    match challenge {
        Some(_) => Flow::Pkce,
        None => Flow::Implicit,
    }
}

/// The statement that remembers a challenge until the link is followed.
fn remember<W: World>(
    context: &Context<'_, W>,
    user: &User,
    provider_type: &str,
    method: Method,
    challenge: Option<&Challenge>,
) -> Option<Statement> {
    let challenge = challenge?;
    Some(sql::flow_states::insert(&NewFlow {
        id: context.uuid(),
        user_id: Some(user.id),
        auth_code: Some(context.uuid()),
        challenge: Some(challenge),
        provider_type,
        authentication_method: method.as_str(),
        ..NewFlow::default()
    }))
}

/// A mail with which a new user proves that the address is theirs.
pub async fn confirmation<W: World>(
    context: &Context<'_, W>,
    user: &User,
    challenge: Option<&Challenge>,
) -> Result<(), AuthError> {
    confirming(context, user, challenge, Vec::new()).await
}

/// The same mail once more, for who asks for it.
pub async fn confirmation_again<W: World>(
    context: &Context<'_, W>,
    user: &User,
    challenge: Option<&Challenge>,
) -> Result<(), AuthError> {
    let action = Action::UserConfirmationRequested;
    let log = audit::entry(context, Actor::User(user), action, Value::Null);
    confirming(context, user, challenge, vec![log]).await
}

async fn confirming<W: World>(
    context: &Context<'_, W>,
    user: &User,
    challenge: Option<&Challenge>,
    mut before: Vec<Statement>,
) -> Result<(), AuthError> {
    context.check_mail_interval(user.confirmation_sent_at)?;
    let mut outgoing = Outgoing::default();
    let token = Token {
        letter: Letter::Confirmation,
        kind: Kind::Confirmation,
        to: user.email(),
        flow: flow(challenge),
    };
    outgoing.mail(context, user.into(), token, Vec::new())?;
    let method = Method::EmailSignup;
    before.extend(remember(context, user, "email", method, challenge));
    outgoing.send(context, before).await?;
    Ok(())
}

/// A mail with a link that signs the user in.
pub async fn magic_link<W: World>(
    context: &Context<'_, W>,
    user: &User,
    challenge: Option<&Challenge>,
    before: Vec<Statement>,
) -> Result<(), AuthError> {
    let kind = Recovery {
        letter: Letter::MagicLink,
        method: Method::MagicLink,
    };
    recovering(context, user, challenge, kind, before).await
}

/// A mail with a link for somebody who forgot the password.
pub async fn recovery<W: World>(
    context: &Context<'_, W>,
    user: &User,
    challenge: Option<&Challenge>,
    before: Vec<Statement>,
) -> Result<(), AuthError> {
    let kind = Recovery {
        letter: Letter::Recovery,
        method: Method::Recovery,
    };
    recovering(context, user, challenge, kind, before).await
}

/// Which of the two mails that share a token.
struct Recovery {
    letter: Letter,
    method: Method,
}

async fn recovering<W: World>(
    context: &Context<'_, W>,
    user: &User,
    challenge: Option<&Challenge>,
    Recovery { letter, method }: Recovery,
    mut before: Vec<Statement>,
) -> Result<(), AuthError> {
    context.check_mail_interval(user.recovery_sent_at)?;
    let mut outgoing = Outgoing::default();
    let token = Token {
        letter,
        kind: Kind::Recovery,
        to: user.email(),
        flow: flow(challenge),
    };
    outgoing.mail(context, user.into(), token, Vec::new())?;
    before.extend(remember(context, user, method.as_str(), method, challenge));
    outgoing.send(context, before).await?;
    Ok(())
}

/// The mails that confirm a new address, to it and to the old one.
pub async fn email_change<W: World>(
    context: &Context<'_, W>,
    user: &User,
    email: &str,
    challenge: Option<&Challenge>,
) -> Result<(), AuthError> {
    context.check_mail_interval(user.email_change_sent_at)?;
    let mut outgoing = Outgoing::default();
    outgoing.statement(sql::one_time::begin_email_change(user.id, email));
    let mut add = |kind, to| {
        let token = Token {
            letter: Letter::EmailChange,
            kind,
            to,
            flow: flow(challenge),
        };
        let more = vec![("NewEmail", email), ("SendingTo", to)];
        outgoing.mail(context, user.into(), token, more)
    };
    add(Kind::EmailChangeNew, email)?;
    if context.settings.email_double_confirm_changes && !user.email().is_empty() {
        add(Kind::EmailChangeCurrent, user.email())?;
    }
    let method = Method::EmailChange;
    let before = remember(context, user, method.as_str(), method, challenge);
    outgoing.send(context, before.into_iter().collect()).await?;
    Ok(())
}

/// A text message with which a new user proves that the number is theirs, or a known one signs in.
/// The message's id.
pub async fn phone_confirmation<W: World>(
    context: &Context<'_, W>,
    user: &User,
    phone: &str,
    channel: &str,
    before: Vec<Statement>,
) -> Result<Option<String>, AuthError> {
    context.check_text_interval(user.confirmation_sent_at)?;
    let channel = read_channel(channel)?;
    let mut outgoing = Outgoing::default();
    outgoing.text(context, user, Kind::Confirmation, phone, channel)?;
    message_id(outgoing.send(context, before).await?)
}

/// The text message that confirms a new number. The message's id.
pub async fn phone_change<W: World>(
    context: &Context<'_, W>,
    user: &User,
    phone: &str,
    channel: &str,
) -> Result<Option<String>, AuthError> {
    context.check_text_interval(user.phone_change_sent_at)?;
    let channel = read_channel(channel)?;
    let mut outgoing = Outgoing::default();
    outgoing.statement(sql::one_time::begin_phone_change(user.id, phone));
    outgoing.text(context, user, Kind::PhoneChange, phone, channel)?;
    message_id(outgoing.send(context, Vec::new()).await?)
}

/// What says that the code of a test was not sent.
#[expect(clippy::unnecessary_wraps, reason = "the end of functions that fail")]
fn message_id(id: Option<String>) -> Result<Option<String>, AuthError> {
    Ok(Some(id.unwrap_or_else(|| "test-otp".to_owned())))
}

/// A nonce by mail, or by text message where the user has no address. The text message's id.
pub async fn nonce<W: World>(
    context: &Context<'_, W>,
    user: &User,
    before: Vec<Statement>,
) -> Result<Option<String>, AuthError> {
    let mut outgoing = Outgoing::default();
    if user.email().is_empty() {
        context.check_text_interval(user.reauthentication_sent_at)?;
        outgoing.text(
            context,
            user,
            Kind::Reauthentication,
            user.phone(),
            Channel::Sms,
        )?;
        return message_id(outgoing.send(context, before).await?);
    }
    context.check_mail_interval(user.reauthentication_sent_at)?;
    let token = Token {
        letter: Letter::Reauthentication,
        kind: Kind::Reauthentication,
        to: user.email(),
        flow: Flow::Implicit,
    };
    outgoing.mail(context, user.into(), token, Vec::new())?;
    outgoing.send(context, before).await?;
    Ok(None)
}

/// Whether a nonce is the one that was sent for a reauthentication; it is good once.
pub async fn check_nonce<W: World>(
    context: &Context<'_, W>,
    user: &User,
    nonce: &str,
) -> Result<(), AuthError> {
    let wrong = || {
        AuthError::unprocessable(
            ErrorCode::ReauthenticationNotValid,
            "Nonce has expired or is invalid",
        )
    };
    let settings = context.settings;
    let (address, lifetime) = match (user.email(), user.phone()) {
        ("", "") => {
            return Err(AuthError::unprocessable(
                ErrorCode::ReauthenticationNotValid,
                "Reauthentication requires an email or a phone number",
            ));
        }
        ("", phone) => (phone, settings.sms_otp_expiry),
        (email, _) => (email, settings.email_otp_expiry),
    };
    let kept = user.reauthentication_token.as_deref().unwrap_or_default();
    let sent_at = user.reauthentication_sent_at.ok_or_else(wrong)?;
    if !one_time::matches(kept, &one_time::hash(address, nonce))
        || one_time::is_expired(sent_at, lifetime, context.now)
    {
        return Err(wrong());
    }
    let statements = [
        sql::one_time::claim(user.id, Kind::Reauthentication, kept),
        sql::one_time::reauthenticated(user.id),
        sql::users::clear_one_time_tokens(user.id),
    ];
    let used = context
        .database()
        .run(&context.session(), &statements)
        .await;
    match used {
        Ok(_) => Ok(()),
        Err(error) if error.sqlstate() == Some(sql::one_time::CLAIMED) => Err(wrong()),
        Err(error) => Err(error.into()),
    }
}
