//! The file systems of the system disk: the base and its layers, installed by apt and packed in one namespace.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::failure::{Doing, Failure, Result};
use crate::process;
use crate::workspace::{Fingerprint, read_text};

use super::archive;
use super::stage::{Stage, Stages};
use super::tools::command;

const RELEASE: &str = "trixie";

/// One of `layers.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recipe {
    pub(super) name: String,
    pub(super) title: String,
    /// The package whose version is the layer's.
    pub(super) version: String,
    packages: Vec<String>,
    /// A script beside `layers.toml`, run with the installed system before it is packed.
    finish: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipes {
    layer: Vec<Recipe>,
}

/// A layer that is built. Its folder has `file-system.ext2`, `packages` and `copyright/PACKAGE`.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) recipe: Recipe,
    pub(super) stage: Stage,
}

impl Layer {
    pub(super) fn file_system(&self) -> PathBuf {
        self.stage.file("file-system.ext2")
    }
}

/// All layers, the base first.
pub(super) fn layers(stages: &Stages, folder: &Path, keyring: &Path) -> Result<Vec<Layer>> {
    let file = folder.join("layers.toml");
    let recipes: Recipes =
        toml::from_str(&read_text(&file)?).doing(format_args!("read {}", file.display()))?;
    let mut sources = None;
    let mut layers: Vec<Layer> = Vec::new();
    for (index, recipe) in recipes.layer.into_iter().enumerate() {
        let base = layers.first().map(|base| &base.stage);
        let mut key = Fingerprint::default()
            .word(&recipe.name)
            .word(&recipe.packages.join(" "))
            .file(&folder.join("dpkg.excludes"))?
            .file(&folder.join("pack.sh"))?;
        key = match base {
            None => key.file(&folder.join("base.sh"))?,
            Some(base) => key.word(&base.key),
        };
        if let Some(script) = &recipe.finish {
            key = key.file(&folder.join(script))?;
        }
        let stage = stages.stage(&format!("layer-{}", recipe.name), key.finish(), |made| {
            if sources.is_none() {
                sources = Some(archive::sources(stages, RELEASE, keyring)?);
            }
            let sources = sources.as_deref().unwrap_or_default();
            Installation {
                folder,
                keyring,
                sources,
                recipe: &recipe,
                index,
            }
            .run(base, made)
        })?;
        layers.push(Layer { recipe, stage });
    }
    match layers.first() {
        Some(base) if base.recipe.name == "base" && layers.len() <= 4 => Ok(layers),
        _ => Err(Failure::new(format!(
            "{} must begin with the layer `base` and have at most 4: the disk has that many partitions",
            file.display()
        ))),
    }
}

struct Installation<'a> {
    folder: &'a Path,
    keyring: &'a Path,
    sources: &'a [String],
    recipe: &'a Recipe,
    index: usize,
}

impl Installation<'_> {
    /// mmdebstrap installs and runs the scripts as root of a namespace, or as root; files cross by its own hooks,
    /// which read and write as the user.
    fn run(&self, base: Option<&Stage>, made: &Path) -> Result<()> {
        let recipe = self.recipe;
        let mut install = command("mmdebstrap");
        install
            .current_dir(made)
            .env("TMPDIR", "/tmp")
            .args([
                "--quiet",
                "--mode=auto",
                "--architectures=i386",
                "--format=null",
            ])
            .arg(format!("--keyring={}", self.keyring.display()))
            .arg(format!(
                "--dpkgopt={}",
                self.folder.join("dpkg.excludes").display()
            ))
            .arg("--aptopt=APT::Install-Recommends \"false\"")
            .arg(format!("--include={}", recipe.packages.join(",")));
        let tree = base.map(|base| base.file("tree.tar"));
        match &tree {
            None => install.arg("--variant=essential"),
            Some(tree) => install
                .args(["--variant=custom", "--skip=check/empty"])
                .arg(format!("--setup-hook=tar-in {} /", quoted(tree)?)),
        };
        let mut hook = |hook: String| {
            install.arg(format!("--customize-hook={hook}"));
        };
        hook("mkdir -p \"$1/.image/base\" \"$1/.image/out\"".to_owned());
        hook(format!(
            "upload {} /.image/pack.sh",
            quoted(&self.folder.join("pack.sh"))?
        ));
        match &tree {
            None => {
                hook(format!(
                    "upload {} /.image/base.sh",
                    quoted(&self.folder.join("base.sh"))?
                ));
                hook("rmdir \"$1/.image/base\"; sh \"$1/.image/base.sh\" \"$1\"".to_owned());
            }
            Some(tree) => hook(format!("tar-in {} /.image/base", quoted(tree)?)),
        }
        if let Some(script) = &recipe.finish {
            hook(format!(
                "upload {} /.image/finish.sh",
                quoted(&self.folder.join(script))?
            ));
            hook("sh \"$1/.image/finish.sh\" \"$1\"".to_owned());
        }
        hook(format!(
            "sh \"$1/.image/pack.sh\" \"$1\" {} {}",
            recipe.name,
            identity(self.index)
        ));
        let mut files = vec!["file-system.ext2", "packages", "copyright.tar"];
        if base.is_none() {
            files.push("tree.tar");
        }
        for file in &files {
            hook(format!(
                "download /.image/out/{file} {}",
                quoted(&made.join(file))?
            ));
        }
        install.args([RELEASE, "/dev/null"]).args(self.sources);
        process::run(&mut install).map_err(|failure| {
            Failure::new(format!(
                "{failure}: what it says above is why. It needs a Debian mirror ($DEBIAN_MIRROR, now {}), i386 programs that run on this machine, and, unless you are root, user namespaces",
                archive::mirror()
            ))
        })?;
        process::run(
            command("tar")
                .current_dir(made)
                .args(["-xf", "copyright.tar"]),
        )
    }
}

/// The UUID of a file system: the same each time, so that the same files make the same bytes.
pub(super) fn identity(index: usize) -> String {
    format!("5ba5e000-0000-4000-8000-{index:012}")
}

/// A path inside a hook, whose words are split as a shell's.
fn quoted(path: &Path) -> Result<String> {
    match path.to_str() {
        Some(text) if !text.contains('\'') => Ok(format!("'{text}'")),
        _ => Err(Failure::new(format!(
            "{} has a character that mmdebstrap's hooks cannot take: move the checkout or set XDG_CACHE_HOME",
            path.display()
        ))),
    }
}
