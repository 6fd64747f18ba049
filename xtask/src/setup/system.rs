//! Programs that come from the system's package manager.

use std::process::Command;

use crate::failure::{Failure, Result};
use crate::process;

/// Installs Debian or Ubuntu packages, with sudo unless we are root.
pub(crate) fn apt_install(packages: &[&str]) -> Result<()> {
    let named = packages.join(" ");
    if process::find("apt-get").is_none() {
        return Err(Failure::new(format!(
            "{named} is missing and this system has no apt-get: install {named} with your package manager, then run this again"
        )));
    }
    let root = process::probe("id", &["-u"]).is_some_and(|id| id == "0");
    if !root && process::find("sudo").is_none() {
        return Err(Failure::new(format!(
            "{named} is missing and can only be installed by root: run `apt-get install {named}` as root, then run this again"
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
    let install = ["install", "-q", "-y", "--no-install-recommends"];
    apt(&[&install, packages].concat()).map_err(|failure| {
        Failure::new(format!(
            "{failure}: install {named} by hand, then run this again"
        ))
    })
}
