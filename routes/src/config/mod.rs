//! A project's settings, under PostgREST's own names (`db-schemas`, `db-anon-role`, …).

mod file;
mod setting;

use std::fmt;

pub use file::parse;
pub use setting::ConfigError;

use crate::{auth, storage};

/// What happens at the end of a request's transaction (`db-tx-end`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionEnd {
    /// Roll back unless told otherwise.
    pub rollback: bool,
    /// Whether `Prefer: tx=` may choose.
    pub allow_override: bool,
}

/// What the OpenAPI root shows (`openapi-mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenApiMode {
    FollowPrivileges,
    IgnorePrivileges,
    Disabled,
}

/// The settings of one project's REST API. Field names are PostgREST's, with `_` for `-`.
///
/// `Debug` shows neither the secret nor values of `app_settings`, where people keep secrets too.
#[derive(Clone)]
pub struct Config {
    /// Exposed schemas; the first is the default profile.
    pub db_schemas: Vec<String>,
    /// Schemas added to the search path after the profile's.
    pub db_extra_search_path: Vec<String>,
    /// The role of requests without a token; `None` refuses them (PGRST302).
    pub db_anon_role: Option<String>,
    /// The session's user for the length of a request (ours, not PostgREST's: PGlite's own session
    /// belongs to the superuser). `None` leaves it as it is.
    pub db_authenticator: Option<String>,
    /// The largest number of rows in an answer.
    pub db_max_rows: Option<u64>,
    /// A function called before each request's query, schema-qualified or found on the search path.
    pub db_pre_request: Option<String>,
    pub db_tx_end: TransactionEnd,
    pub db_aggregates_enabled: bool,
    pub db_plan_enabled: bool,
    /// A function that answers the root path instead of OpenAPI.
    pub db_root_spec: Option<String>,
    /// Role settings that apply before the query, as `statement_timeout`.
    pub db_hoisted_tx_settings: Vec<String>,
    /// An HS256 secret, a JWK or a JWK set; `None` refuses every token (PGRST300).
    pub jwt_secret: Option<String>,
    pub jwt_secret_is_base64: bool,
    pub jwt_aud: Option<String>,
    /// Where the role is in the claims: a JSON path, `.role` by default.
    pub jwt_role_claim_key: String,
    pub openapi_mode: OpenApiMode,
    pub openapi_security_active: bool,
    pub openapi_server_proxy_uri: Option<String>,
    pub server_cors_allowed_origins: Option<Vec<String>>,
    pub server_timing_enabled: bool,
    pub server_trace_header: Option<String>,
    /// `app.settings.*`, given to every transaction.
    pub app_settings: Vec<(String, String)>,
    /// The largest request body, in bytes (ours): more is 413.
    pub max_body_bytes: usize,
    /// `auth.…`, under Supabase CLI's names.
    pub auth: auth::Settings,
    /// `storage.…`, under Supabase CLI's names.
    pub storage: storage::Settings,
}

impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whole, so that a new setting is thought of here too.
        let Self {
            db_schemas,
            db_extra_search_path,
            db_anon_role,
            db_authenticator,
            db_max_rows,
            db_pre_request,
            db_tx_end,
            db_aggregates_enabled,
            db_plan_enabled,
            db_root_spec,
            db_hoisted_tx_settings,
            jwt_secret,
            jwt_secret_is_base64,
            jwt_aud,
            jwt_role_claim_key,
            openapi_mode,
            openapi_security_active,
            openapi_server_proxy_uri,
            server_cors_allowed_origins,
            server_timing_enabled,
            server_trace_header,
            app_settings,
            max_body_bytes,
            auth,
            storage,
        } = self;
        let jwt_secret = jwt_secret.as_ref().map(|_| "…");
        let app_settings: Vec<_> = app_settings.iter().map(|(name, _)| name).collect();
        formatter
            .debug_struct("Config")
            .field("db_schemas", db_schemas)
            .field("db_extra_search_path", db_extra_search_path)
            .field("db_anon_role", db_anon_role)
            .field("db_authenticator", db_authenticator)
            .field("db_max_rows", db_max_rows)
            .field("db_pre_request", db_pre_request)
            .field("db_tx_end", db_tx_end)
            .field("db_aggregates_enabled", db_aggregates_enabled)
            .field("db_plan_enabled", db_plan_enabled)
            .field("db_root_spec", db_root_spec)
            .field("db_hoisted_tx_settings", db_hoisted_tx_settings)
            .field("jwt_secret", &jwt_secret)
            .field("jwt_secret_is_base64", jwt_secret_is_base64)
            .field("jwt_aud", jwt_aud)
            .field("jwt_role_claim_key", jwt_role_claim_key)
            .field("openapi_mode", openapi_mode)
            .field("openapi_security_active", openapi_security_active)
            .field("openapi_server_proxy_uri", openapi_server_proxy_uri)
            .field("server_cors_allowed_origins", server_cors_allowed_origins)
            .field("server_timing_enabled", server_timing_enabled)
            .field("server_trace_header", server_trace_header)
            .field("app_settings", &app_settings)
            .field("max_body_bytes", max_body_bytes)
            .field("auth", auth)
            .field("storage", storage)
            .finish()
    }
}

impl Default for Config {
    /// What a local Supabase stack sets.
    fn default() -> Self {
        Self {
            db_schemas: vec!["public".to_owned(), "graphql_public".to_owned()],
            db_extra_search_path: vec!["public".to_owned(), "extensions".to_owned()],
            db_anon_role: Some("anon".to_owned()),
            db_authenticator: Some("authenticator".to_owned()),
            db_max_rows: Some(1000),
            db_pre_request: None,
            db_tx_end: TransactionEnd {
                rollback: false,
                allow_override: false,
            },
            db_aggregates_enabled: false,
            db_plan_enabled: false,
            db_root_spec: None,
            db_hoisted_tx_settings: [
                "statement_timeout",
                "plan_filter.statement_cost_limit",
                "default_transaction_isolation",
            ]
            .map(str::to_owned)
            .to_vec(),
            jwt_secret: None,
            jwt_secret_is_base64: false,
            jwt_aud: None,
            jwt_role_claim_key: ".role".to_owned(),
            openapi_mode: OpenApiMode::FollowPrivileges,
            openapi_security_active: false,
            openapi_server_proxy_uri: None,
            server_cors_allowed_origins: None,
            server_timing_enabled: false,
            server_trace_header: None,
            app_settings: Vec::new(),
            max_body_bytes: 64 * 1024 * 1024,
            auth: auth::Settings::default(),
            storage: storage::Settings::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let config = Config {
            jwt_secret: Some("hidden".to_owned()),
            app_settings: vec![("app.settings.key".to_owned(), "hidden".to_owned())],
            ..Config::default()
        };
        let shown = format!("{config:?}");
        assert!(!shown.contains("hidden"), "{shown}");
        assert!(shown.contains("jwt_secret: Some"), "{shown}");
    }
}
