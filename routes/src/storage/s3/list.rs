//! Lists of objects: from a key on, or from where the page before ended.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Response;

use super::{Request, S3Error, answer_with, bucket, signature, xml};
use crate::{
    Body, World,
    storage::sql::{self, s3::Entry},
};

/// The most entries of a page.
const MOST: usize = 1000;

/// What stands directly behind a name in the order of names: no key has that character.
const BEHIND: &str = "\u{1}";

struct Page {
    entries: Vec<Entry>,
    /// Where the next page begins: behind the last entry.
    next: Option<After>,
    limit: usize,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
enum After {
    /// Behind a key.
    Key(String),
    /// Behind everything in a folder; the delimiter at its end is left out.
    Folder(String),
}

impl After {
    fn encode(&self) -> String {
        let (kind, name) = match self {
            Self::Key(name) => ("k:", name),
            Self::Folder(name) => ("f:", name),
        };
        URL_SAFE_NO_PAD.encode([kind, name].concat())
    }

    fn decode(token: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        match text.split_once(':')? {
            ("k", name) => Some(Self::Key(name.to_owned())),
            ("f", name) => Some(Self::Folder(name.to_owned())),
            _ => None,
        }
    }
}

async fn page<W: World>(
    request: &Request<'_, W>,
    delimiter: &str,
    after: Option<After>,
) -> Result<Page, S3Error> {
    bucket::any(request).await?;
    let limit = request.number("max-keys")?.unwrap_or(MOST).min(MOST);
    let bucket = &request.target.bucket;
    let prefix = request.parameter("prefix").unwrap_or_default();
    let statement = match (delimiter, after) {
        ("", after) => {
            let after = match &after {
                Some(After::Key(name) | After::Folder(name)) => name,
                None => "",
            };
            sql::s3::list_all(bucket, prefix, after, limit + 1)
        }
        (_, after) => {
            let after = match after {
                // A folder may have the name of a key, and comes behind it.
                Some(After::Key(name)) => [&name, BEHIND].concat(),
                Some(After::Folder(name)) => name,
                None => String::new(),
            };
            sql::s3::list(bucket, prefix, delimiter, &after, limit + 1)
        }
    };
    let session = request.context.as_caller(&request.caller).read_only();
    let found = request.context.database().one(&session, statement).await?;
    let mut entries: Vec<Entry> = sql::values(&found).collect();
    let is_truncated = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| is_truncated);
    let next = next.map(|entry| match entry.id {
        Some(_) => After::Key(entry.name.clone()),
        None => After::Folder(entry.name.clone()),
    });
    Ok(Page {
        entries,
        next,
        limit,
    })
}

fn result<W: World>(
    request: &Request<'_, W>,
    page: Page,
    delimiter: &str,
) -> Result<xml::ListBucketResult, S3Error> {
    let encodes = request.encodes()?;
    let shown = |text: &str| shown(text, encodes);
    let mut result = xml::ListBucketResult {
        name: request.target.bucket.clone(),
        prefix: shown(request.parameter("prefix").unwrap_or_default()),
        is_truncated: page.next.is_some(),
        max_keys: page.limit,
        delimiter: (!delimiter.is_empty()).then(|| shown(delimiter)),
        encoding_type: encodes.then(|| "url".to_owned()),
        ..xml::ListBucketResult::default()
    };
    for entry in page.entries {
        let metadata = entry.metadata.unwrap_or_default();
        if entry.id.is_some() {
            result.contents.push(xml::Content {
                key: shown(&entry.name),
                last_modified: entry.updated_at,
                etag: metadata["eTag"].as_str().map(str::to_owned),
                size: metadata["size"].as_u64().unwrap_or_default(),
                storage_class: "STANDARD",
            });
        } else {
            let prefix = shown(&[&entry.name, delimiter].concat());
            result.common_prefixes.push(xml::CommonPrefix { prefix });
        }
    }
    Ok(result)
}

pub(super) fn shown(text: &str, encodes: bool) -> String {
    if encodes {
        signature::encode(text)
    } else {
        text.to_owned()
    }
}

pub(super) async fn first<W: World>(request: &Request<'_, W>) -> Result<Response<Body>, S3Error> {
    let delimiter = request.parameter("delimiter").unwrap_or_default();
    let encodes = request.encodes()?;
    let marker = request.parameter("marker").unwrap_or_default();
    let after = match marker.strip_suffix(delimiter) {
        // What the page before named as its end.
        Some(folder) if !delimiter.is_empty() && !folder.is_empty() => {
            Some(After::Folder(folder.to_owned()))
        }
        _ if marker.is_empty() => None,
        _ => Some(After::Key(marker.to_owned())),
    };
    let page = page(request, delimiter, after).await?;
    let next = page.next.clone().filter(|_| !delimiter.is_empty());
    let mut result = result(request, page, delimiter)?;
    result.marker = Some(shown(marker, encodes));
    result.next_marker = next.map(|next| match next {
        After::Key(name) => shown(&name, encodes),
        After::Folder(name) => shown(&[&name, delimiter].concat(), encodes),
    });
    Ok(answer_with("ListBucketResult", &result))
}

pub(super) async fn second<W: World>(request: &Request<'_, W>) -> Result<Response<Body>, S3Error> {
    let delimiter = request.parameter("delimiter").unwrap_or_default();
    let token = request.parameter("continuation-token");
    let start = request.parameter("start-after");
    let after = match (token, start) {
        (Some(token), _) => {
            let invalid = || S3Error::invalid_parameter("continuation token");
            Some(After::decode(token).ok_or_else(invalid)?)
        }
        (None, Some(start)) if !start.is_empty() => Some(After::Key(start.to_owned())),
        (None, _) => None,
    };
    let page = page(request, delimiter, after).await?;
    let next = page.next.as_ref().map(After::encode);
    let encodes = request.encodes()?;
    let mut result = result(request, page, delimiter)?;
    result.key_count = Some(result.contents.len() + result.common_prefixes.len());
    result.continuation_token = token.map(str::to_owned);
    result.start_after = start.map(|start| shown(start, encodes));
    result.next_continuation_token = next;
    Ok(answer_with("ListBucketResult", &result))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_as_they_were_written() {
        for after in [
            After::Key("a/b c.txt".to_owned()),
            After::Folder("é:x".to_owned()),
        ] {
            assert_eq!(After::decode(&after.encode()), Some(after));
        }
        for token in [
            "",
            "x",
            "!",
            &URL_SAFE_NO_PAD.encode("x:y"),
            &URL_SAFE_NO_PAD.encode("k"),
        ] {
            assert_eq!(After::decode(token), None, "{token}");
        }
    }
}
