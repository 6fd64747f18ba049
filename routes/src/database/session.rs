//! Who a transaction is run for: its settings, which end with it.

use serde_json::Value;

use super::Statement;
use crate::{config::Config, identity::Identity, wire::Pipeline};

/// One setting of a transaction: name and value.
pub type Setting = (String, String);

/// The settings of a transaction, set in their order before its first statement.
#[derive(Debug, Clone, Default)]
pub struct Session {
    settings: Vec<Setting>,
    read_only: bool,
}

impl Session {
    /// A role of the gateway's own, as `supabase_auth_admin`, that finds tables in `search_path`.
    pub fn of_role(role: &str, search_path: &str) -> Self {
        Self::default()
            .with("search_path", search_path)
            .with("role", role)
    }

    /// Who sends the request: row-level security sees its role and its claims, as in REST.
    pub fn of_caller(identity: &Identity, config: &Config, search_path: &str) -> Self {
        let mut session = Self::default();
        // So that the role cannot be left for a mightier one.
        if let Some(authenticator) = &config.db_authenticator {
            session = session.with("session_authorization", authenticator);
        }
        let claims = Value::Object(identity.claims.clone()).to_string();
        session
            .with("search_path", search_path)
            .with("role", &identity.role)
            .with("request.jwt.claims", claims)
    }

    /// Adds a setting after the others; once `role` is set, that role must be allowed to set it.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }

    /// Nothing is written: what is asked may be asked again.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        let setting = ("transaction_read_only".to_owned(), "on".to_owned());
        self.settings.insert(0, setting);
        self
    }

    /// The settings in their order.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        let settings = self.settings.iter();
        settings.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Puts the settings into a pipeline; says how many statements that took.
    pub(super) fn write(&self, pipeline: &mut Pipeline) -> usize {
        if self.settings.is_empty() {
            return 0;
        }
        let settings = settings(&self.settings);
        pipeline.execute(&settings.sql, &settings.parameters);
        1
    }
}

/// `SELECT set_config(…), …` of all settings, in their order. The order matters: after `role` is
/// set, the new role must be allowed to set the rest.
pub fn settings(settings: &[Setting]) -> Statement {
    let call = |index: usize| {
        let number = index * 2 + 1;
        format!("set_config(${number}, ${}, true)", number + 1)
    };
    let calls: Vec<_> = (0..settings.len()).map(call).collect();
    let values = settings.iter().flat_map(|(name, value)| [name, value]);
    Statement {
        sql: format!("SELECT {}", calls.join(", ")),
        parameters: values.map(|text| text.as_str().into()).collect(),
    }
}
