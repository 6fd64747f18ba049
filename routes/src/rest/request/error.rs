//! Why a request was refused before anything was planned.

use http::{Method, StatusCode};

use super::super::{payload::PayloadError, preferences::PreferencesError, query::QueryError};
use crate::ApiError;

/// Why a request was refused before anything was planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestError {
    /// Neither `/`, `/name` nor `/rpc/name`.
    Path,
    /// The root is switched off.
    RootDisabled,
    /// A profile that is not exposed.
    Schema {
        schema: String,
        exposed: Vec<String>,
    },
    /// A method that a routine does not have.
    RoutineMethod(Method),
    /// A method that nothing has.
    Method(Method),
    /// `Range: 5-2`
    RangeEnds,
    /// The windows of query string and `Range` leave nothing.
    NegativeLimit,
    /// PUT of a range.
    PutRange,
    Query(QueryError),
    Preferences(PreferencesError),
    Payload(PayloadError),
}

const UNSATISFIABLE: &str = "Requested range not satisfiable";

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Path => Self::new(
                StatusCode::NOT_FOUND,
                "PGRST125",
                "Invalid path specified in request URL",
            ),
            RequestError::RootDisabled => Self::new(
                StatusCode::NOT_FOUND,
                "PGRST126",
                "Root endpoint metadata is disabled",
            ),
            RequestError::Schema { schema, exposed } => Self::new(
                StatusCode::NOT_ACCEPTABLE,
                "PGRST106",
                format!("Invalid schema: {schema}"),
            )
            .hint(format!(
                "Only the following schemas are exposed: {}",
                exposed.join(", ")
            )),
            RequestError::RoutineMethod(method) => Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "PGRST101",
                format!("Cannot use the {method} method on RPC"),
            ),
            RequestError::Method(method) => Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "PGRST117",
                format!("Unsupported HTTP method: {method}"),
            ),
            RequestError::RangeEnds => {
                Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "PGRST103", UNSATISFIABLE).details(
                    "The lower boundary must be lower than or equal to the upper boundary in the \
                     Range header.",
                )
            }
            RequestError::NegativeLimit => {
                Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "PGRST103", UNSATISFIABLE)
                    .details("Limit should be greater than or equal to zero.")
            }
            RequestError::PutRange => Self::new(
                StatusCode::BAD_REQUEST,
                "PGRST114",
                "limit/offset querystring parameters are not allowed for PUT",
            ),
            RequestError::Query(error) => error.into(),
            RequestError::Preferences(error) => error.into(),
            RequestError::Payload(error) => error.into(),
        }
    }
}

impl From<QueryError> for RequestError {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<PreferencesError> for RequestError {
    fn from(error: PreferencesError) -> Self {
        Self::Preferences(error)
    }
}

impl From<PayloadError> for RequestError {
    fn from(error: PayloadError) -> Self {
        Self::Payload(error)
    }
}
