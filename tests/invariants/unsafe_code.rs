//! `unsafe` only in the modules named here, each use with its reason.

use crate::source::{self, Word};

/// A module listed here says SAFETY at each use.
const MODULES: [&str; 1] = ["vm-bridge/guest/src/system/entropy.rs"];

#[test]
fn unsafe_stands_only_in_named_modules() {
    for folder in [
        "routes/src",
        "sw/src",
        "vm-bridge/port/src",
        "vm-bridge/control/src",
        "vm-bridge/guest/src",
        "vm-bridge/database/src",
        "vm-bridge/http1/src",
        "vm-bridge/network/src",
        "vm-bridge/machine/src",
        "tests",
        "xtask/src",
    ] {
        for file in source::files(folder) {
            let name = source::name(&file);
            let uses = source::words(&file)
                .into_iter()
                .filter(|(_, word)| *word == Word::Name("unsafe".to_owned()));
            let places: Vec<String> = uses.map(|(place, _)| place).collect();
            if MODULES.contains(&name.as_str()) {
                let text = std::fs::read_to_string(&file).expect("a readable source");
                assert!(
                    text.matches("SAFETY:").count() >= places.len(),
                    "{name}: each `unsafe` says SAFETY"
                );
            } else {
                assert_eq!(
                    places,
                    Vec::<String>::new(),
                    "`unsafe` outside the named modules"
                );
            }
        }
    }
}
