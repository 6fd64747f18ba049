//! A user comes with an application's request, and is sent to the page that asks them.
//!
//! Source: supabase/auth, `internal/api/oauthserver/authorize.go`; OAuth 2.1; RFC 8707.

use http::Response;
use uuid::Uuid;

use super::{
    super::{AuthError, Context, ErrorCode, external, pkce::Challenge, redirect::Address, sql},
    client,
    scope::{Scopes, refusal},
};
use crate::{Body, World};

/// Letters of the name by which a page knows a request.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// `GET /oauth/authorize`. What is wrong with the application or with its address is told to who asks;
/// anything else to the application.
pub async fn authorize<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    let (client_id, redirect_uri) = (context.query("client_id"), context.query("redirect_uri"));
    for (name, value) in [("client_id", &client_id), ("redirect_uri", &redirect_uri)] {
        if value.is_empty() {
            return Err(AuthError::invalid(format!("{name} is required")));
        }
    }
    let unknown = |message| AuthError::bad_request(ErrorCode::OAuthClientNotFound, message);
    let id = Uuid::parse_str(&client_id).map_err(|_error| unknown("invalid client_id format"))?;
    let client = client::find(context, id)
        .await?
        .ok_or_else(|| unknown("invalid client_id"))?;
    if !client.redirects_to(&redirect_uri) {
        return Err(AuthError::invalid("invalid redirect_uri"));
    }
    let state = context.query("state");
    let asked = match Asked::read(context) {
        Ok(asked) => asked,
        Err(reason) => {
            let target = refusal(&redirect_uri, "invalid_request", &reason, &state)?;
            return external::redirect_to(&target);
        }
    };
    let name: String = context
        .random::<32>()
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
        .collect();
    let new = sql::oauth_authorizations::NewAuthorization {
        id: context.uuid(),
        authorization_id: &name,
        client: client.id,
        redirect_uri: &redirect_uri,
        scope: &asked.scope,
        state: &state,
        resource: &asked.resource,
        nonce: &context.query("nonce"),
        challenge: &asked.challenge,
        lifetime: context.settings.oauth_server_authorization_ttl.0,
    };
    let statement = sql::oauth_authorizations::insert(&new);
    let kept = context.database().one(&context.session(), statement).await;
    let path = context
        .settings
        .oauth_server_authorization_url_path
        .as_str();
    let failure = match kept.map_err(AuthError::from) {
        Err(error) if error.status.is_server_error() && error.sqlstate.is_none() => {
            return Err(error);
        }
        Err(_) => Some("error creating authorization"),
        Ok(_) if path.is_empty() => Some("oauth authorization path not configured"),
        Ok(_) => None,
    };
    if let Some(failure) = failure {
        let target = refusal(&redirect_uri, "server_error", failure, &state)?;
        return external::redirect_to(&target);
    }
    let site = context.site_url();
    let (site, path) = (site.trim_end_matches('/'), path.trim_start_matches('/'));
    external::redirect_to(&format!("{site}/{path}?authorization_id={name}"))
}

/// What an application may ask for.
struct Asked {
    scope: String,
    resource: String,
    challenge: Challenge,
}

impl Asked {
    fn read<W: World>(context: &Context<'_, W>) -> Result<Self, String> {
        let response_type = context.query("response_type");
        if !matches!(response_type.as_str(), "" | "code") {
            return Err("only response_type=code is supported".to_owned());
        }
        let mut scope = context.query("scope");
        if scope.is_empty() {
            scope.clone_from(&context.settings.oauth_server_default_scope);
        }
        if scope.is_empty() {
            return Err("scope parameter is required".to_owned());
        }
        Scopes::of(&scope).check()?;
        let resource = context.query("resource");
        check_resource(&resource)?;
        let challenge = challenge(
            &context.query("code_challenge"),
            &context.query("code_challenge_method"),
        )?;
        Ok(Self {
            scope,
            resource,
            challenge,
        })
    }
}

/// The proof that OAuth 2.1 wants of every application.
fn challenge(challenge: &str, method: &str) -> Result<Challenge, String> {
    use super::super::pkce::ChallengeError;

    match Challenge::read(challenge, method) {
        Ok(Some(challenge)) => Ok(challenge),
        Ok(None) | Err(ChallengeError::Half) => {
            Err("PKCE flow requires both code_challenge and code_challenge_method".to_owned())
        }
        Err(ChallengeError::Method(_)) => {
            Err("code_challenge_method must be 'S256' or 'plain'".to_owned())
        }
        Err(ChallengeError::Length) => {
            Err("code_challenge must be between 43 and 128 characters".to_owned())
        }
        Err(error @ ChallengeError::Characters) => Err(error.message()),
    }
}

/// RFC 8707, section 2.
fn check_resource(resource: &str) -> Result<(), String> {
    if resource.is_empty() {
        return Ok(());
    }
    let address = Address::parse(resource).ok_or("resource must be a valid URI")?;
    if address.scheme.is_empty() {
        return Err("resource must be an absolute URI".to_owned());
    }
    if resource.contains('#') {
        return Err("resource must not include a fragment component".to_owned());
    }
    if resource.contains('?') {
        return Err("resource must not include a query component".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_absolute_and_whole() {
        for (resource, expected) in [
            ("", Ok(())),
            ("https://api.test/v1", Ok(())),
            ("/v1", Err("resource must be an absolute URI")),
            (
                "https://api.test/#x",
                Err("resource must not include a fragment component"),
            ),
            (
                "https://api.test/?x",
                Err("resource must not include a query component"),
            ),
            ("https://a b", Err("resource must be a valid URI")),
        ] {
            assert_eq!(
                check_resource(resource),
                expected.map_err(str::to_owned),
                "{resource}"
            );
        }
    }
}
