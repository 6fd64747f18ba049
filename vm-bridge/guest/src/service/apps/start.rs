//! Starts an app's process.

use std::fs;

use control::{App, Failure, Runtime, State};

use super::super::Service;
use super::super::jobs::{Ask, disk_failure};
use super::{Phase, Process, main_of, unknown};
use crate::life::Life;
use crate::program;
use crate::system::disk::system;
use crate::system::enter::Entry;
use crate::system::spawn::{self, Streams};

impl Service {
    /// An app was asked to run and nothing of it does.
    pub(crate) fn launch(&mut self, name: &str, ask: Option<Ask>, app: App) {
        let Some(hosted) = self.apps.get_mut(name) else {
            return;
        };
        let differs = hosted.app.layers != app.layers || hosted.app.bundle != app.bundle;
        hosted.app = app;
        hosted.life = Life::default();
        hosted.exit = None;
        if differs {
            // Commands beside the app would keep the old room.
            hosted.kill();
            self.rooms.take_down(name);
        }
        let saved = self.remember(name);
        match saved.and_then(|()| self.start_process(name, ask)) {
            Ok(()) => {
                self.set_state(name, State::Starting);
                if matches!(self.apps.get(name), Some(hosted) if matches!(hosted.phase, Phase::Up))
                {
                    // It took over a process that runs already.
                    self.answer_status(name, ask);
                }
                if let (Ok(store), Some(hosted)) = (self.store(), self.apps.get(name)) {
                    store.keep_only(name, hosted.app.bundle);
                }
            }
            Err(failure) => self.could_not_start(name, ask, failure),
        }
    }

    pub(crate) fn remember(&self, name: &str) -> Result<(), Failure> {
        let store = self.store()?;
        let Some(hosted) = self.apps.get(name) else {
            return Err(unknown(name));
        };
        let saved = store.save(&hosted.app);
        saved
            .and_then(|()| store.want(name, true))
            .map_err(|error| disk_failure(&error, "remember the app"))
    }

    pub(crate) fn start_process(&mut self, name: &str, ask: Option<Ask>) -> Result<(), Failure> {
        let hold = self.hold_app(name)?;
        match self.spawn_app(name, hold.is_some()) {
            Ok(mut process) => {
                if let Some(hosted) = self.apps.get_mut(name) {
                    process.hold = hold;
                    hosted.life.begin(process.began);
                    hosted.look = process.began;
                    hosted.phase = match process.report {
                        Some(_) => Phase::Launching { ask, failed: None },
                        None => Phase::Up,
                    };
                    hosted.process = Some(process);
                }
                Ok(())
            }
            Err(failure) => {
                if let Some(hold) = hold {
                    self.rooms.release(hold);
                }
                Err(failure)
            }
        }
    }

    pub(crate) fn spawn_app(&mut self, name: &str, apart: bool) -> Result<Process, Failure> {
        let report = self.report();
        let app = self.apps.get(name).map(|hosted| hosted.app.clone());
        let warm = app.filter(|_| apart).and_then(|app| self.take_warm(&app));
        let room = apart.then(|| self.rooms.path(name));
        let files = self.store()?.clone();
        let Some(hosted) = self.apps.get(name) else {
            return Err(unknown(name));
        };
        let app = &hosted.app;
        if app.runtime == Runtime::Static
            && let Some(room) = &room
        {
            let settings = room.join(program::NGINX.trim_start_matches('/'));
            fs::write(settings, program::nginx(app.port)).map_err(system("write settings"))?;
        }
        let mut out_of_memory = 0;
        let mut main_group = None;
        if let Some(group) = &hosted.group {
            let main = main_of(group);
            group.make().map_err(system("make a control group"))?;
            group.limit(&app.limits);
            main.make().map_err(system("make a control group"))?;
            out_of_memory = group.out_of_memory();
            main_group = Some(main);
        }
        if let Some(warm) = warm {
            return self.adopt_warm(warm, name, main_group.as_ref(), out_of_memory);
        }
        let directory = match room {
            Some(_) => program::FILES.into(),
            None => files.bundle(name, app.bundle),
        };
        let entry = Entry {
            room,
            cgroup: main_group.map(|main| main.path().to_owned()),
            uid: apart.then_some(hosted.uid),
            nice: app.limits.nice,
            directory,
            terminal: false,
            report,
            command: program::command(app).into_iter().map(Into::into).collect(),
        };
        let env = program::environment(app);
        let spawned = spawn::spawn(&self.place.agent, &entry, &env, Streams::Log)
            .map_err(system("start a process"))?;
        Ok(Process::new(
            spawned.pid,
            spawned.output,
            spawned.error,
            Some(spawned.report),
            out_of_memory,
        ))
    }

    pub(crate) fn could_not_start(&mut self, name: &str, ask: Option<Ask>, failure: Failure) {
        self.say(name, failure.to_string());
        if let Some(hosted) = self.apps.get_mut(name) {
            hosted.phase = Phase::Still;
        }
        self.set_state(name, State::Crashed);
        self.fail(ask, failure);
    }
}
