//! Names of functions.

/// The longest name.
const LONGEST: usize = 48;

/// Whether a function may have this name: `[A-Za-z][A-Za-z0-9_-]{0,47}`, as the Supabase CLI has them.
/// What is one needs no encoding in a path.
pub fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    name.len() <= LONGEST
        && name.bytes().all(allowed)
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_with_a_letter() {
        for name in ["a", "Hello-World_1", &"x".repeat(48)] {
            assert!(is_name(name), "{name}");
        }
        let refused = [
            "",
            "1a",
            "-a",
            "_internal",
            "a.b",
            "..",
            "a/b",
            "a%20b",
            "é",
            "a b",
            "a\0",
        ];
        for name in refused {
            assert!(!is_name(name), "{name:?}");
        }
        assert!(!is_name(&"x".repeat(49)));
    }
}
