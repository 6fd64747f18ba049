//! What the number of rows decides, before a write is committed.

use http::StatusCode;

use crate::{
    ApiError,
    rest::{
        media::MediaType,
        plan::{Plan, Rendition},
        preferences::Preferences,
        request::Action,
        run::{Outcome, RunError},
    },
};

/// Why a request that ran fails all the same.
#[derive(Debug)]
pub enum VerdictError {
    Run(RunError),
    /// One object was wanted, of this many rows.
    NotSingular(u64),
    /// More rows than `max-affected`.
    TooManyAffected(u64),
    /// PUT of a row that is not the one of the URL.
    OtherKey,
}

/// Judges the rows that came of a plan.
pub fn judge(
    plan: &Plan,
    action: Action,
    preferences: &Preferences,
    outcome: &Outcome,
) -> Result<(), VerdictError> {
    if outcome.is_explained() {
        return Ok(());
    }
    let rows = outcome.page();
    if action == Action::SingleUpsert {
        return if rows == 1 {
            Ok(())
        } else {
            Err(VerdictError::OtherKey)
        };
    }
    if plan.rendition().is_some_and(is_singular) && rows != 1 {
        return Err(VerdictError::NotSingular(rows));
    }
    match preferences.max_affected {
        Some(most)
            if limits_rows(action, preferences)
                && i64::try_from(rows).is_ok_and(|rows| rows > most) =>
        {
            Err(VerdictError::TooManyAffected(rows))
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether the rows can decide against a write.
pub fn needs_verdict(plan: &Plan, action: Action, preferences: &Preferences) -> bool {
    action == Action::SingleUpsert
        || plan.rendition().is_some_and(is_singular)
        || (preferences.max_affected.is_some() && limits_rows(action, preferences))
}

fn limits_rows(action: Action, preferences: &Preferences) -> bool {
    preferences.is_strict()
        && match action {
            Action::Update | Action::Delete | Action::Call { .. } => true,
            Action::Read { .. }
            | Action::Insert
            | Action::SingleUpsert
            | Action::Info
            | Action::Describe { .. } => false,
        }
}

fn is_singular(rendition: &Rendition) -> bool {
    matches!(rendition.media, MediaType::Object { .. })
}

impl From<RunError> for VerdictError {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}

impl VerdictError {
    /// The answer; `authenticated` as for [`RunError::into_api_error`].
    pub fn into_api_error(self, authenticated: bool) -> ApiError {
        match self {
            Self::Run(error) => error.into_api_error(authenticated),
            Self::NotSingular(rows) => ApiError::new(
                StatusCode::NOT_ACCEPTABLE,
                "PGRST116",
                "Cannot coerce the result to a single JSON object",
            )
            .details(format!("The result contains {rows} rows")),
            Self::TooManyAffected(rows) => ApiError::new(
                StatusCode::BAD_REQUEST,
                "PGRST124",
                "Query result exceeds max-affected preference constraint",
            )
            .details(format!("The query affects {rows} rows")),
            Self::OtherKey => ApiError::new(
                StatusCode::BAD_REQUEST,
                "PGRST115",
                "Payload values do not match URL in primary key column(s)",
            ),
        }
    }
}
