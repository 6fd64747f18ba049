//! The `Prefer` header (RFC 7240), as PostgREST reads it.

use http::{HeaderMap, StatusCode, header::HeaderName};

use crate::ApiError;

/// The request's header.
pub const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The response's header.
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// What was preferred; `None` where nothing was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preferences {
    pub resolution: Option<Resolution>,
    pub representation: Option<Return>,
    pub count: Option<Count>,
    /// Always `None` where the project does not let a request choose.
    pub transaction: Option<Transaction>,
    pub missing: Option<Missing>,
    pub handling: Option<Handling>,
    pub timezone: Option<String>,
    /// It counts under `handling=strict` only. A negative number is one that every write exceeds.
    pub max_affected: Option<i64>,
    /// Preferences that PostgREST does not know: an error under `handling=strict`.
    pub unknown: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    MergeDuplicates,
    IgnoreDuplicates,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    Representation,
    HeadersOnly,
    Minimal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    Exact,
    Planned,
    Estimated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transaction {
    Commit,
    Rollback,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    Default,
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    Strict,
    Lenient,
}

/// One preference, read.
enum Preference {
    Resolution(Resolution),
    Return(Return),
    Count(Count),
    Transaction(Transaction),
    Missing(Missing),
    Handling(Handling),
}

impl Preferences {
    /// Reads every `Prefer` header. The first of several values for one preference counts.
    ///
    /// `choose_transaction` says whether `tx=` has an effect (`db-tx-end=…-allow-override`).
    pub fn parse(headers: &HeaderMap, choose_transaction: bool) -> Self {
        let mut preferences = Self::default();
        // A number that is none counts as the first one all the same.
        let mut max_affected = None;
        for value in headers.get_all(PREFER) {
            let value = String::from_utf8_lossy(value.as_bytes());
            for word in value
                .split(',')
                .map(str::trim)
                .filter(|_| !value.is_empty())
            {
                if let Some(timezone) = word.strip_prefix("timezone=") {
                    preferences
                        .timezone
                        .get_or_insert_with(|| timezone.to_owned());
                } else if let Some(number) = word.strip_prefix("max-affected=") {
                    max_affected.get_or_insert_with(|| number.to_owned());
                } else if let Some(preference) = known(word) {
                    preferences.take(&preference);
                } else {
                    preferences.unknown.push(word.to_owned());
                }
            }
        }
        preferences.max_affected = max_affected.and_then(|number| number.trim().parse().ok());
        if !choose_transaction {
            preferences.transaction = None;
        }
        preferences
    }

    fn take(&mut self, preference: &Preference) {
        match *preference {
            Preference::Resolution(value) => _ = self.resolution.get_or_insert(value),
            Preference::Return(value) => _ = self.representation.get_or_insert(value),
            Preference::Count(value) => _ = self.count.get_or_insert(value),
            Preference::Transaction(value) => _ = self.transaction.get_or_insert(value),
            Preference::Missing(value) => _ = self.missing.get_or_insert(value),
            Preference::Handling(value) => _ = self.handling.get_or_insert(value),
        }
    }

    /// Refuses unknown preferences under `handling=strict`.
    pub fn check(&self) -> Result<(), PreferencesError> {
        if self.is_strict() && !self.unknown.is_empty() {
            return Err(PreferencesError::Unknown(self.unknown.clone()));
        }
        Ok(())
    }

    /// Forgets a timezone that Postgres does not know; under `handling=strict` it is an error.
    pub fn check_timezone(
        &mut self,
        is_known: impl FnOnce(&str) -> bool,
    ) -> Result<(), PreferencesError> {
        let Some(unknown) = self.timezone.take_if(|timezone| !is_known(timezone)) else {
            return Ok(());
        };
        self.unknown.push(format!("timezone={unknown}"));
        self.check()
    }

    pub fn is_strict(&self) -> bool {
        self.handling == Some(Handling::Strict)
    }

    /// The value of `Preference-Applied`, if anything is left in these preferences.
    ///
    /// The stage that answers clears the ones that it did not honour first.
    pub fn applied(&self) -> Option<String> {
        let strict = self.is_strict();
        let applied = [
            self.resolution.map(|value| value.name().to_owned()),
            self.missing.map(|value| value.name().to_owned()),
            self.representation.map(|value| value.name().to_owned()),
            self.count.map(|value| value.name().to_owned()),
            self.transaction.map(|value| value.name().to_owned()),
            self.handling.map(|value| value.name().to_owned()),
            self.timezone
                .as_ref()
                .map(|timezone| format!("timezone={timezone}")),
            self.max_affected
                .filter(|_| strict)
                .map(|rows| format!("max-affected={rows}")),
        ];
        let applied = applied.into_iter().flatten().collect::<Vec<_>>();
        (!applied.is_empty()).then(|| applied.join(", "))
    }
}

fn known(word: &str) -> Option<Preference> {
    Some(match word {
        "resolution=merge-duplicates" => Preference::Resolution(Resolution::MergeDuplicates),
        "resolution=ignore-duplicates" => Preference::Resolution(Resolution::IgnoreDuplicates),
        "return=representation" => Preference::Return(Return::Representation),
        "return=headers-only" => Preference::Return(Return::HeadersOnly),
        "return=minimal" => Preference::Return(Return::Minimal),
        "count=exact" => Preference::Count(Count::Exact),
        "count=planned" => Preference::Count(Count::Planned),
        "count=estimated" => Preference::Count(Count::Estimated),
        "tx=commit" => Preference::Transaction(Transaction::Commit),
        "tx=rollback" => Preference::Transaction(Transaction::Rollback),
        "missing=default" => Preference::Missing(Missing::Default),
        "missing=null" => Preference::Missing(Missing::Null),
        "handling=strict" => Preference::Handling(Handling::Strict),
        "handling=lenient" => Preference::Handling(Handling::Lenient),
        _ => return None,
    })
}

impl Resolution {
    pub const fn name(self) -> &'static str {
        match self {
            Self::MergeDuplicates => "resolution=merge-duplicates",
            Self::IgnoreDuplicates => "resolution=ignore-duplicates",
        }
    }
}

impl Return {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Representation => "return=representation",
            Self::HeadersOnly => "return=headers-only",
            Self::Minimal => "return=minimal",
        }
    }
}

impl Count {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "count=exact",
            Self::Planned => "count=planned",
            Self::Estimated => "count=estimated",
        }
    }
}

impl Transaction {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Commit => "tx=commit",
            Self::Rollback => "tx=rollback",
        }
    }
}

impl Missing {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "missing=default",
            Self::Null => "missing=null",
        }
    }
}

impl Handling {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Strict => "handling=strict",
            Self::Lenient => "handling=lenient",
        }
    }
}

/// Why preferences were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreferencesError {
    /// `handling=strict` with preferences that nobody knows.
    Unknown(Vec<String>),
}

impl From<PreferencesError> for ApiError {
    fn from(error: PreferencesError) -> Self {
        match error {
            PreferencesError::Unknown(words) => Self::new(
                StatusCode::BAD_REQUEST,
                "PGRST122",
                "Invalid preferences given with handling=strict",
            )
            .details(format!("Invalid preferences: {}", words.join(", "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn parse(values: &[&str]) -> Preferences {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(PREFER, HeaderValue::from_str(value).unwrap());
        }
        Preferences::parse(&headers, true)
    }

    #[test]
    fn applied_again() {
        let table: [(&[&str], Option<&str>); 9] = [
            (&[], None),
            (&["anything"], None),
            (
                &[
                    "count=exact,    tx=commit   ,return=representation , missing=default, handling=strict",
                ],
                Some(
                    "missing=default, return=representation, count=exact, tx=commit, handling=strict",
                ),
            ),
            (
                &[
                    "resolution=ignore-duplicates",
                    "resolution=merge-duplicates",
                ],
                Some("resolution=ignore-duplicates"),
            ),
            (&["tx=commit, tx=rollback"], Some("tx=commit")),
            (
                &["timezone=America/Los_Angeles"],
                Some("timezone=America/Los_Angeles"),
            ),
            (&["max-affected=5"], None),
            (
                &["max-affected=5, handling=strict"],
                Some("handling=strict, max-affected=5"),
            ),
            (
                &["max-affected=many, handling=strict, max-affected=5"],
                Some("handling=strict"),
            ),
        ];
        for (values, expected) in table {
            assert_eq!(parse(values).applied().as_deref(), expected, "{values:?}");
        }
    }

    #[test]
    fn strict_handling() {
        let details = |values: &[&str]| {
            let error = ApiError::from(parse(values).check().err()?);
            error.details.map(|details| details.to_string())
        };
        assert_eq!(details(&["anything"]), None);
        assert_eq!(
            details(&["handling=strict", "something, else"]).as_deref(),
            Some("\"Invalid preferences: something, else\"")
        );
        let mut preferences = parse(&["handling=strict, timezone=Mars/Olympus"]);
        assert_eq!(preferences.check(), Ok(()));
        assert_eq!(
            preferences.check_timezone(|_| false),
            Err(PreferencesError::Unknown(vec![
                "timezone=Mars/Olympus".to_owned()
            ]))
        );
        let mut preferences = parse(&["timezone=Mars/Olympus"]);
        assert_eq!(preferences.check_timezone(|_| false), Ok(()));
        assert_eq!(preferences.timezone, None);
    }

    #[test]
    fn a_transaction_is_chosen_only_where_it_may_be() {
        let mut headers = HeaderMap::new();
        headers.append(PREFER, HeaderValue::from_static("tx=rollback"));
        assert_eq!(Preferences::parse(&headers, false), Preferences::default());
    }
}
