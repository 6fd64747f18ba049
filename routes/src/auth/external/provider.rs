//! A provider with the project's settings for it.

use serde_json::Value;

use super::{
    super::{AuthError, Context, settings},
    catalog::{self, Endpoints, Known},
    client::{self, AskError, Credentials, Tokens},
    oidc::{self, Discovery},
    profile::Profile,
};
use crate::World;

/// A provider that users of this project may come from.
#[derive(Debug, Clone, Copy)]
pub(in crate::auth) struct Provider<'a> {
    known: &'static Known,
    pub settings: &'a settings::Provider,
}

impl<'a> Provider<'a> {
    /// 400 for a provider that is not known, not enabled or not set up.
    pub(in crate::auth) fn named<W>(
        context: &Context<'a, W>,
        name: &str,
    ) -> Result<Self, AuthError> {
        let refused = |reason: &str| AuthError::invalid(format!("Unsupported provider: {reason}"));
        let known = catalog::known(name).ok_or_else(|| {
            refused(&format!(
                "Provider {} could not be found",
                name.to_lowercase()
            ))
        })?;
        let settings = context.settings.external.get(known.name);
        let settings = settings
            .filter(|settings| settings.enabled)
            .ok_or_else(|| refused("provider is not enabled"))?;
        if settings.client_id.is_empty() {
            return Err(refused("missing OAuth client ID"));
        }
        if settings.secret.is_empty() {
            return Err(refused("missing OAuth secret"));
        }
        let provider = Self { known, settings };
        if provider.base().is_empty() {
            return Err(refused(&format!(
                "unable to find URL for the {} provider",
                known.name
            )));
        }
        Ok(provider)
    }

    pub(in crate::auth) const fn name(&self) -> &'static str {
        self.known.name
    }

    /// The client that we are; tokens for others may be taken as well.
    fn client(&self) -> Credentials<'a> {
        let client_id = self.settings.client_id.split(',').next();
        Credentials {
            client_id: client_id.unwrap_or_default().trim(),
            secret: &self.settings.secret,
        }
    }

    fn base(&self) -> &str {
        match self.settings.url.as_str() {
            "" => self.known.base,
            url => url.trim_end_matches('/'),
        }
    }

    /// Where the provider sends users back to.
    fn redirect_uri<W>(&self, context: &Context<'_, W>) -> String {
        match self.settings.redirect_uri.as_str() {
            "" => format!("{}/callback", context.url),
            uri => uri.to_owned(),
        }
    }

    /// Whether the exchange is bound by a proof key of our own.
    pub(super) const fn needs_proof(&self) -> bool {
        self.known.needs_proof
    }

    /// Where a user is sent to: the address and its parameters before ours.
    pub(super) async fn authorization<W: World>(
        &self,
        context: &Context<'_, W>,
        scopes: &str,
    ) -> Result<(String, Vec<(String, String)>), AskError> {
        let address = match self.known.endpoints {
            Endpoints::Discovered => self.discover(context).await?.authorization_endpoint,
            Endpoints::Azure => format!("{}/oauth2/v2.0/authorize", self.base()),
            Endpoints::Fixed { authorize, .. } => format!("{}{authorize}", self.base()),
        };
        let mut wanted: Vec<&str> = self.known.scopes.to_vec();
        wanted.extend(scopes.split([',', ' ']).filter(|scope| !scope.is_empty()));
        let mut parameters = vec![
            ("client_id".to_owned(), self.client().client_id.to_owned()),
            ("redirect_uri".to_owned(), self.redirect_uri(context)),
            ("response_type".to_owned(), "code".to_owned()),
        ];
        if !wanted.is_empty() {
            parameters.push(("scope".to_owned(), wanted.join(" ")));
        }
        let own = self.known.parameters.iter();
        parameters.extend(own.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Ok((address, parameters))
    }

    /// Swaps a code for the provider's tokens.
    pub(super) async fn exchange<W: World>(
        &self,
        context: &Context<'_, W>,
        code: &str,
        verifier: Option<&str>,
    ) -> Result<Tokens, AskError> {
        let address = match self.known.endpoints {
            Endpoints::Discovered => self.discover(context).await?.token_endpoint,
            Endpoints::Azure => format!("{}/oauth2/v2.0/token", self.base()),
            Endpoints::Fixed { token, api, .. } if self.known.name == "facebook" => {
                format!("{}{token}", self.api(api, ""))
            }
            Endpoints::Fixed { token, .. } => format!("{}{token}", self.base()),
        };
        let redirect_uri = self.redirect_uri(context);
        client::exchange(
            context.world,
            &address,
            self.client(),
            code,
            &redirect_uri,
            verifier,
        )
        .await
    }

    /// Whose tokens these are.
    pub(super) async fn profile<W: World>(
        &self,
        context: &Context<'_, W>,
        tokens: &Tokens,
    ) -> Result<Profile, AskError> {
        let nobody = || AskError::Answer("the answer names no user".to_owned());
        let discovery = match self.known.endpoints {
            Endpoints::Discovered => self.discover(context).await?,
            Endpoints::Azure => {
                let issuer = oidc::claimed_issuer(&tokens.id_token);
                let issuer = issuer.filter(|issuer| catalog::is_azure(issuer));
                let issuer = issuer.ok_or_else(nobody)?;
                self.check_tenant(&issuer)?;
                oidc::discover(context.world, &issuer).await?
            }
            Endpoints::Fixed {
                user,
                api,
                api_path,
                emails,
                words,
                ..
            } => {
                let api = self.api(api, api_path);
                let token = Some(tokens.access_token.as_str());
                let answer: Value =
                    client::get(context.world, &format!("{api}{user}"), token).await?;
                let mut profile = Profile::of_answer(&api, &words, &answer).ok_or_else(nobody)?;
                if !emails.is_empty() {
                    let list = format!("{api}{emails}");
                    profile.add_emails(&client::get(context.world, &list, token).await?);
                }
                return Ok(profile);
            }
        };
        let token = oidc::verify(context.world, &discovery, &tokens.id_token).await?;
        if !token.is_for(self.client().client_id) || !token.came_with(&tokens.access_token) {
            let reason = "the ID token is for somebody else";
            return Err(AskError::Answer(reason.to_owned()));
        }
        Profile::of_claims(&token.claims).ok_or_else(nobody)
    }

    async fn discover<W: World>(&self, context: &Context<'_, W>) -> Result<Discovery, AskError> {
        oidc::discover(context.world, self.base()).await
    }

    /// Where a setting names a tenant, other tenants' users are strangers.
    fn check_tenant(&self, issuer: &str) -> Result<(), AskError> {
        let expected = format!("{}/v2.0", self.base());
        let any = ["common", "organizations"]
            .iter()
            .any(|tenant| expected.ends_with(&format!("/{tenant}/v2.0")));
        if any || !catalog::is_azure(&expected) || expected == issuer.trim_end_matches('/') {
            return Ok(());
        }
        let reason = format!("the ID token's issuer is {issuer}, not {expected}");
        Err(AskError::Answer(reason))
    }

    /// The base of questions about the user.
    fn api(&self, api: &str, api_path: &str) -> String {
        match (self.settings.url.as_str(), api) {
            ("", "") => self.known.base.to_owned(),
            ("", api) => api.to_owned(),
            _ => format!("{}{api_path}", self.base()),
        }
    }
}
