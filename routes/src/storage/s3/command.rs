//! Which command a request is: decided by its method, its path, its query and a few headers.

use http::{HeaderMap, Method, header};

/// What a client wants of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    ListBuckets,
    CreateBucket,
    DeleteBucket,
    HeadBucket,
    GetBucketLocation,
    GetBucketVersioning,
    ListObjects,
    ListObjectsV2,
    ListMultipartUploads,
    DeleteObjects,
    /// A form with a policy.
    PostObject,
    GetObject,
    GetObjectTagging,
    HeadObject,
    PutObject,
    CopyObject,
    DeleteObject,
    CreateMultipartUpload,
    UploadPart,
    UploadPartCopy,
    ListParts,
    CompleteMultipartUpload,
    AbortMultipartUpload,
}

impl Command {
    /// What policies see as `storage.operation()`. Source: supabase/storage,
    /// `src/http/routes/operations.ts`.
    pub const fn operation(self) -> &'static str {
        match self {
            Self::ListBuckets => "storage.s3.bucket.list",
            Self::CreateBucket => "storage.s3.bucket.create",
            Self::DeleteBucket => "storage.s3.bucket.delete",
            Self::HeadBucket => "storage.s3.bucket.head",
            Self::GetBucketLocation => "storage.s3.bucket.get_location",
            Self::GetBucketVersioning => "storage.s3.bucket.get_versioning",
            Self::ListObjects | Self::ListObjectsV2 => "storage.s3.object.list",
            Self::ListMultipartUploads => "storage.s3.upload.list_multipart",
            Self::DeleteObjects => "storage.s3.object.delete_many",
            Self::PostObject | Self::PutObject => "storage.s3.upload",
            Self::GetObject => "storage.s3.object.get",
            Self::GetObjectTagging => "storage.s3.object.get_tagging",
            Self::HeadObject => "storage.s3.object.info",
            Self::CopyObject => "storage.s3.object.copy",
            Self::DeleteObject => "storage.s3.object.delete",
            Self::CreateMultipartUpload => "storage.s3.upload.create_multipart",
            Self::UploadPart => "storage.s3.upload.part",
            Self::UploadPartCopy => "storage.s3.upload.part_copy",
            Self::ListParts => "storage.s3.upload.list_parts",
            Self::CompleteMultipartUpload => "storage.s3.upload.complete_multipart",
            Self::AbortMultipartUpload => "storage.s3.upload.abort_multipart",
        }
    }
}

/// A command and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub command: Command,
    pub bucket: String,
    pub key: String,
}

impl Target {
    /// The target of a request; `path` follows `/s3` and is still encoded. `None` where there is no
    /// such command.
    pub fn find(
        method: &Method,
        path: &str,
        query: &[(String, String)],
        headers: &HeaderMap,
    ) -> Option<Self> {
        let decode = |text: &str| {
            let decoded = percent_encoding::percent_decode_str(text);
            decoded.decode_utf8().ok().map(std::borrow::Cow::into_owned)
        };
        let path = path.strip_prefix('/').unwrap_or(path);
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let (bucket, key) = (decode(bucket)?, decode(key)?);
        let has = |name: &str| query.iter().any(|(known, _)| known == name);
        let is = |name: &str, value: &str| {
            let mut query = query.iter();
            query.any(|(known, found)| known == name && found == value)
        };
        let copies = headers.contains_key("x-amz-copy-source");
        let is_form = headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"multipart/form-data"));
        let command = match (method, bucket.is_empty(), key.is_empty()) {
            (&Method::GET, true, true) => Command::ListBuckets,
            (_, true, _) => return None,
            (&Method::PUT, _, true) => Command::CreateBucket,
            (&Method::DELETE, _, true) => Command::DeleteBucket,
            (&Method::HEAD, _, true) => Command::HeadBucket,
            (&Method::GET, _, true) if has("uploads") => Command::ListMultipartUploads,
            (&Method::GET, _, true) if has("location") => Command::GetBucketLocation,
            (&Method::GET, _, true) if has("versioning") => Command::GetBucketVersioning,
            (&Method::GET, _, true) if is("list-type", "2") => Command::ListObjectsV2,
            (&Method::GET, _, true) => Command::ListObjects,
            (&Method::POST, _, true) if has("delete") => Command::DeleteObjects,
            (&Method::POST, _, true) if is_form => Command::PostObject,
            (&Method::PUT, _, false) if copies && has("uploadId") => Command::UploadPartCopy,
            (&Method::PUT, _, false) if copies => Command::CopyObject,
            (&Method::PUT, _, false) if has("uploadId") => Command::UploadPart,
            (&Method::PUT, _, false) => Command::PutObject,
            (&Method::GET, _, false) if has("uploadId") => Command::ListParts,
            (&Method::GET, _, false) if has("tagging") => Command::GetObjectTagging,
            (&Method::GET, _, false) => Command::GetObject,
            (&Method::HEAD, _, false) => Command::HeadObject,
            (&Method::DELETE, _, false) if has("uploadId") => Command::AbortMultipartUpload,
            (&Method::DELETE, _, false) => Command::DeleteObject,
            (&Method::POST, _, false) if has("uploads") => Command::CreateMultipartUpload,
            (&Method::POST, _, false) if has("uploadId") => Command::CompleteMultipartUpload,
            _ => return None,
        };
        Some(Self {
            command,
            bucket,
            key,
        })
    }
}

/// The pairs of a query string, decoded as a form's are.
pub fn query(text: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        let decoded = percent_encoding::percent_decode_str(&spaced);
        decoded.decode_utf8_lossy().into_owned()
    };
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(requests: &[&str], expected: Expect) {
        let lines: String = requests
            .iter()
            .map(|request| {
                let mut words = request.split(' ');
                let method: Method = words.next().unwrap().parse().unwrap();
                let target = words.next().unwrap();
                let (path, text) = target.split_once('?').unwrap_or((target, ""));
                let mut headers = HeaderMap::new();
                for name in words {
                    let (name, value) = name.split_once(':').unwrap();
                    let name: http::HeaderName = name.parse().unwrap();
                    headers.insert(name, value.parse().unwrap());
                }
                match Target::find(&method, path, &query(text), &headers) {
                    None => format!("{request} -\n"),
                    Some(Target {
                        command,
                        bucket,
                        key,
                    }) => format!("{request} {command:?} {bucket:?} {key:?}\n"),
                }
            })
            .collect();
        expected.assert_eq(&lines);
    }

    #[test]
    fn commands_are_found() {
        check(
            &[
                "GET /",
                "GET ",
                "PUT /b",
                "PUT /b/",
                "HEAD /b",
                "DELETE /b",
                "GET /b?location",
                "GET /b?versioning=",
                "GET /b?list-type=2&prefix=a%20b",
                "GET /b?prefix=a",
                "GET /b?uploads",
                "POST /b?delete=",
                "POST /b content-type:multipart/form-data;boundary=x",
                "GET /b/k%C3%A9y/x",
                "GET /b/k?tagging",
                "GET /b/k?uploadId=1",
                "HEAD /b/k",
                "PUT /b/k",
                "PUT /b/k?partNumber=1&uploadId=2",
                "PUT /b/k x-amz-copy-source:a/b",
                "PUT /b/k?partNumber=1&uploadId=2 x-amz-copy-source:a/b",
                "DELETE /b/k",
                "DELETE /b/k?uploadId=2",
                "POST /b/k?uploads",
                "POST /b/k?uploadId=2",
                "POST /b",
                "POST /b/k",
                "PATCH /b/k",
                "DELETE /",
                "GET /b/%FF",
            ],
            expect![[r#"
                GET / ListBuckets "" ""
                GET  ListBuckets "" ""
                PUT /b CreateBucket "b" ""
                PUT /b/ CreateBucket "b" ""
                HEAD /b HeadBucket "b" ""
                DELETE /b DeleteBucket "b" ""
                GET /b?location GetBucketLocation "b" ""
                GET /b?versioning= GetBucketVersioning "b" ""
                GET /b?list-type=2&prefix=a%20b ListObjectsV2 "b" ""
                GET /b?prefix=a ListObjects "b" ""
                GET /b?uploads ListMultipartUploads "b" ""
                POST /b?delete= DeleteObjects "b" ""
                POST /b content-type:multipart/form-data;boundary=x PostObject "b" ""
                GET /b/k%C3%A9y/x GetObject "b" "kéy/x"
                GET /b/k?tagging GetObjectTagging "b" "k"
                GET /b/k?uploadId=1 ListParts "b" "k"
                HEAD /b/k HeadObject "b" "k"
                PUT /b/k PutObject "b" "k"
                PUT /b/k?partNumber=1&uploadId=2 UploadPart "b" "k"
                PUT /b/k x-amz-copy-source:a/b CopyObject "b" "k"
                PUT /b/k?partNumber=1&uploadId=2 x-amz-copy-source:a/b UploadPartCopy "b" "k"
                DELETE /b/k DeleteObject "b" "k"
                DELETE /b/k?uploadId=2 AbortMultipartUpload "b" "k"
                POST /b/k?uploads CreateMultipartUpload "b" "k"
                POST /b/k?uploadId=2 CompleteMultipartUpload "b" "k"
                POST /b -
                POST /b/k -
                PATCH /b/k -
                DELETE / -
                GET /b/%FF -
            "#]],
        );
    }
}
