//! Rate limits: token buckets in memory, keyed by who a proxy says is asking.
//!
//! Without a name for the asker there is no limit: in a browser every request comes from its own user.
//! Source: supabase/auth, `internal/api/middleware.go`, `internal/api/options.go`.

use std::{cell::RefCell, collections::HashMap};

use super::{
    Context,
    error::{AuthError, ErrorCode},
};
use crate::World;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    Token,
    Verify,
    Otp,
    MagicLink,
    Recover,
    Resend,
    Signup,
    User,
    Anonymous,
    Sso,
    Web3,
    Passkey,
    OAuthRegister,
    FactorChallenge,
    FactorVerify,
    /// Of the whole project, whoever asks.
    EmailSent,
    SmsSent,
}

const FIVE_MINUTES: f64 = 300.0;
const HOUR: f64 = 3600.0;
const MINUTE: f64 = 60.0;
/// What comes at once, beside the steady flow.
const BURST: f64 = 30.0;
/// Buckets that are kept; then the full ones are forgotten.
const MOST: usize = 10_000;

/// How much is in a bucket, and when it was looked at.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: i64,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    project: String,
    limit: Limit,
    asker: String,
}

thread_local! {
    static BUCKETS: RefCell<HashMap<Key, Bucket>> = RefCell::default();
}

impl<W: World> Context<'_, W> {
    /// 429 where the asker has asked too often.
    pub fn limit(&self, limit: Limit) -> Result<(), AuthError> {
        let Some(asker) = self.asker() else {
            return Ok(());
        };
        if self.take(limit, asker) {
            return Ok(());
        }
        Err(AuthError::too_many_requests(
            ErrorCode::OverRequestRateLimit,
            "Request rate limit reached",
        ))
    }

    /// 429 where the project has sent too many messages in an hour: those with which users prove who
    /// they are, and mails only where a server delivers them, as with a local Supabase stack.
    pub fn limit_sent(&self, limit: Limit) -> Result<(), AuthError> {
        let (counts, code, message) = match limit {
            Limit::EmailSent => (
                self.settings.delivers_mail() && self.settings.email_enable_confirmations,
                ErrorCode::OverEmailSendRateLimit,
                "email rate limit exceeded",
            ),
            _ => (
                self.settings.sms_enable_confirmations,
                ErrorCode::OverSmsSendRateLimit,
                "SMS rate limit exceeded",
            ),
        };
        if !counts || self.take(limit, String::new()) {
            return Ok(());
        }
        Err(AuthError::too_many_requests(code, message))
    }

    /// Who asks: the first value of the configured header, else the address that Supabase's proxy
    /// forwards.
    fn asker(&self) -> Option<String> {
        let header = match self.settings.rate_limit_header.as_str() {
            "" => "sb-forwarded-for",
            name => name,
        };
        let value = self.header(header);
        let first = value.split(',').next().unwrap_or_default().trim();
        (!first.is_empty()).then(|| first.to_owned())
    }

    /// Takes one from the asker's bucket, if there is one.
    fn take(&self, limit: Limit, asker: String) -> bool {
        let (size, rate) = self.measure(limit);
        let key = Key {
            project: self.project.name.clone(),
            limit,
            asker,
        };
        let now = self.now.microseconds();
        BUCKETS.with_borrow_mut(|buckets| {
            if buckets.len() >= MOST {
                buckets.retain(|_, bucket| seconds(now - bucket.at) < HOUR);
            }
            let bucket = buckets.entry(key).or_insert(Bucket {
                tokens: size,
                at: now,
            });
            bucket.take(now, size, rate)
        })
    }

    /// The size of a bucket and how many tokens a second flow into it.
    fn measure(&self, limit: Limit) -> (f64, f64) {
        let settings = self.settings;
        let number = |count: u64| {
            #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
            let number = count as f64;
            number
        };
        let steady = |count: u64| (BURST, number(count) / FIVE_MINUTES);
        let hourly = |count: u64| (number(count), number(count) / HOUR);
        match limit {
            Limit::Token => steady(settings.rate_limit_token_refresh),
            Limit::Verify => steady(settings.rate_limit_token_verifications),
            Limit::Otp
            | Limit::MagicLink
            | Limit::Recover
            | Limit::Resend
            | Limit::Signup
            | Limit::User => steady(settings.rate_limit_sign_in_sign_ups),
            Limit::Sso => steady(settings.rate_limit_sso),
            Limit::Web3 => steady(settings.rate_limit_web3),
            Limit::Passkey => steady(settings.rate_limit_passkey),
            Limit::OAuthRegister => steady(settings.rate_limit_oauth_register),
            Limit::FactorChallenge | Limit::FactorVerify => {
                (BURST, number(settings.mfa_rate_limit) / MINUTE)
            }
            Limit::Anonymous => hourly(settings.rate_limit_anonymous_users),
            Limit::EmailSent => hourly(settings.rate_limit_email_sent),
            Limit::SmsSent => hourly(settings.rate_limit_sms_sent),
        }
    }
}

impl Bucket {
    fn take(&mut self, now: i64, size: f64, rate: f64) -> bool {
        let passed = seconds(now - self.at).max(0.0);
        self.tokens = (self.tokens + passed * rate).min(size);
        self.at = now;
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

fn seconds(microseconds: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a length of time")]
    let microseconds = microseconds as f64;
    microseconds / 1_000_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills() {
        let mut bucket = Bucket { tokens: 2.0, at: 0 };
        let mut take = |second: i64| bucket.take(second * 1_000_000, 2.0, 0.1);
        assert_eq!(
            [
                take(0),
                take(0),
                take(0),
                take(9),
                take(10),
                take(10),
                take(1000),
                take(1000),
                take(1000)
            ],
            [true, true, false, false, true, false, true, true, false]
        );
    }
}
