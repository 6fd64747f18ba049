//! On which side of the machine's wall an isolate is, and what is different there.

use super::Host;
use crate::{gateway, surroundings::Milliseconds};

/// The variable that tells a function where the gateway is.
const HOME: &str = "SUPABASE_URL";

/// On which side an isolate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// A worker of the browser, or a thread of Node.
    Isolate,
    /// A thread in the guest.
    Vm,
}

impl Side {
    /// Where a function is to run that may run so.
    pub(super) const fn of(host: Host) -> Self {
        match host {
            Host::Isolate | Host::VmOrIsolate => Self::Isolate,
            Host::Vm => Self::Vm,
        }
    }

    /// As answers say it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Isolate => "isolate",
            Self::Vm => "vm",
        }
    }

    /// For an isolate to wait for requests.
    pub(super) const fn boot(self) -> Milliseconds {
        match self {
            Self::Isolate => 10_000,
            // An emulated processor, which all programs of the guest share.
            Self::Vm => 120_000,
        }
    }

    /// For which an isolate without anything to do is kept.
    pub(super) const fn idle(self) -> Milliseconds {
        match self {
            Self::Isolate => 60_000,
            // Another thread takes the guest seconds.
            Self::Vm => 600_000,
        }
    }

    /// Between two looks at an isolate that has something to do.
    pub(super) const fn look(self) -> Milliseconds {
        match self {
            Self::Isolate => 250,
            // Each takes a good part of what a request does.
            Self::Vm => 1_000,
        }
    }

    /// How many times as long the same work takes there as where limits are thought of.
    pub(super) const fn slowness(self) -> Milliseconds {
        match self {
            Self::Isolate => 1,
            Self::Vm => 5,
        }
    }

    /// How much longer than a function may compute its isolate may be silent. The guest's own host
    /// counts what each thread computes, and answers for it meanwhile; a guest that does not answer at
    /// all may be busy with something else.
    pub(super) const fn patience(self) -> Milliseconds {
        match self {
            Self::Isolate => 0,
            Self::Vm => 30_000,
        }
    }

    /// Has a function find the gateway where programs on its side do.
    pub(super) fn lead_home(self, env: &mut [(String, String)]) {
        if self == Self::Isolate {
            return;
        }
        if let Some((_, url)) = env.iter_mut().find(|(name, _)| name == HOME) {
            let after = url.find("://").map_or(0, |at| at + 3);
            let path = url[after..].find('/').map_or("", |at| &url[after + at..]);
            *url = format!("http://localhost:{}{path}", gateway::PORT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_is_where_programs_of_the_side_find_it() {
        let home = |side: Side, url: &str| {
            let mut env = [("A", "b"), (HOME, url)].map(|(n, v)| (n.to_owned(), v.to_owned()));
            side.lead_home(&mut env);
            let [_, (_, home)] = env;
            home
        };
        for (given, expected) in [
            ("http://127.0.0.1:54321", "http://localhost:5173"),
            ("https://a.example/shop", "http://localhost:5173/shop"),
            ("nonsense", "http://localhost:5173"),
        ] {
            assert_eq!(home(Side::Vm, given), expected);
            assert_eq!(home(Side::Isolate, given), given);
        }
    }
}
