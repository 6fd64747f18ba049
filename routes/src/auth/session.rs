//! Sessions: how one begins, what its tokens say, and what the client gets of it.
//!
//! Source: supabase/auth, `internal/tokens/service.go` and `internal/models/sessions.go`.

use http::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Context, context::owner, error::AuthError, sql, time::Time, user::User};
use crate::{
    Body, World,
    database::{Database, Statement},
    project::Project,
    router::Client,
};

/// How a user proves who they are, as `amr` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    OAuth,
    Password,
    Otp,
    Totp,
    MfaPhone,
    MfaWebAuthn,
    Recovery,
    Invite,
    MagicLink,
    EmailSignup,
    EmailChange,
    Anonymous,
    Web3,
    OAuthProvider,
    Passkey,
}

impl Method {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OAuth => "oauth",
            Self::Password => "password",
            Self::Otp => "otp",
            Self::Totp => "totp",
            Self::MfaPhone => "mfa/phone",
            Self::MfaWebAuthn => "mfa/webauthn",
            Self::Recovery => "recovery",
            Self::Invite => "invite",
            Self::MagicLink => "magiclink",
            Self::EmailSignup => "email/signup",
            Self::EmailChange => "email_change",
            Self::Anonymous => "anonymous",
            Self::Web3 => "web3",
            Self::OAuthProvider => "oauth_provider/authorization_code",
            Self::Passkey => "passkey",
        }
    }

    /// A method by its name.
    pub fn named(name: &str) -> Option<Self> {
        const ALL: [Method; 15] = [
            Method::OAuth,
            Method::Password,
            Method::Otp,
            Method::Totp,
            Method::MfaPhone,
            Method::MfaWebAuthn,
            Method::Recovery,
            Method::Invite,
            Method::MagicLink,
            Method::EmailSignup,
            Method::EmailChange,
            Method::Anonymous,
            Method::Web3,
            Method::OAuthProvider,
            Method::Passkey,
        ];
        ALL.into_iter().find(|method| method.as_str() == name)
    }
}

/// Methods that make a session `aal2`.
const SECOND_FACTORS: [&str; 3] = ["totp", "mfa/phone", "mfa/webauthn"];

/// A row of `auth.sessions`, and how its user proved who they are.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Session {
    pub id: Uuid,
    pub user_id: Uuid,
    #[serde(default)]
    pub created_at: Option<Time>,
    #[serde(default)]
    pub updated_at: Option<Time>,
    #[serde(default)]
    pub factor_id: Option<Uuid>,
    #[serde(default)]
    pub aal: Option<String>,
    #[serde(default)]
    pub not_after: Option<Time>,
    #[serde(default)]
    pub refreshed_at: Option<Time>,
    #[serde(default)]
    pub tag: Option<String>,
    #[serde(default)]
    pub oauth_client_id: Option<Uuid>,
    #[serde(default)]
    pub scopes: Option<String>,
    /// The most recent first.
    #[serde(default)]
    pub amr: Vec<Proof>,
}

/// One row of `auth.mfa_amr_claims`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Proof {
    pub method: String,
    pub updated_at: Time,
}

/// What a session begins with, beside its user.
#[derive(Debug, Clone, Default)]
pub struct Grant {
    pub factor_id: Option<Uuid>,
    pub not_after: Option<Time>,
    pub tag: Option<String>,
    pub oauth_client_id: Option<Uuid>,
    pub scopes: Option<String>,
}

/// A session that is about to begin: its names are known before its rows are there.
#[derive(Debug, Clone)]
pub struct Begun {
    pub session: Session,
    pub refresh_token: String,
}

impl Session {
    pub fn from_row(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// The assurance level that the proofs amount to.
    pub fn aal(&self) -> &'static str {
        let mut proofs = self.amr.iter();
        if proofs.any(|proof| SECOND_FACTORS.contains(&proof.method.as_str())) {
            "aal2"
        } else {
            "aal1"
        }
    }

    /// Whether a second factor was verified in this session.
    pub fn is_aal2(&self) -> bool {
        self.aal.as_deref() == Some("aal2")
    }

    /// When it was last refreshed; a session of a time before that was kept knows by its token.
    pub fn last_refreshed(&self, token_updated: Option<Time>) -> Option<Time> {
        self.refreshed_at
            .or_else(|| token_updated.max(self.created_at))
    }

    /// Why the session is over at `now`, if it is: GoTrue's words.
    pub fn ended<W>(
        &self,
        context: &Context<'_, W>,
        user: &User,
        token_updated: Option<Time>,
    ) -> Option<&'static str> {
        let settings = context.settings;
        let past = |from: Option<Time>, seconds: u64| {
            let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
            seconds > 0 && from.is_some_and(|from| context.now > from.plus(seconds))
        };
        if self.not_after.is_some_and(|end| context.now > end) {
            return Some("Invalid Refresh Token: Session Expired");
        }
        if past(self.created_at, settings.sessions_timebox.0) {
            return Some("Invalid Refresh Token: Session Expired");
        }
        let refreshed = self.last_refreshed(token_updated);
        if past(refreshed, settings.sessions_inactivity_timeout.0) {
            return Some("Invalid Refresh Token: Session Expired (Inactivity)");
        }
        let is_low = user.has_verified_factor() && !self.is_aal2();
        if is_low && past(self.created_at, settings.sessions_allow_low_aal.0) {
            return Some(
                "Invalid Refresh Token: Session Expired (Low AAL: User Needs MFA Verification)",
            );
        }
        None
    }
}

impl<W: World> Context<'_, W> {
    /// The statement that says to whom a session is issued, where the shell names its clients.
    pub fn remember(&self, session_id: Uuid) -> Option<Statement> {
        let Client(client) = self.head.extensions.get()?;
        Some(sql::sessions::issued_to(client, session_id))
    }

    /// A new refresh token: 12 letters and digits that nobody can guess.
    pub fn refresh_token(&self) -> String {
        const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        // 32 divides 256: each letter is as likely as the next.
        let letters = self.random::<12>();
        letters
            .iter()
            .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
            .collect()
    }
}

/// Makes a session's names, and the statements that begin it: they run together with what makes the
/// user or takes a one-time token away, in one transaction.
pub fn begin<W: World>(
    context: &Context<'_, W>,
    user_id: Uuid,
    method: Method,
    grant: Grant,
) -> (Begun, Vec<Statement>) {
    let session = Session {
        id: context.uuid(),
        user_id,
        created_at: Some(context.now),
        updated_at: Some(context.now),
        factor_id: grant.factor_id,
        aal: Some("aal1".to_owned()),
        not_after: grant.not_after,
        refreshed_at: None,
        tag: grant.tag,
        oauth_client_id: grant.oauth_client_id,
        scopes: grant.scopes,
        amr: vec![Proof {
            method: method.as_str().to_owned(),
            updated_at: context.now,
        }],
    };
    let begun = Begun {
        refresh_token: context.refresh_token(),
        session,
    };
    let session = &begun.session;
    let mut statements = vec![
        sql::sessions::insert(&sql::sessions::NewSession {
            id: session.id,
            user_id,
            factor_id: session.factor_id,
            aal: "aal1",
            not_after: session.not_after.map(|time| time.to_string()),
            user_agent: context.user_agent(),
            ip: context.ip_address(),
            tag: session.tag.as_deref(),
            oauth_client_id: session.oauth_client_id,
            scopes: session.scopes.as_deref(),
        }),
        sql::sessions::insert_token(&begun.refresh_token, user_id, session.id, None),
        sql::sessions::first_method(
            context.uuid(),
            session.id,
            method.as_str(),
            context.now.to_string(),
        ),
        sql::users::signed_in(user_id),
    ];
    // An application's session is not its user's page's.
    if session.oauth_client_id.is_none() {
        statements.extend(context.remember(session.id));
    }
    (begun, statements)
}

/// Signs a user in: runs `before`, begins a session, and reads the user as they are then, all in one
/// transaction and one exchange.
pub async fn sign_in<W: World>(
    context: &Context<'_, W>,
    before: Vec<Statement>,
    user_id: Uuid,
    method: Method,
    grant: Grant,
) -> Result<SignedIn, AuthError> {
    let (begun, session) = begin(context, user_id, method, grant);
    let mut statements = before;
    statements.extend(session);
    statements.push(sql::users::by_id(user_id));
    let mut results = context
        .database()
        .run(&context.session(), &statements)
        .await?;
    let user = read_user(results.pop())?
        .ok_or_else(|| AuthError::internal("Database error granting user"))?;
    Ok(SignedIn {
        user,
        session: begun.session,
        refresh_token: begun.refresh_token,
    })
}

/// The user in the first row of a statement of `sql::users`; `None` where it has no row.
pub fn read_user(result: Option<crate::wire::StatementResult>) -> Result<Option<User>, AuthError> {
    let row = result.and_then(|result| result.rows.into_iter().next());
    let json = row.as_ref().and_then(|row| row.get(0));
    json.map(User::from_row)
        .transpose()
        .map_err(|error| AuthError::internal(format!("Database error loading user: {error}")))
}

/// A user in a session, and the token that keeps it going.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub user: User,
    pub session: Session,
    pub refresh_token: String,
}

impl SignedIn {
    /// The session as clients get it: `access_token`, `token_type`, `expires_in`, `expires_at`,
    /// `refresh_token`, `user`.
    pub fn to_json<W: World>(
        &self,
        context: &Context<'_, W>,
    ) -> Result<Map<String, Value>, AuthError> {
        let expiry = i64::try_from(context.settings.jwt_expiry).unwrap_or(i64::MAX);
        let mut body = Map::new();
        let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
        set(
            "access_token",
            access_token(context, &self.user, &self.session)?.into(),
        );
        set("token_type", "bearer".into());
        set("expires_in", expiry.into());
        set("expires_at", context.now.plus(expiry).seconds().into());
        set("refresh_token", self.refresh_token.as_str().into());
        set("user", self.user.to_json());
        Ok(body)
    }

    /// 200 with [`SignedIn::to_json`].
    pub fn into_response<W: World>(
        self,
        context: &Context<'_, W>,
    ) -> Result<Response<Body>, AuthError> {
        Ok(super::json(self.to_json(context)?.into()))
    }
}

/// The access token of a user in a session.
pub fn access_token<W: World>(
    context: &Context<'_, W>,
    user: &User,
    session: &Session,
) -> Result<String, AuthError> {
    let issuer = Issuer {
        project: context.project,
        url: &context.url,
        now: context.now,
    };
    issuer.access_token(user, session)
}

/// A fresh access token of the session that was last issued to a client of the gateway's, for what
/// the client asks of apps and functions without one. `None` where it has none, or none that lives.
/// `url` is where the world finds Auth.
pub async fn token_of_client<W: World>(
    world: &W,
    project: &Project,
    Client(client): &Client,
    url: &str,
) -> Result<Option<String>, AuthError> {
    let now = Time::from(world.now());
    let result = Database::new(world, &project.name)
        .one(&owner().read_only(), sql::sessions::of_client(client))
        .await?;
    let session = result.rows.first().and_then(|row| row.bytes(1));
    let Some(session) = session.and_then(|json| Session::from_row(&json).ok()) else {
        return Ok(None);
    };
    let user = read_user(Some(result))?.filter(|user| !user.is_banned(now));
    let alive = session.not_after.is_none_or(|end| now <= end);
    match user.filter(|_| alive) {
        None => Ok(None),
        Some(user) => Issuer { project, url, now }
            .access_token(&user, &session)
            .map(Some),
    }
}

/// Who says so, and when.
struct Issuer<'a> {
    project: &'a Project,
    url: &'a str,
    now: Time,
}

impl Issuer<'_> {
    fn access_token(&self, user: &User, session: &Session) -> Result<String, AuthError> {
        let keys = self.project.signing.as_ref().ok_or_else(|| {
            AuthError::internal(
                "The project has no key that could sign: its database is not the gateway's",
            )
        })?;
        keys.sign(&claims(self, user, session))
            .map_err(|error| AuthError::internal(format!("error generating jwt token: {error}")))
    }
}

fn claims(issuer: &Issuer<'_>, user: &User, session: &Session) -> Value {
    let Issuer { project, url, now } = issuer;
    let settings = &project.config.auth;
    let expiry = i64::try_from(settings.jwt_expiry).unwrap_or(i64::MAX);
    let issuer = match settings.jwt_issuer.as_str() {
        "" => url,
        issuer => issuer,
    };
    let amr: Vec<Value> = session
        .amr
        .iter()
        .map(|proof| json!({"method": proof.method, "timestamp": proof.updated_at.seconds()}))
        .collect();
    let empty = Map::new();
    let mut claims = json!({
        "iss": issuer,
        "sub": user.id,
        "aud": user.aud.as_deref().unwrap_or_default(),
        "exp": now.plus(expiry).seconds(),
        "iat": now.seconds(),
        "email": user.email(),
        "phone": user.phone(),
        "app_metadata": user.raw_app_meta_data.as_ref().unwrap_or(&empty),
        "user_metadata": user.raw_user_meta_data.as_ref().unwrap_or(&empty),
        "role": user.role.as_deref().unwrap_or_default(),
        "aal": session.aal(),
        "amr": amr,
        "session_id": session.id,
        "is_anonymous": user.is_anonymous,
    });
    if let Some(client) = session.oauth_client_id {
        claims["client_id"] = client.to_string().into();
    }
    if let Some(scopes) = &session.scopes {
        claims["scope"] = scopes.as_str().into();
    }
    claims
}
