//! The name that was probably meant: nearest by letters among those that share a run of letters.

use std::collections::BTreeSet;

/// The least likeness of a hint that names tables or functions: nearly the same word.
pub(crate) const STRICT: f64 = 0.75;
/// The least likeness of other hints.
pub(crate) const LENIENT: f64 = 0.33;

/// The candidate most like `name`, if it is at least `least` like it (1 is the same word).
pub(crate) fn best<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
    least: f64,
) -> Option<String> {
    let wanted = name.to_lowercase();
    let mut candidates: Vec<(&str, String)> = candidates
        .map(|candidate| (candidate, candidate.to_lowercase()))
        .collect();
    if let Some((exact, _)) = candidates.iter().find(|(_, lower)| *lower == wanted) {
        return Some((*exact).to_owned());
    }
    // Names come out of hash maps; without an order a tie would be told apart by chance.
    candidates.sort_unstable();
    [3, 2].into_iter().find_map(|size| {
        let grams = grams(&wanted, size);
        candidates
            .iter()
            .filter(|(_, lower)| !grams.is_disjoint(&self::grams(lower, size)))
            .map(|(candidate, lower)| (likeness(&wanted, lower), *candidate))
            .filter(|(likeness, _)| *likeness >= least)
            .max_by(|(left, _), (right, _)| left.total_cmp(right))
            .map(|(_, candidate)| candidate.to_owned())
    })
}

/// As [`best`], but says nothing where the very name is among the candidates: then it was not
/// the name that failed.
pub(crate) fn best_inexact<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
    least: f64,
) -> Option<String> {
    best(name, candidates, least).filter(|found| found.to_lowercase() != name.to_lowercase())
}

/// Runs of `size` letters, with the word's ends marked.
fn grams(word: &str, size: usize) -> BTreeSet<String> {
    let letters: Vec<char> = std::iter::once('-')
        .chain(
            word.chars()
                .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | ',')),
        )
        .chain(std::iter::once('-'))
        .collect();
    letters
        .windows(size)
        .map(|window| window.iter().collect())
        .collect()
}

/// 1 less the share of letters that must change to turn one word into the other.
#[expect(
    clippy::cast_precision_loss,
    reason = "names have far fewer letters than a float counts exactly"
)]
fn likeness(left: &str, right: &str) -> f64 {
    let longest = left.chars().count().max(right.chars().count());
    if longest == 0 {
        return 1.0;
    }
    1.0 - distance(left, right) as f64 / longest as f64
}

/// Levenshtein's distance, one row of the table at a time.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, from) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, to) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_word_that_was_meant() {
        let tables = ["projects", "clients", "tasks", "users"];
        let of = |name| best(name, tables.into_iter(), STRICT);
        assert_eq!(of("project").as_deref(), Some("projects"));
        assert_eq!(of("Tasks").as_deref(), Some("tasks"));
        assert_eq!(of("noclosealternative"), None);
        assert_eq!(
            best("role", ["roles", "actors"].into_iter(), LENIENT).as_deref(),
            Some("roles")
        );
        assert_eq!(
            best_inexact("roles", ["roles", "role"].into_iter(), LENIENT),
            None
        );
    }

    #[test]
    fn counts_letters_that_change() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
