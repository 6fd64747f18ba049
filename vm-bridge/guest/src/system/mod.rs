//! What the agent asks the kernel for.

pub(crate) mod boot;
pub(crate) mod cgroup;
pub(crate) mod disk;
pub(crate) mod enter;
pub(crate) mod entropy;
pub(crate) mod netlink;
pub(crate) mod room;
pub(crate) mod spawn;
pub(crate) mod usage;

use std::fmt::Display;
use std::io::Write;
use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};

use crate::life::Millis;

/// Since some moment before the agent began. A snapshot stops it, setting the clock does not.
pub(crate) fn monotonic() -> Millis {
    milliseconds(clock_gettime(ClockId::Monotonic))
}

/// Unix milliseconds, as the worker last set the clock.
pub(crate) fn wall() -> u64 {
    milliseconds(clock_gettime(ClockId::Realtime))
}

pub(crate) fn set_wall(now: u64) -> rustix::io::Result<()> {
    let time = Timespec::try_from(Duration::from_millis(now));
    clock_settime(
        ClockId::Realtime,
        time.map_err(|_too_late| rustix::io::Errno::INVAL)?,
    )
}

fn milliseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000;
    seconds * 1_000 + rest
}

/// Says something to whoever reads the machine's console. There is nobody to tell if that fails.
pub(crate) fn console(message: impl Display) {
    let line = format!("agent: {message}\n");
    let console = std::fs::OpenOptions::new().write(true).open("/dev/console");
    let _unheard = match console {
        Ok(mut console) if rustix::process::getuid().is_root() => {
            console.write_all(line.as_bytes())
        }
        _ => std::io::stderr().write_all(line.as_bytes()),
    };
}
