//! OpenID Connect: a provider's description of itself, its keys, and the ID tokens that they sign.
//!
//! Sources: OpenID Connect Discovery 1.0 (section 4), Core 1.0 (section 3.1.3.7).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq as _;

use super::{client, client::AskError};
use crate::{World, identity::KeySet};

/// What a provider says of itself.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Discovery {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
    #[serde(default)]
    pub userinfo_endpoint: Option<String>,
}

/// An ID token that is verified.
#[derive(Debug, Clone)]
pub(super) struct IdToken {
    pub claims: Map<String, Value>,
    algorithm: String,
}

/// Seconds that a provider's clock may be ahead of ours.
const LEEWAY: i64 = 300;

/// Asks the provider at `issuer` about itself.
pub(super) async fn discover(world: &impl World, issuer: &str) -> Result<Discovery, AskError> {
    let issuer = issuer.trim_end_matches('/');
    let url = format!("{issuer}/.well-known/openid-configuration");
    discover_at(world, &url, issuer).await
}

/// The same, where the description is at an address of its own.
pub(super) async fn discover_at(
    world: &impl World,
    url: &str,
    issuer: &str,
) -> Result<Discovery, AskError> {
    let issuer = issuer.trim_end_matches('/');
    let discovery: Discovery = client::get(world, url, None).await?;
    // Section 4.3: another issuer could speak for this one otherwise.
    if discovery.issuer.trim_end_matches('/') != issuer {
        let reason = format!("{issuer} calls itself {}", discovery.issuer);
        return Err(AskError::Answer(reason));
    }
    Ok(discovery)
}

/// Verifies an ID token with the provider's keys: its signature, issuer and times. Whom it is for is
/// the caller's question.
pub(super) async fn verify(
    world: &impl World,
    discovery: &Discovery,
    token: &str,
) -> Result<IdToken, AskError> {
    let refused = |reason: &str| AskError::Answer(format!("the ID token: {reason}"));
    let header: Value = part(token, 0).ok_or_else(|| refused("it is none"))?;
    let algorithm = header
        .get("alg")
        .and_then(Value::as_str)
        .unwrap_or_default();
    // A provider's secret is not ours to verify with.
    if !matches!(algorithm, "RS256" | "RS384" | "RS512" | "ES256" | "EdDSA") {
        return Err(refused("its algorithm is not supported"));
    }
    let keys: Value = client::get(world, &discovery.jwks_uri, None).await?;
    let keys =
        KeySet::parse(&keys.to_string(), false).map_err(|error| refused(&error.to_string()))?;
    let claims = keys
        .verify(token.as_bytes())
        .map_err(|error| refused(&format!("{error:?}")))?;
    let issuer = claims
        .get("iss")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if issuer.trim_end_matches('/') != discovery.issuer.trim_end_matches('/') {
        return Err(refused("it has another issuer"));
    }
    let now = i64::try_from(world.now().seconds()).unwrap_or(i64::MAX);
    let time = |name: &str| claims.get(name).and_then(Value::as_f64);
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact for the next 285 million years"
    )]
    let (now, ahead) = (now as f64, (now + LEEWAY) as f64);
    if time("exp").is_none_or(|end| now > end) {
        return Err(refused("it is expired"));
    }
    if time("nbf").is_some_and(|begin| begin > ahead) {
        return Err(refused("it is not valid yet"));
    }
    Ok(IdToken {
        algorithm: algorithm.to_owned(),
        claims,
    })
}

/// Who issued a token, as the token says, which is not verified.
pub(super) fn claimed_issuer(token: &str) -> Option<String> {
    let claims: Value = part(token, 1)?;
    Some(claims.get("iss")?.as_str()?.to_owned())
}

impl IdToken {
    pub(super) fn text(&self, name: &str) -> &str {
        self.claims
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Whether it is for this client.
    pub(super) fn is_for(&self, client_id: &str) -> bool {
        match self.claims.get("aud") {
            Some(Value::String(audience)) => audience == client_id,
            Some(Value::Array(audiences)) => audiences.iter().any(|one| one == client_id),
            _ => false,
        }
    }

    /// Whether it came with this access token (Core, section 3.1.3.6); true where it does not say.
    pub(super) fn came_with(&self, access_token: &str) -> bool {
        let said = self.text("at_hash");
        if said.is_empty() {
            return true;
        }
        let hash = match self.algorithm.as_str() {
            "RS384" => Sha384::digest(access_token).to_vec(),
            "RS512" | "EdDSA" => Sha512::digest(access_token).to_vec(),
            _ => Sha256::digest(access_token).to_vec(),
        };
        let half = URL_SAFE_NO_PAD.encode(&hash[..hash.len() / 2]);
        half.as_bytes().ct_eq(said.as_bytes()).into()
    }
}

fn part<T: DeserializeOwned>(token: &str, index: usize) -> Option<T> {
    let part = token.split('.').nth(index)?;
    let json = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_says_whom_it_is_for() {
        let token = |claims: Value| IdToken {
            claims: claims.as_object().cloned().unwrap(),
            algorithm: "RS256".to_owned(),
        };
        assert!(token(json!({"aud": "me"})).is_for("me"));
        assert!(token(json!({"aud": ["you", "me"]})).is_for("me"));
        assert!(!token(json!({"aud": "you"})).is_for("me"));
        assert!(!token(json!({})).is_for(""));
        // The example of OpenID Connect Core, appendix A.3.
        let hashed = token(json!({"at_hash": "77QmUPtjPfzWtF2AnpK9RQ"}));
        assert!(hashed.came_with("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"));
        assert!(!hashed.came_with("another"));
        assert!(token(json!({})).came_with("any"));
    }

    #[test]
    fn a_token_claims_its_issuer() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"iss":"https://i.test"}"#);
        let token = format!("x.{claims}.y");
        assert_eq!(claimed_issuer(&token).as_deref(), Some("https://i.test"));
        assert_eq!(claimed_issuer("x"), None);
        assert_eq!(claimed_issuer("x.y.z"), None);
    }
}
