//! A bounded, repeatable stream of inputs for every border: what the fuzzer does, in a second.

use super::{archive, backend, csv, form, json, logic_tree, page, prefer, query_string, request};

/// xorshift64*: the same inputs on every run.
pub(super) struct Dice(u64);

impl Default for Dice {
    fn default() -> Self {
        Self(0x5EED_0F70_6057_6125)
    }
}

impl Dice {
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let roll = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(roll).unwrap() % sides
    }

    /// Words in a row, one in sixteen replaced by any byte.
    fn sentence(&mut self, words: &[&str]) -> Vec<u8> {
        let mut sentence = Vec::new();
        for _ in 0..=self.roll(24) {
            if self.roll(16) == 0 {
                sentence.push(u8::try_from(self.roll(256)).unwrap());
            } else {
                sentence.extend_from_slice(words[self.roll(words.len())].as_bytes());
            }
        }
        sentence
    }
}

fn shake(inputs: usize, words: &[&str], border: fn(&[u8])) {
    let mut dice = Dice::default();
    for _ in 0..inputs {
        border(&dice.sentence(words));
    }
}

const QUERY: &[&str] = &[
    "select=",
    "order=",
    "limit=",
    "offset=",
    "columns=",
    "on_conflict=",
    "and=",
    "or=",
    "not.",
    "id=",
    "a.b.c=",
    "&",
    ";",
    "=",
    ",",
    ".",
    "(",
    ")",
    "*",
    ":",
    "::",
    "!",
    "...",
    "-",
    "->",
    "->>",
    "\"",
    "%22",
    "\\",
    "+",
    "%20",
    "%",
    "%00",
    "%FF",
    "é",
    "\t",
    "{",
    "}",
    "[",
    "0",
    "-1",
    "12",
    "eq.",
    "neq.",
    "gte.",
    "like(any).",
    "eq(all).",
    "in.(",
    "is.null",
    "is.NOT_null",
    "isdistinct.",
    "fts(english).",
    "wfts.",
    "cs.",
    "adj.",
    "name",
    "two words",
    "with-dash",
    "inner",
    "left",
    "count()",
    "count",
    ".sum()",
    ".max()",
    "::text",
    "asc",
    "desc",
    "nullsfirst",
    "nullslast",
    "rel(",
    "alias:",
    "or",
    "and",
    "not",
];

#[test]
fn query_strings() {
    shake(30_000, QUERY, query_string);
}

#[test]
fn logic_trees() {
    shake(30_000, QUERY, logic_tree);
}

#[test]
fn preferences() {
    let words = &[
        "return=",
        "representation",
        "minimal",
        "headers-only",
        "count=",
        "exact",
        "handling=strict",
        "tx=commit",
        "tx=rollback",
        "timezone=",
        "UTC",
        "max-affected=",
        "10",
        "-1",
        "missing=null",
        "resolution=merge-duplicates",
        ",",
        ", ",
        " ",
        "\n",
        "=",
        ";",
        "anything",
    ];
    shake(30_000, words, prefer);
}

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"a\"",
    "\"b\"",
    "\"\\u0061\"",
    "\"\\ud800\"",
    "1",
    "-0.5e3",
    "1e999",
    "null",
    "true",
    " ",
    "\n",
    "{\"a\":1}",
    "{\"a\":1},",
    "{\"b\":2,\"a\":1},",
    "[{",
    "}]",
    "\"a\":{\"b\":[1]}",
    "\"",
    "\\",
];

#[test]
fn json_bodies() {
    shake(60_000, JSON, json);
}

#[test]
fn csv_bodies() {
    let words = &[
        "a", "b,c", ",", "\n", "\r\n", "\r", "\"", "\"\"", "\"x,y\"", "NULL", "é", "a,b\n", "1,2\n",
    ];
    shake(60_000, words, csv);
}

#[test]
fn forms() {
    shake(30_000, QUERY, form);
}

#[test]
fn requests() {
    let words = &[
        "GET\n",
        "POST\n",
        "PUT\n",
        "HEAD\n",
        "/",
        "/todos",
        "/rpc/f",
        "%2F",
        "%00",
        "?",
        "&",
        "select=id",
        "limit=1",
        "offset=-1",
        "limit=0",
        "columns=a",
        "\n",
        "application/json",
        "text/csv",
        "application/vnd.pgrst.plan",
        "+json",
        ";",
        ";q=0.5",
        ",",
        "*/*",
        "0-5",
        "7-",
        "5-2",
        "a=b;",
        "public",
        "{\"a\":1}",
        "[]",
        "a,b\n1,2\n",
    ];
    shake(60_000, words, request);
}

#[test]
fn server_messages() {
    let words = &[
        "Z\0\0\0\u{5}I",
        "Z\0\0\0\u{5}T",
        "1\0\0\0\u{4}",
        "2\0\0\0\u{4}",
        "n\0\0\0\u{4}",
        "C\0\0\0\u{d}SELECT 1\0",
        "T\0\0\0\u{1b}\0\u{1}a\0\0\0\0\0\0\0\0\0\0\u{19}\0\u{4}\0\0\0\u{4}\0\0",
        "D\0\0\0\u{c}\0\u{1}\0\0\0\u{2}hi",
        "D\0\0\0\u{6}\0\0",
        "E\0\0\0\u{f}SERROR\0C0\0\0",
        "A\0\0\0\u{c}\0\0\0\u{1}a\0b\0",
        "S\0\0\0\u{8}a\0b\0",
        "\0\0\0",
        "\0",
        "\u{4}",
        "\u{7f}",
    ];
    shake(60_000, words, backend);
}

const PAGE: &[&str] = &[
    "<!doctype html>",
    "<html>",
    "<head>",
    "<",
    ">",
    "</",
    "/>",
    "<!--",
    "-->",
    "--!>",
    "<a href=",
    "<img srcset=",
    "<script>",
    "</script>",
    "<style>",
    "</style",
    "<textarea>",
    "<meta http-equiv=refresh content=",
    "'1; url=/x'",
    "\"",
    "'",
    "=",
    " ",
    "\n",
    "/x",
    "/x 2x, /y",
    "http://localhost:8001/z",
    "//h/",
    "text",
    "?",
    "!",
    "&amp;",
];

#[test]
fn pages_are_the_same_however_they_are_cut() {
    shake(3_000, PAGE, page);
}

/// As Python's zipfile makes it.
const ARCHIVE: &[u8] = include_bytes!("site.zip");

#[test]
fn archives_are_refused_or_unpacked() {
    archive(ARCHIVE);
    let limits = routes::bundle::Limits::default();
    let read = routes::bundle::Archive::read(ARCHIVE.into(), &limits).unwrap();
    let read = read.without_folder();
    assert!(read.contains("index.html") && read.contains("a/b.js"));
    let mut dice = Dice::default();
    for _ in 0..5_000 {
        let mut bytes = ARCHIVE.to_vec();
        for _ in 0..=dice.roll(4) {
            let place = dice.roll(bytes.len());
            bytes[place] = u8::try_from(dice.roll(256)).unwrap();
        }
        archive(&bytes);
    }
}
