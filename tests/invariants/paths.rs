//! Every path is in the route table, once.

use std::path::PathBuf;

use crate::source::{self, Word};

const TABLE: &str = "routes/src/table.rs";
/// Tables of paths behind an API's own.
const API_TABLES: [&str; 2] = ["routes/src/auth/table.rs", "routes/src/storage/table.rs"];
/// What the gateway serves, as it would stand in a string.
const PATHS: [&str; 17] = [
    "/rest/v1",
    "/auth/v1",
    "/storage/v1",
    "/functions/v1",
    "/graphql/v1",
    "/realtime/v1",
    "/pg/query",
    "/gateway/status",
    "/gateway/outbox",
    "/gateway/vm",
    "/gateway/apps",
    "/gateway/functions",
    "/gateway/secrets",
    "/gateway/backup",
    "/gateway/wake",
    "/gateway/shim.js",
    "/health",
];

/// Clients like any other, and what tells a person an address: these may name what they call.
const CLIENTS: [&str; 7] = [
    "static/src/page",
    "static/src/api",
    "static/src/gateway.ts",
    "static/src/vm/worker.ts",
    "static/src/node/serve.ts",
    "static/src/node/functions.ts",
    "static/src/functions/functions.ts",
];

#[test]
fn rust_names_paths_only_in_the_table() {
    let mut in_table = Vec::new();
    for folder in [
        "routes/src",
        "sw/src",
        "vm-bridge/port/src",
        "vm-bridge/database/src",
    ] {
        for file in source::files(folder) {
            if API_TABLES.contains(&source::name(&file).as_str()) {
                continue;
            }
            for (place, word) in source::words(&file) {
                let Word::Text(text) = word else { continue };
                let Some(path) = PATHS.iter().find(|path| text.contains(**path)) else {
                    continue;
                };
                assert!(
                    place.starts_with(TABLE),
                    "{place}: {path} belongs to {TABLE}"
                );
                in_table.push(*path);
            }
        }
    }
    for path in PATHS {
        assert_eq!(
            in_table.iter().filter(|found| **found == path).count(),
            1,
            "{path} in {TABLE}"
        );
    }
}

/// The workers and the Node host decide by the pattern that the table generates.
#[test]
fn typescript_around_the_gateway_names_no_path() {
    let sources = source::root().join("static/src");
    let mut files: Vec<PathBuf> = Vec::new();
    source::collect(&sources, "ts", &mut files);
    files.retain(|file| {
        CLIENTS
            .iter()
            .all(|client| !file.starts_with(source::root().join(client)))
    });
    for file in &files {
        let text = std::fs::read_to_string(file).expect("a readable source");
        for (number, line) in text.lines().enumerate() {
            let code = line.split("// ").next().unwrap_or_default();
            let comment = code.trim_start().starts_with(['*', '/']);
            let found = PATHS.iter().find(|path| !comment && code.contains(**path));
            assert_eq!(found, None, "{}:{}", source::name(file), number + 1);
        }
    }
    assert!(
        files
            .iter()
            .any(|file| file.starts_with(sources.join("sw"))),
        "the service worker was not seen: this test looks in the wrong place"
    );
}
