//! What a request about something deployed is about, and that its sender may ask.

use http::request::Parts;

use super::authorize;
use crate::{
    ApiError, World,
    project::Project,
    router::{Guest, INTERNAL},
};

/// A request about an application or a function, by whoever may see and change what is deployed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Managed<'path> {
    /// The VM worker asks, for itself.
    pub is_internal: bool,
    /// Empty for all of them.
    pub name: &'path str,
    pub action: Option<&'path str>,
    /// What follows, not divided.
    pub rest: Option<&'path str>,
}

impl<'path> Managed<'path> {
    /// Reads the path behind the kind's own: empty, or from a `/` on. Strangers get 401 or 403.
    pub(crate) fn read(
        world: &impl World,
        project: &Project,
        path: &'path str,
        head: &Parts,
    ) -> Result<Self, ApiError> {
        let is_internal =
            head.extensions.get::<Guest>().is_some() && head.headers.contains_key(INTERNAL);
        if !is_internal {
            authorize(world, project, head, "What is deployed")?;
        }
        let mut parts = path.trim_matches('/').splitn(3, '/');
        Ok(Self {
            is_internal,
            name: parts.next().unwrap_or_default(),
            action: parts.next(),
            rest: parts.next(),
        })
    }
}
