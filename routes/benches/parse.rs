//! What parsing costs: a typical query string, a long filter, and bodies of 5,000 rows.

use std::{fmt::Write as _, hint::black_box};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use routes::rest::{media::MediaType, payload::Payload, query::Query};

const TYPICAL: &str = "select=id,title,done,author:users!todos_user_id_fkey(name,avatar_url),tags(\
                       name)&done=eq.false&title=ilike.*milk*&author.name=neq.bob&or=(due.lt.2026-\
                       01-01,and(priority.gte.3,tags.not.cs.%7Bold%7D))&order=due.desc.nullslast,\
                       id&limit=20&offset=40";

fn queries(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("query");
    for (name, query) in [
        ("small", "select=*&id=eq.1".to_owned()),
        ("typical", TYPICAL.to_owned()),
        ("list of 1,000", list()),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| Query::parse(black_box(&query), false).expect("a query"));
        });
    }
    group.finish();
}

fn list() -> String {
    let numbers = (100_000..101_000).map(|number| number.to_string());
    format!("id=in.({})", numbers.collect::<Vec<_>>().join(","))
}

fn bodies(criterion: &mut Criterion) {
    let mut json = String::from("[");
    let mut csv = String::from("id,title,done,note\n");
    for row in 0..5_000 {
        let comma = if row == 0 { "" } else { "," };
        let written = write!(
            json,
            "{comma}{{\"id\":{row},\"title\":\"A title of some length\",\"done\":false,\"note\":null}}"
        )
        .and_then(|()| writeln!(csv, "{row},A title of some length,false,NULL"));
        written.expect("a String takes everything");
    }
    json.push(']');
    let mut group = criterion.benchmark_group("body of 5,000 rows");
    for (kind, body) in [(MediaType::Json, json), (MediaType::Csv, csv)] {
        let body = Bytes::from(body);
        group.throughput(Throughput::Bytes(
            u64::try_from(body.len()).unwrap_or_default(),
        ));
        group.bench_function(kind.to_string(), |bencher| {
            bencher.iter(|| {
                Payload::parse(black_box(body.clone()), &kind, false, None).expect("a body")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, queries, bodies);
criterion_main!(benches);
