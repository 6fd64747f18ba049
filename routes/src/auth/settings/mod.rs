//! Auth's settings: the names of Supabase CLI's `config.toml` and its defaults, GoTrue's own
//! environment names beside them.
//!
//! Sources: supabase/cli, `pkg/config/templates/config.toml`; supabase/auth,
//! `internal/conf/configuration.go`.

mod named;
mod value;

use std::collections::BTreeMap;

pub use named::{Provider, Template};
use value::Value;
pub use value::{CaptchaProvider, Seconds};

use super::mail::Letter;

/// Why a setting was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingError {
    /// Auth has no setting of this name.
    Unknown,
    /// What it may be.
    Expected(&'static str),
}

macro_rules! settings {
    ($(
        $(#[$documentation:meta])*
        $field:ident: $kind:ty = $default:expr, $name:literal $(, $second:literal)* $(, not $negated:literal)?;
    )*) => {
        /// The settings of one project's Auth.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Settings {
            $($(#[$documentation])* pub $field: $kind,)*
            /// `auth.external.<name>.…`
            pub external: BTreeMap<String, Provider>,
            /// `auth.email.template.<kind>.…`
            pub templates: BTreeMap<String, Template>,
            /// `auth.email.notification.<kind>.enabled`: the mails that tell what changed.
            pub notifications: Vec<Letter>,
            /// `auth.sms.test_otp.<phone>`: the code that this number gets.
            pub test_otp: BTreeMap<String, String>,
        }

        impl Default for Settings {
            fn default() -> Self {
                Self {
                    $($field: $default,)*
                    external: BTreeMap::new(),
                    templates: BTreeMap::new(),
                    notifications: Vec::new(),
                    test_otp: BTreeMap::new(),
                }
            }
        }

        /// The plain settings: names, what each may be, its default.
        pub const TABLE: &[&str] = &[$($name),*];

        impl Settings {
            fn set_plain(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
                match name {
                    $(
                        $name $(| $second)* => {
                            self.$field = Value::read(value)
                                .ok_or(SettingError::Expected(<$kind as Value>::EXPECTED))?;
                        }
                        $(
                            $negated => {
                                let value: $kind = Value::read(value)
                                    .ok_or(SettingError::Expected(<$kind as Value>::EXPECTED))?;
                                self.$field = !value;
                            }
                        )?
                    )*
                    _ => return Err(SettingError::Unknown),
                }
                Ok(())
            }
        }
    };
}

settings! {
    /// Where a user goes who clicked a link; empty means the origin that the gateway itself is at.
    site_url: String = String::new(), "auth.site_url", "GOTRUE_SITE_URL";
    /// Where else links may lead: exact URLs or patterns with `*` and `**`.
    additional_redirect_urls: Vec<String> = Vec::new(), "auth.additional_redirect_urls", "GOTRUE_URI_ALLOW_LIST";
    /// Where the world finds this API; empty means where the request came to.
    external_url: String = String::new(), "auth.external_url", "API_EXTERNAL_URL";
    /// Seconds that an access token is good for.
    jwt_expiry: u64 = 3600, "auth.jwt_expiry", "GOTRUE_JWT_EXP";
    /// `iss` of access tokens; empty means the API's own URL.
    jwt_issuer: String = String::new(), "auth.jwt_issuer", "GOTRUE_JWT_ISSUER";
    /// `aud` of access tokens, and the audience of new users.
    jwt_audience: String = "authenticated".to_owned(), "auth.jwt_audience", "GOTRUE_JWT_AUD";
    /// The role of new users.
    jwt_default_role: String = "authenticated".to_owned(), "auth.jwt_default_role", "GOTRUE_JWT_DEFAULT_GROUP_NAME";
    /// Who may use the admin endpoints.
    jwt_admin_roles: Vec<String> = vec!["service_role".to_owned(), "supabase_admin".to_owned()], "auth.jwt_admin_roles", "GOTRUE_JWT_ADMIN_ROLES";
    /// JWKs with private parts as a JSON array: the first signs, the others verify. Empty: HS256
    /// with the project's secret.
    signing_keys: String = String::new(), "auth.signing_keys", "GOTRUE_JWT_KEYS";
    enable_refresh_token_rotation: bool = true, "auth.enable_refresh_token_rotation", "GOTRUE_SECURITY_REFRESH_TOKEN_ROTATION_ENABLED";
    /// Seconds in which a used refresh token is taken again.
    refresh_token_reuse_interval: u64 = 10, "auth.refresh_token_reuse_interval", "GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL";
    enable_signup: bool = true, "auth.enable_signup", not "GOTRUE_DISABLE_SIGNUP";
    enable_anonymous_sign_ins: bool = false, "auth.enable_anonymous_sign_ins", "GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED";
    enable_manual_linking: bool = false, "auth.enable_manual_linking", "GOTRUE_SECURITY_MANUAL_LINKING_ENABLED";
    minimum_password_length: u64 = 6, "auth.minimum_password_length", "GOTRUE_PASSWORD_MIN_LENGTH";
    /// `letters_digits`, `lower_upper_letters_digits`, `lower_upper_letters_digits_symbols`; or sets
    /// of characters, of each of which a password must have one: `abc:0123`.
    password_requirements: String = String::new(), "auth.password_requirements", "GOTRUE_PASSWORD_REQUIRED_CHARACTERS";

    /// Whether who signs up, signs in or asks for a message proves to be a person.
    captcha_enabled: bool = false, "auth.captcha.enabled", "GOTRUE_SECURITY_CAPTCHA_ENABLED";
    captcha_provider: CaptchaProvider = CaptchaProvider::HCaptcha, "auth.captcha.provider", "GOTRUE_SECURITY_CAPTCHA_PROVIDER";
    captcha_secret: String = String::new(), "auth.captcha.secret", "GOTRUE_SECURITY_CAPTCHA_SECRET";
    /// Who is asked instead of the provider itself, as a server that browsers may read from.
    captcha_verify_url: String = String::new(), "auth.captcha.verify_url";

    rate_limit_header: String = String::new(), "auth.rate_limit.header", "GOTRUE_RATE_LIMIT_HEADER";
    /// Mails an hour; without a server that delivers them there is no limit to keep.
    rate_limit_email_sent: u64 = 30, "auth.rate_limit.email_sent", "GOTRUE_RATE_LIMIT_EMAIL_SENT";
    rate_limit_sms_sent: u64 = 30, "auth.rate_limit.sms_sent", "GOTRUE_RATE_LIMIT_SMS_SENT";
    rate_limit_anonymous_users: u64 = 30, "auth.rate_limit.anonymous_users", "GOTRUE_RATE_LIMIT_ANONYMOUS_USERS";
    rate_limit_token_refresh: u64 = 150, "auth.rate_limit.token_refresh", "GOTRUE_RATE_LIMIT_TOKEN_REFRESH";
    rate_limit_sign_in_sign_ups: u64 = 30, "auth.rate_limit.sign_in_sign_ups", "GOTRUE_RATE_LIMIT_OTP";
    rate_limit_token_verifications: u64 = 30, "auth.rate_limit.token_verifications", "GOTRUE_RATE_LIMIT_VERIFY";
    rate_limit_web3: u64 = 30, "auth.rate_limit.web3", "GOTRUE_RATE_LIMIT_WEB3";
    rate_limit_sso: u64 = 30, "auth.rate_limit.sso", "GOTRUE_RATE_LIMIT_SSO";
    rate_limit_passkey: u64 = 30, "auth.rate_limit.passkey", "GOTRUE_RATE_LIMIT_PASSKEY";
    rate_limit_oauth_register: u64 = 10, "auth.rate_limit.oauth_register", "GOTRUE_RATE_LIMIT_OAUTH_DYNAMIC_CLIENT_REGISTER";

    email_enabled: bool = true, "auth.email.enabled", "GOTRUE_EXTERNAL_EMAIL_ENABLED";
    email_enable_signup: bool = true, "auth.email.enable_signup";
    email_double_confirm_changes: bool = true, "auth.email.double_confirm_changes", "GOTRUE_MAILER_SECURE_EMAIL_CHANGE_ENABLED";
    email_enable_confirmations: bool = false, "auth.email.enable_confirmations", not "GOTRUE_MAILER_AUTOCONFIRM";
    email_allow_unverified_sign_ins: bool = false, "auth.email.allow_unverified_sign_ins", "GOTRUE_MAILER_ALLOW_UNVERIFIED_EMAIL_SIGN_INS";
    /// Whether a new password needs a recent sign-in or a nonce.
    email_secure_password_change: bool = false, "auth.email.secure_password_change", "GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_REAUTHENTICATION";
    /// Whether a new password needs the old one.
    email_require_current_password: bool = false, "auth.email.require_current_password", "GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_CURRENT_PASSWORD";
    email_max_frequency: Seconds = Seconds(1), "auth.email.max_frequency", "GOTRUE_SMTP_MAX_FREQUENCY";
    email_otp_length: u64 = 6, "auth.email.otp_length", "GOTRUE_MAILER_OTP_LENGTH";
    email_otp_expiry: u64 = 3600, "auth.email.otp_expiry", "GOTRUE_MAILER_OTP_EXP";
    /// Whether mails leave, where there is a host that takes them.
    smtp_enabled: bool = true, "auth.email.smtp.enabled";
    smtp_host: String = String::new(), "auth.email.smtp.host", "GOTRUE_SMTP_HOST";
    smtp_port: u64 = 587, "auth.email.smtp.port", "GOTRUE_SMTP_PORT";
    smtp_user: String = String::new(), "auth.email.smtp.user", "GOTRUE_SMTP_USER";
    smtp_pass: String = String::new(), "auth.email.smtp.pass", "GOTRUE_SMTP_PASS";
    smtp_admin_email: String = "admin@email.com".to_owned(), "auth.email.smtp.admin_email", "GOTRUE_SMTP_ADMIN_EMAIL";
    smtp_sender_name: String = String::new(), "auth.email.smtp.sender_name", "GOTRUE_SMTP_SENDER_NAME";

    /// Phones sign in here because the outbox shows every message; a Supabase stack needs a provider.
    sms_enable_signup: bool = true, "auth.sms.enable_signup", "GOTRUE_EXTERNAL_PHONE_ENABLED";
    sms_enable_confirmations: bool = false, "auth.sms.enable_confirmations", not "GOTRUE_SMS_AUTOCONFIRM";
    sms_template: String = "Your code is {{ .Code }}".to_owned(), "auth.sms.template", "GOTRUE_SMS_TEMPLATE";
    sms_max_frequency: Seconds = Seconds(5), "auth.sms.max_frequency", "GOTRUE_SMS_MAX_FREQUENCY";
    sms_otp_length: u64 = 6, "auth.sms.otp_length", "GOTRUE_SMS_OTP_LENGTH";
    sms_otp_expiry: u64 = 60, "auth.sms.otp_expiry", "GOTRUE_SMS_OTP_EXP";

    /// Seconds after which a session ends; 0 is never.
    sessions_timebox: Seconds = Seconds(0), "auth.sessions.timebox", "GOTRUE_SESSIONS_TIMEBOX";
    /// Seconds without a refresh after which a session ends; 0 is never.
    sessions_inactivity_timeout: Seconds = Seconds(0), "auth.sessions.inactivity_timeout", "GOTRUE_SESSIONS_INACTIVITY_TIMEOUT";
    /// Seconds that a session may stay below the assurance level that the user can reach; 0 is for ever.
    sessions_allow_low_aal: Seconds = Seconds(0), "auth.sessions.allow_low_aal", "GOTRUE_SESSIONS_ALLOW_LOW_AAL";
    sessions_single_per_user: bool = false, "auth.sessions.single_per_user", "GOTRUE_SESSIONS_SINGLE_PER_USER";

    mfa_max_enrolled_factors: u64 = 10, "auth.mfa.max_enrolled_factors", "GOTRUE_MFA_MAX_ENROLLED_FACTORS";
    mfa_max_verified_factors: u64 = 10, "auth.mfa.max_verified_factors", "GOTRUE_MFA_MAX_VERIFIED_FACTORS";
    mfa_challenge_expiry: u64 = 300, "auth.mfa.challenge_expiry", "GOTRUE_MFA_CHALLENGE_EXPIRY_DURATION";
    /// Challenges and verifications a minute.
    mfa_rate_limit: u64 = 15, "auth.mfa.rate_limit", "GOTRUE_MFA_RATE_LIMIT_CHALLENGE_AND_VERIFY";
    mfa_totp_enroll_enabled: bool = true, "auth.mfa.totp.enroll_enabled", "GOTRUE_MFA_TOTP_ENROLL_ENABLED";
    mfa_totp_verify_enabled: bool = true, "auth.mfa.totp.verify_enabled", "GOTRUE_MFA_TOTP_VERIFY_ENABLED";
    mfa_phone_enroll_enabled: bool = false, "auth.mfa.phone.enroll_enabled", "GOTRUE_MFA_PHONE_ENROLL_ENABLED";
    mfa_phone_verify_enabled: bool = false, "auth.mfa.phone.verify_enabled", "GOTRUE_MFA_PHONE_VERIFY_ENABLED";
    mfa_phone_otp_length: u64 = 6, "auth.mfa.phone.otp_length", "GOTRUE_MFA_PHONE_OTP_LENGTH";
    mfa_phone_template: String = "Your code is {{ .Code }}".to_owned(), "auth.mfa.phone.template", "GOTRUE_MFA_PHONE_TEMPLATE";
    mfa_phone_max_frequency: Seconds = Seconds(5), "auth.mfa.phone.max_frequency", "GOTRUE_MFA_PHONE_MAX_FREQUENCY";
    mfa_web_authn_enroll_enabled: bool = false, "auth.mfa.web_authn.enroll_enabled", "GOTRUE_MFA_WEB_AUTHN_ENROLL_ENABLED";
    mfa_web_authn_verify_enabled: bool = false, "auth.mfa.web_authn.verify_enabled", "GOTRUE_MFA_WEB_AUTHN_VERIFY_ENABLED";

    passkey_enabled: bool = false, "auth.passkey.enabled", "GOTRUE_PASSKEY_ENABLED";
    passkey_max_per_user: u64 = 10, "auth.passkey.max_passkeys_per_user", "GOTRUE_PASSKEY_MAX_PASSKEYS_PER_USER";
    webauthn_rp_id: String = String::new(), "auth.webauthn.rp_id", "GOTRUE_WEBAUTHN_RP_ID";
    webauthn_rp_display_name: String = String::new(), "auth.webauthn.rp_display_name", "GOTRUE_WEBAUTHN_RP_DISPLAY_NAME";
    webauthn_rp_origins: Vec<String> = Vec::new(), "auth.webauthn.rp_origins", "GOTRUE_WEBAUTHN_RP_ORIGINS";
    webauthn_challenge_expiry: Seconds = Seconds(300), "auth.webauthn.challenge_expiry", "GOTRUE_WEBAUTHN_CHALLENGE_EXPIRY_DURATION";

    web3_solana_enabled: bool = false, "auth.web3.solana.enabled", "GOTRUE_EXTERNAL_WEB3_SOLANA_ENABLED";
    web3_ethereum_enabled: bool = false, "auth.web3.ethereum.enabled", "GOTRUE_EXTERNAL_WEB3_ETHEREUM_ENABLED";
    /// Seconds that a begun sign-in waits for its end.
    flow_state_expiry: Seconds = Seconds(300), "auth.flow_state_expiry", "GOTRUE_EXTERNAL_FLOW_STATE_EXPIRY_DURATION";

    oauth_server_enabled: bool = false, "auth.oauth_server.enabled", "GOTRUE_OAUTH_SERVER_ENABLED";
    oauth_server_authorization_url_path: String = "/oauth/consent".to_owned(), "auth.oauth_server.authorization_url_path", "GOTRUE_OAUTH_SERVER_AUTHORIZATION_PATH";
    /// Seconds that a user has to answer an application's request, and the application to take its code.
    oauth_server_authorization_ttl: Seconds = Seconds(600), "auth.oauth_server.authorization_ttl", "GOTRUE_OAUTH_SERVER_AUTHORIZATION_TTL";
    /// What an application asks for that does not say it.
    oauth_server_default_scope: String = "email".to_owned(), "auth.oauth_server.default_scope", "GOTRUE_OAUTH_SERVER_DEFAULT_SCOPE";
    oauth_server_allow_dynamic_registration: bool = false, "auth.oauth_server.allow_dynamic_registration", "GOTRUE_OAUTH_SERVER_ALLOW_DYNAMIC_REGISTRATION";
}

impl Settings {
    /// Whether mails are handed to a mail server.
    pub const fn delivers_mail(&self) -> bool {
        self.smtp_enabled && !self.smtp_host.is_empty()
    }

    /// Whether a mail that tells what changed is sent.
    pub fn notifies(&self, letter: Letter) -> bool {
        self.notifications.contains(&letter)
    }

    /// Whether a name is one that this table answers for.
    pub fn is_named(name: &str) -> bool {
        name.starts_with("auth.") || name.starts_with("GOTRUE_") || name == "API_EXTERNAL_URL"
    }

    /// Changes one setting by either of its names. GoTrue has names that mean nothing here, as those
    /// of its own database: an environment that has them is taken as it is.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        match self.set_plain(name, value) {
            Err(SettingError::Unknown) => {}
            set => return set,
        }
        match self.set_named(name, value) {
            Err(SettingError::Unknown) if name.starts_with("GOTRUE_") => Ok(()),
            set => set,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_has_two_names() {
        let mut settings = Settings::default();
        for (name, value) in [
            ("auth.site_url", "http://a.test"),
            ("GOTRUE_JWT_EXP", "60"),
            ("GOTRUE_MAILER_AUTOCONFIRM", "false"),
            ("GOTRUE_DISABLE_SIGNUP", "true"),
            ("auth.email.max_frequency", "1m30s"),
            ("GOTRUE_URI_ALLOW_LIST", "http://a.test/**, http://b.test"),
            (
                "auth.additional_redirect_urls",
                r#"["http://a.test/**", "http://b.test"]"#,
            ),
            ("GOTRUE_DB_DRIVER", "postgres"),
            ("auth.external.google.client_id", "id"),
            ("GOTRUE_EXTERNAL_GOOGLE_ENABLED", "true"),
            ("auth.email.template.magic_link.subject", "Hello"),
            ("GOTRUE_MAILER_SUBJECTS_EMAIL_CHANGE", "New"),
            ("auth.sms.test_otp.4152127777", "123456"),
            ("auth.email.notification.password_changed.enabled", "true"),
            (
                "auth.email.notification.password_changed.subject",
                "It changed",
            ),
            (
                "GOTRUE_MAILER_NOTIFICATIONS_MFA_FACTOR_ENROLLED_ENABLED",
                "true",
            ),
            ("auth.email.notification.phone_changed.enabled", "true"),
            ("GOTRUE_MAILER_NOTIFICATIONS_PHONE_CHANGED_ENABLED", "false"),
        ] {
            assert_eq!(settings.set(name, value), Ok(()), "{name}");
        }
        assert_eq!(settings.site_url, "http://a.test");
        assert_eq!(settings.jwt_expiry, 60);
        assert!(settings.email_enable_confirmations && !settings.enable_signup);
        assert_eq!(settings.email_max_frequency, Seconds(90));
        assert_eq!(
            settings.additional_redirect_urls,
            ["http://a.test/**", "http://b.test"]
        );
        let google = &settings.external["google"];
        assert!(google.enabled && google.client_id == "id");
        assert_eq!(
            settings.templates["magic_link"].subject.as_deref(),
            Some("Hello")
        );
        assert_eq!(
            settings.templates["email_change"].subject.as_deref(),
            Some("New")
        );
        assert_eq!(settings.test_otp["4152127777"], "123456");
        assert_eq!(
            settings.notifications,
            [Letter::PasswordChanged, Letter::FactorEnrolled]
        );
        assert_eq!(
            settings.templates["password_changed_notification"]
                .subject
                .as_deref(),
            Some("It changed")
        );
    }

    #[test]
    fn what_is_no_setting_is_said() {
        let mut settings = Settings::default();
        assert_eq!(settings.set("auth.nothing", ""), Err(SettingError::Unknown));
        assert_eq!(
            settings.set("auth.external.google.colour", ""),
            Err(SettingError::Unknown)
        );
        assert_eq!(
            settings.set("auth.email.notification.moved.enabled", "true"),
            Err(SettingError::Unknown)
        );
        assert_eq!(
            settings.set("auth.captcha.provider", "recaptcha"),
            Err(SettingError::Expected("hcaptcha or turnstile"))
        );
        assert_eq!(
            settings.set("auth.jwt_expiry", "soon"),
            Err(SettingError::Expected("a number"))
        );
        assert_eq!(
            settings.set("auth.enable_signup", "perhaps"),
            Err(SettingError::Expected("true or false"))
        );
    }

    #[test]
    fn names_are_written_once() {
        let mut names = TABLE.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
        assert!(names.iter().all(|name| Settings::is_named(name)));
    }
}
