//! What an application learns of its user, by what the user consented to.
//!
//! Source: supabase/auth, `internal/tokens/service.go` and `internal/api/oauthserver/handlers.go`;
//! `OpenID` Connect Core 1.0, sections 2 and 5.3.

use http::Response;
use serde_json::{Value, json};

use super::{
    super::{AuthError, Context, caller::Caller, user::User},
    client::Client,
    consent::Authorization,
    scope::Scopes,
};
use crate::{Body, World, auth};

/// Seconds that an ID token is good for.
const HOUR: i64 = 3600;

/// Who the user is, signed for the application alone. The project's secret does not sign it: an
/// application could not verify that without being able to make any token.
pub(super) fn id_token<W: World>(
    context: &Context<'_, W>,
    client: &Client,
    user: &User,
    found: &Authorization,
) -> Result<String, AuthError> {
    let keys = context.project.signing.as_ref();
    let keys = keys
        .filter(|keys| keys.is_asymmetric())
        .ok_or_else(|| AuthError::internal("Error generating ID token"))?;
    let scopes = Scopes::of(&found.scope);
    let issuer = match context.settings.jwt_issuer.as_str() {
        "" => context.url.as_str(),
        issuer => issuer,
    };
    let mut claims = json!({
        "iss": issuer,
        "sub": user.id,
        "aud": client.id,
        "iat": context.now.seconds(),
        "exp": context.now.plus(HOUR).seconds(),
        "auth_time": user.last_sign_in_at.unwrap_or(context.now).seconds(),
        "client_id": client.id,
    });
    if let Some(nonce) = &found.nonce {
        claims["nonce"] = nonce.as_str().into();
    }
    if scopes.has("email") && !user.email().is_empty() {
        claims["email"] = user.email().into();
        claims["email_verified"] = user.is_email_confirmed().into();
    }
    if scopes.has("phone") && !user.phone().is_empty() {
        claims["phone_number"] = user.phone().into();
        claims["phone_number_verified"] = user.is_phone_confirmed().into();
    }
    if scopes.has("profile") {
        for (name, value) in Scopes::profile(user) {
            claims[name] = value;
        }
    }
    keys.sign(&claims)
        .map_err(|error| AuthError::internal(format!("Error generating ID token: {error}")))
}

/// `GET /oauth/userinfo`: of a token that no application got, only whose it is.
pub async fn userinfo<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    let Caller { user, session, .. } = context.caller().await?;
    let scopes = session
        .and_then(|session| session.scopes)
        .unwrap_or_default();
    let scopes = Scopes::of(&scopes);
    let mut info = json!({"sub": user.id});
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            info[name] = value;
        }
    };
    let text = |text: &str| (!text.is_empty()).then(|| text.into());
    if scopes.has("email") {
        set("email", text(user.email()));
        set(
            "email_verified",
            user.is_email_confirmed().then(|| true.into()),
        );
    }
    if scopes.has("profile") {
        for (name, value) in Scopes::profile(&user) {
            set(&name, Some(value));
        }
        let metadata = user.raw_user_meta_data.clone();
        set("user_metadata", metadata.map(Value::Object));
    }
    if scopes.has("phone") {
        set("phone", text(user.phone()));
        set(
            "phone_verified",
            user.is_phone_confirmed().then(|| true.into()),
        );
    }
    Ok(auth::json(info))
}
