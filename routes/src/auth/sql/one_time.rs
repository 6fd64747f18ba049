//! One-time tokens: a row of `auth.one_time_tokens`, and the column of the user that has it too.
//!
//! Both are written and taken away together. The column decides whether a code is good, the row finds
//! the user of a link, as in GoTrue.

use uuid::Uuid;

use super::users::USER;
use crate::{auth::one_time::Kind, database::Statement};

/// Where a kind's token and the moment of its sending stand.
const fn columns(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Confirmation => ("confirmation_token", "confirmation_sent_at"),
        Kind::Reauthentication => ("reauthentication_token", "reauthentication_sent_at"),
        Kind::Recovery => ("recovery_token", "recovery_sent_at"),
        Kind::EmailChangeNew => ("email_change_token_new", "email_change_sent_at"),
        Kind::EmailChangeCurrent => ("email_change_token_current", "email_change_sent_at"),
        Kind::PhoneChange => ("phone_change_token", "phone_change_sent_at"),
    }
}

/// Keeps a token in place of the user's earlier one of this kind. `address` is where it was sent.
pub fn keep(id: Uuid, user_id: Uuid, kind: Kind, token: &str, address: &str) -> Statement {
    let (column, sent_at) = columns(kind);
    Statement::new(
        format!(
            "with kept as (insert into auth.one_time_tokens \
             (id, user_id, token_type, token_hash, relates_to, created_at, updated_at) \
             values ($1::uuid, $2::uuid, $3::auth.one_time_token_type, $4, lower($5), now(), now()) \
             on conflict (user_id, token_type) do update set id = excluded.id, \
             token_hash = excluded.token_hash, relates_to = excluded.relates_to, \
             created_at = excluded.created_at, updated_at = excluded.updated_at) \
             update auth.users set {column} = $4, {sent_at} = now(), updated_at = now() \
             where id = $2::uuid"
        ),
        [
            id.to_string().into(),
            user_id.to_string().into(),
            kind.label().into(),
            token.into(),
            address.into(),
        ],
    )
}

/// What [`claim`] fails with where somebody else was first: a division by zero.
pub const CLAIMED: &str = "22012";

/// Fails, and with it the whole transaction, unless the user still has this token: of two that come
/// at once with the same link, one is let in.
pub fn claim(user_id: Uuid, kind: Kind, token: &str) -> Statement {
    let (column, _) = columns(kind);
    Statement::new(
        format!("select 1 / count(*) from auth.users where id = $1::uuid and {column} = $2"),
        [user_id.to_string().into(), token.into()],
    )
}

/// The user whose link this is, and what kind of token it has. `kinds` are the ones that are looked
/// for.
pub fn user_of(token: &str, kinds: &[Kind]) -> Statement {
    let labels: Vec<&str> = kinds.iter().map(|kind| kind.label()).collect();
    Statement::new(
        format!(
            "select {USER}, t.token_type from auth.one_time_tokens t join auth.users u on u.id = t.user_id \
             where t.token_hash = $1 and t.token_type = any ($2::auth.one_time_token_type[]) limit 1"
        ),
        [token.into(), format!("{{{}}}", labels.join(",")).into()],
    )
}

/// The user who asked for another address, by the hash of a code that was sent to either; in both
/// flows. The kinds are looked for in their order.
pub fn user_of_email_change(hash: &str, pkce: &str, kinds: &[Kind], audience: &str) -> Statement {
    let labels: Vec<&str> = kinds.iter().map(|kind| kind.label()).collect();
    Statement::new(
        format!(
            "select {USER} from auth.one_time_tokens t join auth.users u on u.id = t.user_id \
             where t.token_hash in ($1, $2) and t.token_type = any ($3::auth.one_time_token_type[]) \
             and u.aud = $4 order by array_position($3::auth.one_time_token_type[], t.token_type) limit 1"
        ),
        [
            hash.into(),
            pkce.into(),
            format!("{{{}}}", labels.join(",")).into(),
            audience.into(),
        ],
    )
}

/// The user who asked for this number.
pub fn user_of_phone_change(phone: &str, audience: &str) -> Statement {
    Statement::new(
        format!(
            "select {USER} from auth.users u \
             where u.phone_change = $1 and u.aud = $2 and not u.is_sso_user limit 1"
        ),
        [phone.into(), audience.into()],
    )
}

/// The link that signed the user in is used up.
pub fn recovered(user_id: Uuid) -> Statement {
    Statement::new(
        "update auth.users set recovery_token = '', updated_at = now() where id = $1::uuid",
        [user_id.to_string().into()],
    )
}

/// The nonce is used up.
pub fn reauthenticated(user_id: Uuid) -> Statement {
    Statement::new(
        "update auth.users set reauthentication_token = '', updated_at = now() where id = $1::uuid",
        [user_id.to_string().into()],
    )
}

/// The user was asked in.
pub fn invite(user_id: Uuid) -> Statement {
    Statement::new(
        "update auth.users set invited_at = now(), updated_at = now() where id = $1::uuid",
        [user_id.to_string().into()],
    )
}

/// The user wants another address; nothing of an earlier wish counts any more.
pub fn begin_email_change(user_id: Uuid, email: &str) -> Statement {
    Statement::new(
        "update auth.users set email_change = $2, email_change_confirm_status = 0, \
         updated_at = now() where id = $1::uuid",
        [user_id.to_string().into(), email.into()],
    )
}

/// One of the two addresses agreed: its token is used up, the other's is waited for.
pub fn half_email_change(user_id: Uuid, kind: Kind) -> Statement {
    let (column, _) = columns(kind);
    Statement::new(
        format!(
            "with used as (delete from auth.one_time_tokens \
             where user_id = $1::uuid and token_type = $2::auth.one_time_token_type) \
             update auth.users set {column} = '', email_change_confirm_status = 1, \
             updated_at = now() where id = $1::uuid"
        ),
        [user_id.to_string().into(), kind.label().into()],
    )
}

/// The address that was wished for is the user's, and is theirs from now on.
pub fn end_email_change(user_id: Uuid, email: &str) -> Statement {
    Statement::new(
        "update auth.users set email = $2, email_change = '', email_change_token_current = '', \
         email_change_token_new = '', email_change_confirm_status = 0, is_anonymous = false, \
         updated_at = now() where id = $1::uuid",
        [user_id.to_string().into(), email.into()],
    )
}

/// The user wants another number.
pub fn begin_phone_change(user_id: Uuid, phone: &str) -> Statement {
    Statement::new(
        "update auth.users set phone_change = $2, updated_at = now() where id = $1::uuid",
        [user_id.to_string().into(), phone.into()],
    )
}

/// The number that was wished for is the user's from now on.
pub fn end_phone_change(user_id: Uuid, phone: &str) -> Statement {
    Statement::new(
        "update auth.users set phone = $2, phone_change = '', phone_change_token = '', \
         phone_confirmed_at = now(), is_anonymous = false, updated_at = now() where id = $1::uuid",
        [user_id.to_string().into(), phone.into()],
    )
}
