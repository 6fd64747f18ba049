//! What a client may not say, because of how the database is shared.
//!
//! PGlite is one session, of a superuser: an app's SQL runs after `set session authorization` to its
//! role, and a superuser may always change that back. So whatever names it is refused, wherever in a
//! text it stands. **This is no wall**: SQL that puts the words together at run time gets past it. An
//! app's role is what row-level security goes by; an app that wants to break out of it can.

use super::message::Report;

/// Why a statement is not run; `None` where it may be.
pub(super) fn refuse(sql: &str) -> Option<Report> {
    if names_session_authorization(sql) {
        let message = "an app cannot change who it is: session authorization is not its own";
        return Some(
            Report::error("42501", message)
                .hint("Where a value has these words in it, send it as a parameter"),
        );
    }
    match first_words(&plain(sql)) {
        ("listen" | "unlisten", _) => Some(
            Report::error(
                "0A000",
                "LISTEN is not supported: the database is shared between exchanges",
            )
            .hint("Use Realtime, or ask again now and then"),
        ),
        ("discard", "all") => Some(Report::error("0A000", "DISCARD ALL is not supported")),
        _ => None,
    }
}

/// Whether `session authorization` stands anywhere, in a string or not, whatever white space and
/// comments are between the words.
fn names_session_authorization(sql: &str) -> bool {
    let lower = sql.to_ascii_lowercase();
    lower.match_indices("session").any(|(place, word)| {
        let mut rest = &lower[place + word.len()..];
        loop {
            let skipped = match rest.chars().next() {
                _ if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
                _ if rest.starts_with("/*") => comment(rest),
                Some(letter) if letter.is_whitespace() => letter.len_utf8(),
                Some(_) | None => break,
            };
            rest = &rest[skipped..];
        }
        rest.trim_start_matches('_').starts_with("authorization")
    })
}

/// The text in lower case, with one space for every run of white space and comments.
fn plain(sql: &str) -> String {
    let mut plain = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(letter) = rest.chars().next() {
        let skipped = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            comment(rest)
        } else if letter.is_whitespace() {
            letter.len_utf8()
        } else {
            plain.extend(letter.to_lowercase());
            rest = &rest[letter.len_utf8()..];
            continue;
        };
        rest = &rest[skipped..];
        if !plain.ends_with(' ') {
            plain.push(' ');
        }
    }
    plain
}

/// Bytes of the comment at the front; comments nest.
fn comment(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut place) = (0_usize, 0);
    while place < bytes.len() {
        match bytes.get(place..place + 2) {
            Some(b"/*") => {
                depth += 1;
                place += 2;
            }
            Some(b"*/") => {
                depth -= 1;
                place += 2;
                if depth == 0 {
                    return place;
                }
            }
            _ => place += 1,
        }
    }
    bytes.len()
}

/// The first two words of the first statement.
fn first_words(plain: &str) -> (&str, &str) {
    let mut words = plain.split([' ', ';']).filter(|word| !word.is_empty());
    (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    )
}

/// What a statement leaves behind in a session of its own, which has to be done again here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Leaves {
    /// A setting that later statements are to find.
    Setting { name: String },
    /// Settings as they were.
    Reset { name: Option<String> },
}

/// What a text leaves behind that is one statement and nothing else.
pub(super) fn leaves(sql: &str) -> Option<Leaves> {
    let plain = plain(sql);
    let statement = plain.trim().trim_end_matches(';').trim();
    if statement.contains(';') {
        return None;
    }
    let mut words = statement.split([' ', '=']).filter(|word| !word.is_empty());
    let (first, second) = (words.next()?, words.next()?);
    match (first, second) {
        // Those end with their transaction, or are no settings.
        ("set", "local" | "transaction" | "constraints" | "role") | ("reset", "role") => None,
        ("set", "session") => {
            let name = words.next()?;
            (name != "characteristics" && name != "role").then(|| Leaves::Setting {
                name: name.to_owned(),
            })
        }
        ("set", name) => Some(Leaves::Setting {
            name: name.to_owned(),
        }),
        ("reset", "all") => Some(Leaves::Reset { name: None }),
        ("reset", name) => Some(Leaves::Reset {
            name: Some(name.to_owned()),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused() {
        let table = [
            ("select 1", None),
            ("set role authenticated", None),
            ("select 'session  of authorization'", None),
            ("set session authorization postgres", Some("42501")),
            (
                "SET  SESSION\n/* a /* b */ */ AUTHORIZATION -- x\n default",
                Some("42501"),
            ),
            ("reset session authorization", Some("42501")),
            ("set session_authorization = postgres", Some("42501")),
            (
                "select set_config('Session_Authorization', 'postgres', false)",
                Some("42501"),
            ),
            (
                "do $$ begin execute 'set session authorization postgres'; end $$",
                Some("42501"),
            ),
            ("select 1; set session authorization default", Some("42501")),
            (
                "select '--'; set session /**/ authorization default",
                Some("42501"),
            ),
            (
                "select '/*'; set session authorization default",
                Some("42501"),
            ),
            ("set session--\nauthorization default", Some("42501")),
            ("listen jobs", Some("0A000")),
            (" /* x */ UNLISTEN *", Some("0A000")),
            ("discard all", Some("0A000")),
            ("discard plans", None),
            ("notify jobs", None),
            ("", None),
            ("/* open", None),
            ("/", None),
        ];
        for (sql, code) in table {
            assert_eq!(refuse(sql).map(|report| report.code), code, "{sql}");
        }
    }

    #[test]
    fn what_is_left_behind() {
        let setting = |name: &str| {
            Some(Leaves::Setting {
                name: name.to_owned(),
            })
        };
        let table = [
            ("set search_path to a, b", setting("search_path")),
            ("SET SESSION search_path=a;", setting("search_path")),
            ("set search_path='a'", setting("search_path")),
            ("set local search_path = a", None),
            ("set transaction read only", None),
            ("set session characteristics as transaction read only", None),
            ("set role anon", None),
            ("set a.b = 1; select 1", None),
            (
                "reset search_path",
                Some(Leaves::Reset {
                    name: Some("search_path".to_owned()),
                }),
            ),
            ("reset all", Some(Leaves::Reset { name: None })),
            ("reset role", None),
            ("select 1", None),
            ("set", None),
        ];
        for (sql, expected) in table {
            assert_eq!(leaves(sql), expected, "{sql}");
        }
    }
}
