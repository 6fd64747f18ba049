//! Purging of a cache that nobody has: the service key hears that nothing old is served, as it is.

use http::Response;
use serde_json::json;

use super::download;
use crate::{
    Body, World,
    storage::{Context, StorageError, bucket, context},
};

/// An object that has to be there.
pub async fn one<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, StorageError> {
    only_the_service(context)?;
    download::any_object(context).await?;
    Ok(context::json(json!({"message": "success"})))
}

/// A bucket that has to be there.
pub async fn bucket<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, StorageError> {
    only_the_service(context)?;
    bucket::get(context).await?;
    Ok(context::json(json!({"message": "success"})))
}

fn only_the_service<W: World>(context: &Context<'_, W>) -> Result<(), StorageError> {
    if context.caller()?.identity.role == "service_role" {
        Ok(())
    } else {
        Err(StorageError::access_denied("Access denied: Invalid role"))
    }
}
