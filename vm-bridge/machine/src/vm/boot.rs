//! From nothing to a machine whose agent answers.

use std::{future::Future, pin::pin, rc::Rc};

use control::{Answer, Refusal, Request, Welcome};
use futures::future::{self, Either};

use super::{Booted, Event, Failure, Life, Milliseconds, Socket, State, Switchboard, Vm};
use crate::{
    agent::{Agent, Limits as AgentLimits, News},
    engine::{Plan, Snapshot},
    http::{Http, Limits as HttpLimits},
    network::Resolver,
};

/// The disk that is written to, as the guest calls it.
const DATA: &str = "/dev/sdb";

/// For the data disk to be mended and mounted.
const MOUNT: Milliseconds = 120_000;

/// The part of the room that is left which programs get: the file system's journal and what waits to
/// be written need the rest.
const ROOM_SHARE: u64 = 8;

/// What is said when there is none.
const NO_ROOM: &str = "The browser gives this site no more room: programs of the guest find its disk full until there is some";

/// Where the guest finds what the switch answers for.
const HERE: [u8; 4] = [10, 0, 2, 2];
const ITSELF: [u8; 4] = [127, 0, 0, 1];

impl Vm {
    /// A boot begins: whatever was is over.
    pub(super) fn announce_boot(&self) {
        let settings = self.settings();
        self.0.console.borrow_mut().clear();
        self.0.status.change(|status| {
            status.state = State::Loading;
            "looking at the image".clone_into(&mut status.stage);
            (status.loaded, status.total) = (0, 0);
            status.engine = Some(settings.engine.name());
            status.memory = Some(settings.memory);
            (status.snapshot, status.boot_ms, status.usage) = (None, None, None);
            status.error = None;
        });
        self.0.room.set(None);
    }

    /// Boots, and tells everybody how that goes.
    pub(super) async fn begin_life(&self) -> Booted {
        let begun = self.0.parts.world.now();
        self.0.ended.take();
        let ended = self.0.changed.wait(|| self.0.ended.take());
        let outcome = match future::select(pin!(self.try_life()), pin!(ended)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right((failure, _)) => Err(failure),
        };
        self.0.boot.take();
        match outcome {
            Ok(life) => {
                self.0.failed.set(None);
                let boot_ms = self.0.parts.world.now().saturating_sub(begun);
                self.0.life.replace(Some(Rc::clone(&life)));
                self.0.status.change(|status| {
                    status.state = State::Ready;
                    status.stage.clear();
                    (status.loaded, status.total) = (0, 0);
                    status.boot_ms = Some(boot_ms);
                });
                drop(self.in_use());
                self.watch_idleness();
                (self.0.hooks.ready)();
                Ok(life)
            }
            Err(failure) => {
                self.fail(failure);
                // With what the console said.
                let failure = self.0.status.get().error;
                Err(failure.unwrap_or_else(|| Failure::vm("The machine did not boot")))
            }
        }
    }

    async fn try_life(&self) -> Booted {
        let inner = &self.0;
        let manifest = self.manifest().await?;
        let settings = self.settings();
        let number = inner.number.get() + 1;
        inner.number.set(number);
        let socket = Socket::default();
        let engine = inner
            .parts
            .engines
            .engine(settings.engine, self.events(number, &socket));
        inner.engine.replace(Some(Rc::clone(&engine)));
        let world = &inner.parts.world;
        let switch = Switchboard::new(settings.engine, &engine, world, self.resolver());
        // It is set only here.
        let _ = socket.set(switch.clone());
        let network = switch.network();
        let services = (inner.hooks.serve)(&network);

        let known: Vec<String> = manifest
            .layers
            .iter()
            .map(|layer| layer.name.clone())
            .collect();
        let mut layers = settings.runtimes.clone();
        layers.retain(|layer| known.contains(layer));
        let plan = Plan {
            memory: settings.memory,
            layers: layers.clone(),
            snapshot: Snapshot::Allowed,
        };
        let booted = self.not_silent(engine.boot(plan)).await??;
        inner.status.change(|status| {
            status.state = State::Booting;
            "waiting for the guest's agent".clone_into(&mut status.stage);
            (status.loaded, status.total) = (0, 0);
            status.snapshot = Some(booted.snapshot.is_some());
        });
        let agent = self.agent(&network, number);
        let welcome = self.not_silent(agent.connected()).await?;
        let welcome = welcome.map_err(|refusal| Failure::vm(refused(&refusal)))?;
        let http = Http::new(network, Rc::clone(world), HttpLimits::default());
        let uses = Rc::clone(&inner.uses);
        let life = Rc::new(Life::new(engine, switch, http, agent, manifest, uses));
        life.services.replace(services);
        self.set_up(&life, &welcome, &layers).await?;
        Ok(life)
    }

    /// Layers first: apps that are started again need them.
    async fn set_up(
        &self,
        life: &Life,
        welcome: &Welcome,
        layers: &[String],
    ) -> Result<(), Failure> {
        life.has_attached(&welcome.layers);
        for layer in layers {
            self.0.status.change(|status| {
                status.stage = format!("attaching {layer}");
            });
            life.attach(layer).await?;
        }
        self.0.status.change(|status| {
            "opening the disk".clone_into(&mut status.stage);
        });
        let device = DATA.to_owned();
        let mounted = life.agent.ask(Request::Mount { device }, MOUNT).await?;
        if let Answer::Mounted {
            mended: Some(words),
            ..
        } = mounted
        {
            self.0.log(format!("e2fsck: {words}"));
        }
        if self.0.room.get().is_some() {
            self.tell_room(life).await;
        }
        Ok(())
    }

    fn agent(&self, network: &Rc<dyn crate::network::Network>, number: u64) -> Agent {
        let vm = Rc::downgrade(&self.0);
        let world = Rc::clone(&self.0.parts.world);
        let limits = AgentLimits::default();
        Agent::dial(Rc::clone(network), world, limits, move |news: News| {
            if let Some(vm) = vm.upgrade().filter(|vm| vm.number.get() == number) {
                vm.heard();
                (vm.hooks.news)(&news);
                if news == News::Lost {
                    Self(vm).watch_for_agent(number);
                }
            }
        })
    }

    /// What an engine of this life tells.
    fn events(&self, number: u64, socket: &Socket) -> crate::engine::Events {
        let weak = Rc::downgrade(&self.0);
        let socket = Rc::clone(socket);
        Rc::new(move |event| {
            let Some(vm) = weak.upgrade().map(Self) else {
                return;
            };
            if vm.0.number.get() != number {
                return;
            }
            match event {
                Event::Frame(_) | Event::Socket(_) => {
                    if let Some(switch) = socket.get() {
                        switch.handle(&event);
                    }
                }
                Event::Progress(progress) => {
                    vm.0.heard();
                    vm.0.status.change(|status| {
                        status.stage = progress.stage.to_string();
                        (status.loaded, status.total) = (progress.loaded, progress.total);
                    });
                }
                Event::Console(line) => {
                    vm.0.heard();
                    vm.0.log(line);
                }
                Event::Stuck(failure) => vm.stuck(failure.into(), number),
                Event::Room(room) => vm.has_room(room),
                Event::Halted => vm.end(Failure::vm("Linux has switched the machine off")),
                Event::Failed(failure) => vm.end(failure.into()),
            }
        })
    }

    /// A guest whose agent stays away is of no use.
    fn watch_for_agent(&self, number: u64) {
        let weak = Rc::downgrade(&self.0);
        let (world, limit) = (Rc::clone(&self.0.parts.world), self.0.limits.silence);
        self.0.parts.world.spawn(Box::pin(async move {
            world.sleep(limit).await;
            let vm = weak.upgrade().filter(|vm| vm.number.get() == number);
            let Some(vm) = vm.map(Self) else { return };
            let is_away = vm.life().is_some_and(|life| !life.agent.is_connected());
            if is_away && vm.0.status.state() == State::Ready {
                vm.end(Failure::vm("The virtual machine does not answer any more"));
            }
        }));
    }

    /// The guest's programs are to find their disk full before it is: else the whole machine would
    /// have to wait.
    fn has_room(&self, room: Option<u64>) {
        self.0.room.set(room);
        let line = match room {
            Some(_) => NO_ROOM,
            None => "there is room for the guest's disk again",
        };
        self.0.log(line.to_owned());
        self.0.status.change(|status| {
            status.error = self.lacks_room();
        });
        if let Some(life) = self.life() {
            let weak = Rc::downgrade(&self.0);
            self.0.parts.world.spawn(Box::pin(async move {
                if let Some(vm) = weak.upgrade().map(Self) {
                    vm.tell_room(&life).await;
                }
            }));
        }
    }

    /// What is wrong with a machine that runs, if anything is.
    pub(super) fn lacks_room(&self) -> Option<Failure> {
        let room = self.0.room.get();
        room.map(|_| Failure::DiskFull(NO_ROOM.to_owned()))
    }

    /// Tells the agent. Where it does not hear it, the guest waits once there is no room at all.
    async fn tell_room(&self, life: &Life) {
        // The file system itself needs the rest.
        let bytes = self.0.room.get().map(|bytes| bytes / ROOM_SHARE);
        let _ = life.agent.ask(Request::Room { bytes }, MOUNT).await;
    }

    /// The guest waits for something that may be mended: it tries again now and then.
    fn stuck(&self, failure: Failure, number: u64) {
        self.0.status.change(|status| {
            "the guest has to wait".clone_into(&mut status.stage);
            status.error = Some(failure);
        });
        let weak = Rc::downgrade(&self.0);
        let world = Rc::clone(&self.0.parts.world);
        let wait = self.0.limits.stuck;
        self.0.parts.world.spawn(Box::pin(async move {
            world.sleep(wait).await;
            let Some(vm) = weak.upgrade().filter(|vm| vm.number.get() == number) else {
                return;
            };
            let engine = vm.engine.borrow().clone();
            if let Some(engine) = engine {
                let error = Self(Rc::clone(&vm)).lacks_room();
                vm.status.change(|status| {
                    status.stage.clear();
                    status.error = error;
                });
                engine.resume();
            }
        }));
    }

    /// Waits for an outcome as long as there are signs of life.
    async fn not_silent<Outcome>(
        &self,
        work: impl Future<Output = Outcome>,
    ) -> Result<Outcome, Failure> {
        let world = &self.0.parts.world;
        let limit = self.0.limits.silence;
        self.0.heard();
        let mut work = pin!(work);
        loop {
            let due = self.0.heard.get() + limit;
            let left = due.saturating_sub(world.now());
            if left == 0 {
                return Err(Failure::vm("The machine does not go on booting"));
            }
            match future::select(work.as_mut(), world.sleep(left)).await {
                Either::Left((outcome, _)) => return Ok(outcome),
                Either::Right(((), _)) => {}
            }
        }
    }

    /// Where the guest's names lead: to the switch, if anything answers for them there.
    fn resolver(&self) -> Resolver {
        let weak = Rc::downgrade(&self.0);
        Rc::new(move |name| match name {
            "localhost" => Some(ITSELF),
            "gateway" | "gateway.internal" | "supabase" | "host.internal" => Some(HERE),
            name => {
                let vm = weak.upgrade()?;
                let allowed = vm.settings.borrow().outbound.knows(name);
                allowed.then_some(HERE)
            }
        })
    }
}

fn refused(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Version { protocol } => format!(
            "The guest's agent speaks version {protocol} of the protocol, this page {}: reload it",
            control::PROTOCOL
        ),
        Refusal::Malformed { reason } => format!("The guest's agent did not understand: {reason}"),
    }
}
