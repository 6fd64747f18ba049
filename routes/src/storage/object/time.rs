//! Times as HTTP and as JavaScript write them. Source: RFC 9110, section 5.6.7.

use crate::world::Timestamp;

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A date of the Gregorian calendar, in UTC.
#[derive(Debug, Clone, Copy)]
struct Date {
    year: u64,
    /// From 1.
    month: u64,
    day: u64,
}

/// Howard Hinnant's `civil_from_days`, for days since the epoch.
fn date(days: u64) -> Date {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    Date {
        year: year_of_era + era * 400 + u64::from(month <= 2),
        month,
        day: of_year - (153 * shifted_month + 2) / 5 + 1,
    }
}

fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 {
        year.checked_sub(1)?
    } else {
        year
    };
    let era = year / 400;
    let of_era = year % 400;
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted_month + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn http_date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let Date { year, month, day } = date(days);
    let weekday = DAYS[usize::try_from(days % 7).unwrap_or_default()];
    let month = MONTHS[usize::try_from(month - 1).unwrap_or_default().min(11)];
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// `1994-11-06T08:49:37.000Z`.
pub fn iso_date(time: Timestamp) -> String {
    let seconds = time.seconds();
    let Date { year, month, day } = date(seconds / 86_400);
    let rest = seconds % 86_400;
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let millis = time.0 % 1000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Seconds since the epoch of a date as [`iso_date`] writes it.
pub fn parse_iso(text: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    let days = days(number(0..4)?, number(5..7)?, number(8..10)?)?;
    Some(days * 86_400 + number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?)
}

/// Seconds since the epoch of a date as [`http_date`] writes it; the obsolete forms are not read.
pub fn parse_http(text: &str) -> Option<u64> {
    let mut words = text.split_once(", ")?.1.split(' ');
    let day = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|known| *known == month)? + 1;
    let year = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(str::parse::<u64>);
    let mut next = || clock.next()?.ok();
    let (hour, minute, second) = (next()?, next()?, next()?);
    let days = days(year, u64::try_from(month).ok()?, day)?;
    (words.next() == Some("GMT")).then_some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read() {
        for (seconds, http, iso) in [
            (
                0,
                "Thu, 01 Jan 1970 00:00:00 GMT",
                "1970-01-01T00:00:00.000Z",
            ),
            (
                784_111_777,
                "Sun, 06 Nov 1994 08:49:37 GMT",
                "1994-11-06T08:49:37.000Z",
            ),
            (
                951_782_400,
                "Tue, 29 Feb 2000 00:00:00 GMT",
                "2000-02-29T00:00:00.000Z",
            ),
            (
                1_709_251_199,
                "Thu, 29 Feb 2024 23:59:59 GMT",
                "2024-02-29T23:59:59.000Z",
            ),
            (
                4_102_444_800,
                "Fri, 01 Jan 2100 00:00:00 GMT",
                "2100-01-01T00:00:00.000Z",
            ),
        ] {
            assert_eq!(http_date(seconds), http);
            assert_eq!(iso_date(Timestamp(seconds * 1000)), iso);
            assert_eq!(parse_http(http), Some(seconds));
            assert_eq!(parse_iso(iso), Some(seconds));
        }
        for text in [
            "",
            "yesterday",
            "Sun, 06 Nov 1994",
            "Sun, 00 Nov 0000 08:49:37 GMT",
            "Sun, 06 Xxx 1994 08:49:37 GMT",
        ] {
            assert_eq!(parse_http(text), None, "{text}");
        }
    }
}
