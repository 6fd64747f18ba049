//! Lists of objects: by number (`/object/list`) and from where the page before ended
//! (`/object/list-v2`).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Body, World,
    storage::{
        Context, StorageError, context, key,
        sql::{
            self,
            list::{Page, Search, SortColumn},
        },
    },
};

/// The most entries of a page.
const MOST: u64 = 1000;

#[derive(Debug, Default, Deserialize)]
struct SortBy {
    column: Option<String>,
    order: Option<String>,
}

#[derive(Debug, Deserialize)]
struct First {
    prefix: String,
    limit: Option<Value>,
    offset: Option<Value>,
    #[serde(rename = "sortBy")]
    sort_by: Option<SortBy>,
    search: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Second {
    prefix: Option<String>,
    limit: Option<Value>,
    cursor: Option<String>,
    with_delimiter: Option<bool>,
    #[serde(rename = "sortBy")]
    sort_by: Option<SortBy>,
}

impl SortBy {
    fn read(self, columns: &[SortColumn]) -> Result<(SortColumn, bool), StorageError> {
        let one_of = |field: &str| {
            let message = format!("body/sortBy/{field} must be equal to one of the allowed values");
            StorageError::malformed(message)
        };
        let column = match self.column.as_deref() {
            None | Some("") => SortColumn::Name,
            Some(name) => columns
                .iter()
                .copied()
                .find(|column| column.as_str() == name)
                .ok_or_else(|| one_of("column"))?,
        };
        match self.order.as_deref() {
            None | Some("" | "asc") => Ok((column, false)),
            Some("desc") => Ok((column, true)),
            Some(_) => Err(one_of("order")),
        }
    }
}

fn number(name: &str, value: Option<&Value>, least: u64) -> Result<Option<u64>, StorageError> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let number = value
        .as_u64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    match number {
        Some(number) if number >= least => Ok(Some(number)),
        Some(_) => Err(StorageError::malformed(format!(
            "body/{name} must be >= {least}"
        ))),
        None => Err(StorageError::malformed(format!(
            "body/{name} must be integer"
        ))),
    }
}

pub async fn first<W: World>(
    context: &Context<'_, W>,
    body: Body,
) -> Result<Response<Body>, StorageError> {
    let caller = context.caller()?;
    let body: First = context.json(body).await?;
    key::check_bucket(&context.route.bucket)?;
    let columns = [
        SortColumn::Name,
        SortColumn::UpdatedAt,
        SortColumn::CreatedAt,
        SortColumn::LastAccessedAt,
    ];
    let (sort, descending) = body.sort_by.unwrap_or_default().read(&columns)?;
    // A prefix is a folder.
    let mut prefix = body.prefix;
    if !prefix.is_empty() && !prefix.ends_with('/') {
        prefix.push('/');
    }
    let statement = sql::list::search(&Search {
        prefix: &prefix,
        bucket: &context.route.bucket,
        limit: number("limit", body.limit.as_ref(), 1)?.unwrap_or(100),
        offset: number("offset", body.offset.as_ref(), 0)?.unwrap_or_default(),
        search: body.search.as_deref().unwrap_or_default(),
        sort,
        descending,
    });
    let session = context.as_caller(&caller).read_only();
    let found = context.database().one(&session, statement).await?;
    Ok(context::json_text(sql::array(&found)))
}

/// Where a page ended: kept by the client, as text that is none of its business.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cursor {
    name: String,
    time: Option<String>,
    descending: bool,
    sort: SortColumn,
}

impl Cursor {
    /// As storage-api writes it: lines of a letter, a colon and a value, in base64.
    fn write(&self) -> String {
        let order = if self.descending { "desc" } else { "asc" };
        let mut text = format!("l:{}\no:{order}\nc:{}", self.name, self.sort.as_str());
        if let Some(time) = &self.time {
            text.push_str("\na:");
            text.push_str(time);
        }
        STANDARD.encode(text)
    }

    fn read(text: &str) -> Option<Self> {
        let text = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
        let find = |letter: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(letter)?.strip_prefix(':'))
        };
        let sort = match find("c") {
            None | Some("name") => SortColumn::Name,
            Some("updated_at") => SortColumn::UpdatedAt,
            Some("created_at") => SortColumn::CreatedAt,
            Some(_) => return None,
        };
        Some(Self {
            name: find("l")?.to_owned(),
            time: find("a").map(str::to_owned),
            descending: find("o") == Some("desc"),
            sort,
        })
    }
}

pub async fn second<W: World>(
    context: &Context<'_, W>,
    body: Body,
) -> Result<Response<Body>, StorageError> {
    let caller = context.caller()?;
    let body: Second = context.json(body).await?;
    key::check_bucket(&context.route.bucket)?;
    let limit = number("limit", body.limit.as_ref(), 1)?
        .unwrap_or(MOST)
        .min(MOST);
    let columns = [
        SortColumn::Name,
        SortColumn::UpdatedAt,
        SortColumn::CreatedAt,
    ];
    let (mut sort, mut descending) = body.sort_by.unwrap_or_default().read(&columns)?;
    let cursor = match body.cursor.as_deref().filter(|cursor| !cursor.is_empty()) {
        None => None,
        Some(text) => {
            let read = Cursor::read(text);
            Some(read.ok_or_else(|| StorageError::invalid_parameter("cursor"))?)
        }
    };
    if let Some(cursor) = &cursor {
        (sort, descending) = (cursor.sort, cursor.descending);
    }
    let with_folders = body.with_delimiter.unwrap_or_default();
    let statement = sql::list::page(&Page {
        bucket: &context.route.bucket,
        prefix: body.prefix.as_deref().unwrap_or_default(),
        limit: limit + 1,
        with_folders,
        sort,
        descending,
        after: cursor.as_ref().map(|cursor| cursor.name.as_str()),
        after_time: cursor.as_ref().and_then(|cursor| cursor.time.as_deref()),
    });
    let session = context.as_caller(&caller).read_only();
    let found = context.database().one(&session, statement).await?;
    let mut entries: Vec<Value> = sql::values(&found).collect();
    let has_next = entries.len() as u64 > limit;
    entries.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = entries.last().filter(|_| has_next).map(|last| Cursor {
        name: last["name"].as_str().unwrap_or_default().to_owned(),
        time: match sort {
            SortColumn::Name | SortColumn::LastAccessedAt => None,
            column => last[column.as_str()].as_str().map(str::to_owned),
        },
        descending,
        sort,
    });
    let (folders, objects) = split(entries);
    let mut answer = json!({"hasNext": has_next, "folders": folders, "objects": objects});
    if let Some(next) = next {
        answer["nextCursor"] = next.write().into();
    }
    Ok(context::json(answer))
}

/// Folders have a name and, where the list is sorted by time, times; objects have an id.
fn split(entries: Vec<Value>) -> (Vec<Value>, Vec<Value>) {
    let (objects, mut folders): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .partition(|entry| !entry["id"].is_null());
    for folder in &mut folders {
        let name = format!("{}/", folder["name"].as_str().unwrap_or_default());
        let mut shown = json!({"name": name});
        for field in ["key", "updated_at", "created_at"] {
            if !folder[field].is_null() {
                shown[field] = folder[field].take();
            }
        }
        *folder = shown;
    }
    (folders, objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_they_were_written() {
        for cursor in [
            Cursor {
                name: "a/b c".to_owned(),
                time: None,
                descending: false,
                sort: SortColumn::Name,
            },
            Cursor {
                name: "x:y".to_owned(),
                time: Some("2026-01-01T00:00:00.000Z".to_owned()),
                descending: true,
                sort: SortColumn::CreatedAt,
            },
        ] {
            assert_eq!(Cursor::read(&cursor.write()), Some(cursor));
        }
        for text in ["", "nonsense!", "bm9uc2Vuc2U="] {
            assert_eq!(Cursor::read(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_in_their_range() {
        assert_eq!(number("limit", Some(&json!(5)), 1), Ok(Some(5)));
        assert_eq!(number("limit", Some(&json!("5")), 1), Ok(Some(5)));
        assert_eq!(number("limit", None, 1), Ok(None));
        for value in [json!(0), json!(-1), json!(1.5), json!("x"), json!([])] {
            assert!(number("limit", Some(&value), 1).is_err(), "{value}");
        }
    }
}
