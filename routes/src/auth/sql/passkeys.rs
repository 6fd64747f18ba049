//! Passkeys and the ceremonies that begin with them.

use uuid::Uuid;

use crate::database::Statement;

/// A passkey as JSON, its bytes in hexadecimal digits.
const PASSKEY: &str = "to_jsonb(p) || jsonb_build_object('credential_id', encode(p.credential_id, 'hex'), \
     'public_key', encode(p.public_key, 'hex'))";

/// The user's passkeys, the oldest first.
pub fn of_user(user_id: Uuid) -> Statement {
    Statement::new(
        format!(
            "select {PASSKEY} from auth.webauthn_credentials p where p.user_id = $1::uuid \
             order by p.created_at, p.id"
        ),
        [user_id.to_string().into()],
    )
}

/// A new passkey.
#[derive(Debug)]
pub struct NewPasskey<'a> {
    pub id: Uuid,
    pub user_id: Uuid,
    pub credential_id: &'a [u8],
    pub public_key: &'a [u8],
    pub attestation: &'a str,
    pub aaguid: Uuid,
    pub sign_count: u32,
    /// A JSON array.
    pub transports: String,
    pub backup_eligible: bool,
    pub backed_up: bool,
}

/// Keeps a passkey, unless the user has `most` already; gives it as JSON.
pub fn insert(passkey: &NewPasskey<'_>, most: u64) -> Statement {
    let flag = |flag: bool| if flag { "true" } else { "false" };
    Statement::new(
        format!(
            "insert into auth.webauthn_credentials as p (id, user_id, credential_id, public_key, \
             attestation_type, aaguid, sign_count, transports, backup_eligible, backed_up) \
             select $1::uuid, $2::uuid, decode($3, 'hex'), decode($4, 'hex'), $5, $6::uuid, $7::bigint, \
             $8::jsonb, $9::boolean, $10::boolean \
             where (select count(*) from auth.webauthn_credentials where user_id = $2::uuid) < $11::bigint \
             returning {PASSKEY}"
        ),
        [
            passkey.id.to_string().into(),
            passkey.user_id.to_string().into(),
            hex(passkey.credential_id).into(),
            hex(passkey.public_key).into(),
            passkey.attestation.into(),
            passkey.aaguid.to_string().into(),
            passkey.sign_count.to_string().into(),
            passkey.transports.clone().into(),
            flag(passkey.backup_eligible).into(),
            flag(passkey.backed_up).into(),
            most.to_string().into(),
        ],
    )
}

/// The passkey was used.
pub fn used(id: Uuid, sign_count: u32, backed_up: bool) -> Statement {
    let backed_up = if backed_up { "true" } else { "false" };
    Statement::new(
        "update auth.webauthn_credentials set sign_count = $2::bigint, backed_up = $3::boolean, \
         last_used_at = now(), updated_at = now() where id = $1::uuid",
        [
            id.to_string().into(),
            sign_count.to_string().into(),
            backed_up.into(),
        ],
    )
}

/// Names a passkey of the user; gives it as JSON.
pub fn rename(id: Uuid, user_id: Uuid, friendly_name: &str) -> Statement {
    Statement::new(
        format!(
            "update auth.webauthn_credentials p set friendly_name = $3, updated_at = now() \
             where p.id = $1::uuid and p.user_id = $2::uuid returning {PASSKEY}"
        ),
        [
            id.to_string().into(),
            user_id.to_string().into(),
            friendly_name.into(),
        ],
    )
}

/// Takes a passkey of the user away; gives its id.
pub fn delete(id: Uuid, user_id: Uuid) -> Statement {
    Statement::new(
        "delete from auth.webauthn_credentials where id = $1::uuid and user_id = $2::uuid returning id",
        [id.to_string().into(), user_id.to_string().into()],
    )
}

/// A ceremony begins; those that are over for good are forgotten.
pub fn begin(
    id: Uuid,
    user_id: Option<Uuid>,
    kind: &str,
    session_data: &str,
    expires_at: &str,
) -> [Statement; 2] {
    [
        Statement::new(
            "delete from auth.webauthn_challenges where expires_at < now() - interval '1 hour'",
            [],
        ),
        Statement::new(
            "insert into auth.webauthn_challenges (id, user_id, challenge_type, session_data, expires_at) \
             values ($1::uuid, $2::uuid, $3, $4::jsonb, $5::timestamptz)",
            [
                id.to_string().into(),
                user_id.map(|id| id.to_string()).into(),
                kind.into(),
                session_data.into(),
                expires_at.into(),
            ],
        ),
    ]
}

/// Ends a ceremony, whatever comes of it; gives what it was about as JSON. Nobody ends it twice.
pub fn end(id: Uuid, kind: &str, user_id: Option<Uuid>) -> Statement {
    Statement::new(
        "delete from auth.webauthn_challenges c where c.id = $1::uuid and c.challenge_type = $2 \
         and c.user_id is not distinct from $3::uuid returning to_jsonb(c)",
        [
            id.to_string().into(),
            kind.into(),
            user_id.map(|id| id.to_string()).into(),
        ],
    )
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
