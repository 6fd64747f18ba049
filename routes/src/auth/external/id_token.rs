//! `POST /token?grant_type=id_token`: an application brings a provider's ID token itself.

use data_encoding::HEXLOWER;
use http::Response;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{
    super::{
        AuthError, Context, ErrorCode,
        delivery::{self, notice},
        session::{self, Grant, Method, SignedIn, read_user},
        sql,
        user::User,
    },
    account, catalog,
    custom::{self, Custom},
    identities,
    oidc::{self, Discovery},
    profile::Profile,
};
use crate::{Body, World};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Parameters {
    id_token: String,
    access_token: String,
    nonce: String,
    provider: String,
    client_id: String,
    issuer: String,
    link_identity: bool,
}

/// Who issued the token, as the settings allow it.
struct Issuer {
    name: String,
    discovery: Discovery,
    /// Applications whose tokens are taken.
    clients: Vec<String>,
    skip_nonce_check: bool,
    email_optional: bool,
    /// What an admin wants of the provider's words.
    custom: Option<Custom>,
}

pub(in crate::auth) async fn grant<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    let parameters: Parameters = context.json()?;
    let refused = |reason: &str| AuthError::oauth("invalid request", reason);
    if parameters.id_token.is_empty() {
        return Err(refused("id_token required"));
    }
    let is_named = !parameters.provider.is_empty();
    if !is_named && (parameters.client_id.is_empty() || parameters.issuer.is_empty()) {
        return Err(refused("provider or client_id and issuer required"));
    }
    let target = if parameters.link_identity {
        if !context.settings.enable_manual_linking {
            let message = "Manual linking is disabled";
            let code = ErrorCode::ManualLinkingDisabled;
            return Err(AuthError::not_found(code, message));
        }
        Some(context.caller().await?.user.id)
    } else {
        None
    };
    let bad = || refused("Bad ID token");
    let issuer = issuer(context, &parameters).await?;
    let token = oidc::verify(context.world, &issuer.discovery, &parameters.id_token)
        .await
        .map_err(|_error| bad())?;
    if !parameters.access_token.is_empty() && !token.came_with(&parameters.access_token) {
        return Err(bad());
    }
    let read = match &issuer.custom {
        Some(custom) => custom.read(token.claims.clone()),
        None => Profile::of_claims(&token.claims),
    };
    let mut profile = read.ok_or_else(|| refused("Missing sub claim in id_token"))?;
    let mut clients = issuer.clients.iter();
    if !clients.any(|client| !client.is_empty() && token.is_for(client)) {
        let audience =
            token
                .claims
                .get("aud")
                .map_or_else(String::new, |audience| match audience {
                    Value::String(audience) => format!("[{audience}]"),
                    other => other.to_string(),
                });
        let reason = format!("Unacceptable audience in id_token: {audience}");
        return Err(refused(&reason));
    }
    if !issuer.skip_nonce_check {
        check_nonce(token.text("nonce"), &parameters.nonce)?;
    }
    profile.settle_email();
    let came = come(context, &issuer, &profile, target).await?;
    match came {
        Ok(signed_in) => {
            if target.is_some() {
                notice::identity_linked(context, &signed_in.user, &issuer.name).await;
            }
            signed_in.into_response(context)
        }
        Err(user) => {
            let name = &issuer.name;
            let code = ErrorCode::ProviderEmailNeedsVerification;
            if user.email().is_empty() {
                let message = format!(
                    "Unverified email with {name}. Verify the email with {name} in order to sign in"
                );
                return Err(AuthError::unprocessable(code, message));
            }
            delivery::confirmation(context, &user, None).await?;
            let message = format!(
                "Unverified email with {name}. A confirmation email has been sent to your {name} email"
            );
            Err(AuthError::unprocessable(code, message))
        }
    }
}

/// A replayed token has the nonce of another sign-in.
fn check_nonce(of_token: &str, given: &str) -> Result<(), AuthError> {
    if of_token.is_empty() != given.is_empty() {
        let reason = "Passed nonce and nonce in id_token should either both exist or not.";
        return Err(AuthError::oauth("invalid request", reason));
    }
    if given.is_empty() || HEXLOWER.encode(&Sha256::digest(given)) == of_token {
        return Ok(());
    }
    Err(AuthError::oauth("invalid nonce", "Nonces mismatch"))
}

async fn issuer<W: World>(
    context: &Context<'_, W>,
    parameters: &Parameters,
) -> Result<Issuer, AuthError> {
    let bad = |_error| AuthError::oauth("invalid request", "Bad ID token");
    if parameters.provider.starts_with(custom::PREFIX) {
        let custom = Custom::named(context, &parameters.provider).await?;
        let discovery = custom.discovery(context.world).await.map_err(bad)?;
        let discovery = discovery.ok_or_else(|| {
            let provider = &parameters.provider;
            AuthError::invalid(format!("Provider {provider} is not an OIDC provider"))
        })?;
        return Ok(Issuer {
            name: custom.identifier.clone(),
            discovery,
            clients: custom.clients().map(str::to_owned).collect(),
            skip_nonce_check: custom.skip_nonce_check,
            email_optional: custom.email_optional,
            custom: Some(custom),
        });
    }
    let named = |name: &str, url: &str| parameters.provider == name || parameters.issuer == url;
    let settings = &context.settings.external;
    let keycloak = settings
        .get("keycloak")
        .map_or("", |keycloak| keycloak.url.as_str());
    let (name, url) = if named("apple", catalog::APPLE) {
        ("apple", catalog::APPLE.to_owned())
    } else if named("google", catalog::GOOGLE) {
        ("google", catalog::GOOGLE.to_owned())
    } else if parameters.provider == "azure" || catalog::is_azure(&parameters.issuer) {
        let claimed = oidc::claimed_issuer(&parameters.id_token);
        let claimed = claimed.filter(|issuer| catalog::is_azure(issuer));
        let claimed = claimed.ok_or_else(|| {
            AuthError::invalid("Unable to detect issuer in ID token for Azure provider")
        })?;
        ("azure", claimed)
    } else if named("facebook", catalog::FACEBOOK) {
        ("facebook", catalog::FACEBOOK.to_owned())
    } else if parameters.provider == "keycloak"
        || (!keycloak.is_empty() && parameters.issuer == keycloak)
    {
        ("keycloak", keycloak.trim_end_matches('/').to_owned())
    } else if named("kakao", catalog::KAKAO) {
        ("kakao", catalog::KAKAO.to_owned())
    } else {
        let message = format!("Custom OIDC provider {:?} not allowed", parameters.provider);
        return Err(AuthError::invalid(message));
    };
    let enabled = settings.get(name).filter(|settings| settings.enabled);
    let settings = enabled.ok_or_else(|| {
        let message = format!("Provider (issuer {url:?}) is not enabled");
        AuthError::bad_request(ErrorCode::ProviderDisabled, message)
    })?;
    let clients = settings.client_id.split(',').map(str::trim);
    Ok(Issuer {
        name: name.to_owned(),
        discovery: oidc::discover(context.world, &url).await.map_err(bad)?,
        clients: clients.map(str::to_owned).collect(),
        skip_nonce_check: settings.skip_nonce_check,
        email_optional: settings.email_optional,
        custom: None,
    })
}

/// The session of whom the token names; the user without one where their address must be verified
/// first.
async fn come<W: World>(
    context: &Context<'_, W>,
    issuer: &Issuer,
    profile: &Profile,
    target: Option<Uuid>,
) -> Result<Result<SignedIn, User>, AuthError> {
    let optional = issuer.email_optional;
    let work = async |transaction: &mut crate::database::Transaction<'_, W>| {
        let settled = match target {
            Some(target) => {
                identities::attach(context, transaction, target, &issuer.name, profile).await?
            }
            None => account::settle(context, transaction, &issuer.name, profile, optional).await?,
        };
        let allowed = context.settings.email_allow_unverified_sign_ins && target.is_none();
        if settled.unverified && !allowed {
            return Ok(Err(settled.user));
        }
        let user_id = settled.user.id;
        let (begun, mut statements) =
            session::begin(context, user_id, Method::OAuth, Grant::default());
        statements.push(sql::users::by_id(user_id));
        let mut results = transaction.run(&statements).await?;
        let user = read_user(results.pop())?
            .ok_or_else(|| AuthError::internal("Database error granting user"))?;
        Ok::<_, AuthError>(Ok(SignedIn {
            user,
            session: begun.session,
            refresh_token: begun.refresh_token,
        }))
    };
    context
        .database()
        .transaction(&context.session(), work)
        .await
}
