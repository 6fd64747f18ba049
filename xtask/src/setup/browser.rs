//! A Chromium for the page and the browser tests.

use std::path::PathBuf;

use crate::failure::{Failure, Result};
use crate::process;

use super::system;

const NAMES: [&str; 4] = [
    "chromium",
    "google-chrome",
    "google-chrome-stable",
    "chromium-browser",
];

/// The Chromium to use: the one `$CHROMIUM` names, or the first in `$PATH` that starts.
/// (Ubuntu's `chromium-browser` is a script that only says to install a snap.)
pub(crate) fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    named
        .into_iter()
        .chain(NAMES.iter().filter_map(|name| process::find(name)))
        .find(|file| process::probe(file, &["--version"]).is_some())
}

pub(crate) fn install() -> Result<()> {
    if chromium().is_some() {
        return Ok(());
    }
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Err(Failure::new(format!(
            "$CHROMIUM is {}, which does not start: name a Chromium or Chrome that does, or unset it",
            named.display()
        )));
    }
    println!("setup: no Chromium found, installing chromium");
    system::apt_install(&["chromium"])?;
    match chromium() {
        Some(_) => Ok(()),
        None => Err(Failure::new(
            "the system's chromium package brought no browser that starts (on Ubuntu it is a snap): install Google Chrome, or set CHROMIUM to a browser's file, then run this again",
        )),
    }
}
