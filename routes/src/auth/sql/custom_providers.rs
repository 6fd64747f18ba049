//! Providers of identities that admins add to the project.

use serde_json::Value;

use crate::database::Statement;

/// A new provider; `row` has its columns by name. The row as it is kept.
pub fn insert(row: &Value) -> Statement {
    Statement::new(
        "insert into auth.custom_oauth_providers as p \
         select * from jsonb_populate_record(null::auth.custom_oauth_providers, $1::jsonb) \
         returning to_jsonb(p)",
        [row.to_string().into()],
    )
}

/// The provider of this name, as JSON; locked, so that two changes come one after the other.
pub fn locked(identifier: &str) -> Statement {
    Statement::new(
        "select to_jsonb(p) from auth.custom_oauth_providers p where p.identifier = $1 for update",
        [identifier.into()],
    )
}

/// The provider of this name, as JSON.
pub fn by_identifier(identifier: &str) -> Statement {
    Statement::new(
        "select to_jsonb(p) from auth.custom_oauth_providers p where p.identifier = $1",
        [identifier.into()],
    )
}

/// All of them, or those of one type, as JSON.
pub fn all(provider_type: &str) -> Statement {
    Statement::new(
        "select to_jsonb(p) from auth.custom_oauth_providers p \
         where $1 = '' or p.provider_type = $1 order by p.created_at, p.id",
        [provider_type.into()],
    )
}

/// What may change of a provider becomes what `row` says. The row as it is kept.
pub fn update(identifier: &str, row: &Value) -> Statement {
    Statement::new(
        "update auth.custom_oauth_providers p set name = n.name, client_id = n.client_id, \
         client_secret = n.client_secret, acceptable_client_ids = n.acceptable_client_ids, scopes = n.scopes, \
         pkce_enabled = n.pkce_enabled, attribute_mapping = n.attribute_mapping, \
         authorization_params = n.authorization_params, enabled = n.enabled, email_optional = n.email_optional, \
         issuer = n.issuer, discovery_url = n.discovery_url, skip_nonce_check = n.skip_nonce_check, \
         authorization_url = n.authorization_url, token_url = n.token_url, userinfo_url = n.userinfo_url, \
         jwks_uri = n.jwks_uri, custom_claims_allowlist = n.custom_claims_allowlist, updated_at = now() \
         from jsonb_populate_record(null::auth.custom_oauth_providers, $2::jsonb) n \
         where p.identifier = $1 returning to_jsonb(p)",
        [identifier.into(), row.to_string().into()],
    )
}

/// A row where there was one.
pub fn delete(identifier: &str) -> Statement {
    Statement::new(
        "delete from auth.custom_oauth_providers where identifier = $1 returning id",
        [identifier.into()],
    )
}
