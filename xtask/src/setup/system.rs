//! Programs that come from the system's package manager.

use std::process::Command;

use crate::failure::{Failure, Result};
use crate::process;

/// Installs a Debian or Ubuntu package, with sudo unless we are root.
pub(crate) fn apt_install(package: &str) -> Result<()> {
    if process::find("apt-get").is_none() {
        return Err(Failure::new(format!(
            "{package} is missing and this system has no apt-get: install {package} with your package manager, then run this again"
        )));
    }
    let root = process::probe("id", &["-u"]).is_some_and(|id| id == "0");
    if !root && process::find("sudo").is_none() {
        return Err(Failure::new(format!(
            "{package} is missing and can only be installed by root: run `apt-get install {package}` as root, then run this again"
        )));
    }
    let apt = |arguments: &[&str]| {
        let mut command = if root {
            Command::new("apt-get")
        } else {
            Command::new("sudo")
        };
        if !root {
            command.args(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        }
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(arguments);
        process::run(&mut command)
    };
    // A list that cannot be refreshed may still be good enough to install from.
    if let Err(failure) = apt(&["-q", "update"]) {
        println!("setup: {failure}; going on with the package lists as they are");
    }
    apt(&["install", "-q", "-y", "--no-install-recommends", package]).map_err(|failure| {
        Failure::new(format!(
            "{failure}: install {package} by hand, then run this again"
        ))
    })
}
