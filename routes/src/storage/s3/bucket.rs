//! Commands about buckets.

use http::{HeaderValue, Response, StatusCode};

use super::{Request, S3Error, answer_with, empty, xml};
use crate::{
    Body, World,
    storage::{ErrorCode, StorageError, bucket, key, sql},
};

pub(super) async fn list<W: World>(request: &Request<'_, W>) -> Result<Response<Body>, S3Error> {
    let session = request.context.as_caller(&request.caller).read_only();
    let found = request.context.database();
    let found = found.one(&session, sql::s3::buckets()).await?;
    let buckets = sql::values::<serde_json::Value>(&found).map(|bucket| xml::Bucket {
        name: bucket["name"].as_str().unwrap_or_default().to_owned(),
        creation_date: bucket["created_at"].as_str().map(str::to_owned),
    });
    let result = xml::ListAllMyBucketsResult {
        buckets: xml::Buckets {
            bucket: buckets.collect(),
        },
    };
    Ok(answer_with("ListAllMyBucketsResult", &result))
}

pub(super) async fn create<W: World>(request: &Request<'_, W>) -> Result<Response<Body>, S3Error> {
    let name = &request.target.bucket;
    key::check_bucket(name)?;
    let statement = sql::bucket::create(&sql::bucket::NewBucket {
        id: name,
        name,
        owner: request.caller.owner.as_deref(),
        public: request.context.header("x-amz-acl") == Some("public-read"),
        file_size_limit: None,
        allowed_mime_types: None,
    });
    let session = request.context.as_caller(&request.caller);
    let created = request.context.database().one(&session, statement).await;
    created.map_err(|error| bucket::taken(error, ErrorCode::BucketAlreadyExists))?;
    let mut response = Response::new(Body::Empty);
    if let Ok(location) = HeaderValue::from_str(&["/", name].concat()) {
        response.headers_mut().insert("location", location);
    }
    Ok(response)
}

pub(super) async fn delete<W: World>(request: &Request<'_, W>) -> Result<Response<Body>, S3Error> {
    let context = request.context;
    bucket::remove(context, &request.caller, &request.target.bucket).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

pub(super) async fn head<W: World>(request: &Request<'_, W>) -> Result<Response<Body>, S3Error> {
    check(request).await?;
    let mut response = Response::new(Body::Empty);
    let region = HeaderValue::from_str(&request.context.settings.s3_region);
    if let Ok(region) = region {
        response.headers_mut().insert("x-amz-bucket-region", region);
    }
    Ok(response)
}

pub(super) async fn location<W: World>(
    request: &Request<'_, W>,
) -> Result<Response<Body>, S3Error> {
    check(request).await?;
    let region = &request.context.settings.s3_region;
    Ok(answer_with("LocationConstraint", region))
}

pub(super) async fn versioning<W: World>(
    request: &Request<'_, W>,
) -> Result<Response<Body>, S3Error> {
    check(request).await?;
    let result = xml::VersioningConfiguration {
        status: "Suspended",
        mfa_delete: "Disabled",
    };
    Ok(answer_with("VersioningConfiguration", &result))
}

/// Whether the caller sees the bucket.
async fn check<W: World>(request: &Request<'_, W>) -> Result<(), S3Error> {
    let session = request.context.as_caller(&request.caller).read_only();
    let statement = sql::s3::bucket(&request.target.bucket);
    let found = request.context.database().one(&session, statement).await?;
    if found.rows.is_empty() {
        return Err(StorageError::no_such_bucket().into());
    }
    Ok(())
}

/// The bucket of a request, whoever asks; see [`check`].
pub(super) async fn any<W: World>(
    request: &Request<'_, W>,
) -> Result<sql::bucket::Bucket, S3Error> {
    let session = request.context.as_server().read_only();
    let statement = sql::bucket::find(&request.target.bucket);
    let found = request.context.database().one(&session, statement).await?;
    Ok(sql::value(&found).ok_or_else(StorageError::no_such_bucket)?)
}
