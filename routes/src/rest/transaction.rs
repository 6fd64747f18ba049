//! The transaction that a request runs in: as whom, with which settings, and how it ends.

use serde_json::{Map, Value};

use super::{
    Context,
    plan::Plan,
    preferences,
    request::RestRequest,
    respond::needs_verdict,
    run::{End, Isolation, Transaction},
    sql::settings::search_path,
};
use crate::database::Setting;

const ISOLATION: &str = "default_transaction_isolation";

pub(super) fn of(context: Context<'_>, request: &RestRequest, plan: &Plan) -> Transaction {
    let Context {
        config,
        cache,
        identity,
        ..
    } = context;
    let read_only = match plan {
        Plan::Read(_) | Plan::Describe(_) | Plan::Allow(_) => true,
        Plan::Mutate(_) => false,
        Plan::Call(plan) => plan.read_only,
    };
    let of_role = cache
        .role_settings
        .get(&identity.role)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let of_routine = match plan {
        Plan::Call(plan) => plan.routine.settings.as_slice(),
        Plan::Read(_) | Plan::Mutate(_) | Plan::Describe(_) | Plan::Allow(_) => &[],
    };

    let mut settings = Settings::default();
    if let Some(authenticator) = &config.db_authenticator {
        settings.set("session_authorization", authenticator);
    }
    if read_only {
        settings.set("transaction_read_only", "on");
    }
    let schemas = std::iter::once(&request.schema).chain(&config.db_extra_search_path);
    settings.set("search_path", &search_path(schemas));
    // Before the role: the authenticator may be allowed what the role is not.
    for (name, value) in of_role.iter().filter(|(name, _)| name != ISOLATION) {
        settings.set(name, value);
    }
    settings.set("role", &identity.role);
    // A map of JSON's own values always is JSON.
    let claims = serde_json::to_string(&identity.claims).unwrap_or_default();
    settings.set("request.jwt.claims", &claims);
    settings.set("request.method", request.method.as_str());
    settings.set("request.path", &request.path);
    settings.set("request.headers", &object(&request.headers));
    settings.set("request.cookies", &object(&request.cookies));
    if let Some(timezone) = &request.preferences.timezone {
        settings.set("timezone", timezone);
    }
    for (name, value) in of_routine.iter().filter(|(name, _)| name != ISOLATION) {
        settings.set(name, value);
    }
    for (name, value) in &config.app_settings {
        settings.set(name, value);
    }

    let isolation = of_routine
        .iter()
        .chain(of_role)
        .find(|(name, _)| name == ISOLATION)
        .and_then(|(_, level)| Isolation::named(level));
    Transaction {
        settings: settings.0,
        pre_request: config.db_pre_request.clone(),
        read_only,
        isolation,
        end: end(context, request, plan, read_only),
    }
}

/// Whether a large body may be on its way before the answer has ended.
pub(super) fn streams(plan: &Plan, transaction: &Transaction) -> bool {
    let rendition = match plan {
        Plan::Read(plan) => &plan.rendition,
        Plan::Call(plan) => &plan.rendition,
        Plan::Mutate(_) | Plan::Describe(_) | Plan::Allow(_) => return false,
    };
    transaction.read_only && transaction.end == End::Commit && rendition.explain.is_none()
}

fn end(context: Context<'_>, request: &RestRequest, plan: &Plan, read_only: bool) -> End {
    let preferred = request.preferences.transaction;
    let rolls_back = match preferred {
        Some(preferences::Transaction::Commit) => false,
        Some(preferences::Transaction::Rollback) => true,
        None => context.config.db_tx_end.rollback,
    };
    // A transaction that writes nothing leaves nothing either way.
    if read_only {
        End::Commit
    } else if rolls_back {
        End::Rollback
    } else if needs_verdict(plan, request.action, &request.preferences) {
        End::Verdict
    } else {
        End::Commit
    }
}

#[derive(Default)]
struct Settings(Vec<Setting>);

impl Settings {
    fn set(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }
}

/// Pairs as a JSON object; of several with one name the last counts.
fn object(pairs: &[(String, String)]) -> String {
    let object: Map<String, Value> = pairs
        .iter()
        .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
        .collect();
    Value::Object(object).to_string()
}
