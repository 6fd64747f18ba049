//! What is known of an object, without its bytes.

use http::{Response, header};
use serde_json::json;

use super::download;
use crate::{
    Body, World,
    storage::{Context, StorageError, context, sql::object::Object},
};

async fn find<W: World>(context: &Context<'_, W>, is_public: bool) -> Result<Object, StorageError> {
    if is_public {
        download::public_object(context).await
    } else {
        download::visible(context).await
    }
}

/// The headers of a download.
pub async fn head<W: World>(
    context: &Context<'_, W>,
    is_public: bool,
) -> Result<Response<Body>, StorageError> {
    let object = find(context, is_public).await?;
    let metadata = object.metadata.unwrap_or_default();
    let mut response = Response::new(Body::Empty);
    download::describe(&mut response, &metadata, None);
    let mime_type = download::shown_type(&metadata.mimetype);
    download::set(&mut response, header::CONTENT_TYPE, mime_type);
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, metadata.size.into());
    Ok(response)
}

pub async fn get<W: World>(
    context: &Context<'_, W>,
    is_public: bool,
) -> Result<Response<Body>, StorageError> {
    let object = find(context, is_public).await?;
    let metadata = object.metadata.unwrap_or_default();
    let mut response = context::json(json!({
        "id": object.id,
        "name": object.name,
        "version": object.version,
        "bucket_id": object.bucket_id,
        "size": metadata.size,
        "content_type": metadata.mimetype,
        "cache_control": metadata.cache_control,
        "etag": metadata.e_tag,
        "metadata": object.user_metadata,
        "last_modified": object.updated_at,
        "created_at": object.created_at,
    }));
    download::describe(&mut response, &metadata, None);
    Ok(response)
}
