//! A user goes to a provider: `GET /authorize`.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Response;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{
    super::{AuthError, Context, pkce, redirect, sql},
    source::Source,
};
use crate::{Body, World};

/// What a client may not say in our name.
const RESERVED: [&str; 13] = [
    "client_id",
    "client_secret",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "request",
    "request_uri",
];

/// What is meant for us alone.
const OURS: [&str; 5] = [
    "provider",
    "scopes",
    "redirect_to",
    "invite_token",
    "skip_http_redirect",
];

pub async fn authorize<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    let address = address(context, None).await?;
    super::callback::redirect_to(&address)
}

/// Where a user is sent to, after the sign-in has been remembered; `linking` is who wants the
/// provider's user as another identity.
pub(super) async fn address<W: World>(
    context: &Context<'_, W>,
    linking: Option<Uuid>,
) -> Result<String, AuthError> {
    let provider = Source::named(context, &context.query("provider")).await?;
    let challenge = pkce::Challenge::read(
        &context.query("code_challenge"),
        &context.query("code_challenge_method"),
    )
    .map_err(|error| AuthError::invalid(error.message()))?;
    let referrer = context.referrer();
    let (target, mut parameters) = provider
        .authorization(context, &context.query("scopes"))
        .await
        .map_err(|error| AuthError::invalid(format!("Unsupported provider: {error}")))?;
    let id = context.uuid();
    let mut statements = Vec::new();
    let mut proof_id = None;
    if provider.needs_proof() {
        let verifier = URL_SAFE_NO_PAD.encode(context.random::<32>());
        let proof = context.uuid();
        statements.push(sql::external::insert_proof(
            proof,
            provider.name(),
            &verifier,
        ));
        proof_id = Some(proof);
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        parameters.push(("code_challenge".to_owned(), hash));
        parameters.push(("code_challenge_method".to_owned(), "S256".to_owned()));
    }
    statements.push(sql::flow_states::insert(&sql::flow_states::NewFlow {
        id,
        auth_code: challenge.as_ref().map(|_| context.uuid()),
        challenge: challenge.as_ref(),
        provider_type: provider.name(),
        authentication_method: "oauth",
        referrer: Some(&referrer),
        oauth_client_state_id: proof_id,
        linking_target_id: linking,
        email_optional: provider.email_optional(),
        ..sql::flow_states::NewFlow::default()
    }));
    context
        .database()
        .run(&context.session(), &statements)
        .await?;
    parameters.push(("state".to_owned(), id.to_string()));
    let query = context.head.uri.query().unwrap_or_default();
    for (name, value) in redirect::pairs(query) {
        let lower = name.to_ascii_lowercase();
        let known = parameters.iter().any(|(known, _)| *known == name);
        if !known && !RESERVED.contains(&lower.as_str()) && !OURS.contains(&lower.as_str()) {
            parameters.push((name, value));
        }
    }
    let parameters: Vec<(&str, &str)> = parameters
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let address = redirect::Address::parse(&target)
        .ok_or_else(|| AuthError::internal("The provider's address cannot be read"))?;
    Ok(address.with_query(&parameters))
}
