//! Statements about buckets.

use serde::Deserialize;

use super::instant;
use crate::{database::Statement, wire::Parameter};

/// What an endpoint has to know of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Bucket {
    pub id: String,
    pub public: bool,
    pub file_size_limit: Option<u64>,
    pub allowed_mime_types: Option<Vec<String>>,
}

/// A bucket that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBucket<'a> {
    pub id: &'a str,
    pub name: &'a str,
    pub owner: Option<&'a str>,
    pub public: bool,
    pub file_size_limit: Option<u64>,
    pub allowed_mime_types: Option<&'a [String]>,
}

/// How buckets are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    pub search: Option<String>,
    pub sort_column: Option<SortColumn>,
    pub descending: bool,
    pub limit: Option<u64>,
    pub offset: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortColumn {
    Id,
    Name,
    CreatedAt,
    UpdatedAt,
}

/// The bucket of an id, as an endpoint needs it.
pub fn find(id: &str) -> Statement {
    Statement::new(
        "SELECT json_build_object(
            'id', id, 'public', coalesce(public, false),
            'file_size_limit', file_size_limit, 'allowed_mime_types', allowed_mime_types
        ) FROM storage.buckets WHERE id = $1",
        [id.into()],
    )
}

/// The bucket of an id, as the API shows it.
pub fn show(id: &str) -> Statement {
    let sql = format!("SELECT {} FROM storage.buckets WHERE id = $1", shown(false));
    Statement::new(sql, [id.into()])
}

fn shown(with_type: bool) -> String {
    let kind = if with_type {
        ", 'type', 'STANDARD'"
    } else {
        ""
    };
    format!(
        "json_build_object(
            'id', id, 'name', name, 'owner', coalesce(owner::text, ''),
            'public', coalesce(public, false){kind},
            'file_size_limit', file_size_limit, 'allowed_mime_types', allowed_mime_types,
            'created_at', {}, 'updated_at', {}
        )",
        instant("created_at"),
        instant("updated_at")
    )
}

/// The buckets that the caller sees.
pub fn list(listing: &Listing) -> Statement {
    let column = match listing.sort_column {
        Some(SortColumn::Id) => "id",
        Some(SortColumn::Name) => "name",
        Some(SortColumn::CreatedAt) => "created_at",
        Some(SortColumn::UpdatedAt) => "updated_at",
        // Without an order, that in which they were made.
        None => "created_at, id",
    };
    let direction = if listing.descending { "DESC" } else { "ASC" };
    let sql = format!(
        "SELECT {} FROM storage.buckets
        WHERE $1::text IS NULL OR name ILIKE '%' || $1 || '%'
        ORDER BY {column} {direction} LIMIT $2 OFFSET $3",
        shown(true)
    );
    let number = |number: Option<u64>| Parameter::from(number.map(|number| number.to_string()));
    let search = listing.search.as_deref().map(escape_pattern);
    Statement::new(
        sql,
        [search.into(), number(listing.limit), number(listing.offset)],
    )
}

/// Makes a bucket.
pub fn create(bucket: &NewBucket<'_>) -> Statement {
    Statement::new(
        "INSERT INTO storage.buckets
            (id, name, owner, owner_id, public, file_size_limit, allowed_mime_types)
        VALUES ($1, $2, $3, $4, $5, $6, (SELECT array_agg(value) FROM json_array_elements_text($7)))",
        [
            bucket.id.into(),
            bucket.name.into(),
            bucket.owner.filter(|owner| is_uuid(owner)).into(),
            bucket.owner.into(),
            bucket.public.to_string().into(),
            bucket.file_size_limit.map(|limit| limit.to_string()).into(),
            types(bucket.allowed_mime_types),
        ],
    )
}

/// Changes what is given of a bucket; the outer `None` leaves a property as it is.
pub fn update(
    id: &str,
    public: Option<bool>,
    file_size_limit: Option<Option<u64>>,
    allowed_mime_types: Option<Option<&[String]>>,
) -> Statement {
    let mut assignments = Vec::new();
    let mut parameters: Vec<Parameter> = vec![id.into()];
    if let Some(public) = public {
        parameters.push(public.to_string().into());
        assignments.push(format!("public = ${}", parameters.len()));
    }
    if let Some(limit) = file_size_limit {
        parameters.push(limit.map(|limit| limit.to_string()).into());
        assignments.push(format!("file_size_limit = ${}", parameters.len()));
    }
    if let Some(allowed) = allowed_mime_types {
        parameters.push(types(allowed));
        assignments.push(format!(
            "allowed_mime_types = (SELECT array_agg(value) FROM json_array_elements_text(${}))",
            parameters.len()
        ));
    }
    // Nothing to change is a change of nothing: whether there is such a bucket still counts.
    let assignments = if assignments.is_empty() {
        "public = public".to_owned()
    } else {
        assignments.join(", ")
    };
    let sql =
        format!("UPDATE storage.buckets SET {assignments} WHERE id = $1 RETURNING to_json(id)");
    Statement::new(sql, parameters)
}

/// Whether anything is in a bucket.
pub fn has_objects(id: &str) -> Statement {
    Statement::new(
        "SELECT to_json(EXISTS (SELECT FROM storage.objects WHERE bucket_id = $1))",
        [id.into()],
    )
}

/// Removes a bucket that is empty; a row says that there was one, and the caller might.
pub fn delete(id: &str) -> Statement {
    Statement::new(
        "DELETE FROM storage.buckets WHERE id = $1
        AND NOT EXISTS (SELECT FROM storage.objects WHERE bucket_id = $1)
        RETURNING to_json(id)",
        [id.into()],
    )
}

fn types(allowed: Option<&[String]>) -> Parameter {
    allowed
        .map(|allowed| serde_json::json!(allowed).to_string())
        .into()
}

/// A text that a pattern takes for itself.
pub fn escape_pattern(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\\' | '%' | '_') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Whether the older column `owner` can hold an owner's id.
pub fn is_uuid(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let lengths = parts.iter().map(|part| part.len());
    lengths.eq([8, 4, 4, 4, 12])
        && parts
            .iter()
            .all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_a_text_for_itself() {
        assert_eq!(escape_pattern(r"50%_\a"), r"50\%\_\\a");
    }

    #[test]
    fn uuids() {
        assert!(is_uuid("317eadce-631a-4429-a0bb-f19a7a517b4a"));
        for text in [
            "",
            "me",
            "317eadce631a4429a0bbf19a7a517b4a",
            "317eadce-631a-4429-a0bb-f19a7a517b4g",
        ] {
            assert!(!is_uuid(text), "{text}");
        }
    }
}
