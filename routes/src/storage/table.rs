//! Which endpoint a method and a path lead to. Every path of the API is written once, here.
//!
//! A path is looked for among those of its method only: `public` is a word of the API where objects
//! are read, and may be a bucket's name where they are written.

use std::{collections::HashMap, sync::LazyLock};

use http::Method;
use matchit::Router;

use crate::storage::{error::StorageError, render::Seen};

/// What answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    Health,
    Status,
    Version,
    ListBuckets,
    CreateBucket,
    GetBucket,
    UpdateBucket,
    DeleteBucket,
    EmptyBucket,
    Upload,
    Update,
    SignUpload,
    UploadSigned,
    Download,
    DownloadAuthenticated,
    DownloadPublic,
    DownloadSigned,
    Head,
    HeadAuthenticated,
    HeadPublic,
    Info,
    InfoAuthenticated,
    InfoPublic,
    List,
    ListSecond,
    Move,
    Copy,
    Delete,
    DeleteMany,
    Sign,
    SignMany,
    PurgeObject,
    PurgeBucket,
    /// A picture, rendered.
    Render(Seen),
    /// An upload in pieces; with a signed address or without.
    Resumable(Resumable, bool),
    /// Anything of the S3 protocol.
    S3,
}

/// What is done about an upload in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resumable {
    /// What the server can do.
    Options,
    Create,
    Look,
    Append,
    Delete,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub endpoint: Endpoint,
    /// The bucket in the path, decoded; empty where it has none.
    pub bucket: String,
    /// The object's name in the path, decoded; empty where it has none.
    pub key: String,
    /// Whether the path's encoding could not be read.
    malformed: bool,
}

struct Entry {
    method: Method,
    path: &'static str,
    endpoint: Endpoint,
    /// What policies see as `storage.operation()`.
    operation: &'static str,
}

const fn on(
    method: Method,
    path: &'static str,
    endpoint: Endpoint,
    operation: &'static str,
) -> Entry {
    Entry {
        method,
        path,
        endpoint,
        operation,
    }
}

const GET: Method = Method::GET;
const HEAD: Method = Method::HEAD;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const DELETE: Method = Method::DELETE;
const PATCH: Method = Method::PATCH;
const OPTIONS: Method = Method::OPTIONS;

/// Operations are those of supabase/storage, `src/http/routes/operations.ts`.
#[rustfmt::skip]
const TABLE: &[Entry] = &[
    on(GET, "/health", Endpoint::Health, ""),
    on(GET, "/status", Endpoint::Status, ""),
    on(GET, "/version", Endpoint::Version, ""),
    on(GET, "/bucket", Endpoint::ListBuckets, "bucket.list"),
    on(POST, "/bucket", Endpoint::CreateBucket, "bucket.create"),
    on(GET, "/bucket/{bucket}", Endpoint::GetBucket, "bucket.get"),
    on(PUT, "/bucket/{bucket}", Endpoint::UpdateBucket, "bucket.update"),
    on(DELETE, "/bucket/{bucket}", Endpoint::DeleteBucket, "bucket.delete"),
    on(POST, "/bucket/{bucket}/empty", Endpoint::EmptyBucket, "bucket.empty"),
    on(POST, "/object/{bucket}/{*key}", Endpoint::Upload, "object.upload"),
    on(PUT, "/object/{bucket}/{*key}", Endpoint::Update, "object.upload_update"),
    on(POST, "/object/upload/sign/{bucket}/{*key}", Endpoint::SignUpload, "object.sign_upload_url"),
    on(PUT, "/object/upload/sign/{bucket}/{*key}", Endpoint::UploadSigned, "object.upload_signed"),
    on(GET, "/object/{bucket}/{*key}", Endpoint::Download, "object.get_authenticated"),
    on(GET, "/object/authenticated/{bucket}/{*key}", Endpoint::DownloadAuthenticated, "object.get_authenticated"),
    on(GET, "/object/public/{bucket}/{*key}", Endpoint::DownloadPublic, "object.get_public"),
    on(GET, "/object/sign/{bucket}/{*key}", Endpoint::DownloadSigned, "object.get_signed"),
    on(HEAD, "/object/{bucket}/{*key}", Endpoint::Head, "object.head_authenticated_info"),
    on(HEAD, "/object/authenticated/{bucket}/{*key}", Endpoint::HeadAuthenticated, "object.head_authenticated_info"),
    on(HEAD, "/object/public/{bucket}/{*key}", Endpoint::HeadPublic, "object.info_public"),
    on(GET, "/object/info/{bucket}/{*key}", Endpoint::Info, "object.get_authenticated_info"),
    on(GET, "/object/info/authenticated/{bucket}/{*key}", Endpoint::InfoAuthenticated, "object.get_authenticated_info"),
    on(GET, "/object/info/public/{bucket}/{*key}", Endpoint::InfoPublic, "object.info_public"),
    on(POST, "/object/list/{bucket}", Endpoint::List, "object.list"),
    on(POST, "/object/list-v2/{bucket}", Endpoint::ListSecond, "object.list_v2"),
    on(POST, "/object/move", Endpoint::Move, "object.move"),
    on(POST, "/object/copy", Endpoint::Copy, "object.copy"),
    on(DELETE, "/object/{bucket}/{*key}", Endpoint::Delete, "object.delete"),
    on(DELETE, "/object/{bucket}", Endpoint::DeleteMany, "object.delete_many"),
    on(POST, "/object/sign/{bucket}/{*key}", Endpoint::Sign, "object.sign"),
    on(POST, "/object/sign/{bucket}", Endpoint::SignMany, "object.sign_many"),
    on(
        GET,
        "/render/image/authenticated/{bucket}/{*key}",
        Endpoint::Render(Seen::Authenticated),
        "render.image_authenticated",
    ),
    on(
        GET,
        "/render/image/public/{bucket}/{*key}",
        Endpoint::Render(Seen::Public),
        "render.image_public",
    ),
    on(
        GET,
        "/render/image/sign/{bucket}/{*key}",
        Endpoint::Render(Seen::Signed),
        "render.image_sign",
    ),
    on(
        OPTIONS,
        "/upload/resumable",
        Endpoint::Resumable(Resumable::Options, false),
        "tus.options",
    ),
    on(
        OPTIONS,
        "/upload/resumable/{*key}",
        Endpoint::Resumable(Resumable::Options, false),
        "tus.options",
    ),
    on(
        POST,
        "/upload/resumable",
        Endpoint::Resumable(Resumable::Create, false),
        "tus.upload.create",
    ),
    on(
        POST,
        "/upload/resumable/{*key}",
        Endpoint::Resumable(Resumable::Create, false),
        "tus.upload.create",
    ),
    on(
        HEAD,
        "/upload/resumable/{*key}",
        Endpoint::Resumable(Resumable::Look, false),
        "tus.upload.get",
    ),
    on(
        PATCH,
        "/upload/resumable/{*key}",
        Endpoint::Resumable(Resumable::Append, false),
        "tus.upload.part",
    ),
    on(
        DELETE,
        "/upload/resumable/{*key}",
        Endpoint::Resumable(Resumable::Delete, false),
        "tus.upload.delete",
    ),
    on(
        OPTIONS,
        "/upload/resumable/sign",
        Endpoint::Resumable(Resumable::Options, true),
        "tus.options_signed",
    ),
    on(
        OPTIONS,
        "/upload/resumable/sign/{*key}",
        Endpoint::Resumable(Resumable::Options, true),
        "tus.options_signed",
    ),
    on(
        POST,
        "/upload/resumable/sign",
        Endpoint::Resumable(Resumable::Create, true),
        "tus.upload.create_signed",
    ),
    on(
        POST,
        "/upload/resumable/sign/{*key}",
        Endpoint::Resumable(Resumable::Create, true),
        "tus.upload.create_signed",
    ),
    on(
        HEAD,
        "/upload/resumable/sign/{*key}",
        Endpoint::Resumable(Resumable::Look, true),
        "tus.upload.get_signed",
    ),
    on(
        PATCH,
        "/upload/resumable/sign/{*key}",
        Endpoint::Resumable(Resumable::Append, true),
        "tus.upload.part_signed",
    ),
    on(
        DELETE,
        "/upload/resumable/sign/{*key}",
        Endpoint::Resumable(Resumable::Delete, true),
        "tus.upload.delete_signed",
    ),
    on(
        GET,
        "/s3",
        Endpoint::S3,
        "s3",
    ),
    on(
        GET,
        "/s3/{*key}",
        Endpoint::S3,
        "s3",
    ),
    on(
        HEAD,
        "/s3",
        Endpoint::S3,
        "s3",
    ),
    on(
        HEAD,
        "/s3/{*key}",
        Endpoint::S3,
        "s3",
    ),
    on(
        PUT,
        "/s3",
        Endpoint::S3,
        "s3",
    ),
    on(
        PUT,
        "/s3/{*key}",
        Endpoint::S3,
        "s3",
    ),
    on(
        POST,
        "/s3",
        Endpoint::S3,
        "s3",
    ),
    on(
        POST,
        "/s3/{*key}",
        Endpoint::S3,
        "s3",
    ),
    on(
        DELETE,
        "/s3",
        Endpoint::S3,
        "s3",
    ),
    on(
        DELETE,
        "/s3/{*key}",
        Endpoint::S3,
        "s3",
    ),
    on(DELETE, "/cdn/{bucket}/{*key}", Endpoint::PurgeObject, "object.purge_cache"),
    on(DELETE, "/cdn/{bucket}", Endpoint::PurgeBucket, "bucket.purge_cache"),
];

static ROUTERS: LazyLock<HashMap<Method, Router<Endpoint>>> = LazyLock::new(|| {
    let mut routers = HashMap::<Method, Router<Endpoint>>::new();
    let mut insert = |method: &Method, entry: &Entry| {
        let router = routers.entry(method.clone()).or_default();
        router
            .insert(entry.path, entry.endpoint)
            .expect("the table's paths do not conflict");
    };
    for entry in TABLE {
        insert(&entry.method, entry);
    }
    for entry in TABLE.iter().filter(|entry| is_read_without_body(entry)) {
        insert(&HEAD, entry);
    }
    routers
});

/// Fastify answers HEAD wherever it answers GET, unless a path has a HEAD of its own; of one path
/// storage-api does not want that.
fn is_read_without_body(entry: &Entry) -> bool {
    let of_its_own = |other: &Entry| other.method == HEAD && other.path == entry.path;
    entry.method == GET && entry.endpoint != Endpoint::InfoPublic && !TABLE.iter().any(of_its_own)
}

impl Endpoint {
    /// What policies see as `storage.operation()`.
    pub fn operation(self) -> String {
        let entry = TABLE.iter().find(|entry| entry.endpoint == self);
        entry.map_or_else(String::new, |entry| format!("storage.{}", entry.operation))
    }
}

/// Where a request leads; `None` where there is no such route.
pub fn find(method: &Method, path: &str) -> Option<Route> {
    let router = ROUTERS.get(method)?;
    let found = router
        .at(path)
        .or_else(|_| router.at(path.strip_suffix('/').unwrap_or(path)))
        .ok()?;
    let mut malformed = false;
    let mut decoded = |name| {
        let text = found.params.get(name).unwrap_or_default();
        let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
        malformed |= decoded.is_err();
        decoded.unwrap_or_default().into_owned()
    };
    let (bucket, key) = (decoded("bucket"), decoded("key"));
    Some(Route {
        endpoint: *found.value,
        bucket,
        key,
        malformed,
    })
}

impl Route {
    /// Refuses a path whose encoding is no text's.
    pub fn check(&self, path: &str) -> Result<(), StorageError> {
        if self.malformed {
            let message = format!("'{path}' is not a valid url component");
            return Err(StorageError::invalid_request(message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(requests: &[&str], expected: Expect) {
        let found: String = requests
            .iter()
            .map(|request| {
                let (method, path) = request.split_once(' ').unwrap();
                match find(&method.parse().unwrap(), path) {
                    None => format!("{request} -\n"),
                    Some(route) => format!(
                        "{request} {:?} {:?} {:?} {}\n",
                        route.endpoint,
                        route.bucket,
                        route.key,
                        route.endpoint.operation()
                    ),
                }
            })
            .collect();
        expected.assert_eq(&found);
    }

    #[test]
    fn each_path_leads_to_its_endpoint() {
        check(
            &[
                "GET /bucket",
                "GET /bucket/",
                "GET /bucket/a%20b",
                "POST /bucket/a/empty",
                "PATCH /bucket/a",
                "POST /object/a/b/c.png",
                "POST /object/public/b/c.png",
                "GET /object/public/b/c.png",
                "GET /object/a/b/c.png",
                "GET /object/a/b//c.png",
                "GET /object/a/caf%C3%A9%2Fx",
                "GET /object/info/a/b",
                "GET /object/info/public/a/b",
                "HEAD /object/public/a/b",
                "HEAD /object/sign/a/b",
                "HEAD /object/info/a/b",
                "HEAD /object/info/public/a/b",
                "HEAD /object/a/b",
                "HEAD /bucket/a",
                "HEAD /render/image/public/a/b",
                "POST /object/sign/a",
                "POST /object/sign/a/b/c",
                "POST /object/upload/sign/a/b/c",
                "PUT /object/upload/sign/a/b/c",
                "DELETE /object/a",
                "DELETE /object/a/b",
                "POST /object/list/a",
                "POST /object/list-v2/a",
                "POST /object/list/a/b",
                "POST /object/copy",
                "GET /object/a",
                "DELETE /cdn/a/b/c",
                "DELETE /cdn/a",
                "GET /nowhere",
            ],
            expect![[r#"
                GET /bucket ListBuckets "" "" storage.bucket.list
                GET /bucket/ ListBuckets "" "" storage.bucket.list
                GET /bucket/a%20b GetBucket "a b" "" storage.bucket.get
                POST /bucket/a/empty EmptyBucket "a" "" storage.bucket.empty
                PATCH /bucket/a -
                POST /object/a/b/c.png Upload "a" "b/c.png" storage.object.upload
                POST /object/public/b/c.png Upload "public" "b/c.png" storage.object.upload
                GET /object/public/b/c.png DownloadPublic "b" "c.png" storage.object.get_public
                GET /object/a/b/c.png Download "a" "b/c.png" storage.object.get_authenticated
                GET /object/a/b//c.png Download "a" "b//c.png" storage.object.get_authenticated
                GET /object/a/caf%C3%A9%2Fx Download "a" "café/x" storage.object.get_authenticated
                GET /object/info/a/b Info "a" "b" storage.object.get_authenticated_info
                GET /object/info/public/a/b InfoPublic "a" "b" storage.object.info_public
                HEAD /object/public/a/b HeadPublic "a" "b" storage.object.info_public
                HEAD /object/sign/a/b DownloadSigned "a" "b" storage.object.get_signed
                HEAD /object/info/a/b Info "a" "b" storage.object.get_authenticated_info
                HEAD /object/info/public/a/b Info "public" "a/b" storage.object.get_authenticated_info
                HEAD /object/a/b Head "a" "b" storage.object.head_authenticated_info
                HEAD /bucket/a GetBucket "a" "" storage.bucket.get
                HEAD /render/image/public/a/b Render(Public) "a" "b" storage.render.image_public
                POST /object/sign/a SignMany "a" "" storage.object.sign_many
                POST /object/sign/a/b/c Sign "a" "b/c" storage.object.sign
                POST /object/upload/sign/a/b/c SignUpload "a" "b/c" storage.object.sign_upload_url
                PUT /object/upload/sign/a/b/c UploadSigned "a" "b/c" storage.object.upload_signed
                DELETE /object/a DeleteMany "a" "" storage.object.delete_many
                DELETE /object/a/b Delete "a" "b" storage.object.delete
                POST /object/list/a List "a" "" storage.object.list
                POST /object/list-v2/a ListSecond "a" "" storage.object.list_v2
                POST /object/list/a/b Upload "list" "a/b" storage.object.upload
                POST /object/copy Copy "" "" storage.object.copy
                GET /object/a -
                DELETE /cdn/a/b/c PurgeObject "a" "b/c" storage.object.purge_cache
                DELETE /cdn/a PurgeBucket "a" "" storage.bucket.purge_cache
                GET /nowhere -
            "#]],
        );
    }
}
