//! The workspace's Rust sources as words and strings: no comments, no tests.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ is in the checkout")
}

/// A place in the sources, as `routes/src/table.rs:81`.
pub(crate) type Place = String;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// A path without its generics, `std::time::Instant`, or one name.
    Name(String),
    Text(String),
}

/// The Rust files under a folder of the checkout, tests left out.
pub(crate) fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(&root().join(folder), "rs", &mut found);
    found.retain(|file| !is_test(file));
    assert!(!found.is_empty(), "no Rust sources in {folder}");
    found
}

pub(crate) fn collect(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

fn is_test(file: &Path) -> bool {
    file.components()
        .any(|component| matches!(component.as_os_str().to_str(), Some("tests" | "tests.rs")))
        && file
            .strip_prefix(root())
            .is_ok_and(|file| !file.starts_with("tests"))
}

/// A file's place in the checkout, with forward slashes.
pub(crate) fn name(file: &Path) -> String {
    file.strip_prefix(root())
        .unwrap_or(file)
        .to_string_lossy()
        .replace('\\', "/")
}

/// What a file says, outside comments and `#[cfg(test)]`.
pub(crate) fn words(file: &Path) -> Vec<(Place, Word)> {
    let text =
        std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let tokens =
        TokenStream::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut words = Vec::new();
    read(tokens, &mut |line, word| {
        words.push((format!("{}:{line}", name(file)), word));
    });
    words
}

fn read(tokens: TokenStream, found: &mut impl FnMut(usize, Word)) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Punct(mark) if mark.as_char() == '#' => {
                if let Some(end) = attribute(&tokens, at) {
                    let words = attribute_words(&tokens[end - 1]);
                    at = if words == ["cfg", "test"] {
                        item_end(&tokens, end)
                    } else {
                        end
                    };
                    continue;
                }
                at += 1;
            }
            TokenTree::Ident(first) => {
                let line = first.span().start().line;
                let mut path = first.to_string();
                at += 1;
                while let [
                    TokenTree::Punct(a),
                    TokenTree::Punct(b),
                    TokenTree::Ident(next),
                    ..,
                ] = &tokens[at..]
                {
                    if a.as_char() != ':' || a.spacing() != Spacing::Joint || b.as_char() != ':' {
                        break;
                    }
                    path.push_str("::");
                    path.push_str(&next.to_string());
                    at += 3;
                }
                found(line, Word::Name(path));
            }
            TokenTree::Group(group) => {
                read(group.stream(), found);
                at += 1;
            }
            TokenTree::Literal(literal) => {
                let written = literal.to_string();
                if !written.starts_with('\'')
                    && let Some((_, text)) = written.split_once('"')
                    && let Some((text, _)) = text.rsplit_once('"')
                {
                    let line = literal.span().start().line;
                    found(line, Word::Text(text.to_owned()));
                }
                at += 1;
            }
            TokenTree::Punct(_) => at += 1,
        }
    }
}

/// The index after `#[…]` or `#![…]`, which doc comments become too.
fn attribute(tokens: &[TokenTree], at: usize) -> Option<usize> {
    let bang = matches!(tokens.get(at + 1), Some(TokenTree::Punct(mark)) if mark.as_char() == '!');
    let group = at + 1 + usize::from(bang);
    matches!(tokens.get(group), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket)
        .then_some(group + 1)
}

fn attribute_words(group: &TokenTree) -> Vec<String> {
    let TokenTree::Group(group) = group else {
        return Vec::new();
    };
    let mut words = Vec::new();
    for token in group.stream() {
        match token {
            TokenTree::Ident(word) => words.push(word.to_string()),
            inner @ TokenTree::Group(_) => words.extend(attribute_words(&inner)),
            _ => {}
        }
    }
    words
}

/// The index after the item that starts here: its block, or its semicolon.
fn item_end(tokens: &[TokenTree], from: usize) -> usize {
    tokens[from..]
        .iter()
        .position(|token| match token {
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            TokenTree::Punct(mark) => mark.as_char() == ';',
            _ => false,
        })
        .map_or(tokens.len(), |length| from + length + 1)
}

#[test]
fn comments_and_tests_are_no_words() {
    let source = r#"
        //! "/rest/v1" unsafe
        use std::time::Instant; // "no"
        /// "neither"
        fn path() -> &'static str { let _ = ('"', b'"'); r"/rest/v1" }
        #[cfg(test)]
        mod tests { fn f() { let _ = "/storage/v1"; } }
        const AFTER: &str = "after";
    "#;
    let mut words = Vec::new();
    read(TokenStream::from_str(source).unwrap(), &mut |line, word| {
        words.push((line, word));
    });
    assert!(words.contains(&(3, Word::Name("std::time::Instant".to_owned()))));
    let texts: Vec<_> = words
        .iter()
        .filter_map(|(_, word)| match word {
            Word::Text(text) => Some(text.as_str()),
            Word::Name(_) => None,
        })
        .collect();
    assert_eq!(texts, ["/rest/v1", "after"]);
}
