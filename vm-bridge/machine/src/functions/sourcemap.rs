//! Where the places of a bundle were written: a source map, version 3.
//!
//! Source: <https://tc39.es/ecma426/>. Names and contents are not looked at.

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
struct Draft {
    version: u32,
    #[serde(default)]
    sources: Vec<Option<String>>,
    #[serde(default)]
    mappings: String,
}

/// The places of a bundle, each with where it comes from.
#[derive(Debug, Default)]
pub(super) struct SourceMap {
    sources: Vec<String>,
    /// By lines of the bundle; each line's by column.
    lines: Vec<Vec<Segment>>,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    column: u32,
    /// Source, line and column, from 0; none for what nobody wrote.
    from: Option<(u32, u32, u32)>,
}

impl SourceMap {
    /// Reads a map; `None` where it is none.
    pub(super) fn read(json: &[u8]) -> Option<Self> {
        let draft: Draft = serde_json::from_slice(json).ok()?;
        if draft.version != 3 {
            return None;
        }
        let sources = draft.sources.into_iter();
        let sources = sources
            .map(|source| tidy(&source.unwrap_or_default()))
            .collect();
        let (mut source, mut line, mut column) = (0_i64, 0_i64, 0_i64);
        let mut lines = Vec::new();
        for text in draft.mappings.split(';') {
            let (mut at, mut segments) = (0_i64, Vec::new());
            for segment in text.split(',').filter(|segment| !segment.is_empty()) {
                let numbers = numbers(segment)?;
                at += numbers.first()?;
                let from = match numbers.get(1..4) {
                    Some(&[of_source, of_line, of_column]) => {
                        source += of_source;
                        line += of_line;
                        column += of_column;
                        let number = |number: i64| u32::try_from(number).ok();
                        Some((number(source)?, number(line)?, number(column)?))
                    }
                    _ => None,
                };
                let column = u32::try_from(at).ok()?;
                segments.push(Segment { column, from });
            }
            segments.sort_by_key(|segment: &Segment| segment.column);
            lines.push(segments);
        }
        Some(Self { sources, lines })
    }

    /// Where a place of the bundle comes from; all lines and columns from 1, as stacks count them.
    pub(super) fn find(&self, line: u32, column: u32) -> Option<(&str, u32, u32)> {
        let segments = self.lines.get(line.checked_sub(1)? as usize)?;
        let column = column.checked_sub(1)?;
        let after = segments.partition_point(|segment| segment.column <= column);
        let (source, line, column) = segments.get(after.checked_sub(1)?)?.from?;
        let source = self.sources.get(source as usize)?;
        Some((source, line + 1, column + 1))
    }

    /// The same text, with each place of the bundle in it as the one that it comes from. A place begins
    /// with the bundle's name and a colon, `prefix`.
    pub(super) fn translate(&self, prefix: &str, text: &str) -> String {
        let mut translated = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(prefix) {
            let after = &rest[at + prefix.len()..];
            let place = place(after);
            let found = place.and_then(|(line, column, length)| {
                let (source, line, column) = self.find(line, column)?;
                Some((format!("{source}:{line}:{column}"), length))
            });
            translated.push_str(&rest[..at]);
            if let Some((place, length)) = found {
                translated.push_str(&place);
                rest = &after[length..];
            } else {
                translated.push_str(prefix);
                rest = after;
            }
        }
        translated.push_str(rest);
        translated
    }
}

/// `12:34…`: the two numbers, and how long they are together.
fn place(text: &str) -> Option<(u32, u32, usize)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let line = digits(text);
    let rest = text.get(line..)?.strip_prefix(':')?;
    let column = digits(rest);
    let numbers = (
        text.get(..line)?.parse().ok()?,
        rest.get(..column)?.parse().ok()?,
    );
    Some((numbers.0, numbers.1, line + 1 + column))
}

/// A source as its author knows it: without the ways up from the bundle's folder.
fn tidy(source: &str) -> String {
    let mut source = source;
    while let Some(rest) = source
        .strip_prefix("../")
        .or_else(|| source.strip_prefix("./"))
    {
        source = rest;
    }
    source.strip_prefix("source/").unwrap_or(source).to_owned()
}

/// The numbers of a segment, in base 64 with five bits a digit, the lowest first; the very lowest is
/// the sign.
fn numbers(segment: &str) -> Option<Vec<i64>> {
    let (mut numbers, mut number, mut shift) = (Vec::new(), 0_i64, 0_u32);
    for byte in segment.bytes() {
        let digit = i64::from(match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        });
        if shift > 30 {
            return None;
        }
        number |= (digit & 31) << shift;
        if digit & 32 == 0 {
            let size = number >> 1;
            numbers.push(if number & 1 == 1 { -size } else { size });
            (number, shift) = (0, 0);
        } else {
            shift += 5;
        }
    }
    (shift == 0).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What esbuild 0.28 makes of `index.ts`, `function boom(): never {⏎  throw new Error('no')⏎}⏎boom()⏎`, in one line
    /// after a first one.
    const MAP: &str = r#"{"version":3,"sources":["../source/index.ts"],"sourcesContent":[""],"mappings":";AAAA,SAAS,OAAc;AACrB,QAAM,IAAI,MAAM,IAAI;AACtB;AACA,KAAK;","names":[]}"#;

    #[test]
    fn places_are_found() {
        let map = SourceMap::read(MAP.as_bytes()).unwrap();
        assert_eq!(map.find(2, 1), Some(("index.ts", 1, 1)));
        assert_eq!(map.find(3, 9), Some(("index.ts", 2, 9)));
        assert_eq!(map.find(3, 10), Some(("index.ts", 2, 9)));
        assert_eq!(map.find(5, 1), Some(("index.ts", 4, 1)));
        for nowhere in [(0, 0), (1, 1), (2, 0), (9, 1)] {
            assert_eq!(map.find(nowhere.0, nowhere.1), None, "{nowhere:?}");
        }
    }

    #[test]
    fn texts_are_translated() {
        let map = SourceMap::read(MAP.as_bytes()).unwrap();
        let table = [
            (
                "Error: no\n    at boom (bundle/index.js:3:9)\n    at bundle/index.js:5:1",
                "Error: no\n    at boom (index.ts:2:9)\n    at index.ts:4:1",
            ),
            (
                "bundle/index.js:99:1 and bundle/index.js:x",
                "bundle/index.js:99:1 and bundle/index.js:x",
            ),
            ("bundle/index.js:", "bundle/index.js:"),
            (
                "bundle/index.js:3:99999999999",
                "bundle/index.js:3:99999999999",
            ),
            ("nothing", "nothing"),
        ];
        for (text, expected) in table {
            assert_eq!(map.translate("bundle/index.js:", text), expected);
        }
    }

    #[test]
    fn what_is_no_map_is_none() {
        let table = [
            "",
            "{}",
            r#"{"version":2,"mappings":""}"#,
            r#"{"version":3,"mappings":"!"}"#,
            r#"{"version":3,"mappings":"g"}"#,
            r#"{"version":3,"mappings":"gggggggggggggggA"}"#,
            r#"{"version":3,"mappings":"DAAA"}"#,
        ];
        for text in table {
            assert!(SourceMap::read(text.as_bytes()).is_none(), "{text}");
        }
    }
}
