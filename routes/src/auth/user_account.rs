//! `GET /user` and `PUT /user`: the signed-in user's own account.
//!
//! Source: supabase/auth, `internal/api/user.go`.

use http::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Context, address,
    audit::{self, Action, Actor},
    caller::Caller,
    delivery,
    error::{AuthError, ErrorCode},
    limits::Limit,
    pkce::Challenge,
    session::read_user,
    sql,
    user::User,
};
use crate::{Body, World, database::Statement};

/// How long a sign-in counts as recent, in seconds.
const RECENT: i64 = 24 * 60 * 60;

const DUPLICATE_EMAIL: &str = "A user with this email address has already been registered";
const DUPLICATE_PHONE: &str = "A user with this phone number has already been registered";

#[derive(Debug, Deserialize)]
struct Parameters {
    #[serde(default)]
    email: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    current_password: Option<String>,
    #[serde(default)]
    nonce: String,
    #[serde(default)]
    data: Option<Map<String, Value>>,
    #[serde(default)]
    app_metadata: Option<Map<String, Value>>,
    #[serde(default)]
    channel: String,
    #[serde(default)]
    code_challenge: Option<String>,
    #[serde(default)]
    code_challenge_method: Option<String>,
}

pub(super) async fn get<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    let caller = context.caller().await?;
    let audience = context.audience();
    let is_ours = match caller.claims.get("aud") {
        Some(Value::String(name)) => *name == audience,
        Some(Value::Array(names)) => names.first().and_then(Value::as_str) == Some(&audience),
        _ => false,
    };
    if !is_ours {
        return Err(AuthError::invalid(
            "Token audience doesn't match request audience",
        ));
    }
    Ok(super::json(caller.user.to_json()))
}

pub(super) async fn put<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    let caller = context.caller().await?;
    context.limit(Limit::User)?;
    let mut parameters: Parameters = context.json()?;
    let user = &caller.user;
    if !parameters.email.is_empty() {
        parameters.email = address::email(&parameters.email)?;
    }
    if !parameters.phone.is_empty() {
        parameters.phone = address::phone(&parameters.phone)?;
        delivery::check_channel(&parameters.channel)?;
    }
    if let Some(password) = &parameters.password {
        context.check_password(password)?;
    }
    let method = parameters
        .code_challenge_method
        .as_deref()
        .unwrap_or_default();
    let challenge = Challenge::read(
        parameters.code_challenge.as_deref().unwrap_or_default(),
        method,
    )
    .map_err(|error| AuthError::invalid(error.message()))?;
    check_allowed(context, &caller, &parameters)?;
    check_free(context, &parameters, user).await?;

    let mut statements = Vec::new();
    if let Some(password) = &parameters.password {
        statements.extend(new_password(context, &caller, &parameters, password).await?);
    }
    if let Some(data) = &parameters.data {
        statements.push(sql::users::merge_user_metadata(user.id, data));
    }
    if let Some(data) = &parameters.app_metadata {
        statements.push(sql::users::merge_app_metadata(user.id, data));
    }
    let settings = context.settings;
    let new_email = Some(&parameters.email).filter(|email| changes(email, user.email()));
    let new_phone = Some(&parameters.phone).filter(|phone| changes(phone, user.phone()));
    // Who had no name gets one as by signing up; everybody else proves that the address is theirs.
    let email_at_once = user.is_anonymous && !settings.email_enable_confirmations;
    let phone_at_once = !settings.sms_enable_confirmations;
    if let Some(email) = new_email.filter(|_| email_at_once) {
        statements.push(sql::users::set_email(user.id, email));
        statements.push(sql::users::confirm_email(user.id));
        statements.extend(name_identity(context, user, "email", email));
    }
    if let Some(phone) = new_phone.filter(|_| phone_at_once) {
        statements.push(sql::users::set_phone(user.id, phone));
        statements.push(sql::users::confirm_phone(user.id));
        statements.extend(name_identity(context, user, "phone", phone));
    }
    statements.push(audit::entry(
        context,
        Actor::User(user),
        Action::UserModified,
        Value::Null,
    ));
    statements.push(sql::users::by_id(user.id));
    let mut results = context
        .database()
        .run(&context.session(), &statements)
        .await?;
    let mut user = read_user(results.pop())?.ok_or_else(gone)?;
    if parameters.password.is_some() {
        delivery::notice::password_changed(context, &caller.user).await;
    }
    delivery::notice::phone_changed(context, &caller.user, &user).await;

    if let Some(email) = new_email.filter(|_| !email_at_once) {
        delivery::email_change(context, &user, email, challenge.as_ref()).await?;
        user = reload(context, &user).await?;
    }
    if let Some(phone) = new_phone.filter(|_| !phone_at_once) {
        delivery::phone_change(context, &user, phone, &parameters.channel).await?;
        user = reload(context, &user).await?;
    }
    Ok(super::json(user.to_json()))
}

fn changes(new: &str, old: &str) -> bool {
    !new.is_empty() && new != old
}

fn gone() -> AuthError {
    AuthError::internal("Database error finding user")
}

async fn reload<W: World>(context: &Context<'_, W>, user: &User) -> Result<User, AuthError> {
    let session = context.session().read_only();
    let result = context
        .database()
        .one(&session, sql::users::by_id(user.id))
        .await?;
    read_user(Some(result))?.ok_or_else(gone)
}

/// What this user may change, in this session.
fn check_allowed<W: World>(
    context: &Context<'_, W>,
    caller: &Caller,
    parameters: &Parameters,
) -> Result<(), AuthError> {
    let user = &caller.user;
    let role = user.role.as_deref().unwrap_or_default();
    let is_admin = context
        .settings
        .jwt_admin_roles
        .iter()
        .any(|admin| admin == role);
    if parameters.app_metadata.is_some() && !is_admin {
        return Err(AuthError::forbidden(
            ErrorCode::NotAdmin,
            "Updating app_metadata requires admin privileges",
        ));
    }
    let sets_password = parameters
        .password
        .as_deref()
        .is_some_and(|text| !text.is_empty());
    let changes_name =
        changes(&parameters.email, user.email()) || changes(&parameters.phone, user.phone());
    if user.has_verified_factor() && !caller.is_aal2() && (sets_password || changes_name) {
        return Err(AuthError::unauthorized(
            ErrorCode::InsufficientAal,
            "AAL2 session is required to update email or password when MFA is enabled.",
        ));
    }
    let is_named = !parameters.email.is_empty() || !parameters.phone.is_empty();
    if user.is_anonymous && sets_password && !is_named {
        return Err(AuthError::unprocessable(
            ErrorCode::ValidationFailed,
            "Updating password of an anonymous user without an email or phone is not allowed",
        ));
    }
    if user.is_sso_user && (sets_password || changes_name || !parameters.nonce.is_empty()) {
        return Err(AuthError::unprocessable(
            ErrorCode::UserSsoManaged,
            "Updating email, phone, password of a SSO account only possible via SSO",
        ));
    }
    Ok(())
}

/// Nobody else may have the new address or number.
async fn check_free<W: World>(
    context: &Context<'_, W>,
    parameters: &Parameters,
    user: &User,
) -> Result<(), AuthError> {
    let audience = context.audience();
    let taken = async |statement: Statement| {
        let session = context.session().read_only();
        let result = context.database().one(&session, statement).await?;
        Ok::<_, AuthError>(!result.rows.is_empty())
    };
    let Parameters { email, phone, .. } = parameters;
    if changes(email, user.email())
        && taken(sql::users::duplicates_of_email(
            email,
            &audience,
            Some(user.id),
        ))
        .await?
    {
        return Err(AuthError::unprocessable(
            ErrorCode::EmailExists,
            DUPLICATE_EMAIL,
        ));
    }
    if changes(phone, user.phone()) && taken(sql::users::by_phone(phone, &audience)).await? {
        return Err(AuthError::unprocessable(
            ErrorCode::PhoneExists,
            DUPLICATE_PHONE,
        ));
    }
    Ok(())
}

/// The statements of a new password, after which the user's other sessions are over.
async fn new_password<W: World>(
    context: &Context<'_, W>,
    caller: &Caller,
    parameters: &Parameters,
    password: &str,
) -> Result<Vec<Statement>, AuthError> {
    let Caller { user, session, .. } = caller;
    let settings = context.settings;
    let old = user
        .encrypted_password
        .as_deref()
        .filter(|_| user.has_password());
    if settings.email_secure_password_change {
        let begun = session.as_ref().and_then(|session| session.created_at);
        if begun.is_none_or(|begun| context.now > begun.plus(RECENT)) {
            if parameters.nonce.is_empty() {
                return Err(AuthError::bad_request(
                    ErrorCode::ReauthenticationNeeded,
                    "Password update requires reauthentication",
                ));
            }
            delivery::check_nonce(context, user, &parameters.nonce).await?;
        }
    }
    if settings.email_require_current_password && old.is_some() {
        let current = parameters.current_password.as_deref().unwrap_or_default();
        if current.is_empty() {
            return Err(AuthError::bad_request(
                ErrorCode::CurrentPasswordRequired,
                "Current password required when setting new password.",
            ));
        }
        if !context.verify_password(old, current).await {
            return Err(AuthError::bad_request(
                ErrorCode::CurrentPasswordMismatch,
                "Current password required when setting new password.",
            ));
        }
    }
    if old.is_some() && context.verify_password(old, password).await {
        return Err(AuthError::unprocessable(
            ErrorCode::SamePassword,
            "New password should be different from the old password.",
        ));
    }
    let hash = context.hash_password(password).await;
    Ok(vec![
        sql::users::set_password(user.id, Some(&hash)),
        sql::users::clear_one_time_tokens(user.id),
        match session {
            Some(session) => sql::sessions::delete_others(user.id, session.id),
            None => sql::sessions::delete_all(user.id),
        },
        audit::entry(
            context,
            Actor::User(user),
            Action::UserUpdatePassword,
            Value::Null,
        ),
    ])
}

/// The user's identity by e-mail or phone says the new name, proved; who had none gets one.
pub(super) fn name_identity<W: World>(
    context: &Context<'_, W>,
    user: &User,
    provider: &str,
    name: &str,
) -> Vec<Statement> {
    let verified = format!("{provider}_verified");
    let mut data = Map::new();
    data.insert(provider.to_owned(), name.into());
    data.insert(verified, json!(true));
    let identity = if user.identity(provider).is_some() {
        sql::users::merge_identity(user.id, provider, &data)
    } else {
        let id = user.id.to_string();
        data.insert("sub".to_owned(), id.as_str().into());
        sql::users::insert_identity(context.uuid(), user.id, provider, &id, &data)
    };
    vec![
        identity,
        sql::users::set_anonymous(user.id, false),
        sql::users::refresh_providers(user.id),
    ]
}
