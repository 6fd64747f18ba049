//! Auth's paths: which endpoint each leads to, and what its parameters are.
//!
//! Source: supabase/auth, `internal/api/api.go`.

use std::{collections::BTreeMap, sync::LazyLock};

use matchit::Router;

macro_rules! table {
    ($($path:literal $endpoint:ident)*) => {
        /// What answers a path.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Endpoint { $($endpoint),* }

        const TABLE: &[(&str, Endpoint)] = &[$(($path, Endpoint::$endpoint)),*];
    };
}

table! {
    "/signup" Signup
    "/token" Token
    "/verify" Verify
    "/otp" Otp
    "/magiclink" MagicLink
    "/recover" Recover
    "/resend" Resend
    "/reauthenticate" Reauthenticate
    "/user" User
    "/user/identities/authorize" LinkIdentity
    "/user/identities/{identity_id}" UserIdentity
    "/user/oauth/grants" OAuthGrants
    "/logout" Logout
    "/authorize" Authorize
    "/callback" Callback
    "/factors" Factors
    "/factors/{factor_id}" Factor
    "/factors/{factor_id}/challenge" FactorChallenge
    "/factors/{factor_id}/verify" FactorVerify
    "/passkeys" Passkeys
    "/passkeys/registration/options" PasskeyRegistrationOptions
    "/passkeys/registration/verify" PasskeyRegistrationVerify
    "/passkeys/authentication/options" PasskeyAuthenticationOptions
    "/passkeys/authentication/verify" PasskeyAuthenticationVerify
    "/passkeys/{passkey_id}" Passkey
    "/sso" Sso
    "/sso/saml/metadata" SamlMetadata
    "/sso/saml/acs" SamlAcs
    "/settings" Settings
    "/health" Health
    "/.well-known/jwks.json" Jwks
    "/.well-known/openid-configuration" OpenIdConfiguration
    "/.well-known/oauth-authorization-server" OAuthServerMetadata
    "/invite" Invite
    "/admin/generate_link" GenerateLink
    "/admin/audit" AdminAudit
    "/admin/users" AdminUsers
    "/admin/users/{user_id}" AdminUser
    "/admin/users/{user_id}/factors" AdminFactors
    "/admin/users/{user_id}/factors/{factor_id}" AdminFactor
    "/admin/users/{user_id}/passkeys" AdminPasskeys
    "/admin/users/{user_id}/passkeys/{passkey_id}" AdminPasskey
    "/admin/sso/providers" AdminSsoProviders
    "/admin/sso/providers/{provider_id}" AdminSsoProvider
    "/admin/oauth/clients" AdminOAuthClients
    "/admin/oauth/clients/{client_id}" AdminOAuthClient
    "/admin/oauth/clients/{client_id}/regenerate_secret" AdminOAuthClientSecret
    "/admin/custom-providers" AdminCustomProviders
    "/admin/custom-providers/{identifier}" AdminCustomProvider
    "/oauth/authorize" OAuthAuthorize
    "/oauth/token" OAuthToken
    "/oauth/userinfo" OAuthUserInfo
    "/oauth/clients/register" OAuthRegister
    "/oauth/authorizations/{authorization_id}" OAuthAuthorization
    "/oauth/authorizations/{authorization_id}/consent" OAuthConsent
}

/// Where a path behind the API's prefix leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub endpoint: Endpoint,
    parameters: BTreeMap<&'static str, String>,
}

impl Route {
    /// A parameter of the path, decoded; empty where the path has none of this name.
    pub fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }
}

static ROUTER: LazyLock<Router<Endpoint>> = LazyLock::new(|| {
    let mut router = Router::new();
    for (path, endpoint) in TABLE {
        for end in ["", "/"] {
            router
                .insert(format!("{path}{end}"), *endpoint)
                .expect("the table's paths do not conflict");
        }
    }
    router
});

/// The names of all parameters, so that a route can keep them without a copy.
const PARAMETERS: [&str; 8] = [
    "identity_id",
    "factor_id",
    "passkey_id",
    "user_id",
    "provider_id",
    "client_id",
    "authorization_id",
    "identifier",
];

/// The endpoint of a path behind the API's prefix (`/token`), with or without a slash at its end.
pub fn find(path: &str) -> Option<Route> {
    let found = ROUTER.at(path).ok()?;
    let parameters = found.params.iter().filter_map(|(name, value)| {
        let name = PARAMETERS.iter().find(|known| **known == name)?;
        let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
        Some((*name, value.into_owned()))
    });
    Some(Route {
        endpoint: *found.value,
        parameters: parameters.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_endpoints() {
        for (path, endpoint, name, value) in [
            ("/token", Endpoint::Token, "", ""),
            ("/token/", Endpoint::Token, "", ""),
            (
                "/user/identities/authorize",
                Endpoint::LinkIdentity,
                "identity_id",
                "",
            ),
            (
                "/user/identities/a%2Db",
                Endpoint::UserIdentity,
                "identity_id",
                "a-b",
            ),
            ("/passkeys/x", Endpoint::Passkey, "passkey_id", "x"),
            (
                "/passkeys/registration/verify",
                Endpoint::PasskeyRegistrationVerify,
                "",
                "",
            ),
            (
                "/admin/users/u/factors/f",
                Endpoint::AdminFactor,
                "factor_id",
                "f",
            ),
            (
                "/admin/custom-providers/custom:x",
                Endpoint::AdminCustomProvider,
                "identifier",
                "custom:x",
            ),
        ] {
            let route = find(path).unwrap();
            assert_eq!(
                (route.endpoint, route.parameter(name)),
                (endpoint, value),
                "{path}"
            );
        }
        for path in ["", "/", "/tokens", "/token/x", "/admin", "//token"] {
            assert_eq!(find(path), None, "{path}");
        }
    }

    #[test]
    fn every_parameter_is_kept() {
        for (path, _) in TABLE {
            for name in path
                .split('/')
                .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            {
                let route = find(&path.replace(&format!("{{{name}}}"), "here")).unwrap();
                assert_eq!(route.parameter(name), "here", "{path}");
            }
        }
    }
}
