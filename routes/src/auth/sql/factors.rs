//! Second factors, their challenges, and the sessions that they raise.

use uuid::Uuid;

use crate::{database::Statement, wire::Parameter};

/// A new factor, not verified yet.
#[derive(Debug)]
pub struct NewFactor<'a> {
    pub id: Uuid,
    pub user_id: Uuid,
    pub friendly_name: &'a str,
    /// `totp`, `phone`, `webauthn`.
    pub kind: &'a str,
    pub secret: Option<String>,
    pub phone: Option<&'a str>,
}

pub fn insert(factor: &NewFactor<'_>) -> Statement {
    Statement::new(
        "insert into auth.mfa_factors (id, user_id, friendly_name, factor_type, status, secret, phone, \
         created_at, updated_at) \
         values ($1::uuid, $2::uuid, $3, $4::auth.factor_type, 'unverified', $5, $6, now(), now())",
        [
            factor.id.to_string().into(),
            factor.user_id.to_string().into(),
            factor.friendly_name.into(),
            factor.kind.into(),
            factor.secret.clone().into(),
            factor.phone.into(),
        ],
    )
}

/// Factors that nobody went on with: never challenged, and older than so many seconds.
pub fn delete_abandoned(seconds: u64) -> Statement {
    Statement::new(
        "delete from auth.mfa_factors f where f.status <> 'verified' \
         and not exists (select from auth.mfa_challenges c where c.factor_id = f.id) \
         and f.created_at + make_interval(secs => $1::double precision) < now()",
        [seconds.to_string().into()],
    )
}

/// The user's factors for a phone number that are not verified.
pub fn delete_unverified_phone(user_id: Uuid, phone: &str) -> Statement {
    Statement::new(
        "delete from auth.mfa_factors where user_id = $1::uuid and factor_type = 'phone' \
         and phone = $2 and status = 'unverified'",
        [user_id.to_string().into(), phone.into()],
    )
}

/// The user's factors of a kind that are not verified.
pub fn delete_unverified(user_id: Uuid, kind: &str) -> Statement {
    Statement::new(
        "delete from auth.mfa_factors where user_id = $1::uuid and status = 'unverified' \
         and factor_type = $2::auth.factor_type",
        [user_id.to_string().into(), kind.into()],
    )
}

pub fn delete(id: Uuid) -> Statement {
    Statement::new(
        "delete from auth.mfa_factors where id = $1::uuid",
        [id.to_string().into()],
    )
}

/// Changes what is not empty.
pub fn update(id: Uuid, friendly_name: &str, phone: &str) -> Statement {
    Statement::new(
        "update auth.mfa_factors set friendly_name = coalesce(nullif($2, ''), friendly_name), \
         phone = coalesce(nullif($3, ''), phone), updated_at = now() where id = $1::uuid",
        [id.to_string().into(), friendly_name.into(), phone.into()],
    )
}

/// The factor is the user's from now on.
pub fn verified(id: Uuid) -> Statement {
    Statement::new(
        "update auth.mfa_factors set status = 'verified', updated_at = now() \
         where id = $1::uuid and status <> 'verified'",
        [id.to_string().into()],
    )
}

/// Keeps a credential of a factor.
pub fn set_credential(id: Uuid, credential: String, aaguid: Option<Uuid>) -> Statement {
    Statement::new(
        "update auth.mfa_factors set web_authn_credential = $2::jsonb, web_authn_aaguid = $3::uuid, \
         updated_at = now() where id = $1::uuid",
        [
            id.to_string().into(),
            credential.into(),
            aaguid.map(|aaguid| aaguid.to_string()).into(),
        ],
    )
}

/// The credentials of the user's factors that have one, as JSON: the factor's id and the credential.
pub fn credentials(user_id: Uuid) -> Statement {
    Statement::new(
        "select id, web_authn_credential from auth.mfa_factors where user_id = $1::uuid \
         and web_authn_credential is not null order by created_at, id",
        [user_id.to_string().into()],
    )
}

/// A challenge for a factor, which remembers when it was last challenged. No two factors may
/// remember the same moment, and a browser's clock is coarse.
pub fn challenge(
    id: Uuid,
    factor_id: Uuid,
    ip: &str,
    code: Option<&str>,
    web_authn: Option<String>,
) -> Statement {
    Statement::new(
        "with challenged as (update auth.mfa_factors set last_challenged_at = greatest(now(), \
         (select max(last_challenged_at) from auth.mfa_factors) + interval '1 microsecond') \
         where id = $2::uuid returning id) \
         insert into auth.mfa_challenges (id, factor_id, created_at, ip_address, otp_code, web_authn_session_data) \
         select $1::uuid, id, now(), $3::inet, $4, $5::jsonb from challenged returning created_at",
        [
            id.to_string().into(),
            factor_id.to_string().into(),
            ip.into(),
            code.into(),
            web_authn.into(),
        ],
    )
}

/// A factor's challenge as JSON, and the factor's secret.
pub fn challenge_by_id(id: Uuid, factor_id: Uuid) -> Statement {
    Statement::new(
        "select to_jsonb(c) || jsonb_build_object('ip_address', host(c.ip_address)), f.secret \
         from auth.mfa_challenges c join auth.mfa_factors f on f.id = c.factor_id \
         where c.id = $1::uuid and c.factor_id = $2::uuid",
        [id.to_string().into(), factor_id.to_string().into()],
    )
}

pub fn delete_challenge(id: Uuid) -> Statement {
    Statement::new(
        "delete from auth.mfa_challenges where id = $1::uuid",
        [id.to_string().into()],
    )
}

/// What [`use_challenge`] fails with where the challenge was met meanwhile: a division by zero.
pub const USED: &str = "22012";

/// The challenge was met, once: where somebody else met it before, this fails, and with it the whole
/// transaction.
pub fn use_challenge(id: Uuid) -> Statement {
    Statement::new(
        "with used as (update auth.mfa_challenges set verified_at = now() \
         where id = $1::uuid and verified_at is null returning id) select 1 / count(*) from used",
        [id.to_string().into()],
    )
}

/// Gives a session a new refresh token instead of the one that it has.
pub fn swap_token(session_id: Uuid, user_id: Uuid, token: &str) -> Statement {
    Statement::new(
        "with old as (update auth.refresh_tokens set revoked = true, updated_at = now() \
         where session_id = $1::uuid and not revoked returning id, token) \
         insert into auth.refresh_tokens (instance_id, token, user_id, revoked, created_at, updated_at, \
         parent, session_id) \
         select '00000000-0000-0000-0000-000000000000', $3, $2, false, now(), now(), \
         (select token from old order by id desc limit 1), $1::uuid",
        [
            session_id.to_string().into(),
            user_id.to_string().into(),
            token.into(),
        ],
    )
}

/// Sessions that a factor raised are what they were before it: the proof goes, and the level.
pub fn lower_sessions(user_id: Uuid, factor_id: Uuid, method: &str) -> [Statement; 2] {
    let ids = || -> [Parameter; 2] { [user_id.to_string().into(), factor_id.to_string().into()] };
    let [user, factor] = ids();
    [
        Statement::new(
            "delete from auth.mfa_amr_claims c using auth.sessions s where c.session_id = s.id \
             and s.user_id = $1::uuid and s.factor_id = $2::uuid and c.authentication_method = $3",
            [user, factor, method.into()],
        ),
        Statement::new(
            "update auth.sessions set aal = 'aal1', factor_id = null \
             where user_id = $1::uuid and factor_id = $2::uuid",
            ids(),
        ),
    ]
}
