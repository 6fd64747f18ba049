//! What Auth says about itself: settings, health, public keys.

use http::{HeaderValue, Response, header};
use serde_json::{Map, Value, json};

use super::{Context, keys::SigningKeys};
use crate::{Body, World};

/// `GET /settings`. Source: supabase/auth, `internal/api/settings.go`.
pub(super) fn settings<W: World>(context: &Context<'_, W>) -> Response<Body> {
    let settings = context.settings;
    let mut external = Map::new();
    external.insert(
        "anonymous_users".to_owned(),
        settings.enable_anonymous_sign_ins.into(),
    );
    let enabled = |name: &str| {
        let provider = settings.external.get(name);
        provider.is_some_and(|provider| provider.enabled)
    };
    for name in PROVIDERS {
        external.insert((*name).to_owned(), enabled(name).into());
    }
    external.insert("email".to_owned(), settings.email_enabled.into());
    external.insert("phone".to_owned(), settings.sms_enable_signup.into());
    for (name, provider) in &settings.external {
        external.insert(name.clone(), provider.enabled.into());
    }
    super::json(json!({
        "external": external,
        "disable_signup": !settings.enable_signup,
        "mailer_autoconfirm": !settings.email_enable_confirmations,
        "phone_autoconfirm": !settings.sms_enable_confirmations,
        "sms_provider": "",
        "saml_enabled": false,
        "passkeys_enabled": settings.passkey_enabled,
    }))
}

const PROVIDERS: &[&str] = &[
    "apple",
    "azure",
    "bitbucket",
    "discord",
    "facebook",
    "figma",
    "fly",
    "github",
    "gitlab",
    "google",
    "keycloak",
    "kakao",
    "linkedin",
    "linkedin_oidc",
    "notion",
    "spotify",
    "slack",
    "slack_oidc",
    "twitch",
    "twitter",
    "workos",
    "zoom",
];

/// `GET /health`.
pub(super) fn health() -> Response<Body> {
    super::json(json!({
        "version": concat!("v", env!("CARGO_PKG_VERSION")),
        "name": "GoTrue",
        "description": "GoTrue is a user registration and authentication API",
    }))
}

/// `GET /.well-known/jwks.json`: the public keys, none where a secret signs.
pub(super) fn jwks<W: World>(context: &Context<'_, W>) -> Response<Body> {
    let signing = context.project.signing.as_ref();
    let keys = signing.map(SigningKeys::public).unwrap_or_default();
    cached(super::json(json!({"keys": keys})))
}

/// `GET /.well-known/openid-configuration`, and the same as RFC 8414 has it. Source: `OpenID` Connect Discovery 1.0, section 3.
pub(super) fn openid_configuration<W: World>(context: &Context<'_, W>) -> Response<Body> {
    cached(super::json(openid(context)))
}

fn openid<W: World>(context: &Context<'_, W>) -> Value {
    let url = &context.url;
    let issuer = match context.settings.jwt_issuer.as_str() {
        "" => url.as_str(),
        issuer => issuer,
    };
    let mut configuration = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{url}/oauth/authorize"),
        "token_endpoint": format!("{url}/oauth/token"),
        "jwks_uri": format!("{url}/.well-known/jwks.json"),
        "userinfo_endpoint": format!("{url}/oauth/userinfo"),
        "scopes_supported": ["openid", "profile", "email", "phone"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "HS256", "ES256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "claims_supported": [
            "sub", "aud", "iss", "exp", "iat", "auth_time", "nonce", "email", "email_verified",
            "phone_number", "phone_number_verified", "name", "picture", "preferred_username", "updated_at",
        ],
        "code_challenge_methods_supported": ["S256", "plain"],
    });
    if context.settings.oauth_server_allow_dynamic_registration {
        let endpoint = format!("{url}/oauth/clients/register");
        configuration["registration_endpoint"] = endpoint.into();
    }
    configuration
}

fn cached(mut response: Response<Body>) -> Response<Body> {
    let ten_minutes = HeaderValue::from_static("public, max-age=600");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, ten_minutes);
    response
}
