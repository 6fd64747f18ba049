//! Names of buckets and objects, and what a file may be.
//!
//! Source: supabase/storage, `src/storage/limits.ts`, `src/storage/storage.ts`,
//! `src/storage/uploader.ts`.

use super::StorageError;

/// Characters that S3 takes without a question, and those that it takes with care.
fn is_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_!-.*'() &$@=;:+,?".contains(&byte)
}

/// An object's name that may be stored.
pub fn check_key(key: &str) -> Result<(), StorageError> {
    let valid = !key.is_empty() && key.bytes().all(|byte| is_safe(byte) || byte == b'/');
    if valid {
        Ok(())
    } else {
        Err(StorageError::invalid_key(key))
    }
}

/// A bucket's name that there may be: as an object's, without folders, at most 100 characters.
pub fn check_bucket(name: &str) -> Result<(), StorageError> {
    let valid = (1..=100).contains(&name.len()) && name.bytes().all(is_safe);
    // What begins or ends with a blank is easily taken for another.
    if valid && name.trim() == name {
        Ok(())
    } else {
        Err(StorageError::invalid_bucket_name())
    }
}

/// The file that a dashboard puts into a folder so that it is one.
pub fn is_folder_placeholder(key: &str) -> bool {
    key.ends_with(".emptyFolderPlaceholder")
}

/// Media types that a bucket may allow: `image/png`, `image/*`, `*`.
pub fn check_allowed(mime_type: &str) -> Result<(), StorageError> {
    let refused = || Err(StorageError::invalid_mime_type(mime_type));
    if mime_type.len() > 1000 {
        return refused();
    }
    // The pattern of storage-api has `*` as an alternative that anything may stand before.
    if mime_type.ends_with('*') {
        return Ok(());
    }
    let token = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-+.".contains(&byte))
    };
    let (essence, parameter) = match mime_type.split_once(';') {
        Some((essence, parameter)) => (essence, Some(parameter)),
        None => (mime_type, None),
    };
    let charset = |parameter: &str| {
        let value = parameter.trim_start().strip_prefix("charset=");
        value.is_some_and(|value| {
            !value.is_empty()
                && value
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
    };
    match essence.split_once('/') {
        Some((kind, subtype)) if token(kind) && token(subtype) && parameter.is_none_or(charset) => {
            Ok(())
        }
        _ => refused(),
    }
}

/// Whether a bucket takes a file of this media type.
pub fn check_mime_type(mime_type: &str, allowed: &[String]) -> Result<(), StorageError> {
    let refused = || StorageError::invalid_mime_type(mime_type);
    let (kind, subtype) = mime_type.split_once('/').ok_or_else(refused)?;
    // What follows a second slash is not looked at.
    let subtype = subtype.split('/').next().unwrap_or_default();
    let takes = |allowed: &String| match allowed.split_once('/') {
        Some((allowed_kind, "*")) => allowed_kind == kind || allowed_kind == "*",
        Some((allowed_kind, allowed_subtype)) => allowed_kind == kind && allowed_subtype == subtype,
        None => allowed == "*",
    };
    if allowed.is_empty() || allowed.iter().any(takes) {
        Ok(())
    } else {
        Err(refused())
    }
}

/// Bytes in `20GB`, `20mb`, `30KB`, `3b`: powers of ten, three digits that count.
pub fn parse_size(text: &str) -> Result<u64, StorageError> {
    let lower = text.to_ascii_lowercase();
    let units = [("gb", 1e9), ("mb", 1e6), ("kb", 1e3), ("b", 1.0)];
    let parsed = units.iter().find_map(|(unit, factor)| {
        let number = lower.strip_suffix(unit)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number: f64 = (digits(whole) && digits(fraction))
            .then(|| number.parse().ok())
            .flatten()?;
        // Three digits, as JavaScript's toPrecision has them.
        let number: f64 = format!("{number:.2e}").parse().ok()?;
        Some(number * factor)
    });
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "casts of floats saturate, and none is negative"
    )]
    let bytes = parsed.map(|bytes| bytes.round() as u64);
    bytes.ok_or_else(StorageError::invalid_file_size_limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        for key in [
            "a",
            "a/b.png",
            "/a",
            "a//b",
            "a b",
            "it's (1) & $@=;:+,?!-_.*",
            "..",
            "a/../b",
        ] {
            assert_eq!(check_key(key), Ok(()), "{key}");
        }
        for key in [
            "", "é", "a\\b", "a#b", "a%b", "a~b", "a[b]", "a\nb", "a\0b", "{a}", "a|b", "\"", "<",
            "^", "`",
        ] {
            assert!(check_key(key).is_err(), "{key}");
        }
    }

    #[test]
    fn bucket_names() {
        for name in ["a", "My Bucket", "it's", "a.b-c_d", &"x".repeat(100)] {
            assert_eq!(check_bucket(name), Ok(()), "{name}");
        }
        for name in ["", "a/b", "é", " a", "a ", &"x".repeat(101)] {
            assert!(check_bucket(name).is_err(), "{name}");
        }
    }

    #[test]
    fn media_types_that_a_bucket_may_allow() {
        for mime_type in [
            "image/png",
            "image/*",
            "*",
            "*/*",
            "text/plain; charset=utf-8",
            "application/vnd.a+b",
        ] {
            assert_eq!(check_allowed(mime_type), Ok(()), "{mime_type}");
        }
        for mime_type in [
            "image",
            "image/",
            "/png",
            "image/png;q=1",
            "thisisnotamimetype",
            "",
        ] {
            assert!(check_allowed(mime_type).is_err(), "{mime_type}");
        }
    }

    #[test]
    fn media_types_that_a_bucket_takes() {
        let takes = |mime_type: &str, allowed: &[&str]| {
            let allowed: Vec<_> = allowed.iter().map(|&text| text.to_owned()).collect();
            check_mime_type(mime_type, &allowed).is_ok()
        };
        assert!(takes("image/png", &[]));
        assert!(takes("image/png", &["image/png"]));
        assert!(takes("image/png", &["text/*", "image/*"]));
        assert!(!takes("image/png", &["image/jpeg", "text/*"]));
        assert!(!takes("png", &["image/*"]));
        assert!(!takes("imagex/png", &["image/*"]));
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("20GB", 20_000_000_000),
            ("20mb", 20_000_000),
            ("1.5KB", 1500),
            ("3b", 3),
            ("0b", 0),
            ("123456KB", 123_000_000),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in [
            "", "20", "mb", "20 mb", "20tb", "-1b", "1.b", ".5mb", "1e3b", "20mbx",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
