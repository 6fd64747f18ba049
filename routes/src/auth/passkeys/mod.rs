//! Passkeys: credentials of `WebAuthn` that sign in by themselves.
//!
//! Source: supabase/auth, `internal/api/passkey_registration.go`, `passkey_authentication.go`,
//! `passkey_manage.go`.

mod authenticate;
mod manage;
mod register;

pub use authenticate::{authentication_options, authentication_verify};
pub use manage::{admin_delete, admin_list, delete, list, rename};
pub use register::{registration_options, registration_verify};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    AuthError, Context, ErrorCode,
    caller::Caller,
    sql,
    time::Time,
    webauthn::{self, Credential},
};
use crate::{World, database::DatabaseError, wire::StatementResult};

/// A row of `auth.webauthn_credentials`.
#[derive(Debug, Clone, Deserialize)]
struct Passkey {
    id: Uuid,
    /// In hexadecimal digits, as the key.
    credential_id: String,
    public_key: String,
    sign_count: u32,
    transports: Value,
    backup_eligible: bool,
    backed_up: bool,
    friendly_name: String,
    created_at: Time,
    #[serde(default)]
    last_used_at: Option<Time>,
}

/// As clients see it.
#[derive(Serialize)]
struct Item<'a> {
    id: Uuid,
    #[serde(skip_serializing_if = "str::is_empty")]
    friendly_name: &'a str,
    created_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Time>,
}

impl Passkey {
    fn credential(&self) -> Option<Credential> {
        Some(Credential {
            id: HEXLOWER.decode(self.credential_id.as_bytes()).ok()?,
            public_key: HEXLOWER.decode(self.public_key.as_bytes()).ok()?,
            sign_count: self.sign_count,
            backup_eligible: self.backup_eligible,
        })
    }

    fn to_json(&self) -> Value {
        json!(Item {
            id: self.id,
            friendly_name: &self.friendly_name,
            created_at: self.created_at,
            last_used_at: self.last_used_at,
        })
    }
}

/// The passkeys in the rows of a statement of `sql::passkeys`.
fn read(result: &StatementResult) -> Result<Vec<Passkey>, AuthError> {
    let rows = result.rows.iter();
    rows.map(|row| serde_json::from_slice(row.get(0).unwrap_or_default()))
        .collect::<Result<_, _>>()
        .map_err(|error| AuthError::internal(format!("Database error loading passkeys: {error}")))
}

async fn of_user<W: World>(
    context: &Context<'_, W>,
    user_id: Uuid,
) -> Result<Vec<Passkey>, AuthError> {
    let session = context.session().read_only();
    let statement = sql::passkeys::of_user(user_id);
    read(&context.database().one(&session, statement).await?)
}

/// 404 where the project does not have passkeys.
fn check_enabled<W: World>(context: &Context<'_, W>) -> Result<(), AuthError> {
    if context.settings.passkey_enabled {
        return Ok(());
    }
    let message = "Passkeys are disabled";
    Err(AuthError::not_found(ErrorCode::PasskeyDisabled, message))
}

/// Who has a second factor must have shown it before passkeys are added or taken away.
fn check_level(caller: &Caller) -> Result<(), AuthError> {
    if caller.user.has_verified_factor() && !caller.is_aal2() {
        let message = "AAL2 session is required to manage passkeys when MFA is enabled";
        return Err(AuthError::forbidden(ErrorCode::InsufficientAal, message));
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ceremony {
    Registration,
    Authentication,
}

impl Ceremony {
    /// As the database has it.
    const fn label(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Authentication => "authentication",
        }
    }
}

/// Remembers a ceremony that begins: its id and when it is over.
async fn begin<W: World>(
    context: &Context<'_, W>,
    ceremony: Ceremony,
    user_id: Option<Uuid>,
    session_data: &Value,
) -> Result<(Uuid, Time), AuthError> {
    let id = context.uuid();
    let expiry = context.settings.webauthn_challenge_expiry.0;
    let expires_at = context.now.plus(i64::try_from(expiry).unwrap_or(i64::MAX));
    let statements = sql::passkeys::begin(
        id,
        user_id,
        ceremony.label(),
        &session_data.to_string(),
        &expires_at.to_string(),
    );
    context
        .database()
        .run(&context.session(), &statements)
        .await?;
    Ok((id, expires_at))
}

/// Ends a ceremony that the client names, once: what the browser was asked.
async fn end<W: World>(
    context: &Context<'_, W>,
    ceremony: Ceremony,
    user_id: Option<Uuid>,
    challenge_id: &str,
) -> Result<webauthn::Challenge, AuthError> {
    #[derive(Deserialize)]
    struct Begun {
        session_data: Value,
        expires_at: Time,
    }
    if challenge_id.is_empty() {
        return Err(AuthError::invalid("challenge_id is required"));
    }
    let id = Uuid::parse_str(challenge_id)
        .map_err(|_error| AuthError::invalid("challenge_id must be a valid UUID"))?;
    let statement = sql::passkeys::end(id, ceremony.label(), user_id);
    let result = context
        .database()
        .one(&context.session(), statement)
        .await?;
    let row = result.rows.first().ok_or_else(|| {
        AuthError::bad_request(
            ErrorCode::WebAuthnChallengeNotFound,
            "Challenge not found or already used",
        )
    })?;
    let broken = || AuthError::internal("Database error consuming challenge");
    let begun: Begun =
        serde_json::from_slice(row.get(0).unwrap_or_default()).map_err(|_error| broken())?;
    if context.now > begun.expires_at {
        let message = "Challenge has expired";
        return Err(AuthError::bad_request(
            ErrorCode::WebAuthnChallengeExpired,
            message,
        ));
    }
    super::factors::challenge_of(&begun.session_data).ok_or_else(broken)
}

fn refused(message: &str) -> AuthError {
    AuthError::bad_request(ErrorCode::WebAuthnVerificationFailed, message)
}

/// The credential is somebody's already.
fn is_duplicate(error: &DatabaseError) -> bool {
    error.constraint() == Some("webauthn_credentials_credential_id_key")
}
