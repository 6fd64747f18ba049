//! Prints the regular expression of the gateway's paths, for the build of the service worker.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    writeln!(io::stdout(), "{}", routes::table::pattern())
}
