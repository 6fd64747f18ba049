//! Who calls an endpoint: the token of the request, verified, and the user and session it names.
//!
//! Source: supabase/auth, `internal/api/auth.go`.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    Context,
    error::{AuthError, ErrorCode},
    session::{Session, read_user},
    sql,
    user::User,
};
use crate::{World, identity::IdentityError};

/// A signed-in user.
#[derive(Debug, Clone)]
pub struct Caller {
    pub user: User,
    /// `None` for a token that names no session, as one that was signed elsewhere.
    pub session: Option<Session>,
    pub claims: Map<String, Value>,
}

/// Somebody whose token has an admin role.
#[derive(Debug, Clone)]
pub struct Admin {
    pub role: String,
    pub claims: Map<String, Value>,
}

impl Caller {
    /// The session's assurance level; without a session the first.
    pub fn is_aal2(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_aal2)
    }

    /// The session, for endpoints that need one.
    pub fn require_session(&self) -> Result<&Session, AuthError> {
        self.session.as_ref().ok_or_else(|| {
            AuthError::forbidden(
                ErrorCode::SessionNotFound,
                "Session from session_id claim in JWT does not exist",
            )
        })
    }
}

impl<W: World> Context<'_, W> {
    /// The claims of the request's token.
    pub fn claims(&self) -> Result<Map<String, Value>, AuthError> {
        let token = self
            .project
            .bearer(self.headers())
            .filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| {
            AuthError::unauthorized(
                ErrorCode::NoAuthorization,
                "This endpoint requires a valid Bearer token",
            )
        })?;
        let keys = self.project.verifier.keys.as_ref();
        let claims = match keys {
            Some(keys) => keys.verify(token).map_err(|error| refused(reason(error)))?,
            None => return Err(refused("token is unverifiable: there is no key")),
        };
        check_times(&claims, self.now.seconds())?;
        Ok(claims)
    }

    /// The signed-in user who calls.
    pub async fn caller(&self) -> Result<Caller, AuthError> {
        let claims = self.claims()?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        let bad = |message: &str| AuthError::forbidden(ErrorCode::BadJwt, message);
        let subject = text("sub");
        if subject.is_empty() {
            return Err(bad("invalid claim: missing sub claim"));
        }
        let user_id = Uuid::parse_str(subject).map_err(|_error| {
            AuthError::bad_request(ErrorCode::BadJwt, "invalid claim: sub claim must be a UUID")
        })?;
        let session_id = match text("session_id") {
            "" => None,
            id => Some(
                Uuid::parse_str(id)
                    .map_err(|_error| bad("invalid claim: session_id claim must be a UUID"))?,
            )
            .filter(|id| !id.is_nil()),
        };
        let statement = sql::users::with_session(user_id, session_id);
        let result = self
            .database()
            .one(&self.session().read_only(), statement)
            .await?;
        let session = result.rows.first().and_then(|row| row.bytes(1));
        let session = session
            .map(|json| Session::from_row(&json))
            .transpose()
            .map_err(|error| {
                AuthError::internal(format!("Database error loading session: {error}"))
            })?;
        let user = read_user(Some(result))?.ok_or_else(|| {
            AuthError::forbidden(
                ErrorCode::UserNotFound,
                "User from sub claim in JWT does not exist",
            )
        })?;
        if session_id.is_some() && session.is_none() {
            return Err(AuthError::forbidden(
                ErrorCode::SessionNotFound,
                "Session from session_id claim in JWT does not exist",
            ));
        }
        Ok(Caller {
            user,
            session,
            claims,
        })
    }

    /// The signed-in user who calls, who must have an account of their own.
    pub async fn caller_not_anonymous(&self) -> Result<Caller, AuthError> {
        let caller = self.caller().await?;
        if caller.claims.get("is_anonymous") == Some(&Value::Bool(true)) {
            return Err(AuthError::forbidden(
                ErrorCode::NoAuthorization,
                "Anonymous user not allowed to perform these actions",
            ));
        }
        Ok(caller)
    }

    /// Somebody who may do everything.
    pub fn admin(&self) -> Result<Admin, AuthError> {
        let claims = self.claims()?;
        let role = claims
            .get("role")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !self
            .settings
            .jwt_admin_roles
            .iter()
            .any(|admin| admin == role)
        {
            return Err(AuthError::forbidden(
                ErrorCode::NotAdmin,
                "User not allowed",
            ));
        }
        Ok(Admin {
            role: role.to_owned(),
            claims,
        })
    }

    /// The audience that the request is about.
    pub fn audience(&self) -> String {
        match self.header("x-jwt-aud") {
            "" => self.settings.jwt_audience.clone(),
            audience => audience.to_owned(),
        }
    }
}

fn refused(reason: &str) -> AuthError {
    AuthError::forbidden(
        ErrorCode::BadJwt,
        format!("invalid JWT: unable to parse or verify signature, {reason}"),
    )
}

/// As the library that GoTrue verifies with says it.
const fn reason(error: IdentityError) -> &'static str {
    match error {
        IdentityError::Empty | IdentityError::Parts(_) => {
            "token is malformed: token contains an invalid number of segments"
        }
        IdentityError::Undecodable => "token is malformed: could not base64 decode header",
        IdentityError::Unsecured => {
            "token is unverifiable: error while executing keyfunc: 'none' signature type is not allowed"
        }
        IdentityError::NoSuitableKey | IdentityError::SecretMissing => {
            "token is unverifiable: error while executing keyfunc: unrecognized JWT kid"
        }
        IdentityError::WrongSignature => "token signature is invalid: signature is invalid",
        IdentityError::ClaimsUnreadable => "token is malformed: could not JSON decode claim",
        IdentityError::NotANumber(_) | IdentityError::AudienceMalformed => {
            "token has invalid claims: invalid type for claim"
        }
        IdentityError::Expired => "token has invalid claims: token is expired",
        IdentityError::NotYetValid => "token has invalid claims: token is not valid yet",
        IdentityError::IssuedInTheFuture => "token has invalid claims: token used before issued",
        IdentityError::NotInAudience => "token has invalid claims: token has invalid audience",
        IdentityError::TokenRequired => "token is malformed",
    }
}

/// `exp` and `nbf`, to the second.
fn check_times(claims: &Map<String, Value>, now: i64) -> Result<(), AuthError> {
    let time = |name: &str| match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(refused("token has invalid claims: invalid type for claim")),
        },
    };
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact for the next 285 million years"
    )]
    let now = now as f64;
    if time("exp")?.is_some_and(|end| now >= end) {
        return Err(refused(reason(IdentityError::Expired)));
    }
    if time("nbf")?.is_some_and(|begin| now < begin) {
        return Err(refused(reason(IdentityError::NotYetValid)));
    }
    Ok(())
}
