//! What Auth answers when it does not do what was asked, in GoTrue's shapes.
//!
//! `X-Supabase-Api-Version: 2024-01-01` or later gets `{"code","message"}`, everybody else
//! `{"code":<status>,"error_code","msg"}`. The code also stands in the header `x-sb-error-code`.
//! Source: supabase/auth, `internal/api/errors.go` and `apierrors`.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::{Body, body::BodyError, database::DatabaseError, router::json_response};

/// The header by which a client says which shapes it knows.
pub const API_VERSION: HeaderName = HeaderName::from_static("x-supabase-api-version");
const ERROR_CODE: HeaderName = HeaderName::from_static("x-sb-error-code");
/// The only version after the first.
const VERSION_2024: &str = "2024-01-01";

macro_rules! codes {
    ($($name:ident $text:literal)*) => {
        /// GoTrue's error codes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($name),* }

        impl ErrorCode {
            /// As it stands in answers.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

codes! {
    Unknown "unknown"
    UnexpectedFailure "unexpected_failure"
    ValidationFailed "validation_failed"
    BadJson "bad_json"
    EmailExists "email_exists"
    PhoneExists "phone_exists"
    BadJwt "bad_jwt"
    NotAdmin "not_admin"
    NoAuthorization "no_authorization"
    UserNotFound "user_not_found"
    SessionNotFound "session_not_found"
    SessionExpired "session_expired"
    RefreshTokenNotFound "refresh_token_not_found"
    RefreshTokenAlreadyUsed "refresh_token_already_used"
    FlowStateNotFound "flow_state_not_found"
    FlowStateExpired "flow_state_expired"
    FlowStateAlreadyUsed "flow_state_already_used"
    OAuthClientStateNotFound "oauth_client_state_not_found"
    OAuthClientStateExpired "oauth_client_state_expired"
    OAuthInvalidState "oauth_invalid_state"
    SignupDisabled "signup_disabled"
    UserBanned "user_banned"
    ProviderEmailNeedsVerification "provider_email_needs_verification"
    InviteNotFound "invite_not_found"
    BadOAuthState "bad_oauth_state"
    BadOAuthCallback "bad_oauth_callback"
    OAuthProviderNotSupported "oauth_provider_not_supported"
    UnexpectedAudience "unexpected_audience"
    SingleIdentityNotDeletable "single_identity_not_deletable"
    EmailConflictIdentityNotDeletable "email_conflict_identity_not_deletable"
    IdentityAlreadyExists "identity_already_exists"
    EmailProviderDisabled "email_provider_disabled"
    PhoneProviderDisabled "phone_provider_disabled"
    TooManyEnrolledMfaFactors "too_many_enrolled_mfa_factors"
    MfaFactorNameConflict "mfa_factor_name_conflict"
    MfaFactorNotFound "mfa_factor_not_found"
    MfaIpAddressMismatch "mfa_ip_address_mismatch"
    MfaChallengeExpired "mfa_challenge_expired"
    MfaVerificationFailed "mfa_verification_failed"
    MfaVerificationRejected "mfa_verification_rejected"
    InsufficientAal "insufficient_aal"
    CaptchaFailed "captcha_failed"
    SamlProviderDisabled "saml_provider_disabled"
    ManualLinkingDisabled "manual_linking_disabled"
    SmsSendFailed "sms_send_failed"
    EmailNotConfirmed "email_not_confirmed"
    PhoneNotConfirmed "phone_not_confirmed"
    UserAlreadyExists "user_already_exists"
    SsoProviderNotFound "sso_provider_not_found"
    SsoProviderDisabled "sso_provider_disabled"
    Conflict "conflict"
    ProviderDisabled "provider_disabled"
    UserSsoManaged "user_sso_managed"
    ReauthenticationNeeded "reauthentication_needed"
    SamePassword "same_password"
    ReauthenticationNotValid "reauthentication_not_valid"
    CurrentPasswordRequired "current_password_required"
    CurrentPasswordMismatch "current_password_mismatch"
    OtpExpired "otp_expired"
    OtpDisabled "otp_disabled"
    IdentityNotFound "identity_not_found"
    WeakPassword "weak_password"
    OverRequestRateLimit "over_request_rate_limit"
    OverEmailSendRateLimit "over_email_send_rate_limit"
    OverSmsSendRateLimit "over_sms_send_rate_limit"
    BadCodeVerifier "bad_code_verifier"
    AnonymousProviderDisabled "anonymous_provider_disabled"
    HookTimeout "hook_timeout"
    HookPayloadInvalidContentType "hook_payload_invalid_content_type"
    RequestTimeout "request_timeout"
    MfaPhoneEnrollDisabled "mfa_phone_enroll_not_enabled"
    MfaPhoneVerifyDisabled "mfa_phone_verify_not_enabled"
    MfaTotpEnrollDisabled "mfa_totp_enroll_not_enabled"
    MfaTotpVerifyDisabled "mfa_totp_verify_not_enabled"
    MfaWebAuthnEnrollDisabled "mfa_webauthn_enroll_not_enabled"
    MfaWebAuthnVerifyDisabled "mfa_webauthn_verify_not_enabled"
    MfaVerifiedFactorExists "mfa_verified_factor_exists"
    InvalidCredentials "invalid_credentials"
    EmailAddressNotAuthorized "email_address_not_authorized"
    EmailAddressInvalid "email_address_invalid"
    EmailAddressNotProvided "email_address_not_provided"
    Web3ProviderDisabled "web3_provider_disabled"
    Web3UnsupportedChain "web3_unsupported_chain"
    OAuthDynamicClientRegistrationDisabled "oauth_dynamic_client_registration_disabled"
    OAuthClientNotFound "oauth_client_not_found"
    OAuthAuthorizationNotFound "oauth_authorization_not_found"
    OAuthConsentNotFound "oauth_consent_not_found"
    ProviderNotFound "provider_not_found"
    FeatureDisabled "feature_disabled"
    PasskeyDisabled "passkey_disabled"
    WebAuthnChallengeNotFound "webauthn_challenge_not_found"
    WebAuthnChallengeExpired "webauthn_challenge_expired"
    WebAuthnVerificationFailed "webauthn_verification_failed"
    WebAuthnCredentialNotFound "webauthn_credential_not_found"
    WebAuthnCredentialExists "webauthn_credential_exists"
    TooManyPasskeys "too_many_passkeys"
}

/// An answer that reports a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthError {
    pub status: StatusCode,
    pub message: String,
    pub kind: Kind,
    /// Headers beside the body.
    pub headers: HeaderMap,
    /// Postgres's five letters, where it refused; for who asked, not for the client.
    pub sqlstate: Option<String>,
}

/// What stands in the body beside the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Code(ErrorCode),
    /// Why a password is not good enough.
    WeakPassword(Vec<WeakReason>),
    /// `{"error","error_description"}`, as RFC 6749 (section 5.2) has it; the status is always 400.
    OAuth(&'static str),
}

/// Why a password is weak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeakReason {
    Length,
    Characters,
    Pwned,
}

impl WeakReason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Characters => "characters",
            Self::Pwned => "pwned",
        }
    }
}

impl AuthError {
    pub fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            kind: Kind::Code(code),
            headers: HeaderMap::new(),
            sqlstate: None,
        }
    }

    /// 400.
    pub fn bad_request(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 401.
    pub fn unauthorized(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message)
    }

    /// 403.
    pub fn forbidden(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    /// 404.
    pub fn not_found(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 409.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, ErrorCode::Conflict, message)
    }

    /// 422.
    pub fn unprocessable(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// 429.
    pub fn too_many_requests(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, message)
    }

    /// 400 `validation_failed`.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::bad_request(ErrorCode::ValidationFailed, message)
    }

    /// 500 `unexpected_failure`.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::UnexpectedFailure,
            message,
        )
    }

    /// An error as OAuth 2.0 has it.
    pub fn oauth(error: &'static str, description: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: description.into(),
            kind: Kind::OAuth(error),
            headers: HeaderMap::new(),
            sqlstate: None,
        }
    }

    /// 422 for a password that is not good enough.
    pub fn weak_password(message: impl Into<String>, reasons: Vec<WeakReason>) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            message: message.into(),
            kind: Kind::WeakPassword(reasons),
            headers: HeaderMap::new(),
            sqlstate: None,
        }
    }

    /// The code, where the shape has one.
    pub const fn code(&self) -> Option<ErrorCode> {
        match self.kind {
            Kind::Code(code) => Some(code),
            Kind::WeakPassword(_) => Some(ErrorCode::WeakPassword),
            Kind::OAuth(_) => None,
        }
    }

    /// The response in the shape that these request headers ask for.
    pub fn into_response(self, request: &HeaderMap) -> Response<Body> {
        let current = wants_current_shape(request);
        let mut response = json_response(self.status, self.body(current));
        if let Some(code) = self.code() {
            let code = HeaderValue::from_static(code.as_str());
            response.headers_mut().insert(ERROR_CODE, code);
        }
        if current {
            let version = HeaderValue::from_static(VERSION_2024);
            response.headers_mut().insert(API_VERSION, version);
        }
        response.headers_mut().extend(self.headers);
        response
    }

    fn body(&self, current: bool) -> Value {
        let code = match &self.kind {
            Kind::OAuth(error) => {
                return json!({"error": error, "error_description": self.message});
            }
            Kind::Code(code) => *code,
            Kind::WeakPassword(_) => ErrorCode::WeakPassword,
        };
        let mut body = Map::new();
        if current {
            body.insert("code".to_owned(), code.as_str().into());
            body.insert("message".to_owned(), self.message.as_str().into());
        } else {
            body.insert("code".to_owned(), self.status.as_u16().into());
            body.insert("error_code".to_owned(), code.as_str().into());
            body.insert("msg".to_owned(), self.message.as_str().into());
        }
        if let Kind::WeakPassword(reasons) = &self.kind {
            let reasons: Vec<_> = reasons.iter().map(|reason| reason.as_str()).collect();
            body.insert("weak_password".to_owned(), json!({"reasons": reasons}));
        }
        body.into()
    }
}

/// Dates compare as text does; what is not a date counts as the first version.
fn wants_current_shape(request: &HeaderMap) -> bool {
    let version = request
        .get(API_VERSION)
        .and_then(|value| value.to_str().ok());
    version.is_some_and(|version| {
        let is_date = version.len() == VERSION_2024.len()
            && version
                .bytes()
                .enumerate()
                .all(|(index, byte)| match index {
                    4 | 7 => byte == b'-',
                    _ => byte.is_ascii_digit(),
                });
        is_date && version >= VERSION_2024
    })
}

impl From<DatabaseError> for AuthError {
    /// 503 where the database may answer later; otherwise a failure that is ours.
    fn from(error: DatabaseError) -> Self {
        if let Some(unavailable) = error.unavailable() {
            let mut error = Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                ErrorCode::UnexpectedFailure,
                unavailable.to_string(),
            );
            let second = HeaderValue::from_static("1");
            error.headers.insert(header::RETRY_AFTER, second);
            return error;
        }
        // Somebody else took the name between the look and the write.
        let taken = match error.constraint() {
            Some("users_email_partial_key") => Some((
                ErrorCode::EmailExists,
                "A user with this email address has already been registered",
            )),
            Some("users_phone_key") => Some((
                ErrorCode::PhoneExists,
                "A user with this phone number has already been registered",
            )),
            Some(_) | None => None,
        };
        if let Some((code, message)) = taken {
            return Self {
                sqlstate: error.sqlstate().map(str::to_owned),
                ..Self::unprocessable(code, message)
            };
        }
        match error {
            // A NUL in what the client sent: Postgres text has none.
            DatabaseError::Build(error) => Self::invalid(error.to_string()),
            DatabaseError::Answer(_) | DatabaseError::Refused(_) | DatabaseError::RolledBack => {
                // Postgres's own words may quote what is kept; its code does not.
                let sqlstate = error.sqlstate().map(str::to_owned);
                let message = match &sqlstate {
                    Some(sqlstate) => format!("Database error ({sqlstate})"),
                    None => "Database error".to_owned(),
                };
                Self {
                    sqlstate,
                    ..Self::internal(message)
                }
            }
        }
    }
}

impl From<BodyError> for AuthError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { limit } => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                ErrorCode::ValidationFailed,
                format!("The request body is larger than {limit} bytes"),
            ),
            BodyError::Interrupted(reason) => Self::bad_request(
                ErrorCode::BadJson,
                format!("The request body ended before it was whole: {reason}"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(error: AuthError, version: Option<&'static str>, expected: Expect) {
        let mut headers = HeaderMap::new();
        if let Some(version) = version {
            headers.insert(API_VERSION, HeaderValue::from_static(version));
        }
        let response = error.into_response(&headers);
        let header = |name| match response.headers().get(name) {
            Some(value) => value.to_str().unwrap().to_owned(),
            None => "-".to_owned(),
        };
        let Body::Full(body) = response.body() else {
            panic!("an error has a body");
        };
        expected.assert_eq(&format!(
            "{} {} {} {}",
            response.status().as_u16(),
            header(ERROR_CODE),
            header(API_VERSION),
            std::str::from_utf8(body).unwrap()
        ));
    }

    #[test]
    fn the_version_decides_the_shape() {
        let error = || AuthError::bad_request(ErrorCode::InvalidCredentials, "No");
        let first = || {
            expect![[
                r#"400 invalid_credentials - {"code":400,"error_code":"invalid_credentials","msg":"No"}"#
            ]]
        };
        let current = || {
            expect![[
                r#"400 invalid_credentials 2024-01-01 {"code":"invalid_credentials","message":"No"}"#
            ]]
        };
        check(error(), None, first());
        check(error(), Some("2023-12-31"), first());
        check(error(), Some("latest"), first());
        check(error(), Some("2024-01-01"), current());
        check(error(), Some("2026-05-01"), current());
    }

    #[test]
    fn some_errors_have_shapes_of_their_own() {
        let weak = || AuthError::weak_password("Short", vec![WeakReason::Length]);
        check(
            weak(),
            None,
            expect![[
                r#"422 weak_password - {"code":422,"error_code":"weak_password","msg":"Short","weak_password":{"reasons":["length"]}}"#
            ]],
        );
        check(
            weak(),
            Some("2024-01-01"),
            expect![[
                r#"422 weak_password 2024-01-01 {"code":"weak_password","message":"Short","weak_password":{"reasons":["length"]}}"#
            ]],
        );
        check(
            AuthError::oauth("invalid_request", "refresh_token required"),
            None,
            expect![[
                r#"400 - - {"error":"invalid_request","error_description":"refresh_token required"}"#
            ]],
        );
    }
}
