//! Relationships from tables of facts, and answers that are none.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::{Cardinality, QualifiedName, Relationship, RelationshipKind, SchemaError, parse};

/// A relation of the schema `api` with integer columns `c1`, `c2`, ….
fn relation(oid: u32, name: &str, kind: &str, columns: usize) -> Value {
    let numbers: Vec<_> = (1..=columns).collect();
    let names: Vec<_> = numbers.iter().map(|number| format!("c{number}")).collect();
    let each = |value: Value| Value::Array(vec![value; columns]);
    json!([
        oid,
        "api",
        name,
        kind,
        false,
        null,
        28,
        numbers,
        names,
        each(null()),
        each(json!(true)),
        each(json!(23)),
        each(json!(-1)),
        each(null()),
        each(json!(false))
    ])
}

fn null() -> Value {
    Value::Null
}

fn unique(kind: &str, table: u32, columns: &[u32]) -> Value {
    json!([
        kind,
        format!("{kind}{table}"),
        table,
        columns,
        0,
        null,
        false
    ])
}

fn foreign(name: &str, table: u32, columns: &[u32], target: u32, target_columns: &[u32]) -> Value {
    json!(["f", name, table, columns, target, target_columns, false])
}

/// A view whose columns are, in order, columns of relations: (oid, number).
fn view(oid: u32, columns: &[(u32, u32)]) -> Value {
    let entries: Vec<_> = (1..)
        .zip(columns)
        .map(|(number, (table, column))| {
            format!(
                "{{TARGETENTRY :expr {{VAR :varno 1}} :resno {number} :resname c{number} \
                 :resorigtbl {table} :resorigcol {column} :resjunk false}}"
            )
        })
        .collect();
    let tree = format!(
        "({{QUERY :commandType 1 :targetList ({})}})",
        entries.join(" ")
    );
    json!([oid, tree])
}

fn facts(relations: &[Value], keys: &[Value], views: &[Value], computed: &[Value]) -> Value {
    json!({
        "schemas": [["api", null]],
        "relations": relations,
        "types": [[23, -1, "integer", "integer", null, null, false, null]],
        "keys": keys,
        "views": views,
        "computed": computed,
        "routines": null,
        "representations": null,
        "media_handlers": null,
        "role_settings": null
    })
}

fn check(facts: Value, from: &str, expected: Expect) {
    let schema = parse(facts.to_string().as_bytes()).expect("facts");
    let key = (QualifiedName::new("api", from), "api".to_owned());
    let list = schema.relationships.get(&key);
    let lines: Vec<_> = list
        .into_iter()
        .flatten()
        .map(|found| line(found))
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

fn line(relationship: &Relationship) -> String {
    let pairs = |columns: &[(String, String)]| {
        let columns = columns.iter().map(|(from, to)| format!("{from}={to}"));
        columns.collect::<Vec<_>>().join(",")
    };
    let to = &relationship.foreign_table.name;
    match &relationship.kind {
        RelationshipKind::ForeignKey {
            cardinality,
            constraint,
            columns,
        } => {
            let arrow = match cardinality {
                Cardinality::OneToMany => "->>",
                Cardinality::ManyToOne => ">>-",
                Cardinality::OneToOne { is_parent: true } => "->",
                Cardinality::OneToOne { is_parent: false } => "-",
                Cardinality::ManyToMany => ">->>",
            };
            format!("{arrow} {to} {constraint} {}", pairs(columns))
        }
        RelationshipKind::Junction {
            junction,
            left_constraint,
            right_constraint,
            left,
            right,
        } => format!(
            ">->> {to} {} {left_constraint} {} {right_constraint} {}",
            junction.name,
            pairs(left),
            pairs(right)
        ),
        RelationshipKind::Computed { function, to_one } => {
            format!(
                "{} {to} {}",
                if *to_one { "()" } else { "()>>" },
                function.name
            )
        }
    }
}

#[test]
fn a_foreign_key_goes_both_ways() {
    let two = || [relation(1, "parent", "r", 1), relation(2, "child", "r", 2)];
    let key = foreign("fk", 2, &[2], 1, &[1]);
    let many = facts(&two(), &[unique("p", 1, &[1]), key.clone()], &[], &[]);
    check(many.clone(), "child", expect![">>- parent fk c2=c1"]);
    check(many, "parent", expect!["->> child fk c1=c2"]);

    for kind in ["p", "u"] {
        let one = facts(&two(), &[unique(kind, 2, &[2]), key.clone()], &[], &[]);
        check(one.clone(), "child", expect!["- parent fk c2=c1"]);
        check(one, "parent", expect!["-> child fk c1=c2"]);
    }
    // A key of which the foreign key's columns are a part says nothing about them alone.
    let wider = facts(&two(), &[unique("u", 2, &[1, 2]), key], &[], &[]);
    check(wider, "child", expect![">>- parent fk c2=c1"]);
}

#[test]
fn the_order_of_a_keys_columns_does_not_matter() {
    let relations = [relation(1, "parent", "r", 2), relation(2, "child", "r", 2)];
    let keys = [
        unique("u", 2, &[2, 1]),
        foreign("fk", 2, &[1, 2], 1, &[2, 1]),
    ];
    check(
        facts(&relations, &keys, &[], &[]),
        "child",
        expect!["- parent fk c1=c2,c2=c1"],
    );
}

#[test]
fn what_is_not_exposed_is_not_related() {
    let keys = [
        foreign("from_hidden", 9, &[1], 1, &[1]),
        foreign("to_hidden", 1, &[1], 9, &[1]),
    ];
    let hidden = facts(&[relation(1, "table", "r", 1)], &keys, &[], &[]);
    check(hidden, "table", expect![""]);
}

#[test]
fn a_partitions_part_of_a_key_is_no_key_of_its_own() {
    let relations = [relation(1, "parent", "r", 1), relation(2, "child", "p", 1)];
    let mut part = foreign("fk", 2, &[1], 1, &[1]);
    part[6] = json!(true);
    check(facts(&relations, &[part], &[], &[]), "child", expect![""]);
}

#[test]
fn a_primary_key_of_two_foreign_keys_is_a_junction() {
    let relations = [
        relation(1, "left", "r", 1),
        relation(2, "right", "r", 1),
        relation(3, "both", "r", 3),
    ];
    let keys = |primary: &[u32]| {
        [
            unique("p", 3, primary),
            foreign("to_left", 3, &[1], 1, &[1]),
            foreign("to_right", 3, &[2], 2, &[1]),
        ]
    };
    for primary in [&[1, 2][..], &[3, 2, 1][..]] {
        check(
            facts(&relations, &keys(primary), &[], &[]),
            "left",
            expect![[r"
                ->> both to_left c1=c1
                >->> right both to_left c1=c1 to_right c2=c1"]],
        );
    }
    check(
        facts(&relations, &keys(&[1, 3]), &[], &[]),
        "left",
        expect!["->> both to_left c1=c1"],
    );
}

#[test]
fn a_hidden_junction_leaves_an_empty_list() {
    let relations = [relation(1, "left", "r", 1), relation(2, "right", "r", 1)];
    let keys = [
        unique("p", 9, &[1, 2]),
        foreign("to_left", 9, &[1], 1, &[1]),
        foreign("to_right", 9, &[2], 2, &[1]),
    ];
    let listed = |keys: &[Value]| {
        let facts = facts(&relations, keys, &[], &[]).to_string();
        let schema = parse(facts.as_bytes()).expect("facts");
        let key = (QualifiedName::new("api", "left"), "api".to_owned());
        schema.relationships.get(&key).map(Vec::len)
    };
    assert_eq!(listed(&keys), Some(0));
    assert_eq!(listed(&keys[1..]), None);
}

#[test]
fn a_junction_may_join_a_table_with_itself() {
    let relations = [relation(1, "person", "r", 1), relation(2, "friend", "r", 2)];
    let keys = [
        unique("p", 2, &[1, 2]),
        foreign("one", 2, &[1], 1, &[1]),
        foreign("other", 2, &[2], 1, &[1]),
    ];
    check(
        facts(&relations, &keys, &[], &[]),
        "person",
        expect![[r"
            ->> friend one c1=c1
            ->> friend other c1=c2
            >->> person friend one c1=c1 other c2=c1
            >->> person friend other c1=c2 one c1=c1"]],
    );
}

#[test]
fn a_view_stands_in_for_its_table() {
    let relations = [
        relation(1, "parent", "r", 1),
        relation(2, "child", "r", 2),
        relation(3, "child_view", "v", 2),
        relation(4, "view_of_view", "m", 1),
    ];
    let keys = [unique("p", 2, &[1]), foreign("fk", 2, &[2], 1, &[1])];
    let views = [
        view(3, &[(2, 2), (2, 2)]),
        // Its one column is the view's second.
        view(4, &[(3, 2)]),
    ];
    let shown = facts(&relations, &keys, &views, &[]);
    check(
        shown.clone(),
        "parent",
        expect![[r"
            ->> child fk c1=c2
            ->> child_view fk c1=c1
            ->> child_view fk c1=c2
            ->> view_of_view fk c1=c1"]],
    );
    check(shown, "view_of_view", expect![">>- parent fk c1=c1"]);

    // A view of a part of a key has none of it.
    let relations = [
        relation(1, "parent", "r", 2),
        relation(2, "child", "r", 2),
        relation(3, "view", "v", 1),
    ];
    let keys = [foreign("fk", 2, &[1, 2], 1, &[1, 2])];
    let part = facts(&relations, &keys, &[view(3, &[(2, 1)])], &[]);
    check(part, "view", expect![""]);
}

#[test]
fn views_of_each_other_end_nowhere() {
    let relations = [relation(1, "one", "v", 1), relation(2, "other", "v", 1)];
    let views = [view(1, &[(2, 1)]), view(2, &[(1, 1)])];
    let keys = [foreign("fk", 1, &[1], 2, &[1])];
    check(
        facts(&relations, &keys, &views, &[]),
        "one",
        expect![">>- other fk c1=c1"],
    );
}

#[test]
fn a_computed_relationship_replaces_those_to_its_name() {
    let relations = [relation(1, "parent", "r", 1), relation(2, "child", "r", 2)];
    let keys = [foreign("fk", 2, &[2], 1, &[1])];
    let named = |name: &str| facts(&relations, &keys, &[], &[json!(["api", name, 1, 2, true])]);
    check(named("child"), "parent", expect!["() child child"]);
    check(named("child"), "child", expect![">>- parent fk c2=c1"]);
    check(
        named("best"),
        "parent",
        expect![[r"
            ->> child fk c1=c2
            () child best"]],
    );
}

#[test]
fn other_answers_are_refused() {
    let whole = facts(&[relation(1, "table", "r", 1)], &[], &[], &[]);
    assert!(parse(whole.to_string().as_bytes()).is_ok());
    let broken = |path: &str, value: Value| {
        let mut facts = whole.clone();
        *facts.pointer_mut(path).expect("a fact") = value;
        match parse(facts.to_string().as_bytes()) {
            Err(error) => error,
            Ok(_) => panic!("{path} was taken"),
        }
    };
    let malformed = |path: &str, value: Value| {
        assert!(
            matches!(broken(path, value), SchemaError::Malformed(_)),
            "{path}"
        );
    };
    malformed("", null());
    malformed("", json!({}));
    malformed("/relations", json!({}));
    malformed("/relations/0", json!([1, "api"]));
    malformed("/relations/0/3", json!("x"));
    malformed("/relations/0/0", json!(-1));
    malformed("/keys", json!([["c", "check", 1, [1], 0, null, false]]));
    malformed("/schemas/0", json!(["api", null, "more"]));
    // Columns of no type, and fields of different columns.
    for path in ["/types", "/relations/0/11", "/relations/0/14"] {
        assert!(
            matches!(broken(path, json!([])), SchemaError::Columns(1)),
            "{path}"
        );
    }
    assert!(matches!(
        broken("/views", json!([[7, "<>"]])),
        SchemaError::View(7)
    ));
    let mut unknown = whole.clone();
    unknown["surprise"] = json!(1);
    assert!(parse(unknown.to_string().as_bytes()).is_err());
    assert!(parse(b"{").is_err());
}
