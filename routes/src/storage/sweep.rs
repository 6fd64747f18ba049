//! Bytes that are no row's: what a crash left between the bytes and their row.
//!
//! An upload that is under way is no row's either. So only what was last written an hour ago is
//! looked at, and no upload rests that long between its last byte and its row: continued uploads
//! have rows of their own.

use super::{sql, tus};
use crate::{
    World,
    blobs::{BlobEntry, BlobId, Blobs},
    database::{Database, DatabaseError, Session},
};

/// Milliseconds that bytes are left alone after they were last written.
const REST: u64 = 60 * 60 * 1000;
/// How many versions one statement asks about.
const BATCH: usize = 1000;

/// Removes the blobs of a project that belong to no row; says how many. What fails is left for the next
/// time. A service worker wakes often, and looking at all files takes a while: once in so long as bytes
/// rest is often enough.
pub async fn sweep<W: World>(world: &W, project: &str) -> Result<usize, DatabaseError> {
    let Some(files) = world.files(project) else {
        return Ok(0);
    };
    let database = Database::new(world, project);
    let now = world.now().0;
    let claim = sql::sweep::claim(now, now.saturating_sub(REST));
    // As the database's owner: no role may see what the gateway keeps for itself.
    let claimed = database.one(&Session::default(), claim).await?;
    // A database in memory may have the name of one whose rows are elsewhere now.
    let is_durable = world.host(project).is_some_and(|host| host.durable);
    if claimed.rows.is_empty() || !is_durable {
        return Ok(0);
    }
    let blobs = Blobs::new(files);
    let Ok(listed) = blobs.list().await else {
        return Ok(0);
    };
    let own = Session::of_role("supabase_storage_admin", "storage");
    // Uploads in pieces and in parts that nobody went on with live for a day, as storage-api's do.
    let begun = now.saturating_sub(tus::LIFETIME);
    let expired = [sql::resumable::expire(begun), sql::s3::expire(begun)];
    database.run(&own, &expired).await?;
    let resting: Vec<(BlobId, BlobEntry)> = listed
        .into_iter()
        .filter(|(_, entry)| entry.modified.saturating_add(REST) <= now)
        .collect();
    let session = own.read_only();
    let mut removed = 0;
    for batch in resting.chunks(BATCH) {
        let versions: Vec<&str> = batch.iter().map(|(id, _)| id.as_str()).collect();
        let known = database.one(&session, sql::sweep::known(&versions)).await?;
        let known: std::collections::HashSet<String> = sql::values(&known).collect();
        for (id, entry) in batch {
            if !known.contains(id.as_str()) && blobs.remove_entry(entry).await.is_ok() {
                removed += 1;
            }
        }
    }
    Ok(removed)
}
