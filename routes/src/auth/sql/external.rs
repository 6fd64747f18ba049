//! Identities that other providers vouch for, and sign-ins that are under way there.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::database::Statement;

/// The identity of a provider's user: its id and its user's id.
pub fn identity(provider: &str, provider_id: &str) -> Statement {
    Statement::new(
        "select id, user_id from auth.identities where provider = $1 and provider_id = $2",
        [provider.into(), provider_id.into()],
    )
}

/// The users with one of these verified addresses, and how they have it: a row for each, `true` where
/// one of their identities has it, `false` where only they have. Users of single sign-on are others.
pub fn similar(emails: &[String]) -> Statement {
    Statement::new(
        "select user_id, true from auth.identities \
         where email = any (array(select jsonb_array_elements_text($1::jsonb))) and provider not like 'sso:%' \
         union select id, false from auth.users \
         where email = any (array(select jsonb_array_elements_text($1::jsonb))) and not is_sso_user",
        [serde_json::to_string(emails).unwrap_or_default().into()],
    )
}

/// The identity was used: what its provider says of it now.
pub fn refresh_identity(id: Uuid, data: &Map<String, Value>) -> Statement {
    Statement::new(
        "update auth.identities set identity_data = $2::jsonb, last_sign_in_at = now(), updated_at = now() \
         where id = $1::uuid",
        [
            id.to_string().into(),
            serde_json::to_string(data).unwrap_or_default().into(),
        ],
    )
}

/// Who never confirmed the account may not be who comes now: passwords and other identities go, and
/// what was said of the user.
pub fn remove_unconfirmed(
    user_id: Uuid,
    identity_id: Uuid,
    data: &Map<String, Value>,
) -> [Statement; 2] {
    [
        Statement::new(
            "update auth.users set encrypted_password = null, raw_user_meta_data = $2::jsonb, \
             updated_at = now() where id = $1::uuid",
            [
                user_id.to_string().into(),
                serde_json::to_string(data).unwrap_or_default().into(),
            ],
        ),
        Statement::new(
            "delete from auth.identities where user_id = $1::uuid and id <> $2::uuid",
            [user_id.to_string().into(), identity_id.to_string().into()],
        ),
    ]
}

pub fn delete_identity(id: Uuid, user_id: Uuid) -> Statement {
    Statement::new(
        "delete from auth.identities where id = $1::uuid and user_id = $2::uuid",
        [id.to_string().into(), user_id.to_string().into()],
    )
}

/// The user's address becomes that of an identity: that by e-mail first, then the oldest. Without any
/// the user has none.
pub fn email_from_identities(user_id: Uuid) -> Statement {
    Statement::new(
        "update auth.users u set email = i.email, updated_at = now(), \
         email_confirmed_at = case when i.email is null then null else u.email_confirmed_at end \
         from (select (select email from auth.identities where user_id = $1::uuid and email is not null \
         order by (provider = 'email') desc, created_at, id limit 1) as email) i \
         where u.id = $1::uuid and u.email is distinct from i.email \
         and not exists (select from auth.identities where user_id = $1::uuid and email = u.email)",
        [user_id.to_string().into()],
    )
}

/// The user has no phone number any more.
pub fn clear_phone(user_id: Uuid) -> Statement {
    Statement::new(
        "update auth.users set phone = null, phone_confirmed_at = null, updated_at = now() \
         where id = $1::uuid",
        [user_id.to_string().into()],
    )
}

/// A proof key of our own for a provider.
pub fn insert_proof(id: Uuid, provider: &str, verifier: &str) -> Statement {
    Statement::new(
        "insert into auth.oauth_client_states (id, provider_type, code_verifier, created_at) \
         values ($1::uuid, $2, $3, now())",
        [id.to_string().into(), provider.into(), verifier.into()],
    )
}

/// A sign-in that is under way, as JSON, with the verifier of our own proof key.
pub fn flow(id: Uuid) -> Statement {
    Statement::new(
        "select to_jsonb(f) || jsonb_build_object('code_verifier', s.code_verifier) \
         from auth.flow_state f left join auth.oauth_client_states s on s.id = f.oauth_client_state_id \
         where f.id = $1::uuid",
        [id.to_string().into()],
    )
}

/// What [`finish_flow`] and [`end_flow`] fail with where the sign-in was ended meanwhile.
pub const ENDED: &str = "22012";

/// The provider has sent the user back: the client's code is good from now on, for this user. It
/// fails, and with it the whole transaction, where that was so already.
pub fn finish_flow(id: Uuid, user_id: Uuid, access_token: &str, refresh_token: &str) -> Statement {
    Statement::new(
        "with finished as (update auth.flow_state set user_id = $2::uuid, provider_access_token = $3, \
         provider_refresh_token = $4, auth_code_issued_at = now(), updated_at = now() \
         where id = $1::uuid and user_id is null returning id) select 1 / count(*) from finished",
        [
            id.to_string().into(),
            user_id.to_string().into(),
            access_token.into(),
            refresh_token.into(),
        ],
    )
}

/// A sign-in without a code ends; it fails where it had ended before.
pub fn end_flow(id: Uuid) -> Statement {
    Statement::new(
        "with ended as (delete from auth.flow_state where id = $1::uuid returning id) \
         select 1 / count(*) from ended",
        [id.to_string().into()],
    )
}

/// All providers of single sign-on, as a JSON array.
pub fn sso_providers() -> Statement {
    Statement::new(
        "select coalesce(jsonb_agg(to_jsonb(p) order by p.created_at, p.id), '[]') from auth.sso_providers p",
        [],
    )
}
