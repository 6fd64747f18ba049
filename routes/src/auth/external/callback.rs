//! A user comes back from a provider: `/callback`. Whatever happens, they are sent on to where they
//! came from, with a session, a code or an error.

use http::{HeaderValue, Method, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    super::{
        AuthError, Context, ErrorCode,
        delivery::{self, notice},
        error::Kind,
        redirect,
        session::{self, Grant, SignedIn, read_user},
        sql,
        time::Time,
    },
    account, identities,
    profile::Profile,
    source::Source,
};
use crate::{Body, World, database::DatabaseError};

/// A row of `auth.flow_state`: a sign-in that is under way.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Flow {
    pub id: Uuid,
    #[serde(default)]
    user_id: Option<Uuid>,
    #[serde(default)]
    auth_code: Option<String>,
    #[serde(default)]
    code_challenge: Option<String>,
    provider_type: String,
    authentication_method: String,
    #[serde(default)]
    created_at: Option<Time>,
    #[serde(default)]
    referrer: Option<String>,
    #[serde(default)]
    linking_target_id: Option<Uuid>,
    email_optional: bool,
    /// Of our own proof key.
    #[serde(default)]
    code_verifier: Option<String>,
}

impl Flow {
    /// Whether the client waits for a code.
    fn has_code(&self) -> bool {
        self.code_challenge
            .as_deref()
            .is_some_and(|challenge| !challenge.is_empty())
    }
}

pub async fn callback<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    let site = context.site_url();
    let flow = match load(context).await {
        Ok(flow) => flow,
        // Nobody knows where the user came from.
        Err(error) => {
            let target = with_query(&site, &words(&error));
            return redirect_with(StatusCode::SEE_OTHER, &target);
        }
    };
    let target = flow
        .referrer
        .clone()
        .filter(|referrer| !referrer.is_empty());
    let target = target.unwrap_or(site);
    let target = match finish(context, &flow, &target).await {
        Ok(target) => target,
        Err(error) => {
            let words = words(&error);
            let mut fragment = words.clone();
            fragment.push(("sb", String::new()));
            let target = with_query(&target, &words);
            with_fragment(&target, &fragment)
        }
    };
    redirect_to(&target)
}

/// A parameter that the provider sent along: in the query, or in a form.
fn parameter<W: World>(context: &Context<'_, W>, name: &str) -> String {
    if context.method() == Method::POST
        && let Some(value) = context.form(name)
    {
        return value;
    }
    context.query(name)
}

async fn load<W: World>(context: &Context<'_, W>) -> Result<Flow, AuthError> {
    let state = parameter(context, "state");
    if state.is_empty() {
        let message = "OAuth state parameter missing";
        return Err(AuthError::bad_request(ErrorCode::BadOAuthCallback, message));
    }
    let bad = |message: &str| AuthError::bad_request(ErrorCode::BadOAuthState, message);
    let id = Uuid::parse_str(&state).map_err(|_error| bad("OAuth state parameter is invalid"))?;
    let session = context.session().read_only();
    let result = context
        .database()
        .one(&session, sql::external::flow(id))
        .await?;
    let row = result.rows.first().and_then(|row| row.get(0));
    let flow: Option<Flow> = row
        .map(serde_json::from_slice)
        .transpose()
        .map_err(|error| AuthError::internal(format!("Error loading flow state: {error}")))?;
    let flow = flow
        .filter(|flow| flow.authentication_method == "oauth")
        .ok_or_else(|| bad("OAuth state not found or expired"))?;
    let expiry = i64::try_from(context.settings.flow_state_expiry.0).unwrap_or(i64::MAX);
    if flow
        .created_at
        .is_none_or(|created| context.now > created.plus(expiry))
    {
        return Err(bad("OAuth state has expired"));
    }
    if flow.user_id.is_some() {
        return Err(already_used());
    }
    Ok(flow)
}

fn already_used() -> AuthError {
    let message = "State has already been used";
    AuthError::bad_request(ErrorCode::FlowStateAlreadyUsed, message)
}

/// The provider's refusal in the words of RFC 6749, section 4.1.2.1; what is none of them is a fault.
fn refusal_of(error: &str) -> &'static str {
    const WORDS: [&str; 10] = [
        "invalid_request",
        "unauthorized_client",
        "access_denied",
        "unsupported_response_type",
        "invalid_scope",
        "server_error",
        "temporarily_unavailable",
        "login_required",
        "consent_required",
        "interaction_required",
    ];
    let known = WORDS.iter().find(|word| **word == error);
    known.copied().unwrap_or("server_error")
}

/// Where the user is sent on to.
async fn finish<W: World>(
    context: &Context<'_, W>,
    flow: &Flow,
    target: &str,
) -> Result<String, AuthError> {
    let refusal = parameter(context, "error");
    if !refusal.is_empty() {
        let description = parameter(context, "error_description");
        return Err(AuthError::oauth(refusal_of(&refusal), description));
    }
    let code = parameter(context, "code");
    if code.is_empty() {
        let message = "OAuth callback with missing authorization code missing";
        return Err(AuthError::bad_request(ErrorCode::BadOAuthCallback, message));
    }
    let provider = Source::named(context, &flow.provider_type).await?;
    let tokens = provider
        .exchange(context, &code, flow.code_verifier.as_deref())
        .await
        .map_err(|_error| {
            AuthError::internal(format!("Unable to exchange external code: {code}"))
        })?;
    let mut profile = provider.profile(context, &tokens).await.map_err(|_error| {
        AuthError::internal("Error getting user profile from external provider")
    })?;
    if provider.name() == "apple" {
        profile.add_apple_user(&parameter(context, "user"));
    }
    if profile.emails.is_empty() && !flow.email_optional {
        let message = "Error getting user email from external provider";
        return Err(AuthError::internal(message));
    }
    profile.settle_email();
    let given = Given {
        access_token: &tokens.access_token,
        refresh_token: &tokens.refresh_token,
    };
    let came = come(context, flow, provider.name(), &profile, given).await?;
    if let Some(user) = came.let_in()
        && flow.linking_target_id.is_some()
    {
        notice::identity_linked(context, user, provider.name()).await;
    }
    match came {
        Came::Unverified { user, linked } => {
            let name = provider.name();
            if user.email().is_empty() {
                return Err(AuthError::unprocessable(
                    ErrorCode::ProviderEmailNeedsVerification,
                    format!(
                        "Unverified email with {name}. Verify the email with {name} in order to sign in"
                    ),
                ));
            }
            delivery::confirmation(context, &user, None).await?;
            let code = if linked {
                ErrorCode::EmailNotConfirmed
            } else {
                ErrorCode::ProviderEmailNeedsVerification
            };
            Err(AuthError::unprocessable(
                code,
                format!(
                    "Unverified email with {name}. A confirmation email has been sent to your {name} email"
                ),
            ))
        }
        Came::WithCode { .. } => {
            let code = flow.auth_code.clone().unwrap_or_default();
            Ok(with_query(target, &[("code", code)]))
        }
        Came::SignedIn(signed_in) => {
            let mut pairs = session_pairs(&signed_in.to_json(context)?);
            pairs.push(("provider_token", tokens.access_token.clone()));
            if !tokens.refresh_token.is_empty() {
                pairs.push(("provider_refresh_token", tokens.refresh_token.clone()));
            }
            pairs.push(("sb", String::new()));
            Ok(with_fragment(target, &pairs))
        }
    }
}

/// The provider's own tokens.
#[derive(Clone, Copy)]
struct Given<'a> {
    access_token: &'a str,
    refresh_token: &'a str,
}

/// What came of a user's return.
enum Came {
    /// Their address must be verified first.
    Unverified {
        user: Box<super::super::user::User>,
        linked: bool,
    },
    WithCode {
        user: Box<super::super::user::User>,
    },
    SignedIn(Box<SignedIn>),
}

impl Came {
    /// The user, unless there is something to do first.
    fn let_in(&self) -> Option<&super::super::user::User> {
        match self {
            Self::Unverified { .. } => None,
            Self::WithCode { user } => Some(user),
            Self::SignedIn(signed_in) => Some(&signed_in.user),
        }
    }
}

/// Finds or makes the account and begins the session, all in one transaction.
async fn come<W: World>(
    context: &Context<'_, W>,
    flow: &Flow,
    provider: &str,
    profile: &Profile,
    given: Given<'_>,
) -> Result<Came, AuthError> {
    context
        .database()
        .transaction(&context.session(), async |transaction| {
            let settled = match flow.linking_target_id {
                Some(target) => {
                    identities::attach(context, transaction, target, provider, profile).await?
                }
                None => {
                    account::settle(context, transaction, provider, profile, flow.email_optional)
                        .await?
                }
            };
            let allowed = context.settings.email_allow_unverified_sign_ins;
            if settled.unverified && !(allowed && flow.linking_target_id.is_none()) {
                return Ok(Came::Unverified {
                    user: Box::new(settled.user),
                    linked: flow.linking_target_id.is_some(),
                });
            }
            let user_id = settled.user.id;
            if flow.has_code() {
                let finished = sql::external::finish_flow(
                    flow.id,
                    user_id,
                    given.access_token,
                    given.refresh_token,
                );
                transaction.one(finished).await.map_err(ended)?;
                return Ok(Came::WithCode {
                    user: Box::new(settled.user),
                });
            }
            let (begun, mut statements) =
                session::begin(context, user_id, session::Method::OAuth, Grant::default());
            statements.insert(0, sql::external::end_flow(flow.id));
            statements.push(sql::users::by_id(user_id));
            let mut results = transaction.run(&statements).await.map_err(ended)?;
            let user = read_user(results.pop())?
                .ok_or_else(|| AuthError::internal("Database error granting user"))?;
            Ok::<Came, AuthError>(Came::SignedIn(Box::new(SignedIn {
                user,
                session: begun.session,
                refresh_token: begun.refresh_token,
            })))
        })
        .await
}

/// Another callback with the same state was quicker.
fn ended(error: DatabaseError) -> AuthError {
    match error.sqlstate() {
        Some(sql::external::ENDED) => already_used(),
        _ => error.into(),
    }
}

/// A session as an address carries it.
fn session_pairs(session: &Map<String, Value>) -> Vec<(&'static str, String)> {
    const NAMES: [&str; 5] = [
        "access_token",
        "token_type",
        "expires_in",
        "expires_at",
        "refresh_token",
    ];
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    NAMES
        .iter()
        .filter_map(|name| Some((*name, text(session.get(*name)?))))
        .collect()
}

/// An error as an address carries it.
fn words(error: &AuthError) -> Vec<(&'static str, String)> {
    let code = error.code();
    let kind = match (&error.kind, code) {
        (Kind::OAuth(kind), _) => kind,
        (
            _,
            Some(
                ErrorCode::SignupDisabled
                | ErrorCode::UserBanned
                | ErrorCode::ProviderEmailNeedsVerification,
            ),
        ) => "access_denied",
        _ => match error.status.as_u16() {
            400 => "invalid_request",
            401 => "unauthorized_client",
            403 => "access_denied",
            503 => "temporarily_unavailable",
            _ => "server_error",
        },
    };
    let mut words = vec![("error", kind.to_owned())];
    if let Some(code) = code {
        words.push(("error_code", code.as_str().to_owned()));
    }
    words.push(("error_description", error.message.clone()));
    words
}

fn with_query(target: &str, pairs: &[(&str, String)]) -> String {
    let pairs: Vec<(&str, &str)> = pairs
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    match redirect::Address::parse(target) {
        Some(address) => address.with_query(&pairs),
        None => format!("{target}?{}", redirect::form(&pairs)),
    }
}

/// What stood in the fragment before is gone.
fn with_fragment(target: &str, pairs: &[(&str, String)]) -> String {
    let mut pairs: Vec<(&str, &str)> = pairs
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    pairs.sort_unstable();
    let before = target.split('#').next().unwrap_or(target);
    format!("{before}#{}", redirect::form(&pairs))
}

/// 302.
pub(in crate::auth) fn redirect_to(target: &str) -> Result<Response<Body>, AuthError> {
    redirect_with(StatusCode::FOUND, target)
}

fn redirect_with(status: StatusCode, target: &str) -> Result<Response<Body>, AuthError> {
    let location = HeaderValue::from_str(target)
        .map_err(|_error| AuthError::internal("The address to go to cannot be sent"))?;
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}
