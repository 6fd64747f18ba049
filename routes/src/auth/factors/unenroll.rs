//! A user gives a factor up: `DELETE`.

use http::Response;
use serde_json::json;

use super::{
    super::{
        AuthError, Context, ErrorCode,
        audit::{self, Action, Actor},
        delivery::notice,
        sql,
        user::FactorStatus,
    },
    Kind, owned,
};
use crate::{Body, World, auth};

pub async fn unenroll<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    let caller = context.caller_not_anonymous().await?;
    let factor = owned(context, &caller.user)?;
    let Some(session) = &caller.session else {
        let message = "A valid session and factor are required to unenroll a factor";
        return Err(AuthError::internal(message));
    };
    let is_verified = factor.status == FactorStatus::Verified;
    if is_verified && !session.is_aal2() {
        let message = "AAL2 required to unenroll verified factor";
        return Err(AuthError::unprocessable(
            ErrorCode::InsufficientAal,
            message,
        ));
    }
    let status = if is_verified {
        "verified"
    } else {
        "unverified"
    };
    let traits = json!({"factor_id": factor.id, "factor_status": status, "session_id": session.id});
    let method = Kind::read(&factor.factor_type)?.method();
    let mut statements = vec![
        sql::factors::delete(factor.id),
        audit::entry(
            context,
            Actor::User(&caller.user),
            Action::UnenrollFactor,
            traits,
        ),
    ];
    statements.extend(sql::factors::lower_sessions(
        caller.user.id,
        factor.id,
        method.as_str(),
    ));
    context
        .database()
        .run(&context.session(), &statements)
        .await?;
    notice::factor_unenrolled(context, &caller.user, factor).await;
    Ok(auth::json(json!({"id": factor.id})))
}
