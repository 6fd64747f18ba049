//! Whose token it is, and whether it is good.

use super::{
    super::{
        Context,
        error::AuthError,
        one_time::{self, Flow, Kind},
        session::read_user,
        sql,
        time::Time,
        user::User,
    },
    EXPIRED_CODE, EXPIRED_LINK, Found, Subject, banned, expired, is_good,
};
use crate::World;

/// The kinds of token that a subject's link may have, in the order in which they are looked for.
fn kinds(subject: Subject) -> Result<&'static [Kind], AuthError> {
    match subject {
        Subject::Email => Ok(&[Kind::Confirmation, Kind::Recovery]),
        Subject::Signup | Subject::Invite => Ok(&[Kind::Confirmation]),
        Subject::Recovery | Subject::MagicLink => Ok(&[Kind::Recovery]),
        Subject::EmailChange => Ok(&[Kind::EmailChangeCurrent, Kind::EmailChangeNew]),
        Subject::Sms | Subject::PhoneChange | Subject::Unknown => {
            Err(AuthError::invalid("Invalid email verification type"))
        }
    }
}

/// A code that came by mail says by its kind which mail that was.
const fn settled(subject: Subject, kind: Kind) -> Subject {
    match (subject, kind) {
        (Subject::Email, Kind::Recovery) => Subject::MagicLink,
        (Subject::Email, _) => Subject::Signup,
        (subject, _) => subject,
    }
}

/// By the token that a link carries.
pub(super) async fn by_token<W: World>(
    context: &Context<'_, W>,
    subject: Subject,
    token: &str,
) -> Result<Found, AuthError> {
    let kinds = kinds(subject)?;
    let session = context.session().read_only();
    let result = context
        .database()
        .one(&session, sql::one_time::user_of(token, kinds))
        .await?;
    let label = result
        .rows
        .first()
        .and_then(|row| row.text(1))
        .map(str::to_owned);
    let kind = kinds
        .iter()
        .copied()
        .find(|kind| Some(kind.label()) == label.as_deref());
    let user = read_user(Some(result))?;
    let (Some(user), Some(kind)) = (user, kind) else {
        return Err(expired(EXPIRED_LINK));
    };
    banned(context, &user)?;
    let (_, sent_at) = kept(&user, kind);
    let lifetime = context.settings.email_otp_expiry;
    if sent_at.is_none_or(|sent_at| one_time::is_expired(sent_at, lifetime, context.now)) {
        return Err(expired(EXPIRED_LINK));
    }
    Ok(Found {
        user,
        subject: settled(subject, kind),
        token: Some((kind, token.to_owned())),
        phone: String::new(),
    })
}

/// By an address and the code that was sent there.
pub(super) async fn by_email<W: World>(
    context: &Context<'_, W>,
    subject: Subject,
    email: &str,
    code: &str,
) -> Result<Found, AuthError> {
    let settings = context.settings;
    let audience = context.audience();
    let hash = one_time::hash(email, code);
    let (statement, kinds): (_, &[Kind]) = match subject {
        Subject::EmailChange => {
            let kinds: &[Kind] = if settings.email_double_confirm_changes {
                &[Kind::EmailChangeCurrent, Kind::EmailChangeNew]
            } else {
                &[Kind::EmailChangeNew]
            };
            let marked = Flow::Pkce.mark(&hash);
            let statement = sql::one_time::user_of_email_change(&hash, &marked, kinds, &audience);
            (statement, &[Kind::EmailChangeCurrent, Kind::EmailChangeNew])
        }
        Subject::Sms | Subject::PhoneChange | Subject::Unknown => {
            (sql::users::by_email(email, &audience), &[])
        }
        Subject::Email
        | Subject::Signup
        | Subject::Invite
        | Subject::Recovery
        | Subject::MagicLink => (sql::users::by_email(email, &audience), kinds(subject)?),
    };
    let session = context.session().read_only();
    let result = context.database().one(&session, statement).await?;
    let user = read_user(Some(result))?.ok_or_else(|| expired(EXPIRED_CODE))?;
    banned(context, &user)?;
    let found = kinds.iter().copied().find(|kind| {
        let (token, sent_at) = kept(&user, *kind);
        is_good(context, token, &hash, sent_at, settings.email_otp_expiry)
    });
    let kind = found.ok_or_else(|| expired(EXPIRED_CODE))?;
    let token = kept(&user, kind).0.unwrap_or_default().to_owned();
    Ok(Found {
        user,
        subject: settled(subject, kind),
        token: Some((kind, token)),
        phone: String::new(),
    })
}

/// By a number and the code that was sent there, or that tests use for it.
pub(super) async fn by_phone<W: World>(
    context: &Context<'_, W>,
    subject: Subject,
    phone: &str,
    code: &str,
) -> Result<Found, AuthError> {
    let audience = context.audience();
    let (statement, kind) = match subject {
        Subject::PhoneChange => (
            sql::one_time::user_of_phone_change(phone, &audience),
            Some(Kind::PhoneChange),
        ),
        Subject::Sms => (
            sql::users::by_phone(phone, &audience),
            Some(Kind::Confirmation),
        ),
        Subject::Signup
        | Subject::Invite
        | Subject::MagicLink
        | Subject::Recovery
        | Subject::Email
        | Subject::EmailChange
        | Subject::Unknown => (sql::users::by_phone(phone, &audience), None),
    };
    let session = context.session().read_only();
    let result = context.database().one(&session, statement).await?;
    let user = read_user(Some(result))?.ok_or_else(|| expired(EXPIRED_CODE))?;
    banned(context, &user)?;
    let kind = kind.ok_or_else(|| expired(EXPIRED_CODE))?;
    let is_test = context
        .settings
        .test_otp
        .get(phone)
        .is_some_and(|test| test == code);
    let (token, sent_at) = kept(&user, kind);
    let hash = one_time::hash(phone, code);
    if !is_test
        && !is_good(
            context,
            token,
            &hash,
            sent_at,
            context.settings.sms_otp_expiry,
        )
    {
        return Err(expired(EXPIRED_CODE));
    }
    let token = token
        .map(|token| (kind, token.to_owned()))
        .filter(|_| !is_test);
    Ok(Found {
        user,
        subject,
        token,
        phone: phone.to_owned(),
    })
}

/// The token of a kind that the user has, and when it was sent.
fn kept(user: &User, kind: Kind) -> (Option<&str>, Option<Time>) {
    let (token, sent_at) = match kind {
        Kind::Confirmation => (&user.confirmation_token, user.confirmation_sent_at),
        Kind::Reauthentication => (&user.reauthentication_token, user.reauthentication_sent_at),
        Kind::Recovery => (&user.recovery_token, user.recovery_sent_at),
        Kind::EmailChangeNew => (&user.email_change_token_new, user.email_change_sent_at),
        Kind::EmailChangeCurrent => (&user.email_change_token_current, user.email_change_sent_at),
        Kind::PhoneChange => (&user.phone_change_token, user.phone_change_sent_at),
    };
    (token.as_deref(), sent_at)
}
