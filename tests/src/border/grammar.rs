//! Query strings that follow the grammar: each is taken, and round trips.

use routes::rest::query::Query;

use super::{inputs::Dice, query_string, render::encoded};

const NAMES: &[&str] = &[
    "id",
    "two words",
    "with-dash",
    "_x$",
    "é1",
    "\"quo\\\"ted, (name)\"",
    "\"a.b\"",
    "not",
    "inner",
];
const KEYS: &[&str] = &["key", "!@#$%^&*_", "with-dash", "\"a->b\"", "12x"];
const VALUES: &[&str] = &[
    "",
    "1",
    "a b",
    "\"q,)\\\\\"",
    "{1,2}",
    "\"half",
    "x\"y",
    "*é",
];
const OPERATORS: &[&str] = &[
    "eq",
    "neq",
    "gt",
    "gte",
    "lt",
    "lte",
    "like",
    "ilike",
    "match",
    "imatch",
    "cs",
    "cd",
    "ov",
    "sl",
    "sr",
    "nxr",
    "nxl",
    "adj",
    "eq(any)",
    "gte(all)",
    "isdistinct",
    "fts",
    "plfts(english)",
    "wfts(a b)",
];
const IS: &[&str] = &["null", "NOT_NULL", "True", "false", "unknown"];

impl Dice {
    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.roll(words.len())]
    }

    fn list(&mut self, separator: &str, mut item: impl FnMut(&mut Self) -> String) -> String {
        let items = (0..=self.roll(3)).map(|_| item(self));
        items.collect::<Vec<_>>().join(separator)
    }

    fn maybe(&mut self, text: &str) -> String {
        if self.roll(3) == 0 { text } else { "" }.to_owned()
    }

    fn field(&mut self) -> String {
        let mut field = self.pick(NAMES).to_owned();
        while self.roll(4) == 0 {
            field += self.pick(&["->", "->>"]);
            field += self.pick(KEYS);
        }
        field
    }

    fn condition(&mut self) -> String {
        let not = self.maybe("not.");
        let operation = match self.roll(4) {
            0 => format!("is.{}", self.pick(IS)),
            1 => format!(
                "in.({})",
                self.list(",", |dice| dice.pick(VALUES).to_owned())
            ),
            _ => format!("{}.{}", self.pick(OPERATORS), self.pick(VALUES)),
        };
        not + &operation
    }

    fn trees(&mut self, depth: usize) -> String {
        let separator = self.pick(&[",", ", "]);
        let trees = self.list(separator, |dice| {
            if depth > 0 && dice.roll(2) == 0 {
                let not = dice.maybe("not.");
                let operator = dice.pick(&["and", "or"]);
                format!("{not}{operator}{}", dice.trees(depth - 1))
            } else {
                format!("{}.{}", dice.field(), dice.condition())
            }
        });
        format!("({trees})")
    }

    fn select(&mut self, depth: usize) -> String {
        self.list(",", |dice| match dice.roll(if depth > 0 { 6 } else { 4 }) {
            0 => "*".to_owned(),
            1 => format!("{}count(){}", dice.maybe("c:"), dice.maybe("::text")),
            2 | 3 => {
                let (alias, field) = (dice.maybe("al-ias:"), dice.field());
                let cast = dice.maybe("::double precision");
                let aggregate = dice.pick(&["", "", ".sum()", ".avg()", ".max()", ".min()::int"]);
                format!("{alias}{field}{cast}{aggregate}")
            }
            spread => {
                let head = if spread == 4 {
                    "...".to_owned()
                } else {
                    dice.maybe("alias:")
                };
                let hint = dice.maybe("!hint");
                let join = dice.pick(&["", "!inner", "!left"]);
                format!(
                    "{head}{}{hint}{join}({})",
                    dice.pick(NAMES),
                    dice.select(depth - 1)
                )
            }
        })
    }

    fn order(&mut self) -> String {
        self.list(",", |dice| {
            let field = match dice.roll(3) {
                0 => format!("{}({})", dice.pick(NAMES), dice.field()),
                _ => dice.field(),
            };
            let direction = dice.pick(&["", ".asc", ".desc"]);
            let nulls = dice.pick(&["", ".nullsfirst", ".nullslast"]);
            format!("{field}{direction}{nulls}")
        })
    }

    fn key(&mut self, end: &str) -> String {
        let path = self.maybe("embed.deep-er.");
        encoded(&format!("{path}{end}"))
    }

    fn query(&mut self) -> String {
        let mut pairs = vec![format!("select={}", encoded(&self.select(3)))];
        for _ in 0..self.roll(3) {
            let field = self.field();
            pairs.push(format!(
                "{}={}",
                self.key(&field),
                encoded(&self.condition())
            ));
        }
        let operator = self.pick(&["or", "and", "not.or", "not.and"]);
        pairs.push(format!(
            "{}={}",
            self.key(operator),
            encoded(&self.trees(3))
        ));
        pairs.push(format!("{}={}", self.key("order"), encoded(&self.order())));
        pairs.push(format!("{}={}", self.key("limit"), self.roll(99)));
        pairs.push(format!("{}={}", self.key("offset"), self.roll(99)));
        for columns in ["columns", "on_conflict"] {
            let names = self.list(",", |dice| dice.pick(NAMES).to_owned());
            pairs.push(format!("{columns}={}", encoded(&names)));
        }
        pairs.join("&")
    }
}

#[test]
fn what_the_grammar_writes_is_taken_and_round_trips() {
    let mut dice = Dice::default();
    for _ in 0..1_000 {
        let query = dice.query();
        if let Err(error) = Query::parse(&query, false) {
            panic!("{query:?}: {error:?}");
        }
        query_string(query.as_bytes());
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = |levels: usize| {
        let (open, close) = ("and(".repeat(levels), ")".repeat(levels));
        format!("or=({open}a.eq.1{close})")
    };
    assert!(Query::parse(&deep(60), false).is_ok());
    for text in [
        deep(100_000),
        format!("select={}", "a(".repeat(100_000)),
        format!("select={}", "...a(*,".repeat(100_000)),
        format!("select=a{}", "->b".repeat(100_000)),
        format!("{}=eq.1", "a.".repeat(100_000)),
    ] {
        query_string(text.as_bytes());
    }
}
