//! A user takes a factor: `POST` to the factors.

use http::Response;
use serde::Deserialize;
use serde_json::json;

use super::{
    super::{
        AuthError, Context, ErrorCode, address,
        audit::{self, Action, Actor},
        caller::Caller,
        redirect,
        session::read_user,
        sql,
        totp::{self, Secret},
        user::{FactorStatus, User},
    },
    Kind,
};
use crate::{Body, World, auth, database::Statement};

/// Seconds after which a factor that was never challenged is forgotten
/// (`GOTRUE_MFA_FACTOR_EXPIRY_DURATION`).
const ABANDONED: u64 = 300;

#[derive(Deserialize)]
#[serde(default)]
struct Parameters {
    friendly_name: String,
    factor_type: String,
    issuer: String,
    phone: String,
}

impl Default for Parameters {
    fn default() -> Self {
        let empty = String::new;
        Self {
            friendly_name: empty(),
            factor_type: empty(),
            issuer: empty(),
            phone: empty(),
        }
    }
}

pub async fn enroll<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    let caller = context.caller_not_anonymous().await?;
    if caller.session.is_none() {
        let message = "A valid session and a registered user are required to enroll a factor";
        return Err(AuthError::internal(message));
    }
    let parameters: Parameters = context.json()?;
    let kind = Kind::read(&parameters.factor_type)?;
    check_enrollable(context, kind)?;
    match kind {
        Kind::Totp => totp(context, &caller, &parameters).await,
        Kind::Phone => phone(context, &caller, &parameters).await,
        Kind::WebAuthn => webauthn(context, &caller, &parameters).await,
    }
}

async fn totp<W: World>(
    context: &Context<'_, W>,
    caller: &Caller,
    parameters: &Parameters,
) -> Result<Response<Body>, AuthError> {
    let site = context.site_url();
    let issuer = match parameters.issuer.as_str() {
        "" => redirect::Address::parse(&site)
            .map(|address| address.host_and_port())
            .ok_or_else(|| AuthError::internal("site url is improperly formatted"))?,
        issuer => issuer.to_owned(),
    };
    let secret = Secret::generate(|bytes| context.world.random(bytes));
    let uri = totp::uri(&issuer, caller.user.email(), &secret);
    let picture = totp::svg(&uri).ok_or_else(|| AuthError::internal("Error generating QR Code"))?;
    check_room(context, caller, &parameters.friendly_name, Vec::new()).await?;
    let id = context.uuid();
    let factor = sql::factors::NewFactor {
        id,
        user_id: caller.user.id,
        friendly_name: &parameters.friendly_name,
        kind: Kind::Totp.label(),
        secret: Some(secret.to_string()),
        phone: None,
    };
    insert(context, caller, &factor).await?;
    Ok(auth::json(json!({
        "id": id,
        "type": Kind::Totp.label(),
        "friendly_name": parameters.friendly_name,
        "totp": {"qr_code": picture, "secret": secret.to_string(), "uri": uri},
    })))
}

async fn phone<W: World>(
    context: &Context<'_, W>,
    caller: &Caller,
    parameters: &Parameters,
) -> Result<Response<Body>, AuthError> {
    if parameters.phone.is_empty() {
        let message = "Phone number required to enroll Phone factor";
        return Err(AuthError::invalid(message));
    }
    let number = address::phone(&parameters.phone)?;
    let mut factors = caller.user.factors.iter();
    let is_verified = factors.any(|factor| {
        factor.status == FactorStatus::Verified && factor.phone.as_deref() == Some(&number)
    });
    if is_verified {
        let message =
            "A verified phone factor already exists, unenroll the existing factor to continue";
        let code = ErrorCode::MfaVerifiedFactorExists;
        return Err(AuthError::unprocessable(code, message));
    }
    let same = sql::factors::delete_unverified_phone(caller.user.id, &number);
    check_room(context, caller, &parameters.friendly_name, vec![same]).await?;
    let id = context.uuid();
    let factor = sql::factors::NewFactor {
        id,
        user_id: caller.user.id,
        friendly_name: &parameters.friendly_name,
        kind: Kind::Phone.label(),
        secret: None,
        phone: Some(&number),
    };
    insert(context, caller, &factor).await?;
    Ok(auth::json(json!({
        "id": id,
        "type": Kind::Phone.label(),
        "friendly_name": parameters.friendly_name,
        "phone": parameters.phone,
    })))
}

async fn webauthn<W: World>(
    context: &Context<'_, W>,
    caller: &Caller,
    parameters: &Parameters,
) -> Result<Response<Body>, AuthError> {
    check_room(context, caller, &parameters.friendly_name, Vec::new()).await?;
    let id = context.uuid();
    let factor = sql::factors::NewFactor {
        id,
        user_id: caller.user.id,
        friendly_name: &parameters.friendly_name,
        kind: Kind::WebAuthn.label(),
        secret: None,
        phone: None,
    };
    insert(context, caller, &factor).await?;
    Ok(auth::json(json!({
        "id": id,
        "type": Kind::WebAuthn.label(),
        "friendly_name": parameters.friendly_name,
    })))
}

fn check_enrollable<W: World>(context: &Context<'_, W>, kind: Kind) -> Result<(), AuthError> {
    let settings = context.settings;
    let (enabled, code, name) = match kind {
        Kind::Totp => (
            settings.mfa_totp_enroll_enabled,
            ErrorCode::MfaTotpEnrollDisabled,
            "TOTP",
        ),
        Kind::Phone => (
            settings.mfa_phone_enroll_enabled,
            ErrorCode::MfaPhoneEnrollDisabled,
            "Phone",
        ),
        Kind::WebAuthn => (
            settings.mfa_web_authn_enroll_enabled,
            ErrorCode::MfaWebAuthnEnrollDisabled,
            "WebAuthn",
        ),
    };
    if enabled {
        return Ok(());
    }
    let message = format!("MFA enroll is disabled for {name}");
    Err(AuthError::unprocessable(code, message))
}

/// Forgets factors that nobody went on with, runs `before`, and checks that the user may have one
/// more under this name.
async fn check_room<W: World>(
    context: &Context<'_, W>,
    caller: &Caller,
    friendly_name: &str,
    before: Vec<Statement>,
) -> Result<(), AuthError> {
    let mut statements = before;
    statements.push(sql::factors::delete_abandoned(ABANDONED));
    statements.push(sql::users::by_id(caller.user.id));
    let mut results = context
        .database()
        .run(&context.session(), &statements)
        .await?;
    let user = read_user(results.pop())?.ok_or_else(|| {
        AuthError::forbidden(
            ErrorCode::UserNotFound,
            "User from sub claim in JWT does not exist",
        )
    })?;
    check_factors(context, caller, &user, friendly_name)
}

fn check_factors<W: World>(
    context: &Context<'_, W>,
    caller: &Caller,
    user: &User,
    friendly_name: &str,
) -> Result<(), AuthError> {
    let mut factors = user.factors.iter();
    if factors.any(|factor| factor.friendly_name.as_deref().unwrap_or_default() == friendly_name) {
        return Err(name_conflict(friendly_name));
    }
    let factors = user.factors.iter();
    let verified = factors.filter(|factor| factor.status == FactorStatus::Verified);
    let verified = verified.count();
    let most = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    if user.factors.len() >= most(context.settings.mfa_max_enrolled_factors)
        || verified >= most(context.settings.mfa_max_verified_factors)
    {
        let message = "Maximum number of verified factors reached, unenroll to continue";
        let code = ErrorCode::TooManyEnrolledMfaFactors;
        return Err(AuthError::unprocessable(code, message));
    }
    if verified > 0 && !caller.is_aal2() {
        let message = "AAL2 required to enroll a new factor";
        return Err(AuthError::forbidden(ErrorCode::InsufficientAal, message));
    }
    Ok(())
}

fn name_conflict(friendly_name: &str) -> AuthError {
    AuthError::unprocessable(
        ErrorCode::MfaFactorNameConflict,
        format!("A factor with the friendly name {friendly_name:?} for this user already exists"),
    )
}

async fn insert<W: World>(
    context: &Context<'_, W>,
    caller: &Caller,
    factor: &sql::factors::NewFactor<'_>,
) -> Result<(), AuthError> {
    let traits = json!({"factor_id": factor.id, "factor_type": factor.kind});
    let actor = Actor::User(&caller.user);
    let statements = [
        sql::factors::insert(factor),
        audit::entry(context, actor, Action::EnrollFactor, traits),
    ];
    context
        .database()
        .run(&context.session(), &statements)
        .await
        .map(drop)
        .map_err(|error| match error.constraint() {
            // Another enrolment was quicker.
            Some("mfa_factors_user_friendly_name_unique") => name_conflict(factor.friendly_name),
            _ => error.into(),
        })
}
