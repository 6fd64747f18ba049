//! Single sign-on by SAML 2.0, which is not part of this gateway: it answers as GoTrue does where it
//! is off. What the tables hold of it is shown to admins.
//!
//! Source: supabase/auth, `internal/api/sso.go`, `samlacs.go`, `ssoadmin.go`.

use http::Response;
use serde_json::{Value, json};

use super::{AuthError, Context, ErrorCode, sql};
use crate::{Body, World, auth};

/// 404: what every endpoint of SAML answers where it is off.
pub fn disabled() -> AuthError {
    AuthError::not_found(ErrorCode::SamlProviderDisabled, "SAML 2.0 is disabled")
}

/// `GET /admin/sso/providers`.
pub async fn list<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    context.admin()?;
    let session = context.session().read_only();
    let result = context
        .database()
        .one(&session, sql::external::sso_providers())
        .await?;
    let row = result.rows.first();
    let items: Option<Value> = row.and_then(|row| serde_json::from_str(row.text(0)?).ok());
    Ok(auth::json(json!({"items": items.unwrap_or(json!([]))})))
}

/// `POST /admin/sso/providers`.
pub fn create<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    context.admin()?;
    Err(disabled())
}

/// `/admin/sso/providers/{provider_id}`: there is none.
pub fn provider<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    context.admin()?;
    Err(AuthError::not_found(
        ErrorCode::SsoProviderNotFound,
        "SSO Identity Provider not found",
    ))
}
