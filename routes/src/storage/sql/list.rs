//! Statements that list objects.

use super::{bucket::escape_pattern, instant};
use crate::{database::Statement, wire::Parameter};

/// What a list is sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SortColumn {
    #[default]
    Name,
    UpdatedAt,
    CreatedAt,
    LastAccessedAt,
}

impl SortColumn {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::UpdatedAt => "updated_at",
            Self::CreatedAt => "created_at",
            Self::LastAccessedAt => "last_accessed_at",
        }
    }
}

/// The first way of listing.
#[derive(Debug, Clone)]
pub struct Search<'a> {
    /// Empty, or ends with a slash.
    pub prefix: &'a str,
    pub bucket: &'a str,
    pub limit: u64,
    pub offset: u64,
    pub search: &'a str,
    pub sort: SortColumn,
    pub descending: bool,
}

pub fn search(search: &Search<'_>) -> Statement {
    let sql = format!(
        "SELECT json_build_object(
            'name', name, 'id', id, 'updated_at', {}, 'created_at', {},
            'last_accessed_at', {}, 'metadata', metadata
        ) FROM storage.search($1, $2, $3, $4, $5, $6, $7, $8)",
        instant("updated_at"),
        instant("created_at"),
        instant("last_accessed_at")
    );
    // Sorted by anything but the name, both are patterns.
    let text = |text: &str| match search.sort {
        SortColumn::Name => text.to_owned(),
        _ => escape_pattern(text),
    };
    let level = search.prefix.split('/').count();
    Statement::new(
        sql,
        [
            text(search.prefix).into(),
            search.bucket.into(),
            search.limit.to_string().into(),
            level.to_string().into(),
            search.offset.to_string().into(),
            text(search.search).into(),
            search.sort.as_str().into(),
            order(search.descending).into(),
        ],
    )
}

/// The second way of listing: by name, from where the page before ended.
#[derive(Debug, Clone)]
pub struct Page<'a> {
    pub bucket: &'a str,
    pub prefix: &'a str,
    /// One more than is shown.
    pub limit: u64,
    pub with_folders: bool,
    pub sort: SortColumn,
    pub descending: bool,
    /// The last name of the page before.
    pub after: Option<&'a str>,
    /// The last time of the page before, where it is sorted by time.
    pub after_time: Option<&'a str>,
}

pub fn page(page: &Page<'_>) -> Statement {
    if page.with_folders {
        folders(page)
    } else {
        flat(page)
    }
}

fn folders(page: &Page<'_>) -> Statement {
    let sql = format!(
        "SELECT {} FROM storage.search_v2($1, $2, $3, $4, $5, $6, $7, $8)",
        entry("'key', key, ")
    );
    let level = page.prefix.split('/').count();
    Statement::new(
        sql,
        [
            page.prefix.into(),
            page.bucket.into(),
            page.limit.to_string().into(),
            level.to_string().into(),
            page.after.unwrap_or_default().into(),
            order(page.descending).into(),
            page.sort.as_str().into(),
            page.after_time.unwrap_or_default().into(),
        ],
    )
}

fn flat(page: &Page<'_>) -> Statement {
    let (direction, sign) = if page.descending {
        ("DESC", "<")
    } else {
        ("ASC", ">")
    };
    let time = match page.sort {
        SortColumn::Name | SortColumn::LastAccessedAt => None,
        SortColumn::UpdatedAt | SortColumn::CreatedAt => Some(format!(
            "date_trunc('milliseconds', {})",
            page.sort.as_str()
        )),
    };
    let mut parameters: Vec<Parameter> = vec![
        page.bucket.into(),
        page.prefix.into(),
        page.limit.to_string().into(),
    ];
    let after = match (page.after, &time) {
        (None, _) => String::new(),
        (Some(name), None) => {
            parameters.push(name.into());
            format!("AND name COLLATE \"C\" {sign} $4")
        }
        (Some(name), Some(time)) => {
            parameters.extend([name.into(), page.after_time.unwrap_or("epoch").into()]);
            format!("AND ({time}, name COLLATE \"C\") {sign} ($5::timestamptz, $4)")
        }
    };
    let by = time.map_or_else(String::new, |time| format!("{time} {direction}, "));
    // What starts with a prefix lies between it and itself with the last character behind.
    let sql = format!(
        "SELECT {} FROM storage.objects
        WHERE bucket_id = $1
        AND name COLLATE \"C\" >= $2 AND name COLLATE \"C\" < $2 || chr(1114111) {after}
        ORDER BY {by}name COLLATE \"C\" {direction} LIMIT $3",
        entry("")
    );
    Statement::new(sql, parameters)
}

fn entry(more: &str) -> String {
    format!(
        "json_build_object(
            {more}'name', name, 'id', id, 'metadata', metadata, 'updated_at', {},
            'created_at', {}, 'last_accessed_at', {}
        )",
        instant("updated_at"),
        instant("created_at"),
        instant("last_accessed_at")
    )
}

const fn order(descending: bool) -> &'static str {
    if descending { "desc" } else { "asc" }
}
