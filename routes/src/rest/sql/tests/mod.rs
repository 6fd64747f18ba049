//! The statement of each feature.

use expect_test::{Expect, expect};

use crate::{
    config::Config,
    rest::fixture::{config, plan, sql_of, sql_with},
};

mod conditions;
mod forms;

fn check(request: &str, expected: Expect) {
    expected.assert_eq(&sql_of(request));
}

#[test]
fn reads() {
    check(
        "GET /projects",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "api"."projects".* FROM "api"."projects") _postgrest_t
        "#]],
    );
    check(
        "GET /projects?select=id,title:name,data->a->>0,client_id::text&id=gte.2&name=not.like.W*&order=name.desc.nullslast,id&limit=3&offset=1",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "api"."projects"."id", "api"."projects"."name" AS "title", "api"."projects"."data"->$1->>$2::int AS "a", CAST("api"."projects"."client_id" AS "text") FROM "api"."projects"
            WHERE "api"."projects"."id" >= $3 AND NOT "api"."projects"."name" LIKE $4 ORDER BY "api"."projects"."name" DESC NULLS LAST, "api"."projects"."id" LIMIT $5 OFFSET $6) _postgrest_t
            $1 = a
            $2 = 0
            $3 = 2
            $4 = W%
            $5 = 3
            $6 = 1
        "#]],
    );
    check(
        "GET /projects?id=in.(1,2)&or=(name.eq.x,not.and(id.is.null,data->k.is.true))&name=fts(english).win",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "api"."projects".* FROM "api"."projects"
            WHERE "api"."projects"."id" = ANY ($1) AND to_tsvector($2, "api"."projects"."name") @@ to_tsquery($3, $4) AND ("api"."projects"."name" = $5 OR NOT ("api"."projects"."id" IS NULL AND "api"."projects"."data"->$6 IS TRUE))) _postgrest_t
            $1 = {"1","2"}
            $2 = english
            $3 = english
            $4 = win
            $5 = x
            $6 = k
        "#]],
    );
    check(
        "GET /projects?select=name\nAccept: text/csv",
        expect![[r#"
            WITH pgrst_source AS (SELECT "api"."projects"."name" FROM "api"."projects") SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, (SELECT coalesce(string_agg(key, ','), '') FROM json_object_keys((SELECT row_to_json(first) FROM pgrst_source AS first LIMIT 1)) AS key) || E'\n' || coalesce(string_agg(substring(_postgrest_t::text, 2, length(_postgrest_t::text) - 2), E'\n'), '') AS body FROM pgrst_source _postgrest_t
        "#]],
    );
    check(
        "GET /projects?select=name\nAccept: application/vnd.pgrst.object+json;nulls=stripped",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_strip_nulls(json_agg(_postgrest_t)->0), 'null') AS body
            FROM (SELECT "api"."projects"."name" FROM "api"."projects") _postgrest_t
        "#]],
    );
    check(
        "HEAD /projects\nPrefer: count=exact",
        expect![[r#"
            SELECT (SELECT pg_catalog.count(*) FROM "api"."projects") AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, '' AS body
            FROM (SELECT "api"."projects".* FROM "api"."projects") _postgrest_t
        "#]],
    );
}

#[test]
fn counts() {
    check(
        "GET /projects?select=id,clients!inner(name)&clients.name=eq.x&limit=1\nPrefer: count=exact",
        expect![[r#"
            SELECT (SELECT pg_catalog.count(*) FROM "api"."projects"
            WHERE EXISTS (SELECT 1 FROM "api"."clients" AS "clients_1"
            WHERE "clients_1"."name" = $1 AND "clients_1"."id" = "api"."projects"."client_id")) AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "api"."projects"."id", row_to_json("projects_clients_1".*)::jsonb AS "clients" FROM "api"."projects"
            INNER JOIN LATERAL (SELECT "clients_1"."name" FROM "api"."clients" AS "clients_1"
            WHERE "clients_1"."name" = $2 AND "clients_1"."id" = "api"."projects"."client_id") AS "projects_clients_1" ON TRUE LIMIT $3) _postgrest_t
            $1 = x
            $2 = x
            $3 = 1
        "#]],
    );
    let limited = Config {
        db_max_rows: Some(2),
        ..config()
    };
    expect![[r#"
        SELECT (SELECT pg_catalog.count(*)
        FROM (SELECT 1 FROM "api"."projects" LIMIT $1) pgrst_source_count) AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
        FROM (SELECT "api"."projects"."id" FROM "api"."projects" LIMIT $2) _postgrest_t
        $1 = 3
        $2 = 2
        EXPLAIN (FORMAT JSON) SELECT 1 FROM "api"."projects"
    "#]].assert_eq(&sql_with(
        "GET /projects?select=id&limit=5\nPrefer: count=estimated",
        &limited,
    ));
}

#[test]
fn embeds() {
    check(
        "GET /projects?select=id,clients(name)",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "api"."projects"."id", row_to_json("projects_clients_1".*)::jsonb AS "clients" FROM "api"."projects"
            LEFT JOIN LATERAL (SELECT "clients_1"."name" FROM "api"."clients" AS "clients_1"
            WHERE "clients_1"."id" = "api"."projects"."client_id") AS "projects_clients_1" ON TRUE) _postgrest_t
        "#]],
    );
    check(
        "GET /clients?select=id,projects(id,tasks(name))&projects.limit=2&projects.tasks.order=name",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "api"."clients"."id", COALESCE("clients_projects_1"."clients_projects_1", '[]') AS "projects" FROM "api"."clients"
            LEFT JOIN LATERAL (SELECT json_agg("clients_projects_1")::jsonb AS "clients_projects_1"
            FROM (SELECT "projects_1"."id", COALESCE("projects_tasks_2"."projects_tasks_2", '[]') AS "tasks" FROM "api"."projects" AS "projects_1"
            LEFT JOIN LATERAL (SELECT json_agg("projects_tasks_2")::jsonb AS "projects_tasks_2"
            FROM (SELECT "tasks_2"."name" FROM "api"."tasks" AS "tasks_2"
            WHERE "tasks_2"."project_id" = "projects_1"."id" ORDER BY "tasks_2"."name") AS "projects_tasks_2") AS "projects_tasks_2" ON TRUE
            WHERE "projects_1"."client_id" = "api"."clients"."id" LIMIT $1) AS "clients_projects_1") AS "clients_projects_1" ON TRUE) _postgrest_t
            $1 = 2
        "#]],
    );
    check(
        "GET /users?select=name,tasks!inner(name)",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "api"."users"."name", COALESCE("users_tasks_1"."users_tasks_1", '[]') AS "tasks" FROM "api"."users"
            INNER JOIN LATERAL (SELECT json_agg("users_tasks_1")::jsonb AS "users_tasks_1"
            FROM (SELECT "tasks_1"."name" FROM "api"."tasks" AS "tasks_1", "api"."users_tasks" AS "users_tasks_junction_1"
            WHERE "tasks_1"."id" = "users_tasks_junction_1"."task_id" AND "users_tasks_junction_1"."user_id" = "api"."users"."id") AS "users_tasks_1") AS "users_tasks_1" ON "users_tasks_1"."users_tasks_1" IS NOT NULL) _postgrest_t
        "#]],
    );
    check(
        "GET /family?select=id,parent(id),children:family(id)",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "api"."family"."id", row_to_json("family_parent_1".*)::jsonb AS "parent", COALESCE("family_children_1"."family_children_1", '[]') AS "children" FROM "api"."family"
            LEFT JOIN LATERAL (SELECT "family_1"."id" FROM "api"."family" AS "family_1"
            WHERE "family_1"."id" = "api"."family"."parent") AS "family_parent_1" ON TRUE
            LEFT JOIN LATERAL (SELECT json_agg("family_children_1")::jsonb AS "family_children_1"
            FROM (SELECT "family_1"."id" FROM "api"."family" AS "family_1"
            WHERE "family_1"."parent" = "api"."family"."id") AS "family_children_1") AS "family_children_1" ON TRUE) _postgrest_t
        "#]],
    );
    check(
        "GET /projects?select=id,owner(name)",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "api"."projects"."id", row_to_json("projects_owner_1".*)::jsonb AS "owner" FROM "api"."projects"
            LEFT JOIN LATERAL (SELECT "users_1"."name" FROM "api"."owner"("projects"::"api"."projects") AS "users_1") AS "projects_owner_1" ON TRUE) _postgrest_t
        "#]],
    );
    check(
        "GET /clients?select=id,projects()&projects=is.null",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "api"."clients"."id" FROM "api"."clients"
            LEFT JOIN LATERAL (SELECT json_agg("clients_projects_1")::jsonb AS "clients_projects_1"
            FROM (SELECT 1 FROM "api"."projects" AS "projects_1"
            WHERE "projects_1"."client_id" = "api"."clients"."id") AS "clients_projects_1") AS "clients_projects_1" ON TRUE
            WHERE "clients_projects_1" IS NOT DISTINCT FROM NULL) _postgrest_t
        "#]],
    );
    check(
        "GET /projects?select=id,clients(name)&order=clients(name).desc",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "api"."projects"."id", row_to_json("projects_clients_1".*)::jsonb AS "clients" FROM "api"."projects"
            LEFT JOIN LATERAL (SELECT "clients_1"."name" FROM "api"."clients" AS "clients_1"
            WHERE "clients_1"."id" = "api"."projects"."client_id") AS "projects_clients_1" ON TRUE ORDER BY "projects_clients_1"."name" DESC) _postgrest_t
        "#]],
    );
}

#[test]
fn spreads_and_aggregates() {
    check(
        "GET /projects?select=id,...clients(client:name)",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "api"."projects"."id", "projects_clients_1"."client" FROM "api"."projects"
            LEFT JOIN LATERAL (SELECT "clients_1"."name" AS "client" FROM "api"."clients" AS "clients_1"
            WHERE "clients_1"."id" = "api"."projects"."client_id") AS "projects_clients_1" ON TRUE) _postgrest_t
        "#]],
    );
    check(
        "GET /clients?select=id,...projects(name)&projects.order=id",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "api"."clients"."id", "clients_projects_1"."name" FROM "api"."clients"
            LEFT JOIN LATERAL (SELECT json_agg("clients_projects_1")::jsonb AS "clients_projects_1", COALESCE(json_agg("clients_projects_1"."name" ORDER BY "clients_projects_1"."order_1"), '[]')::jsonb AS "name"
            FROM (SELECT "projects_1"."name", "projects_1"."id" AS "order_1" FROM "api"."projects" AS "projects_1"
            WHERE "projects_1"."client_id" = "api"."clients"."id") AS "clients_projects_1") AS "clients_projects_1" ON TRUE) _postgrest_t
        "#]],
    );
    check(
        "GET /projects?select=client_id,count(),id.sum()::text",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "api"."projects"."client_id", count(*), CAST(sum("api"."projects"."id") AS "text") FROM "api"."projects" GROUP BY 1) _postgrest_t
        "#]],
    );
    check(
        "GET /projects?select=name,...clients(id.sum(),total:id.max())",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "api"."projects"."name", sum("projects_clients_1"."lifted_1") AS "sum", max("projects_clients_1"."lifted_2") AS "total" FROM "api"."projects"
            LEFT JOIN LATERAL (SELECT "clients_1"."id" AS "lifted_1", "clients_1"."id" AS "lifted_2" FROM "api"."clients" AS "clients_1"
            WHERE "clients_1"."id" = "api"."projects"."client_id") AS "projects_clients_1" ON TRUE GROUP BY 1) _postgrest_t
        "#]],
    );
}

#[test]
fn mutations() {
    check(
        "POST /tasks?columns=id,name\nPrefer: return=representation, missing=default\n\n[{\"id\": 1}]",
        expect![[r#"
            WITH pgrst_source AS (INSERT INTO "api"."tasks"("id", "name") SELECT "pgrst_body"."id", "pgrst_body"."name" FROM jsonb_to_recordset((SELECT jsonb_agg(jsonb_build_object($1::text, ''::text) || element) FROM jsonb_array_elements($2) element)) AS pgrst_body("id" integer, "name" text) RETURNING "api"."tasks".*) SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "tasks".* FROM pgrst_source AS "tasks") _postgrest_t
            $1 = name
            $2 = [{"id": 1}]
        "#]],
    );
    check(
        "POST /tasks\nPrefer: return=headers-only, resolution=merge-duplicates\n\n{\"id\": 1, \"name\": \"x\"}",
        expect![[r#"
            WITH pgrst_source AS (INSERT INTO "api"."tasks"("id", "name") SELECT "pgrst_body"."id", "pgrst_body"."name" FROM json_to_record($1) AS pgrst_body("id" integer, "name" text)
            WHERE set_config('pgrst.inserted', (coalesce(nullif(current_setting('pgrst.inserted', true), '')::int, 0) + 1)::text, true) <> '0' ON CONFLICT("id") DO UPDATE SET "id" = EXCLUDED."id", "name" = EXCLUDED."name"
            WHERE set_config('pgrst.inserted', (coalesce(nullif(current_setting('pgrst.inserted', true), '')::int, 0) - 1)::text, true) <> '-1' RETURNING "api"."tasks".*) SELECT null::bigint AS total, pg_catalog.count(*) AS page, CASE WHEN pg_catalog.count(*) = 1 THEN (SELECT json_agg(json_build_array(key, value)) FROM json_each_text((SELECT row_to_json(first) FROM pgrst_source AS first LIMIT 1))
            WHERE key = ANY ($2::text[])) END AS location, {response settings}, nullif(current_setting('pgrst.inserted', true), '')::int AS inserted, '' AS body FROM pgrst_source _postgrest_t
            $1 = {"id": 1, "name": "x"}
            $2 = {"id"}
        "#]],
    );
    check(
        "POST /tasks\n\n{}",
        expect![[r#"
            WITH pgrst_source AS (INSERT INTO "api"."tasks" SELECT 
            FROM (VALUES (1)) pgrst_body RETURNING 1) SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, '' AS body FROM pgrst_source _postgrest_t
        "#]],
    );
    check(
        "PATCH /tasks?id=eq.1&select=name,projects(name)\nPrefer: return=representation\n\n{\"name\": \"x\"}",
        expect![[r#"
            WITH pgrst_source AS (UPDATE "api"."tasks" SET "name" = "pgrst_body"."name" FROM json_to_record($1) AS pgrst_body("name" text)
            WHERE "api"."tasks"."id" = $2 RETURNING "api"."tasks"."id", "api"."tasks"."name", "api"."tasks"."project_id") SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "tasks"."name", row_to_json("tasks_projects_1".*)::jsonb AS "projects" FROM pgrst_source AS "tasks"
            LEFT JOIN LATERAL (SELECT "projects_1"."name" FROM "api"."projects" AS "projects_1"
            WHERE "projects_1"."id" = "tasks"."project_id") AS "tasks_projects_1" ON TRUE) _postgrest_t
            $1 = {"name": "x"}
            $2 = 1
        "#]],
    );
    check(
        "DELETE /tasks?id=gt.1\nPrefer: return=minimal",
        expect![[r#"
            WITH pgrst_source AS (DELETE FROM "api"."tasks"
            WHERE "api"."tasks"."id" > $1 RETURNING 1) SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, '' AS body FROM pgrst_source _postgrest_t
            $1 = 1
        "#]],
    );
    check(
        "PUT /tasks?id=eq.1\n\n{\"id\": 1, \"name\": \"x\"}",
        expect![[r#"
            WITH pgrst_source AS (INSERT INTO "api"."tasks"("id", "name") SELECT "pgrst_body"."id", "pgrst_body"."name" FROM json_to_record($1) AS pgrst_body("id" integer, "name" text)
            WHERE set_config('pgrst.inserted', (coalesce(nullif(current_setting('pgrst.inserted', true), '')::int, 0) + 1)::text, true) <> '0' AND "pgrst_body"."id" = $2 ON CONFLICT("id") DO UPDATE SET "id" = EXCLUDED."id", "name" = EXCLUDED."name"
            WHERE set_config('pgrst.inserted', (coalesce(nullif(current_setting('pgrst.inserted', true), '')::int, 0) - 1)::text, true) <> '-1' RETURNING 1) SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, nullif(current_setting('pgrst.inserted', true), '')::int AS inserted, '' AS body FROM pgrst_source _postgrest_t
            $1 = {"id": 1, "name": "x"}
            $2 = 1
        "#]],
    );
}

#[test]
fn calls() {
    check(
        "GET /rpc/add?a=1&b=2&c=3",
        expect![[r#"
            SELECT null::bigint AS total, 1 AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t.pgrst_scalar)->0, 'null') AS body
            FROM (SELECT "add".*
            FROM (SELECT "api"."add"("a" := $1::integer, "b" := $2::integer, "c" := $3::integer) AS pgrst_scalar) AS "add") _postgrest_t
            $1 = 1
            $2 = 2
            $3 = 3
        "#]],
    );
    check(
        "POST /rpc/add\n\n{\"a\": 1, \"b\": 2, \"c\": 3}",
        expect![[r#"
            SELECT null::bigint AS total, 1 AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t.pgrst_scalar)->0, 'null') AS body
            FROM (SELECT "add".*
            FROM (SELECT "api"."add"("a" := "pgrst_body"."a", "b" := "pgrst_body"."b", "c" := "pgrst_body"."c") AS pgrst_scalar FROM json_to_record($1) AS pgrst_body("a" integer, "b" integer, "c" integer)) AS "add") _postgrest_t
            $1 = {"a": 1, "b": 2, "c": 3}
        "#]],
    );
    check(
        "GET /rpc/projects_of?client=1&select=id,clients(name)&id=gt.1&order=name",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "projects"."id", row_to_json("projects_clients_1".*)::jsonb AS "clients"
            FROM (SELECT "pgrst_call"."client_id", "pgrst_call"."id", "pgrst_call"."name" FROM "api"."projects_of"("client" := $1::integer) pgrst_call) AS "projects"
            LEFT JOIN LATERAL (SELECT "clients_1"."name" FROM "api"."clients" AS "clients_1"
            WHERE "clients_1"."id" = "projects"."client_id") AS "projects_clients_1" ON TRUE
            WHERE "projects"."id" > $2 ORDER BY "projects"."name") _postgrest_t
            $1 = 1
            $2 = 1
        "#]],
    );
    check(
        "POST /rpc/echo\n\n{\"any\": [1, 2]}",
        expect![[r#"
            SELECT null::bigint AS total, 1 AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t.pgrst_scalar)->0, 'null') AS body
            FROM (SELECT "echo".*
            FROM (SELECT "api"."echo"($1::json) AS pgrst_scalar) AS "echo") _postgrest_t
            $1 = {"any": [1, 2]}
        "#]],
    );
    check(
        "GET /rpc/noise?words=a&words=b",
        expect![[r#"
            SELECT null::bigint AS total, 1 AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t.pgrst_scalar)->0, 'null') AS body
            FROM (SELECT "noise".*
            FROM (SELECT "api"."noise"(VARIADIC "words" := $1::text[]::text[]) AS pgrst_scalar) AS "noise") _postgrest_t
            $1 = {"a","b"}
        "#]],
    );
    check(
        "POST /rpc/quiet",
        expect![[r#"
            SELECT null::bigint AS total, 1 AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t.pgrst_scalar)->0, 'null') AS body
            FROM (SELECT "quiet".*
            FROM (SELECT "api"."quiet"() AS pgrst_scalar) AS "quiet") _postgrest_t
        "#]],
    );
}

/// Whatever a request says, it is bound or quoted: the statement's own text is the same for any
/// two values.
#[test]
fn values_are_parameters() {
    let request = |value: &str| {
        format!(
            "PATCH /tasks?name=eq.{value}&name=like.{value}&name=in.({value},b)&or=(name.fts.{value},name.isdistinct.{value})\n\
             Prefer: return=representation\n\n{{\"name\": \"{value}\"}}"
        )
    };
    let sql = |value: &str| {
        let (_, plan) = plan(&request(value)).unwrap();
        super::script(&plan, None).unwrap().main
    };
    let hostile = sql("x'%3Bdrop%20table%20tasks%3B--");
    assert_eq!(hostile.sql, sql("y").sql);
    assert!(!hostile.sql.contains("drop"));
    assert_eq!(hostile.parameters.len(), 6);
}

/// Postgres cuts names at 63 bytes: two that differ behind that would be one.
#[test]
fn long_names_stay_apart() {
    let label = "l".repeat(70);
    let sql = sql_of(&format!(
        "GET /projects?select={label}1:clients(id),{label}2:clients(id)"
    ));
    assert!(sql.contains(r#"AS "embed_1_0" ON"#), "{sql}");
    assert!(sql.contains(r#"AS "embed_1_1" ON"#), "{sql}");
}

/// Names are quoted, whether or not anything has them.
#[test]
fn names_are_quoted() {
    check(
        "GET /projects?select=%22a%5C%22b%22::text&%22c%5C%22d%22=is.null",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT CAST("api"."projects"."a""b" AS "text") FROM "api"."projects"
            WHERE "api"."projects"."c""d" IS NULL) _postgrest_t
        "#]],
    );
}
