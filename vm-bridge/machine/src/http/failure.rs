//! Why a program of the guest did not answer.

use std::fmt;

use http1::Malformed;
use port::peer::Interrupted;

use crate::network::Unreached;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nothing listens on the port.
    Refused,
    /// The guest itself does not answer.
    Unreachable,
    /// What came back is not HTTP.
    BadResponse(Malformed),
    /// The connection ended before a head came.
    ClosedEarly,
    /// No head came in time.
    Timeout,
    /// Too many requests are under way or wait.
    TooManyConnections,
    /// The request's own body broke off.
    Request(Interrupted),
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => formatter.write_str("Nothing listens on the app's port"),
            Self::Unreachable => formatter.write_str("The virtual machine does not answer"),
            Self::BadResponse(malformed) => {
                write!(formatter, "The app's answer is not HTTP: {malformed}")
            }
            Self::ClosedEarly => {
                formatter.write_str("The app closed the connection before it answered")
            }
            Self::Timeout => formatter.write_str("The app did not answer in time"),
            Self::TooManyConnections => {
                formatter.write_str("Too many requests to the app are under way")
            }
            Self::Request(interrupted) => {
                write!(formatter, "The request broke off: {interrupted}")
            }
        }
    }
}

impl std::error::Error for Failure {}

impl From<Unreached> for Failure {
    fn from(unreached: Unreached) -> Self {
        match unreached {
            Unreached::Refused => Self::Refused,
            Unreached::Silence => Self::Unreachable,
            Unreached::TooMany => Self::TooManyConnections,
        }
    }
}
