//! What happened, and who did it.

use uuid::Uuid;

use crate::database::Statement;

/// A row of the audit log.
pub fn insert(id: Uuid, payload: String, ip: &str) -> Statement {
    Statement::new(
        "insert into auth.audit_log_entries (instance_id, id, payload, created_at, ip_address) \
         values ('00000000-0000-0000-0000-000000000000', $1::uuid, $2::json, now(), $3)",
        [id.to_string().into(), payload.into(), ip.into()],
    )
}

/// A page of the log, newest first: each row as JSON, and how many there are in all. `columns` of the
/// payload contain `text`, unless it is empty.
pub fn page(columns: &[&str], text: &str, limit: u64, offset: u64) -> Statement {
    let columns: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
    Statement::new(
        "select jsonb_build_object('id', id, 'payload', payload, 'created_at', created_at, 'ip_address', ip_address), \
         count(*) over () from auth.audit_log_entries \
         where $2 = '' or exists (select from unnest(string_to_array($1, ',')) as name \
         where position(lower($2) in lower(payload ->> name)) > 0) \
         order by created_at desc, id limit $3::bigint offset $4::bigint",
        [
            columns.join(",").into(),
            text.into(),
            limit.to_string().into(),
            offset.to_string().into(),
        ],
    )
}
