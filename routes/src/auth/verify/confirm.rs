//! What a good token changes.

use serde_json::{Map, Value, json};

use super::{
    super::{
        Context,
        audit::{self, Action, Actor},
        error::AuthError,
        password, sql,
        user::User,
        user_account::name_identity,
    },
    Found, Subject,
};
use crate::{World, database::Statement};

/// What is to be done.
#[derive(Debug)]
pub(in super::super) enum Outcome {
    /// One of two addresses agreed; the other is waited for.
    Half(Vec<Statement>),
    /// The user is let in.
    Whole(Vec<Statement>),
}

/// The statements that use the token up and change what it was for.
pub(super) fn plan<W: World>(
    context: &Context<'_, W>,
    found: &Found,
) -> Result<Outcome, AuthError> {
    let Found {
        user,
        subject,
        token,
        phone,
    } = found;
    let mut statements = Vec::new();
    if let Some((kind, token)) = token {
        statements.push(sql::one_time::claim(user.id, *kind, token));
    }
    match subject {
        Subject::Signup | Subject::Invite => statements.extend(sign_up(context, user)),
        Subject::Recovery | Subject::MagicLink => statements.extend(recover(context, user)),
        Subject::EmailChange => {
            let settings = context.settings;
            let is_first = settings.email_enable_confirmations
                && settings.email_double_confirm_changes
                && user.email_change_confirm_status.unwrap_or_default() == 0
                && !user.email().is_empty();
            if let Some((kind, _)) = token
                && is_first
            {
                statements.push(sql::one_time::half_email_change(user.id, *kind));
                return Ok(Outcome::Half(statements));
            }
            let email = user.email_change.as_deref().unwrap_or_default();
            statements.extend(change_email(context, user, email));
        }
        Subject::Sms => statements.extend(prove_phone(context, user)),
        Subject::PhoneChange => statements.extend(change_phone(context, user, phone)),
        Subject::Email | Subject::Unknown => {
            return Err(AuthError::invalid("Unsupported verification type"));
        }
    }
    Ok(Outcome::Whole(statements))
}

fn log<W: World>(
    context: &Context<'_, W>,
    user: &User,
    action: Action,
    traits: Value,
) -> Statement {
    audit::entry(context, Actor::User(user), action, traits)
}

fn sign_up<W: World>(context: &Context<'_, W>, user: &User) -> Vec<Statement> {
    let mut statements = Vec::new();
    // Who was invited chooses a password later; until then nobody knows it.
    if !user.has_password() && user.invited_at.is_some() {
        let hash = password::unknown(context.world);
        statements.push(sql::users::set_password(user.id, Some(&hash)));
        statements.push(sql::sessions::delete_all(user.id));
    }
    let traits = json!({"provider": "email"});
    statements.push(log(context, user, Action::UserSignedUp, traits));
    statements.push(sql::users::confirm_email(user.id));
    statements.push(sql::users::clear_one_time_tokens(user.id));
    let verified = Map::from_iter([("email_verified".to_owned(), json!(true))]);
    let same = user.identities.iter().filter(|identity| {
        let email = identity.email.as_deref().unwrap_or_default();
        !email.is_empty() && email == user.email()
    });
    statements.extend(
        same.map(|identity| sql::users::merge_identity(user.id, &identity.provider, &verified)),
    );
    statements.push(sql::users::refresh_providers(user.id));
    statements
}

fn recover<W: World>(context: &Context<'_, W>, user: &User) -> Vec<Statement> {
    let mut statements = vec![
        sql::one_time::recovered(user.id),
        sql::users::clear_one_time_tokens(user.id),
    ];
    if user.is_email_confirmed() {
        statements.push(log(context, user, Action::Login, Value::Null));
    } else {
        let traits = json!({"provider": "email"});
        statements.push(log(context, user, Action::UserSignedUp, traits));
        statements.push(sql::users::confirm_email(user.id));
    }
    statements.push(sql::users::refresh_providers(user.id));
    statements
}

fn change_email<W: World>(context: &Context<'_, W>, user: &User, email: &str) -> Vec<Statement> {
    let mut statements = vec![log(context, user, Action::UserModified, Value::Null)];
    statements.extend(name_identity(context, user, "email", email));
    statements.push(sql::one_time::end_email_change(user.id, email));
    statements.push(sql::users::clear_one_time_tokens(user.id));
    if !user.is_email_confirmed() {
        statements.push(sql::users::confirm_email(user.id));
    }
    statements
}

fn prove_phone<W: World>(context: &Context<'_, W>, user: &User) -> Vec<Statement> {
    let traits = json!({"provider": "phone"});
    vec![
        log(context, user, Action::UserSignedUp, traits),
        sql::users::confirm_phone(user.id),
        sql::users::set_anonymous(user.id, false),
        sql::users::clear_one_time_tokens(user.id),
        sql::users::refresh_providers(user.id),
    ]
}

fn change_phone<W: World>(context: &Context<'_, W>, user: &User, phone: &str) -> Vec<Statement> {
    let mut statements = vec![log(context, user, Action::UserModified, Value::Null)];
    statements.extend(name_identity(context, user, "phone", phone));
    statements.push(sql::one_time::end_phone_change(user.id, phone));
    statements.push(sql::users::clear_one_time_tokens(user.id));
    statements
}
