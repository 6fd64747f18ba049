//! An application is registered: by an admin, or by itself where the project allows it (RFC 7591).

use http::{Response, StatusCode};
use serde::Deserialize;

use super::{
    super::{AuthError, Context, ErrorCode, limits::Limit, redirect::Address, sql},
    client,
};
use crate::{Body, World, auth};

const MOST_URIS: usize = 10;
const LONGEST_NAME: usize = 1024;
const LONGEST_URI: usize = 2048;

/// Schemes that would run or read something where the code should go.
const DANGEROUS: [&str; 6] = ["javascript", "data", "file", "vbscript", "about", "blob"];

/// What is said of an application; `None` where nothing is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Parameters {
    pub redirect_uris: Option<Vec<String>>,
    client_type: Option<String>,
    pub token_endpoint_auth_method: Option<String>,
    pub grant_types: Option<Vec<String>>,
    pub client_name: Option<String>,
    pub client_uri: Option<String>,
    pub logo_uri: Option<String>,
}

impl Parameters {
    pub(super) const fn is_empty(&self) -> bool {
        self.redirect_uris.is_none()
            && self.token_endpoint_auth_method.is_none()
            && self.grant_types.is_none()
            && self.client_name.is_none()
            && self.client_uri.is_none()
            && self.logo_uri.is_none()
    }

    /// 400 for what no application may say.
    pub(super) fn check(&self) -> Result<(), AuthError> {
        if let Some(uris) = &self.redirect_uris {
            if uris.is_empty() {
                return Err(AuthError::invalid("redirect_uris cannot be empty"));
            }
            if uris.len() > MOST_URIS {
                return Err(AuthError::invalid("redirect_uris cannot exceed 10 items"));
            }
            for uri in uris {
                check_redirect(uri).map_err(|reason| {
                    AuthError::invalid(format!("invalid redirect_uri '{uri}': {reason}"))
                })?;
            }
        }
        if let Some(types) = &self.grant_types {
            let known = ["authorization_code", "refresh_token"];
            if !types.iter().all(|grant| known.contains(&grant.as_str())) {
                let message =
                    "grant_types must only contain 'authorization_code' and/or 'refresh_token'";
                return Err(AuthError::invalid(message));
            }
        }
        if self
            .client_name
            .as_ref()
            .is_some_and(|name| name.len() > LONGEST_NAME)
        {
            let message = "client_name cannot exceed 1024 characters";
            return Err(AuthError::invalid(message));
        }
        check_page("client_uri", self.client_uri.as_deref())?;
        check_page("logo_uri", self.logo_uri.as_deref())
    }

    /// `public` for applications that cannot keep a secret.
    fn kind(&self) -> Result<&'static str, AuthError> {
        match (
            self.client_type.as_deref().unwrap_or_default(),
            self.token_endpoint_auth_method.as_deref(),
        ) {
            ("public", _) | ("", Some("none")) => Ok("public"),
            ("confidential" | "", _) => Ok("confidential"),
            _ => Err(AuthError::invalid(
                "client_type must be 'public' or 'confidential'",
            )),
        }
    }
}

/// How an application of this kind may authenticate.
pub(super) fn check_method(kind: &str, method: &str) -> Result<(), AuthError> {
    let valid: &[&str] = match kind {
        "public" => &["none"],
        _ => &["client_secret_basic", "client_secret_post"],
    };
    if valid.contains(&method) {
        return Ok(());
    }
    let known = ["none", "client_secret_basic", "client_secret_post"];
    if !known.contains(&method) {
        let message = "token_endpoint_auth_method must be one of: [client_secret_basic client_secret_post none]";
        return Err(AuthError::invalid(message));
    }
    Err(AuthError::invalid(format!(
        "token_endpoint_auth_method '{method}' is not valid for client_type '{kind}'; valid methods: [{}]",
        valid.join(" ")
    )))
}

/// RFC 6749, section 3.1.2; RFC 6819, section 5.1.1.
fn check_redirect(uri: &str) -> Result<(), String> {
    let parsed = Address::parse(uri).ok_or("invalid URL format")?;
    // A comma would make two of one where they are kept.
    if uri.contains([',', ' ']) || uri.chars().any(char::is_control) {
        return Err("invalid URL format".to_owned());
    }
    if parsed.scheme.is_empty() || parsed.host.is_empty() {
        return Err("must have scheme and host".to_owned());
    }
    let scheme = parsed.scheme.to_ascii_lowercase();
    if DANGEROUS.contains(&scheme.as_str()) {
        return Err(format!(
            "scheme '{scheme}' is not allowed for security reasons"
        ));
    }
    let is_local = ["localhost", "127.0.0.1", "::1"].contains(&parsed.host);
    if scheme == "http" && !is_local {
        return Err("HTTP scheme only allowed for localhost".to_owned());
    }
    if uri.contains('#') {
        return Err("fragment not allowed in redirect URI".to_owned());
    }
    Ok(())
}

/// The address of a page about the application.
fn check_page(name: &str, uri: Option<&str>) -> Result<(), AuthError> {
    let Some(uri) = uri.filter(|uri| !uri.is_empty()) else {
        return Ok(());
    };
    if uri.len() > LONGEST_URI {
        return Err(AuthError::invalid(format!(
            "{name} cannot exceed 2048 characters"
        )));
    }
    let parsed = Address::parse(uri);
    if parsed.is_none_or(|parsed| parsed.scheme.is_empty() && !uri.starts_with('/')) {
        return Err(AuthError::invalid(format!("{name} must be a valid URL")));
    }
    Ok(())
}

/// `POST /admin/oauth/clients`.
pub async fn register<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    context.admin()?;
    insert(context, "manual").await
}

/// `POST /oauth/clients/register`.
pub async fn register_dynamically<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    context.limit(Limit::OAuthRegister)?;
    if !context.settings.oauth_server_allow_dynamic_registration {
        let code = ErrorCode::OAuthDynamicClientRegistrationDisabled;
        let message = "Dynamic client registration is not enabled";
        return Err(AuthError::forbidden(code, message));
    }
    insert(context, "dynamic").await
}

async fn insert<W: World>(
    context: &Context<'_, W>,
    registration: &str,
) -> Result<Response<Body>, AuthError> {
    let parameters: Parameters = context
        .json()
        .map_err(|_error| AuthError::bad_request(ErrorCode::BadJson, "Invalid JSON body"))?;
    let uris = parameters.redirect_uris.as_deref().unwrap_or_default();
    if uris.is_empty() {
        return Err(AuthError::invalid("redirect_uris is required"));
    }
    parameters.check()?;
    let kind = parameters.kind()?;
    let method = parameters.token_endpoint_auth_method.as_deref();
    let method = method
        .filter(|method| !method.is_empty())
        .unwrap_or(match kind {
            "public" => "none",
            _ => "client_secret_basic",
        });
    check_method(kind, method)?;
    let grants = parameters
        .grant_types
        .clone()
        .filter(|grants| !grants.is_empty());
    let grants = grants.map_or_else(
        || "authorization_code,refresh_token".to_owned(),
        |grants| grants.join(","),
    );
    let (secret, hash) = client::secret(context);
    let secret = (kind == "confidential").then_some(secret);
    let text = |text: &'_ Option<String>| text.clone().unwrap_or_default();
    let (name, uri, logo) = (
        text(&parameters.client_name),
        text(&parameters.client_uri),
        text(&parameters.logo_uri),
    );
    let client = sql::oauth_clients::NewClient {
        id: context.uuid(),
        registration,
        redirect_uris: uris.join(","),
        grant_types: grants,
        name: &name,
        uri: &uri,
        logo: &logo,
        kind,
        authentication: method,
        secret_hash: secret.as_ref().map(|_| hash),
    };
    let client = client::one(context, sql::oauth_clients::insert(&client)).await?;
    let mut response = auth::json(client.to_json(secret.as_deref()));
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(uri: &str, expected: Expect) {
        expected.assert_eq(&match check_redirect(uri) {
            Ok(()) => "allowed".to_owned(),
            Err(reason) => reason,
        });
    }

    #[test]
    fn redirects_are_checked() {
        check("https://app.test/callback?a=b", expect!["allowed"]);
        check("http://localhost:3000/callback", expect!["allowed"]);
        check("http://[::1]:3000/", expect!["allowed"]);
        check("com.app://login", expect!["allowed"]);
        check(
            "http://app.test/",
            expect!["HTTP scheme only allowed for localhost"],
        );
        check("/callback", expect!["must have scheme and host"]);
        check("https:///callback", expect!["must have scheme and host"]);
        check(
            "JavaScript://x/%0aalert(1)",
            expect!["scheme 'javascript' is not allowed for security reasons"],
        );
        check(
            "https://app.test/#x",
            expect!["fragment not allowed in redirect URI"],
        );
        check(
            "https://a.test/,https://b.test/",
            expect!["invalid URL format"],
        );
        check("", expect!["must have scheme and host"]);
    }
}
