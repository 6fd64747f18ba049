//! `agent`: process 1 of the guest, and what that starts.

use std::process::ExitCode;

fn main() -> ExitCode {
    guest::main(std::env::args_os())
}
