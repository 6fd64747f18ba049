//! `/auth/v1` as GoTrue answers it.
//!
//! [`table`] says which endpoint a path leads to, each endpoint is a function of a [`Context`], and
//! what it fails with becomes GoTrue's error in the shape that the client knows. The SQL stands in
//! [`sql`].

pub mod address;
pub mod admin;
pub mod audit;
pub mod caller;
mod captcha;
pub mod context;
pub mod delivery;
pub mod error;
pub mod external;
pub mod factors;
mod info;
mod invite;
pub mod keys;
pub mod limits;
mod logout;
pub mod mail;
pub mod oauth_server;
pub mod one_time;
mod otp;
pub mod passkeys;
pub mod password;
pub mod pkce;
mod recover;
pub mod redirect;
pub mod session;
pub mod settings;
mod signup;
pub mod sql;
pub mod sso;
pub mod table;
pub mod time;
mod token;
pub mod totp;
pub mod user;
mod user_account;
mod verify;
mod web3;
pub mod webauthn;

use http::{HeaderValue, Request, Response, StatusCode, header};
use serde_json::Value;

pub use context::Context;
pub use error::{AuthError, ErrorCode};
pub use settings::Settings;
use table::Endpoint;
use time::Time;

use crate::{Body, World, identity, project::Project, router::json_response};

/// What pages of other origins may read beside the body: auth-js reads pages of users by it.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("X-Total-Count, Link, X-Supabase-Api-Version, X-Sb-Error-Code");
/// The largest body of a request.
const LARGEST_BODY: usize = 1024 * 1024;

/// Answers a request whose path behind the API's prefix is `path` (`/token`, still encoded); never
/// fails.
pub async fn handle<W: World>(
    world: &W,
    project: &Project,
    path: &str,
    request: Request<Body>,
) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    identity::take_key(&mut head);
    let Some(route) = table::find(path) else {
        return not_found();
    };
    let body = match body.collect(LARGEST_BODY).await {
        Ok(body) => body,
        Err(error) => return AuthError::from(error).into_response(&head.headers),
    };
    let settings = &project.config.auth;
    let context = Context {
        world,
        project,
        settings,
        head: &head,
        route: &route,
        body,
        now: Time::from(world.now()),
        url: url(world, settings, &head.uri, path),
    };
    let mut response = match answer(&context).await {
        Ok(response) => response,
        Err(error) => error.into_response(&head.headers),
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    response
}

/// Where this API is: the setting, else where the request came to, the project's prefix included.
fn url(world: &impl World, settings: &Settings, uri: &http::Uri, path: &str) -> String {
    if !settings.external_url.is_empty() {
        return settings.external_url.trim_end_matches('/').to_owned();
    }
    let whole = uri.path();
    let prefix = whole.strip_suffix(path).unwrap_or(whole);
    format!("{}{prefix}", context::origin(world, uri))
}

async fn answer<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    let method = context.method();
    captcha::check(context).await?;
    // Where the project is no provider, its paths are not there.
    let provides = context.settings.oauth_server_enabled;
    match (context.route.endpoint, method.as_str()) {
        (Endpoint::Health, "GET") => Ok(info::health()),
        (Endpoint::Settings, "GET") => Ok(info::settings(context)),
        (Endpoint::Jwks, "GET") => Ok(info::jwks(context)),
        (Endpoint::OpenIdConfiguration, "GET") => Ok(info::openid_configuration(context)),
        (Endpoint::Signup, "POST") => signup::handle(context).await,
        (Endpoint::Token, "POST") => token::handle(context).await,
        (Endpoint::Verify, "POST") => verify::post(context).await,
        (Endpoint::Verify, "GET") => verify::follow(context).await,
        (Endpoint::Otp, "POST") => otp::otp(context).await,
        (Endpoint::MagicLink, "POST") => otp::magic_link(context).await,
        (Endpoint::Recover, "POST") => recover::recover(context).await,
        (Endpoint::Resend, "POST") => recover::resend(context).await,
        (Endpoint::Reauthenticate, "GET") => recover::reauthenticate(context).await,
        (Endpoint::Invite, "POST") => invite::invite(context).await,
        (Endpoint::GenerateLink, "POST") => invite::generate_link(context).await,
        (Endpoint::User, "GET") => user_account::get(context).await,
        (Endpoint::User, "PUT") => user_account::put(context).await,
        (Endpoint::Logout, "POST") => logout::handle(context).await,
        (Endpoint::AdminUsers, "GET") => admin::list::users(context).await,
        (Endpoint::AdminUsers, "POST") => admin::create(context).await,
        (Endpoint::AdminUser, "GET") => admin::get(context).await,
        (Endpoint::AdminUser, "PUT") => admin::update(context).await,
        (Endpoint::AdminUser, "DELETE") => admin::delete(context).await,
        (Endpoint::AdminAudit, "GET") => admin::list::audit(context).await,
        (Endpoint::AdminFactors, "GET") => factors::list(context).await,
        (Endpoint::AdminFactor, "DELETE") => factors::delete(context).await,
        (Endpoint::AdminFactor, "PUT") => factors::update(context).await,
        (Endpoint::AdminPasskeys, "GET") => passkeys::admin_list(context).await,
        (Endpoint::AdminPasskey, "DELETE") => passkeys::admin_delete(context).await,
        (Endpoint::Authorize, "GET") => external::authorize(context).await,
        (Endpoint::Callback, "GET" | "POST") => external::callback(context).await,
        (Endpoint::LinkIdentity, "GET") => external::link(context).await,
        (Endpoint::UserIdentity, "DELETE") => external::unlink(context).await,
        (Endpoint::AdminOAuthClients, "GET") if provides => oauth_server::list(context).await,
        (Endpoint::AdminOAuthClients, "POST") if provides => oauth_server::register(context).await,
        (Endpoint::AdminOAuthClient, "GET") if provides => oauth_server::get(context).await,
        (Endpoint::AdminOAuthClient, "PUT") if provides => oauth_server::update(context).await,
        (Endpoint::AdminOAuthClient, "DELETE") if provides => oauth_server::delete(context).await,
        (Endpoint::AdminOAuthClientSecret, "POST") if provides => {
            oauth_server::regenerate_secret(context).await
        }
        (Endpoint::OAuthServerMetadata, "GET") if provides => {
            Ok(info::openid_configuration(context))
        }
        (Endpoint::OAuthAuthorize, "GET") if provides => oauth_server::authorize(context).await,
        (Endpoint::OAuthAuthorization, "GET") if provides => oauth_server::show(context).await,
        (Endpoint::OAuthConsent, "POST") if provides => oauth_server::answer(context).await,
        (Endpoint::OAuthToken, "POST") if provides => oauth_server::token(context).await,
        (Endpoint::OAuthUserInfo, "GET") if provides => oauth_server::userinfo(context).await,
        (Endpoint::OAuthGrants, "GET") if provides => oauth_server::grants(context).await,
        (Endpoint::OAuthGrants, "DELETE") if provides => oauth_server::revoke(context).await,
        (Endpoint::OAuthRegister, "POST") if provides => {
            oauth_server::register_dynamically(context).await
        }
        (Endpoint::Sso | Endpoint::SamlAcs, "POST") | (Endpoint::SamlMetadata, "GET") => {
            Err(sso::disabled())
        }
        (Endpoint::AdminCustomProviders, "GET") => external::custom::list(context).await,
        (Endpoint::AdminCustomProviders, "POST") => external::custom::create(context).await,
        (Endpoint::AdminCustomProvider, "GET") => external::custom::get(context).await,
        (Endpoint::AdminCustomProvider, "PUT") => external::custom::update(context).await,
        (Endpoint::AdminCustomProvider, "DELETE") => external::custom::delete(context).await,
        (Endpoint::AdminSsoProviders, "GET") => sso::list(context).await,
        (Endpoint::AdminSsoProviders, "POST") => sso::create(context),
        (Endpoint::AdminSsoProvider, "GET" | "PUT" | "DELETE") => sso::provider(context),
        (Endpoint::Factors, "POST") => factors::enroll(context).await,
        (Endpoint::Factor, "DELETE") => factors::unenroll(context).await,
        (Endpoint::FactorChallenge, "POST") => factors::challenge(context).await,
        (Endpoint::FactorVerify, "POST") => factors::verify(context).await,
        (Endpoint::PasskeyRegistrationOptions, "POST") => {
            passkeys::registration_options(context).await
        }
        (Endpoint::PasskeyRegistrationVerify, "POST") => {
            passkeys::registration_verify(context).await
        }
        (Endpoint::PasskeyAuthenticationOptions, "POST") => {
            passkeys::authentication_options(context).await
        }
        (Endpoint::PasskeyAuthenticationVerify, "POST") => {
            passkeys::authentication_verify(context).await
        }
        (Endpoint::Passkeys, "GET") => passkeys::list(context).await,
        (Endpoint::Passkey, "PATCH") => passkeys::rename(context).await,
        (Endpoint::Passkey, "DELETE") => passkeys::delete(context).await,
        _ => Ok(not_found()),
    }
}

/// 200 with a JSON body.
pub(crate) fn json(body: Value) -> Response<Body> {
    json_response(StatusCode::OK, body)
}

/// What GoTrue's own router says of a path that it does not have.
fn not_found() -> Response<Body> {
    let mut response = Response::new(Body::from("404 page not found\n".to_owned()));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
