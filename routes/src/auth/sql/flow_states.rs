//! Sign-ins that were begun and wait for their end: `auth.flow_state`.

use uuid::Uuid;

use crate::{auth::pkce::Challenge, database::Statement};

/// A sign-in that begins. Without a challenge it ends without a code.
#[derive(Debug, Clone, Default)]
pub struct NewFlow<'a> {
    pub id: Uuid,
    pub user_id: Option<Uuid>,
    pub auth_code: Option<Uuid>,
    pub challenge: Option<&'a Challenge>,
    /// Who is asked for the user: a provider, or what the mail is for.
    pub provider_type: &'a str,
    /// As `amr` will name it.
    pub authentication_method: &'a str,
    pub invite_token: Option<&'a str>,
    pub referrer: Option<&'a str>,
    pub oauth_client_state_id: Option<Uuid>,
    pub linking_target_id: Option<Uuid>,
    pub email_optional: bool,
}

pub fn insert(flow: &NewFlow<'_>) -> Statement {
    let id = |id: Option<Uuid>| id.map(|id| id.to_string()).into();
    let optional = if flow.email_optional { "true" } else { "false" };
    Statement::new(
        "insert into auth.flow_state (id, user_id, auth_code, code_challenge, code_challenge_method, \
         provider_type, provider_access_token, provider_refresh_token, authentication_method, \
         invite_token, referrer, oauth_client_state_id, linking_target_id, email_optional, \
         created_at, updated_at) \
         values ($1::uuid, $2::uuid, $3, $4, $5::auth.code_challenge_method, $6, '', '', $7, $8, $9, \
         $10::uuid, $11::uuid, $12::boolean, now(), now())",
        [
            flow.id.to_string().into(),
            id(flow.user_id),
            id(flow.auth_code),
            flow.challenge
                .map(|challenge| challenge.challenge.clone())
                .into(),
            flow.challenge
                .map(|challenge| challenge.method.label().to_owned())
                .into(),
            flow.provider_type.into(),
            flow.authentication_method.into(),
            flow.invite_token.into(),
            flow.referrer.into(),
            id(flow.oauth_client_state_id),
            id(flow.linking_target_id),
            optional.into(),
        ],
    )
}

/// The user's latest sign-in by a method, if it was begun with a challenge.
macro_rules! latest {
    () => {
        "id = (select id from auth.flow_state where user_id = $1::uuid \
         and authentication_method = $2 order by created_at desc, id desc limit 1) \
         and auth_code is not null"
    };
}

/// A row where a sign-in of the user's by this method waits for its code.
pub fn is_waiting(user_id: Uuid, authentication_method: &str) -> Statement {
    Statement::new(
        concat!("select id from auth.flow_state where ", latest!()),
        [user_id.to_string().into(), authentication_method.into()],
    )
}

/// Issues the code of that sign-in.
pub fn issue_code(user_id: Uuid, authentication_method: &str) -> Statement {
    Statement::new(
        concat!(
            "update auth.flow_state set auth_code_issued_at = now(), updated_at = now() where ",
            latest!(),
            " returning auth_code"
        ),
        [user_id.to_string().into(), authentication_method.into()],
    )
}

/// A sign-in by its code, as JSON.
pub fn by_code(code: &str) -> Statement {
    Statement::new(
        "select to_jsonb(f) from auth.flow_state f where f.auth_code = $1 limit 1",
        [code.into()],
    )
}

/// What [`take`] fails with where the code was used meanwhile: a division by zero.
pub const TAKEN: &str = "22012";

/// Ends a sign-in; fails, and with it the whole transaction, where somebody else did.
pub fn take(id: Uuid) -> Statement {
    Statement::new(
        "with taken as (delete from auth.flow_state where id = $1::uuid returning id) \
         select 1 / count(*) from taken",
        [id.to_string().into()],
    )
}
