//! No core code reads a clock, randomness or the environment: they are arguments.

use crate::source::{self, Word};

const CORE: [&str; 9] = [
    "routes/src",
    "sw/src",
    "vm-bridge/port/src",
    "vm-bridge/wire/src",
    "vm-bridge/control/src",
    "vm-bridge/database/src",
    "vm-bridge/http1/src",
    "vm-bridge/network/src",
    "vm-bridge/machine/src",
];

/// Modules, functions and types that answer differently the second time they are asked.
const WORLD: [&str; 17] = [
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime::now",
    "SystemTime::UNIX_EPOCH",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "getrandom",
    "rand",
    "OsRng",
    "thread_rng",
    "RandomState",
    "get_current_timestamp",
    "jsonwebtoken::get_current_timestamp",
];

#[test]
fn the_core_asks_the_world_for_nothing() {
    for folder in CORE {
        for file in source::files(folder) {
            if source::name(&file).contains("/src/shell") {
                continue;
            }
            for (place, word) in source::words(&file) {
                if let Word::Name(path) = word {
                    assert!(
                        !asks_the_world(&path),
                        "{place}: `{path}`; take it as an argument or ask `World`"
                    );
                }
            }
        }
    }
}

fn asks_the_world(path: &str) -> bool {
    WORLD.iter().any(|known| {
        path == *known
            || path
                .strip_prefix(known)
                .is_some_and(|rest| rest.starts_with("::"))
    })
}

#[test]
fn the_world_is_recognised() {
    for path in [
        "std::time::Instant",
        "std::env::var",
        "Instant::now",
        "rand::random",
        "getrandom::fill",
    ] {
        assert!(asks_the_world(path), "{path}");
    }
    for path in [
        "std::time::Duration",
        "random",
        "environment",
        "brand",
        "std::environment",
    ] {
        assert!(!asks_the_world(path), "{path}");
    }
}
