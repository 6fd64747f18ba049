//! A machine by itself, without the network and the apps that belong to it: what makes an image's
//! snapshots and tests engines.

use std::rc::Rc;

use js_sys::{Function, Uint8Array};
use wasm_bindgen::{JsError, JsValue, prelude::wasm_bindgen};

use super::{Loaded, Worker, host::Host, isolate::OfHost};
use crate::engine::{Booted, Engine, Engines as _, Event, Events, Failure, Kind, Plan, Snapshot};

/// One life of a machine.
#[wasm_bindgen]
pub struct Bare(Rc<dyn Engine>);

#[wasm_bindgen]
impl Bare {
    /// `heard` is told what happens: a word, and a text or bytes.
    #[wasm_bindgen(constructor)]
    pub fn new(host: Host, engine: &str, heard: Function) -> Self {
        let events: Events = Rc::new(move |event| {
            let (word, value): (&str, JsValue) = match event {
                Event::Progress(progress) => {
                    let text = format!(
                        "{}: {} of {}",
                        progress.stage, progress.loaded, progress.total
                    );
                    ("progress", text.into())
                }
                Event::Frame(frame) => ("frame", Uint8Array::from(&frame[..]).into()),
                Event::Socket(happened) => ("socket", format!("{happened:?}").into()),
                Event::Console(line) => ("console", line.into()),
                Event::Stuck(failure) => ("stuck", failure.to_string().into()),
                Event::Room(room) => ("room", format!("{room:?}").into()),
                Event::Halted => ("halted", JsValue::UNDEFINED),
                Event::Failed(failure) => ("failed", failure.to_string().into()),
            };
            // What the listener does with it is its own.
            let _ = heard.call2(&JsValue::UNDEFINED, &word.into(), &value);
        });
        let kind = Kind::named(engine).unwrap_or_default();
        Self(Loaded::new(host).engine(kind, events))
    }

    /// Resolves when the guest runs, with the layers of the snapshot that it began from, if it did.
    pub async fn boot(
        &self,
        memory: u32,
        layers: Vec<String>,
        snapshot: bool,
    ) -> Result<Option<Vec<String>>, JsError> {
        let snapshot = if snapshot {
            Snapshot::Allowed
        } else {
            Snapshot::Refused
        };
        let plan = Plan {
            memory,
            layers,
            snapshot,
        };
        let Booted { snapshot, .. } = Rc::clone(&self.0).boot(plan).await.map_err(error)?;
        Ok(snapshot)
    }

    #[wasm_bindgen(js_name = sendFrame)]
    pub fn send_frame(&self, frame: Vec<u8>) {
        self.0.send_frame(frame);
    }

    pub fn pause(&self) {
        self.0.pause();
    }

    pub fn resume(&self) {
        self.0.resume();
    }

    pub async fn stop(&self) {
        Rc::clone(&self.0).stop().await;
    }

    pub async fn save(&self) -> Result<Uint8Array, JsError> {
        let state = Rc::clone(&self.0).save().await.map_err(error)?;
        Ok(Uint8Array::from(&state[..]))
    }

    /// Boots a machine, attaches layers, and gives its state; see [`crate::snapshot`].
    pub async fn snapshot(
        host: Host,
        memory: u32,
        layers: Vec<String>,
        heard: Function,
    ) -> Result<Uint8Array, JsError> {
        let host = Rc::new(host);
        let engines = Rc::new(Loaded::on(Rc::clone(&host)));
        let runtime = Rc::new(OfHost(host));
        let heard = move |line: &str| {
            // What the listener does with it is its own.
            let _ = heard.call1(&JsValue::UNDEFINED, &line.into());
        };
        let saved =
            crate::snapshot::snapshot(engines, runtime, Rc::new(Worker), memory, layers, heard)
                .await;
        let state = saved.map_err(|failure| JsError::new(&failure.message()))?;
        Ok(Uint8Array::from(&state[..]))
    }
}

impl std::fmt::Debug for Bare {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Bare").finish_non_exhaustive()
    }
}

fn error(failure: Failure) -> JsError {
    JsError::new(&format!("{}: {failure}", failure.code()))
}
