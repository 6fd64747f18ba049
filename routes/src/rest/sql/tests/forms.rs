//! Forms of the answer, ways of writing, and how much is counted: whole statements.

use expect_test::expect;

use super::check;
use crate::{
    config::Config,
    rest::fixture::{config, sql_with},
};

#[test]
fn forms_of_rows() {
    check(
        "GET /projects\nAccept: application/geo+json",
        expect![[r#"
        SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, json_build_object('type', 'FeatureCollection', 'features', coalesce(json_agg(ST_AsGeoJSON(_postgrest_t)::json), '[]')) AS body
        FROM (SELECT "api"."projects".* FROM "api"."projects") _postgrest_t
    "#]],
    );
    check(
        "GET /projects\nAccept: application/vnd.pgrst.array+json;nulls=stripped",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_strip_nulls(json_agg(_postgrest_t)), '[]') AS body
            FROM (SELECT "api"."projects".* FROM "api"."projects") _postgrest_t
        "#]],
    );
    check(
        "GET /rpc/projects_of?client=1\nAccept: text/csv",
        expect![[r#"
            WITH pgrst_source AS (SELECT "pgrst_call".* FROM "api"."projects_of"("client" := $1::integer) pgrst_call) SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, (SELECT coalesce(string_agg(key, ','), '') FROM json_object_keys((SELECT row_to_json(first) FROM pgrst_source AS first LIMIT 1)) AS key) || E'\n' || coalesce(string_agg(substring(_postgrest_t::text, 2, length(_postgrest_t::text) - 2), E'\n'), '') AS body
            FROM (SELECT "projects".* FROM pgrst_source AS "projects") _postgrest_t
            $1 = 1
        "#]],
    );
}

#[test]
fn plans() {
    let with_plans = Config {
        db_plan_enabled: true,
        ..config()
    };
    let shown = sql_with(
        "GET /clients?select=id\nAccept: application/vnd.pgrst.plan+json; options=analyze|buffers",
        &with_plans,
    );
    expect![[r#"
        EXPLAIN (FORMAT JSON, analyze, buffers) SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
        FROM (SELECT "api"."clients"."id" FROM "api"."clients") _postgrest_t
    "#]].assert_eq(&shown);
    let shown = sql_with(
        "DELETE /clients?id=eq.1\nAccept: application/vnd.pgrst.plan",
        &with_plans,
    );
    expect![[r#"
        EXPLAIN (FORMAT TEXT) WITH pgrst_source AS (DELETE FROM "api"."clients"
        WHERE "api"."clients"."id" = $1 RETURNING 1) SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, '' AS body FROM pgrst_source _postgrest_t
        $1 = 1
    "#]].assert_eq(&shown);
}

#[test]
fn bodies_of_every_type() {
    check(
        "POST /tasks\nContent-Type: text/csv\n\nid,name\n1,NULL\n2,b",
        expect![[r#"
            WITH pgrst_source AS (INSERT INTO "api"."tasks"("id", "name") SELECT "pgrst_body"."id", "pgrst_body"."name" FROM json_to_recordset($1) AS pgrst_body("id" integer, "name" text) RETURNING 1) SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, '' AS body FROM pgrst_source _postgrest_t
            $1 = [{"id":"1","name":null},{"id":"2","name":"b"}]
        "#]],
    );
    check(
        "POST /tasks\nContent-Type: application/x-www-form-urlencoded\n\nid=1&name=a",
        expect![[r#"
            WITH pgrst_source AS (INSERT INTO "api"."tasks"("id", "name") SELECT "pgrst_body"."id", "pgrst_body"."name" FROM json_to_record($1) AS pgrst_body("id" integer, "name" text) RETURNING 1) SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, '' AS body FROM pgrst_source _postgrest_t
            $1 = {"id":"1","name":"a"}
        "#]],
    );
    check(
        "POST /tasks\n\n[]",
        expect![[r#"
        WITH pgrst_source AS (INSERT INTO "api"."tasks" SELECT  FROM json_array_elements($1) pgrst_body RETURNING 1) SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, '' AS body FROM pgrst_source _postgrest_t
        $1 = []
    "#]],
    );
    check(
        "POST /tasks?columns=name\n\n[{\"id\": 1, \"name\": \"a\"}]",
        expect![[r#"
            WITH pgrst_source AS (INSERT INTO "api"."tasks"("name") SELECT "pgrst_body"."name" FROM json_to_recordset($1) AS pgrst_body("name" text) RETURNING 1) SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, '' AS body FROM pgrst_source _postgrest_t
            $1 = [{"id": 1, "name": "a"}]
        "#]],
    );
}

#[test]
fn conflicts() {
    check(
        "POST /tasks?on_conflict=name\nPrefer: resolution=ignore-duplicates\n\n{\"id\": 1}",
        expect![[r#"
            WITH pgrst_source AS (INSERT INTO "api"."tasks"("id") SELECT "pgrst_body"."id" FROM json_to_record($1) AS pgrst_body("id" integer) ON CONFLICT("name") DO NOTHING RETURNING 1) SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, '' AS body FROM pgrst_source _postgrest_t
            $1 = {"id": 1}
        "#]],
    );
    check(
        "POST /users_tasks\nPrefer: resolution=merge-duplicates, return=representation\n\n[{\"user_id\": 1, \"task_id\": 2}]",
        expect![[r#"
            WITH pgrst_source AS (INSERT INTO "api"."users_tasks"("task_id", "user_id") SELECT "pgrst_body"."task_id", "pgrst_body"."user_id" FROM json_to_recordset($1) AS pgrst_body("task_id" integer, "user_id" integer)
            WHERE set_config('pgrst.inserted', (coalesce(nullif(current_setting('pgrst.inserted', true), '')::int, 0) + 1)::text, true) <> '0' ON CONFLICT("user_id", "task_id") DO UPDATE SET "task_id" = EXCLUDED."task_id", "user_id" = EXCLUDED."user_id"
            WHERE set_config('pgrst.inserted', (coalesce(nullif(current_setting('pgrst.inserted', true), '')::int, 0) - 1)::text, true) <> '-1' RETURNING "api"."users_tasks".*) SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, nullif(current_setting('pgrst.inserted', true), '')::int AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "users_tasks".* FROM pgrst_source AS "users_tasks") _postgrest_t
            $1 = [{"user_id": 1, "task_id": 2}]
        "#]],
    );
}

#[test]
fn changes_with_filters_and_embeds() {
    check(
        "PATCH /tasks?or=(id.eq.1,name.is.null)&columns=name\n\n{\"id\": 7, \"name\": \"a\"}",
        expect![[r#"
            WITH pgrst_source AS (UPDATE "api"."tasks" SET "name" = "pgrst_body"."name" FROM json_to_record($1) AS pgrst_body("name" text)
            WHERE ("api"."tasks"."id" = $2 OR "api"."tasks"."name" IS NULL) RETURNING 1) SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, '' AS body FROM pgrst_source _postgrest_t
            $1 = {"id": 7, "name": "a"}
            $2 = 1
        "#]],
    );
    check(
        "PATCH /tasks?id=eq.1\n\n{}",
        expect![[r#"
        WITH pgrst_source AS (SELECT NULL FROM "api"."tasks"
        WHERE false) SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, '' AS body FROM pgrst_source _postgrest_t
    "#]],
    );
    check(
        "DELETE /projects?id=eq.1&select=name,clients!inner(name)\nPrefer: return=representation, count=exact",
        expect![[r#"
            WITH pgrst_source AS (DELETE FROM "api"."projects"
            WHERE "api"."projects"."id" = $1 RETURNING "api"."projects"."client_id", "api"."projects"."id", "api"."projects"."name") SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "projects"."name", row_to_json("projects_clients_1".*)::jsonb AS "clients" FROM pgrst_source AS "projects"
            INNER JOIN LATERAL (SELECT "clients_1"."name" FROM "api"."clients" AS "clients_1"
            WHERE "clients_1"."id" = "projects"."client_id") AS "projects_clients_1" ON TRUE) _postgrest_t
            $1 = 1
        "#]],
    );
}

#[test]
fn counts_of_calls_and_embeds() {
    check(
        "GET /rpc/projects_of?client=1&id=gt.2&limit=1\nPrefer: count=exact",
        expect![[r#"
            WITH pgrst_source AS (SELECT "pgrst_call".* FROM "api"."projects_of"("client" := $1::integer) pgrst_call) SELECT (SELECT pg_catalog.count(*) FROM pgrst_source AS "projects"
            WHERE "projects"."id" > $2) AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "projects".* FROM pgrst_source AS "projects"
            WHERE "projects"."id" > $3 LIMIT $4) _postgrest_t
            $1 = 1
            $2 = 2
            $3 = 2
            $4 = 1
        "#]],
    );
    check(
        "GET /clients?select=id,projects!inner(tasks!inner())&projects.tasks.id=eq.1\nPrefer: count=planned",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "api"."clients"."id" FROM "api"."clients"
            INNER JOIN LATERAL (SELECT json_agg("clients_projects_1")::jsonb AS "clients_projects_1"
            FROM (SELECT 1 FROM "api"."projects" AS "projects_1"
            INNER JOIN LATERAL (SELECT json_agg("projects_tasks_2")::jsonb AS "projects_tasks_2"
            FROM (SELECT 1 FROM "api"."tasks" AS "tasks_2"
            WHERE "tasks_2"."id" = $1 AND "tasks_2"."project_id" = "projects_1"."id") AS "projects_tasks_2") AS "projects_tasks_2" ON "projects_tasks_2"."projects_tasks_2" IS NOT NULL
            WHERE "projects_1"."client_id" = "api"."clients"."id") AS "clients_projects_1") AS "clients_projects_1" ON "clients_projects_1"."clients_projects_1" IS NOT NULL) _postgrest_t
            $1 = 1
            EXPLAIN (FORMAT JSON) SELECT 1 FROM "api"."clients"
            WHERE EXISTS (SELECT 1 FROM "api"."projects" AS "projects_1"
            WHERE "projects_1"."client_id" = "api"."clients"."id" AND EXISTS (SELECT 1 FROM "api"."tasks" AS "tasks_2"
            WHERE "tasks_2"."id" = $1 AND "tasks_2"."project_id" = "projects_1"."id"))
            $1 = 1
        "#]],
    );
    let few = Config {
        db_max_rows: Some(10),
        ..config()
    };
    let shown = sql_with(
        "GET /clients?select=id,projects(id)&limit=50\nPrefer: count=estimated",
        &few,
    );
    expect![[r#"
        SELECT (SELECT pg_catalog.count(*)
        FROM (SELECT 1 FROM "api"."clients" LIMIT $1) pgrst_source_count) AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
        FROM (SELECT "api"."clients"."id", COALESCE("clients_projects_1"."clients_projects_1", '[]') AS "projects" FROM "api"."clients"
        LEFT JOIN LATERAL (SELECT json_agg("clients_projects_1")::jsonb AS "clients_projects_1"
        FROM (SELECT "projects_1"."id" FROM "api"."projects" AS "projects_1"
        WHERE "projects_1"."client_id" = "api"."clients"."id" LIMIT $2) AS "clients_projects_1") AS "clients_projects_1" ON TRUE LIMIT $3) _postgrest_t
        $1 = 11
        $2 = 10
        $3 = 10
        EXPLAIN (FORMAT JSON) SELECT 1 FROM "api"."clients"
    "#]].assert_eq(&shown);
}

#[test]
fn spreads_of_many_and_related_orders() {
    check(
        "GET /users?select=...tasks(names:name,...projects(project:name))&tasks.order=projects(name).desc&tasks.limit=2",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "users_tasks_1"."names", "users_tasks_1"."project" FROM "api"."users"
            LEFT JOIN LATERAL (SELECT json_agg("users_tasks_1")::jsonb AS "users_tasks_1", COALESCE(json_agg("users_tasks_1"."names" ORDER BY "users_tasks_1"."order_1" DESC), '[]')::jsonb AS "names", COALESCE(json_agg("users_tasks_1"."project" ORDER BY "users_tasks_1"."order_1" DESC), '[]')::jsonb AS "project"
            FROM (SELECT "tasks_1"."name" AS "names", "tasks_projects_2"."name" AS "order_1", "tasks_projects_2"."project" FROM "api"."tasks" AS "tasks_1", "api"."users_tasks" AS "users_tasks_junction_1"
            LEFT JOIN LATERAL (SELECT "projects_2"."name" AS "project" FROM "api"."projects" AS "projects_2"
            WHERE "projects_2"."id" = "tasks_1"."project_id") AS "tasks_projects_2" ON TRUE
            WHERE "tasks_1"."id" = "users_tasks_junction_1"."task_id" AND "users_tasks_junction_1"."user_id" = "api"."users"."id" ORDER BY "tasks_projects_2"."name" DESC LIMIT $1) AS "users_tasks_1") AS "users_tasks_1" ON TRUE) _postgrest_t
            $1 = 2
        "#]],
    );
    check(
        "GET /tasks?select=id,projects(clients(name))&projects.clients=not.is.null",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "api"."tasks"."id", row_to_json("tasks_projects_1".*)::jsonb AS "projects" FROM "api"."tasks"
            LEFT JOIN LATERAL (SELECT row_to_json("projects_clients_2".*)::jsonb AS "clients" FROM "api"."projects" AS "projects_1"
            LEFT JOIN LATERAL (SELECT "clients_2"."name" FROM "api"."clients" AS "clients_2"
            WHERE "clients_2"."id" = "projects_1"."client_id") AS "projects_clients_2" ON TRUE
            WHERE "projects_clients_2" IS DISTINCT FROM NULL AND "projects_1"."id" = "api"."tasks"."project_id") AS "tasks_projects_1" ON TRUE) _postgrest_t
        "#]],
    );
    check(
        "GET /projects?select=...clients(name,count())",
        expect![[r#"
            SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, {response settings}, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body
            FROM (SELECT "projects_clients_1"."name", count("projects_clients_1"."lifted_1") AS "count" FROM "api"."projects"
            LEFT JOIN LATERAL (SELECT "clients_1"."name", "clients_1" AS "lifted_1" FROM "api"."clients" AS "clients_1"
            WHERE "clients_1"."id" = "api"."projects"."client_id") AS "projects_clients_1" ON TRUE GROUP BY 1) _postgrest_t
        "#]],
    );
}
