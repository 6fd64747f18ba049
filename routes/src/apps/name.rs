//! Names of applications.

/// The longest name: what a label of a host name may have.
const LONGEST: usize = 63;

/// Whether an application may have this name: `[a-z0-9][a-z0-9-]{0,62}`. What is one needs no
/// encoding in a path, and names nothing outside of a folder.
pub fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LONGEST).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_small_letters_digits_and_dashes() {
        for name in ["a", "0", "my-shop", "a-", &"x".repeat(63)] {
            assert!(is_name(name), "{name}");
        }
        let refused = [
            "", "-a", "A", "a_b", "a.b", "..", "a/b", "a\\b", "a%2Fb", "é", "a b", "a\0", "a\n",
        ];
        for name in refused {
            assert!(!is_name(name), "{name:?}");
        }
        assert!(!is_name(&"x".repeat(64)));
    }
}
