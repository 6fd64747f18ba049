//! A user wants to prove a factor: `POST …/challenge`.

use http::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    super::{
        AuthError, Context, ErrorCode,
        audit::{self, Action, Actor},
        caller::Caller,
        limits::Limit,
        mail, one_time, sql,
        user::{Factor, FactorStatus},
        webauthn::{Entity, Options, Requirement},
    },
    Kind, check_verifiable, credential, owned,
};
use crate::{
    Body, World, auth,
    database::Statement,
    outbox::{self, Channel},
};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Parameters {
    channel: String,
}

pub async fn challenge<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    let caller = context.caller_not_anonymous().await?;
    let factor = owned(context, &caller.user)?;
    context.limit(Limit::FactorChallenge)?;
    let kind = Kind::read(&factor.factor_type)?;
    check_verifiable(context, kind)?;
    match kind {
        Kind::Totp => write(context, &caller, factor, Made::default()).await,
        Kind::Phone => phone(context, &caller, factor).await,
        Kind::WebAuthn => webauthn(context, &caller, factor).await,
    }
}

/// What a challenge is made of beside its id.
#[derive(Default)]
struct Made {
    code: Option<String>,
    session_data: Option<Value>,
    /// Beside the challenge in its transaction.
    statements: Vec<Statement>,
    /// What the client gets beside the challenge.
    webauthn: Option<Value>,
}

async fn phone<W: World>(
    context: &Context<'_, W>,
    caller: &Caller,
    factor: &Factor,
) -> Result<Response<Body>, AuthError> {
    let parameters: Parameters = context.json()?;
    if !matches!(parameters.channel.as_str(), "" | "sms" | "whatsapp") {
        let message = "Invalid channel, supported values are 'sms' or 'whatsapp'. 'whatsapp' is only supported if Twilio or Twilio Verify is used as the provider.";
        return Err(AuthError::invalid(message));
    }
    let settings = context.settings;
    let wait = one_time::wait(
        factor.last_challenged_at,
        settings.mfa_phone_max_frequency.0,
        context.now,
    );
    if let Some(seconds) = wait {
        return Err(AuthError::too_many_requests(
            ErrorCode::OverSmsSendRateLimit,
            format!("For security purposes, you can only request this after {seconds} seconds."),
        ));
    }
    let digits = u32::try_from(settings.mfa_phone_otp_length).unwrap_or(6);
    let code = one_time::code(context.world, digits);
    let number = factor.phone.as_deref().unwrap_or_default();
    let template = &settings.mfa_phone_template;
    let channel = match parameters.channel.as_str() {
        "whatsapp" => Channel::WhatsApp,
        _ => Channel::Sms,
    };
    let message = mail::text_message(
        template,
        context.uuid(),
        caller.user.id,
        "mfa",
        channel,
        number,
        &code,
    )
    .map_err(|error| AuthError::internal(format!("error generating sms template: {error}")))?;
    let made = Made {
        code: Some(code),
        statements: vec![outbox::insert(&message)],
        ..Made::default()
    };
    write(context, caller, factor, made).await
}

async fn webauthn<W: World>(
    context: &Context<'_, W>,
    caller: &Caller,
    factor: &Factor,
) -> Result<Response<Body>, AuthError> {
    let party = credential::party(context);
    let challenge: [u8; 32] = context.random();
    let kept = sql::factors::credentials(caller.user.id);
    let session = context.session().read_only();
    let kept = context.database().one(&session, kept).await?;
    let credentials: Vec<Vec<u8>> = kept
        .rows
        .iter()
        .filter_map(|row| serde_json::from_str(row.text(1)?).ok())
        .filter_map(|json| credential::of_json(&json))
        .map(|credential| credential.id)
        .collect();
    let verification = Requirement::Preferred;
    let options = Options {
        party: &party,
        challenge: &challenge,
        user_verification: verification,
        resident_key: None,
        credentials: &credentials,
    };
    let handle = caller.user.id.to_string();
    let name = match caller.user.email() {
        "" => caller.user.phone(),
        email => email,
    };
    let entity = Entity {
        handle: handle.as_bytes(),
        name,
    };
    let (kind, options) = match factor.status {
        FactorStatus::Unverified => ("create", options.create(entity)),
        FactorStatus::Verified => ("request", options.get()),
    };
    let user_id = Some(caller.user.id);
    let made = Made {
        session_data: Some(credential::session_data(
            &party,
            &challenge,
            user_id,
            verification,
        )),
        webauthn: Some(json!({"type": kind, "credential_options": {"publicKey": options}})),
        ..Made::default()
    };
    write(context, caller, factor, made).await
}

async fn write<W: World>(
    context: &Context<'_, W>,
    caller: &Caller,
    factor: &Factor,
    made: Made,
) -> Result<Response<Body>, AuthError> {
    let id: Uuid = context.uuid();
    let status = match factor.status {
        FactorStatus::Unverified => "unverified",
        FactorStatus::Verified => "verified",
    };
    let traits = json!({"factor_id": factor.id, "factor_status": status});
    let actor = Actor::User(&caller.user);
    let mut statements = made.statements;
    statements.push(audit::entry(
        context,
        actor,
        Action::CreateChallenge,
        traits,
    ));
    statements.push(sql::factors::challenge(
        id,
        factor.id,
        context.ip_address(),
        made.code.as_deref(),
        made.session_data.map(|data| data.to_string()),
    ));
    let mut results = context
        .database()
        .run(&context.session(), &statements)
        .await?;
    if results.pop().is_none_or(|result| result.rows.is_empty()) {
        // It was unenrolled meanwhile.
        let message = "Factor not found";
        return Err(AuthError::not_found(ErrorCode::MfaFactorNotFound, message));
    }
    let expiry = i64::try_from(context.settings.mfa_challenge_expiry).unwrap_or(i64::MAX);
    let mut body = json!({
        "id": id,
        "type": factor.factor_type,
        "expires_at": context.now.plus(expiry).seconds(),
    });
    if let Some(webauthn) = made.webauthn {
        body["webauthn"] = webauthn;
    }
    Ok(auth::json(body))
}
