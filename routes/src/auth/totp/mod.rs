//! One-time passwords by the clock (RFC 6238), and how an authenticator app learns its secret.

mod code;
mod picture;

pub use code::{Secret, verify};
pub use picture::svg;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// RFC 3986's unreserved characters stay as they are.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The address that authenticator apps scan: `otpauth://totp/<issuer>:<account>?…`.
pub fn uri(issuer: &str, account: &str, secret: &Secret) -> String {
    let issuer = utf8_percent_encode(issuer, RESERVED);
    let account = utf8_percent_encode(account, RESERVED);
    format!(
        "otpauth://totp/{issuer}:{account}?algorithm=SHA1&digits=6&issuer={issuer}&period=30&secret={secret}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_learns_the_secret() {
        let secret = Secret::parse("JBSWY3DPEHPK3PXP").unwrap();
        assert_eq!(
            uri("localhost:3000", "a b+c@example.test", &secret),
            "otpauth://totp/localhost%3A3000:a%20b%2Bc%40example.test?algorithm=SHA1&digits=6\
             &issuer=localhost%3A3000&period=30&secret=JBSWY3DPEHPK3PXP"
        );
    }
}
