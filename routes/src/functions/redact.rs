//! Takes secrets out of what functions say.

use serde_json::json;

/// What stands in a secret's place.
const REDACTED: &str = "[redacted]";
/// Values that are shorter are words like any other, and taking them out would hide nothing but sense.
const SHORTEST: usize = 4;

/// Takes out a set of values, in whichever way a program prints them: as they are, as JSON has them, and
/// line by line.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    /// The longest first, so that no part of one is left behind.
    values: Vec<String>,
}

impl Redactor {
    pub fn new(values: impl IntoIterator<Item = String>) -> Self {
        let mut all = Vec::new();
        for value in values {
            let json = json!(value).to_string();
            all.push(json[1..json.len() - 1].to_owned());
            all.extend(value.lines().map(|line| line.trim().to_owned()));
            all.push(value);
        }
        all.retain(|value| value.len() >= SHORTEST);
        all.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        all.dedup();
        Self { values: all }
    }

    pub fn apply(&self, text: &mut String) {
        for value in &self.values {
            if text.contains(value.as_str()) {
                *text = text.replace(value.as_str(), REDACTED);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_left_in_whichever_way_it_is_printed() {
        let values = ["hunter22", "hunter22-and-more", "a\"b\nsecond line", "on"];
        let redactor = Redactor::new(values.map(str::to_owned));
        let cases = [
            ("key=hunter22", "key=[redacted]"),
            ("hunter22-and-more!", "[redacted]!"),
            ("hunter22hunter22", "[redacted][redacted]"),
            (r#"{"x":"a\"b\nsecond line"}"#, r#"{"x":"[redacted]"}"#),
            ("a\"b\nsecond line", "[redacted]"),
            ("only the second line", "only the [redacted]"),
            ("switch it on", "switch it on"),
            ("", ""),
        ];
        for (text, expected) in cases {
            let mut text = text.to_owned();
            redactor.apply(&mut text);
            assert_eq!(text, expected);
        }
    }
}
