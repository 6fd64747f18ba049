//! `/bucket`: buckets.
//!
//! Source: supabase/storage, `src/http/routes/bucket/`, `src/storage/storage.ts`.

use http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Caller, Context, ErrorCode, StorageError, context, key,
    object::delete,
    sql::{
        self,
        bucket::{Listing, NewBucket, SortColumn},
    },
};
use crate::{Body, World, database::DatabaseError};

/// How many objects are removed at a time: their versions pass through memory.
const BATCH: u64 = 1000;

#[derive(Debug, Deserialize)]
struct Create {
    name: String,
    id: Option<String>,
    #[serde(default)]
    public: Option<bool>,
    #[serde(default)]
    file_size_limit: Option<Value>,
    #[serde(default)]
    allowed_mime_types: Option<Vec<String>>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

/// What is given of a bucket's properties; what is not stays.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Update {
    public: Option<bool>,
    #[serde(deserialize_with = "given")]
    file_size_limit: Option<Value>,
    #[expect(clippy::option_option, reason = "null is given, and is not nothing")]
    #[serde(deserialize_with = "given")]
    allowed_mime_types: Option<Option<Vec<String>>>,
}

/// A property that is given, even if as `null`.
fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

pub async fn list<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, StorageError> {
    let caller = context.caller()?;
    let statement = sql::bucket::list(&listing(context)?);
    let session = context.as_caller(&caller).read_only();
    let buckets = context.database().one(&session, statement).await?;
    Ok(context::json_text(sql::array(&buckets)))
}

fn listing<W: World>(context: &Context<'_, W>) -> Result<Listing, StorageError> {
    let refused =
        |name: &str, rule: &str| StorageError::malformed(format!("querystring/{name} {rule}"));
    let number = |name: &str, least: u64| match context.query(name) {
        None => Ok(None),
        Some(text) => match text.parse::<u64>() {
            Err(_not_a_number) => Err(refused(name, "must be integer")),
            Ok(number) if number < least => Err(refused(name, &format!("must be >= {least}"))),
            Ok(number) => Ok(Some(number)),
        },
    };
    let one_of = || "must be equal to one of the allowed values";
    let sort_column = match context.query("sortColumn").as_deref() {
        None => None,
        Some("id") => Some(SortColumn::Id),
        Some("name") => Some(SortColumn::Name),
        Some("created_at") => Some(SortColumn::CreatedAt),
        Some("updated_at") => Some(SortColumn::UpdatedAt),
        Some(_) => return Err(refused("sortColumn", one_of())),
    };
    let descending = match context.query("sortOrder").as_deref() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(_) => return Err(refused("sortOrder", one_of())),
    };
    Ok(Listing {
        search: context.query("search").filter(|search| !search.is_empty()),
        sort_column,
        descending,
        limit: number("limit", 1)?,
        offset: number("offset", 0)?,
    })
}

pub async fn get<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, StorageError> {
    let caller = context.caller()?;
    let session = context.as_caller(&caller).read_only();
    let statement = sql::bucket::show(&context.route.bucket);
    let bucket = context.database().one(&session, statement).await?;
    let bucket: Value = sql::value(&bucket).ok_or_else(StorageError::no_such_bucket)?;
    Ok(context::json(bucket))
}

pub async fn create<W: World>(
    context: &Context<'_, W>,
    body: Body,
) -> Result<Response<Body>, StorageError> {
    let caller = context.caller()?;
    let create: Create = context.json(body).await?;
    match create.kind.as_deref() {
        None | Some("STANDARD") => {}
        Some("ANALYTICS") => return Err(StorageError::not_enabled("iceberg_catalog")),
        Some(_) => {
            let message = "body/type must be equal to one of the allowed values";
            return Err(StorageError::malformed(message));
        }
    }
    let id = create.id.as_deref().filter(|id| !id.is_empty());
    let id = id.unwrap_or(&create.name);
    key::check_bucket(&create.name)?;
    key::check_bucket(id)?;
    let limit = match create.file_size_limit {
        Some(limit) => size_limit(&limit, context.settings.file_size_limit)?,
        None => None,
    };
    let allowed = allowed(create.allowed_mime_types)?;
    let statement = sql::bucket::create(&NewBucket {
        id,
        name: &create.name,
        owner: caller.owner.as_deref(),
        public: create.public.unwrap_or_default(),
        file_size_limit: limit,
        allowed_mime_types: allowed.as_deref(),
    });
    let session = context.as_caller(&caller);
    let created = context.database().one(&session, statement).await;
    created.map_err(|error| taken(error, ErrorCode::BucketAlreadyExists))?;
    Ok(context::json(json!({"name": create.name})))
}

/// An error of the database; where something of that name is there, of that kind.
pub(super) fn taken(error: DatabaseError, code: ErrorCode) -> StorageError {
    match error.sqlstate() {
        Some("23505") => StorageError::exists(code),
        _ => error.into(),
    }
}

pub async fn update<W: World>(
    context: &Context<'_, W>,
    body: Body,
) -> Result<Response<Body>, StorageError> {
    let caller = context.caller()?;
    let update: Update = context.json(body).await?;
    let id = &context.route.bucket;
    key::check_bucket(id)?;
    let limit = update.file_size_limit;
    let limit = limit
        .map(|limit| size_limit(&limit, context.settings.file_size_limit))
        .transpose()?;
    let types = update.allowed_mime_types.map(allowed).transpose()?;
    let types = types.as_ref().map(Option::as_deref);
    let statement = sql::bucket::update(id, update.public, limit, types);
    let session = context.as_caller(&caller);
    let updated = context.database().one(&session, statement).await?;
    if updated.rows.is_empty() {
        return Err(StorageError::no_such_bucket());
    }
    Ok(context::json(json!({"message": "Successfully updated"})))
}

/// A limit of a bucket: bytes, a size with its unit, or none.
fn size_limit(limit: &Value, global: u64) -> Result<Option<u64>, StorageError> {
    let limit = match limit {
        Value::Null => return Ok(None),
        Value::String(text) => key::parse_size(text)?,
        Value::Number(number) => number
            .as_u64()
            .ok_or_else(|| StorageError::malformed("body/file_size_limit must be integer"))?,
        _ => return Err(StorageError::invalid_file_size_limit()),
    };
    if limit > global {
        return Err(StorageError::too_large("object"));
    }
    Ok(Some(limit))
}

fn allowed(types: Option<Vec<String>>) -> Result<Option<Vec<String>>, StorageError> {
    let Some(mut types) = types else {
        return Ok(None);
    };
    types.retain(|mime_type| !mime_type.is_empty());
    for mime_type in &types {
        key::check_allowed(mime_type)?;
    }
    Ok(Some(types))
}

pub async fn delete<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, StorageError> {
    let caller = context.caller()?;
    remove(context, &caller, &context.route.bucket).await?;
    Ok(context::json(json!({"message": "Successfully deleted"})))
}

/// Removes a bucket that is empty.
pub(super) async fn remove<W: World>(
    context: &Context<'_, W>,
    caller: &Caller,
    id: &str,
) -> Result<(), StorageError> {
    let server = context.as_server();
    let mut asked = context
        .ask(&[
            (&server, sql::bucket::find(id)),
            (&server, sql::bucket::has_objects(id)),
        ])
        .await?;
    if asked.rows()?.rows.is_empty() {
        return Err(StorageError::no_such_bucket());
    }
    if asked.value::<bool>()?.unwrap_or_default() {
        return Err(StorageError::bucket_not_empty());
    }
    let session = context.as_caller(caller);
    let deleted = context
        .database()
        .one(&session, sql::bucket::delete(id))
        .await?;
    if deleted.rows.is_empty() {
        return Err(StorageError::no_such_bucket());
    }
    Ok(())
}

/// Removes every object of a bucket that the caller sees; one that it may not remove ends it.
pub async fn empty<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, StorageError> {
    let caller = context.caller()?;
    let id = &context.route.bucket;
    let session = context.as_caller(&caller);
    let mut asked = context.ask(&[(&session, sql::bucket::find(id))]).await?;
    if asked.rows()?.rows.is_empty() {
        return Err(StorageError::no_such_bucket());
    }
    let blobs = context.blobs()?;
    loop {
        let statements = [
            sql::object::some_names(id, BATCH),
            sql::object::delete_some(id, BATCH),
        ];
        let results = context.database().run(&session, &statements).await?;
        let [seen, deleted] = results.as_slice() else {
            return Err(StorageError::internal("a statement was not answered"));
        };
        let versions: Vec<Option<String>> = sql::values(deleted).collect();
        delete::bytes(&blobs, versions.iter().flatten().map(String::as_str)).await;
        if seen.rows.len() != deleted.rows.len() {
            return Err(StorageError::access_denied(
                "You may have SELECT but not DELETE permissions on all objects of this bucket",
            ));
        }
        if seen.rows.is_empty() {
            let message = "Empty bucket has been queued. Completion may take up to an hour.";
            return Ok(context::json(json!({"message": message})));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_bytes_or_sizes() {
        let read = |limit: Value| size_limit(&limit, 50_000_000);
        assert_eq!(read(json!(1000)), Ok(Some(1000)));
        assert_eq!(read(json!("20mb")), Ok(Some(20_000_000)));
        assert_eq!(read(json!(null)), Ok(None));
        assert_eq!(
            read(json!(50_000_001)),
            Err(StorageError::too_large("object"))
        );
        for limit in [json!(-1), json!(1.5), json!("lots"), json!([])] {
            assert!(read(limit.clone()).is_err(), "{limit}");
        }
    }

    #[test]
    fn what_is_given_as_null_is_given() {
        let read = |text: &str| serde_json::from_str::<Update>(text).unwrap();
        assert!(read("{}").file_size_limit.is_none());
        let update = read(r#"{"file_size_limit":null,"allowed_mime_types":null}"#);
        assert_eq!(update.file_size_limit, Some(Value::Null));
        assert_eq!(update.allowed_mime_types, Some(None));
    }
}
