//! Which account a provider's user has: one that is theirs already, one that has their verified
//! address, or a new one.
//!
//! Source: supabase/auth, `internal/models/linking.go`, `createAccountFromExternalIdentity`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    super::{
        AuthError, Context, ErrorCode,
        audit::{self, Action, Actor},
        session::read_user,
        sql,
        user::User,
    },
    profile::{Email, Profile},
};
use crate::{
    World,
    database::{DatabaseError, Statement, Transaction},
    wire::StatementResult,
};

/// The account of a provider's user, after its rows are written.
#[derive(Debug)]
pub(in crate::auth) struct Settled {
    pub user: User,
    /// The address is not known to be the user's: before they sign in they must say so, by a mail
    /// where there is an address at all.
    pub unverified: bool,
}

/// What becomes of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Exists {
        identity: Uuid,
        user: Uuid,
    },
    Link {
        user: Uuid,
    },
    Create,
    /// Several accounts have the addresses: nobody can say which is meant.
    Several,
}

/// Finds or makes the account of a provider's user, in a transaction.
pub(in crate::auth) async fn settle<W: World>(
    context: &Context<'_, W>,
    transaction: &mut Transaction<'_, W>,
    provider: &str,
    profile: &Profile,
    email_optional: bool,
) -> Result<Settled, AuthError> {
    let confirms_itself = !context.settings.email_enable_confirmations;
    let mut candidate = candidate(&profile.emails);
    let verified: Vec<String> = profile
        .emails
        .iter()
        .filter(|email| email.verified || confirms_itself)
        .map(|email| email.address.to_lowercase())
        .collect();
    let facts = transaction
        .run(&[
            sql::external::identity(provider, &profile.subject),
            sql::external::similar(&verified),
        ])
        .await?;
    let decision = decide(&facts, !verified.is_empty());
    let (user_id, identity_id) = match decision {
        Decision::Exists { identity, user } => {
            let statements = [
                sql::external::refresh_identity(identity, &profile.data),
                sql::users::merge_user_metadata(user, &profile.data),
                sql::users::refresh_providers(user),
            ];
            transaction.run(&statements).await?;
            (user, identity)
        }
        Decision::Link { user } => {
            let identity = context.uuid();
            let statements = [
                insert_identity(identity, user, provider, profile),
                sql::users::merge_user_metadata(user, &profile.data),
                sql::users::refresh_providers(user),
            ];
            transaction.run(&statements).await?;
            (user, identity)
        }
        Decision::Create => {
            if verified.is_empty() && !candidate.address.is_empty() {
                let audience = context.audience();
                let same = sql::users::duplicates_of_email(&candidate.address, &audience, None);
                let same = transaction.one(same).await?;
                if !same.rows.is_empty() {
                    // The address stays its owner's.
                    candidate.address.clear();
                }
            }
            create(context, transaction, provider, profile, &candidate).await?
        }
        Decision::Several => {
            return Err(AuthError::internal(
                "Multiple accounts with the same email address in the same linking domain detected: default",
            ));
        }
    };
    let mut user = load(transaction, user_id).await?;
    if matches!(decision, Decision::Exists { .. }) {
        user.email().clone_into(&mut candidate.address);
    }
    if user.is_banned(context.now) {
        return Err(AuthError::forbidden(
            ErrorCode::UserBanned,
            "User is banned",
        ));
    }
    let has_emails = provider != "web3" && !(email_optional && candidate.address.is_empty());
    let traits = json!({"provider": provider});
    if !has_emails || user.is_email_confirmed() {
        let entry = audit::entry(context, Actor::User(&user), Action::Login, traits);
        transaction.one(entry).await?;
        return Ok(Settled {
            user,
            unverified: false,
        });
    }
    let mut statements: Vec<Statement> =
        sql::external::remove_unconfirmed(user_id, identity_id, &profile.data).into();
    statements.push(sql::users::refresh_providers(user_id));
    let is_proved = candidate.verified || confirms_itself;
    if is_proved {
        statements.push(audit::entry(
            context,
            Actor::User(&user),
            Action::UserSignedUp,
            traits,
        ));
        statements.push(sql::users::confirm_email(user_id));
        statements.push(sql::users::clear_one_time_tokens(user_id));
    }
    transaction.run(&statements).await?;
    user = load(transaction, user_id).await?;
    Ok(Settled {
        user,
        unverified: !is_proved,
    })
}

/// The address by which a new account would be known: the primary one.
fn candidate(emails: &[Email]) -> Email {
    let primary = emails.iter().rfind(|email| email.primary);
    let mut candidate = primary.cloned().unwrap_or(Email {
        address: String::new(),
        verified: false,
        primary: false,
    });
    candidate.address = candidate.address.to_lowercase();
    candidate
}

/// Decides by the rows of `sql::external::identity` and `similar`.
fn decide(facts: &[StatementResult], has_verified: bool) -> Decision {
    let id = |text: Option<&str>| text.and_then(|text| Uuid::parse_str(text).ok());
    let known = facts.first().and_then(|result| result.rows.first());
    if let Some(row) = known
        && let (Some(identity), Some(user)) = (id(row.text(0)), id(row.text(1)))
    {
        return Decision::Exists { identity, user };
    }
    if !has_verified {
        return Decision::Create;
    }
    let similar = facts.get(1).map(|result| result.rows.as_slice());
    let of = |kind: &str| -> BTreeSet<Uuid> {
        let rows = similar.unwrap_or_default().iter();
        rows.filter(|row| row.text(1) == Some(kind))
            .filter_map(|row| id(row.text(0)))
            .collect()
    };
    let (by_identity, by_address) = (of("t"), of("f"));
    let users = if by_identity.is_empty() {
        by_address
    } else {
        by_identity
    };
    let mut users = users.into_iter();
    match (users.next(), users.next()) {
        (None, _) => Decision::Create,
        (Some(user), None) => Decision::Link { user },
        (Some(_), Some(_)) => Decision::Several,
    }
}

/// Makes a user with one identity: their ids.
async fn create<W: World>(
    context: &Context<'_, W>,
    transaction: &mut Transaction<'_, W>,
    provider: &str,
    profile: &Profile,
    candidate: &Email,
) -> Result<(Uuid, Uuid), AuthError> {
    if !context.settings.enable_signup {
        let message = "Signups not allowed for this instance";
        return Err(AuthError::unprocessable(ErrorCode::SignupDisabled, message));
    }
    let (user_id, identity_id) = (context.uuid(), context.uuid());
    let audience = context.audience();
    let mut app_metadata = Map::new();
    app_metadata.insert("provider".to_owned(), provider.into());
    app_metadata.insert("providers".to_owned(), Value::from(vec![provider]));
    let user = sql::users::NewUser {
        id: user_id,
        audience: &audience,
        role: "authenticated",
        email: (!candidate.address.is_empty()).then_some(candidate.address.as_str()),
        app_metadata,
        user_metadata: profile.data.clone(),
        ..sql::users::NewUser::default()
    };
    let statements = [
        sql::users::insert(&user),
        insert_identity(identity_id, user_id, provider, profile),
    ];
    transaction.run(&statements).await.map_err(duplicate)?;
    Ok((user_id, identity_id))
}

pub(super) fn insert_identity(
    id: Uuid,
    user_id: Uuid,
    provider: &str,
    profile: &Profile,
) -> Statement {
    sql::users::insert_identity(id, user_id, provider, &profile.subject, &profile.data)
}

/// Somebody else was quicker.
fn duplicate(error: DatabaseError) -> AuthError {
    match error.constraint() {
        Some("identities_provider_id_provider_unique") => AuthError::unprocessable(
            ErrorCode::IdentityAlreadyExists,
            "Identity is already linked",
        ),
        Some("users_email_partial_key") => AuthError::unprocessable(
            ErrorCode::EmailExists,
            "A user with this email address has already been registered",
        ),
        _ => error.into(),
    }
}

pub(super) async fn load<W: World>(
    transaction: &mut Transaction<'_, W>,
    user_id: Uuid,
) -> Result<User, AuthError> {
    let result = transaction.one(sql::users::by_id(user_id)).await?;
    read_user(Some(result))?.ok_or_else(|| AuthError::internal("Database error finding user"))
}
