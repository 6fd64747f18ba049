//! The listing is the architecture: a new folder at the top is a decision.

use std::collections::BTreeSet;
use std::process::Command;

use crate::source;

const FOLDERS: [&str; 8] = [
    ".cargo",
    ".ci",
    "routes",
    "static",
    "sw",
    "tests",
    "vm-bridge",
    "xtask",
];

#[test]
fn the_top_folders_are_these() {
    let output = Command::new("git")
        .current_dir(source::root())
        .args(["ls-files", "-z"])
        .output()
        .expect("git starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let files = String::from_utf8_lossy(&output.stdout);
    let found: BTreeSet<&str> = files
        .split('\0')
        .filter_map(|file| Some(file.split_once('/')?.0))
        .collect();
    assert_eq!(found, BTreeSet::from(FOLDERS));
    for built in [
        "static/dist/",
        "static/generated/",
        "target/",
        "node_modules/",
    ] {
        assert!(
            !files
                .split('\0')
                .any(|file| file.starts_with(built) || file.contains("/node_modules/")),
            "{built} is committed"
        );
    }
}

#[test]
fn the_readme_shows_them() {
    let readme =
        std::fs::read_to_string(source::root().join("README.md")).expect("README.md is there");
    for folder in FOLDERS {
        assert!(
            readme.contains(&format!("`{folder}/")),
            "README.md's map lacks {folder}/"
        );
    }
}
