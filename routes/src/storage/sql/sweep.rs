//! Which blobs belong to a row.

use crate::database::Statement;

/// Of these versions, those that a row names. Whoever keeps a blob in a row of another table adds
/// that table here, or the sweep removes what it keeps.
pub fn known(versions: &[&str]) -> Statement {
    Statement::new(
        "WITH asked AS (SELECT json_array_elements_text($1) AS version)
        SELECT to_json(version) FROM asked WHERE EXISTS (
            SELECT FROM storage.objects AS row WHERE row.version = asked.version
            UNION ALL
            SELECT FROM storage.s3_multipart_uploads AS row WHERE row.version = asked.version
            UNION ALL
            SELECT FROM storage.s3_multipart_uploads_parts AS row WHERE row.version = asked.version
            UNION ALL
            SELECT FROM gateway.resumable_uploads AS row
            WHERE row.version = asked.version AND row.completed_at IS NULL
        )",
        [serde_json::json!(versions).to_string().into()],
    )
}

/// Takes the sweep upon oneself, unless somebody did since `not_since`; a row says that it is ours. Both
/// are milliseconds since the epoch.
pub fn claim(now: u64, not_since: u64) -> Statement {
    Statement::new(
        "INSERT INTO gateway.settings (name, value) VALUES ('storage-swept-at', $1)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value
        WHERE settings.value::bigint <= $2
        RETURNING to_json(name)",
        [now.to_string().into(), not_since.to_string().into()],
    )
}
