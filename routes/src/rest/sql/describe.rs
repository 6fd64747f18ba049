//! What the role may use of a schema.

use super::writer::Writer;
use crate::rest::plan::DescribePlan;

/// A JSON object: the `relations` by name, and the `routines` by oid, with the types of their
/// parameters as they are called on the request's search path. NULL where privileges do not count.
pub(super) fn visible(writer: &mut Writer, plan: &DescribePlan) {
    if !plan.follows_privileges {
        writer.raw("null");
        return;
    }
    // A privilege on any column counts as one on the relation, and so does owning it.
    writer.raw(
        "json_build_object('relations', (\
         SELECT coalesce(json_agg(relname), '[]') FROM pg_catalog.pg_class \
         WHERE relkind IN ('r', 'v', 'm', 'f', 'p') AND NOT relispartition AND relnamespace = ",
    );
    namespace(writer, &plan.schema);
    writer.raw(
        " AND (pg_has_role(relowner, 'USAGE') \
         OR has_any_column_privilege(oid, 'SELECT, INSERT, UPDATE, REFERENCES') \
         OR has_table_privilege(oid, 'DELETE, TRUNCATE, TRIGGER'))\
         ), 'routines', (\
         SELECT coalesce(json_object_agg(oid, (\
         SELECT coalesce(json_agg(format_type(type, null) ORDER BY place), '[]') \
         FROM unnest(proargtypes::oid[]) WITH ORDINALITY AS input (type, place)\
         )), '{}') FROM pg_catalog.pg_proc WHERE prokind = 'f' AND pronamespace = ",
    );
    namespace(writer, &plan.schema);
    writer.raw(" AND has_function_privilege(oid, 'EXECUTE')))");
}

fn namespace(writer: &mut Writer, schema: &str) {
    writer
        .raw("(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = ")
        .value(schema)
        .raw(")");
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use crate::{
        config::{Config, OpenApiMode},
        rest::fixture,
    };

    fn check(openapi_mode: OpenApiMode, request: &str, expected: Expect) {
        let config = Config {
            openapi_mode,
            ..fixture::config()
        };
        expected.assert_eq(&fixture::sql_with(request, &config));
    }

    #[test]
    fn privileges_are_asked_for_where_they_count() {
        check(
            OpenApiMode::FollowPrivileges,
            "GET /",
            expect![[r"
            SELECT null::bigint AS total, null::bigint AS page, null AS location, {response settings}, null AS inserted, json_build_object('relations', (SELECT coalesce(json_agg(relname), '[]') FROM pg_catalog.pg_class
            WHERE relkind IN ('r', 'v', 'm', 'f', 'p') AND NOT relispartition AND relnamespace = (SELECT oid FROM pg_catalog.pg_namespace
            WHERE nspname = $1) AND (pg_has_role(relowner, 'USAGE') OR has_any_column_privilege(oid, 'SELECT, INSERT, UPDATE, REFERENCES') OR has_table_privilege(oid, 'DELETE, TRUNCATE, TRIGGER'))), 'routines', (SELECT coalesce(json_object_agg(oid, (SELECT coalesce(json_agg(format_type(type, null) ORDER BY place), '[]') FROM unnest(proargtypes::oid[]) WITH ORDINALITY AS input (type, place))), '{}') FROM pg_catalog.pg_proc
            WHERE prokind = 'f' AND pronamespace = (SELECT oid FROM pg_catalog.pg_namespace
            WHERE nspname = $2) AND has_function_privilege(oid, 'EXECUTE'))) AS body
            $1 = api
            $2 = api
        "]],
        );
        check(
            OpenApiMode::IgnorePrivileges,
            "HEAD /",
            expect![[r"
            SELECT null::bigint AS total, null::bigint AS page, null AS location, {response settings}, null AS inserted, null AS body
        "]],
        );
        check(
            OpenApiMode::Disabled,
            "GET /",
            expect!["404 Not Found PGRST126: Root endpoint metadata is disabled"],
        );
    }

    #[test]
    fn the_description_has_one_form() {
        let asked = |accepted| {
            let request = format!("GET /\nAccept: {accepted}");
            fixture::sql_of(&request)
        };
        let any = asked("*/*");
        assert!(any.starts_with("SELECT "), "{any}");
        assert_eq!(asked("text/csv, application/json"), any);
        assert_eq!(asked("application/openapi+json"), any);
        check(
            OpenApiMode::FollowPrivileges,
            "GET /\nAccept: text/csv, application/vnd.pgrst.object+json",
            expect![
                "406 Not Acceptable PGRST107: None of these media types are available: text/csv, \
                 application/vnd.pgrst.object+json"
            ],
        );
    }
}
