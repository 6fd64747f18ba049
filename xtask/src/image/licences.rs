//! What is in the image, and under which licences: read from each package's copyright file.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::failure::{Doing, Result};
use crate::workspace::read_text;

use super::layers::Layer;

/// A Debian package as the manifest has it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) licence: String,
}

/// The packages of each layer that the base does not have.
pub(super) fn packages(layers: &[Layer]) -> Result<Vec<Vec<Package>>> {
    let mut base = BTreeSet::new();
    let mut packages = Vec::new();
    for layer in layers {
        let list = read_text(&layer.stage.file("packages"))?;
        let mut added = Vec::new();
        for line in list.lines().filter(|line| !base.contains(*line)) {
            let (name, version) = line.split_once('\t').unwrap_or((line, ""));
            added.push(Package {
                name: name.to_owned(),
                version: version.to_owned(),
                licence: licence(&layer.stage.file("copyright").join(name)),
            });
        }
        if base.is_empty() {
            base = list.lines().map(str::to_owned).collect();
        }
        packages.push(added);
    }
    Ok(packages)
}

fn licence(copyright: &Path) -> String {
    std::fs::read(copyright)
        .map(|bytes| named(&String::from_utf8_lossy(&bytes)))
        .unwrap_or_default()
}

/// The licences a copyright file names: its `License:` fields, else the common licences that it refers to.
fn named(copyright: &str) -> String {
    let fields: BTreeSet<&str> = copyright
        .lines()
        .filter_map(|line| line.strip_prefix("License:"))
        .map(str::trim)
        .filter(|name| is_name(name))
        .collect();
    let names = if fields.is_empty() {
        copyright
            .split("/usr/share/common-licenses/")
            .skip(1)
            .filter_map(|rest| {
                rest.split(|letter: char| !letter.is_ascii_alphanumeric() && !"-.".contains(letter))
                    .next()
            })
            .map(|name| name.trim_end_matches('.'))
            .filter(|name| !name.is_empty())
            .collect()
    } else {
        fields
    };
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// Some files have the licence's text where its name belongs.
fn is_name(field: &str) -> bool {
    field.starts_with(|letter: char| letter.is_ascii_alphanumeric())
        && !field.contains([',', ':'])
        && field.split_whitespace().count() <= 8
}

/// The file beside the image that a person reads.
pub(super) fn write(
    file: &Path,
    layers: &[Layer],
    packages: &[Vec<Package>],
    others: &[Package],
) -> Result<()> {
    let line = |package: &Package| {
        let Package {
            name,
            version,
            licence,
        } = package;
        match licence.as_str() {
            "" => format!("  {name} {version}: see its copyright file"),
            licence => format!("  {name} {version}: {licence}"),
        }
    };
    let mut lines = vec![
        "What the image of the virtual machine is made of. The whole copyright file of each of Debian's packages is"
            .to_owned(),
        "in the guest, /usr/share/doc/PACKAGE/copyright; their sources are at https://sources.debian.org/."
            .to_owned(),
    ];
    lines.extend([String::new(), "The machine".to_owned()]);
    lines.extend(others.iter().map(line));
    for (layer, packages) in layers.iter().zip(packages) {
        lines.extend([String::new(), layer.recipe.title.clone()]);
        lines.extend(packages.iter().map(line));
    }
    let text = lines.join("\n") + "\n";
    std::fs::write(file, text).doing(format_args!("write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_read_from_fields_or_references() {
        for (copyright, licences) in [
            (
                "Format: x\n\nFiles: *\nLicense: MIT\n\nFiles: a\nLicense: GPL-2+\n\nLicense: MIT\n text",
                "GPL-2+, MIT",
            ),
            (
                "see the file /usr/share/common-licenses/GPL-3.\nand `/usr/share/common-licenses/LGPL-2.1'",
                "GPL-3, LGPL-2.1",
            ),
            ("License:\n of its own", ""),
            (
                "License: Permission is hereby granted, free of charge\nLicense: * Permission to use this",
                "",
            ),
            ("public domain", ""),
        ] {
            assert_eq!(named(copyright), licences, "{copyright}");
        }
    }
}
