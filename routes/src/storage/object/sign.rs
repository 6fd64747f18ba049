//! Signed addresses: tokens that stand for one object and one action, for a time.
//!
//! Source: supabase/storage, `src/storage/object.ts`, `src/internal/auth/jwt.ts`. Who asks for one is
//! asked about with row-level security; who has one is not asked again.

use http::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::upload;
use crate::{
    Body, World,
    identity::{IdentityError, sign},
    storage::{Context, StorageError, context, key, render::Transformation, sql},
};

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Download,
    Upload,
}

impl Scope {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Upload => "upload",
        }
    }

    /// Whether claims have this scope. Tokens were once without one: then `upsert` tells an upload's.
    fn is_of(self, claims: &Map<String, Value>) -> bool {
        match claims.get("scope") {
            Some(scope) => scope.as_str() == Some(self.as_str()),
            None => claims.contains_key("upsert") == (self == Self::Upload),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct One {
    expires_in: Value,
    #[serde(default)]
    transform: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Many {
    expires_in: Value,
    paths: Vec<String>,
}

/// A whole number of seconds, at least one.
fn seconds(value: &Value) -> Result<u64, StorageError> {
    let number = value
        .as_u64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    match number {
        Some(0) => Err(StorageError::malformed("body/expiresIn must be >= 1")),
        // JavaScript's largest date.
        Some(seconds) if seconds > 8_640_000_000_000 => {
            Err(StorageError::invalid_parameter("expiresIn"))
        }
        Some(seconds) => Ok(seconds),
        None if value.is_i64() => Err(StorageError::malformed("body/expiresIn must be >= 1")),
        None => Err(StorageError::malformed("body/expiresIn must be integer")),
    }
}

/// Signs claims with the project's key. Who asks can choose none of them but the object.
pub fn token<W: World>(
    context: &Context<'_, W>,
    scope: Scope,
    url: &str,
    more: Map<String, Value>,
    lifetime: u64,
) -> Result<String, StorageError> {
    let now = context.world.now().seconds();
    let mut claims = more;
    claims.insert("url".to_owned(), url.into());
    claims.insert("scope".to_owned(), scope.as_str().into());
    claims.insert("iat".to_owned(), now.into());
    claims.insert("exp".to_owned(), now.saturating_add(lifetime).into());
    let secret = context.project.signing_secret();
    let missing = || StorageError::internal("There is no key to sign with");
    sign(secret.ok_or_else(missing)?, &claims).ok_or_else(missing)
}

/// The claims of the token in the address, if it is for this object and this action, now.
pub fn verify<W: World>(
    context: &Context<'_, W>,
    scope: Scope,
) -> Result<Map<String, Value>, StorageError> {
    let token = context.query("token").unwrap_or_default();
    if token.is_empty() {
        return Err(StorageError::malformed(
            "querystring must have required property 'token'",
        ));
    }
    let url = format!("{}/{}", context.route.bucket, context.route.key);
    verified(context, scope, &token, &url)
}

/// The claims of a token, if it is for this object and this action, now.
pub fn verified<W: World>(
    context: &Context<'_, W>,
    scope: Scope,
    token: &str,
    url: &str,
) -> Result<Map<String, Value>, StorageError> {
    let keys = context.project.verifier.keys.as_ref();
    let keys = keys.ok_or_else(|| StorageError::from(IdentityError::SecretMissing))?;
    let invalid = |error: IdentityError| {
        let StorageError { message, .. } = error.into();
        StorageError::invalid_jwt(message)
    };
    let claims = keys.verify(token.as_bytes()).map_err(invalid)?;
    let expires = claims.get("exp").and_then(Value::as_u64);
    if expires.is_none_or(|expires| expires <= context.world.now().seconds()) {
        return Err(invalid(IdentityError::Expired));
    }
    if !scope.is_of(&claims) || claims.get("url").and_then(Value::as_str) != Some(url) {
        return Err(StorageError::invalid_signature());
    }
    Ok(claims)
}

pub async fn one<W: World>(
    context: &Context<'_, W>,
    body: Body,
) -> Result<Response<Body>, StorageError> {
    let caller = context.caller()?;
    let one: One = context.json(body).await?;
    let lifetime = seconds(&one.expires_in)?;
    let (bucket, name) = (&context.route.bucket, &context.route.key);
    key::check_key(name)?;
    let session = context.as_caller(&caller).read_only();
    let found = context
        .database()
        .one(&session, sql::object::find(bucket, name))
        .await?;
    if found.rows.is_empty() {
        return Err(StorageError::no_such_key());
    }
    let url = format!("{bucket}/{name}");
    let mut claims = Map::new();
    let mut path = "object";
    if context.settings.image_transformation
        && let Some(transform) = &one.transform
    {
        let transformation = Transformation::of_body(transform)?;
        let written = transformation.token();
        if !written.is_empty() {
            path = "render/image";
            claims.insert("transformations".to_owned(), written.into());
        }
        if let Some(format) = transformation.format() {
            claims.insert("format".to_owned(), format.into());
        }
    }
    let token = token(context, Scope::Download, &url, claims, lifetime)?;
    Ok(context::json(
        json!({"signedURL": format!("/{path}/sign/{url}?token={token}")}),
    ))
}

pub async fn many<W: World>(
    context: &Context<'_, W>,
    body: Body,
) -> Result<Response<Body>, StorageError> {
    let caller = context.caller()?;
    let many: Many = context.json(body).await?;
    let lifetime = seconds(&many.expires_in)?;
    if many.paths.is_empty() {
        return Err(StorageError::malformed(
            "body/paths must NOT have fewer than 1 items",
        ));
    }
    let bucket = &context.route.bucket;
    key::check_bucket(bucket)?;
    let session = context.as_caller(&caller).read_only();
    let statement = sql::object::find_names(bucket, &many.paths);
    let found = context.database().one(&session, statement).await?;
    let seen: std::collections::HashSet<String> = sql::values(&found).collect();
    let answers: Result<Vec<Value>, StorageError> = many
        .paths
        .iter()
        .map(|path| {
            if !seen.contains(path) {
                let error = "Either the object does not exist or you do not have access to it";
                return Ok(json!({"error": error, "path": path, "signedURL": null}));
            }
            let url = format!("{bucket}/{path}");
            let token = token(context, Scope::Download, &url, Map::new(), lifetime)?;
            let signed = format!("/object/sign/{url}?token={token}");
            Ok(json!({"error": null, "path": path, "signedURL": signed}))
        })
        .collect();
    Ok(context::json(answers?.into()))
}

/// An address to upload to: whether the caller may is asked now, and not again.
pub async fn upload<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, StorageError> {
    let caller = context.caller()?;
    let upsert = context.is_upsert();
    let place = upload::Place {
        bucket: &context.route.bucket,
        name: &context.route.key,
        owner: caller.owner.as_deref(),
        upsert,
    };
    upload::allowed(context, &context.as_caller(&caller), place).await?;
    let url = format!("{}/{}", place.bucket, place.name);
    let mut claims = Map::new();
    if let Some(owner) = place.owner {
        claims.insert("owner".to_owned(), owner.into());
    }
    claims.insert("upsert".to_owned(), upsert.into());
    let lifetime = context.settings.signed_upload_expiry;
    let token = token(context, Scope::Upload, &url, claims, lifetime)?;
    Ok(context::json(json!({
        "url": format!("/object/upload/sign/{url}?token={token}"),
        "token": token,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_token_is_for_one_action() {
        for (text, download, upload) in [
            (r#"{"scope":"download"}"#, true, false),
            (r#"{"scope":"upload"}"#, false, true),
            (r#"{"scope":"upload","upsert":false}"#, false, true),
            (r#"{"scope":"download","upsert":true}"#, true, false),
            (r#"{"scope":"anything","upsert":true}"#, false, false),
            (r#"{"scope":null}"#, false, false),
            ("{}", true, false),
            (r#"{"upsert":false}"#, false, true),
        ] {
            let claims = claims(text);
            assert_eq!(Scope::Download.is_of(&claims), download, "{text}");
            assert_eq!(Scope::Upload.is_of(&claims), upload, "{text}");
        }
    }

    #[test]
    fn lifetimes_are_whole_seconds() {
        assert_eq!(seconds(&json!(60)), Ok(60));
        assert_eq!(seconds(&json!("60")), Ok(60));
        for value in [
            json!(0),
            json!(-1),
            json!(1.5),
            json!("x"),
            json!(null),
            json!(1e300),
            json!(u64::MAX),
        ] {
            assert!(seconds(&value).is_err(), "{value}");
        }
    }
}
