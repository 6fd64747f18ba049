//! What a runner says of its failures, kept so that the end of a long run can tell it again.

use std::collections::VecDeque;

/// Lines kept of a runner that fails without a list of its failures.
const RECENT: usize = 40;

/// Lines kept of a list of failures.
const LISTED: usize = 120;

/// Reads a runner's output.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    recent: VecDeque<String>,
    listed: Vec<String>,
    listing: bool,
}

impl Trouble {
    pub(crate) fn read(&mut self, line: &str) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(line.to_owned());
        // Cargo writes one list a program, Node's spec reporter one at its end.
        if line == "failures:" || line == "✖ failing tests:" {
            self.listing = true;
        } else if line.starts_with("test result: ") {
            self.listing = false;
        }
        if self.listing && self.listed.len() < LISTED && !line.trim().is_empty() {
            self.listed.push(line.to_owned());
        }
    }

    /// Prints a line of ours that says what failed, and keeps it.
    pub(crate) fn say(&mut self, line: &str) {
        println!("{line}");
        self.read(line);
    }

    /// The list of failures, or the last lines where there was none.
    pub(crate) fn lines(self) -> Vec<String> {
        if self.listed.is_empty() {
            self.recent.into()
        } else {
            self.listed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Vec<String> {
        let mut trouble = Trouble::default();
        for line in lines {
            trouble.read(line);
        }
        trouble.lines()
    }

    #[test]
    fn a_list_of_failures_is_kept() {
        let cargo = [
            "running 2 tests",
            "failures:",
            "",
            "---- a stdout ----",
            "failures:",
            "    a",
            "test result: FAILED. 1 passed; 1 failed",
            "running 0 tests",
        ];
        assert_eq!(
            read(&cargo),
            ["failures:", "---- a stdout ----", "failures:", "    a"]
        );
        let node = ["✔ adds (1.2ms)", "ℹ fail 1", "✖ failing tests:", "✖ takes"];
        assert_eq!(read(&node), ["✖ failing tests:", "✖ takes"]);
    }

    #[test]
    fn without_a_list_the_last_lines_are() {
        let many: Vec<String> = (0..100).map(|line| line.to_string()).collect();
        let lines = read(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(lines.len(), RECENT);
        assert_eq!(lines.last().map(String::as_str), Some("99"));
    }
}
