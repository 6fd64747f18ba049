//! Only the modules named here write SQL; what is a value travels as a parameter.

use crate::source::{self, Word};

/// Each API's one place, and the fixed statements around it.
const WRITERS: [&str; 12] = [
    "routes/src/storage/sql/",
    "routes/src/auth/sql/",
    "routes/src/apps/sql.rs",
    "routes/src/functions/sql.rs",
    "routes/src/backup/sql.rs",
    "routes/src/database/",
    "routes/src/rest/sql/",
    "routes/src/schema/",
    "routes/src/console/",
    "routes/src/outbox/sql.rs",
    "vm-bridge/database/src/",
    "vm-bridge/machine/src/postgres/",
];

#[test]
fn sql_is_written_only_where_it_belongs() {
    for folder in [
        "routes/src",
        "sw/src",
        "vm-bridge/port/src",
        "vm-bridge/database/src",
        "vm-bridge/http1/src",
        "vm-bridge/network/src",
        "vm-bridge/machine/src",
    ] {
        for file in source::files(folder) {
            let name = source::name(&file);
            for (place, word) in source::words(&file) {
                let Word::Text(text) = word else { continue };
                if !is_sql(&text) {
                    continue;
                }
                assert!(
                    WRITERS.iter().any(|writer| name.starts_with(writer)),
                    "{place}: {text:?} is SQL"
                );
            }
        }
    }
}

fn is_sql(text: &str) -> bool {
    const BEGINNINGS: [&str; 9] = [
        "SELECT ",
        "INSERT INTO ",
        "UPDATE ",
        "DELETE FROM ",
        "WITH ",
        "CREATE ",
        "ALTER ",
        "CALL ",
        "NOTIFY ",
    ];
    /// A sentence of an error may begin like SQL in small letters; it does not go on like it.
    const GOES_ON: [&str; 7] = ["(", "$", " from ", " set ", " as ", ",", ";"];
    let text = text.trim_start();
    BEGINNINGS.iter().any(|beginning| {
        text.starts_with(beginning)
            || text.starts_with(&beginning.to_lowercase())
                && GOES_ON.iter().any(|sign| text.contains(sign))
    })
}

#[test]
fn sql_is_recognised() {
    assert!(is_sql("SELECT set_config($1, $2, true)"));
    assert!(is_sql("\n  with source as ("));
    assert!(!is_sql("selected"));
    assert!(!is_sql("select parameter"));
    assert!(!is_sql("without (any)"));
}
