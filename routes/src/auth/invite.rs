//! `POST /invite` and `POST /admin/generate_link`: an admin asks somebody in, or makes a link without
//! sending it.
//!
//! Source: supabase/auth, `internal/api/invite.go` and `mail.go`.

use http::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Context, address,
    audit::{self, Action, Actor},
    delivery::{Outgoing, Token},
    error::{AuthError, ErrorCode},
    mail::{self, Letter},
    one_time::{Flow, Kind, OneTime},
    password,
    session::read_user,
    signup::{self, Provider},
    sql,
    user::User,
};
use crate::{Body, World, database::Statement};

const DUPLICATE_EMAIL: &str = "A user with this email address has already been registered";

#[derive(Debug, Deserialize)]
struct Parameters {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    new_email: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    data: Option<Map<String, Value>>,
    #[serde(default)]
    redirect_to: String,
}

pub(super) async fn invite<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    let admin = context.admin()?;
    let parameters: Parameters = context.json()?;
    let email = address::email(&parameters.email)?;
    let existing = find(context, &email).await?;
    let data = parameters.data.unwrap_or_default();
    let (user, mut statements) = uninvited(context, existing, &email, data)?;
    statements.push(invited(context, &admin.role, &user));
    let mut outgoing = Outgoing::default();
    let token = Token {
        letter: Letter::Invite,
        kind: Kind::Confirmation,
        to: &email,
        flow: Flow::Implicit,
    };
    outgoing.mail(context, (&user).into(), token, Vec::new())?;
    outgoing.statement(sql::one_time::invite(user.id));
    outgoing
        .send(context, statements)
        .await
        .map_err(signup::saving)?;
    let user = signup::save(context, Vec::new(), user.id).await?;
    Ok(super::json(user.to_json()))
}

async fn find<W: World>(context: &Context<'_, W>, email: &str) -> Result<Option<User>, AuthError> {
    let statement = sql::users::by_email(email, &context.audience());
    let session = context.session().read_only();
    read_user(Some(context.database().one(&session, statement).await?))
}

/// The user who is to be invited, made where there is none; 422 for one who is in already.
fn uninvited<W: World>(
    context: &Context<'_, W>,
    existing: Option<User>,
    email: &str,
    data: Map<String, Value>,
) -> Result<(User, Vec<Statement>), AuthError> {
    match existing {
        Some(user) if user.is_email_confirmed() => Err(duplicate()),
        Some(user) => Ok((user, Vec::new())),
        None => Ok(signup::new_user(
            context,
            Provider::Email,
            email,
            None,
            data,
        )),
    }
}

fn duplicate() -> AuthError {
    AuthError::unprocessable(ErrorCode::EmailExists, DUPLICATE_EMAIL)
}

fn invited<W: World>(context: &Context<'_, W>, role: &str, user: &User) -> Statement {
    let traits = json!({"user_id": user.id, "user_email": user.email()});
    audit::entry(context, Actor::Admin(role), Action::UserInvited, traits)
}

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Signup,
    Invite,
    MagicLink,
    Recovery,
    EmailChangeCurrent,
    EmailChangeNew,
}

impl Purpose {
    fn read(text: &str) -> Option<Self> {
        match text {
            "signup" => Some(Self::Signup),
            "invite" => Some(Self::Invite),
            "magiclink" => Some(Self::MagicLink),
            "recovery" => Some(Self::Recovery),
            "email_change_current" => Some(Self::EmailChangeCurrent),
            "email_change_new" => Some(Self::EmailChangeNew),
            _ => None,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Signup => "signup",
            Self::Invite => "invite",
            Self::MagicLink => "magiclink",
            Self::Recovery => "recovery",
            Self::EmailChangeCurrent => "email_change_current",
            Self::EmailChangeNew => "email_change_new",
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Signup | Self::Invite => Kind::Confirmation,
            Self::MagicLink | Self::Recovery => Kind::Recovery,
            Self::EmailChangeCurrent => Kind::EmailChangeCurrent,
            Self::EmailChangeNew => Kind::EmailChangeNew,
        }
    }

    /// `type` in the address.
    const fn link_type(self) -> &'static str {
        match self {
            Self::EmailChangeCurrent | Self::EmailChangeNew => "email_change",
            Self::Signup | Self::Invite | Self::MagicLink | Self::Recovery => self.as_str(),
        }
    }
}

pub(super) async fn generate_link<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    let admin = context.admin()?;
    let parameters: Parameters = context.json()?;
    let email = address::email(&parameters.email)?;
    let redirect_to = context.redirect_target(&parameters.redirect_to);
    let existing = find(context, &email).await?;
    let purpose = Purpose::read(&parameters.kind).ok_or_else(|| {
        let message = format!(
            "Invalid email action link type requested: {}",
            parameters.kind
        );
        AuthError::invalid(message)
    })?;
    let is_known = existing.is_some();
    // Who is not there yet signs up by it.
    let purpose = match purpose {
        Purpose::MagicLink if !is_known => Purpose::Signup,
        purpose => purpose,
    };
    let data = parameters.data.unwrap_or_default();
    let mut to = email.clone();
    let (user, mut statements) = match purpose {
        Purpose::Signup => match existing {
            Some(user) if user.is_email_confirmed() => return Err(duplicate()),
            Some(user) => {
                let statement = sql::users::merge_user_metadata(user.id, &data);
                (user, vec![statement])
            }
            None => {
                let hash = if parameters.kind == Purpose::MagicLink.as_str() {
                    password::unknown(context.world)
                } else {
                    new_password(context, &parameters.password).await?
                };
                signup::new_user(context, Provider::Email, &email, Some(&hash), data)
            }
        },
        Purpose::Invite => {
            let (user, mut statements) = uninvited(context, existing, &email, data)?;
            statements.push(invited(context, &admin.role, &user));
            statements.push(sql::one_time::invite(user.id));
            (user, statements)
        }
        Purpose::MagicLink | Purpose::Recovery => {
            let user = existing.ok_or_else(unknown)?;
            let action = Action::UserRecoveryRequested;
            let log = audit::entry(context, Actor::User(&user), action, Value::Null);
            (user, vec![log])
        }
        Purpose::EmailChangeCurrent | Purpose::EmailChangeNew => {
            let user = existing.ok_or_else(unknown)?;
            let new_email = check_change(context, purpose, &user, &parameters.new_email).await?;
            let statement = sql::one_time::begin_email_change(user.id, &new_email);
            if purpose == Purpose::EmailChangeNew {
                to = new_email;
            }
            (user, vec![statement])
        }
    };
    let digits = u32::try_from(context.settings.email_otp_length).unwrap_or(6);
    let one_time = OneTime::issue(context.world, &to, digits, Flow::Implicit);
    statements.push(sql::one_time::keep(
        context.uuid(),
        user.id,
        purpose.kind(),
        &one_time.token,
        &to,
    ));
    let user = signup::save(context, statements, user.id).await?;
    let Value::Object(mut body) = user.to_json() else {
        return Err(AuthError::internal("Database error loading user"));
    };
    let action_link = mail::action_link(
        &context.url,
        &one_time.token,
        purpose.link_type(),
        &redirect_to,
    );
    for (name, value) in [
        ("action_link", action_link),
        ("email_otp", one_time.code),
        ("hashed_token", one_time.token),
        ("verification_type", purpose.as_str().to_owned()),
        ("redirect_to", redirect_to),
    ] {
        body.insert(name.to_owned(), value.into());
    }
    Ok(super::json(body.into()))
}

fn unknown() -> AuthError {
    AuthError::not_found(ErrorCode::UserNotFound, "User with this email not found")
}

async fn new_password<W: World>(
    context: &Context<'_, W>,
    password: &str,
) -> Result<String, AuthError> {
    if password.is_empty() {
        return Err(AuthError::invalid("Signup requires a valid password"));
    }
    context.check_password(password)?;
    Ok(context.hash_password(password).await)
}

/// The address that the user may change to.
async fn check_change<W: World>(
    context: &Context<'_, W>,
    purpose: Purpose,
    user: &User,
    new_email: &str,
) -> Result<String, AuthError> {
    if purpose == Purpose::EmailChangeCurrent && !context.settings.email_double_confirm_changes {
        return Err(AuthError::invalid(
            "Enable secure email change to generate link for current email",
        ));
    }
    let new_email = address::email(new_email)?;
    let audience = context.audience();
    let statement = sql::users::duplicates_of_email(&new_email, &audience, Some(user.id));
    let session = context.session().read_only();
    let taken = context.database().one(&session, statement).await?;
    if taken.rows.is_empty() {
        Ok(new_email)
    } else {
        Err(duplicate())
    }
}
