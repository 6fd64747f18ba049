//! Sessions, their refresh tokens, and how users proved who they are.

use uuid::Uuid;

use crate::database::Statement;

/// A new session.
#[derive(Debug)]
pub struct NewSession<'a> {
    pub id: Uuid,
    pub user_id: Uuid,
    pub factor_id: Option<Uuid>,
    pub aal: &'a str,
    pub not_after: Option<String>,
    pub user_agent: &'a str,
    pub ip: &'a str,
    pub tag: Option<&'a str>,
    pub oauth_client_id: Option<Uuid>,
    pub scopes: Option<&'a str>,
}

pub fn insert(session: &NewSession<'_>) -> Statement {
    let text = |id: Option<Uuid>| id.map(|id| id.to_string());
    Statement::new(
        "insert into auth.sessions (id, user_id, created_at, updated_at, factor_id, aal, not_after, \
         user_agent, ip, tag, oauth_client_id, scopes) \
         values ($1::uuid, $2::uuid, now(), now(), $3::uuid, $4::auth.aal_level, $5::timestamptz, \
         nullif($6, ''), nullif($7, '')::inet, $8, $9::uuid, $10)",
        [
            session.id.to_string().into(),
            session.user_id.to_string().into(),
            text(session.factor_id).into(),
            session.aal.into(),
            session.not_after.clone().into(),
            session.user_agent.into(),
            session.ip.into(),
            session.tag.into(),
            text(session.oauth_client_id).into(),
            session.scopes.into(),
        ],
    )
}

/// The session as JSON, with its `amr` rows.
pub(super) const SESSION: &str = "\
to_jsonb(s) || jsonb_build_object('amr', coalesce((select jsonb_agg(jsonb_build_object(\
'method', c.authentication_method, 'updated_at', c.updated_at) order by c.updated_at desc, c.created_at desc) \
from auth.mfa_amr_claims c where c.session_id = s.id), '[]'))";

/// One session as JSON.
pub fn by_id(id: Uuid) -> Statement {
    Statement::new(
        format!("select {SESSION} from auth.sessions s where s.id = $1::uuid"),
        [id.to_string().into()],
    )
}

/// All sessions of a user as JSON, a row each.
pub fn of_user(user_id: Uuid) -> Statement {
    Statement::new(
        format!("select {SESSION} from auth.sessions s where s.user_id = $1::uuid"),
        [user_id.to_string().into()],
    )
}

/// Says how the user just proved who they are in this session.
pub fn add_method(id: Uuid, session_id: Uuid, method: &str) -> Statement {
    Statement::new(
        "insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method) \
         values ($1::uuid, $2::uuid, now(), now(), $3) \
         on conflict (session_id, authentication_method) do update set updated_at = now()",
        [
            id.to_string().into(),
            session_id.to_string().into(),
            method.into(),
        ],
    )
}

/// Says how the user proved who they are when the session began: at the moment that its first token
/// tells.
pub fn first_method(id: Uuid, session_id: Uuid, method: &str, at: String) -> Statement {
    Statement::new(
        "insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method) \
         values ($1::uuid, $2::uuid, $4::timestamptz, $4::timestamptz, $3)",
        [
            id.to_string().into(),
            session_id.to_string().into(),
            method.into(),
            at.into(),
        ],
    )
}

/// Raises a session's assurance level, after a factor was verified in it.
pub fn raise(session_id: Uuid, factor_id: Uuid, aal: &str) -> Statement {
    Statement::new(
        "update auth.sessions set aal = $3::auth.aal_level, factor_id = $2::uuid, updated_at = now() \
         where id = $1::uuid",
        [
            session_id.to_string().into(),
            factor_id.to_string().into(),
            aal.into(),
        ],
    )
}

/// A refresh token for a session; `parent` is the one that it was swapped for.
pub fn insert_token(
    token: &str,
    user_id: Uuid,
    session_id: Uuid,
    parent: Option<&str>,
) -> Statement {
    Statement::new(
        "insert into auth.refresh_tokens (instance_id, token, user_id, revoked, created_at, updated_at, parent, session_id) \
         values ('00000000-0000-0000-0000-000000000000', $1, $2, false, now(), now(), $3, $4::uuid)",
        [
            token.into(),
            user_id.to_string().into(),
            parent.into(),
            session_id.to_string().into(),
        ],
    )
}

/// The token with its session and its user, each as JSON; locked, so that two refreshes with the same
/// token come one after the other.
pub fn with_token(token: &str) -> Statement {
    Statement::new(
        format!(
            "select to_jsonb(r), {SESSION}, \
             (select t.token from auth.refresh_tokens t where t.session_id = s.id and not t.revoked order by t.id desc limit 1), \
             (select t.parent from auth.refresh_tokens t where t.session_id = s.id and not t.revoked order by t.id desc limit 1), \
             r.user_id \
             from auth.refresh_tokens r left join auth.sessions s on s.id = r.session_id \
             where r.token = $1 for update of r"
        ),
        [token.into()],
    )
}

/// The session's tokens are good for nothing any more.
pub fn revoke_family(session_id: Uuid) -> Statement {
    Statement::new(
        "update auth.refresh_tokens set revoked = true, updated_at = now() \
         where session_id = $1::uuid and not revoked",
        [session_id.to_string().into()],
    )
}

/// One token is good for nothing any more. When it was first used stays: the interval in which it may
/// be used again does not begin anew.
pub fn revoke_token(token: &str) -> Statement {
    Statement::new(
        "update auth.refresh_tokens set revoked = true, \
         updated_at = case when revoked then updated_at else now() end where token = $1",
        [token.into()],
    )
}

/// The token that the session has now is good for nothing any more; it is the answer.
pub fn revoke_current(session_id: Uuid) -> Statement {
    Statement::new(
        "update auth.refresh_tokens set revoked = true, updated_at = now() \
         where session_id = $1::uuid and not revoked returning token",
        [session_id.to_string().into()],
    )
}

/// A token of a time before there were sessions.
pub fn delete_token(token: &str) -> Statement {
    Statement::new(
        "delete from auth.refresh_tokens where token = $1",
        [token.into()],
    )
}

/// The session was used just now, by whom.
pub fn refreshed(session_id: Uuid, user_agent: &str, ip: &str) -> Statement {
    Statement::new(
        "update auth.sessions set refreshed_at = now() at time zone 'utc', user_agent = nullif($2, ''), \
         ip = nullif($3, '')::inet, updated_at = now() where id = $1::uuid",
        [session_id.to_string().into(), user_agent.into(), ip.into()],
    )
}

/// The session was issued to this client of the gateway's. What was issued a month ago to clients
/// that are long gone is forgotten.
pub fn issued_to(client: &str, session_id: Uuid) -> Statement {
    Statement::new(
        "with forgotten as (delete from gateway.client_sessions \
         where issued_at < now() - interval '30 days' and client <> $1) \
         insert into gateway.client_sessions (client, session_id) values ($1, $2::uuid) \
         on conflict (client) do update set session_id = excluded.session_id, issued_at = now()",
        [client.into(), session_id.to_string().into()],
    )
}

/// The user and the session that was last issued to a client, each as JSON; no row where there is
/// none that still lives.
pub fn of_client(client: &str) -> Statement {
    super::users::with_session_of_client(SESSION, client)
}

/// Ends one session.
pub fn delete(session_id: Uuid) -> Statement {
    Statement::new(
        "delete from auth.sessions where id = $1::uuid",
        [session_id.to_string().into()],
    )
}

/// Ends every session of a user.
pub fn delete_all(user_id: Uuid) -> Statement {
    Statement::new(
        "delete from auth.sessions where user_id = $1::uuid",
        [user_id.to_string().into()],
    )
}

/// Ends every session of a user but one.
pub fn delete_others(user_id: Uuid, session_id: Uuid) -> Statement {
    Statement::new(
        "delete from auth.sessions where user_id = $1::uuid and id <> $2::uuid",
        [user_id.to_string().into(), session_id.to_string().into()],
    )
}

/// Ends the user's sessions that are below an assurance level.
pub fn delete_below(user_id: Uuid, aal: &str) -> Statement {
    Statement::new(
        "delete from auth.sessions where user_id = $1::uuid and aal < $2::auth.aal_level",
        [user_id.to_string().into(), aal.into()],
    )
}
