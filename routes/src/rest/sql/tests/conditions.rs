//! Every condition that a query string can make, as what stands behind WHERE.

use std::fmt::Write as _;

use expect_test::expect;

use crate::rest::fixture::sql_of;

/// As a URL has it.
fn encoded(query: &str) -> String {
    query
        .replace('"', "%22")
        .replace('\\', "%5C")
        .replace('^', "%5E")
        .replace(' ', "%20")
}

/// What stands behind WHERE for each filter on `projects`, with its values.
fn conditions(filters: &[&str]) -> String {
    let mut shown = String::new();
    for filter in filters {
        let sql = sql_of(&format!("GET /projects?select=id&{}", encoded(filter)));
        let condition = sql
            .split_once("WHERE ")
            .map_or(sql.as_str(), |(_, behind)| behind);
        let condition = condition
            .replace(r#""api"."projects"."#, "")
            .replace(") _postgrest_t", "");
        _ = writeln!(
            shown,
            "{filter}\n    {}",
            condition.trim_end().replace('\n', "; ")
        );
    }
    shown
}

#[test]
fn operators() {
    let shown = conditions(&[
        "name=eq.x",
        "name=neq.x",
        "id=gt.1",
        "id=gte.1",
        "id=lt.1",
        "id=lte.1",
        "name=like.*x*",
        "name=ilike.*x*",
        "name=match.^x",
        "name=imatch.^x",
        "data=cs.{}",
        "data=cd.{}",
        "data=ov.{}",
        "data=sl.x",
        "data=sr.x",
        "data=nxr.x",
        "data=nxl.x",
        "data=adj.x",
        "name=isdistinct.x",
        "name=is.null",
        "name=is.not_null",
        "data=is.true",
        "data=is.false",
        "data=is.unknown",
        "name=in.(a,\"b,c\",\"d\\\"e\")",
        "name=in.()",
        "name=not.eq.x",
        "name=not.is.null",
        "name=not.in.(a)",
    ]);
    expect![[r#"
        name=eq.x
            "name" = $1; $1 = x
        name=neq.x
            "name" <> $1; $1 = x
        id=gt.1
            "id" > $1; $1 = 1
        id=gte.1
            "id" >= $1; $1 = 1
        id=lt.1
            "id" < $1; $1 = 1
        id=lte.1
            "id" <= $1; $1 = 1
        name=like.*x*
            "name" LIKE $1; $1 = %x%
        name=ilike.*x*
            "name" ILIKE $1; $1 = %x%
        name=match.^x
            "name" ~ $1; $1 = ^x
        name=imatch.^x
            "name" ~* $1; $1 = ^x
        data=cs.{}
            "data" @> $1; $1 = {}
        data=cd.{}
            "data" <@ $1; $1 = {}
        data=ov.{}
            "data" && $1; $1 = {}
        data=sl.x
            "data" << $1; $1 = x
        data=sr.x
            "data" >> $1; $1 = x
        data=nxr.x
            "data" &< $1; $1 = x
        data=nxl.x
            "data" &> $1; $1 = x
        data=adj.x
            "data" -|- $1; $1 = x
        name=isdistinct.x
            "name" IS DISTINCT FROM $1; $1 = x
        name=is.null
            "name" IS NULL
        name=is.not_null
            "name" IS NOT NULL
        data=is.true
            "data" IS TRUE
        data=is.false
            "data" IS FALSE
        data=is.unknown
            "data" IS UNKNOWN
        name=in.(a,"b,c","d\"e")
            "name" = ANY ($1); $1 = {"a","b,c","d\"e"}
        name=in.()
            "name" = ANY('{}')
        name=not.eq.x
            NOT "name" = $1; $1 = x
        name=not.is.null
            NOT "name" IS NULL
        name=not.in.(a)
            NOT "name" = ANY ($1); $1 = {"a"}
    "#]]
    .assert_eq(&shown);
}

#[test]
fn quantifiers_and_full_text() {
    let shown = conditions(&[
        "id=eq(any).{1,2}",
        "id=gt(all).{1,2}",
        "name=like(any).{a*,b*}",
        "name=not.ilike(all).{a*,b*}",
        "name=fts.x",
        "name=plfts.x",
        "name=phfts(english).x",
        "name=wfts(english).x",
        "data->>a=fts(simple).x",
        "unknown=fts.x",
    ]);
    expect![[r#"
        id=eq(any).{1,2}
            "id" = ANY($1); $1 = {1,2}
        id=gt(all).{1,2}
            "id" > ALL($1); $1 = {1,2}
        name=like(any).{a*,b*}
            "name" LIKE ANY($1); $1 = {a%,b%}
        name=not.ilike(all).{a*,b*}
            NOT "name" ILIKE ALL($1); $1 = {a%,b%}
        name=fts.x
            to_tsvector("name") @@ to_tsquery($1); $1 = x
        name=plfts.x
            to_tsvector("name") @@ plainto_tsquery($1); $1 = x
        name=phfts(english).x
            to_tsvector($1, "name") @@ phraseto_tsquery($2, $3); $1 = english; $2 = english; $3 = x
        name=wfts(english).x
            to_tsvector($1, "name") @@ websearch_to_tsquery($2, $3); $1 = english; $2 = english; $3 = x
        data->>a=fts(simple).x
            to_tsvector($1, "data"->>$2) @@ to_tsquery($3, $4); $1 = simple; $2 = a; $3 = simple; $4 = x
        unknown=fts.x
            "unknown" @@ to_tsquery($1); $1 = x
    "#]].assert_eq(&shown);
}

#[test]
fn paths_and_groups() {
    let shown = conditions(&[
        "data->a->>b=eq.x",
        "data->0->-1=is.null",
        "name->x=eq.1",
        "or=(id.eq.1,name.is.null)",
        "and=(id.eq.1,or(id.eq.2,not.and(id.eq.3,id.eq.4)))",
        "not.or=(id.eq.1,id.in.(2,3))",
        "id=eq.1&id=gt.2&or=(id.eq.3)",
    ]);
    expect![[r#"
        data->a->>b=eq.x
            "data"->$1->>$2 = $3; $1 = a; $2 = b; $3 = x
        data->0->-1=is.null
            "data"->$1::int->$2::int IS NULL; $1 = 0; $2 = -1
        name->x=eq.1
            to_jsonb("name")->$1 = $2; $1 = x; $2 = 1
        or=(id.eq.1,name.is.null)
            ("id" = $1 OR "name" IS NULL); $1 = 1
        and=(id.eq.1,or(id.eq.2,not.and(id.eq.3,id.eq.4)))
            ("id" = $1 AND ("id" = $2 OR NOT ("id" = $3 AND "id" = $4))); $1 = 1; $2 = 2; $3 = 3; $4 = 4
        not.or=(id.eq.1,id.in.(2,3))
            NOT ("id" = $1 OR "id" = ANY ($2)); $1 = 1; $2 = {"2","3"}
        id=eq.1&id=gt.2&or=(id.eq.3)
            "id" = $1 AND "id" > $2 AND ("id" = $3); $1 = 1; $2 = 2; $3 = 3
    "#]].assert_eq(&shown);
}

#[test]
fn orders_and_windows() {
    let order = |terms: &str| {
        let sql = sql_of(&format!("GET /projects?select=id&{terms}"));
        let (_, behind) = sql.split_once(r#"FROM "api"."projects""#).unwrap();
        let behind = behind
            .replace(r#""api"."projects"."#, "")
            .replace(") _postgrest_t", "");
        format!("{terms}\n   {}\n", behind.trim_end().replace('\n', "; "))
    };
    let shown: String = [
        "order=id",
        "order=id.asc,name.desc",
        "order=id.nullsfirst,name.desc.nullslast",
        "order=data->a->>b.desc",
        "limit=5",
        "offset=5",
        "limit=0",
        "order=id&limit=1&offset=2",
    ]
    .map(order)
    .concat();
    expect![[r#"
        order=id
            ORDER BY "id"
        order=id.asc,name.desc
            ORDER BY "id" ASC, "name" DESC
        order=id.nullsfirst,name.desc.nullslast
            ORDER BY "id" NULLS FIRST, "name" DESC NULLS LAST
        order=data->a->>b.desc
            ORDER BY "data"->$1->>$2 DESC; $1 = a; $2 = b
        limit=5
            LIMIT $1; $1 = 5
        offset=5
            OFFSET $1; $1 = 5
        limit=0
            LIMIT $1; $1 = 0
        order=id&limit=1&offset=2
            ORDER BY "id" LIMIT $1 OFFSET $2; $1 = 1; $2 = 2
    "#]]
    .assert_eq(&shown);
}

#[test]
fn casts_and_paths_in_select() {
    let selected = |items: &str| {
        let sql = sql_of(&format!("GET /projects?select={}", encoded(items)));
        let (_, behind) = sql.split_once("FROM (SELECT ").unwrap();
        let list = behind.split(" FROM ").next().unwrap();
        let values: String = behind
            .lines()
            .skip(1)
            .flat_map(|line| ["; ", line])
            .collect();
        format!(
            "{items}\n    {}{values}\n",
            list.replace(r#""api"."projects"."#, "")
        )
    };
    let shown: String = [
        "*",
        "id,name",
        "alias:name",
        "id::text",
        "alias:id::bit varying",
        "data->a",
        "data->>a",
        "data->a->0->>b",
        "it:data->a::int",
        "name->a",
        "count()",
        "id.sum()",
        "total:id.sum()::text",
        "id::text.max()",
    ]
    .map(selected)
    .concat();
    expect![[r#"
        *
            *
        id,name
            "id", "name"
        alias:name
            "name" AS "alias"
        id::text
            CAST("id" AS "text")
        alias:id::bit varying
            CAST("id" AS bit varying) AS "alias"
        data->a
            "data"->$1 AS "a"; $1 = a
        data->>a
            "data"->>$1 AS "a"; $1 = a
        data->a->0->>b
            "data"->$1->$2::int->>$3 AS "b"; $1 = a; $2 = 0; $3 = b
        it:data->a::int
            CAST("data"->$1 AS int) AS "it"; $1 = a
        name->a
            to_jsonb("name")->$1 AS "a"; $1 = a
        count()
            count(*)
        id.sum()
            sum("id")
        total:id.sum()::text
            CAST(sum("id") AS "text") AS "total"
        id::text.max()
            max(CAST("id" AS "text"))
    "#]]
    .assert_eq(&shown);
}
