//! `POST /token`: a session for what proves who somebody is, by `grant_type`.

mod password;
mod pkce;
mod refresh;

use http::Response;

pub(super) use refresh::swapped;

use super::{
    Context,
    error::{AuthError, ErrorCode},
    external,
    limits::Limit,
    web3,
};
use crate::{Body, World};

pub(super) async fn handle<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    context.limit(Limit::Token)?;
    match grant_type(context).as_str() {
        "password" => password::handle(context).await,
        "id_token" => external::id_token_grant(context).await,
        "refresh_token" => refresh::handle(context).await,
        "pkce" => pkce::handle(context).await,
        "web3" => web3::grant(context).await,
        _ => Err(AuthError::bad_request(
            ErrorCode::InvalidCredentials,
            "unsupported_grant_type",
        )),
    }
}

/// What proves who somebody is, in the query or in a form.
pub(super) fn grant_type<W: World>(context: &Context<'_, W>) -> String {
    match context.query("grant_type") {
        empty if empty.is_empty() => context.form("grant_type").unwrap_or_default(),
        grant_type => grant_type,
    }
}
