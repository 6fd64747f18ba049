//! Providers that admins add: where they are and how their users are read are rows of
//! `auth.custom_oauth_providers`.
//!
//! Source: supabase/auth, `internal/api/custom_oauth_admin.go` and `internal/api/provider/custom_oauth.go`.

use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    super::{AuthError, Context, ErrorCode, redirect::Address, sql},
    client::{self, AskError, Credentials, Tokens},
    oidc::{self, Discovery},
    profile::Profile,
};
use crate::{Body, World, auth, router::json_response, wire::StatementResult};

/// Before every name, so that none is a known provider's.
pub(super) const PREFIX: &str = "custom:";

/// Names that would be taken for others.
const RESERVED: [&str; 23] = [
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
    "kakao",
    "keycloak",
    "linkedin_oidc",
    "linkedin",
    "notion",
    "slack_oidc",
    "slack",
    "spotify",
    "twitch",
    "twitter",
    "workos",
    "x",
    "zoom",
];

/// What a provider may not be told in our name.
const OURS: [&str; 9] = [
    "client_id",
    "client_secret",
    "redirect_uri",
    "response_type",
    "state",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "nonce",
];

/// What no provider may say of a user.
const PROTECTED: [&str; 11] = [
    "id",
    "aud",
    "role",
    "app_metadata",
    "created_at",
    "updated_at",
    "confirmed_at",
    "email_confirmed_at",
    "phone_confirmed_at",
    "banned_until",
    "is_super_admin",
];

/// A provider that users may come from.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::auth) struct Custom {
    pub identifier: String,
    provider_type: String,
    client_id: String,
    client_secret: String,
    acceptable_client_ids: Vec<String>,
    scopes: Vec<String>,
    pkce_enabled: bool,
    attribute_mapping: Map<String, Value>,
    authorization_params: Map<String, Value>,
    enabled: bool,
    pub email_optional: bool,
    pub skip_nonce_check: bool,
    #[serde(default)]
    issuer: Option<String>,
    #[serde(default)]
    discovery_url: Option<String>,
    #[serde(default)]
    authorization_url: Option<String>,
    #[serde(default)]
    token_url: Option<String>,
    #[serde(default)]
    userinfo_url: Option<String>,
}

impl Custom {
    /// 400 for one that is not there or not enabled.
    pub(super) async fn named<W: World>(
        context: &Context<'_, W>,
        name: &str,
    ) -> Result<Self, AuthError> {
        let refused = |reason: &str| AuthError::invalid(format!("Unsupported provider: {reason}"));
        let statement = sql::custom_providers::by_identifier(name);
        let session = context.session().read_only();
        let result = context.database().one(&session, statement).await?;
        let row = rows(&result)?.into_iter().next();
        let row = row.ok_or_else(|| refused(&format!("Provider {name} could not be found")))?;
        let custom: Self = serde_json::from_value(row.into()).map_err(unreadable)?;
        if custom.enabled {
            Ok(custom)
        } else {
            Err(refused("provider is not enabled"))
        }
    }

    fn credentials(&self) -> Credentials<'_> {
        Credentials {
            client_id: &self.client_id,
            secret: &self.client_secret,
        }
    }

    pub(super) const fn needs_proof(&self) -> bool {
        self.pkce_enabled
    }

    /// Applications whose ID tokens are taken.
    pub(super) fn clients(&self) -> impl Iterator<Item = &str> {
        let others = self.acceptable_client_ids.iter().map(String::as_str);
        std::iter::once(self.client_id.as_str()).chain(others)
    }

    /// What an OpenID Connect provider says of itself; `None` for any other.
    pub(super) async fn discovery(
        &self,
        world: &impl World,
    ) -> Result<Option<Discovery>, AskError> {
        let Some(issuer) = self
            .issuer
            .as_deref()
            .filter(|_| self.provider_type == "oidc")
        else {
            return Ok(None);
        };
        let discovery = match self.discovery_url.as_deref() {
            Some(url) if !url.is_empty() => oidc::discover_at(world, url, issuer).await?,
            _ => oidc::discover(world, issuer).await?,
        };
        Ok(Some(discovery))
    }

    /// Where a user is sent to: the address and its parameters before ours.
    pub(super) async fn authorization<W: World>(
        &self,
        context: &Context<'_, W>,
        scopes: &str,
    ) -> Result<(String, Vec<(String, String)>), AskError> {
        let address = match self.discovery(context.world).await? {
            Some(discovery) => discovery.authorization_endpoint,
            None => self.authorization_url.clone().unwrap_or_default(),
        };
        let mut wanted: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        wanted.extend(scopes.split([',', ' ']).filter(|scope| !scope.is_empty()));
        let mut parameters = vec![
            ("client_id".to_owned(), self.client_id.clone()),
            (
                "redirect_uri".to_owned(),
                format!("{}/callback", context.url),
            ),
            ("response_type".to_owned(), "code".to_owned()),
        ];
        if !wanted.is_empty() {
            parameters.push(("scope".to_owned(), wanted.join(" ")));
        }
        for (name, value) in &self.authorization_params {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            if !text.is_empty() && !OURS.contains(&name.as_str()) {
                parameters.push((name.clone(), text));
            }
        }
        Ok((address, parameters))
    }

    /// Swaps a code for the provider's tokens.
    pub(super) async fn exchange<W: World>(
        &self,
        context: &Context<'_, W>,
        code: &str,
        verifier: Option<&str>,
    ) -> Result<Tokens, AskError> {
        let address = match self.discovery(context.world).await? {
            Some(discovery) => discovery.token_endpoint,
            None => self.token_url.clone().unwrap_or_default(),
        };
        let redirect_uri = format!("{}/callback", context.url);
        let credentials = self.credentials();
        client::exchange(
            context.world,
            &address,
            credentials,
            code,
            &redirect_uri,
            verifier,
        )
        .await
    }

    /// Whose tokens these are.
    pub(super) async fn profile(
        &self,
        world: &impl World,
        tokens: &Tokens,
    ) -> Result<Profile, AskError> {
        let refused = |reason: &str| AskError::Answer(reason.to_owned());
        let discovery = self.discovery(world).await?;
        let claims = match &discovery {
            Some(discovery) if !tokens.id_token.is_empty() => {
                let token = oidc::verify(world, discovery, &tokens.id_token).await?;
                if !self.clients().any(|client| token.is_for(client)) {
                    return Err(refused("the ID token is for somebody else"));
                }
                token.claims
            }
            _ => {
                let known = discovery.as_ref().map(|known| &known.userinfo_endpoint);
                let url = known.unwrap_or(&self.userinfo_url).as_deref();
                let url = url.ok_or_else(|| refused("there is no address to ask for the user"))?;
                client::get(world, url, Some(&tokens.access_token)).await?
            }
        };
        self.read(claims)
            .ok_or_else(|| refused("the answer names no user"))
    }

    /// What the provider says of a user, in the project's words.
    pub(super) fn read(&self, claims: Map<String, Value>) -> Option<Profile> {
        Profile::of_claims(&mapped(claims, &self.attribute_mapping))
    }
}

/// A text names the claim that is meant, anything else is meant itself.
fn mapped(said: Map<String, Value>, mapping: &Map<String, Value>) -> Map<String, Value> {
    let mut claims = said.clone();
    for (target, source) in mapping {
        match source {
            Value::String(name) => {
                if let Some(value) = said.get(name) {
                    claims.insert(target.clone(), value.clone());
                }
            }
            literal => {
                claims.insert(target.clone(), literal.clone());
            }
        }
    }
    claims
}

fn unreadable(error: serde_json::Error) -> AuthError {
    AuthError::internal(format!("Error retrieving custom OAuth provider: {error}"))
}

fn rows(result: &StatementResult) -> Result<Vec<Map<String, Value>>, AuthError> {
    let rows = result.rows.iter();
    rows.map(|row| serde_json::from_slice(row.get(0).unwrap_or_default()))
        .collect::<Result<_, _>>()
        .map_err(unreadable)
}

/// As admins see it: never the secret.
fn shown(mut row: Map<String, Value>) -> Value {
    row.remove("client_secret");
    row.remove("discovery_cached_at");
    if let Some(document) = row.remove("cached_discovery") {
        row.insert("discovery_document".to_owned(), document);
    }
    row.retain(|_, value| !value.is_null());
    row.into()
}

fn not_found() -> AuthError {
    let message = "Custom OAuth provider not found";
    AuthError::not_found(ErrorCode::ProviderNotFound, message)
}

/// The name in the path.
fn named<'a, W>(context: &'a Context<'_, W>) -> Result<&'a str, AuthError> {
    let name = context.route.parameter("identifier");
    if name.starts_with(PREFIX) {
        Ok(name)
    } else {
        let message = "identifier must start with 'custom:' prefix";
        Err(AuthError::invalid(message))
    }
}

/// What may be said of a provider.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Parameters {
    provider_type: String,
    identifier: String,
    name: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    acceptable_client_ids: Option<Vec<String>>,
    scopes: Option<Vec<String>>,
    custom_claims_allowlist: Option<Vec<String>>,
    pkce_enabled: Option<bool>,
    attribute_mapping: Option<Map<String, Value>>,
    authorization_params: Option<Map<String, Value>>,
    enabled: Option<bool>,
    email_optional: Option<bool>,
    issuer: Option<String>,
    discovery_url: Option<String>,
    skip_nonce_check: Option<bool>,
    authorization_url: Option<String>,
    token_url: Option<String>,
    userinfo_url: Option<String>,
    jwks_uri: Option<String>,
}

impl Parameters {
    /// 400 for what no provider may be.
    fn check(&self) -> Result<(), AuthError> {
        let addresses = [
            &self.issuer,
            &self.discovery_url,
            &self.authorization_url,
            &self.token_url,
            &self.userinfo_url,
            &self.jwks_uri,
        ];
        for url in addresses
            .into_iter()
            .flatten()
            .filter(|url| !url.is_empty())
        {
            let address = Address::parse(url);
            if address.is_none_or(|address| address.scheme != "https" || address.host.is_empty()) {
                let message = format!("{url} is not an address that begins with https://");
                return Err(AuthError::invalid(message));
            }
        }
        let mut parameters = self.authorization_params.iter().flat_map(Map::keys);
        if let Some(name) = parameters.find(|name| OURS.contains(&name.as_str())) {
            let message = format!("Cannot override reserved OAuth parameter: {name}");
            return Err(AuthError::invalid(message));
        }
        let mut targets = self.attribute_mapping.iter().flat_map(Map::keys);
        if let Some(name) = targets.find(|name| PROTECTED.contains(&name.as_str())) {
            let message = format!("Cannot map to protected system field: {name}");
            return Err(AuthError::invalid(message));
        }
        Ok(())
    }

    /// 400 for what a new provider lacks.
    fn check_new(&self) -> Result<(), AuthError> {
        let required: &[(&str, &Option<String>, &str)] = match self.provider_type.as_str() {
            "oidc" => &[("issuer", &self.issuer, " for OIDC providers")],
            "oauth2" => &[
                (
                    "authorization_url",
                    &self.authorization_url,
                    " for OAuth2 providers",
                ),
                ("token_url", &self.token_url, " for OAuth2 providers"),
                ("userinfo_url", &self.userinfo_url, " for OAuth2 providers"),
            ],
            _ => {
                let message = "provider_type must be either 'oauth2' or 'oidc'";
                return Err(AuthError::invalid(message));
            }
        };
        if self.identifier.is_empty() {
            return Err(AuthError::invalid("identifier is required"));
        }
        let base = self.base();
        if RESERVED.contains(&base.to_lowercase().as_str()) {
            let message = format!(
                "Cannot use reserved provider name: {base}. This provider is already built into Supabase Auth."
            );
            return Err(AuthError::invalid(message));
        }
        let always = [
            ("name", &self.name, ""),
            ("client_id", &self.client_id, ""),
            ("client_secret", &self.client_secret, ""),
        ];
        for (name, value, of) in always.iter().chain(required) {
            if value.as_deref().is_none_or(str::is_empty) {
                return Err(AuthError::invalid(format!("{name} is required{of}")));
            }
        }
        Ok(())
    }

    fn base(&self) -> &str {
        let identifier = self.identifier.as_str();
        identifier.strip_prefix(PREFIX).unwrap_or(identifier)
    }

    /// What is said goes over what was there.
    fn over(self, mut row: Map<String, Value>) -> Value {
        let is_oidc = row.get("provider_type").is_some_and(|kind| kind == "oidc");
        let mut scopes = self.scopes;
        if let Some(scopes) = scopes.as_mut().filter(|_| is_oidc)
            && !scopes.iter().any(|scope| scope == "openid")
        {
            scopes.insert(0, "openid".to_owned());
        }
        let text = |text: Option<String>| text.filter(|text| !text.is_empty()).map(Value::from);
        let object = |object: Option<Map<String, Value>>| object.map(Value::from);
        let list = |list: Option<Vec<String>>| list.map(Value::from);
        let flag = |flag: Option<bool>| flag.map(Value::from);
        let said = [
            ("name", text(self.name)),
            ("client_id", text(self.client_id)),
            ("client_secret", text(self.client_secret)),
            ("acceptable_client_ids", list(self.acceptable_client_ids)),
            ("scopes", list(scopes)),
            (
                "custom_claims_allowlist",
                list(self.custom_claims_allowlist),
            ),
            ("pkce_enabled", flag(self.pkce_enabled)),
            ("attribute_mapping", object(self.attribute_mapping)),
            ("authorization_params", object(self.authorization_params)),
            ("enabled", flag(self.enabled)),
            ("email_optional", flag(self.email_optional)),
            ("issuer", text(self.issuer).filter(|_| is_oidc)),
            (
                "discovery_url",
                text(self.discovery_url).filter(|_| is_oidc),
            ),
            (
                "skip_nonce_check",
                flag(self.skip_nonce_check).filter(|_| is_oidc),
            ),
            (
                "authorization_url",
                text(self.authorization_url).filter(|_| !is_oidc),
            ),
            ("token_url", text(self.token_url).filter(|_| !is_oidc)),
            ("userinfo_url", text(self.userinfo_url).filter(|_| !is_oidc)),
            ("jwks_uri", text(self.jwks_uri).filter(|_| !is_oidc)),
        ];
        for (name, value) in said {
            if let Some(value) = value {
                row.insert(name.to_owned(), value);
            }
        }
        row.into()
    }
}

/// `GET /admin/custom-providers?type=`.
pub async fn list<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    context.admin()?;
    let kind = context.query("type");
    if !matches!(kind.as_str(), "" | "oauth2" | "oidc") {
        let message = "type must be either 'oauth2' or 'oidc'";
        return Err(AuthError::invalid(message));
    }
    let session = context.session().read_only();
    let statement = sql::custom_providers::all(&kind);
    let result = context.database().one(&session, statement).await?;
    let providers: Vec<Value> = rows(&result)?.into_iter().map(shown).collect();
    Ok(auth::json(json!({"providers": providers})))
}

/// `GET /admin/custom-providers/{identifier}`.
pub async fn get<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    context.admin()?;
    let session = context.session().read_only();
    let statement = sql::custom_providers::by_identifier(named(context)?);
    let result = context.database().one(&session, statement).await?;
    let row = rows(&result)?.into_iter().next().ok_or_else(not_found)?;
    Ok(auth::json(shown(row)))
}

/// `POST /admin/custom-providers`.
pub async fn create<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    context.admin()?;
    let parameters: Parameters = context.json()?;
    parameters.check_new()?;
    parameters.check()?;
    let now = context.now.to_string();
    let new = json!({
        "id": context.uuid(),
        "provider_type": parameters.provider_type,
        "identifier": format!("{PREFIX}{}", parameters.base()),
        "acceptable_client_ids": [],
        "scopes": if parameters.provider_type == "oidc" { &["openid"][..] } else { &[] },
        "custom_claims_allowlist": [],
        "pkce_enabled": true,
        "attribute_mapping": {},
        "authorization_params": {},
        "enabled": true,
        "email_optional": false,
        "skip_nonce_check": false,
        "created_at": now,
        "updated_at": now,
    });
    let Value::Object(new) = new else {
        return Err(AuthError::internal("Error creating custom OAuth provider"));
    };
    let statement = sql::custom_providers::insert(&parameters.over(new));
    let made = context.database().one(&context.session(), statement).await;
    let result = made.map_err(|error| match error.constraint() {
        Some("custom_oauth_providers_identifier_key") => AuthError::bad_request(
            ErrorCode::Conflict,
            "A custom OAuth provider with this identifier already exists",
        ),
        Some(constraint) => {
            AuthError::invalid(format!("The provider breaks the rule {constraint}"))
        }
        None => error.into(),
    })?;
    let row = rows(&result)?.into_iter().next().ok_or_else(not_found)?;
    Ok(json_response(StatusCode::CREATED, shown(row)))
}

/// `PUT /admin/custom-providers/{identifier}`: what is not said stays.
pub async fn update<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    context.admin()?;
    let name = named(context)?;
    let parameters: Parameters = context.json()?;
    parameters.check()?;
    let row = context
        .database()
        .transaction(&context.session(), async |transaction| {
            let known = transaction.one(sql::custom_providers::locked(name)).await?;
            let known = rows(&known)?.into_iter().next().ok_or_else(not_found)?;
            let row = parameters.over(known);
            let result = transaction
                .one(sql::custom_providers::update(name, &row))
                .await?;
            rows(&result)?.into_iter().next().ok_or_else(not_found)
        })
        .await?;
    Ok(auth::json(shown(row)))
}

/// `DELETE /admin/custom-providers/{identifier}`: its users stay, and cannot come from there any more.
pub async fn delete<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    context.admin()?;
    let statement = sql::custom_providers::delete(named(context)?);
    let result = context
        .database()
        .one(&context.session(), statement)
        .await?;
    if result.rows.is_empty() {
        return Err(not_found());
    }
    let message = "Custom OAuth provider deleted successfully";
    Ok(auth::json(json!({"message": message})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_mapped_once() {
        let map = |value: Value| value.as_object().cloned().unwrap();
        let said = map(json!({"id": 7, "mail": "a@b.test", "sub": "x"}));
        let mapping = map(json!({
            "sub": "id", "email": "mail", "email_verified": true, "id": "sub", "name": "nothing",
        }));
        let claims = mapped(said, &mapping);
        assert_eq!(
            Value::from(claims),
            json!({"id": "x", "mail": "a@b.test", "sub": 7, "email": "a@b.test", "email_verified": true})
        );
    }

    #[test]
    fn what_a_provider_lacks_is_said() {
        let whole = json!({
            "provider_type": "oauth2", "identifier": "mine", "name": "Mine", "client_id": "c",
            "client_secret": "s", "authorization_url": "https://p.test/a", "token_url": "https://p.test/t",
            "userinfo_url": "https://p.test/u",
        });
        let check = |change: Value| {
            let mut parameters = whole.clone();
            for (name, value) in change.as_object().unwrap() {
                parameters[name] = value.clone();
            }
            let parameters: Parameters = serde_json::from_value(parameters).unwrap();
            let checked = parameters.check_new().and_then(|()| parameters.check());
            checked.map_err(|error| error.message)
        };
        for (change, expected) in [
            (json!({}), None),
            (
                json!({"provider_type": "saml"}),
                Some("provider_type must be either 'oauth2' or 'oidc'"),
            ),
            (
                json!({"provider_type": "oidc"}),
                Some("issuer is required for OIDC providers"),
            ),
            (json!({"identifier": ""}), Some("identifier is required")),
            (
                json!({"identifier": "custom:GitHub"}),
                Some(
                    "Cannot use reserved provider name: GitHub. This provider is already built into Supabase Auth.",
                ),
            ),
            (
                json!({"client_secret": ""}),
                Some("client_secret is required"),
            ),
            (
                json!({"token_url": ""}),
                Some("token_url is required for OAuth2 providers"),
            ),
            (
                json!({"token_url": "http://p.test/t"}),
                Some("http://p.test/t is not an address that begins with https://"),
            ),
            (
                json!({"authorization_params": {"state": "x"}}),
                Some("Cannot override reserved OAuth parameter: state"),
            ),
            (
                json!({"attribute_mapping": {"role": "groups"}}),
                Some("Cannot map to protected system field: role"),
            ),
        ] {
            assert_eq!(check(change.clone()).err().as_deref(), expected, "{change}");
        }
    }
}
