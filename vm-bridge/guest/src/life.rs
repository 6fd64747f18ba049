//! When a process that ended is started again.

/// Milliseconds on a clock that does not run backwards.
pub(crate) type Millis = u64;

/// Who lived so long has not died in its start: the count begins anew.
const SETTLED: Millis = 60_000;
const FIRST_DELAY: Millis = 250;
const LONGEST_DELAY: Millis = 30_000;
/// So many deaths in a row, none of them settled, and it is not tried again.
const DEATHS: u32 = 5;

/// The starts and deaths of one app since it was asked to start.
#[derive(Debug, Default, Clone)]
pub(crate) struct Life {
    began: Millis,
    deaths: u32,
    restarts: u32,
}

/// What follows a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Start it again at this time.
    Again { at: Millis },
    /// It died too often.
    GiveUp,
}

impl Life {
    pub(crate) fn begin(&mut self, now: Millis) {
        self.began = now;
    }

    pub(crate) fn end(&mut self, now: Millis) -> Next {
        if now.saturating_sub(self.began) >= SETTLED {
            self.deaths = 0;
        }
        self.deaths += 1;
        if self.deaths >= DEATHS {
            return Next::GiveUp;
        }
        self.restarts += 1;
        let delay = (FIRST_DELAY << (self.deaths - 1)).min(LONGEST_DELAY);
        Next::Again { at: now + delay }
    }

    /// How often it was started again.
    pub(crate) fn restarts(&self) -> u32 {
        self.restarts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long it lived each time, and what followed, as a delay.
    fn check(lives: &[Millis], expected: &[Option<Millis>]) {
        let mut life = Life::default();
        let mut now = 1_000;
        let followed: Vec<Option<Millis>> = lives
            .iter()
            .map(|lived| {
                life.begin(now);
                now += lived;
                match life.end(now) {
                    Next::Again { at } => {
                        let delay = at - now;
                        now = at;
                        Some(delay)
                    }
                    Next::GiveUp => None,
                }
            })
            .collect();
        assert_eq!(followed, expected, "{lives:?}");
    }

    #[test]
    fn the_delay_doubles_and_ends() {
        check(
            &[0, 0, 0, 0, 0],
            &[Some(250), Some(500), Some(1_000), Some(2_000), None],
        );
        check(
            &[59_999, 59_999, 59_999, 59_999, 59_999],
            &[Some(250), Some(500), Some(1_000), Some(2_000), None],
        );
    }

    #[test]
    fn a_minute_of_life_is_forgiven() {
        check(
            &[0, 0, 60_000, 0, 0, 0, 0],
            &[
                Some(250),
                Some(500),
                Some(250),
                Some(500),
                Some(1_000),
                Some(2_000),
                None,
            ],
        );
        check(&[60_000; 9], &[Some(250); 9]);
    }

    #[test]
    fn restarts_are_counted() {
        let mut life = Life::default();
        for _ in 0..5 {
            life.begin(0);
            life.end(0);
        }
        assert_eq!(life.restarts(), 4);
    }
}
