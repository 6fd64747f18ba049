//! Users and what belongs to them.
//!
//! Each reading statement gives one column: the user as JSON, with `identities` and `factors`, as
//! [`super::super::user::User`] reads it.

use crate::database::Statement;

/// The user's row with what belongs to it, for any `from auth.users u …`.
macro_rules! user {
    ($rest:literal) => {
        concat!(
            "select to_jsonb(u) || jsonb_build_object(\
             'identities', coalesce((select jsonb_agg(to_jsonb(i) order by i.created_at, i.id) \
             from auth.identities i where i.user_id = u.id), '[]'), \
             'factors', coalesce((select jsonb_agg(to_jsonb(f) - 'secret' order by f.created_at, f.id) \
             from auth.mfa_factors f where f.user_id = u.id), '[]')) \
             from auth.users u ",
            $rest
        )
    };
}

/// The user with this id. Users of other instances do not exist here.
pub fn by_id(id: &str) -> Statement {
    Statement::new(user!("where u.id = $1::uuid"), [id.into()])
}

/// The user with this e-mail address who did not come by single sign-on.
pub fn by_email(email: &str, audience: &str) -> Statement {
    Statement::new(
        user!("where u.email = lower($1) and u.aud = $2 and not u.is_sso_user"),
        [email.into(), audience.into()],
    )
}

/// The user with this phone number.
pub fn by_phone(phone: &str, audience: &str) -> Statement {
    Statement::new(
        user!("where u.phone = $1 and u.aud = $2 and not u.is_sso_user"),
        [phone.into(), audience.into()],
    )
}
