//! What the claims say about the token itself: when it is valid, and for whom.

use serde_json::{Map, Value};

use super::error::{IdentityError, TimeClaim};
use crate::world::Timestamp;

/// How far the clocks of the issuer and of this machine may be apart, in seconds.
const LEEWAY: f64 = 30.0;

/// Checks `exp`, `nbf`, `iat` and `aud`, in this order; a claim that is absent or null is not
/// checked.
pub(super) fn check(
    claims: &Map<String, Value>,
    audience: Option<&str>,
    now: Timestamp,
) -> Result<(), IdentityError> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact for the next 285 million years"
    )]
    let now = now.seconds() as f64;
    let late = |time: f64| time > now + LEEWAY;
    if time(claims, TimeClaim::Expires)?.is_some_and(|time| time < now - LEEWAY) {
        return Err(IdentityError::Expired);
    }
    if time(claims, TimeClaim::NotBefore)?.is_some_and(late) {
        return Err(IdentityError::NotYetValid);
    }
    if time(claims, TimeClaim::IssuedAt)?.is_some_and(late) {
        return Err(IdentityError::IssuedInTheFuture);
    }
    check_audience(claims.get("aud"), audience)
}

fn time(claims: &Map<String, Value>, claim: TimeClaim) -> Result<Option<f64>, IdentityError> {
    match claims.get(claim.name()) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(time) => Ok(Some(time)),
            None => Err(IdentityError::NotANumber(claim)),
        },
    }
}

/// A token for nobody in particular is for us; one for others only is not.
fn check_audience(claim: Option<&Value>, audience: Option<&str>) -> Result<(), IdentityError> {
    let names: Vec<&str> = match claim {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names
            .iter()
            .map(|name| name.as_str().ok_or(IdentityError::AudienceMalformed))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(IdentityError::AudienceMalformed),
    };
    match audience {
        Some(audience) if !names.is_empty() && !names.contains(&audience) => {
            Err(IdentityError::NotInAudience)
        }
        Some(_) | None => Ok(()),
    }
}
