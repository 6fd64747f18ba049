//! `response.headers` and `response.status`: what SQL says of the response.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value};

use super::Draft;
use crate::ApiError;

/// Headers that replace those of the same name, and a status.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    headers: Vec<(HeaderName, HeaderValue)>,
    status: Option<StatusCode>,
}

impl Overrides {
    /// Reads the two settings.
    pub(super) fn read((headers, status): (Option<&str>, Option<&str>)) -> Result<Self, ApiError> {
        let status = status.map(read_status).transpose()?;
        let headers = headers.map(read_headers).transpose()?;
        Ok(Self {
            headers: headers.unwrap_or_default(),
            status,
        })
    }

    pub(super) fn apply(self, draft: &mut Draft) {
        for (name, _) in &self.headers {
            draft.headers.remove(name);
        }
        for (name, value) in self.headers {
            draft.headers.append(name, value);
        }
        if let Some(status) = self.status {
            draft.status = status;
        }
    }
}

fn read_status(text: &str) -> Result<StatusCode, ApiError> {
    text.parse().map_err(|_invalid| {
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "PGRST112",
            "response.status guc must be a valid status code",
        )
    })
}

/// An array of objects, each with one header's name and value.
fn read_headers(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, ApiError> {
    let read = || -> Option<Vec<_>> {
        let objects: Vec<Map<String, Value>> = serde_json::from_str(text).ok()?;
        objects
            .into_iter()
            .map(|object| {
                let mut pairs = object.into_iter();
                match (pairs.next(), pairs.next()) {
                    (Some((name, Value::String(value))), None) => {
                        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
                        let value = HeaderValue::from_maybe_shared(Bytes::from(value)).ok()?;
                        Some((name, value))
                    }
                    _ => None,
                }
            })
            .collect()
    };
    read().ok_or_else(|| {
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "PGRST111",
            "response.headers guc must be a JSON array composed of objects with a single key and \
             a string value",
        )
    })
}
