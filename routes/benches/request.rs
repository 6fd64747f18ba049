//! What a request costs before and beside the database: parse, plan and render, in a schema of 500
//! tables. The reach is 50 µs for a typical one.

use std::{hint::black_box, rc::Rc};

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{Method, request::Parts};
use routes::{
    config::Config,
    identity::{Keys, Secrets, Verifier},
    rest::{plan, request::RestRequest, sql},
    schema::{
        Cardinality, Column, Parameter, QualifiedName, Relationship, RelationshipKind, ReturnType,
        Routine, SchemaCache, Table, Volatility,
    },
    world::Timestamp,
};

/// Name, method, what comes after the API's prefix, `Prefer`, body.
const REQUESTS: [(&str, Method, &str, &str, &str); 9] = [
    (
        "read by key",
        Method::GET,
        "/table_7?select=*&id=eq.1",
        "",
        "",
    ),
    (
        "read a page",
        Method::GET,
        "/table_7?select=id,name,state,amount&state=eq.open&name=ilike.*milk*&or=(amount.lt.10,and(\
         amount.gte.90,tags.not.cs.%7Bold%7D))&order=created_at.desc.nullslast,id&limit=20&offset=40",
        "count=exact",
        "",
    ),
    (
        "read with two embeds",
        Method::GET,
        "/table_7?select=id,name,parent:table_6!table_7_table_6_id_fkey(name,state),table_8(id,amount\
         )&table_8.amount=gt.5&table_8.order=amount.desc&table_8.limit=3&order=name&limit=20",
        "",
        "",
    ),
    (
        "read five levels",
        Method::GET,
        "/table_5?select=id,name,table_6(id,name,table_7(id,name,table_8(id,name,table_9(id,name,\
         table_10(id,name)))))&limit=10",
        "",
        "",
    ),
    (
        "insert",
        Method::POST,
        "/table_7?select=id,name",
        "return=representation",
        r#"{"name":"one","email":"a@b.c","amount":12.5,"tags":["x"],"settings":{"a":{"b":[1,2,3]}}}"#,
    ),
    (
        "upsert",
        Method::POST,
        "/table_7?on_conflict=id",
        "resolution=merge-duplicates,return=minimal",
        r#"[{"id":1,"name":"one"},{"id":2,"name":"two"},{"id":3,"name":"three"}]"#,
    ),
    (
        "update",
        Method::PATCH,
        "/table_7?id=eq.1",
        "return=representation",
        r#"{"name":"other","is_active":false}"#,
    ),
    ("delete", Method::DELETE, "/table_7?id=in.(1,2,3)", "", ""),
    (
        "call",
        Method::POST,
        "/rpc/find_7?select=id,name&order=id&limit=5",
        "",
        r#"{"name":"one","minimum":3}"#,
    ),
];

fn requests(criterion: &mut Criterion) {
    let cache = cache(500);
    let config = Config {
        db_schemas: vec!["large".to_owned()],
        ..Config::default()
    };
    let mut group = criterion.benchmark_group("parse, plan and render");
    for (name, method, target, prefer, body) in REQUESTS {
        let parts = parts(method, target, prefer);
        let body = Bytes::from_static(body.as_bytes());
        let path = parts.uri.path();
        group.bench_with_input(
            BenchmarkId::from_parameter(name),
            &parts,
            |bencher, parts| {
                bencher.iter(|| {
                    let request = RestRequest::parse(black_box(parts), body.clone(), path, &config);
                    let request = request.expect("a request");
                    let plan = plan::plan(&request, &cache, &config).expect("a plan");
                    sql::script(&plan, config.db_max_rows)
                });
            },
        );
    }
    group.finish();
}

/// With the headers that supabase-js and a browser send.
fn parts(method: Method, target: &str, prefer: &str) -> Parts {
    let mut builder = http::Request::builder().method(method).uri(target);
    for (name, value) in [
        ("accept", "*/*"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("accept-language", "en-US,en;q=0.9"),
        ("apikey", "sb_publishable_0000000000000000000000_00000000"),
        ("content-type", "application/json"),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0.0.0 Safari/537.36",
        ),
        ("x-client-info", "supabase-js-web/2.58.0"),
    ] {
        builder = builder.header(name, value);
    }
    if !prefer.is_empty() {
        builder = builder.header("prefer", prefer);
    }
    let (parts, ()) = builder.body(()).expect("a request").into_parts();
    parts
}

/// Tables of ten columns, each with foreign keys to three before it, and a function for each: the
/// shape of `tests/bench/large-schema.mjs`.
fn cache(tables: usize) -> SchemaCache {
    let mut cache = SchemaCache::default();
    for index in 0..tables {
        let parents: Vec<usize> = match index {
            0 => Vec::new(),
            _ => vec![index - 1, index / 2, (index * 7919 + 3) % index],
        };
        let table = table(index, &parents);
        for (position, parent) in parents.iter().enumerate() {
            if parents[..position].contains(parent) {
                continue;
            }
            relate(&mut cache, &table.name, *parent);
        }
        let routine = routine(index);
        cache
            .routines
            .insert(routine.name.clone(), vec![Rc::new(routine)]);
        cache.tables.insert(table.name.clone(), table);
    }
    cache
}

fn name(index: usize) -> QualifiedName {
    QualifiedName::new("large", format!("table_{index}"))
}

fn table(index: usize, parents: &[usize]) -> Table {
    let mut columns: Vec<Column> = [
        ("id", "bigint"),
        ("name", "character varying"),
        ("email", "text"),
        ("state", "large.state"),
        ("amount", "numeric"),
        ("tags", "text[]"),
        ("settings", "jsonb"),
        ("created_at", "timestamp with time zone"),
        ("updated_at", "timestamp with time zone"),
        ("is_active", "boolean"),
    ]
    .map(|(name, kind)| column(name, kind))
    .into();
    let foreign = parents.iter().map(|parent| format!("table_{parent}_id"));
    columns.extend(foreign.map(|name| column(&name, "bigint")));
    Table {
        name: name(index),
        description: Some(format!("Table number {index}")),
        is_view: false,
        insertable: true,
        updatable: true,
        deletable: true,
        primary_key: vec!["id".to_owned()],
        columns,
    }
}

fn column(name: &str, kind: &str) -> Column {
    Column {
        name: name.to_owned(),
        description: None,
        nullable: true,
        data_type: kind.to_owned(),
        nominal_type: kind.to_owned(),
        max_length: None,
        default: None,
        enum_values: Vec::new(),
        generated: false,
    }
}

fn relate(cache: &mut SchemaCache, child: &QualifiedName, parent: usize) {
    let foreign = format!("table_{parent}_id");
    let there = ("id".to_owned(), foreign.clone());
    let back = (foreign.clone(), "id".to_owned());
    for (table, foreign_table, cardinality, columns) in [
        (child.clone(), name(parent), Cardinality::ManyToOne, back),
        (name(parent), child.clone(), Cardinality::OneToMany, there),
    ] {
        let key = (table.clone(), foreign_table.schema.clone());
        let relationship = Relationship {
            table,
            foreign_table,
            is_self: false,
            table_is_view: false,
            foreign_table_is_view: false,
            kind: RelationshipKind::ForeignKey {
                cardinality,
                constraint: format!("{}_{foreign}_fkey", child.name),
                columns: vec![columns],
            },
        };
        let known = cache.relationships.entry(key).or_default();
        known.push(Rc::new(relationship));
    }
}

fn routine(index: usize) -> Routine {
    let parameter = |name: &str, data_type: &str, required| Parameter {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        type_max_length: data_type.to_owned(),
        required,
        variadic: false,
    };
    Routine {
        oid: u32::try_from(index).unwrap_or_default(),
        name: QualifiedName::new("large", format!("find_{index}")),
        description: None,
        parameters: vec![
            parameter("name", "text", true),
            parameter("minimum", "numeric", false),
        ],
        returns: ReturnType::Composite {
            name: name(index),
            is_alias: false,
        },
        returns_set: true,
        volatility: Volatility::Stable,
        has_variadic: false,
        settings: Vec::new(),
    }
}

/// Who asks: a token that was seen before, and one that was not.
fn identities(criterion: &mut Criterion) {
    let secrets = Secrets {
        jwt_secret: "a secret of more than thirty-two characters".to_owned(),
        publishable: "sb_publishable_0000000000000000000000_00000000".to_owned(),
        secret: "sb_secret_0000000000000000000000_00000000".to_owned(),
        issued_at: 1_700_000_000,
    };
    let keys = Keys::new("default", &secrets, None);
    let verifier = Verifier::new(&Config::default(), Some(&secrets.jwt_secret));
    let verifier = verifier.expect("a verifier");
    let token = Some(keys.anon.as_bytes());
    let now = Timestamp(1_700_000_000_000);
    let mut group = criterion.benchmark_group("identify");
    group.bench_function("a token seen before", |bencher| {
        bencher.iter(|| verifier.identify(black_box(token), now));
    });
    group.bench_function("a new token", |bencher| {
        bencher.iter_batched(
            || Verifier::new(&Config::default(), Some(&secrets.jwt_secret)),
            |verifier| verifier.map(|verifier| verifier.identify(black_box(token), now)),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, requests, identities);
criterion_main!(benches);
