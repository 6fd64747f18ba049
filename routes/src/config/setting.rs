//! Settings by name: what each may be.

use std::fmt;

use super::{Config, OpenApiMode, TransactionEnd};
use crate::{
    auth::{self, settings::SettingError},
    storage,
};

/// A setting that cannot be what it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// There is no setting of this name.
    Unknown(String),
    /// The value is not one of those that the setting may have.
    Invalid {
        setting: String,
        expected: &'static str,
    },
    /// A line of a file that is not `name = value`, from 1.
    Line(usize),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(setting) => write!(formatter, "{setting}: there is no such setting"),
            Self::Invalid { setting, expected } => {
                write!(formatter, "{setting}: expected {expected}")
            }
            Self::Line(line) => write!(formatter, "line {line}: expected name = \"value\""),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Settings of a PostgREST process that mean nothing here: a file that has them is taken as it is.
const WITHOUT_MEANING: &[&str] = &[
    "admin-server-host",
    "admin-server-port",
    "client-error-verbosity",
    "db-channel",
    "db-channel-enabled",
    "db-config",
    "db-pool",
    "db-pool-acquisition-timeout",
    "db-pool-automatic-recovery",
    "db-pool-max-idletime",
    "db-pool-max-lifetime",
    "db-pre-config",
    "db-prepared-statements",
    "db-timezone-enabled",
    "db-uri",
    "jwt-cache-max-entries",
    "jwt-cache-max-lifetime",
    "log-level",
    "log-query",
    "server-host",
    "server-port",
    "server-unix-socket",
    "server-unix-socket-mode",
];

/// Schemas that hold the database itself.
const INTERNAL_SCHEMAS: [&str; 2] = ["pg_catalog", "information_schema"];

impl Config {
    /// Changes settings by name, in order, each value as a PostgREST configuration file has it:
    /// lists are separated by commas, an empty value unsets.
    pub fn with<'a>(
        mut self,
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ConfigError> {
        for (name, value) in settings {
            self.set(name, value)?;
        }
        Ok(self)
    }

    /// Changes one setting.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let invalid = |expected| ConfigError::Invalid {
            setting: name.to_owned(),
            expected,
        };
        let flag = || boolean(value).ok_or_else(|| invalid("true or false"));
        match name {
            "db-schemas" | "db-schema" => {
                let schemas = list(value);
                if schemas.is_empty() {
                    return Err(invalid("one schema or more"));
                }
                if schemas
                    .iter()
                    .any(|name| INTERNAL_SCHEMAS.contains(&name.as_str()))
                {
                    return Err(invalid("no schema of the database itself"));
                }
                self.db_schemas = schemas;
            }
            "db-extra-search-path" => self.db_extra_search_path = list(value),
            "db-anon-role" => self.db_anon_role = optional(value),
            "db-authenticator" => self.db_authenticator = optional(value),
            "db-max-rows" | "max-rows" => {
                self.db_max_rows = optional(value)
                    .map(|rows| {
                        rows.parse()
                            .map_err(|_not_a_number| invalid("a number of rows"))
                    })
                    .transpose()?;
            }
            "db-pre-request" | "pre-request" => self.db_pre_request = optional(value),
            "db-tx-end" => {
                self.db_tx_end = transaction_end(value).ok_or_else(|| {
                    invalid("commit, commit-allow-override, rollback or rollback-allow-override")
                })?;
            }
            "db-aggregates-enabled" => self.db_aggregates_enabled = flag()?,
            "db-plan-enabled" => self.db_plan_enabled = flag()?,
            "db-root-spec" | "root-spec" => self.db_root_spec = optional(value),
            "db-hoisted-tx-settings" => self.db_hoisted_tx_settings = list(value),
            "jwt-secret" => self.jwt_secret = optional(value),
            "jwt-secret-is-base64" | "secret-is-base64" => self.jwt_secret_is_base64 = flag()?,
            "jwt-aud" => self.jwt_aud = optional(value),
            "jwt-role-claim-key" | "role-claim-key" => {
                self.jwt_role_claim_key = optional(value).unwrap_or_else(|| ".role".to_owned());
            }
            "openapi-mode" => {
                self.openapi_mode = match value {
                    "follow-privileges" => OpenApiMode::FollowPrivileges,
                    "ignore-privileges" => OpenApiMode::IgnorePrivileges,
                    "disabled" => OpenApiMode::Disabled,
                    _ => return Err(invalid("follow-privileges, ignore-privileges or disabled")),
                };
            }
            "openapi-security-active" => self.openapi_security_active = flag()?,
            "openapi-server-proxy-uri" | "server-proxy-uri" => {
                self.openapi_server_proxy_uri = optional(value);
            }
            "server-cors-allowed-origins" => {
                let origins = list(value);
                self.server_cors_allowed_origins = (!origins.is_empty()).then_some(origins);
            }
            "server-timing-enabled" => self.server_timing_enabled = flag()?,
            "server-trace-header" => self.server_trace_header = optional(value),
            "max-body-bytes" => {
                self.max_body_bytes = value
                    .parse()
                    .map_err(|_not_a_number| invalid("a number of bytes"))?;
            }
            name if name.starts_with("app.settings.") => {
                self.app_settings.retain(|(known, _)| known != name);
                self.app_settings.push((name.to_owned(), value.to_owned()));
            }
            name if storage::Settings::is_named(name) => {
                use storage::settings::SettingError;
                self.storage.set(name, value).map_err(|error| match error {
                    SettingError::Unknown => ConfigError::Unknown(name.to_owned()),
                    SettingError::Expected(expected) => invalid(expected),
                })?;
            }
            name if auth::Settings::is_named(name) => {
                self.auth.set(name, value).map_err(|error| match error {
                    SettingError::Unknown => ConfigError::Unknown(name.to_owned()),
                    SettingError::Expected(expected) => invalid(expected),
                })?;
            }
            name if WITHOUT_MEANING.contains(&name) => {}
            name => return Err(ConfigError::Unknown(name.to_owned())),
        }
        Ok(())
    }
}

fn optional(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn list(value: &str) -> Vec<String> {
    let items = value.split(',').map(str::trim);
    items
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

fn boolean(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn transaction_end(value: &str) -> Option<TransactionEnd> {
    let (end, allow_override) = match value.strip_suffix("-allow-override") {
        Some(end) => (end, true),
        None => (value, false),
    };
    let rollback = match end {
        "commit" => false,
        "rollback" => true,
        _ => return None,
    };
    Some(TransactionEnd {
        rollback,
        allow_override,
    })
}
