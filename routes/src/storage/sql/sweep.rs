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
