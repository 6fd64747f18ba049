//! Somebody signs in with a passkey: the authenticator says who.

use http::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    super::{
        AuthError, Context, ErrorCode,
        audit::{self, Action, Actor},
        factors,
        limits::Limit,
        session::{self, Grant, Method, read_user},
        sql,
        user::User,
        webauthn::{self, Assertion, Credential, Options, Requirement},
    },
    Ceremony, begin, check_enabled, end, read, refused,
};
use crate::{Body, World, auth};

const VERIFICATION: Requirement = Requirement::Preferred;

/// What the browser is asked for any passkey of this site.
pub async fn authentication_options<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    check_enabled(context)?;
    context.limit(Limit::Passkey)?;
    let party = factors::party(context);
    let challenge: [u8; 32] = context.random();
    let options = Options {
        party: &party,
        challenge: &challenge,
        user_verification: VERIFICATION,
        resident_key: None,
        credentials: &[],
    };
    let data = factors::session_data(&party, &challenge, None, VERIFICATION);
    let (id, expires_at) = begin(context, Ceremony::Authentication, None, &data).await?;
    Ok(auth::json(json!({
        "challenge_id": id,
        "options": options.get(),
        "expires_at": expires_at.seconds(),
    })))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Parameters {
    challenge_id: String,
    credential: Option<Value>,
}

/// Begins a session for whom the passkey belongs to.
pub async fn authentication_verify<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    check_enabled(context)?;
    context.limit(Limit::Passkey)?;
    let parameters: Parameters = context.json()?;
    let Some(credential) = &parameters.credential else {
        return Err(AuthError::invalid("credential is required"));
    };
    let challenge = end(
        context,
        Ceremony::Authentication,
        None,
        &parameters.challenge_id,
    )
    .await?;
    let response =
        Assertion::read(credential).map_err(|_error| refused("Invalid credential response"))?;
    let failed = || refused("Credential verification failed");
    let handle = response.user_handle().ok_or_else(failed)?;
    let user_id = std::str::from_utf8(handle)
        .ok()
        .and_then(|handle| Uuid::parse_str(handle).ok())
        .ok_or_else(failed)?;
    let statements = [sql::users::by_id(user_id), sql::passkeys::of_user(user_id)];
    let session = context.session().read_only();
    let mut results = context.database().run(&session, &statements).await?;
    let passkeys = results.pop().map(|result| read(&result));
    let passkeys = passkeys.transpose()?.unwrap_or_default();
    let user = read_user(results.pop())?.ok_or_else(failed)?;
    let credentials: Vec<Credential> = passkeys
        .iter()
        .filter_map(super::Passkey::credential)
        .collect();
    let party = factors::party(context);
    let used = webauthn::authenticate(&party, &challenge, &credentials, handle, &response)
        .map_err(|_error| failed())?;
    let passkey = passkeys
        .iter()
        .find(|passkey| {
            passkey
                .credential()
                .is_some_and(|known| known.id == response.id())
        })
        .ok_or_else(failed)?;
    check_user(context, &user)?;
    let before = vec![
        sql::passkeys::used(passkey.id, used.sign_count, used.flags.backed_up()),
        audit::entry(
            context,
            Actor::User(&user),
            Action::Login,
            json!({"passkey_id": passkey.id}),
        ),
    ];
    let grant = Grant::default();
    let signed_in = session::sign_in(context, before, user.id, Method::Passkey, grant).await?;
    signed_in.into_response(context)
}

/// Whether the user may sign in at all.
fn check_user<W>(context: &Context<'_, W>, user: &User) -> Result<(), AuthError> {
    let refused = |code, message: &str| Err(AuthError::forbidden(code, message));
    if user.deleted_at.is_some() {
        return refused(ErrorCode::UserNotFound, "User not found");
    }
    if !user.email().is_empty() && !user.is_email_confirmed() {
        return refused(ErrorCode::EmailNotConfirmed, "Email not confirmed");
    }
    if !user.phone().is_empty() && !user.is_phone_confirmed() {
        return refused(ErrorCode::PhoneNotConfirmed, "Phone not confirmed");
    }
    if user.is_banned(context.now) {
        return refused(ErrorCode::UserBanned, "User is banned");
    }
    Ok(())
}
