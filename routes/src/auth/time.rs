//! Moments as Auth keeps and shows them: microseconds, as Postgres has them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::world::Timestamp;

/// Microseconds since the Unix epoch. Shown in UTC as RFC 3339 has it, without trailing zeros:
/// `2026-01-31T12:00:00.25Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(i64);

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400;

impl Time {
    /// The moment this many seconds since the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(SECOND))
    }

    /// Whole seconds since the epoch, as JWT claims count them.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(SECOND)
    }

    /// Microseconds since the epoch.
    pub const fn microseconds(self) -> i64 {
        self.0
    }

    /// This many seconds later; earlier where they are negative.
    #[must_use]
    pub const fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(SECOND)))
    }

    /// Reads what Postgres writes of a `timestamptz` or a `timestamp` in JSON, and RFC 3339. Without
    /// an offset it is UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.split_once(['T', ' '])?;
        let mut parts = date.splitn(3, '-');
        let mut number = |digits: usize| -> Option<i64> {
            let part = parts.next()?;
            let plain = part.len() >= digits && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse().ok().filter(|_| plain)
        };
        let (year, month, day) = (number(4)?, number(2)?, number(2)?);
        let (clock, offset) = match time.find(['Z', 'z', '+', '-']) {
            Some(at) => (&time[..at], offset(&time[at..])?),
            None => (time, 0),
        };
        let (clock, fraction) = match clock.split_once('.') {
            Some((clock, fraction)) => (clock, microseconds(fraction)?),
            None => (clock, 0),
        };
        let mut units = clock.splitn(3, ':');
        let mut unit = |most: i64| -> Option<i64> {
            let unit = units.next()?.parse::<u8>().ok()?;
            Some(i64::from(unit)).filter(|unit| *unit <= most)
        };
        let (hour, minute, second) = (unit(24)?, unit(59)?, unit(60)?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year > 9999 {
            return None;
        }
        let seconds = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset;
        Some(Self(seconds * SECOND + fraction))
    }
}

/// Seconds east of UTC.
fn offset(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = match text.get(1..)?.split_once(':') {
        Some((hours, minutes)) => (hours, minutes.get(..2)?),
        None => (text.get(1..3)?, text.get(3..5).unwrap_or("0")),
    };
    let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
    Some(sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60))
}

fn microseconds(fraction: &str) -> Option<i64> {
    let digits = fraction.get(..fraction.len().min(6))?;
    let places = u32::try_from(digits.len()).ok()?;
    Some(digits.parse::<i64>().ok()? * 10_i64.pow(6 - places))
}

/// Days since the epoch of a date in the Gregorian calendar. Source: Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day since the epoch; the way back from [`days`], `civil_from_days`.
const fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Self {
        let milliseconds = i64::try_from(timestamp.0).unwrap_or(i64::MAX);
        Self(milliseconds.saturating_mul(1000))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.seconds();
        let (year, month, day) = date(seconds.div_euclid(DAY));
        let clock = seconds.rem_euclid(DAY);
        let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
        write!(
            formatter,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        let fraction = self.0.rem_euclid(SECOND);
        if fraction != 0 {
            let digits = format!("{fraction:06}");
            write!(formatter, ".{}", digits.trim_end_matches('0'))?;
        }
        formatter.write_str("Z")
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("not a time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_shown() {
        for (text, shown) in [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
            (
                "2026-11-22T08:16:00.250000+00:00",
                "2026-11-22T08:16:00.25Z",
            ),
            (
                "2024-02-29 23:59:59.123456+05:30",
                "2024-02-29T18:29:59.123456Z",
            ),
            ("2023-12-31T23:00:00-02", "2024-01-01T01:00:00Z"),
            ("1969-12-31T23:59:59.9", "1969-12-31T23:59:59.9Z"),
            (
                "2100-03-01T00:00:00.1234567Z",
                "2100-03-01T00:00:00.123456Z",
            ),
        ] {
            assert_eq!(Time::parse(text).unwrap().to_string(), shown, "{text}");
        }
        for text in [
            "",
            "now",
            "2026-13-01T00:00:00Z",
            "2026-01-01",
            "2026-01-01T25:00:00Z",
        ] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_some_centuries_is_its_own() {
        for day in -200_000..200_000 {
            let (year, month, of_month) = date(day);
            assert_eq!(days(year, month, of_month), day);
        }
    }
}
