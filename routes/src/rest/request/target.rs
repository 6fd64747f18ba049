//! What a request addresses and what it does to it: path, method, profile.

use http::{HeaderMap, Method, header::HeaderName};
use percent_encoding::percent_decode_str;

use super::{RequestError, text_of};
use crate::config::{Config, OpenApiMode};

const ACCEPT_PROFILE: HeaderName = HeaderName::from_static("accept-profile");
const CONTENT_PROFILE: HeaderName = HeaderName::from_static("content-profile");

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// `/`: the OpenAPI description.
    Root,
    Relation(String),
    Routine(String),
}

impl Resource {
    /// `/`, `/name` or `/rpc/name`; the root may be a function of the project's choice.
    pub(super) fn parse(path: &str, config: &Config) -> Result<Self, RequestError> {
        let path = path.strip_prefix('/').unwrap_or(path);
        if path.is_empty() {
            return match (&config.db_root_spec, config.openapi_mode) {
                // The request's profile says in which schema it is.
                (Some(routine), _) => {
                    let name = routine.split_once('.').map_or(&**routine, |(_, name)| name);
                    Ok(Self::Routine(name.to_owned()))
                }
                (None, OpenApiMode::Disabled) => Err(RequestError::RootDisabled),
                (None, OpenApiMode::FollowPrivileges | OpenApiMode::IgnorePrivileges) => {
                    Ok(Self::Root)
                }
            };
        }
        let mut segments = path.split('/').map(decoded);
        let named = match (segments.next(), segments.next(), segments.next()) {
            (Some(name), None, _) => Some(Self::Relation(name)),
            (Some(rpc), Some(name), None) if rpc == "rpc" => Some(Self::Routine(name)),
            _ => None,
        };
        named
            .filter(|resource| !resource.name().contains('\0'))
            .ok_or(RequestError::Path)
    }

    fn name(&self) -> &str {
        match self {
            Self::Root => "",
            Self::Relation(name) | Self::Routine(name) => name,
        }
    }
}

fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// GET or HEAD of a relation.
    Read {
        head: bool,
    },
    /// POST to a relation.
    Insert,
    /// PATCH.
    Update,
    /// PUT.
    SingleUpsert,
    Delete,
    /// RPC; `read` for GET and HEAD, which run read-only and take arguments from the query string.
    Call {
        read: bool,
        head: bool,
    },
    /// OPTIONS of any of them.
    Info,
    /// GET or HEAD of the root.
    Describe {
        head: bool,
    },
}

impl Action {
    pub(super) fn of(resource: &Resource, method: &Method) -> Result<Self, RequestError> {
        let head = method == Method::HEAD;
        match (resource, method.as_str()) {
            (_, "OPTIONS") => Ok(Self::Info),
            (Resource::Routine(_), "GET" | "HEAD") => Ok(Self::Call { read: true, head }),
            (Resource::Routine(_), "POST") => Ok(Self::Call { read: false, head }),
            (Resource::Routine(_), _) => Err(RequestError::RoutineMethod(method.clone())),
            (Resource::Relation(_), "GET" | "HEAD") => Ok(Self::Read { head }),
            (Resource::Relation(_), "POST") => Ok(Self::Insert),
            (Resource::Relation(_), "PATCH") => Ok(Self::Update),
            (Resource::Relation(_), "PUT") => Ok(Self::SingleUpsert),
            (Resource::Relation(_), "DELETE") => Ok(Self::Delete),
            (Resource::Root, "GET" | "HEAD") => Ok(Self::Describe { head }),
            (Resource::Relation(_) | Resource::Root, _) => {
                Err(RequestError::Method(method.clone()))
            }
        }
    }

    pub(super) const fn is_call(self) -> bool {
        matches!(self, Self::Call { .. })
    }

    /// Whether arguments come in the query string.
    pub(super) const fn is_call_by_url(self) -> bool {
        matches!(self, Self::Call { read: true, .. })
    }

    pub(super) const fn takes_body(self) -> bool {
        match self {
            Self::Insert | Self::Update | Self::SingleUpsert | Self::Call { read: false, .. } => {
                true
            }
            Self::Read { .. }
            | Self::Delete
            | Self::Call { read: true, .. }
            | Self::Info
            | Self::Describe { .. } => false,
        }
    }

    /// Whether `columns=` stands for the keys of the body.
    pub(super) const fn takes_columns(self) -> bool {
        self.takes_body() && !matches!(self, Self::SingleUpsert)
    }
}

/// The schema that answers, and whether the response must name it.
pub(super) fn schema(
    method: &Method,
    headers: &HeaderMap,
    config: &Config,
) -> Result<(String, bool), RequestError> {
    let header = match method.as_str() {
        "DELETE" | "PATCH" | "POST" | "PUT" => CONTENT_PROFILE,
        _ => ACCEPT_PROFILE,
    };
    match text_of(headers, &header) {
        Some(schema) if config.db_schemas.contains(&schema) => Ok((schema, true)),
        Some(schema) => Err(RequestError::Schema {
            schema,
            exposed: config.db_schemas.clone(),
        }),
        None => {
            let default = config.db_schemas.first().cloned().unwrap_or_default();
            Ok((default, config.db_schemas.len() != 1))
        }
    }
}
