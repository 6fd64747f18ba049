//! Who asks an application: the token that its requests to the APIs can be made with.
//!
//! The one that was sent; else the session that the gateway issued to the page; else the anonymous. Keys
//! stand for tokens as on every other path, with one difference:
//!
//! **Invariant:** the token of the `service_role` is never put into a request that did not have it, whoever
//! sends the secret key or is signed in, and the secret key itself is not passed on.

use http::{HeaderMap, HeaderValue, header, request::Parts};
use subtle::ConstantTimeEq as _;

use crate::{
    World,
    apps::{Memory, app::prefix},
    auth::session::token_of_client,
    identity::Keys,
    project::Project,
    router::Client,
    table,
};

const SERVICE_ROLE: &str = "service_role";

/// The header `Authorization` of a request to an application; `None` where the project has no keys.
pub async fn authorization<W: World>(
    world: &W,
    memory: &Memory,
    project: &Project,
    head: &Parts,
    origin: &str,
) -> Option<HeaderValue> {
    let sent = head.headers.get(header::AUTHORIZATION);
    if let Some(sent) = sent.filter(|sent| !sent.as_bytes().starts_with(b"Bearer sb_")) {
        return Some(sent.clone());
    }
    if let Some(token) = Keys::bearer(project.keys.as_ref(), &head.headers)
        && !is_service_role(world, project, token)
    {
        return bearer(token);
    }
    if let Some(client) = head.extensions.get::<Client>()
        && let Some(token) = session(world, memory, project, client, origin).await
        && !is_service_role(world, project, token.as_bytes())
    {
        return bearer(token.as_bytes());
    }
    bearer(project.keys.as_ref()?.anon.as_bytes())
}

/// Takes the secret key out, in whichever header it is.
pub fn strip_secret(project: &Project, headers: &mut HeaderMap) {
    let Some(keys) = &project.keys else {
        return;
    };
    let secret = keys.secret.as_bytes();
    let is_secret = |value: &HeaderValue| bool::from(value.as_bytes().ct_eq(secret));
    if headers.get("apikey").is_some_and(is_secret) {
        headers.remove("apikey");
    }
}

fn bearer(token: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_bytes(&[b"Bearer ", token].concat()).ok()
}

/// What is no token of this project's is nobody's.
fn is_service_role(world: &impl World, project: &Project, token: &[u8]) -> bool {
    let identity = project.verifier.identify(Some(token), world.now());
    identity.is_ok_and(|identity| identity.role == SERVICE_ROLE)
}

/// The token of the session that was issued to a page, looked up now and then.
async fn session<W: World>(
    world: &W,
    memory: &Memory,
    project: &Project,
    client: &Client,
    origin: &str,
) -> Option<String> {
    let now = world.now();
    if let Some(token) = memory.token(&project.name, &client.0, now) {
        return token;
    }
    let external = &project.config.auth.external_url;
    let url = match external.as_str() {
        "" => format!("{origin}{}{}", prefix(&project.name), table::AUTH),
        url => url.trim_end_matches('/').to_owned(),
    };
    // Where it cannot be looked up, the request is nobody's.
    let token = token_of_client(world, project, client, &url).await.ok()?;
    memory.remember_token(&project.name, &client.0, now, token.clone());
    token
}
