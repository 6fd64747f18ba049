//! A link that was followed: everything it has to say goes to where the browser is sent.

use http::{HeaderValue, Response, StatusCode, header};

use super::{
    super::{
        Context,
        error::{AuthError, ErrorCode},
        limits::Limit,
        one_time::Flow,
        redirect::{Address, form},
        session::{Method, SignedIn, read_user},
        sql,
    },
    EXPIRED_LINK, HALF, Outcome, Subject, confirm, enter, find, run, tell,
};
use crate::{Body, World};

/// `GET /verify`.
pub(in super::super) async fn follow<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, AuthError> {
    context.limit(Limit::Verify)?;
    let (token, word) = (context.query("token"), context.query("type"));
    if word.is_empty() {
        return Err(AuthError::invalid("Verify requires a verification type"));
    }
    if token.is_empty() {
        return Err(AuthError::invalid(
            "Verify requires a token or a token hash",
        ));
    }
    let target = context.referrer();
    let flow = Flow::of_token(&token);
    let followed = verify(context, &token, &word, flow).await;
    let location = match followed {
        Ok(Followed::SignedIn(signed_in)) => with_session(context, &target, &word, &signed_in)?,
        Ok(Followed::Code(code)) => query(&target, &[("code", &code)]),
        Ok(Followed::Half) => with_words(&target, flow, &[("message", HALF)]),
        // A database that is away is no fault of the link, which may be followed again.
        Err(error) if error.status == StatusCode::SERVICE_UNAVAILABLE => return Err(error),
        Err(error) => with_error(&target, flow, &error),
    };
    redirect(&location)
}

enum Followed {
    SignedIn(Box<SignedIn>),
    Code(String),
    Half,
}

async fn verify<W: World>(
    context: &Context<'_, W>,
    token: &str,
    word: &str,
    flow: Flow,
) -> Result<Followed, AuthError> {
    let subject = Subject::read(word);
    let found = find::by_token(context, subject, token).await?;
    match (confirm::plan(context, &found)?, flow) {
        (Outcome::Half(statements), _) => {
            run(context, statements, EXPIRED_LINK).await?;
            Ok(Followed::Half)
        }
        (Outcome::Whole(statements), Flow::Implicit) => {
            let signed_in = enter(context, statements, &found.user, EXPIRED_LINK).await?;
            tell(context, &found, &signed_in.user).await;
            Ok(Followed::SignedIn(Box::new(signed_in)))
        }
        (Outcome::Whole(mut statements), Flow::Pkce) => {
            let method = method(subject)?;
            let missing = || {
                AuthError::bad_request(
                    ErrorCode::FlowStateNotFound,
                    "No associated flow state found. No valid flow state found for user.",
                )
            };
            let waiting = sql::flow_states::is_waiting(found.user.id, method.as_str());
            let session = context.session().read_only();
            if context
                .database()
                .one(&session, waiting)
                .await?
                .rows
                .is_empty()
            {
                return Err(missing());
            }
            statements.extend([
                sql::users::by_id(found.user.id),
                sql::flow_states::issue_code(found.user.id, method.as_str()),
            ]);
            let mut results = run(context, statements, EXPIRED_LINK).await?;
            let issued = results.pop();
            let row = issued.as_ref().and_then(|result| result.rows.first());
            let code = row.and_then(|row| row.text(0)).ok_or_else(missing)?;
            if let Some(user) = read_user(results.pop())? {
                tell(context, &found, &user).await;
            }
            Ok(Followed::Code(code.to_owned()))
        }
    }
}

/// How the sign-in that waits for its code was begun.
fn method(subject: Subject) -> Result<Method, AuthError> {
    match subject {
        Subject::Signup => Ok(Method::EmailSignup),
        Subject::Invite => Ok(Method::Invite),
        Subject::MagicLink => Ok(Method::MagicLink),
        Subject::Recovery => Ok(Method::Recovery),
        Subject::EmailChange => Ok(Method::EmailChange),
        Subject::Email | Subject::Sms | Subject::PhoneChange | Subject::Unknown => {
            Err(AuthError::internal("unsupported authentication method"))
        }
    }
}

/// The session in the fragment, which stays in the browser.
fn with_session<W: World>(
    context: &Context<'_, W>,
    target: &str,
    word: &str,
    signed_in: &SignedIn,
) -> Result<String, AuthError> {
    let session = signed_in.to_json(context)?;
    let text = |name: &str| match session.get(name) {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let fields = [
        "access_token",
        "expires_at",
        "expires_in",
        "refresh_token",
        "token_type",
    ]
    .map(|name| (name, text(name)));
    let mut pairs: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    // By `sb` clients know that the rest is theirs.
    pairs.push(("sb", ""));
    pairs.push(("type", word));
    pairs.sort_unstable();
    Ok(format!("{target}#{}", form(&pairs)))
}

fn with_error(target: &str, flow: Flow, error: &AuthError) -> String {
    let name = match error.status {
        StatusCode::BAD_REQUEST => Some("invalid_request"),
        StatusCode::UNAUTHORIZED => Some("unauthorized_client"),
        StatusCode::FORBIDDEN => Some("access_denied"),
        StatusCode::INTERNAL_SERVER_ERROR => Some("server_error"),
        StatusCode::SERVICE_UNAVAILABLE => Some("temporarily_unavailable"),
        _ => None,
    };
    let mut pairs = Vec::new();
    pairs.extend(name.map(|name| ("error", name)));
    let code = error.code().map_or("", ErrorCode::as_str);
    pairs.push(("error_code", code));
    pairs.push(("error_description", error.message.as_str()));
    with_words(target, flow, &pairs)
}

/// Words in the fragment; in a flow that ends with a code in the query as well, where a server reads.
fn with_words(target: &str, flow: Flow, words: &[(&str, &str)]) -> String {
    let target = match flow {
        Flow::Pkce => query(target, words),
        Flow::Implicit => target.to_owned(),
    };
    let bare = target.split('#').next().unwrap_or_default();
    let mut pairs = words.to_vec();
    pairs.push(("sb", ""));
    format!("{bare}#{}", form(&pairs))
}

fn query(target: &str, set: &[(&str, &str)]) -> String {
    if let Some(address) = Address::parse(target) {
        return address.with_query(set);
    }
    // An application's own scheme, which the allow-list has as it stands.
    let sign = if target.contains('?') { '&' } else { '?' };
    format!("{target}{sign}{}", form(set))
}

fn redirect(location: &str) -> Result<Response<Body>, AuthError> {
    let location = HeaderValue::from_str(location)
        .map_err(|_invalid| AuthError::invalid("The redirect cannot be sent"))?;
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_go_to_the_redirect() {
        let error = AuthError::forbidden(ErrorCode::OtpExpired, EXPIRED_LINK);
        for (target, flow, expected) in [
            (
                "http://a.test/b?c=d",
                Flow::Implicit,
                "http://a.test/b?c=d#error=access_denied&error_code=otp_expired&error_description=Email+link+is+invalid+or+has+expired&sb=",
            ),
            (
                "http://a.test/b?error=x&c=d#e",
                Flow::Pkce,
                "http://a.test/b?c=d&error=access_denied&error_code=otp_expired&error_description=Email+link+is+invalid+or+has+expired#error=access_denied&error_code=otp_expired&error_description=Email+link+is+invalid+or+has+expired&sb=",
            ),
        ] {
            assert_eq!(with_error(target, flow, &error), expected);
        }
    }

    #[test]
    fn codes_go_to_the_query() {
        for (target, expected) in [
            ("http://a.test", "http://a.test?code=1"),
            ("http://a.test/?code=0&b=c", "http://a.test/?b=c&code=1"),
            ("com.app://x", "com.app://x?code=1"),
            ("com.my_app://x?y", "com.my_app://x?y&code=1"),
        ] {
            assert_eq!(query(target, &[("code", "1")]), expected);
        }
    }
}
