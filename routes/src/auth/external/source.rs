//! Where a user comes from: a provider that is known here, or one that an admin added.

use super::{
    super::{AuthError, Context},
    client::{AskError, Tokens},
    custom::{Custom, PREFIX},
    profile::Profile,
    provider::Provider,
};
use crate::World;

#[derive(Debug)]
pub(in crate::auth) enum Source<'a> {
    Known(Provider<'a>),
    Custom(Box<Custom>),
}

impl<'a> Source<'a> {
    /// 400 for a provider that is not known, not enabled or not set up.
    pub(super) async fn named<W: World>(
        context: &Context<'a, W>,
        name: &str,
    ) -> Result<Self, AuthError> {
        if name.starts_with(PREFIX) {
            let custom = Custom::named(context, name).await?;
            return Ok(Self::Custom(Box::new(custom)));
        }
        Provider::named(context, name).map(Self::Known)
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Known(provider) => provider.name(),
            Self::Custom(custom) => &custom.identifier,
        }
    }

    /// Whether a user may have no address.
    pub(super) fn email_optional(&self) -> bool {
        match self {
            Self::Known(provider) => provider.settings.email_optional,
            Self::Custom(custom) => custom.email_optional,
        }
    }

    /// Whether the exchange is bound by a proof key of our own.
    pub(super) fn needs_proof(&self) -> bool {
        match self {
            Self::Known(provider) => provider.needs_proof(),
            Self::Custom(custom) => custom.needs_proof(),
        }
    }

    /// Where a user is sent to: the address and its parameters before ours.
    pub(super) async fn authorization<W: World>(
        &self,
        context: &Context<'_, W>,
        scopes: &str,
    ) -> Result<(String, Vec<(String, String)>), AskError> {
        match self {
            Self::Known(provider) => provider.authorization(context, scopes).await,
            Self::Custom(custom) => custom.authorization(context, scopes).await,
        }
    }

    /// Swaps a code for the provider's tokens.
    pub(super) async fn exchange<W: World>(
        &self,
        context: &Context<'_, W>,
        code: &str,
        verifier: Option<&str>,
    ) -> Result<Tokens, AskError> {
        match self {
            Self::Known(provider) => provider.exchange(context, code, verifier).await,
            Self::Custom(custom) => custom.exchange(context, code, verifier).await,
        }
    }

    /// Whose tokens these are.
    pub(super) async fn profile<W: World>(
        &self,
        context: &Context<'_, W>,
        tokens: &Tokens,
    ) -> Result<Profile, AskError> {
        match self {
            Self::Known(provider) => provider.profile(context, tokens).await,
            Self::Custom(custom) => custom.profile(context.world, tokens).await,
        }
    }
}
