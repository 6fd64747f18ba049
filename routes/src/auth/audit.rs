//! The audit log: who did what, a row an action.
//!
//! Source: supabase/auth, `internal/models/audit_log_entry.go`.

use serde_json::{Map, Value};

use super::{Context, sql, user::User};
use crate::{World, database::Statement};

macro_rules! actions {
    ($($name:ident $text:literal $kind:literal)*) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Action { $($name),* }

        impl Action {
            const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            const fn log_type(self) -> &'static str {
                match self { $(Self::$name => $kind),* }
            }
        }
    };
}

actions! {
    Login "login" "account"
    Logout "logout" "account"
    InviteAccepted "invite_accepted" "account"
    UserSignedUp "user_signedup" "team"
    UserInvited "user_invited" "team"
    UserDeleted "user_deleted" "team"
    UserModified "user_modified" "user"
    UserRecoveryRequested "user_recovery_requested" "user"
    UserReauthenticate "user_reauthenticate_requested" "user"
    UserConfirmationRequested "user_confirmation_requested" "user"
    UserRepeatedSignUp "user_repeated_signup" "user"
    UserUpdatePassword "user_updated_password" "user"
    TokenRevoked "token_revoked" "token"
    TokenRefreshed "token_refreshed" "token"
    EnrollFactor "factor_in_progress" "factor"
    UnenrollFactor "factor_unenrolled" "factor"
    CreateChallenge "challenge_created" "factor"
    VerifyFactor "verification_attempted" "factor"
    DeleteFactor "factor_deleted" "factor"
    UpdateFactor "factor_updated" "factor"
    MfaCodeLogin "mfa_code_login" "factor"
    IdentityUnlink "identity_unlinked" "user"
    PasskeyCreated "passkey_created" "user"
    PasskeyUpdated "passkey_updated" "user"
    PasskeyDeleted "passkey_deleted" "user"
}

/// Who did it.
#[derive(Debug, Clone, Copy)]
pub enum Actor<'a> {
    User(&'a User),
    /// Somebody with a token of this role, who is no user.
    Admin(&'a str),
}

/// The statement that logs an action; `traits` says more about it, an empty object nothing.
pub fn entry<W: World>(
    context: &Context<'_, W>,
    actor: Actor<'_>,
    action: Action,
    traits: Value,
) -> Statement {
    let mut payload = Map::new();
    let mut set = |name: &str, value: Value| payload.insert(name.to_owned(), value);
    match actor {
        Actor::User(user) => {
            set("actor_id", user.id.to_string().into());
            set("actor_via_sso", user.is_sso_user.into());
            let username = match user.phone() {
                "" => user.email(),
                phone => phone,
            };
            set("actor_username", username.into());
            let metadata = user.raw_user_meta_data.as_ref();
            if let Some(name) = metadata.and_then(|metadata| metadata.get("full_name")) {
                set("actor_name", name.clone());
            }
        }
        Actor::Admin(role) => {
            set("actor_id", uuid::Uuid::nil().to_string().into());
            set("actor_via_sso", false.into());
            set("actor_username", role.into());
        }
    }
    set("action", action.as_str().into());
    set("log_type", action.log_type().into());
    if traits.as_object().is_some_and(|traits| !traits.is_empty()) {
        set("traits", traits);
    }
    let payload = Value::Object(payload).to_string();
    sql::audit::insert(context.uuid(), payload, context.ip_address())
}
