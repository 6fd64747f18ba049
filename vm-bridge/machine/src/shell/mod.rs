//! Where JavaScript's types live: engines, disks, clocks.

mod bare;
mod cheerpx;
mod drive;
mod fetch;
mod host;
mod image;
mod isolate;
mod surroundings;
mod tunnel;
mod v86;
mod vm;

use std::rc::Rc;

use disk::Manifest;
use futures::future::LocalBoxFuture;
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

use crate::engine::{Engine, Engines, Events, Failure, Kind};
use host::Host;
use image::Image;

pub use bare::Bare;
pub use surroundings::Worker;
pub use vm::Vm;

#[wasm_bindgen]
extern "C" {
    /// `String(value)`: what a person can read of any value, as of a thrown one.
    #[wasm_bindgen(js_name = String)]
    fn describe(value: &JsValue) -> String;
}

#[wasm_bindgen(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// The engines of a browser's worker, or of Node.
pub struct Loaded {
    host: Rc<Host>,
    image: Rc<Image>,
}

impl Loaded {
    pub fn new(host: Host) -> Self {
        Self::on(Rc::new(host))
    }

    fn on(host: Rc<Host>) -> Self {
        let image = Rc::new(Image::new(Rc::clone(&host)));
        Self { host, image }
    }
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Loaded").finish_non_exhaustive()
    }
}

impl Engines for Loaded {
    fn manifest(&self) -> LocalBoxFuture<'static, Result<Rc<Manifest>, Failure>> {
        let image = Rc::clone(&self.image);
        Box::pin(async move { image.manifest().await })
    }

    fn engine(&self, kind: Kind, events: Events) -> Rc<dyn Engine> {
        let (host, image) = (Rc::clone(&self.host), Rc::clone(&self.image));
        match kind {
            Kind::V86 => Rc::new(v86::V86::new(host, image, events)),
            Kind::CheerpX => Rc::new(cheerpx::CheerpX::new(host, image, events)),
        }
    }
}
