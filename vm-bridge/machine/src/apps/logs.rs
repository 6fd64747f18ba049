//! What an app wrote, as far as it is kept.

use std::collections::VecDeque;

use control::{Line, Stream};
use serde_json::{Value, json};

/// Lines that are kept of each app.
const KEPT: usize = 1_000;

/// The newest lines, counted from the first that ever was.
#[derive(Debug, Default)]
pub struct Logs {
    lines: VecDeque<Line>,
    /// Lines that are not kept any more.
    gone: u64,
}

impl Logs {
    pub fn push(&mut self, lines: Vec<Line>) {
        for line in lines {
            if self.lines.len() == KEPT {
                self.lines.pop_front();
                self.gone += 1;
            }
            self.lines.push_back(line);
        }
    }

    /// The newest lines, oldest first.
    pub fn tail(&self, count: usize) -> Vec<Line> {
        let skipped = self.lines.len().saturating_sub(count);
        self.lines.iter().skip(skipped).cloned().collect()
    }

    /// How many lines there ever were.
    pub fn end(&self) -> u64 {
        self.gone + self.lines.len() as u64
    }

    /// The lines from the `seen`th on, as far as they are kept.
    pub fn since(&self, seen: u64) -> Vec<Line> {
        let skipped = usize::try_from(seen.saturating_sub(self.gone)).unwrap_or(usize::MAX);
        self.lines.iter().skip(skipped).cloned().collect()
    }
}

/// A line for whoever reads it.
pub fn to_json(line: &Line) -> Value {
    let stream = match line.stream {
        Stream::Output => "stdout",
        Stream::Error => "stderr",
        Stream::Agent => "agent",
    };
    let mut json = json!({"at": line.at, "stream": stream, "line": line.text});
    if line.dropped > 0 {
        json["dropped"] = line.dropped.into();
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64) -> Line {
        Line {
            at: number,
            stream: Stream::Output,
            text: number.to_string(),
            dropped: 0,
        }
    }

    #[test]
    fn the_newest_lines_are_kept() {
        let mut logs = Logs::default();
        assert_eq!((logs.end(), logs.tail(9).len()), (0, 0));
        logs.push((0..KEPT as u64 + 10).map(line).collect());
        assert_eq!(logs.end(), KEPT as u64 + 10);
        assert_eq!(logs.tail(2), [line(KEPT as u64 + 8), line(KEPT as u64 + 9)]);
        assert_eq!(logs.tail(usize::MAX).len(), KEPT);
        assert_eq!(logs.since(KEPT as u64 + 9), [line(KEPT as u64 + 9)]);
        assert_eq!(logs.since(KEPT as u64 + 10), []);
        // What is gone cannot be told any more.
        assert_eq!(logs.since(0)[0], line(10));
    }
}
