//! How many tests passed: read from the closing lines of each runner.

use std::fmt;
use std::ops::AddAssign;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Count {
    pub(crate) fn of_check(passed: bool) -> Self {
        Self {
            passed: usize::from(passed),
            failed: usize::from(!passed),
            skipped: 0,
        }
    }

    pub(crate) fn skipped(skipped: usize) -> Self {
        Self {
            skipped,
            ..Self::default()
        }
    }

    /// Adds what a line says, if it is a runner's closing line.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(found) = cargo_line(line)
            .or_else(|| node_line(line))
            .or_else(|| plain_line(line))
        {
            *self += found;
        }
    }

    /// A runner that failed without naming a failed test, or ran nothing, has failed once.
    pub(crate) fn with_status(mut self, success: bool) -> Self {
        if (!success && self.failed == 0) || self == Self::default() {
            self.failed = 1;
        }
        self
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

/// `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s`
fn cargo_line(line: &str) -> Option<Count> {
    let rest = line.trim_start().strip_prefix("test result: ")?;
    let figure = |word: &str| {
        rest.split([';', '.'])
            .find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok())
    };
    Some(Count {
        passed: figure(" passed")?,
        failed: figure(" failed")?,
        skipped: figure(" ignored")?,
    })
}

/// `ℹ pass 12`, one figure a line, from Node's spec reporter.
fn node_line(line: &str) -> Option<Count> {
    let (word, figure) = line.strip_prefix("ℹ ")?.split_once(' ')?;
    let figure = figure.trim().parse().ok()?;
    let mut count = Count::default();
    match word {
        "pass" => count.passed = figure,
        "fail" | "cancelled" => count.failed = figure,
        "skipped" | "todo" => count.skipped = figure,
        _ => return None,
    }
    Some(count)
}

/// `12 passed, 0 failed, 1 skipped`
fn plain_line(line: &str) -> Option<Count> {
    let mut parts = line.split(", ");
    let mut figure = |word: &str| parts.next()?.strip_suffix(word)?.parse().ok();
    let count = Count {
        passed: figure(" passed")?,
        failed: figure(" failed")?,
        skipped: figure(" skipped")?,
    };
    parts.next().is_none().then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> String {
        let mut count = Count::default();
        for line in lines.lines() {
            count.read(line);
        }
        count.to_string()
    }

    #[test]
    fn each_runner_is_understood() {
        let cargo = "running 2 tests\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s\n   Doc-tests routes\ntest result: FAILED. 3 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s";
        assert_eq!(read(cargo), "5 passed, 4 failed, 1 skipped");
        let node = "✔ adds (1.2ms)\nℹ tests 7\nℹ suites 1\nℹ pass 3\nℹ fail 1\nℹ cancelled 1\nℹ skipped 1\nℹ todo 1\nℹ duration_ms 74.1";
        assert_eq!(read(node), "3 passed, 2 failed, 2 skipped");
        assert_eq!(
            read("  12/14 QuerySpec\n460 passed, 305 failed, 0 skipped"),
            "460 passed, 305 failed, 0 skipped"
        );
        assert_eq!(
            read("1 passed, and more\n2 passed, 3 failed"),
            "0 passed, 0 failed, 0 skipped"
        );
    }

    #[test]
    fn a_runner_that_dies_or_runs_nothing_has_failed() {
        let failed = |count: Count, success| count.with_status(success).failed;
        let some = Count {
            passed: 3,
            ..Count::default()
        };
        assert_eq!(failed(some, true), 0);
        assert_eq!(failed(some, false), 1);
        assert_eq!(failed(Count::default(), true), 1);
        assert_eq!(failed(Count { failed: 2, ..some }, false), 2);
    }
}
