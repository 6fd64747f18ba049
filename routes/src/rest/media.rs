//! Media types: those PostgREST knows, and any other by name.

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// `application/json`
    Json,
    /// `application/vnd.pgrst.array+json`, with `;nulls=stripped`.
    Array { strip_nulls: bool },
    /// `application/vnd.pgrst.object+json`
    Object { strip_nulls: bool },
    /// `application/geo+json`
    GeoJson,
    /// `text/csv`
    Csv,
    /// `text/plain`
    Text,
    /// `text/xml`
    Xml,
    /// `application/openapi+json`
    OpenApi,
    /// `application/x-www-form-urlencoded`
    Form,
    /// `application/octet-stream`
    OctetStream,
    /// `*/*`
    Any,
    /// `application/vnd.pgrst.plan+json|text; for="…"; options=analyze|verbose|…`
    Plan {
        json: bool,
        of: Box<Self>,
        options: Vec<PlanOption>,
    },
    /// Any other; the text is the type without parameters that PostgREST ignores.
    Other(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlanOption {
    Analyze,
    Verbose,
    Settings,
    Buffers,
    Wal,
}
