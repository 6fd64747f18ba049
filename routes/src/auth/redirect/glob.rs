//! Patterns of addresses, as the allow-list has them.
//!
//! `*` is any run of characters without the separators `.` and `/`, `**` any run at all, `?` one
//! character that is no separator, `[abc]`, `[a-z]` and `[!abc]` one of a class, `{a,b}` one of
//! several patterns, `\` takes the next character as it is.
//! <https://supabase.com/docs/guides/auth/redirect-urls#use-wildcards-in-redirect-urls>

const SEPARATORS: [char; 2] = ['.', '/'];
/// Alternatives multiply; more than this many patterns are nothing that anybody wrote on purpose.
const LIMIT: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Character(char),
    /// `?`
    One,
    /// `*`
    Run,
    /// `**`
    Any,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// A pattern that can be matched: each of its alternatives written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<Vec<Token>>);

impl Glob {
    /// Reads a pattern; `None` where a bracket or a brace does not end.
    pub fn parse(pattern: &str) -> Option<Self> {
        let characters: Vec<char> = pattern.chars().collect();
        let mut at = 0;
        let alternatives = sequence(&characters, &mut at, false)?;
        (at == characters.len()).then_some(Self(alternatives))
    }

    /// Whether all of `text` is what the pattern means.
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        self.0.iter().any(|tokens| is_match(tokens, &text))
    }
}

/// Reads up to the end, or inside braces up to the comma or the brace that ends it.
fn sequence(pattern: &[char], at: &mut usize, in_braces: bool) -> Option<Vec<Vec<Token>>> {
    let mut found: Vec<Vec<Token>> = vec![Vec::new()];
    while let Some(&character) = pattern.get(*at) {
        if in_braces && (character == ',' || character == '}') {
            break;
        }
        *at += 1;
        let token = match character {
            '?' => Token::One,
            '*' if pattern.get(*at) == Some(&'*') => {
                while pattern.get(*at) == Some(&'*') {
                    *at += 1;
                }
                Token::Any
            }
            '*' => Token::Run,
            '[' => class(pattern, at)?,
            '\\' => {
                let escaped = *pattern.get(*at)?;
                *at += 1;
                Token::Character(escaped)
            }
            '{' => {
                let mut choices = Vec::new();
                loop {
                    choices.extend(sequence(pattern, at, true)?);
                    let end = *pattern.get(*at)?;
                    *at += 1;
                    if end == '}' {
                        break;
                    }
                }
                if found.len() * choices.len() > LIMIT {
                    return None;
                }
                let joined = |before: &Vec<Token>| {
                    let before = before.clone();
                    choices
                        .iter()
                        .map(move |choice| [before.clone(), choice.clone()].concat())
                        .collect::<Vec<_>>()
                };
                found = found.iter().flat_map(joined).collect();
                continue;
            }
            other => Token::Character(other),
        };
        for tokens in &mut found {
            tokens.push(token.clone());
        }
    }
    Some(found)
}

fn class(pattern: &[char], at: &mut usize) -> Option<Token> {
    let negated = matches!(pattern.get(*at), Some('!' | '^'));
    *at += usize::from(negated);
    let mut ranges = Vec::new();
    loop {
        let mut first = *pattern.get(*at)?;
        *at += 1;
        match first {
            ']' if !ranges.is_empty() => return Some(Token::Class { negated, ranges }),
            '\\' => {
                first = *pattern.get(*at)?;
                *at += 1;
            }
            _ => {}
        }
        let is_range = pattern.get(*at) == Some(&'-') && pattern.get(*at + 1) != Some(&']');
        let last = if is_range {
            let last = *pattern.get(*at + 1)?;
            *at += 2;
            last
        } else {
            first
        };
        ranges.push((first, last));
    }
}

/// Goes through the text once for each token: which positions may be reached so far. Time is the
/// product of both lengths, whatever the pattern.
fn is_match(tokens: &[Token], text: &[char]) -> bool {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for token in tokens {
        let mut next = vec![false; text.len() + 1];
        match token {
            Token::Run | Token::Any => {
                let mut open = false;
                for at in 0..=text.len() {
                    let passes =
                        *token == Token::Any || at > 0 && !SEPARATORS.contains(&text[at - 1]);
                    open = reached[at] || open && passes;
                    next[at] = open;
                }
            }
            Token::Character(_) | Token::One | Token::Class { .. } => {
                for (at, &character) in text.iter().enumerate() {
                    next[at + 1] = reached[at] && is_one(token, character);
                }
            }
        }
        reached = next;
    }
    reached[text.len()]
}

fn is_one(token: &Token, character: char) -> bool {
    match token {
        Token::Character(expected) => *expected == character,
        Token::One => !SEPARATORS.contains(&character),
        Token::Class { negated, ranges } => {
            let within = |&(first, last): &(char, char)| (first..=last).contains(&character);
            ranges.iter().any(within) != *negated
        }
        Token::Run | Token::Any => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_they_mean() {
        for (pattern, matching, others) in [
            (
                "http://a.test/b",
                &["http://a.test/b"][..],
                &["http://a.test/", "http://a.test/bc", ""][..],
            ),
            (
                "http://localhost:3000/*",
                &["http://localhost:3000/foo", "http://localhost:3000/"],
                &[
                    "http://localhost:3000/foo/bar",
                    "http://localhost:3000/foo.html",
                ],
            ),
            (
                "http://localhost:3000/**",
                &[
                    "http://localhost:3000/foo/bar.html?a=b",
                    "http://localhost:3000/",
                ],
                &["http://localhost:3000"],
            ),
            (
                "http://127.0.0.1:*/callback",
                &["http://127.0.0.1:81/callback"],
                &["http://127.0.0.1:8.1/callback"],
            ),
            (
                "http://localhost:3000/?",
                &["http://localhost:3000/a"],
                &[
                    "http://localhost:3000/ab",
                    "http://localhost:3000//",
                    "http://localhost:3000/",
                ],
            ),
            (
                "http://localhost:3000/[!a-z]",
                &["http://localhost:3000/1", "http://localhost:3000/A"],
                &["http://localhost:3000/b"],
            ),
            ("x[]-]y", &["x]y", "x-y"], &["xay"]),
            (
                "https://*-team.vercel.app/**",
                &["https://x-team.vercel.app/a/b"],
                &[
                    "https://x.y-team.vercel.app/a",
                    "https://evil.test/-team.vercel.app/",
                ],
            ),
            (
                "{http,https}://{a,b}.test",
                &["http://a.test", "https://b.test"],
                &["ftp://a.test", "http://.test"],
            ),
            (
                "com.app.{x,y*}://",
                &["com.app.x://", "com.app.yz://"],
                &["com.app.y.z://"],
            ),
            (r"a\*", &["a*"], &["ab", r"a\b"]),
            ("**", &["", "a/b.c"], &[]),
            ("", &[""], &["a"]),
        ] {
            let glob = Glob::parse(pattern).unwrap();
            for text in matching {
                assert!(glob.matches(text), "{pattern} {text}");
            }
            for text in others {
                assert!(!glob.matches(text), "{pattern} {text}");
            }
        }
    }

    #[test]
    fn patterns_that_do_not_end_are_none() {
        for pattern in ["[", "[a", "[]", "{a", "{a,", r"a\", &"{a,b}".repeat(9)] {
            assert_eq!(Glob::parse(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn a_long_pattern_takes_no_long_time() {
        let glob = Glob::parse(&"**a".repeat(200)).unwrap();
        assert!(!glob.matches(&"a".repeat(199)));
        assert!(glob.matches(&"ba".repeat(400)));
    }
}
