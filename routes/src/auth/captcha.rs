//! Captchas: a provider says whether whoever asks for something is a person.
//!
//! The page shows the provider's widget and sends the token that it gives along, as
//! `gotrue_meta_security.captcha_token`; here the provider is asked about it. Both providers have the
//! same contract: a form with `secret`, `response` and `remoteip`, answered by `{"success": bool,
//! "error-codes": […]}`.
//!
//! Sources: supabase/auth, `internal/api/middleware.go`, `internal/security/captcha.go`;
//! <https://docs.hcaptcha.com/#verify-the-user-response-server-side>,
//! <https://developers.cloudflare.com/turnstile/get-started/server-side-validation/>.

use bytes::Bytes;
use http::{Method, Request, header};
use serde::Deserialize;

use super::{
    Context,
    error::{AuthError, ErrorCode},
    redirect,
    settings::CaptchaProvider,
    table::Endpoint,
};
use crate::{World, world::FetchError};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Parameters {
    gotrue_meta_security: Option<Security>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Security {
    captcha_token: Option<String>,
}

#[derive(Deserialize)]
struct Verdict {
    #[serde(default)]
    success: bool,
    #[serde(default, rename = "error-codes")]
    error_codes: Vec<String>,
}

/// Lets a request pass that needs no captcha or has a good one.
///
/// Nobody is asked where the project wants no captcha, the caller is an admin, or what is asked for was
/// proved otherwise: a refresh token, a code, a provider's own token. 400 `captcha_failed` without a
/// token or where the provider refuses it; 500 where the provider cannot be asked, with the reason.
pub(super) async fn check<W: World>(context: &Context<'_, W>) -> Result<(), AuthError> {
    let settings = context.settings;
    if !settings.captcha_enabled || !is_protected(context) || context.admin().is_ok() {
        return Ok(());
    }
    let parameters: Parameters = context.json()?;
    let token = parameters
        .gotrue_meta_security
        .and_then(|security| security.captcha_token)
        .unwrap_or_default();
    let token = token.trim();
    if token.is_empty() {
        return Err(refused("no captcha_token found"));
    }
    let url = match settings.captcha_verify_url.as_str() {
        "" => settings.captcha_provider.verify_url(),
        url => url,
    };
    let verdict = ask(context, url, token).await?;
    if verdict.success {
        return Ok(());
    }
    Err(refused(&verdict.error_codes.join(", ")))
}

fn is_protected<W: World>(context: &Context<'_, W>) -> bool {
    if context.method() != Method::POST {
        return false;
    }
    match context.route.endpoint {
        Endpoint::Signup
        | Endpoint::Recover
        | Endpoint::Resend
        | Endpoint::MagicLink
        | Endpoint::Otp
        | Endpoint::PasskeyAuthenticationOptions
        | Endpoint::Sso => true,
        Endpoint::Token => {
            let grant = super::token::grant_type(context);
            !matches!(grant.as_str(), "pkce" | "refresh_token" | "id_token")
        }
        _ => false,
    }
}

async fn ask<W: World>(
    context: &Context<'_, W>,
    url: &str,
    token: &str,
) -> Result<Verdict, AuthError> {
    let mut form = vec![
        ("secret", context.settings.captcha_secret.trim()),
        ("response", token),
    ];
    // In a browser nobody knows the address that the user has outside.
    if !context.header("x-forwarded-for").is_empty() {
        form.push(("remoteip", context.ip_address()));
    }
    let request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Bytes::from(redirect::form(&form)))
        .map_err(|_error| failed("auth.captcha.verify_url is no address"))?;
    let response = context
        .world
        .fetch(request)
        .await
        .map_err(|error| failed(&unasked(url, &error)))?;
    // Any status: the body says what it is about.
    serde_json::from_slice(response.body())
        .map_err(|_error| failed(&format!("{url} answered no JSON as captcha providers do")))
}

/// A provider that cannot be reached from a browser may be one that answers no browser.
fn unasked(url: &str, error: &FetchError) -> String {
    let reason = format!("of {url}: {error}");
    match error {
        FetchError::Unreachable(_) => format!(
            "{reason}. In a browser the gateway reads only what servers let it (CORS), which captcha \
             providers do not: name one that does by auth.captcha.verify_url, or use `serve`"
        ),
        FetchError::Deadline | FetchError::Body(_) => reason,
    }
}

fn refused(reason: &str) -> AuthError {
    AuthError::bad_request(
        ErrorCode::CaptchaFailed,
        format!("captcha protection: request disallowed ({reason})"),
    )
}

fn failed(reason: &str) -> AuthError {
    AuthError::internal(format!("captcha verification process failed: {reason}"))
}

impl CaptchaProvider {
    const fn verify_url(self) -> &'static str {
        match self {
            Self::HCaptcha => "https://hcaptcha.com/siteverify",
            Self::Turnstile => "https://challenges.cloudflare.com/turnstile/v0/siteverify",
        }
    }
}
