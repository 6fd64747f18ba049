//! A user proves a factor: `POST …/verify`. The session becomes `aal2`, those that are not end.

use http::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use super::{
    super::{
        AuthError, Context, ErrorCode,
        audit::{self, Action, Actor},
        caller::Caller,
        delivery::notice,
        limits::Limit,
        session::{Session, SignedIn, read_user},
        sql,
        time::Time,
        totp::{self, Secret},
        user::{Factor, FactorStatus},
        webauthn::{self, Assertion, Attestation},
    },
    Kind, check_verifiable, credential, owned,
};
use crate::{Body, World, database::Statement};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Parameters {
    challenge_id: Option<Uuid>,
    code: String,
    webauthn: Option<WebAuthn>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WebAuthn {
    #[serde(rename = "type")]
    kind: String,
    credential_response: Option<Value>,
}

/// A row of `auth.mfa_challenges`, with its factor's secret.
#[derive(Deserialize)]
struct Challenge {
    id: Uuid,
    created_at: Time,
    verified_at: Option<Time>,
    ip_address: String,
    otp_code: Option<String>,
    web_authn_session_data: Option<Value>,
    #[serde(skip)]
    secret: Option<String>,
}

pub async fn verify<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    let caller = context.caller_not_anonymous().await?;
    let factor = owned(context, &caller.user)?;
    context.limit(Limit::FactorVerify)?;
    let parameters: Parameters = context.json()?;
    let kind = Kind::read(&factor.factor_type)?;
    if parameters.code.is_empty() && kind != Kind::WebAuthn {
        return Err(AuthError::invalid("Code needs to be non-empty"));
    }
    check_verifiable(context, kind)?;
    let challenge_id = parameters.challenge_id.unwrap_or_default();
    let mut before = Vec::new();
    match kind {
        Kind::Totp => {
            let challenge = challenge(context, factor, challenge_id).await?;
            let secret = challenge.secret.as_deref().and_then(Secret::parse);
            let now = u64::try_from(context.now.seconds()).unwrap_or_default();
            if !secret.is_some_and(|secret| totp::verify(&secret, &parameters.code, now)) {
                return Err(failed("Invalid TOTP code entered"));
            }
            before.push(sql::factors::use_challenge(challenge.id));
        }
        Kind::Phone => {
            let challenge = challenge(context, factor, challenge_id).await?;
            let sent = challenge.otp_code.as_deref().unwrap_or_default();
            let is_sent = bool::from(sent.as_bytes().ct_eq(parameters.code.as_bytes()));
            if sent.is_empty() || !is_sent {
                return Err(failed("Invalid MFA Phone code entered"));
            }
            before.push(sql::factors::use_challenge(challenge.id));
        }
        Kind::WebAuthn => {
            let given = parameters.webauthn.as_ref();
            let given = given.ok_or_else(|| AuthError::invalid("WebAuthn config required"))?;
            if !matches!(given.kind.as_str(), "create" | "request") {
                let message = "WebAuthn type must be create or request";
                return Err(AuthError::invalid(message));
            }
            let response = given.credential_response.as_ref();
            let response =
                response.ok_or_else(|| AuthError::invalid("credential_response required"))?;
            let challenge = challenge(context, factor, challenge_id).await?;
            before.push(sql::factors::use_challenge(challenge.id));
            before.push(match given.kind.as_str() {
                "create" => created(context, factor, &challenge, response)?,
                _ => used(context, &caller, factor, &challenge, response).await?,
            });
        }
    }
    raise(context, &caller, factor, kind, challenge_id, before).await
}

fn failed(message: &str) -> AuthError {
    AuthError::unprocessable(ErrorCode::MfaVerificationFailed, message)
}

fn met_elsewhere() -> AuthError {
    let message = "Challenge and verify IP addresses mismatch.";
    AuthError::unprocessable(ErrorCode::MfaIpAddressMismatch, message)
}

/// The challenge, if it may still be met by this client.
async fn challenge<W: World>(
    context: &Context<'_, W>,
    factor: &Factor,
    id: Uuid,
) -> Result<Challenge, AuthError> {
    let statement = sql::factors::challenge_by_id(id, factor.id);
    let session = context.session().read_only();
    let result = context.database().one(&session, statement).await?;
    let row = result.rows.first().ok_or_else(|| {
        AuthError::unprocessable(
            ErrorCode::MfaFactorNotFound,
            "MFA factor with the provided challenge ID not found",
        )
    })?;
    let mut challenge: Challenge =
        serde_json::from_slice(row.get(0).unwrap_or_default()).map_err(|error| {
            AuthError::internal(format!("Database error finding Challenge: {error}"))
        })?;
    challenge.secret = row.text(1).map(str::to_owned);
    if challenge.verified_at.is_some() || challenge.ip_address != context.ip_address() {
        return Err(met_elsewhere());
    }
    let expiry = i64::try_from(context.settings.mfa_challenge_expiry).unwrap_or(i64::MAX);
    if context.now > challenge.created_at.plus(expiry) {
        let delete = sql::factors::delete_challenge(id);
        context.database().one(&context.session(), delete).await?;
        return Err(AuthError::unprocessable(
            ErrorCode::MfaChallengeExpired,
            format!(
                "MFA challenge {id} has expired, verify against another challenge or create a new challenge."
            ),
        ));
    }
    Ok(challenge)
}

/// The statement that keeps a new credential.
fn created<W: World>(
    context: &Context<'_, W>,
    factor: &Factor,
    challenge: &Challenge,
    response: &Value,
) -> Result<Statement, AuthError> {
    let asked = asked(challenge)?;
    let response = Attestation::read(response)
        .map_err(|_error| AuthError::invalid("Invalid credential_response"))?;
    if factor.status == FactorStatus::Verified {
        // A verified factor keeps the credential that it has.
        return Err(AuthError::invalid("Invalid credential_response"));
    }
    let registered = webauthn::register(&credential::party(context), &asked, &response)
        .map_err(|error| failed(&format!("Invalid WebAuthn credential: {error}")))?;
    let aaguid = Uuid::from_bytes(registered.aaguid);
    let json = credential::to_json(&registered).to_string();
    Ok(sql::factors::set_credential(factor.id, json, Some(aaguid)))
}

/// The statement that counts the use of the factor's credential.
async fn used<W: World>(
    context: &Context<'_, W>,
    caller: &Caller,
    factor: &Factor,
    challenge: &Challenge,
    response: &Value,
) -> Result<Statement, AuthError> {
    let asked = asked(challenge)?;
    let response = Assertion::read(response)
        .map_err(|_error| AuthError::invalid("Invalid credential_response"))?;
    let statement = sql::factors::credentials(caller.user.id);
    let session = context.session().read_only();
    let result = context.database().one(&session, statement).await?;
    let kept = result.rows.iter().find_map(|row| {
        let is_factor = row.text(0) == Some(factor.id.to_string().as_str());
        is_factor.then(|| serde_json::from_str(row.text(1)?).ok())?
    });
    let kept: Value = kept.ok_or_else(|| failed("Invalid WebAuthn credential"))?;
    let known = credential::of_json(&kept);
    let used = webauthn::authenticate(
        &credential::party(context),
        &asked,
        known.as_slice(),
        caller.user.id.to_string().as_bytes(),
        &response,
    )
    .map_err(|error| failed(&format!("Invalid WebAuthn credential: {error}")))?;
    let aaguid = kept
        .pointer("/authenticator/AAGUID")
        .and_then(Value::as_str);
    let aaguid = aaguid.and_then(credential::aaguid);
    let json = credential::counted(kept.clone(), used.sign_count).to_string();
    Ok(sql::factors::set_credential(factor.id, json, aaguid))
}

fn asked(challenge: &Challenge) -> Result<webauthn::Challenge, AuthError> {
    let data = challenge.web_authn_session_data.as_ref();
    data.and_then(credential::challenge_of)
        .ok_or_else(|| AuthError::internal("Database error finding Challenge"))
}

/// Raises the caller's session, gives it a new refresh token, and ends what is below it: all in one
/// transaction with `before`.
async fn raise<W: World>(
    context: &Context<'_, W>,
    caller: &Caller,
    factor: &Factor,
    kind: Kind,
    challenge_id: Uuid,
    before: Vec<Statement>,
) -> Result<Response<Body>, AuthError> {
    let user_id = caller.user.id;
    let session_id = caller.require_session()?.id;
    let refresh_token = context.refresh_token();
    let traits = json!({
        "factor_id": factor.id,
        "challenge_id": challenge_id,
        "factor_type": kind.label(),
    });
    let actor = Actor::User(&caller.user);
    let mut statements = before;
    statements.extend([
        audit::entry(context, actor, Action::VerifyFactor, traits),
        sql::factors::verified(factor.id),
        sql::sessions::add_method(context.uuid(), session_id, kind.method().as_str()),
        sql::sessions::raise(session_id, factor.id, "aal2"),
        sql::factors::swap_token(session_id, user_id, &refresh_token),
        sql::sessions::delete_below(user_id, "aal2"),
        sql::factors::delete_unverified(user_id, kind.label()),
        sql::users::with_session(user_id, Some(session_id)),
    ]);
    let ran = context
        .database()
        .run(&context.session(), &statements)
        .await;
    let mut results = ran.map_err(|error| match error.sqlstate() {
        Some(sql::factors::USED) => met_elsewhere(),
        _ => error.into(),
    })?;
    let result = results.pop();
    let session = result
        .as_ref()
        .and_then(|result| result.rows.first()?.bytes(1))
        .and_then(|json| Session::from_row(&json).ok());
    let (Some(user), Some(session)) = (read_user(result)?, session) else {
        return Err(AuthError::internal("Failed to update sessions."));
    };
    if factor.status == FactorStatus::Unverified {
        notice::factor_enrolled(context, &user, factor).await;
    }
    let signed_in = SignedIn {
        user,
        session,
        refresh_token,
    };
    signed_in.into_response(context)
}
