//! What an application may know of a user.
//!
//! Source: supabase/auth, `internal/models/oauth_scope.go`.

use serde_json::{Map, Value};

use super::super::{AuthError, user::User};

const SUPPORTED: [&str; 4] = ["openid", "profile", "email", "phone"];

/// Scopes of a request or of a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scopes<'a>(&'a str);

impl<'a> Scopes<'a> {
    /// Scopes with spaces between.
    pub(super) const fn of(text: &'a str) -> Self {
        Self(text)
    }

    pub(super) fn iter(self) -> impl Iterator<Item = &'a str> {
        self.0.split(' ').filter(|scope| !scope.is_empty())
    }

    pub(super) fn has(self, scope: &str) -> bool {
        self.iter().any(|own| own == scope)
    }

    /// Whether all that is asked for is among these.
    pub(super) fn covers(self, asked: Self) -> bool {
        asked.iter().all(|scope| self.has(scope))
    }

    /// What is wrong with them, in words for the application.
    pub(super) fn check(self) -> Result<(), String> {
        if self.iter().next().is_none() {
            return Err("scope parameter cannot be empty".to_owned());
        }
        match self.iter().find(|scope| !SUPPORTED.contains(scope)) {
            Some(scope) => Err(format!("unsupported scope: {scope}")),
            None => Ok(()),
        }
    }

    /// What `profile` tells of a user; `OpenID` Connect Core 1.0, section 5.1.
    pub(super) fn profile(user: &User) -> Map<String, Value> {
        let empty = Map::new();
        let metadata = user.raw_user_meta_data.as_ref().unwrap_or(&empty);
        let said = |names: &[&str]| {
            let texts = names
                .iter()
                .filter_map(|name| metadata.get(*name)?.as_str());
            texts
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
                .next()
        };
        let mut claims = Map::new();
        let mut set = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                claims.insert(name.to_owned(), value.into());
            }
        };
        let email = Some(user.email().to_owned()).filter(|email| !email.is_empty());
        set("name", said(&["name"]).or(email));
        set("picture", said(&["picture", "avatar_url"]));
        set(
            "preferred_username",
            said(&["preferred_username", "username"]),
        );
        if let Some(updated) = user.updated_at {
            claims.insert("updated_at".to_owned(), updated.seconds().into());
        }
        claims
    }
}

/// A refusal in the application's own address, with what it sent to be recognised by.
pub(super) fn refusal(
    redirect_uri: &str,
    error: &str,
    description: &str,
    state: &str,
) -> Result<String, AuthError> {
    let mut pairs = vec![("error", error), ("error_description", description)];
    if !state.is_empty() {
        pairs.push(("state", state));
    }
    with_query(redirect_uri, &pairs)
}

/// The application's address with these in its query.
pub(super) fn with_query(redirect_uri: &str, pairs: &[(&str, &str)]) -> Result<String, AuthError> {
    super::super::redirect::Address::parse(redirect_uri)
        .map(|address| address.with_query(pairs))
        .ok_or_else(|| AuthError::internal("The application's address cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_known_and_covered() {
        for (text, expected) in [
            ("email", Ok(())),
            (" openid  profile ", Ok(())),
            ("", Err("scope parameter cannot be empty".to_owned())),
            ("  ", Err("scope parameter cannot be empty".to_owned())),
            ("email admin", Err("unsupported scope: admin".to_owned())),
            ("Email", Err("unsupported scope: Email".to_owned())),
        ] {
            assert_eq!(Scopes::of(text).check(), expected, "{text}");
        }
        for (granted, asked, expected) in [
            ("email profile", "email", true),
            ("email profile", "profile email", true),
            ("email", "email profile", false),
            ("", "email", false),
        ] {
            let covers = Scopes::of(granted).covers(Scopes::of(asked));
            assert_eq!(covers, expected, "{granted} covers {asked}");
        }
    }
}
