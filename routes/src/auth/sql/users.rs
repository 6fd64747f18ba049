//! Users and what belongs to them.
//!
//! Each reading statement gives one column: the user as JSON, with `identities` and `factors`, as
//! [`User`](super::super::user::User) reads it.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::sessions::SESSION;
use crate::{database::Statement, wire::Parameter};

/// The user as JSON, for any `from auth.users u …`.
pub(super) const USER: &str = "\
to_jsonb(u) || jsonb_build_object(\
'identities', coalesce((select jsonb_agg(to_jsonb(i) order by i.created_at, i.id) \
from auth.identities i where i.user_id = u.id), '[]'), \
'factors', coalesce((select jsonb_agg(to_jsonb(f) - 'secret' order by f.created_at, f.id) \
from auth.mfa_factors f where f.user_id = u.id), '[]'))";

fn user(rest: &str, parameters: impl Into<Vec<Parameter>>) -> Statement {
    Statement::new(
        format!("select {USER} from auth.users u {rest}"),
        parameters,
    )
}

/// The user with this id.
pub fn by_id(id: Uuid) -> Statement {
    user("where u.id = $1::uuid", [id.to_string().into()])
}

/// The user with this e-mail address who did not come by single sign-on.
pub fn by_email(email: &str, audience: &str) -> Statement {
    user(
        "where u.email = lower($1) and u.aud = $2 and not u.is_sso_user",
        [email.into(), audience.into()],
    )
}

/// The user with this phone number.
pub fn by_phone(phone: &str, audience: &str) -> Statement {
    user(
        "where u.phone = $1 and u.aud = $2 and not u.is_sso_user",
        [phone.into(), audience.into()],
    )
}

/// Users whose own address, or that of one of their identities by e-mail, is this one; except one
/// user. An address counts as taken by either.
pub fn duplicates_of_email(email: &str, audience: &str, except: Option<Uuid>) -> Statement {
    user(
        "where u.aud = $2 and not u.is_sso_user and ($3::uuid is null or u.id <> $3::uuid) \
         and (u.email = lower($1) or exists (select from auth.identities i \
         where i.user_id = u.id and i.email = lower($1) and i.provider = 'email')) limit 1",
        [
            email.into(),
            audience.into(),
            except.map(|id| id.to_string()).into(),
        ],
    )
}

/// The user and their session, each as JSON; the second is null where there is no such session.
pub fn with_session(user_id: Uuid, session_id: Option<Uuid>) -> Statement {
    Statement::new(
        format!(
            "select {USER}, (select {SESSION} from auth.sessions s where s.id = $2::uuid and s.user_id = u.id) \
             from auth.users u where u.id = $1::uuid"
        ),
        [
            user_id.to_string().into(),
            session_id.map(|id| id.to_string()).into(),
        ],
    )
}

pub(super) fn with_session_of_client(session: &str, client: &str) -> Statement {
    Statement::new(
        format!(
            "select {USER}, {session} from gateway.client_sessions c \
             join auth.sessions s on s.id = c.session_id join auth.users u on u.id = s.user_id \
             where c.client = $1"
        ),
        [client.into()],
    )
}

/// A page of an audience's users and how many there are in all; `filter` is a part of an address, a
/// number or a name.
pub fn page(audience: &str, filter: &str, order: Order, limit: u64, offset: u64) -> Statement {
    let order = match order {
        Order::NewestFirst => "u.created_at desc, u.id desc",
        Order::OldestFirst => "u.created_at, u.id",
    };
    Statement::new(
        format!(
            "select {USER}, count(*) over () from auth.users u where u.aud = $1 \
             and ($2 = '' or position(lower($2) in lower(coalesce(u.email, ''))) > 0 \
             or position($2 in coalesce(u.phone, '')) > 0 \
             or position(lower($2) in lower(coalesce(u.raw_user_meta_data ->> 'full_name', ''))) > 0) \
             order by {order} limit $3::bigint offset $4::bigint"
        ),
        [
            audience.into(),
            filter.into(),
            limit.to_string().into(),
            offset.to_string().into(),
        ],
    )
}

/// How many users an audience has, for a page that has none.
pub fn count(audience: &str) -> Statement {
    Statement::new(
        "select count(*) from auth.users where aud = $1",
        [audience.into()],
    )
}

/// In which order users are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    NewestFirst,
    OldestFirst,
}

/// A new row of `auth.users`.
#[derive(Debug, Clone, Default)]
pub struct NewUser<'a> {
    pub id: Uuid,
    pub audience: &'a str,
    pub role: &'a str,
    pub email: Option<&'a str>,
    pub phone: Option<&'a str>,
    /// What `password::hash` made.
    pub encrypted_password: Option<&'a str>,
    pub app_metadata: Map<String, Value>,
    pub user_metadata: Map<String, Value>,
    pub is_anonymous: bool,
    pub is_sso_user: bool,
    pub email_confirmed: bool,
    pub phone_confirmed: bool,
    pub invited: bool,
}

pub fn insert(user: &NewUser<'_>) -> Statement {
    let flag = |flag: bool| Parameter::from(if flag { "true" } else { "false" });
    Statement::new(
        "insert into auth.users (instance_id, id, aud, role, email, phone, encrypted_password, \
         raw_app_meta_data, raw_user_meta_data, is_anonymous, is_sso_user, email_confirmed_at, \
         phone_confirmed_at, invited_at, created_at, updated_at, confirmation_token, recovery_token, \
         email_change_token_new, email_change_token_current, email_change, reauthentication_token, \
         phone_change, phone_change_token) \
         values ('00000000-0000-0000-0000-000000000000', $1::uuid, $2, $3, lower($4), $5, $6, $7::jsonb, \
         $8::jsonb, $9::boolean, $10::boolean, case when $11::boolean then now() end, \
         case when $12::boolean then now() end, case when $13::boolean then now() end, now(), now(), \
         '', '', '', '', '', '', '', '')",
        [
            user.id.to_string().into(),
            user.audience.into(),
            user.role.into(),
            user.email.into(),
            user.phone.into(),
            user.encrypted_password.into(),
            object(&user.app_metadata),
            object(&user.user_metadata),
            flag(user.is_anonymous),
            flag(user.is_sso_user),
            flag(user.email_confirmed),
            flag(user.phone_confirmed),
            flag(user.invited),
        ],
    )
}

fn object(map: &Map<String, Value>) -> Parameter {
    serde_json::to_string(map).unwrap_or_default().into()
}

/// Who the user is to a provider. `id` is the row's, `provider_id` the user's there.
pub fn insert_identity(
    id: Uuid,
    user_id: Uuid,
    provider: &str,
    provider_id: &str,
    data: &Map<String, Value>,
) -> Statement {
    Statement::new(
        "insert into auth.identities (id, user_id, provider, provider_id, identity_data, \
         last_sign_in_at, created_at, updated_at) \
         values ($1::uuid, $2::uuid, $3, $4, $5::jsonb, now(), now(), now())",
        [
            id.to_string().into(),
            user_id.to_string().into(),
            provider.into(),
            provider_id.into(),
            object(data),
        ],
    )
}

/// Merges into the data of the user's identity with a provider.
pub fn merge_identity(user_id: Uuid, provider: &str, data: &Map<String, Value>) -> Statement {
    Statement::new(
        "update auth.identities set identity_data = identity_data || $3::jsonb, updated_at = now() \
         where user_id = $1::uuid and provider = $2",
        [user_id.to_string().into(), provider.into(), object(data)],
    )
}

/// Merges into the user's own data: a null takes a key away.
pub fn merge_user_metadata(user_id: Uuid, data: &Map<String, Value>) -> Statement {
    Statement::new(
        "update auth.users set raw_user_meta_data = (select coalesce(jsonb_object_agg(key, value), '{}') \
         from jsonb_each(coalesce(raw_user_meta_data, '{}') || $2::jsonb) \
         where not ($2::jsonb ? key and $2::jsonb -> key = 'null')), updated_at = now() where id = $1::uuid",
        [user_id.to_string().into(), object(data)],
    )
}

/// Merges into what only admins may change: a null takes a key away.
pub fn merge_app_metadata(user_id: Uuid, data: &Map<String, Value>) -> Statement {
    Statement::new(
        "update auth.users set raw_app_meta_data = (select coalesce(jsonb_object_agg(key, value), '{}') \
         from jsonb_each(coalesce(raw_app_meta_data, '{}') || $2::jsonb) \
         where not ($2::jsonb ? key and $2::jsonb -> key = 'null')), updated_at = now() where id = $1::uuid",
        [user_id.to_string().into(), object(data)],
    )
}

/// Names the providers of the user's identities in the app metadata, the oldest first.
pub fn refresh_providers(user_id: Uuid) -> Statement {
    Statement::new(
        "update auth.users set raw_app_meta_data = coalesce(raw_app_meta_data, '{}') || (\
         select coalesce(jsonb_build_object('provider', (array_agg(i.provider order by i.created_at, i.id))[1], \
         'providers', jsonb_agg(i.provider order by i.created_at, i.id)), '{}') \
         from (select provider, min(created_at) as created_at, min(id::text) as id from auth.identities \
         where user_id = $1::uuid group by provider) i having count(*) > 0), updated_at = now() \
         where id = $1::uuid",
        [user_id.to_string().into()],
    )
}

pub fn signed_in(user_id: Uuid) -> Statement {
    Statement::new(
        "update auth.users set last_sign_in_at = now(), updated_at = now() where id = $1::uuid",
        [user_id.to_string().into()],
    )
}

/// The address is the user's own from now on.
pub fn confirm_email(user_id: Uuid) -> Statement {
    Statement::new(
        "update auth.users set email_confirmed_at = now(), confirmation_token = '', \
         raw_user_meta_data = coalesce(raw_user_meta_data, '{}') || '{\"email_verified\": true}', \
         updated_at = now() where id = $1::uuid",
        [user_id.to_string().into()],
    )
}

/// The number is the user's own from now on.
pub fn confirm_phone(user_id: Uuid) -> Statement {
    Statement::new(
        "update auth.users set phone_confirmed_at = now(), confirmation_token = '', updated_at = now() \
         where id = $1::uuid",
        [user_id.to_string().into()],
    )
}

/// Links and codes that were sent before are good for nothing any more.
pub fn clear_one_time_tokens(user_id: Uuid) -> Statement {
    Statement::new(
        "delete from auth.one_time_tokens where user_id = $1::uuid",
        [user_id.to_string().into()],
    )
}

/// A new password, after which nothing that was sent before is trusted.
pub fn set_password(user_id: Uuid, encrypted: Option<&str>) -> Statement {
    Statement::new(
        "update auth.users set encrypted_password = $2, confirmation_token = '', confirmation_sent_at = null, \
         recovery_token = '', recovery_sent_at = null, email_change_token_current = '', \
         email_change_token_new = '', email_change_sent_at = null, phone_change_token = '', \
         phone_change_sent_at = null, reauthentication_token = '', reauthentication_sent_at = null, \
         updated_at = now() where id = $1::uuid",
        [user_id.to_string().into(), encrypted.into()],
    )
}

/// The same password under a better hash.
pub fn rehash_password(user_id: Uuid, encrypted: &str) -> Statement {
    Statement::new(
        "update auth.users set encrypted_password = $2, updated_at = now() where id = $1::uuid",
        [user_id.to_string().into(), encrypted.into()],
    )
}

pub fn set_role(user_id: Uuid, role: &str) -> Statement {
    Statement::new(
        "update auth.users set role = trim($2), updated_at = now() where id = $1::uuid",
        [user_id.to_string().into(), role.into()],
    )
}

pub fn set_email(user_id: Uuid, email: &str) -> Statement {
    Statement::new(
        "update auth.users set email = lower($2), updated_at = now() where id = $1::uuid",
        [user_id.to_string().into(), email.into()],
    )
}

pub fn set_phone(user_id: Uuid, phone: &str) -> Statement {
    Statement::new(
        "update auth.users set phone = $2, updated_at = now() where id = $1::uuid",
        [user_id.to_string().into(), phone.into()],
    )
}

pub fn set_anonymous(user_id: Uuid, is_anonymous: bool) -> Statement {
    let flag = if is_anonymous { "true" } else { "false" };
    Statement::new(
        "update auth.users set is_anonymous = $2::boolean, updated_at = now() where id = $1::uuid",
        [user_id.to_string().into(), flag.into()],
    )
}

/// Nobody signs in as this user before `until`; `None` lifts it.
pub fn ban(user_id: Uuid, until: Option<String>) -> Statement {
    Statement::new(
        "update auth.users set banned_until = $2::timestamptz, updated_at = now() where id = $1::uuid",
        [user_id.to_string().into(), until.into()],
    )
}

pub fn delete(user_id: Uuid) -> Statement {
    Statement::new(
        "delete from auth.users where id = $1::uuid",
        [user_id.to_string().into()],
    )
}

/// Keeps the row, so that what refers to it stays, and makes what was personal in it unreadable: each
/// address becomes its hash.
pub fn soft_delete(user_id: Uuid) -> Statement {
    Statement::new(
        "update auth.users set \
         email = case when coalesce(email, '') <> '' then translate(rtrim(encode(sha256(convert_to(id::text || email, 'utf8')), 'base64'), '='), '+/', '-_') end, \
         phone = case when coalesce(phone, '') <> '' then left(translate(rtrim(encode(sha256(convert_to(id::text || phone, 'utf8')), 'base64'), '='), '+/', '-_'), 15) end, \
         encrypted_password = '', email_change = case when coalesce(email_change, '') <> '' then encode(sha256(convert_to(id::text || email_change, 'utf8')), 'hex') else '' end, \
         phone_change = case when coalesce(phone_change, '') <> '' then left(encode(sha256(convert_to(id::text || phone_change, 'utf8')), 'hex'), 15) else '' end, \
         deleted_at = now(), confirmation_token = '', recovery_token = '', email_change_token_current = '', \
         email_change_token_new = '', phone_change_token = '', reauthentication_token = '', \
         raw_user_meta_data = '{}', raw_app_meta_data = '{}', updated_at = now() where id = $1::uuid",
        [user_id.to_string().into()],
    )
}

/// Makes the user's identities unreadable.
pub fn soft_delete_identities(user_id: Uuid) -> Statement {
    Statement::new(
        "update auth.identities set identity_data = '{}', updated_at = now(), \
         provider_id = translate(rtrim(encode(sha256(convert_to(user_id::text || provider_id, 'utf8')), 'base64'), '='), '+/', '-_') \
         where user_id = $1::uuid",
        [user_id.to_string().into()],
    )
}

pub fn delete_factors(user_id: Uuid) -> Statement {
    Statement::new(
        "delete from auth.mfa_factors where user_id = $1::uuid",
        [user_id.to_string().into()],
    )
}
