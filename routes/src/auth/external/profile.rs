//! What a provider says of a user.

use serde_json::{Map, Value};

use super::catalog::{self, Words};

/// A user as a provider knows them.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Their name at the provider, for good.
    pub subject: String,
    pub emails: Vec<Email>,
    /// What is kept of them, under GoTrue's names.
    pub data: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    pub address: String,
    /// Whether the provider has made sure that it is theirs.
    pub verified: bool,
    pub primary: bool,
}

impl Profile {
    /// A user of whom only the name is known.
    pub(in crate::auth) fn new(issuer: &str, subject: impl Into<String>) -> Self {
        let subject = subject.into();
        let mut profile = Self {
            data: Map::new(),
            emails: Vec::new(),
            subject,
        };
        profile.set("iss", issuer);
        let subject = profile.subject.clone();
        profile.set("sub", &subject);
        profile.set("provider_id", &subject);
        profile
            .data
            .insert("phone_verified".to_owned(), false.into());
        profile
    }

    /// Keeps a text, unless it is empty.
    fn set(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.data.insert(name.to_owned(), text.into());
        }
    }

    pub(in crate::auth) fn set_name(&mut self, name: &str) {
        self.set("name", name);
        self.set("full_name", name);
    }

    fn set_picture(&mut self, picture: &str) {
        self.set("picture", picture);
        self.set("avatar_url", picture);
    }

    fn set_user_name(&mut self, name: &str) {
        self.set("preferred_username", name);
        self.set("user_name", name);
    }

    /// What has no name of its own.
    pub(in crate::auth) fn set_custom(&mut self, name: &str, value: Value) {
        let custom = self
            .data
            .entry("custom_claims")
            .or_insert_with(|| Map::new().into());
        if let Some(custom) = custom.as_object_mut() {
            custom.insert(name.to_owned(), value);
        }
    }

    fn add_email(&mut self, address: &str, verified: bool, primary: bool) {
        if !address.is_empty() {
            self.emails.push(Email {
                address: address.to_owned(),
                verified,
                primary,
            });
        }
    }

    /// The address that stands for the user: the primary one, else the last. What is kept says so.
    pub(in crate::auth) fn settle_email(&mut self) {
        let primary = self.emails.iter().find(|email| email.primary);
        let chosen = primary.or_else(|| self.emails.last()).cloned();
        let verified = chosen.as_ref().is_some_and(|email| email.verified);
        if let Some(email) = chosen {
            self.set("email", &email.address);
        }
        self.data
            .insert("email_verified".to_owned(), verified.into());
    }

    /// Reads a provider's answer in its own words; `None` where it names nobody.
    pub(super) fn of_answer(issuer: &str, words: &Words, answer: &Value) -> Option<Self> {
        let mut profile = Self::new(issuer, text(answer, words.id)?);
        profile.set_name(&text(answer, words.name).unwrap_or_default());
        profile.set_picture(&text(answer, words.picture).unwrap_or_default());
        profile.set_user_name(&text(answer, words.user_name).unwrap_or_default());
        let email = text(answer, words.email).unwrap_or_default();
        profile.add_email(&email, words.verified.holds(answer), true);
        Some(profile)
    }

    /// Adds a list of addresses, as GitHub and Bitbucket answer it.
    pub(super) fn add_emails(&mut self, answer: &Value) {
        let list = answer.get("values").unwrap_or(answer);
        for email in list.as_array().into_iter().flatten() {
            let flag = |names: [&str; 2]| {
                names
                    .iter()
                    .any(|name| email.get(name) == Some(&Value::Bool(true)))
            };
            self.add_email(
                &text(email, "/email").unwrap_or_default(),
                flag(["verified", "is_confirmed"]),
                flag(["primary", "is_primary"]),
            );
        }
    }

    /// Reads the claims of an ID token that is verified; `None` where they name nobody.
    pub(super) fn of_claims(claims: &Map<String, Value>) -> Option<Self> {
        let claims = Value::Object(claims.clone());
        let claim = |name: &str| text(&claims, &format!("/{name}")).unwrap_or_default();
        let issuer = claim("iss");
        let subject = text(&claims, "/sub").filter(|subject| !subject.is_empty())?;
        let mut profile = Self::new(&issuer, subject);
        let email = claim("email");
        let is_true = |name: &str| match claims.get(name) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => text == "true" || text == "1",
            _ => false,
        };
        match issuer.as_str() {
            catalog::APPLE => {
                // Apple gives no address that it has not made sure of.
                profile.add_email(&email, true, true);
                for name in ["is_private_email", "auth_time"] {
                    if let Some(value) = claims.get(name) {
                        profile.set_custom(name, value.clone());
                    }
                }
            }
            catalog::KAKAO => {
                profile.add_email(&email, true, true);
                profile.set("name", &claim("nickname"));
                profile.set("preferred_username", &claim("nickname"));
                profile.set("picture", &claim("picture"));
            }
            issuer if catalog::is_azure(issuer) => {
                // Where the claim is not configured, Azure sends only what it has made sure of.
                let verified = claims.get("xms_edov").is_none() || is_true("xms_edov");
                profile.add_email(&email, verified, true);
                profile.set_name(&claim("name"));
                profile.set("preferred_username", &claim("preferred_username"));
                if let Some(tenant) = claims.get("tid") {
                    profile.set_custom("tid", tenant.clone());
                }
            }
            _ => {
                let verified = is_true("email_verified") || is_true("verified_email");
                profile.add_email(&email, verified, true);
                profile.set_name(&claim("name"));
                profile.set_picture(&claim("picture"));
                for name in [
                    "family_name",
                    "given_name",
                    "middle_name",
                    "nickname",
                    "preferred_username",
                    "profile",
                    "website",
                    "gender",
                    "birthdate",
                    "zoneinfo",
                    "locale",
                ] {
                    profile.set(name, &claim(name));
                }
                if let Some(domain) = claims.get("hd") {
                    profile.set_custom("hd", domain.clone());
                }
            }
        }
        Some(profile)
    }

    /// What Apple tells of the user beside its token, the first time only: a form's field.
    pub(super) fn add_apple_user(&mut self, json: &str) {
        let Ok(user) = serde_json::from_str::<Value>(json) else {
            return;
        };
        let part = |pointer: &str| text(&user, pointer).unwrap_or_default();
        let name = format!("{} {}", part("/name/firstName"), part("/name/lastName"));
        self.set_name(name.trim());
    }
}

/// A text or a number at a JSON pointer, as text.
fn text(json: &Value, pointer: &str) -> Option<String> {
    if pointer.is_empty() {
        return None;
    }
    match json.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;
    use crate::auth::external::catalog::{Endpoints, known};

    fn shown(profile: Option<Profile>) -> String {
        let Some(mut profile) = profile else {
            return "nobody".to_owned();
        };
        profile.settle_email();
        Value::Object(profile.data).to_string()
    }

    fn check(provider: &str, answer: Value, emails: Option<Value>, expected: Expect) {
        let Endpoints::Fixed { words, .. } = &known(provider).unwrap().endpoints else {
            panic!("{provider} answers with an ID token");
        };
        let mut profile = Profile::of_answer("https://issuer.test", words, &answer);
        if let (Some(profile), Some(emails)) = (&mut profile, emails) {
            profile.add_emails(&emails);
        }
        expected.assert_eq(&shown(profile));
    }

    #[test]
    fn providers_have_words_of_their_own() {
        check(
            "github",
            json!({"id": 7, "login": "octo", "name": "Octo Cat", "avatar_url": "http://p", "email": "public@x.test"}),
            Some(json!([
                {"email": "other@x.test", "verified": true, "primary": false},
                {"email": "first@x.test", "verified": true, "primary": true},
            ])),
            expect![[
                r#"{"iss":"https://issuer.test","sub":"7","provider_id":"7","phone_verified":false,"name":"Octo Cat","full_name":"Octo Cat","picture":"http://p","avatar_url":"http://p","preferred_username":"octo","user_name":"octo","email":"first@x.test","email_verified":true}"#
            ]],
        );
        check(
            "discord",
            json!({"id": "9", "username": "me", "email": "a@b.c", "verified": false}),
            None,
            expect![[
                r#"{"iss":"https://issuer.test","sub":"9","provider_id":"9","phone_verified":false,"name":"me","full_name":"me","email":"a@b.c","email_verified":false}"#
            ]],
        );
        check(
            "gitlab",
            json!({"id": 3, "name": "N", "email": "a@b.c", "confirmed_at": "2024-01-01"}),
            None,
            expect![[
                r#"{"iss":"https://issuer.test","sub":"3","provider_id":"3","phone_verified":false,"name":"N","full_name":"N","email":"a@b.c","email_verified":true}"#
            ]],
        );
        check("keycloak", json!({"name": "N"}), None, expect!["nobody"]);
    }

    #[test]
    fn tokens_have_claims() {
        let check = |claims: Value, expected: Expect| {
            expected.assert_eq(&shown(Profile::of_claims(claims.as_object().unwrap())));
        };
        check(
            json!({"iss": "https://accounts.google.com", "sub": "1", "email": "a@b.c", "email_verified": true, "name": "N", "picture": "p", "hd": "b.c"}),
            expect![[
                r#"{"iss":"https://accounts.google.com","sub":"1","provider_id":"1","phone_verified":false,"name":"N","full_name":"N","picture":"p","avatar_url":"p","custom_claims":{"hd":"b.c"},"email":"a@b.c","email_verified":true}"#
            ]],
        );
        check(
            json!({"iss": "https://appleid.apple.com", "sub": "1", "email": "a@b.c", "is_private_email": "true"}),
            expect![[
                r#"{"iss":"https://appleid.apple.com","sub":"1","provider_id":"1","phone_verified":false,"custom_claims":{"is_private_email":"true"},"email":"a@b.c","email_verified":true}"#
            ]],
        );
        check(
            json!({"iss": "https://login.microsoftonline.com/t/v2.0", "sub": "1", "email": "a@b.c", "xms_edov": "0"}),
            expect![[
                r#"{"iss":"https://login.microsoftonline.com/t/v2.0","sub":"1","provider_id":"1","phone_verified":false,"email":"a@b.c","email_verified":false}"#
            ]],
        );
        check(
            json!({"iss": "https://evil.test/login.microsoftonline.com/t/v2.0", "sub": "1", "email": "a@b.c"}),
            expect![[
                r#"{"iss":"https://evil.test/login.microsoftonline.com/t/v2.0","sub":"1","provider_id":"1","phone_verified":false,"email":"a@b.c","email_verified":false}"#
            ]],
        );
        check(json!({"iss": "x", "email": "a@b.c"}), expect!["nobody"]);
    }
}
