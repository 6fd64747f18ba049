//! Settings whose names have a part of the user's own: providers, templates, test numbers.

use super::{super::mail::Letter, SettingError, Settings, value::Value};

/// A provider of identities, as `auth.external.google`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provider {
    pub enabled: bool,
    /// The first is ours; tokens for any of them, separated by commas, are taken.
    pub client_id: String,
    pub secret: String,
    /// Instead of the gateway's own callback.
    pub redirect_uri: String,
    /// Instead of the provider's own address.
    pub url: String,
    pub skip_nonce_check: bool,
    pub email_optional: bool,
}

/// A message's words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template {
    pub subject: Option<String>,
    pub content: Option<String>,
}

impl Settings {
    pub(super) fn set_named(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        if let Some(name) = name.strip_prefix("auth.external.") {
            let (provider, field) = name.split_once('.').ok_or(SettingError::Unknown)?;
            return self.set_provider(provider, field, value);
        }
        if let Some(name) = name.strip_prefix("GOTRUE_EXTERNAL_") {
            let lower = name.to_ascii_lowercase();
            for field in FIELDS {
                let provider = lower
                    .strip_suffix(field)
                    .and_then(|name| name.strip_suffix('_'));
                if let Some(provider) = provider {
                    return self.set_provider(provider, field, value);
                }
            }
            return Err(SettingError::Unknown);
        }
        if let Some(name) = name.strip_prefix("auth.email.template.") {
            let (kind, field) = name.split_once('.').ok_or(SettingError::Unknown)?;
            return self.set_template(kind, field, value);
        }
        if let Some(name) = name.strip_prefix("auth.email.notification.") {
            let (kind, field) = name.split_once('.').ok_or(SettingError::Unknown)?;
            return self.set_notification(kind, field, value);
        }
        if let Some(name) = name.strip_prefix("GOTRUE_MAILER_NOTIFICATIONS_") {
            let lower = name.to_ascii_lowercase();
            let kind = lower
                .strip_suffix("_enabled")
                .ok_or(SettingError::Unknown)?;
            return self.set_notification(kind, "enabled", value);
        }
        if let Some(kind) = name.strip_prefix("GOTRUE_MAILER_SUBJECTS_") {
            return self.set_template(&kind.to_ascii_lowercase(), "subject", value);
        }
        if let Some(kind) = name.strip_prefix("GOTRUE_MAILER_TEMPLATES_") {
            return self.set_template(&kind.to_ascii_lowercase(), "content", value);
        }
        if let Some(phone) = name.strip_prefix("auth.sms.test_otp.") {
            self.test_otp.insert(phone.to_owned(), value.to_owned());
            return Ok(());
        }
        if name == "GOTRUE_SMS_TEST_OTP" {
            let pairs = value
                .split(',')
                .filter_map(|pair| pair.split_once(['=', ':']));
            self.test_otp = pairs
                .map(|(phone, code)| (phone.trim().to_owned(), code.trim().to_owned()))
                .collect();
            return Ok(());
        }
        Err(SettingError::Unknown)
    }

    fn set_provider(&mut self, name: &str, field: &str, value: &str) -> Result<(), SettingError> {
        if !FIELDS.contains(&field) {
            return Err(SettingError::Unknown);
        }
        let provider = self.external.entry(name.to_owned()).or_default();
        let flag = || bool::read(value).ok_or(SettingError::Expected(bool::EXPECTED));
        let text = value.to_owned();
        match field {
            "enabled" => provider.enabled = flag()?,
            "client_id" => provider.client_id = text,
            "secret" => provider.secret = text,
            "redirect_uri" => provider.redirect_uri = text,
            "url" => provider.url = text,
            "skip_nonce_check" => provider.skip_nonce_check = flag()?,
            _ => provider.email_optional = flag()?,
        }
        Ok(())
    }

    fn set_notification(
        &mut self,
        kind: &str,
        field: &str,
        value: &str,
    ) -> Result<(), SettingError> {
        let letter = Letter::notification(kind).ok_or(SettingError::Unknown)?;
        if field != "enabled" {
            return self.set_template(letter.name(), field, value);
        }
        let enabled = bool::read(value).ok_or(SettingError::Expected(bool::EXPECTED))?;
        self.notifications.retain(|known| *known != letter);
        if enabled {
            self.notifications.push(letter);
        }
        Ok(())
    }

    fn set_template(&mut self, kind: &str, field: &str, value: &str) -> Result<(), SettingError> {
        let template = self.templates.entry(kind.to_owned()).or_default();
        let text = (!value.is_empty()).then(|| value.to_owned());
        match field {
            "subject" => template.subject = text,
            "content" => template.content = text,
            _ => return Err(SettingError::Unknown),
        }
        Ok(())
    }
}

const FIELDS: [&str; 7] = [
    "enabled",
    "client_id",
    "secret",
    "redirect_uri",
    "skip_nonce_check",
    "email_optional",
    "url",
];
