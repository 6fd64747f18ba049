//! Addresses of users: what may be an e-mail address or a phone number, and how it is kept.
//!
//! Source: supabase/auth, `internal/api/mail.go` and `phone.go`; github.com/badoux/checkmail.

use super::error::AuthError;

const LONGEST: usize = 255;

/// An e-mail address as it is kept: in small letters. 400 where it is none.
pub fn email(text: &str) -> Result<String, AuthError> {
    if text.is_empty() {
        return Err(AuthError::invalid("An email address is required"));
    }
    if text.len() > LONGEST {
        return Err(AuthError::invalid("An email address is too long"));
    }
    if !is_email(text) {
        let message = "Unable to validate email address: invalid format";
        return Err(AuthError::invalid(message));
    }
    Ok(text.to_lowercase())
}

/// A phone number as it is kept: digits alone (E.164 without its plus). 400 where it is none.
pub fn phone(text: &str) -> Result<String, AuthError> {
    let number = text.strip_prefix('+').unwrap_or(text).replace(' ', "");
    let is_number = (2..=15).contains(&number.len())
        && !number.starts_with('0')
        && number.bytes().all(|byte| byte.is_ascii_digit());
    if is_number {
        Ok(number)
    } else {
        let message = "Invalid phone number format (E.164 required)";
        Err(AuthError::invalid(message))
    }
}

/// As browsers check `<input type="email">`.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let in_local =
        |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    !local.is_empty() && local.bytes().all(in_local) && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails_are_kept_or_refused() {
        for (text, kept) in [
            ("a@b", "a@b"),
            ("Ann.O'Neil+x@Example.COM", "ann.o'neil+x@example.com"),
        ] {
            assert_eq!(email(text).unwrap(), kept);
        }
        let long = format!("{}@b.test", "a".repeat(LONGEST));
        for (text, message) in [
            ("", "An email address is required"),
            (&*long, "An email address is too long"),
            ("a", "Unable to validate email address: invalid format"),
            ("@b", "Unable to validate email address: invalid format"),
            ("a@", "Unable to validate email address: invalid format"),
            ("a@b@c", "Unable to validate email address: invalid format"),
            ("a b@c", "Unable to validate email address: invalid format"),
            ("a@b..c", "Unable to validate email address: invalid format"),
            ("a@-b", "Unable to validate email address: invalid format"),
            ("ä@b", "Unable to validate email address: invalid format"),
            ("<a@b>", "Unable to validate email address: invalid format"),
            ("a@b\n", "Unable to validate email address: invalid format"),
        ] {
            assert_eq!(email(text).unwrap_err().message, message, "{text}");
        }
    }

    #[test]
    fn numbers_are_kept_or_refused() {
        for (text, kept) in [
            ("+49 151 12345", "4915112345"),
            ("4915112345", "4915112345"),
            ("12", "12"),
        ] {
            assert_eq!(phone(text).unwrap(), kept);
        }
        for text in [
            "",
            "+",
            "0151",
            "1",
            "++49151",
            "49-151",
            "1234567890123456",
            "49a",
        ] {
            assert_eq!(
                phone(text).unwrap_err().message,
                "Invalid phone number format (E.164 required)",
                "{text}"
            );
        }
    }
}
