//! The agent: the guest's first process, which runs the owner's apps for the VM worker.
//!
//! ```text
//! process 1    system::boot    mounts, addresses, redirect; keeps `agent serve` running
//! serve        service         one thread that polls: the control connection, every program's
//!                              streams, deadlines; what takes long is a job on a thread
//!   life, log                  when to start again, what is kept of what is written
//!   program, bundle, store     what is run, its files, the data disk
//!   system                     rooms, control groups, disks
//! enter        system::enter   becomes a program, in its room, as its user
//! adopt        system::enter   gives a warm process another room
//! ```
//! It never ends by itself and never panics on purpose; should `serve` end all the same, process 1
//! starts another one, which ends what the first one left.

mod bundle;
mod life;
mod log;
mod program;
mod service;
mod store;
mod system;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// The agent, by its arguments: none as process 1, else what it starts itself as.
pub fn main(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let _name = arguments.next();
    let agent = Path::new("/proc/self/exe");
    if std::process::id() == 1 {
        // Words of the kernel's command line that it did not know may be among the arguments.
        system::boot::run(agent)
    }
    let mode = arguments.next();
    match mode.as_ref().and_then(|mode| mode.to_str()) {
        Some("enter") => system::enter::run(arguments),
        Some("adopt") => system::enter::adopt(arguments),
        Some("serve") => service::serve(service::Place::guest(agent)),
        Some("here") => match arguments.next() {
            Some(folder) => service::serve(service::Place::here(agent, Path::new(&folder))),
            None => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    system::console(
        "is process 1 of a guest; `agent here FOLDER` serves without a guest, for tests",
    );
    ExitCode::FAILURE
}
