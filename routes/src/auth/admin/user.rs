//! One user: made, shown, changed, removed.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use http::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::{
    Context, address,
    audit::{self, Action, Actor},
    caller::Admin,
    error::{AuthError, ErrorCode},
    password,
    session::read_user,
    signup::{app_metadata, saving},
    sql::{self, users::NewUser},
    time::Time,
    user::User,
};
use crate::{Body, World, database::Statement};

#[derive(Debug, Deserialize)]
struct Parameters {
    #[serde(default)]
    id: String,
    #[serde(default)]
    aud: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    password_hash: String,
    #[serde(default)]
    email_confirm: bool,
    #[serde(default)]
    phone_confirm: bool,
    #[serde(default)]
    user_metadata: Option<Map<String, Value>>,
    #[serde(default)]
    app_metadata: Option<Map<String, Value>>,
    #[serde(default)]
    ban_duration: String,
}

#[derive(Debug, Default, Deserialize)]
struct Deletion {
    #[serde(default)]
    should_soft_delete: bool,
}

/// The user that the path names; 404 where there is none.
pub async fn find<W: World>(context: &Context<'_, W>) -> Result<User, AuthError> {
    let id = Uuid::parse_str(context.route.parameter("user_id")).map_err(|_error| {
        AuthError::not_found(ErrorCode::ValidationFailed, "user_id must be an UUID")
    })?;
    let session = context.session().read_only();
    let result = context
        .database()
        .one(&session, sql::users::by_id(id))
        .await?;
    read_user(Some(result))?
        .ok_or_else(|| AuthError::not_found(ErrorCode::UserNotFound, "User not found"))
}

pub(in crate::auth) async fn get<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    context.admin()?;
    let user = find(context).await?;
    Ok(super::super::json(user.to_json()))
}

/// When a ban ends: `none` lifts it, `24h30m` begins now.
fn banned_until(now: Time, duration: &str) -> Result<Option<Time>, AuthError> {
    if duration == "none" {
        return Ok(None);
    }
    let seconds = go_duration(duration).ok_or_else(|| {
        AuthError::invalid(format!(
            "invalid format for ban duration: time: invalid duration \"{duration}\""
        ))
    })?;
    Ok(Some(now.plus(seconds)))
}

/// A length of time as Go writes it, in whole seconds: `1h30m`, `1.5h`, `300ms`.
fn go_duration(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        total += number
            * match &rest[..end] {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &rest[end..];
    }
    // Go counts nanoseconds in 64 bits: 290 years.
    let fits = !text.is_empty() && total < 9.2e9;
    #[expect(clippy::cast_possible_truncation, reason = "less than 290 years")]
    fits.then_some(total as i64)
}

fn check_hash(hash: &str) -> Result<(), AuthError> {
    if password::is_known_hash(hash) {
        return Ok(());
    }
    Err(AuthError::invalid("Invalid password hash"))
}

/// What the identity says of a user whom an admin made: proved where the admin says so.
fn identity_data(id: Uuid, provider: &str, name: &str, verified: bool) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("sub".to_owned(), id.to_string().into());
    data.insert(provider.to_owned(), name.into());
    data.insert(
        "email_verified".to_owned(),
        (verified && provider == "email").into(),
    );
    data.insert(
        "phone_verified".to_owned(),
        (verified && provider == "phone").into(),
    );
    data
}

pub(in crate::auth) async fn create<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    let admin = context.admin()?;
    let mut parameters: Parameters = context.json()?;
    let audience = match parameters.aud.as_str() {
        "" => context.audience(),
        audience => audience.to_owned(),
    };
    if parameters.email.is_empty() && parameters.phone.is_empty() {
        return Err(AuthError::invalid(
            "Cannot create a user without either an email or phone",
        ));
    }
    let mut providers = Vec::new();
    let mut taken = Vec::new();
    if !parameters.email.is_empty() {
        parameters.email = address::email(&parameters.email)?;
        taken.push(sql::users::duplicates_of_email(
            &parameters.email,
            &audience,
            None,
        ));
        providers.push("email");
    }
    if !parameters.phone.is_empty() {
        parameters.phone = address::phone(&parameters.phone)?;
        taken.push(sql::users::by_phone(&parameters.phone, &audience));
        providers.push("phone");
    }
    let has_password = parameters
        .password
        .as_deref()
        .is_some_and(|text| !text.is_empty());
    if has_password && !parameters.password_hash.is_empty() {
        return Err(AuthError::invalid(
            "Only a password or a password hash should be provided",
        ));
    }
    let id = match parameters.id.as_str() {
        "" => context.uuid(),
        id => match Uuid::parse_str(id) {
            Ok(id) if !id.is_nil() => id,
            Ok(_) => return Err(AuthError::invalid("ID cannot be a nil uuid")),
            Err(_) => return Err(AuthError::invalid("ID must conform to the uuid v4 format")),
        },
    };
    let until = match parameters.ban_duration.as_str() {
        "" => None,
        duration => banned_until(context.now, duration)?,
    };
    let session = context.session().read_only();
    let found = context.database().run(&session, &taken).await?;
    for (provider, result) in providers.iter().zip(&found) {
        if !result.rows.is_empty() {
            return Err(match *provider {
                "email" => AuthError::unprocessable(
                    ErrorCode::EmailExists,
                    "A user with this email address has already been registered",
                ),
                _ => AuthError::unprocessable(
                    ErrorCode::PhoneExists,
                    "Phone number already registered by another user",
                ),
            });
        }
    }
    let hash = match (&parameters.password, parameters.password_hash.as_str()) {
        (Some(password), "") if !password.is_empty() => {
            if password.len() > 72 {
                return Err(AuthError::invalid(
                    "Password cannot be longer than 72 characters",
                ));
            }
            context.hash_password(password).await
        }
        // A password that nobody knows: the user gets in by other means.
        (_, "") => {
            let unknown = BASE64.encode(context.random::<32>());
            context.hash_password(&unknown).await
        }
        (_, hash) => {
            check_hash(hash)?;
            hash.to_owned()
        }
    };
    let role = match parameters.role.as_str() {
        "" => &context.settings.jwt_default_role,
        role => role,
    };
    let present = |text: &str| !text.is_empty();
    let user = NewUser {
        id,
        audience: &audience,
        role,
        email: Some(&*parameters.email).filter(|email| present(email)),
        phone: Some(&*parameters.phone).filter(|phone| present(phone)),
        encrypted_password: Some(&hash),
        app_metadata: app_metadata(&providers),
        user_metadata: parameters.user_metadata.clone().unwrap_or_default(),
        ..NewUser::default()
    };
    let mut statements = vec![sql::users::insert(&user)];
    for provider in &providers {
        let (name, verified) = match *provider {
            "email" => (&parameters.email, parameters.email_confirm),
            _ => (&parameters.phone, parameters.phone_confirm),
        };
        let data = identity_data(id, provider, name, verified);
        statements.push(sql::users::insert_identity(
            context.uuid(),
            id,
            provider,
            &id.to_string(),
            &data,
        ));
    }
    if let Some(data) = &parameters.app_metadata {
        statements.push(sql::users::merge_app_metadata(id, data));
    }
    if parameters.email_confirm && present(&parameters.email) {
        statements.push(sql::users::confirm_email(id));
    }
    if parameters.phone_confirm && present(&parameters.phone) {
        statements.push(sql::users::confirm_phone(id));
    }
    if let Some(until) = until {
        statements.push(sql::users::ban(id, Some(until.to_string())));
    }
    let traits = json!({
        "user_id": id,
        "user_email": parameters.email,
        "user_phone": parameters.phone,
        "provider": providers.first(),
    });
    statements.push(entry(context, &admin, Action::UserSignedUp, traits));
    let user = save(context, statements, id)
        .await
        .map_err(|error| match saving(error) {
            error if error.status.is_server_error() && error.headers.is_empty() => {
                AuthError::internal("Database error creating new user")
            }
            error => error,
        })?;
    Ok(super::super::json(user.to_json()))
}

fn entry<W: World>(
    context: &Context<'_, W>,
    admin: &Admin,
    action: Action,
    traits: Value,
) -> Statement {
    audit::entry(context, Actor::Admin(&admin.role), action, traits)
}

/// Runs statements and reads the user as they are then.
async fn save<W: World>(
    context: &Context<'_, W>,
    mut statements: Vec<Statement>,
    id: Uuid,
) -> Result<User, AuthError> {
    statements.push(sql::users::by_id(id));
    let mut results = context
        .database()
        .run(&context.session(), &statements)
        .await?;
    read_user(results.pop())?
        .ok_or_else(|| AuthError::not_found(ErrorCode::UserNotFound, "User not found"))
}

pub(in crate::auth) async fn update<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    let admin = context.admin()?;
    let user = find(context).await?;
    let mut parameters: Parameters = context.json()?;
    if !parameters.email.is_empty() {
        parameters.email = address::email(&parameters.email)?;
    }
    if !parameters.phone.is_empty() {
        parameters.phone = address::phone(&parameters.phone)?;
    }
    let id = user.id;
    let mut statements = Vec::new();
    if !parameters.ban_duration.is_empty() {
        let until = banned_until(context.now, &parameters.ban_duration)?;
        statements.push(sql::users::ban(id, until.map(|until| until.to_string())));
    }
    let has_password = parameters
        .password
        .as_deref()
        .is_some_and(|text| !text.is_empty());
    if has_password && !parameters.password_hash.is_empty() {
        return Err(AuthError::invalid(
            "Only a password or a password hash should be provided",
        ));
    }
    let hash = match (&parameters.password, parameters.password_hash.as_str()) {
        (Some(password), "") => {
            context.check_password(password)?;
            Some(context.hash_password(password).await)
        }
        (_, "") => None,
        (_, hash) => {
            check_hash(hash)?;
            Some(hash.to_owned())
        }
    };
    if !parameters.role.is_empty() {
        statements.push(sql::users::set_role(id, &parameters.role));
    }
    if let Some(hash) = &hash {
        statements.push(sql::users::set_password(id, Some(hash)));
        statements.push(sql::users::clear_one_time_tokens(id));
        statements.push(sql::sessions::delete_all(id));
    }
    if !parameters.email.is_empty() {
        statements.extend(rename(
            context,
            &user,
            "email",
            &parameters.email,
            parameters.email_confirm,
        ));
        statements.push(sql::users::set_email(id, &parameters.email));
    }
    if !parameters.phone.is_empty() {
        statements.extend(rename(
            context,
            &user,
            "phone",
            &parameters.phone,
            parameters.phone_confirm,
        ));
        statements.push(sql::users::set_phone(id, &parameters.phone));
    }
    if parameters.email_confirm {
        statements.push(sql::users::confirm_email(id));
    }
    if parameters.phone_confirm {
        statements.push(sql::users::confirm_phone(id));
    }
    if let Some(data) = &parameters.app_metadata {
        statements.push(sql::users::merge_app_metadata(id, data));
    }
    if let Some(data) = &parameters.user_metadata {
        statements.push(sql::users::merge_user_metadata(id, data));
    }
    let traits = json!({"user_id": id, "user_email": user.email(), "user_phone": user.phone()});
    statements.push(entry(context, &admin, Action::UserModified, traits));
    statements.push(sql::users::by_id(id));
    let results = context
        .database()
        .run(&context.session(), &statements)
        .await;
    let mut results = results.map_err(|error| match error.constraint() {
        Some("users_email_partial_key") => AuthError::unprocessable(
            ErrorCode::EmailExists,
            "A user with this email address has already been registered",
        ),
        Some("users_phone_key") => AuthError::unprocessable(
            ErrorCode::PhoneExists,
            "A user with this phone number has already been registered",
        ),
        _ if error.unavailable().is_some() => error.into(),
        _ => AuthError::internal("Error updating user"),
    })?;
    let user = read_user(results.pop())?
        .ok_or_else(|| AuthError::not_found(ErrorCode::UserNotFound, "User not found"))?;
    Ok(super::super::json(user.to_json()))
}

/// The user's identity by e-mail or phone has a new name; who had none gets one.
fn rename<W: World>(
    context: &Context<'_, W>,
    user: &User,
    provider: &str,
    name: &str,
    verified: bool,
) -> Vec<Statement> {
    let id = user.id;
    if user.identity(provider).is_some() {
        let mut data = Map::new();
        data.insert(provider.to_owned(), name.into());
        data.insert(format!("{provider}_verified"), verified.into());
        return vec![sql::users::merge_identity(id, provider, &data)];
    }
    let data = identity_data(id, provider, name, verified);
    vec![
        sql::users::insert_identity(context.uuid(), id, provider, &id.to_string(), &data),
        sql::users::set_anonymous(id, false),
        sql::users::refresh_providers(id),
    ]
}

pub(in crate::auth) async fn delete<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    let admin = context.admin()?;
    let user = find(context).await?;
    let Deletion { should_soft_delete } = context.json()?;
    let id = user.id;
    let traits = json!({"user_id": id, "user_email": user.email(), "user_phone": user.phone()});
    let mut statements = vec![entry(context, &admin, Action::UserDeleted, traits)];
    if !should_soft_delete {
        statements.push(sql::users::delete(id));
    } else if user.deleted_at.is_none() {
        statements.extend([
            sql::users::soft_delete(id),
            sql::users::soft_delete_identities(id),
            sql::users::clear_one_time_tokens(id),
            sql::users::delete_factors(id),
            sql::sessions::delete_all(id),
        ]);
    }
    let deleted = context
        .database()
        .run(&context.session(), &statements)
        .await;
    deleted.map_err(|error| match error.unavailable() {
        Some(_) => error.into(),
        None => AuthError::internal("Database error deleting user"),
    })?;
    Ok(super::super::json(json!({})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_last_as_go_says() {
        for (text, seconds) in [
            ("24h", Some(86_400)),
            ("1h30m", Some(5400)),
            ("1.5h", Some(5400)),
            ("1500ms", Some(1)),
            ("876600h", Some(3_155_760_000)),
            ("0", Some(0)),
            ("", None),
            ("1d", None),
            ("h", None),
            ("99999999999h", None),
        ] {
            assert_eq!(go_duration(text), seconds, "{text}");
        }
    }
}
