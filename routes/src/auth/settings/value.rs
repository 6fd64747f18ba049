//! What a setting may be, and how its text is read.

/// A length of time in seconds; written `90`, `90s`, `1m30s`, `24h`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(pub u64);

/// What a setting may be.
pub(super) trait Value: Sized {
    /// In words, for who wrote something else.
    const EXPECTED: &'static str;

    fn read(text: &str) -> Option<Self>;
}

impl Value for bool {
    const EXPECTED: &'static str = "true or false";

    fn read(text: &str) -> Option<Self> {
        match text {
            "true" | "1" => Some(true),
            "false" | "0" | "" => Some(false),
            _ => None,
        }
    }
}

impl Value for u64 {
    const EXPECTED: &'static str = "a number";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Value for String {
    const EXPECTED: &'static str = "text";

    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Value for Vec<String> {
    const EXPECTED: &'static str = "a list";

    /// JSON, or values between commas.
    fn read(text: &str) -> Option<Self> {
        if text.starts_with('[') {
            return serde_json::from_str(text).ok();
        }
        let items = text.split(',').map(str::trim);
        Some(
            items
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }
}

/// Who says whether somebody is a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptchaProvider {
    HCaptcha,
    Turnstile,
}

impl Value for CaptchaProvider {
    const EXPECTED: &'static str = "hcaptcha or turnstile";

    fn read(text: &str) -> Option<Self> {
        match text {
            "hcaptcha" => Some(Self::HCaptcha),
            "turnstile" => Some(Self::Turnstile),
            _ => None,
        }
    }
}

impl Value for Seconds {
    const EXPECTED: &'static str = "a length of time, as 90s or 1h30m";

    fn read(text: &str) -> Option<Self> {
        if let Ok(seconds) = text.parse() {
            return Some(Self(seconds));
        }
        let (mut rest, mut total) = (text, 0_u64);
        while !rest.is_empty() {
            let digits = rest.find(|character: char| !character.is_ascii_digit())?;
            let number: u64 = rest[..digits].parse().ok()?;
            rest = &rest[digits..];
            let letters = rest
                .find(|character: char| character.is_ascii_digit())
                .unwrap_or(rest.len());
            let unit = match &rest[..letters] {
                "s" => 1,
                "m" => 60,
                "h" => 3600,
                "d" => 86_400,
                _ => return None,
            };
            total = total.checked_add(number.checked_mul(unit)?)?;
            rest = &rest[letters..];
        }
        (!text.is_empty()).then_some(Self(total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, seconds) in [
            ("0", 0),
            ("1s", 1),
            ("1m30s", 90),
            ("24h", 86_400),
            ("0h0m5s", 5),
        ] {
            assert_eq!(Seconds::read(text), Some(Seconds(seconds)), "{text}");
        }
        for text in ["", "s", "1", "1x", "h1"] {
            assert_eq!(Seconds::read(text).is_some(), text == "1", "{text}");
        }
    }
}
