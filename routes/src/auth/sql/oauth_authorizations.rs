//! What applications ask users for, and what users have consented to.

use uuid::Uuid;

use crate::{auth::pkce::Challenge, database::Statement};

/// A request as JSON, with the application that it is of.
const AUTHORIZATION: &str = "to_jsonb(a) || jsonb_build_object('client', to_jsonb(c))";
const FROM: &str =
    "from auth.oauth_authorizations a join auth.oauth_clients c on c.id = a.client_id";

/// A request that an application's user comes with.
#[derive(Debug)]
pub struct NewAuthorization<'a> {
    pub id: Uuid,
    /// By which the page that asks the user names it.
    pub authorization_id: &'a str,
    pub client: Uuid,
    pub redirect_uri: &'a str,
    pub scope: &'a str,
    pub state: &'a str,
    pub resource: &'a str,
    pub nonce: &'a str,
    pub challenge: &'a Challenge,
    /// Seconds that the user has.
    pub lifetime: u64,
}

pub fn insert(new: &NewAuthorization<'_>) -> Statement {
    Statement::new(
        "insert into auth.oauth_authorizations (id, authorization_id, client_id, redirect_uri, scope, \
         state, resource, nonce, code_challenge, code_challenge_method, response_type, status, created_at, expires_at) \
         values ($1::uuid, $2, $3::uuid, $4, $5, nullif($6, ''), nullif($7, ''), nullif($8, ''), $9, \
         $10::auth.code_challenge_method, 'code', 'pending', now(), now() + $11::bigint * interval '1 second')",
        [
            new.id.to_string().into(),
            new.authorization_id.into(),
            new.client.to_string().into(),
            new.redirect_uri.into(),
            new.scope.into(),
            new.state.into(),
            new.resource.into(),
            new.nonce.into(),
            new.challenge.challenge.as_str().into(),
            new.challenge.method.label().into(),
            new.lifetime.to_string().into(),
        ],
    )
}

/// The request that a page names; locked, so that two answers to it come one after the other.
pub fn by_name(authorization_id: &str) -> Statement {
    Statement::new(
        format!("select {AUTHORIZATION} {FROM} where a.authorization_id = $1 for update of a"),
        [authorization_id.into()],
    )
}

/// The approved request that a code stands for; locked, so that a code is good for once.
pub fn by_code(code: &str) -> Statement {
    Statement::new(
        format!(
            "select {AUTHORIZATION} {FROM} \
             where a.authorization_code = $1 and a.status = 'approved' for update of a"
        ),
        [code.into()],
    )
}

/// Whom the request is put to.
pub fn set_user(id: Uuid, user_id: Uuid) -> Statement {
    Statement::new(
        "update auth.oauth_authorizations set user_id = $2::uuid where id = $1::uuid",
        [id.to_string().into(), user_id.to_string().into()],
    )
}

pub fn approve(id: Uuid, code: &str) -> Statement {
    Statement::new(
        "update auth.oauth_authorizations set status = 'approved', approved_at = now(), \
         authorization_code = $2 where id = $1::uuid",
        [id.to_string().into(), code.into()],
    )
}

pub fn deny(id: Uuid) -> Statement {
    Statement::new(
        "update auth.oauth_authorizations set status = 'denied' where id = $1::uuid",
        [id.to_string().into()],
    )
}

pub fn expire(id: Uuid) -> Statement {
    Statement::new(
        "update auth.oauth_authorizations set status = 'expired' where id = $1::uuid",
        [id.to_string().into()],
    )
}

/// Its code was taken.
pub fn delete(id: Uuid) -> Statement {
    Statement::new(
        "delete from auth.oauth_authorizations where id = $1::uuid",
        [id.to_string().into()],
    )
}

/// The scopes that a user lets an application have now; no row where it is none.
pub fn consent(user_id: Uuid, client: Uuid) -> Statement {
    Statement::new(
        "select scopes from auth.oauth_consents \
         where user_id = $1::uuid and client_id = $2::uuid and revoked_at is null",
        [user_id.to_string().into(), client.to_string().into()],
    )
}

/// The user lets the application have these, over what it had.
pub fn grant(id: Uuid, user_id: Uuid, client: Uuid, scopes: &str) -> Statement {
    Statement::new(
        "insert into auth.oauth_consents (id, user_id, client_id, scopes, granted_at) \
         values ($1::uuid, $2::uuid, $3::uuid, $4, now()) \
         on conflict (user_id, client_id) do update \
         set scopes = excluded.scopes, granted_at = now(), revoked_at = null",
        [
            id.to_string().into(),
            user_id.to_string().into(),
            client.to_string().into(),
            scopes.into(),
        ],
    )
}

/// What a user lets applications have, the newest first.
pub fn grants(user_id: Uuid) -> Statement {
    Statement::new(
        "select jsonb_build_object('client', to_jsonb(c), 'scopes', g.scopes, 'granted_at', g.granted_at) \
         from auth.oauth_consents g join auth.oauth_clients c on c.id = g.client_id \
         where g.user_id = $1::uuid and g.revoked_at is null and c.deleted_at is null \
         order by g.granted_at desc, g.id",
        [user_id.to_string().into()],
    )
}

/// The user takes it back; a row where there was something to take.
pub fn revoke(user_id: Uuid, client: Uuid) -> Statement {
    Statement::new(
        "update auth.oauth_consents set revoked_at = now() \
         where user_id = $1::uuid and client_id = $2::uuid and revoked_at is null returning id",
        [user_id.to_string().into(), client.to_string().into()],
    )
}

/// Ends what the application does in the user's name.
pub fn end_sessions(user_id: Uuid, client: Uuid) -> Statement {
    Statement::new(
        "delete from auth.sessions where user_id = $1::uuid and oauth_client_id = $2::uuid",
        [user_id.to_string().into(), client.to_string().into()],
    )
}
