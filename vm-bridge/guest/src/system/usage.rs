//! What /proc says: memory, load, who listens.

use std::fs;

/// Used and total bytes of memory.
pub(crate) fn memory() -> (u64, u64) {
    fs::read_to_string("/proc/meminfo").map_or((0, 0), |text| memory_in(&text))
}

fn memory_in(text: &str) -> (u64, u64) {
    let kibibytes = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
            .and_then(|value| value.trim().strip_suffix(" kB")?.parse::<u64>().ok())
            .unwrap_or(0)
            * 1024
    };
    let total = kibibytes("MemTotal");
    (total.saturating_sub(kibibytes("MemAvailable")), total)
}

/// The load average over a minute, in hundredths.
pub(crate) fn load() -> u32 {
    fs::read_to_string("/proc/loadavg").map_or(0, |text| load_in(&text))
}

fn load_in(text: &str) -> u32 {
    let first = text.split(' ').next().unwrap_or_default();
    let digits: String = first.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// Since the machine started: for how long, and for how much of that its processor had nothing to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Uptime {
    seconds: f64,
    idle: f64,
}

impl Uptime {
    pub(crate) fn now() -> Option<Self> {
        Self::read(&fs::read_to_string("/proc/uptime").ok()?)
    }

    fn read(text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().map(str::parse);
        Some(Self {
            seconds: numbers.next()?.ok()?,
            idle: numbers.next()?.ok()?,
        })
    }

    /// Which part of the time since then was idle.
    pub(crate) fn idle_since(&self, then: &Self) -> f64 {
        (self.idle - then.idle) / (self.seconds - then.seconds).max(0.01)
    }
}

/// Whether a socket of this user listens on the port.
pub(crate) fn listens(port: u16, uid: u32) -> bool {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .any(|table| listens_in(&table, port, uid))
}

fn listens_in(table: &str, port: u16, uid: u32) -> bool {
    const LISTEN: &str = "0A";
    let (port, uid) = (format!(":{port:04X}"), uid.to_string());
    table.lines().skip(1).any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next().is_some_and(|local| local.ends_with(&port))
            && words.nth(1) == Some(LISTEN)
            && words.nth(3) == Some(&uid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10001        0 16 1 c 100 0 0 10 0
   1: 0F02000A:0BB9 0202000A:C350 01 00000000:00000000 00:00000000 00000000 10002        0 17 1 c 20 4 30 10 -1
";

    #[test]
    fn only_a_listening_socket_of_the_user_counts() {
        assert!(listens_in(TABLE, 3000, 10001));
        assert!(!listens_in(TABLE, 3000, 10002));
        assert!(!listens_in(TABLE, 3001, 10002));
        assert!(!listens_in("", 3000, 10001));
    }

    #[test]
    fn memory_and_load_are_read() {
        let text = "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:   400 kB\n";
        assert_eq!(memory_in(text), (600 * 1024, 1000 * 1024));
        assert_eq!(memory_in("nothing"), (0, 0));
        assert_eq!(load_in("1.25 0.03 0.01 1/45 67\n"), 125);
        assert_eq!(load_in(""), 0);
    }

    #[test]
    fn idle_time_is_a_part_of_the_time() {
        let then = Uptime::read("100.00 40.00\n").unwrap();
        let now = Uptime::read("104.00 43.00\n").unwrap();
        assert!((now.idle_since(&then) - 0.75).abs() < 0.001);
        assert!(now.idle_since(&now).abs() < 0.001);
        assert_eq!(Uptime::read("nothing"), None);
    }
}
