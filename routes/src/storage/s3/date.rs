//! The dates of the protocol: `20130524T000000Z`, and the ISO 8601 of a policy's expiration.

/// A moment as AWS writes it, in UTC and whole seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmzDate {
    text: String,
    seconds: u64,
}

impl AmzDate {
    /// Reads `YYYYMMDDTHHMMSSZ`; nothing else, and no day that no calendar has.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
            return None;
        }
        let number = |from: usize, to: usize| -> Option<u64> {
            let digits = text.get(from..to)?;
            let all = digits.bytes().all(|byte| byte.is_ascii_digit());
            if all { digits.parse().ok() } else { None }
        };
        let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
        let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let days = days_since_1970(year, month, day)?;
        let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
        let text = text.to_owned();
        Some(Self { text, seconds })
    }

    /// Reads `YYYY-MM-DDTHH:MM:SS[.mmm]Z`.
    pub fn parse_iso(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        let separated = |&(at, wanted): &(usize, u8)| bytes.get(at) == Some(&wanted);
        if !separators.iter().all(separated) {
            return None;
        }
        let (whole, rest) = text.split_at_checked(19)?;
        let fraction = rest.strip_suffix('Z')?;
        let is_fraction = fraction.strip_prefix('.').is_some_and(|digits| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        });
        if !fraction.is_empty() && !is_fraction {
            return None;
        }
        let compact: String = whole.chars().filter(|c| !"-:".contains(*c)).collect();
        Self::parse(&[&compact, "Z"].concat())
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Seconds since the Unix epoch.
    pub const fn seconds(&self) -> u64 {
        self.seconds
    }
}

fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    const BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    const LENGTHS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let every = |years: u64| year.is_multiple_of(years);
    let is_leap = every(4) && (!every(100) || every(400));
    let index = usize::try_from(month.checked_sub(1)?).ok()?;
    let leap_day = u64::from(is_leap && month == 2);
    if year < 1970 || day == 0 || day > LENGTHS.get(index)? + leap_day {
        return None;
    }
    let past = year - 1;
    let leap_years = |year: u64| year / 4 - year / 100 + year / 400;
    let leap_days = leap_years(past) - leap_years(1969) + u64::from(is_leap && month > 2);
    Some((year - 1970) * 365 + leap_days + BEFORE.get(index)? + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_to_the_second() {
        let seconds = |text: &str| AmzDate::parse(text).map(|date| date.seconds());
        assert_eq!(seconds("19700101T000000Z"), Some(0));
        assert_eq!(seconds("20000229T235959Z"), Some(951_868_799));
        assert_eq!(seconds("20130524T000000Z"), Some(1_369_353_600));
        assert_eq!(seconds("20240301T000000Z"), Some(1_709_251_200));
        for wrong in [
            "20130229T000000Z",
            "20131324T000000Z",
            "20130524T240000Z",
            "20130524T000000",
            "2013-05-24T00:00",
            "2013052+T000000Z",
            "19691231T235959Z",
            "",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn policies_write_dates_in_iso_8601() {
        let seconds = |text: &str| AmzDate::parse_iso(text).map(|date| date.seconds());
        assert_eq!(seconds("2015-12-30T12:00:00.000Z"), Some(1_451_476_800));
        assert_eq!(seconds("2015-12-30T12:00:00Z"), Some(1_451_476_800));
        for wrong in [
            "2015-12-30",
            "2015-12-30T12:00:00",
            "2015-12-30T12:00:00.Z",
            "x",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
