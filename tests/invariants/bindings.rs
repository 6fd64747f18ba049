//! The pure crates do not know JavaScript; in the others only `shell` does.

use std::collections::BTreeSet;
use std::process::Command;

use crate::source::{self, Word};

const BINDINGS: [&str; 5] = [
    "js-sys",
    "wasm-bindgen",
    "wasm-bindgen-futures",
    "web-sys",
    "gloo",
];
const PURE: [&str; 3] = ["routes", "port", "control"];

/// `jsonwebtoken` names js-sys on wasm32 for its own clock, which `routes` never asks: it is given
/// the time. Known, and listed so that a second one announces itself.
const KNOWN: [(&str, &str); 1] = [("jsonwebtoken", "js-sys")];

#[test]
fn pure_crates_depend_on_no_bindings_on_any_target() {
    for crate_name in PURE {
        let found: BTreeSet<(String, String)> = edges(crate_name)
            .into_iter()
            .filter(|(from, to)| is_binding(to) && !is_binding(from))
            .collect();
        let known: BTreeSet<(String, String)> = KNOWN
            .iter()
            .filter(|_| crate_name == "routes")
            .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()))
            .collect();
        assert_eq!(found, known, "JavaScript bindings under `{crate_name}`");
    }
}

fn is_binding(crate_name: &str) -> bool {
    BINDINGS.contains(&crate_name)
}

#[test]
fn bindings_stand_only_in_shells() {
    let bindings = ["js_sys", "wasm_bindgen", "wasm_bindgen_futures", "web_sys"];
    let mut shells = 0;
    for folder in [
        "routes/src",
        "sw/src",
        "vm-bridge/port/src",
        "vm-bridge/wire/src",
        "vm-bridge/control/src",
        "vm-bridge/database/src",
        "vm-bridge/http1/src",
        "vm-bridge/network/src",
        "vm-bridge/machine/src",
    ] {
        for file in source::files(folder) {
            if source::name(&file).contains("/src/shell") {
                shells += 1;
                continue;
            }
            for (place, word) in source::words(&file) {
                let Word::Name(path) = word else { continue };
                let first = path.split("::").next().unwrap_or_default();
                assert!(
                    !bindings.contains(&first),
                    "{place}: `{path}` outside shell/"
                );
            }
        }
    }
    assert!(
        shells > 0,
        "no shell was seen: this test looks in the wrong place"
    );
}

/// Each edge of the crates below one of ours, by name, on every target, as if it were built alone;
/// what only its tests need is left out.
fn edges(crate_name: &str) -> BTreeSet<(String, String)> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(source::root())
        .args([
            "tree",
            "--locked",
            "--target",
            "all",
            "--edges",
            "normal,build",
        ])
        .args([
            "--prefix",
            "depth",
            "--format",
            " {p}",
            "--package",
            crate_name,
        ])
        .output()
        .expect("cargo starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut edges = BTreeSet::new();
    let mut above: Vec<String> = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let mut words = line.split_whitespace();
        let depth: usize = words
            .next()
            .and_then(|depth| depth.parse().ok())
            .expect("a line begins with its depth");
        let name = words.next().expect("then the crate's name").to_owned();
        above.truncate(depth);
        if let Some(parent) = above.last() {
            edges.insert((parent.clone(), name.clone()));
        }
        above.push(name);
    }
    assert!(!edges.is_empty(), "{crate_name} has dependencies");
    edges
}
