//! What cannot be planned, and what it answers.

use std::fmt::Write as _;

use expect_test::{Expect, expect};

use crate::{
    config::Config,
    rest::fixture::{config, plan_with},
};

fn check(request: &str, expected: Expect) {
    check_with(request, &config(), expected);
}

fn check_with(request: &str, config: &Config, expected: Expect) {
    let answer = match plan_with(request, config) {
        Ok((_, plan)) => format!("{plan:?}"),
        Err(error) => {
            let mut text = format!("{} {}: {}", error.status, error.code, error.message);
            if let Some(details) = error.details {
                _ = write!(text, "\ndetails: {details}");
            }
            if let Some(hint) = error.hint {
                _ = write!(text, "\nhint: {hint}");
            }
            text
        }
    };
    expected.assert_eq(&answer);
}

#[test]
fn names_that_are_not_there() {
    check(
        "GET /project",
        expect![[r"
        404 Not Found PGRST205: Could not find the table 'api.project' in the schema cache
        hint: Perhaps you meant the table 'api.projects'"]],
    );
    check(
        "GET /nothing-like-it",
        expect![
            "404 Not Found PGRST205: Could not find the table 'api.nothing-like-it' in the schema cache"
        ],
    );
    check(
        "POST /tasks\n\n{\"title\": 1}",
        expect![
            "400 Bad Request PGRST204: Could not find the 'title' column of 'tasks' in the schema cache"
        ],
    );
    check(
        "GET /projects?select=client(name)",
        expect![[r#"
        400 Bad Request PGRST200: Could not find a relationship between 'projects' and 'client' in the schema cache
        details: "Searched for a foreign key relationship between 'projects' and 'client' in the schema 'api', but no matches were found."
        hint: Perhaps you meant 'clients' instead of 'client'."#]],
    );
    check(
        "GET /projects?select=clients!nope(name)",
        expect![[r#"
        400 Bad Request PGRST200: Could not find a relationship between 'projects' and 'clients' in the schema cache
        details: "Searched for a foreign key relationship between 'projects' and 'clients' using the hint 'nope' in the schema 'api', but no matches were found.""#]],
    );
    check(
        "GET /projects?clients.name=eq.x",
        expect![[r"
        400 Bad Request PGRST108: 'clients' is not an embedded resource in this request
        hint: Verify that 'clients' is included in the 'select' query parameter."]],
    );
    check(
        "GET /projects?order=clients(name)",
        expect![[r"
        400 Bad Request PGRST108: 'clients' is not an embedded resource in this request
        hint: Verify that 'clients' is included in the 'select' query parameter."]],
    );
    check(
        "GET /rpc/ad?a=1",
        expect![[r#"
        404 Not Found PGRST202: Could not find the function api.ad(a) in the schema cache
        details: "Searched for the function api.ad with parameter a, but no matches were found in the schema cache.""#]],
    );
    check(
        "GET /rpc/projects_of?clien=1",
        expect![[r#"
        404 Not Found PGRST202: Could not find the function api.projects_of(clien) in the schema cache
        details: "Searched for the function api.projects_of with parameter clien, but no matches were found in the schema cache."
        hint: Perhaps you meant to call the function api.projects_of(client)"#]],
    );
    check(
        "POST /rpc/noise\nContent-Type: text/plain\n\nhush",
        expect![[r#"
            404 Not Found PGRST202: Could not find the function api.noise in the schema cache
            details: "Searched for the function api.noise with a single unnamed text parameter, but no matches were found in the schema cache.""#]],
    );
}

#[test]
fn requests_that_make_no_sense() {
    check(
        "GET /clients?select=*,projects(*)&order=projects(id)",
        expect![[r#"
            400 Bad Request PGRST118: A related order on 'projects' is not possible
            details: "'clients' and 'projects' do not form a many-to-one or one-to-one relationship""#]],
    );
    check(
        "GET /clients?select=...projects(id.sum())",
        expect![[r#"
        400 Bad Request PGRST127: Feature not implemented
        details: "Aggregates are not implemented for one-to-many or many-to-many spreads.""#]],
    );
    check(
        "PUT /tasks?id=gt.1\n\n{\"id\": 2}",
        expect![
            "405 Method Not Allowed PGRST105: Filters must include all and only primary key columns with 'eq' operators"
        ],
    );
    check(
        "PUT /tasks?id=eq.1&limit=1\n\n{\"id\": 1}",
        expect![
            "400 Bad Request PGRST114: limit/offset querystring parameters are not allowed for PUT"
        ],
    );
    check(
        "GET /projects\nAccept: text/plain, image/png",
        expect![
            "406 Not Acceptable PGRST107: None of these media types are available: text/plain, image/png"
        ],
    );
    check(
        "POST /rpc/quiet\nPrefer: handling=strict, max-affected=1",
        expect![
            "400 Bad Request PGRST128: Function must return SETOF or TABLE when max-affected preference is used with handling=strict"
        ],
    );
    let without_aggregates = Config {
        db_aggregates_enabled: false,
        ..config()
    };
    check_with(
        "GET /projects?select=id.sum()",
        &without_aggregates,
        expect!["400 Bad Request PGRST123: Use of aggregate functions is not allowed"],
    );
}

#[test]
fn options_tell_the_methods() {
    check(
        "OPTIONS /tasks",
        expect![[r#"Allow("OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE")"#]],
    );
    check("OPTIONS /rpc/quiet", expect![[r#"Allow("OPTIONS,POST")"#]]);
    check("OPTIONS /", expect![[r#"Allow("OPTIONS,GET,HEAD")"#]]);
}
