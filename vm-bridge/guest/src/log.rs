//! What an app writes, as lines: cut, limited, and the newest kept.

use std::collections::VecDeque;

use control::{LINE, LINES_KEPT, Line, Stream};

use crate::life::Millis;

/// Lines and bytes a second that are kept of one app in the long run, and how much at once.
const LINES_PER_SECOND: u64 = 200;
const LINES_AT_ONCE: u64 = 1_000;
const BYTES_PER_SECOND: u64 = 128 * 1024;
const BYTES_AT_ONCE: u64 = 512 * 1024;

/// The log of one app.
#[derive(Debug)]
pub(crate) struct Log {
    output: Vec<u8>,
    error: Vec<u8>,
    lines: Budget,
    bytes: Budget,
    dropped: u32,
    kept: VecDeque<Line>,
}

impl Log {
    pub(crate) fn new(now: Millis) -> Self {
        Self {
            output: Vec::new(),
            error: Vec::new(),
            lines: Budget::new(LINES_PER_SECOND, LINES_AT_ONCE, now),
            bytes: Budget::new(BYTES_PER_SECOND, BYTES_AT_ONCE, now),
            dropped: 0,
            kept: VecDeque::new(),
        }
    }

    /// The app wrote bytes. The lines they complete, `wall` being the time of day in Unix
    /// milliseconds; fewer where there are too many.
    pub(crate) fn write(
        &mut self,
        stream: Stream,
        bytes: &[u8],
        now: Millis,
        wall: u64,
    ) -> Vec<Line> {
        let mut came = Vec::new();
        let mut rest = std::mem::take(self.waiting(stream));
        rest.extend_from_slice(bytes);
        let mut begin = 0;
        while let Some((line, next)) = first_line(&rest[begin..]) {
            self.take(stream, line, now, wall, &mut came);
            begin += next;
        }
        rest.drain(..begin);
        *self.waiting(stream) = rest;
        came
    }

    /// The app's process ended: what it wrote last is a line even without an end.
    pub(crate) fn end(&mut self, now: Millis, wall: u64) -> Vec<Line> {
        let mut came = Vec::new();
        for stream in [Stream::Output, Stream::Error] {
            let rest = std::mem::take(self.waiting(stream));
            if !rest.is_empty() {
                self.take(stream, &rest, now, wall, &mut came);
            }
        }
        came
    }

    /// The agent has something to say about the app. That is never dropped.
    pub(crate) fn say(&mut self, text: String, wall: u64) -> Line {
        let line = Line {
            at: wall,
            stream: Stream::Agent,
            text,
            dropped: std::mem::take(&mut self.dropped),
        };
        self.keep(&line);
        line
    }

    /// Whether more is written than is kept: the writer may be left waiting for a while.
    pub(crate) fn is_flooded(&self) -> bool {
        self.dropped > 0
    }

    /// The newest lines, oldest first: `tail` at most, and no more than `bytes` of text.
    pub(crate) fn tail(&self, tail: usize, bytes: usize) -> Vec<Line> {
        let mut room = bytes;
        let mut lines: Vec<Line> = self
            .kept
            .iter()
            .rev()
            .take(tail)
            .take_while(|line| {
                let weight = line.text.len() + 32;
                let fits = weight <= room;
                room = room.saturating_sub(weight);
                fits
            })
            .cloned()
            .collect();
        lines.reverse();
        lines
    }

    fn waiting(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Output => &mut self.output,
            Stream::Error | Stream::Agent => &mut self.error,
        }
    }

    fn take(&mut self, stream: Stream, line: &[u8], now: Millis, wall: u64, came: &mut Vec<Line>) {
        let weight = line.len() as u64;
        if !self.lines.has(1, now) || !self.bytes.has(weight, now) {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.lines.spend(1);
        self.bytes.spend(weight);
        let line = Line {
            at: wall,
            stream,
            text: String::from_utf8_lossy(line).into_owned(),
            dropped: std::mem::take(&mut self.dropped),
        };
        self.keep(&line);
        came.push(line);
    }

    fn keep(&mut self, line: &Line) {
        if self.kept.len() == LINES_KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(line.clone());
    }
}

/// The first line in the bytes, and where the next one begins; a long line is cut between
/// characters.
fn first_line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let head = &bytes[..bytes.len().min(LINE + 1)];
    if let Some(end) = head.iter().position(|&byte| byte == b'\n') {
        let line = &bytes[..end];
        return Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1));
    }
    if bytes.len() <= LINE {
        return None;
    }
    let continues = |byte: u8| byte & 0b1100_0000 == 0b1000_0000;
    let mut end = LINE;
    while end > LINE - 3 && continues(bytes[end]) {
        end -= 1;
    }
    Some((&bytes[..end], end))
}

/// So much a second, and so much at once.
#[derive(Debug)]
struct Budget {
    per_second: u64,
    at_once: u64,
    /// In thousandths.
    left: u64,
    counted: Millis,
}

impl Budget {
    fn new(per_second: u64, at_once: u64, now: Millis) -> Self {
        Self {
            per_second,
            at_once,
            left: at_once * 1_000,
            counted: now,
        }
    }

    fn has(&mut self, amount: u64, now: Millis) -> bool {
        let passed = now.saturating_sub(self.counted);
        self.counted = now;
        let more = passed.saturating_mul(self.per_second);
        self.left = self.left.saturating_add(more).min(self.at_once * 1_000);
        self.left >= amount * 1_000
    }

    fn spend(&mut self, amount: u64) {
        self.left = self.left.saturating_sub(amount * 1_000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn bytes_become_lines_however_they_come() {
        let all = b"one\r\n\ntwo\nh\xc3\xa9\xff\nrest";
        for cut in 0..=all.len() {
            let mut log = Log::new(0);
            let mut lines = log.write(Stream::Output, &all[..cut], 0, 5);
            lines.extend(log.write(Stream::Output, &all[cut..], 0, 6));
            assert_eq!(texts(&lines), ["one", "", "two", "h\u{e9}\u{fffd}"]);
            lines = log.end(0, 7);
            assert_eq!(texts(&lines), ["rest"]);
            assert_eq!(lines[0].at, 7);
            assert_eq!(log.tail(10, 10_000).len(), 5);
        }
    }

    #[test]
    fn the_two_streams_do_not_mix() {
        let mut log = Log::new(0);
        assert_eq!(log.write(Stream::Output, b"out", 0, 0), []);
        assert_eq!(log.write(Stream::Error, b"err", 0, 0), []);
        let lines = log.write(Stream::Output, b"put\n", 0, 0);
        assert_eq!(texts(&lines), ["output"]);
        let lines = log.end(0, 0);
        assert_eq!(texts(&lines), ["err"]);
        assert_eq!(lines[0].stream, Stream::Error);
    }

    #[test]
    fn a_long_line_comes_in_parts() {
        for shift in 0..4 {
            let text = format!("{}{}", "x".repeat(shift), "€".repeat(LINE));
            let mut log = Log::new(0);
            let mut lines = log.write(Stream::Output, text.as_bytes(), 0, 0);
            lines.extend(log.end(0, 0));
            assert!(lines.iter().all(|line| line.text.len() <= LINE));
            assert_eq!(texts(&lines).concat(), text);
        }
    }

    #[test]
    fn a_flood_is_dropped_and_counted() {
        let mut log = Log::new(0);
        let flood = b"x\n".repeat(10_000);
        let lines = log.write(Stream::Output, &flood, 0, 0);
        assert_eq!(lines.len() as u64, LINES_AT_ONCE);
        assert!(log.is_flooded());
        let lines = log.write(Stream::Output, b"later\n", 1_000, 0);
        assert_eq!(lines[0].dropped, 9_000);
        assert!(!log.is_flooded());
        let lines = log.write(Stream::Output, &flood, 1_000, 0);
        assert_eq!(lines.len() as u64, LINES_PER_SECOND - 1);
        let said = log.say("it ended".to_owned(), 0);
        assert_eq!(u64::from(said.dropped), 10_000 - (LINES_PER_SECOND - 1));
    }

    #[test]
    fn a_flood_of_long_lines_is_one_too() {
        let mut log = Log::new(0);
        let mut line = vec![b'x'; LINE - 1];
        line.push(b'\n');
        let lines = log.write(Stream::Output, &line.repeat(200), 0, 0);
        assert!(lines.len() < 70, "{}", lines.len());
    }

    #[test]
    fn the_newest_lines_are_kept() {
        let mut log = Log::new(0);
        for number in 0..LINES_KEPT * 3 {
            let now = number as u64 * 100;
            log.write(Stream::Output, format!("{number}\n").as_bytes(), now, now);
        }
        let tail = log.tail(usize::MAX, usize::MAX);
        assert_eq!(tail.len(), LINES_KEPT);
        assert_eq!(tail[0].text, (LINES_KEPT * 2).to_string());
        assert_eq!(texts(&log.tail(2, usize::MAX)), ["1498", "1499"]);
        assert_eq!(texts(&log.tail(9, 80)), ["1498", "1499"]);
    }
}
