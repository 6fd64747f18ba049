//! What a request says about who signed it: in `Authorization`, in the query or in a form.

use http::HeaderMap;

use super::{ALGORITHM, SignatureError, date};
use crate::storage::s3::date::AmzDate;

/// What a signature is good for: whose it is, on which day, where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    pub access_key: String,
    /// `YYYYMMDD`.
    pub date: String,
    pub region: String,
    pub service: String,
}

impl Scope {
    /// Reads `<access key>/<date>/<region>/<service>/aws4_request`.
    fn parse(text: &str) -> Result<Self, SignatureError> {
        let mut parts = text.split('/').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        let scope = Self {
            access_key: next(),
            date: next(),
            region: next(),
            service: next(),
        };
        if next() == "aws4_request" && parts.next().is_none() {
            Ok(scope)
        } else {
            Err(SignatureError::Invalid("Invalid credentials"))
        }
    }

    /// The scope as it stands in what is signed.
    pub fn text(&self) -> String {
        let parts = [&self.date, &self.region, &self.service, "aws4_request"];
        parts.join("/")
    }
}

/// What a claim says of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// Its SHA-256 is part of what is signed.
    Hash(&'a str),
    Unsigned,
    /// It comes in chunks, each with a signature of its own.
    SignedChunks {
        trailer: bool,
    },
    /// It comes in chunks without signatures, and a trailer follows.
    UnsignedChunks,
    /// Nothing that anyone has defined.
    Unknown,
}

/// What a request says about its signature; nothing of it is believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub scope: Scope,
    /// When it was signed.
    pub date: AmzDate,
    /// The headers that are signed, in the order the client names them.
    pub headers: Vec<String>,
    /// Lower-case hexadecimal.
    pub signature: String,
    /// A JWT: who the request is for.
    pub session_token: Option<String>,
    /// `x-amz-content-sha256`.
    pub content: Option<String>,
    /// How long a presigned URL lives, in seconds.
    pub expires: Option<u64>,
    /// Whether the signature stands in the URL.
    pub presigned: bool,
}

const MALFORMED: SignatureError = SignatureError::Invalid("Invalid signature format");

impl Claim {
    /// The claim of a request's headers or of its query.
    ///
    /// An `Authorization` of another kind does not hide a presigned URL's signature: a browser or a
    /// proxy may have added it.
    pub fn read(headers: &HeaderMap, query: &[(String, String)]) -> Result<Self, SignatureError> {
        let authorization = text(headers, "authorization").unwrap_or_default();
        if let Some(fields) = authorization.strip_prefix(ALGORITHM)
            && fields.starts_with(' ')
        {
            return Self::of_header(fields, headers);
        }
        if query.iter().any(|(name, _)| name == "X-Amz-Credential") {
            return Self::of_fields(&|wanted| {
                let found = query.iter().find(|(name, _)| name == wanted);
                found.map(|(_, value)| value.clone())
            });
        }
        Err(SignatureError::Missing)
    }

    fn of_header(fields: &str, headers: &HeaderMap) -> Result<Self, SignatureError> {
        let field = |wanted: &str| {
            let mut pairs = fields.split(',').filter_map(|pair| pair.split_once('='));
            let found = pairs.find(|(name, _)| name.trim() == wanted);
            found.map(|(_, value)| value.trim()).ok_or(MALFORMED)
        };
        Ok(Self {
            scope: Scope::parse(field("Credential")?)?,
            date: date(text(headers, "x-amz-date").ok_or(MALFORMED)?)?,
            headers: names(field("SignedHeaders")?),
            signature: field("Signature")?.to_owned(),
            session_token: text(headers, "x-amz-security-token").map(str::to_owned),
            content: text(headers, "x-amz-content-sha256").map(str::to_owned),
            expires: None,
            presigned: false,
        })
    }

    /// The claim of a presigned URL's parameters.
    fn of_fields(field: &dyn Fn(&str) -> Option<String>) -> Result<Self, SignatureError> {
        let expires = match field("X-Amz-Expires") {
            None => None,
            Some(text) => {
                let seconds = text.parse::<u64>();
                Some(
                    seconds
                        .map_err(|_not_a_number| SignatureError::Invalid("Invalid expiration"))?,
                )
            }
        };
        Ok(Self {
            scope: Scope::parse(&field("X-Amz-Credential").ok_or(MALFORMED)?)?,
            date: date(&field("X-Amz-Date").ok_or(MALFORMED)?)?,
            headers: names(&field("X-Amz-SignedHeaders").ok_or(MALFORMED)?),
            signature: field("X-Amz-Signature").ok_or(MALFORMED)?,
            session_token: field("X-Amz-Security-Token"),
            content: field("X-Amz-Content-Sha256"),
            expires,
            presigned: true,
        })
    }

    /// The claim of a POST form's fields, whose names count in any case.
    pub fn of_form(fields: &[(String, String)]) -> Result<Self, SignatureError> {
        let field = |wanted: &str| {
            let mut fields = fields.iter();
            let found = fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.clone())
        };
        Ok(Self {
            scope: Scope::parse(&field("X-Amz-Credential").ok_or(MALFORMED)?)?,
            date: date(&field("X-Amz-Date").ok_or(MALFORMED)?)?,
            headers: Vec::new(),
            signature: field("X-Amz-Signature").ok_or(MALFORMED)?,
            session_token: field("X-Amz-Security-Token"),
            content: None,
            expires: None,
            presigned: false,
        })
    }

    /// What the body is said to be; `None` where the claim says nothing.
    pub fn payload(&self) -> Option<Payload<'_>> {
        let content = self.content.as_deref()?;
        Some(match content {
            "UNSIGNED-PAYLOAD" => Payload::Unsigned,
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Payload::SignedChunks { trailer: false },
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Payload::SignedChunks { trailer: true },
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Payload::UnsignedChunks,
            hash if hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                Payload::Hash(hash)
            }
            _ => Payload::Unknown,
        })
    }
}

fn names(list: &str) -> Vec<String> {
    list.split(';').map(str::to_ascii_lowercase).collect()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
