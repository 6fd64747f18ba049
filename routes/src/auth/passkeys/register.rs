//! A signed-in user adds a passkey.

use http::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    super::{
        AuthError, Context, ErrorCode,
        audit::{self, Action, Actor},
        caller::Caller,
        factors,
        limits::Limit,
        sql,
        webauthn::{self, Attestation, Entity, Options, Requirement},
    },
    Ceremony, begin, check_enabled, check_level, end, is_duplicate, of_user, read, refused,
};
use crate::{Body, World, auth};

const VERIFICATION: Requirement = Requirement::Preferred;

/// What the browser is asked for a new passkey.
pub async fn registration_options<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    let caller = registrant(context).await?;
    let user = &caller.user;
    let passkeys = of_user(context, user.id).await?;
    if passkeys.len() >= most(context) {
        return Err(too_many());
    }
    let credentials: Vec<Vec<u8>> = passkeys
        .iter()
        .filter_map(|passkey| Some(passkey.credential()?.id))
        .collect();
    let party = factors::party(context);
    let challenge: [u8; 32] = context.random();
    let options = Options {
        party: &party,
        challenge: &challenge,
        user_verification: VERIFICATION,
        // Who signs in with it has not said yet who they are.
        resident_key: Some(Requirement::Required),
        credentials: &credentials,
    };
    let handle = user.id.to_string();
    let name = match user.email() {
        "" => user.phone(),
        email => email,
    };
    let options = options.create(Entity {
        handle: handle.as_bytes(),
        name,
    });
    let data = factors::session_data(&party, &challenge, Some(user.id), VERIFICATION);
    let (id, expires_at) = begin(context, Ceremony::Registration, Some(user.id), &data).await?;
    Ok(auth::json(json!({
        "challenge_id": id,
        "options": options,
        "expires_at": expires_at.seconds(),
    })))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Parameters {
    challenge_id: String,
    /// Clients of an earlier version of the API have another name for it.
    #[serde(alias = "credential_response")]
    credential: Option<Value>,
}

/// Keeps the passkey that the browser made.
pub async fn registration_verify<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    let caller = registrant(context).await?;
    let user = &caller.user;
    let parameters: Parameters = context.json()?;
    let Some(credential) = &parameters.credential else {
        return Err(AuthError::invalid("credential is required"));
    };
    let challenge = end(
        context,
        Ceremony::Registration,
        Some(user.id),
        &parameters.challenge_id,
    )
    .await?;
    let response =
        Attestation::read(credential).map_err(|_error| refused("Invalid credential response"))?;
    let registered = webauthn::register(&factors::party(context), &challenge, &response)
        .map_err(|_error| refused("Credential verification failed"))?;
    let id = context.uuid();
    let passkey = sql::passkeys::NewPasskey {
        id,
        user_id: user.id,
        credential_id: &registered.credential.id,
        public_key: &registered.credential.public_key,
        attestation: registered.attestation,
        aaguid: Uuid::from_bytes(registered.aaguid),
        sign_count: registered.credential.sign_count,
        transports: json!(registered.transports).to_string(),
        backup_eligible: registered.flags.backup_eligible(),
        backed_up: registered.flags.backed_up(),
    };
    let most = context.settings.passkey_max_per_user;
    let statements = [
        sql::passkeys::insert(&passkey, most),
        audit::entry(
            context,
            Actor::User(user),
            Action::PasskeyCreated,
            json!({"passkey_id": id}),
        ),
    ];
    let ran = context
        .database()
        .run(&context.session(), &statements)
        .await;
    let results = ran.map_err(|error| {
        if is_duplicate(&error) {
            let code = ErrorCode::WebAuthnCredentialExists;
            return AuthError::unprocessable(code, "This credential is already registered");
        }
        error.into()
    })?;
    let inserted = results.first().map(read).transpose()?.unwrap_or_default();
    let passkey = inserted.first().ok_or_else(too_many)?;
    let mut body = passkey.to_json();
    body["backup_eligible"] = passkey.backup_eligible.into();
    body["backed_up"] = passkey.backed_up.into();
    body["transports"] = passkey.transports.clone();
    Ok(auth::json(body))
}

/// A caller who may add passkeys.
async fn registrant<W: World>(context: &Context<'_, W>) -> Result<Caller, AuthError> {
    check_enabled(context)?;
    let caller = context.caller_not_anonymous().await?;
    context.limit(Limit::Passkey)?;
    if caller.user.is_sso_user {
        let message = "SSO users cannot register passkeys";
        let code = ErrorCode::ValidationFailed;
        return Err(AuthError::unprocessable(code, message));
    }
    check_level(&caller)?;
    Ok(caller)
}

fn most<W>(context: &Context<'_, W>) -> usize {
    usize::try_from(context.settings.passkey_max_per_user).unwrap_or(usize::MAX)
}

fn too_many() -> AuthError {
    let message = "Maximum number of passkeys reached";
    AuthError::unprocessable(ErrorCode::TooManyPasskeys, message)
}
