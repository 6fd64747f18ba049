//! The protocol's documents: what is answered, and what clients send.
//!
//! The names and their order are storage-api's, which has no namespace on them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

const DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#;

/// A document as bytes. What is given is of our own types, which XML can always hold.
pub fn document(root: &str, value: &impl Serialize) -> Bytes {
    let body = quick_xml::se::to_string_with_root(root, value).unwrap_or_default();
    [DECLARATION, &body].concat().into()
}

/// Reads a document that a client sent.
pub fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    quick_xml::de::from_str(text).ok()
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Error<'a> {
    pub resource: &'a str,
    pub code: &'a str,
    pub message: &'a str,
    pub request_id: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListAllMyBucketsResult {
    pub buckets: Buckets,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Buckets {
    pub bucket: Vec<Bucket>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Bucket {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_date: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VersioningConfiguration {
    pub status: &'static str,
    pub mfa_delete: &'static str,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListBucketResult {
    pub name: String,
    pub prefix: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_after: Option<String>,
    pub contents: Vec<Content>,
    pub is_truncated: bool,
    pub max_keys: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_count: Option<usize>,
    pub common_prefixes: Vec<CommonPrefix>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_continuation_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Content {
    pub key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    #[serde(rename = "ETag", skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    pub size: u64,
    pub storage_class: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CommonPrefix {
    pub prefix: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListMultipartUploadsResult {
    pub bucket: String,
    pub prefix: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_marker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_id_marker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_key_marker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_upload_id_marker: Option<String>,
    pub upload: Vec<Upload>,
    pub is_truncated: bool,
    pub max_uploads: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding_type: Option<String>,
    pub common_prefixes: Vec<CommonPrefix>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Upload {
    pub key: String,
    pub initiated: String,
    pub upload_id: String,
    pub storage_class: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InitiateMultipartUploadResult<'a> {
    pub bucket: &'a str,
    pub key: &'a str,
    pub upload_id: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CompleteMultipartUploadResult<'a> {
    pub location: &'a str,
    pub bucket: &'a str,
    pub key: &'a str,
    #[serde(rename = "ETag")]
    pub etag: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListPartsResult<'a> {
    pub bucket: &'a str,
    pub key: &'a str,
    pub upload_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_number_marker: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_part_number_marker: Option<u32>,
    pub max_parts: usize,
    pub is_truncated: bool,
    pub part: Vec<Part>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Part {
    pub part_number: u32,
    pub last_modified: String,
    #[serde(rename = "ETag")]
    pub etag: String,
    pub size: u64,
}

/// The answer to a copy: of an object or of a part.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CopyResult {
    #[serde(rename = "ETag")]
    pub etag: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tagging {
    pub tag_set: (),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteResult {
    pub deleted: Vec<Deleted>,
    pub error: Vec<NotDeleted>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Deleted {
    pub key: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NotDeleted {
    pub key: String,
    pub code: &'static str,
    pub message: &'static str,
}

/// What to delete.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Delete {
    #[serde(rename = "Object", default)]
    pub objects: Vec<ObjectKey>,
    /// Whether to be silent about what was deleted.
    #[serde(default)]
    pub quiet: bool,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ObjectKey {
    pub key: String,
}

/// Which parts make an object.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub struct CompleteMultipartUpload {
    #[serde(rename = "Part", default)]
    pub parts: Vec<CompletedPart>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CompletedPart {
    pub part_number: u32,
    #[serde(rename = "ETag")]
    pub etag: String,
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(root: &str, value: &impl Serialize, expected: Expect) {
        let bytes = document(root, value);
        let text = std::str::from_utf8(&bytes).unwrap();
        expected.assert_eq(text.strip_prefix(DECLARATION).unwrap());
    }

    #[test]
    fn documents_are_written() {
        let error = Error {
            resource: "photos/a<b>.png",
            code: "NoSuchKey",
            message: "Object not found",
            request_id: "1",
        };
        check(
            "Error",
            &error,
            expect![
                "<Error><Resource>photos/a&lt;b&gt;.png</Resource><Code>NoSuchKey</Code><Message>Object not found</Message><RequestId>1</RequestId></Error>"
            ],
        );
        let list = ListBucketResult {
            name: "photos".to_owned(),
            contents: vec![Content {
                key: "a & b".to_owned(),
                last_modified: None,
                etag: Some("\"e\"".to_owned()),
                size: 3,
                storage_class: "STANDARD",
            }],
            common_prefixes: vec![CommonPrefix {
                prefix: "x/".to_owned(),
            }],
            max_keys: 1000,
            ..ListBucketResult::default()
        };
        check(
            "ListBucketResult",
            &list,
            expect![[
                r#"<ListBucketResult><Name>photos</Name><Prefix/><Contents><Key>a &amp; b</Key><ETag>"e"</ETag><Size>3</Size><StorageClass>STANDARD</StorageClass></Contents><IsTruncated>false</IsTruncated><MaxKeys>1000</MaxKeys><CommonPrefixes><Prefix>x/</Prefix></CommonPrefixes></ListBucketResult>"#
            ]],
        );
        check(
            "Tagging",
            &Tagging { tag_set: () },
            expect!["<Tagging><TagSet/></Tagging>"],
        );
        check(
            "LocationConstraint",
            &"local",
            expect!["<LocationConstraint>local</LocationConstraint>"],
        );
    }

    #[test]
    fn documents_are_read() {
        let text = r#"<?xml version="1.0"?><Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
            <Object><Key>a &amp; &#233; b</Key></Object><Object><Key>c</Key><VersionId>1</VersionId></Object>
            <Quiet>true</Quiet></Delete>"#;
        let delete: Delete = parse(text).unwrap();
        assert!(delete.quiet);
        let keys: Vec<&str> = delete.objects.iter().map(|object| &*object.key).collect();
        assert_eq!(keys, ["a & é b", "c"]);
        let text = "<CompleteMultipartUpload><Part><ETag>&quot;x&quot;</ETag><PartNumber>2</PartNumber><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></CompleteMultipartUpload>";
        let complete: CompleteMultipartUpload = parse(text).unwrap();
        assert_eq!(complete.parts[0].part_number, 2);
        assert_eq!(complete.parts[0].etag, "\"x\"");
        assert_eq!(parse::<Delete>("<Delete><Object></Delete>"), None);
        assert_eq!(parse::<CompleteMultipartUpload>("nonsense"), None);
    }
}
