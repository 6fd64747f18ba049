//! `POST /signup`: a new user by e-mail address or phone number and password, or without a name.
//!
//! Source: supabase/auth, `internal/api/signup.go` and `anonymous.go`.

use http::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Context, address,
    audit::{self, Action, Actor},
    delivery,
    error::{AuthError, ErrorCode},
    limits::Limit,
    pkce::Challenge,
    session::{Grant, Method, read_user, sign_in},
    sql::{self, users::NewUser},
    user::User,
};
use crate::{Body, World, database::Statement};

#[derive(Debug, Deserialize)]
struct Parameters {
    #[serde(default)]
    email: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    data: Option<Map<String, Value>>,
    #[serde(default)]
    channel: String,
    #[serde(default)]
    code_challenge: Option<String>,
    #[serde(default)]
    code_challenge_method: Option<String>,
}

pub(super) async fn handle<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    let parameters: Parameters = context.json()?;
    if parameters.email.is_empty() && parameters.phone.is_empty() {
        if !context.settings.enable_anonymous_sign_ins {
            return Err(AuthError::unprocessable(
                ErrorCode::AnonymousProviderDisabled,
                "Anonymous sign-ins are disabled",
            ));
        }
        context.limit(Limit::Anonymous)?;
        return anonymous(context, parameters).await;
    }
    context.limit(Limit::Signup)?;
    named(context, parameters).await
}

pub(super) fn check_enabled<W: World>(context: &Context<'_, W>) -> Result<(), AuthError> {
    if context.settings.enable_signup {
        return Ok(());
    }
    Err(AuthError::unprocessable(
        ErrorCode::SignupDisabled,
        "Signups not allowed for this instance",
    ))
}

async fn anonymous<W: World>(
    context: &Context<'_, W>,
    parameters: Parameters,
) -> Result<Response<Body>, AuthError> {
    check_enabled(context)?;
    let audience = context.audience();
    let user = NewUser {
        id: context.uuid(),
        audience: &audience,
        role: &context.settings.jwt_default_role,
        user_metadata: parameters.data.unwrap_or_default(),
        is_anonymous: true,
        ..NewUser::default()
    };
    let before = vec![sql::users::insert(&user)];
    sign_in(
        context,
        before,
        user.id,
        Method::Anonymous,
        Grant::default(),
    )
    .await
    .map_err(saving)?
    .into_response(context)
}

/// What a trigger on `auth.users` refuses is told as GoTrue tells it.
pub(super) fn saving(error: AuthError) -> AuthError {
    if error.status == http::StatusCode::INTERNAL_SERVER_ERROR {
        return AuthError::internal("Database error saving new user");
    }
    error
}

/// By which of the two a user signs up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provider {
    Email,
    Phone,
}

impl Provider {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
        }
    }
}

async fn named<W: World>(
    context: &Context<'_, W>,
    parameters: Parameters,
) -> Result<Response<Body>, AuthError> {
    check_enabled(context)?;
    let settings = context.settings;
    if parameters.password.is_empty() {
        return Err(AuthError::invalid("Signup requires a valid password"));
    }
    context.check_password(&parameters.password)?;
    if !parameters.email.is_empty() && !parameters.phone.is_empty() {
        return Err(AuthError::invalid(
            "Only an email address or phone number should be provided on signup.",
        ));
    }
    let provider = if parameters.email.is_empty() {
        Provider::Phone
    } else {
        Provider::Email
    };
    let code_challenge = parameters.code_challenge.as_deref().unwrap_or_default();
    if provider == Provider::Phone {
        delivery::check_channel(&parameters.channel)?;
        if !code_challenge.is_empty() {
            return Err(AuthError::invalid("PKCE not supported for phone signups"));
        }
    }
    let method = parameters
        .code_challenge_method
        .as_deref()
        .unwrap_or_default();
    let challenge = Challenge::read(code_challenge, method)
        .map_err(|error| AuthError::invalid(error.message()))?;
    check_provider(context, provider)?;
    let audience = context.audience();
    let (kept, lookup, autoconfirm) = match provider {
        Provider::Email => {
            let email = address::email(&parameters.email)?;
            let lookup = sql::users::duplicates_of_email(&email, &audience, None);
            (email, lookup, !settings.email_enable_confirmations)
        }
        Provider::Phone => {
            let phone = address::phone(&parameters.phone)?;
            let lookup = sql::users::by_phone(&phone, &audience);
            (phone, lookup, !settings.sms_enable_confirmations)
        }
    };
    // Before it is known whether there is such a user: the time it takes tells nobody.
    let hash = context.hash_password(&parameters.password).await;
    let session = context.session().read_only();
    let existing = read_user(Some(context.database().one(&session, lookup).await?))?;
    let data = parameters.data.unwrap_or_default();

    let (actor, mut before) = match existing {
        Some(user) if is_confirmed(&user, provider) => {
            return repeated(context, &user, provider, autoconfirm, data).await;
        }
        // Who it is nobody knows yet, so nothing of them is changed.
        Some(user) => (user, Vec::new()),
        None => new_user(context, provider, &kept, Some(&hash), data),
    };
    let user_id = actor.id;
    let log = |action| {
        let traits = json!({"provider": provider.as_str()});
        audit::entry(context, Actor::User(&actor), action, traits)
    };
    if autoconfirm {
        before.push(match provider {
            Provider::Email => sql::users::confirm_email(user_id),
            Provider::Phone => sql::users::confirm_phone(user_id),
        });
        before.push(log(Action::UserSignedUp));
        before.push(log(Action::Login));
        return sign_in(context, before, user_id, Method::Password, Grant::default())
            .await
            .map_err(saving)?
            .into_response(context);
    }
    before.push(log(Action::UserConfirmationRequested));
    let user = save(context, before, user_id).await?;
    match provider {
        Provider::Email => delivery::confirmation(context, &user, challenge.as_ref()).await?,
        Provider::Phone => {
            let channel = &parameters.channel;
            delivery::phone_confirmation(context, &user, &kept, channel, Vec::new()).await?;
        }
    }
    let session = context.session().read_only();
    let user = context
        .database()
        .one(&session, sql::users::by_id(user_id))
        .await?;
    let user =
        read_user(Some(user))?.ok_or_else(|| AuthError::internal("Database error finding user"))?;
    Ok(super::json(user.to_json()))
}

/// Whether users may sign up by such an address.
pub(super) fn check_provider<W: World>(
    context: &Context<'_, W>,
    provider: Provider,
) -> Result<(), AuthError> {
    let settings = context.settings;
    let (enabled, code, message) = match provider {
        Provider::Email => (
            settings.email_enabled && settings.email_enable_signup,
            ErrorCode::EmailProviderDisabled,
            "Email signups are disabled",
        ),
        Provider::Phone => (
            settings.sms_enable_signup,
            ErrorCode::PhoneProviderDisabled,
            "Phone signups are disabled",
        ),
    };
    if enabled {
        return Ok(());
    }
    Err(AuthError::bad_request(code, message))
}

/// A user who is about to be made, and the statements that make them and their identity.
pub(super) fn new_user<W: World>(
    context: &Context<'_, W>,
    provider: Provider,
    address: &str,
    encrypted_password: Option<&str>,
    data: Map<String, Value>,
) -> (User, Vec<Statement>) {
    let id = context.uuid();
    let identity = identity_data(id, provider, address);
    let mut user_metadata = identity.clone();
    user_metadata.extend(data);
    let (email, phone) = match provider {
        Provider::Email => (Some(address), None),
        Provider::Phone => (None, Some(address)),
    };
    let audience = context.audience();
    let new = NewUser {
        id,
        audience: &audience,
        role: &context.settings.jwt_default_role,
        email,
        phone,
        encrypted_password,
        app_metadata: app_metadata(&[provider.as_str()]),
        user_metadata: user_metadata.clone(),
        ..NewUser::default()
    };
    let name = provider.as_str();
    let statements = vec![
        sql::users::insert(&new),
        sql::users::insert_identity(context.uuid(), id, name, &id.to_string(), &identity),
    ];
    let user = User {
        email: email.map(str::to_owned),
        phone: phone.map(str::to_owned),
        raw_user_meta_data: Some(user_metadata),
        ..User::nobody(id)
    };
    (user, statements)
}

/// Runs statements and reads the user as they are then.
pub(super) async fn save<W: World>(
    context: &Context<'_, W>,
    mut statements: Vec<Statement>,
    user_id: uuid::Uuid,
) -> Result<User, AuthError> {
    statements.push(sql::users::by_id(user_id));
    let results = context
        .database()
        .run(&context.session(), &statements)
        .await;
    let mut results = results.map_err(AuthError::from).map_err(saving)?;
    read_user(results.pop())?.ok_or_else(|| AuthError::internal("Database error saving new user"))
}

fn is_confirmed(user: &User, provider: Provider) -> bool {
    match provider {
        Provider::Email => user.is_email_confirmed(),
        Provider::Phone => user.is_phone_confirmed(),
    }
}

/// What the identity says: GoTrue's claims of somebody who has proved nothing yet.
fn identity_data(id: uuid::Uuid, provider: Provider, address: &str) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("sub".to_owned(), id.to_string().into());
    data.insert(provider.as_str().to_owned(), address.into());
    data.insert("email_verified".to_owned(), false.into());
    data.insert("phone_verified".to_owned(), false.into());
    data
}

/// What only admins may change: by which providers the user signs in.
pub(super) fn app_metadata(providers: &[&str]) -> Map<String, Value> {
    let mut metadata = Map::new();
    if let Some(first) = providers.first() {
        metadata.insert("provider".to_owned(), (*first).into());
    }
    metadata.insert("providers".to_owned(), json!(providers));
    metadata
}

/// Somebody signs up who is there already. Where a session would follow at once it cannot be hidden;
/// else the answer is that of a new user.
async fn repeated<W: World>(
    context: &Context<'_, W>,
    user: &User,
    provider: Provider,
    autoconfirm: bool,
    data: Map<String, Value>,
) -> Result<Response<Body>, AuthError> {
    let traits = json!({"provider": provider.as_str()});
    let entry = audit::entry(
        context,
        Actor::User(user),
        Action::UserRepeatedSignUp,
        traits,
    );
    context.database().one(&context.session(), entry).await?;
    if autoconfirm {
        return Err(AuthError::unprocessable(
            ErrorCode::UserAlreadyExists,
            "User already registered",
        ));
    }
    let id = context.uuid();
    let (email, phone) = match provider {
        Provider::Email => (user.email.clone(), None),
        Provider::Phone => (None, user.phone.clone()),
    };
    let address = email.as_deref().or(phone.as_deref()).unwrap_or_default();
    let mut user_metadata = identity_data(id, provider, address);
    user_metadata.extend(data);
    let shown = User {
        email,
        phone,
        aud: Some(context.audience()),
        role: Some(context.settings.jwt_default_role.clone()),
        confirmation_sent_at: Some(context.now),
        raw_app_meta_data: Some(app_metadata(&[provider.as_str()])),
        raw_user_meta_data: Some(user_metadata),
        created_at: Some(context.now),
        updated_at: Some(context.now),
        ..User::nobody(id)
    };
    Ok(super::json(shown.to_json()))
}
