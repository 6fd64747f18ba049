//! Control groups: limits for the processes of an app, and an end for all of them at once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use control::{AppUsage, Limits};

/// The mounted hierarchy, version 2.
#[derive(Debug, Clone)]
pub(crate) struct Groups {
    root: PathBuf,
}

impl Groups {
    /// Hands the controllers down to groups that are made below. A kernel without one of them has no
    /// such limits; the reasons are returned.
    pub(crate) fn open(root: &Path) -> io::Result<(Self, Vec<String>)> {
        let apps = root.join("apps");
        fs::create_dir_all(&apps)?;
        fs::create_dir_all(root.join("commands"))?;
        fs::create_dir_all(root.join("idle"))?;
        let mut missing = Vec::new();
        for controller in ["memory", "pids", "cpu"] {
            for level in [root, &apps] {
                let enabled = fs::write(
                    level.join("cgroup.subtree_control"),
                    format!("+{controller}"),
                );
                if let Err(error) = enabled {
                    missing.push(format!("no {controller} limits: {error}"));
                    break;
                }
            }
        }
        // What is done in advance has the processor while nobody else wants it.
        if let Err(error) = fs::write(root.join("idle/cpu.weight"), "1") {
            missing.push(format!("nothing is idle: {error}"));
        }
        let root = root.to_owned();
        Ok((Self { root }, missing))
    }

    pub(crate) fn app(&self, name: &str) -> Group {
        Group(self.root.join("apps").join(name))
    }

    pub(crate) fn command(&self, number: u32) -> Group {
        Group(self.root.join("commands").join(number.to_string()))
    }

    /// For a process that nobody waits for yet.
    pub(crate) fn idle(&self, number: u32) -> Group {
        Group(self.root.join("idle").join(number.to_string()))
    }

    /// Ends everything that this hierarchy holds, of an agent before this one.
    pub(crate) fn clear(&self) {
        for folder in ["apps", "commands", "idle"] {
            Group(self.root.join(folder)).kill();
        }
    }
}

/// One group. It exists once it was made, and until it is removed.
#[derive(Debug, Clone)]
pub(crate) struct Group(PathBuf);

impl Group {
    /// A group below this one.
    pub(crate) fn inner(&self, name: &str) -> Self {
        Self(self.0.join(name))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn make(&self) -> io::Result<()> {
        fs::create_dir_all(&self.0)
    }

    /// Sets what the kernel has controllers for.
    pub(crate) fn limit(&self, limits: &Limits) {
        // The weights of nice values are those of the kernel's scheduler, a factor of 1.25 each.
        let weight = (100.0 / 1.25_f64.powi(i32::from(limits.nice))).max(1.0);
        for (file, value) in [
            ("memory.max", limits.memory.to_string()),
            ("pids.max", limits.processes.to_string()),
            ("cpu.weight", format!("{weight:.0}")),
        ] {
            let file = self.0.join(file);
            if file.exists() {
                let _kernel_without = fs::write(file, value);
            }
        }
    }

    /// SIGKILL to every process in it and below.
    pub(crate) fn kill(&self) {
        let _gone_already = fs::write(self.0.join("cgroup.kill"), "1");
    }

    /// Takes in a process, with all its threads.
    pub(crate) fn adopt(&self, pid: u32) -> io::Result<()> {
        fs::write(self.0.join("cgroup.procs"), pid.to_string())
    }

    /// Whether a process is in it or below.
    pub(crate) fn is_populated(&self) -> bool {
        self.keyed("cgroup.events", "populated") == Some(1)
    }

    /// How many of its processes the kernel killed for memory.
    pub(crate) fn out_of_memory(&self) -> u64 {
        self.keyed("memory.events", "oom_kill").unwrap_or(0)
    }

    pub(crate) fn usage(&self, name: &str) -> AppUsage {
        let number = |file| self.read(file).and_then(|text| text.trim().parse().ok());
        AppUsage {
            name: name.to_owned(),
            memory: number("memory.current").unwrap_or(0),
            cpu: self.keyed("cpu.stat", "usage_usec").unwrap_or(0),
            processes: number("pids.current")
                .map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX)),
        }
    }

    /// With the groups below it. What is still populated stays.
    pub(crate) fn remove(&self) {
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                let _still_populated = fs::remove_dir(entry.path());
            }
        }
        let _still_populated = fs::remove_dir(&self.0);
    }

    fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.0.join(file)).ok()
    }

    fn keyed(&self, file: &str, key: &str) -> Option<u64> {
        keyed(&self.read(file)?, key)
    }
}

/// The value after a key, in a file of one key and value a line.
fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
        .and_then(|value| value.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_whole_words() {
        let text = "oom 3\noom_kill 2\noom_group_kill 1\n";
        assert_eq!(keyed(text, "oom_kill"), Some(2));
        assert_eq!(keyed(text, "oom"), Some(3));
        assert_eq!(keyed(text, "kill"), None);
        assert_eq!(keyed("populated x\n", "populated"), None);
    }
}
