//! POST policies: what a signed document allows a form to upload.
//!
//! Source: "Creating a POST policy" of the S3 API reference; the messages are storage-api's.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{date::AmzDate, signature::SignatureError};
use crate::world::Timestamp;

/// Fields that need no condition: they are the signature itself.
const EXEMPT: [&str; 6] = [
    "policy",
    "x-amz-signature",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-security-token",
];

/// Why a form is not what its policy allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyError {
    Signature(SignatureError),
    /// A condition is not met; the text says which.
    Denied(String),
}

impl From<SignatureError> for PolicyError {
    fn from(error: SignatureError) -> Self {
        Self::Signature(error)
    }
}

/// How many bytes a policy allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    pub least: u64,
    pub most: u64,
}

/// A policy: until when it is good, and what must be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    expiration: AmzDate,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Equals { field: String, value: String },
    StartsWith { field: String, value: String },
    Lengths(Lengths),
}

const fn invalid(text: &'static str) -> SignatureError {
    SignatureError::Invalid(text)
}

impl Policy {
    /// Reads the base64 of a policy.
    pub fn parse(encoded: &str) -> Result<Self, SignatureError> {
        let unreadable = || invalid("Invalid POST policy");
        let bytes = STANDARD
            .decode(encoded)
            .map_err(|_not_base64| unreadable())?;
        let document: Value = serde_json::from_slice(&bytes).map_err(|_not_json| unreadable())?;
        let expiration = document
            .get("expiration")
            .and_then(Value::as_str)
            .ok_or(invalid("Missing policy expiration"))?;
        let expiration =
            AmzDate::parse_iso(expiration).ok_or(invalid("Invalid policy expiration"))?;
        let conditions = document
            .get("conditions")
            .and_then(Value::as_array)
            .ok_or(invalid("Invalid policy conditions"))?;
        let conditions = conditions
            .iter()
            .map(Condition::parse)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            expiration,
            conditions,
        })
    }

    /// Whether the policy allows these fields in this bucket; gives the lengths it allows. Every
    /// field must be named by a condition: who holds a policy may add none of his own.
    pub fn check(
        &self,
        fields: &[(String, String)],
        bucket: &str,
        now: Timestamp,
    ) -> Result<Option<Lengths>, PolicyError> {
        if self.expiration.seconds() < now.seconds() {
            return Err(SignatureError::Expired.into());
        }
        let mut named: Vec<(String, &str)> = fields
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
            .filter(|(name, _)| name != "bucket")
            .collect();
        named.push(("bucket".to_owned(), bucket));
        for (index, (name, _)) in named.iter().enumerate() {
            if named.iter().take(index).any(|(other, _)| other == name) {
                return Err(invalid("Duplicate form field in POST policy request").into());
            }
        }
        for condition in &self.conditions {
            condition.check(&named)?;
        }
        let is_covered = |name: &str| {
            let mut conditions = self.conditions.iter();
            conditions.any(|condition| condition.field() == Some(name))
        };
        let exempt = |name: &str| EXEMPT.contains(&name) || name.starts_with("x-ignore-");
        let stray = named
            .iter()
            .find(|(name, _)| !exempt(name) && !is_covered(name));
        if let Some((name, _)) = stray {
            let message =
                format!("Policy condition failed: field \"{name}\" is not covered by the policy");
            return Err(PolicyError::Denied(message));
        }
        Ok(self
            .conditions
            .iter()
            .find_map(|condition| match condition {
                Condition::Lengths(lengths) => Some(*lengths),
                Condition::Equals { .. } | Condition::StartsWith { .. } => None,
            }))
    }
}

impl Condition {
    fn parse(value: &Value) -> Result<Self, SignatureError> {
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        match value {
            Value::Object(pairs) if pairs.len() == 1 => {
                let pair = pairs.iter().next();
                let (field, value) = pair.ok_or(invalid("Invalid policy condition"))?;
                Ok(Self::Equals {
                    field: field.to_ascii_lowercase(),
                    value: text(value).ok_or(invalid("Invalid policy condition"))?,
                })
            }
            Value::Array(parts) => {
                let [operator, first, second] = parts.as_slice() else {
                    return Err(invalid("Unsupported policy condition"));
                };
                let number = |value: &Value| {
                    let number = text(value).and_then(|text| text.parse().ok());
                    number.ok_or(invalid("Invalid policy condition"))
                };
                let field = || {
                    let field = first.as_str().and_then(|field| field.strip_prefix('$'));
                    let field = field.ok_or(invalid("Invalid policy condition"))?;
                    Ok(field.to_ascii_lowercase())
                };
                let value = || text(second).ok_or(invalid("Invalid policy condition"));
                match operator.as_str() {
                    Some("eq") => Ok(Self::Equals {
                        field: field()?,
                        value: value()?,
                    }),
                    Some("starts-with") => Ok(Self::StartsWith {
                        field: field()?,
                        value: value()?,
                    }),
                    Some("content-length-range") => Ok(Self::Lengths(Lengths {
                        least: number(first)?,
                        most: number(second)?,
                    })),
                    _ => Err(invalid("Unsupported policy condition")),
                }
            }
            Value::Object(_) => Err(invalid("Invalid policy condition")),
            _ => Err(invalid("Unsupported policy condition")),
        }
    }

    fn field(&self) -> Option<&str> {
        match self {
            Self::Equals { field, .. } | Self::StartsWith { field, .. } => Some(field),
            Self::Lengths(_) => None,
        }
    }

    fn check(&self, fields: &[(String, &str)]) -> Result<(), PolicyError> {
        let found = |wanted: &str| {
            let mut fields = fields.iter();
            let found = fields.find(|(name, _)| name == wanted);
            found.map(|(_, value)| *value)
        };
        let message = match self {
            Self::Equals { field, value } if found(field) != Some(value) => {
                format!("Policy condition failed: \"{field}\" does not match")
            }
            Self::StartsWith { field, value }
                if !found(field).is_some_and(|found| found.starts_with(value)) =>
            {
                format!("Policy condition failed: \"{field}\" does not start with \"{value}\"")
            }
            Self::Equals { .. } | Self::StartsWith { .. } | Self::Lengths(_) => return Ok(()),
        };
        Err(PolicyError::Denied(message))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const NOW: Timestamp = Timestamp(1_451_476_800_000);

    fn check(policy: &str, fields: &[(&str, &str)], expected: Expect) {
        let fields: Vec<(String, String)> = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let checked = Policy::parse(&STANDARD.encode(policy))
            .map_err(PolicyError::from)
            .and_then(|policy| policy.check(&fields, "photos", NOW));
        expected.assert_eq(&format!("{checked:?}"));
    }

    #[test]
    fn a_form_must_meet_every_condition() {
        let policy = r#"{"expiration":"2015-12-30T13:00:00.000Z","conditions":[
            {"bucket":"photos"},["starts-with","$key","user/eric/"],["eq","$Content-Type","image/png"],
            ["content-length-range",1,1024]]}"#;
        let key = ("Key", "user/eric/a.png");
        let kind = ("content-type", "image/png");
        check(
            policy,
            &[key, kind],
            expect!["Ok(Some(Lengths { least: 1, most: 1024 }))"],
        );
        check(
            policy,
            &[("key", "user/mallory/a.png"), kind],
            expect![[
                r#"Err(Denied("Policy condition failed: \"key\" does not start with \"user/eric/\""))"#
            ]],
        );
        check(
            policy,
            &[key, ("Content-Type", "text/html")],
            expect![[r#"Err(Denied("Policy condition failed: \"content-type\" does not match"))"#]],
        );
        check(
            policy,
            &[key, kind, ("x-amz-meta-owner", "mallory")],
            expect![[
                r#"Err(Denied("Policy condition failed: field \"x-amz-meta-owner\" is not covered by the policy"))"#
            ]],
        );
        check(
            policy,
            &[key, kind, ("KEY", "user/eric/b.png")],
            expect![[r#"Err(Signature(Invalid("Duplicate form field in POST policy request")))"#]],
        );
        check(
            policy,
            &[key, kind, ("bucket", "others")],
            expect!["Ok(Some(Lengths { least: 1, most: 1024 }))"],
        );
    }

    #[test]
    fn a_policy_that_cannot_be_read_allows_nothing() {
        check(
            "{",
            &[],
            expect![[r#"Err(Signature(Invalid("Invalid POST policy")))"#]],
        );
        check(
            r#"{"conditions":[]}"#,
            &[],
            expect![[r#"Err(Signature(Invalid("Missing policy expiration")))"#]],
        );
        check(
            r#"{"expiration":"2015-12-30T11:59:59Z","conditions":[{"bucket":"photos"}]}"#,
            &[],
            expect!["Err(Signature(Expired))"],
        );
        check(
            r#"{"expiration":"2016-01-01T00:00:00Z","conditions":[["ends-with","$key","x"]]}"#,
            &[],
            expect![[r#"Err(Signature(Invalid("Unsupported policy condition")))"#]],
        );
        check(
            r#"{"expiration":"2016-01-01T00:00:00Z","conditions":[]}"#,
            &[],
            expect![[
                r#"Err(Denied("Policy condition failed: field \"bucket\" is not covered by the policy"))"#
            ]],
        );
    }
}
