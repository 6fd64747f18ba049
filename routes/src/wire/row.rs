//! Rows: the columns of a `DataRow`, as text.

use std::ops::Range;

use bytes::Bytes;

use super::Malformed;

/// The columns of a row, in text format, without a copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    storage: Bytes,
    /// Where each value stands in `storage`; `None` is NULL.
    columns: Vec<Option<Range<usize>>>,
}

impl Row {
    /// The number of columns.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The bytes of a column; `None` where it is NULL or there is no such column.
    pub fn get(&self, column: usize) -> Option<&[u8]> {
        let range = self.columns.get(column)?.clone()?;
        self.storage.get(range)
    }

    /// The text of a column; `None` where it is NULL, absent, or not UTF-8.
    pub fn text(&self, column: usize) -> Option<&str> {
        std::str::from_utf8(self.get(column)?).ok()
    }

    /// A column's value that shares the row's memory.
    pub fn bytes(&self, column: usize) -> Option<Bytes> {
        let range = self.columns.get(column)?.clone()?;
        Some(self.storage.slice(range))
    }

    /// The values in order; NULL is `None`.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&[u8]>> {
        (0..self.len()).map(|column| self.get(column))
    }

    /// Parses the body of a `DataRow`: a count, then a length and a value for each column.
    pub(super) fn parse(body: Bytes) -> Result<Self, Malformed> {
        let count = read_count(&body).ok_or(Malformed::Row)?;
        let mut columns = Vec::with_capacity(usize::from(count));
        let mut position = COUNT_SIZE;
        for _ in 0..count {
            match Value::parse(&body, position)? {
                Some(value) if value.end <= body.len() => {
                    position = value.end;
                    columns.push(value.range);
                }
                Some(_) | None => return Err(Malformed::Row),
            }
        }
        if position != body.len() {
            return Err(Malformed::Row);
        }
        Ok(Self {
            storage: body,
            columns,
        })
    }

    pub(super) fn from_parts(storage: Bytes, columns: Vec<Option<Range<usize>>>) -> Self {
        Self { storage, columns }
    }
}

/// The size of the column count that starts a row.
pub(super) const COUNT_SIZE: usize = 2;

/// The number of columns, if its two bytes are there.
pub(super) fn read_count(body: &[u8]) -> Option<u16> {
    let (count, _) = body.split_first_chunk::<COUNT_SIZE>()?;
    Some(u16::from_be_bytes(*count))
}

/// Where one value of a row stands; its bytes need not have arrived.
#[derive(Debug)]
pub(super) struct Value {
    /// `None` is NULL.
    pub(super) range: Option<Range<usize>>,
    /// Where the next value's length stands.
    pub(super) end: usize,
}

impl Value {
    /// The value whose length stands at `position`; `None` while the length has not arrived.
    pub(super) fn parse(body: &[u8], position: usize) -> Result<Option<Self>, Malformed> {
        let Some((length, _)) = body
            .get(position..)
            .and_then(|rest| rest.split_first_chunk::<4>())
        else {
            return Ok(None);
        };
        let start = position + length.len();
        Ok(Some(match i32::from_be_bytes(*length) {
            -1 => Self {
                range: None,
                end: start,
            },
            length => {
                let length = usize::try_from(length).map_err(|_negative| Malformed::Row)?;
                let end = start.checked_add(length).ok_or(Malformed::Row)?;
                Self {
                    range: Some(start..end),
                    end,
                }
            }
        }))
    }
}
