//! Applications that sign their users in with this project.

use uuid::Uuid;

use crate::database::Statement;

/// A client as JSON; lists of URIs and grants are text with commas between, as GoTrue keeps them.
const CLIENT: &str = "to_jsonb(c)";

/// A new client.
#[derive(Debug)]
pub struct NewClient<'a> {
    pub id: Uuid,
    /// `manual` or `dynamic`.
    pub registration: &'a str,
    pub redirect_uris: String,
    pub grant_types: String,
    pub name: &'a str,
    pub uri: &'a str,
    pub logo: &'a str,
    /// `public` or `confidential`.
    pub kind: &'a str,
    pub authentication: &'a str,
    pub secret_hash: Option<String>,
}

pub fn insert(client: &NewClient<'_>) -> Statement {
    Statement::new(
        format!(
            "insert into auth.oauth_clients as c (id, client_secret_hash, registration_type, redirect_uris, \
             grant_types, client_name, client_uri, logo_uri, client_type, token_endpoint_auth_method) \
             values ($1::uuid, $2, $3::auth.oauth_registration_type, $4, $5, nullif($6, ''), nullif($7, ''), \
             nullif($8, ''), $9::auth.oauth_client_type, $10) returning {CLIENT}"
        ),
        [
            client.id.to_string().into(),
            client.secret_hash.clone().into(),
            client.registration.into(),
            client.redirect_uris.as_str().into(),
            client.grant_types.as_str().into(),
            client.name.into(),
            client.uri.into(),
            client.logo.into(),
            client.kind.into(),
            client.authentication.into(),
        ],
    )
}

pub fn by_id(id: Uuid) -> Statement {
    Statement::new(
        format!(
            "select {CLIENT} from auth.oauth_clients c where c.id = $1::uuid and c.deleted_at is null"
        ),
        [id.to_string().into()],
    )
}

/// A page of the clients, the newest first: each as JSON, and how many there are in all.
pub fn page(limit: u64, offset: u64) -> Statement {
    Statement::new(
        format!(
            "select {CLIENT}, count(*) over () from auth.oauth_clients c where c.deleted_at is null \
             order by c.created_at desc, c.id limit $1::bigint offset $2::bigint"
        ),
        [limit.to_string().into(), offset.to_string().into()],
    )
}

/// What changes of a client; `None` stays.
#[derive(Debug, Default)]
pub struct Change<'a> {
    pub redirect_uris: Option<String>,
    pub grant_types: Option<String>,
    pub name: Option<&'a str>,
    pub uri: Option<&'a str>,
    pub logo: Option<&'a str>,
    pub authentication: Option<&'a str>,
    pub secret_hash: Option<String>,
}

pub fn update(id: Uuid, change: &Change<'_>) -> Statement {
    Statement::new(
        format!(
            "update auth.oauth_clients c set redirect_uris = coalesce($2, c.redirect_uris), \
             grant_types = coalesce($3, c.grant_types), client_name = coalesce($4, c.client_name), \
             client_uri = coalesce($5, c.client_uri), logo_uri = coalesce($6, c.logo_uri), \
             token_endpoint_auth_method = coalesce($7, c.token_endpoint_auth_method), \
             client_secret_hash = coalesce($8, c.client_secret_hash), updated_at = now() \
             where c.id = $1::uuid and c.deleted_at is null returning {CLIENT}"
        ),
        [
            id.to_string().into(),
            change.redirect_uris.clone().into(),
            change.grant_types.clone().into(),
            change.name.into(),
            change.uri.into(),
            change.logo.into(),
            change.authentication.into(),
            change.secret_hash.clone().into(),
        ],
    )
}

/// The client is gone; its sessions too.
pub fn delete(id: Uuid) -> [Statement; 2] {
    [
        Statement::new(
            "update auth.oauth_clients set deleted_at = now(), updated_at = now() \
             where id = $1::uuid and deleted_at is null",
            [id.to_string().into()],
        ),
        Statement::new(
            "delete from auth.sessions where oauth_client_id = $1::uuid",
            [id.to_string().into()],
        ),
    ]
}
