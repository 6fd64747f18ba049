//! The description of a schema: whether OpenAPI is acceptable, and what it shows.

use super::{Catalog, PlanError};
use crate::{
    config::OpenApiMode,
    rest::{media::MediaType, request::RestRequest},
};

/// A description of a schema's relations and routines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribePlan {
    pub schema: String,
    /// It leaves out what the role may not use.
    pub follows_privileges: bool,
}

/// Any of three media types is answered by OpenAPI; none is [`PlanError::NotAcceptable`].
pub(super) fn plan(catalog: Catalog<'_>, request: &RestRequest) -> Result<DescribePlan, PlanError> {
    let acceptable = request
        .accept
        .iter()
        .any(|media| matches!(media, MediaType::OpenApi | MediaType::Json | MediaType::Any));
    if !acceptable {
        return Err(PlanError::NotAcceptable(request.accept.clone()));
    }
    let follows_privileges = match catalog.config.openapi_mode {
        OpenApiMode::FollowPrivileges => true,
        OpenApiMode::IgnorePrivileges => false,
        OpenApiMode::Disabled => return Err(PlanError::NoPath),
    };
    Ok(DescribePlan {
        schema: request.schema.clone(),
        follows_privileges,
    })
}
