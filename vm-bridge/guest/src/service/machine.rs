//! What concerns the whole guest: disks, layers, rooms, usage, rest and end.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use control::{Answer, Failure, Usage};

use super::Service;
use super::apps::{Change, Phase};
use super::jobs::Ask;
use crate::life::Millis;
use crate::program;
use crate::store::Store;
use crate::system::disk::{self, system};
use crate::system::room::{self, Kind, Plan};
use crate::system::{self, console};

/// The rooms that hang, and how many processes were let into each.
///
/// A room has a name and a serial number: one that is not to be entered any more stays, under its
/// number, for those who are in it or on their way.
#[derive(Debug)]
pub(crate) struct Rooms {
    root: PathBuf,
    holders: BTreeMap<(String, u32), usize>,
    /// Which one of a name is entered now.
    current: BTreeMap<String, u32>,
    serial: u32,
}

/// The right to be in a room, to be given back with [`Rooms::release`].
#[derive(Debug)]
#[must_use]
pub(crate) struct Hold {
    room: String,
    serial: u32,
}

impl Rooms {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self {
            root,
            holders: BTreeMap::new(),
            current: BTreeMap::new(),
            serial: 0,
        }
    }

    /// Where a room is that somebody holds.
    pub(crate) fn path(&self, room: &str) -> PathBuf {
        let serial = self.current.get(room).copied().unwrap_or_default();
        self.place(room, serial)
    }

    fn place(&self, room: &str, serial: u32) -> PathBuf {
        self.root.join(format!("{room}.{serial}"))
    }

    /// Holds a room, hung up by `open` if it does not hang.
    fn hold(&mut self, room: &str, open: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<Hold> {
        let serial = if let Some(serial) = self.current.get(room) {
            *serial
        } else {
            self.serial += 1;
            open(&self.place(room, self.serial))?;
            self.current.insert(room.to_owned(), self.serial);
            self.serial
        };
        let room = room.to_owned();
        *self.holders.entry((room.clone(), serial)).or_default() += 1;
        Ok(Hold { room, serial })
    }

    pub(crate) fn release(&mut self, hold: Hold) {
        let Hold { room, serial } = hold;
        let key = (room, serial);
        let Some(holders) = self.holders.get_mut(&key) else {
            return;
        };
        *holders -= 1;
        if *holders == 0 {
            self.close(&key);
        }
    }

    /// Has the next one to hold it get a new one.
    fn renew(&mut self, room: &str) {
        self.current.remove(room);
    }

    /// Takes a room down, whoever is in it.
    pub(crate) fn take_down(&mut self, room: &str) {
        if let Some(serial) = self.current.get(room) {
            self.close(&(room.to_owned(), *serial));
        }
    }

    fn close(&mut self, key: &(String, u32)) {
        let (room, serial) = key;
        self.holders.remove(key);
        if self.current.get(room) == Some(serial) {
            self.current.remove(room);
        }
        let place = self.place(room, *serial);
        room::close(&place);
        let _still_there = std::fs::remove_dir(place);
    }
}

/// The room of commands that are no app's. No app has that name.
pub(crate) const OWNER: &str = ".owner";

/// What an agent before this one left hanging.
pub(crate) fn clear(run: &Path, data: &Path) {
    for folder in ["rooms", "layers"] {
        let entries = std::fs::read_dir(run.join(folder));
        for entry in entries.into_iter().flatten().flatten() {
            disk::detach(&entry.path());
        }
    }
    disk::detach(data);
}

/// The machine is being switched off.
#[derive(Debug)]
pub(crate) struct PoweringOff {
    ask: Ask,
    /// Whoever lives then is killed.
    until: Millis,
}

impl PoweringOff {
    pub(crate) fn deadline(&self) -> Millis {
        self.until
    }
}

impl Service {
    pub(super) fn mount(&mut self, device: &str) -> Result<Answer, Failure> {
        let mut mended = None;
        if self.warmth.is_quiescing() {
            return Err(Failure::Busy);
        }
        if self.store.is_none() {
            if self.place.guest {
                mended = disk::mount_data(device, &self.place.data)?;
            } else {
                std::fs::create_dir_all(&self.place.data).map_err(system("make a folder"))?;
            }
            if let Some(words) = &mended {
                console(format_args!("the data disk was mended: {words}"));
            }
            let opened = Store::open(&self.place.data).and_then(|store| {
                store.leave(None)?;
                store.tidy()?;
                let apps = store.apps()?;
                Ok((store, apps))
            });
            let (store, apps) = match opened {
                Ok(opened) => opened,
                Err(error) => {
                    disk::detach(&self.place.data);
                    return Err(super::jobs::disk_failure(&error, "read the data disk"));
                }
            };
            let _not_now = self.jobs.empty_trash(store.clone(), None);
            self.store = Some(store);
            self.adopt_saved(apps);
        }
        Ok(Answer::Mounted {
            mended,
            apps: self.starting(),
        })
    }

    pub(super) fn attach(&mut self, layer: &str, device: &str) -> Result<(), Failure> {
        program::name(layer).map_err(|wrong| Failure::Invalid { reason: wrong.0 })?;
        if self.layers.contains_key(layer) {
            return Ok(());
        }
        if self.place.guest {
            disk::mount_layer(device, &self.layer(layer)).map_err(system("mount the layer"))?;
        }
        self.layers.insert(layer.to_owned(), device.to_owned());
        // The next command has it; who is in the room keeps what was there.
        self.rooms.renew(OWNER);
        self.layer_came();
        self.start_what_waited();
        Ok(())
    }

    pub(super) fn detach(&mut self, layer: &str) -> Result<(), Failure> {
        let users: Vec<String> = self
            .apps
            .values()
            .filter(|hosted| hosted.has_process() && hosted.app.layers.iter().any(|l| l == layer))
            .map(|hosted| hosted.app.name.clone())
            .collect();
        if !users.is_empty() {
            return Err(Failure::LayerInUse { apps: users });
        }
        if self.layers.remove(layer).is_some() && self.place.guest {
            self.rooms.renew(OWNER);
            self.drop_warm();
            self.drop_functions();
            disk::detach(&self.layer(layer));
        }
        Ok(())
    }

    fn layer(&self, layer: &str) -> PathBuf {
        self.place.run.join("layers").join(layer)
    }

    /// Which of these layers are not attached.
    pub(super) fn missing(&self, layers: &[String]) -> Vec<String> {
        let attached = |layer: &&String| !self.layers.contains_key(*layer);
        layers.iter().filter(attached).cloned().collect()
    }

    /// Lets a process into an app's room. Nobody has a room outside a guest.
    pub(super) fn hold_app(&mut self, name: &str) -> Result<Option<Hold>, Failure> {
        let store = self.store()?.clone();
        let Some(hosted) = self.apps.get(name) else {
            return Err(Failure::UnknownApp {
                app: name.to_owned(),
            });
        };
        if !self.place.guest {
            return Ok(None);
        }
        let missing = self.missing(&hosted.app.layers);
        if !missing.is_empty() {
            return Err(Failure::LayerMissing { layers: missing });
        }
        // The last one named is the uppermost.
        let layers = hosted.app.layers.iter().rev();
        let layers: Vec<PathBuf> = layers.map(|layer| self.layer(layer)).collect();
        let (uid, bundle) = (hosted.uid, hosted.app.bundle);
        let hold = self.rooms.hold(name, |root| {
            room::open(&Plan {
                root,
                layers: &layers,
                written: &store.written(name),
                kind: Kind::App {
                    uid,
                    files: &store.bundle(name, bundle),
                },
            })
        });
        match hold {
            Ok(hold) => Ok(Some(hold)),
            Err(error) => Err(super::jobs::disk_failure(&error, "make the app's room")),
        }
    }

    /// Lets a command of the owner into the room with every layer.
    pub(super) fn hold_owner(&mut self) -> Result<Option<Hold>, Failure> {
        if !self.place.guest {
            return Ok(None);
        }
        let layers: Vec<PathBuf> = self.layers.keys().map(|layer| self.layer(layer)).collect();
        let data = self.store.as_ref().map(Store::root);
        let written = match &self.store {
            Some(store) => store.written(OWNER),
            None => self.place.run.join("owner"),
        };
        let hold = self.rooms.hold(OWNER, |root| {
            room::open(&Plan {
                root,
                layers: &layers,
                written: &written,
                kind: Kind::Owner { data },
            })
        });
        hold.map(Some).map_err(system("make a room"))
    }

    /// Lets a process into a room that has one layer and keeps nothing.
    pub(super) fn hold_warm(&mut self, room: &str, layer: &str) -> Result<Hold, Failure> {
        let layers = [self.layer(layer)];
        let written = self.place.run.join("written").join(room);
        let hold = self.rooms.hold(room, |root| {
            room::open(&Plan {
                root,
                layers: &layers,
                written: &written,
                kind: Kind::Waiting,
            })
        });
        hold.map_err(system("make a room"))
    }

    pub(super) fn forget_warm_room(&self, room: &str) {
        let _none_left = std::fs::remove_dir_all(self.place.run.join("written").join(room));
    }

    pub(super) fn usage(&self) -> Usage {
        let (memory_used, memory_total) = system::usage::memory();
        let disk = self
            .store
            .as_ref()
            .and_then(|store| rustix::fs::statvfs(store.root()).ok());
        let (disk_used, disk_total) = disk.map_or((0, 0), |disk| {
            let total = disk.f_blocks * disk.f_frsize;
            (total - disk.f_bfree * disk.f_frsize, total)
        });
        let running = self.apps.values().filter(|hosted| hosted.has_process());
        Usage {
            memory_used,
            memory_total,
            load: system::usage::load(),
            disk_used,
            disk_total,
            apps: running.filter_map(super::apps::Hosted::usage).collect(),
        }
    }

    pub(super) fn sync(&mut self, ask: Ask) -> Result<(), Failure> {
        let store = self.store()?.clone();
        self.jobs.sync(ask, store).map_err(system("begin a job"))
    }

    pub(super) fn hold_room(&mut self, ask: Ask, room: Option<u64>) -> Result<(), Failure> {
        let store = self.store()?.clone();
        self.jobs
            .leave(ask, store, room)
            .map_err(system("begin a job"))
    }

    /// Nothing of the data disk may be in use; then it is unmounted, and forgotten.
    pub(super) fn quiesce(&mut self, ask: Ask) {
        match self.rest() {
            Ok(()) => self.quiesce_warm(ask),
            Err(failure) => self.answer(ask, Err(failure)),
        }
    }

    /// Everything rests.
    pub(super) fn end_quiesce(&mut self, ask: Ask) {
        nix::unistd::sync();
        self.boot = None;
        self.answer(ask, Ok(Answer::Done));
        if ask.link == self.links
            && let Some(link) = &mut self.link
        {
            link.closing = true;
        }
    }

    fn rest(&mut self) -> Result<(), Failure> {
        let running: Vec<String> = self
            .apps
            .values()
            .filter(|hosted| hosted.has_process() || !matches!(hosted.phase, Phase::Still))
            .map(|hosted| hosted.app.name.clone())
            .collect();
        if !running.is_empty() {
            return Err(Failure::AppsRunning { apps: running });
        }
        self.cancel_commands();
        self.receiving.clear();
        if self.store.is_some() && self.place.guest {
            disk::unmount(&self.place.data).map_err(system("unmount the data disk"))?;
        }
        self.store = None;
        self.apps.clear();
        Ok(())
    }

    /// Ends every app, without forgetting that it is to run.
    pub(super) fn power_off(&mut self, ask: Ask, grace: u32) {
        let names: Vec<String> = self.apps.keys().cloned().collect();
        for name in names {
            self.queue(&name, None, Change::Rest { grace });
        }
        self.cancel_commands();
        self.receiving.clear();
        let until = system::monotonic() + Millis::from(grace) + 2_000;
        self.powering_off = Some(PoweringOff { ask, until });
    }

    pub(super) fn tick_power_off(&mut self) {
        let Some(off) = &self.powering_off else {
            return;
        };
        let (ask, late) = (off.ask, system::monotonic() >= off.until);
        if !late && self.apps.values().any(super::apps::Hosted::has_process) {
            return;
        }
        self.powering_off = None;
        self.kill_everything();
        if self.place.guest
            && self.store.take().is_some()
            && let Err(error) = disk::unmount(&self.place.data)
        {
            console(format_args!("the data disk stays mounted: {error}"));
        }
        nix::unistd::sync();
        self.answer(ask, Ok(Answer::Done));
        self.flush();
        if self.place.guest {
            system::boot::power_off();
        }
    }

    pub(super) fn kill_everything(&mut self) {
        self.cancel_commands();
        self.drop_warm();
        self.drop_functions();
        for hosted in self.apps.values() {
            hosted.kill();
        }
        if let Some(groups) = &self.groups {
            groups.clear();
        }
    }
}
