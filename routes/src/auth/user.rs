//! Users, their identities and factors, as the database has them and as clients see them.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::time::Time;

/// A row of `auth.users` with the rows that belong to it.
#[derive(Clone, PartialEq, Deserialize)]
pub struct User {
    pub id: Uuid,
    #[serde(default)]
    pub aud: Option<String>,
    #[serde(default)]
    pub role: Option<String>,
    #[serde(default)]
    pub email: Option<String>,
    #[serde(default)]
    pub encrypted_password: Option<String>,
    #[serde(default)]
    pub email_confirmed_at: Option<Time>,
    #[serde(default)]
    pub invited_at: Option<Time>,
    #[serde(default)]
    pub confirmation_token: Option<String>,
    #[serde(default)]
    pub confirmation_sent_at: Option<Time>,
    #[serde(default)]
    pub recovery_token: Option<String>,
    #[serde(default)]
    pub recovery_sent_at: Option<Time>,
    #[serde(default)]
    pub email_change_token_new: Option<String>,
    #[serde(default)]
    pub email_change_token_current: Option<String>,
    #[serde(default)]
    pub email_change: Option<String>,
    #[serde(default)]
    pub email_change_sent_at: Option<Time>,
    #[serde(default)]
    pub email_change_confirm_status: Option<u8>,
    #[serde(default)]
    pub phone: Option<String>,
    #[serde(default)]
    pub phone_confirmed_at: Option<Time>,
    #[serde(default)]
    pub phone_change: Option<String>,
    #[serde(default)]
    pub phone_change_token: Option<String>,
    #[serde(default)]
    pub phone_change_sent_at: Option<Time>,
    #[serde(default)]
    pub reauthentication_token: Option<String>,
    #[serde(default)]
    pub reauthentication_sent_at: Option<Time>,
    #[serde(default)]
    pub last_sign_in_at: Option<Time>,
    #[serde(default)]
    pub raw_app_meta_data: Option<Map<String, Value>>,
    #[serde(default)]
    pub raw_user_meta_data: Option<Map<String, Value>>,
    #[serde(default)]
    pub is_super_admin: Option<bool>,
    #[serde(default)]
    pub confirmed_at: Option<Time>,
    #[serde(default)]
    pub created_at: Option<Time>,
    #[serde(default)]
    pub updated_at: Option<Time>,
    #[serde(default)]
    pub banned_until: Option<Time>,
    #[serde(default)]
    pub deleted_at: Option<Time>,
    pub is_sso_user: bool,
    pub is_anonymous: bool,
    /// In the order in which they were made.
    #[serde(default)]
    pub identities: Vec<Identity>,
    /// In the order in which they were made.
    #[serde(default)]
    pub factors: Vec<Factor>,
}

/// A row of `auth.identities`: who the user is to a provider.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Identity {
    pub id: Uuid,
    /// The user's name at the provider; for e-mail and phone the user's own id.
    pub provider_id: String,
    pub user_id: Uuid,
    pub identity_data: Map<String, Value>,
    pub provider: String,
    #[serde(default)]
    pub last_sign_in_at: Option<Time>,
    #[serde(default)]
    pub created_at: Option<Time>,
    #[serde(default)]
    pub updated_at: Option<Time>,
    #[serde(default)]
    pub email: Option<String>,
}

/// A row of `auth.mfa_factors`, without its secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Factor {
    pub id: Uuid,
    #[serde(default)]
    pub created_at: Option<Time>,
    #[serde(default)]
    pub updated_at: Option<Time>,
    pub status: FactorStatus,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub friendly_name: Option<String>,
    /// `totp`, `phone`, `webauthn`.
    pub factor_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_challenged_at: Option<Time>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FactorStatus {
    Unverified,
    Verified,
}

#[expect(clippy::ref_option, reason = "serde's own signature")]
fn is_empty(text: &Option<String>) -> bool {
    text.as_deref().unwrap_or_default().is_empty()
}

impl User {
    /// A user of whom nothing is known but the id.
    pub const fn nobody(id: Uuid) -> Self {
        Self {
            id,
            aud: None,
            role: None,
            email: None,
            encrypted_password: None,
            email_confirmed_at: None,
            invited_at: None,
            confirmation_token: None,
            confirmation_sent_at: None,
            recovery_token: None,
            recovery_sent_at: None,
            email_change_token_new: None,
            email_change_token_current: None,
            email_change: None,
            email_change_sent_at: None,
            email_change_confirm_status: None,
            phone: None,
            phone_confirmed_at: None,
            phone_change: None,
            phone_change_token: None,
            phone_change_sent_at: None,
            reauthentication_token: None,
            reauthentication_sent_at: None,
            last_sign_in_at: None,
            raw_app_meta_data: None,
            raw_user_meta_data: None,
            is_super_admin: None,
            confirmed_at: None,
            created_at: None,
            updated_at: None,
            banned_until: None,
            deleted_at: None,
            is_sso_user: false,
            is_anonymous: false,
            identities: Vec::new(),
            factors: Vec::new(),
        }
    }

    /// Reads what the statements of `sql::users` give.
    pub fn from_row(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// Whether the user may not sign in at `now`.
    pub fn is_banned(&self, now: Time) -> bool {
        self.banned_until.is_some_and(|until| until > now)
    }

    pub const fn is_email_confirmed(&self) -> bool {
        self.email_confirmed_at.is_some()
    }

    pub const fn is_phone_confirmed(&self) -> bool {
        self.phone_confirmed_at.is_some()
    }

    pub fn email(&self) -> &str {
        self.email.as_deref().unwrap_or_default()
    }

    pub fn phone(&self) -> &str {
        self.phone.as_deref().unwrap_or_default()
    }

    /// Whether there is a password at all.
    pub fn has_password(&self) -> bool {
        !is_empty(&self.encrypted_password)
    }

    pub fn has_verified_factor(&self) -> bool {
        let mut factors = self.factors.iter();
        factors.any(|factor| factor.status == FactorStatus::Verified)
    }

    pub fn identity(&self, provider: &str) -> Option<&Identity> {
        let mut identities = self.identities.iter();
        identities.find(|identity| identity.provider == provider)
    }

    /// As clients see it: GoTrue's fields in GoTrue's order.
    pub fn to_json(&self) -> Value {
        let view = View {
            id: self.id,
            aud: self.aud.as_deref().unwrap_or_default(),
            role: self.role.as_deref().unwrap_or_default(),
            email: self.email(),
            email_confirmed_at: self.email_confirmed_at,
            invited_at: self.invited_at,
            phone: self.phone(),
            phone_confirmed_at: self.phone_confirmed_at,
            confirmation_sent_at: self.confirmation_sent_at,
            confirmed_at: self.confirmed_at,
            recovery_sent_at: self.recovery_sent_at,
            new_email: present(self.email_change.as_deref()),
            email_change_sent_at: self.email_change_sent_at,
            new_phone: present(self.phone_change.as_deref()),
            phone_change_sent_at: self.phone_change_sent_at,
            reauthentication_sent_at: self.reauthentication_sent_at,
            last_sign_in_at: self.last_sign_in_at,
            app_metadata: self.raw_app_meta_data.as_ref(),
            user_metadata: self.raw_user_meta_data.as_ref(),
            factors: &self.factors,
            identities: self.identities.iter().map(IdentityView::from).collect(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            banned_until: self.banned_until,
            deleted_at: self.deleted_at,
            is_anonymous: self.is_anonymous,
        };
        serde_json::to_value(view).unwrap_or_default()
    }
}

impl Identity {
    /// As clients see it.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(IdentityView::from(self)).unwrap_or_default()
    }
}

fn present(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

impl fmt::Debug for User {
    /// Shows no secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("User")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct View<'a> {
    id: Uuid,
    aud: &'a str,
    role: &'a str,
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_confirmed_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invited_at: Option<Time>,
    phone: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_confirmed_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmation_sent_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_sent_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_change_sent_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_phone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_change_sent_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reauthentication_sent_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_sign_in_at: Option<Time>,
    app_metadata: Option<&'a Map<String, Value>>,
    user_metadata: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "<[Factor]>::is_empty")]
    factors: &'a [Factor],
    identities: Vec<IdentityView<'a>>,
    created_at: Option<Time>,
    updated_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    banned_until: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Time>,
    is_anonymous: bool,
}

#[derive(Serialize)]
struct IdentityView<'a> {
    identity_id: Uuid,
    id: &'a str,
    user_id: Uuid,
    identity_data: &'a Map<String, Value>,
    provider: &'a str,
    last_sign_in_at: Option<Time>,
    created_at: Option<Time>,
    updated_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
}

impl<'a> From<&'a Identity> for IdentityView<'a> {
    fn from(identity: &'a Identity) -> Self {
        Self {
            identity_id: identity.id,
            id: &identity.provider_id,
            user_id: identity.user_id,
            identity_data: &identity.identity_data,
            provider: &identity.provider,
            last_sign_in_at: identity.last_sign_in_at,
            created_at: identity.created_at,
            updated_at: identity.updated_at,
            email: present(identity.email.as_deref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_user_is_shown_as_gotrue_shows_one() {
        let row = br#"{
            "id": "11111111-2222-4333-8444-555555555555", "aud": "authenticated",
            "role": "authenticated", "email": "a@b.c", "phone": null, "email_change": "",
            "encrypted_password": "secret", "is_sso_user": false, "is_anonymous": false,
            "email_confirmed_at": "2026-01-01T00:00:00.5+00:00", "raw_user_meta_data": {"a": 1},
            "created_at": "2026-01-01T00:00:00+00:00",
            "identities": [{"id": "22222222-2222-4333-8444-555555555555", "provider_id": "x",
              "user_id": "11111111-2222-4333-8444-555555555555", "identity_data": {"sub": "x"},
              "provider": "email", "email": "a@b.c"}]
        }"#;
        let user = User::from_row(row).unwrap();
        expect![[r#"{"id":"11111111-2222-4333-8444-555555555555","aud":"authenticated","role":"authenticated","email":"a@b.c","email_confirmed_at":"2026-01-01T00:00:00.5Z","phone":"","app_metadata":null,"user_metadata":{"a":1},"identities":[{"identity_id":"22222222-2222-4333-8444-555555555555","id":"x","user_id":"11111111-2222-4333-8444-555555555555","identity_data":{"sub":"x"},"provider":"email","last_sign_in_at":null,"created_at":null,"updated_at":null,"email":"a@b.c"}],"created_at":"2026-01-01T00:00:00Z","updated_at":null,"is_anonymous":false}"#]]
            .assert_eq(&user.to_json().to_string());
        assert!(!format!("{user:?}").contains("secret"));
    }
}
