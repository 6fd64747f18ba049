//! One life of the machine, from the moment at which its agent answers.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::BTreeSet,
    fmt,
    rc::Rc,
};

use control::Request;
use disk::Manifest;

use crate::{
    agent::Agent,
    engine::{Engine, Event, Kind, sockets},
    failure::Failure,
    http::Http,
    network::{Calls, Frames, Network, Resolver},
    surroundings::{Milliseconds, World},
};

/// For a layer to be mounted.
const ATTACH: Milliseconds = 30_000;

/// Streams of a guest without frames.
const CALLS: sockets::Settings = sockets::Settings {
    window: 256 * 1024,
    streams: 1_024,
};

/// A guest that runs.
pub struct Life {
    pub engine: Rc<dyn Engine>,
    pub switch: Switchboard,
    pub http: Http,
    pub agent: Agent,
    pub manifest: Rc<Manifest>,
    attached: RefCell<BTreeSet<String>>,
    /// Its conversations with the world outside: dropped, they end.
    pub services: RefCell<Vec<Box<dyn fmt::Debug>>>,
    uses: Rc<Uses>,
}

/// The network of either kind of guest.
#[derive(Debug, Clone)]
pub enum Switchboard {
    Frames(Frames),
    Calls(Calls),
}

/// Where the switch is found by an engine that was made before it.
pub(super) type Socket = Rc<OnceCell<Switchboard>>;

impl Switchboard {
    /// Stands between an engine and streams.
    pub fn new(kind: Kind, engine: &Rc<dyn Engine>, world: &World, resolve: Resolver) -> Self {
        // The engine's events lead to the switch: it must not keep the engine alive in turn.
        let engine = Rc::downgrade(engine);
        match kind.network() {
            crate::engine::Network::Frames => {
                let mut seed = [0; 8];
                world.random(&mut seed);
                let settings = Frames::settings(u64::from_le_bytes(seed));
                Self::Frames(Frames::new(
                    settings,
                    Rc::clone(world),
                    resolve,
                    move |frame| {
                        if let Some(engine) = engine.upgrade() {
                            engine.send_frame(frame);
                        }
                    },
                ))
            }
            crate::engine::Network::Sockets => {
                Self::Calls(Calls::new(CALLS, Rc::clone(world), move |order| {
                    if let Some(engine) = engine.upgrade() {
                        engine.socket(order);
                    }
                }))
            }
        }
    }

    pub fn network(&self) -> Rc<dyn Network> {
        match self {
            Self::Frames(frames) => Rc::new(frames.clone()),
            Self::Calls(calls) => Rc::new(calls.clone()),
        }
    }

    /// Takes what an engine tells of its guest's network.
    pub fn handle(&self, event: &Event) {
        match (self, event) {
            (Self::Frames(frames), Event::Frame(frame)) => frames.handle_frame(frame),
            (Self::Calls(calls), Event::Socket(happened)) => {
                calls.handle_happened(happened.clone());
            }
            (Self::Frames(_) | Self::Calls(_), _) => {}
        }
    }

    fn pause(&self) {
        match self {
            Self::Frames(frames) => frames.pause(),
            Self::Calls(calls) => calls.pause(),
        }
    }

    fn resume(&self) {
        match self {
            Self::Frames(frames) => frames.resume(),
            Self::Calls(calls) => calls.resume(),
        }
    }
}

impl Life {
    pub fn new(
        engine: Rc<dyn Engine>,
        switch: Switchboard,
        http: Http,
        agent: Agent,
        manifest: Rc<Manifest>,
        uses: Rc<Uses>,
    ) -> Self {
        Self {
            engine,
            switch,
            http,
            agent,
            manifest,
            attached: RefCell::default(),
            services: RefCell::default(),
            uses,
        }
    }

    /// These layers are attached already.
    pub fn has_attached(&self, layers: &[String]) {
        self.attached.borrow_mut().extend(layers.iter().cloned());
    }

    /// Attaches a layer, unless it is.
    pub async fn attach(&self, name: &str) -> Result<(), Failure> {
        if self.attached.borrow().contains(name) {
            return Ok(());
        }
        let layer = self.manifest.layers.iter().find(|layer| layer.name == name);
        let Some(layer) = layer else {
            let reason = format!("The image has no runtime \"{name}\"");
            return Err(Failure::Invalid(reason));
        };
        let request = Request::Attach {
            layer: layer.name.clone(),
            device: layer.device.clone(),
        };
        self.agent.ask(request, ATTACH).await?;
        self.attached.borrow_mut().insert(name.to_owned());
        Ok(())
    }

    /// Detaches a layer, unless it is not attached.
    pub async fn detach(&self, name: &str) -> Result<(), Failure> {
        if !self.attached.borrow().contains(name) {
            return Ok(());
        }
        let layer = name.to_owned();
        self.agent.ask(Request::Detach { layer }, ATTACH).await?;
        self.attached.borrow_mut().remove(name);
        Ok(())
    }

    /// Stands still.
    pub fn pause(&self) {
        self.switch.pause();
        self.engine.pause();
    }

    /// Goes on, and is told the time.
    pub fn resume(&self) {
        self.engine.resume();
        self.switch.resume();
        self.agent.renew();
    }

    /// Somebody needs the machine, as long as this value lives.
    pub fn in_use(&self) -> Use {
        self.uses.begin()
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Life")
            .field("attached", &self.attached)
            .finish_non_exhaustive()
    }
}

/// How many need the machine, and when one did last.
pub struct Uses {
    world: World,
    count: Cell<usize>,
    last: Cell<Milliseconds>,
}

/// Somebody needs the machine.
pub struct Use(Rc<Uses>);

impl Uses {
    pub fn new(world: &World) -> Self {
        Self {
            world: Rc::clone(world),
            count: Cell::new(0),
            last: Cell::new(world.now()),
        }
    }

    pub fn begin(self: &Rc<Self>) -> Use {
        self.count.set(self.count.get() + 1);
        self.last.set(self.world.now());
        Use(Rc::clone(self))
    }

    /// Since when nobody has needed it; `None` while somebody does.
    pub fn idle_since(&self) -> Option<Milliseconds> {
        (self.count.get() == 0).then(|| self.last.get())
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get() - 1);
        self.0.last.set(self.0.world.now());
    }
}

impl fmt::Debug for Use {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Use")
    }
}

impl fmt::Debug for Uses {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Uses").field(&self.count).finish()
    }
}
