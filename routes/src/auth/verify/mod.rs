//! `POST /verify` and `GET /verify`: a code that was typed, or a link that was followed, becomes a
//! session.
//!
//! Reading the user and using the token up are two steps; the second fails where somebody else was
//! first ([`sql::one_time::claim`]).
//!
//! Source: supabase/auth, `internal/api/verify.go`.

mod confirm;
mod find;
mod link;

use http::Response;
use serde::Deserialize;
use serde_json::json;

use super::{
    Context, address,
    delivery::notice,
    error::{AuthError, ErrorCode},
    limits::Limit,
    one_time::{self, Kind},
    session::{Grant, Method, SignedIn, sign_in},
    sql,
    user::User,
};
use crate::{Body, World};

pub(super) use confirm::Outcome;
pub(super) use link::follow;

const HALF: &str =
    "Confirmation link accepted. Please proceed to confirm link sent to the other email";

/// What is to be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Signup,
    Invite,
    MagicLink,
    Recovery,
    /// A code from a mail, whatever the mail was for.
    Email,
    EmailChange,
    Sms,
    PhoneChange,
    /// A word that names none of them.
    Unknown,
}

impl Subject {
    fn read(text: &str) -> Self {
        match text {
            "signup" => Self::Signup,
            "invite" => Self::Invite,
            "magiclink" => Self::MagicLink,
            "recovery" => Self::Recovery,
            "email" => Self::Email,
            "email_change" => Self::EmailChange,
            "sms" => Self::Sms,
            "phone_change" => Self::PhoneChange,
            _ => Self::Unknown,
        }
    }
}

/// A user whose token was good, and which one it was.
#[derive(Debug)]
struct Found {
    user: User,
    subject: Subject,
    /// The token to use up; `None` for a code that tests use, which is never used up.
    token: Option<(Kind, String)>,
    /// The number that was proved, for a text message.
    phone: String,
}

#[derive(Debug, Deserialize)]
struct Parameters {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    token: String,
    #[serde(default)]
    token_hash: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    redirect_to: String,
}

/// What proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Proof {
    /// The token of a link.
    Token(String),
    Email {
        email: String,
        code: String,
    },
    Phone {
        phone: String,
        code: String,
    },
}

impl Parameters {
    fn proof(self) -> Result<Proof, AuthError> {
        if self.kind.is_empty() {
            return Err(AuthError::invalid("Verify requires a verification type"));
        }
        match (self.token.is_empty(), self.token_hash.is_empty()) {
            (true, true) | (false, false) => Err(AuthError::invalid(
                "Verify requires either a token or a token hash",
            )),
            (true, false) => {
                let more = [&self.email, &self.phone, &self.redirect_to];
                if more.iter().any(|text| !text.is_empty()) {
                    return Err(AuthError::invalid(
                        "Only the token_hash and type should be provided",
                    ));
                }
                Ok(Proof::Token(self.token_hash))
            }
            (false, true) => match (self.email.as_str(), self.phone.as_str()) {
                ("", phone) if !phone.is_empty() => Ok(Proof::Phone {
                    phone: address::phone(phone)?,
                    code: self.token,
                }),
                (email, "") if !email.is_empty() => Ok(Proof::Email {
                    email: address::email(email).map_err(|_no_email| {
                        AuthError::unprocessable(
                            ErrorCode::ValidationFailed,
                            "Invalid email format",
                        )
                    })?,
                    code: self.token,
                }),
                _ => Err(AuthError::invalid(
                    "Only an email address or phone number should be provided on verify",
                )),
            },
        }
    }
}

pub(super) async fn post<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    context.limit(Limit::Verify)?;
    let parameters: Parameters = context.json()?;
    let subject = Subject::read(&parameters.kind);
    let found = match parameters.proof()? {
        Proof::Token(token) => find::by_token(context, subject, &token).await?,
        Proof::Email { email, code } => find::by_email(context, subject, &email, &code).await?,
        Proof::Phone { phone, code } => find::by_phone(context, subject, &phone, &code).await?,
    };
    match confirm::plan(context, &found)? {
        Outcome::Half(statements) => {
            run(context, statements, EXPIRED_CODE).await?;
            Ok(super::json(json!({"msg": HALF, "code": "200"})))
        }
        Outcome::Whole(statements) => {
            let signed_in = enter(context, statements, &found.user, EXPIRED_CODE).await?;
            tell(context, &found, &signed_in.user).await;
            signed_in.into_response(context)
        }
    }
}

/// Tells the user of a new address or number.
async fn tell<W: World>(context: &Context<'_, W>, found: &Found, after: &User) {
    match found.subject {
        Subject::EmailChange => notice::email_changed(context, &found.user, after).await,
        Subject::PhoneChange => notice::phone_changed(context, &found.user, after).await,
        Subject::Signup
        | Subject::Invite
        | Subject::Recovery
        | Subject::MagicLink
        | Subject::Email
        | Subject::Sms
        | Subject::Unknown => {}
    }
}

/// What is said of a code, and of a link, that is not good, whatever the reason.
const EXPIRED_CODE: &str = "Token has expired or is invalid";
const EXPIRED_LINK: &str = "Email link is invalid or has expired";

fn expired(message: &str) -> AuthError {
    AuthError::forbidden(ErrorCode::OtpExpired, message)
}

fn banned<W: World>(context: &Context<'_, W>, user: &User) -> Result<(), AuthError> {
    if user.is_banned(context.now) {
        return Err(AuthError::forbidden(
            ErrorCode::UserBanned,
            "User is banned",
        ));
    }
    Ok(())
}

/// Uses the token up and begins a session, in one transaction.
async fn enter<W: World>(
    context: &Context<'_, W>,
    statements: Vec<crate::database::Statement>,
    user: &User,
    message: &str,
) -> Result<SignedIn, AuthError> {
    sign_in(context, statements, user.id, Method::Otp, Grant::default())
        .await
        .map_err(|error| first_come(error, message))
}

/// Uses the token up; no session begins.
async fn run<W: World>(
    context: &Context<'_, W>,
    statements: Vec<crate::database::Statement>,
    message: &str,
) -> Result<Vec<crate::wire::StatementResult>, AuthError> {
    let results = context
        .database()
        .run(&context.session(), &statements)
        .await;
    results.map_err(|error| first_come(error.into(), message))
}

/// Who comes second is told what anybody is told who comes too late.
fn first_come(error: AuthError, message: &str) -> AuthError {
    match error.sqlstate.as_deref() {
        Some(sql::one_time::CLAIMED) => expired(message),
        Some(UNIQUE_VIOLATION) => AuthError::unprocessable(
            ErrorCode::EmailExists,
            "A user with this email address has already been registered",
        ),
        _ => error,
    }
}

/// Somebody else took the address between the wish and the proof.
const UNIQUE_VIOLATION: &str = "23505";

/// Whether a token that is kept is this one, and still good.
fn is_good<W: World>(
    context: &Context<'_, W>,
    kept: Option<&str>,
    hash: &str,
    sent_at: Option<super::time::Time>,
    lifetime: u64,
) -> bool {
    let fresh = |sent_at| !one_time::is_expired(sent_at, lifetime, context.now);
    one_time::matches(kept.unwrap_or_default(), hash) && sent_at.is_some_and(fresh)
}
