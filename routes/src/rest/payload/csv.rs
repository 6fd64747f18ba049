//! CSV bodies (RFC 4180) as a JSON array: one object a record, every value a string, `NULL` null.

use super::{Payload, PayloadError, json};

/// Reads a header and records. Blank lines are skipped, fields beyond the header are dropped.
pub(super) fn read(body: &[u8]) -> Result<Payload, PayloadError> {
    let body = std::str::from_utf8(body).map_err(|_invalid| PayloadError::Encoding)?;
    let mut records = Records { rest: body };
    let header = records.header()?;
    let mut names = Vec::with_capacity(header.len());
    for name in &header {
        names.push(quoted(name)?);
    }
    let mut text = String::with_capacity(body.len() * 2);
    let mut width = None;
    while let Some(record) = records.next()? {
        let fields = record.len().min(names.len());
        if *width.get_or_insert(fields) != fields {
            return Err(PayloadError::Fields);
        }
        text.push_str(if text.is_empty() { "[" } else { "," });
        for (index, (name, value)) in names.iter().zip(&record).enumerate() {
            text.push(if index == 0 { '{' } else { ',' });
            text.push_str(name);
            text.push(':');
            if value == "NULL" {
                text.push_str("null");
            } else {
                text.push_str(&quoted(value)?);
            }
        }
        text.push('}');
    }
    let Some(width) = width else {
        return Ok(json::nothing());
    };
    text.push(']');
    let mut keys = header.into_iter().take(width).collect::<Vec<_>>();
    keys.sort();
    keys.dedup();
    Ok(Payload::Json {
        text: text.into(),
        keys,
        is_array: true,
        is_empty_array: false,
    })
}

fn quoted(text: &str) -> Result<String, PayloadError> {
    serde_json::to_string(text).map_err(|_impossible| PayloadError::InvalidJson)
}

struct Records<'a> {
    rest: &'a str,
}

impl Records<'_> {
    /// The first record, which a line end must follow.
    fn header(&mut self) -> Result<Vec<String>, PayloadError> {
        let header = self.record()?;
        if self.line_end() {
            Ok(header)
        } else {
            Err(self.broken("not enough input"))
        }
    }

    /// The next record that is not a blank line.
    fn next(&mut self) -> Result<Option<Vec<String>>, PayloadError> {
        while !self.rest.is_empty() {
            let record = self.record()?;
            if !self.line_end() && !self.rest.is_empty() {
                return Err(self.broken("endOfInput"));
            }
            if record.iter().any(|field| !field.is_empty()) || record.len() > 1 {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    fn record(&mut self) -> Result<Vec<String>, PayloadError> {
        let mut fields = vec![self.field()?];
        while let Some(rest) = self.rest.strip_prefix(',') {
            self.rest = rest;
            fields.push(self.field()?);
        }
        Ok(fields)
    }

    fn field(&mut self) -> Result<String, PayloadError> {
        let Some(mut quoted) = self.rest.strip_prefix('"') else {
            let end = self.rest.find(['\n', '\r', ',', '"']);
            return Ok(self.take(end.unwrap_or(self.rest.len())).to_owned());
        };
        let mut field = String::new();
        while let Some((before, after)) = quoted.split_once('"') {
            field.push_str(before);
            let Some(after_escape) = after.strip_prefix('"') else {
                self.rest = after;
                return Ok(field);
            };
            field.push('"');
            quoted = after_escape;
        }
        self.rest = "";
        Err(self.broken("not enough input"))
    }

    fn line_end(&mut self) -> bool {
        let rest = ["\r\n", "\n", "\r"]
            .into_iter()
            .find_map(|end| self.rest.strip_prefix(end));
        if let Some(rest) = rest {
            self.rest = rest;
        }
        rest.is_some()
    }

    fn take(&mut self, bytes: usize) -> &str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn broken(&self, reason: &'static str) -> PayloadError {
        PayloadError::InvalidCsv {
            reason,
            rest: self.rest.chars().take(100).collect(),
        }
    }
}
