//! The world of a worker: its clocks, its chance, its tasks.

use futures::future::LocalBoxFuture;
use js_sys::Uint8Array;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::spawn_local;
use wire::shell::Timer;

use crate::surroundings::{Milliseconds, Surroundings};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn random_values(into: &Uint8Array);
}

/// The worker that this instance runs in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Worker;

impl Surroundings for Worker {
    fn now(&self) -> Milliseconds {
        milliseconds(performance_now())
    }

    fn wall_clock(&self) -> Milliseconds {
        milliseconds(js_sys::Date::now())
    }

    fn sleep(&self, duration: Milliseconds) -> LocalBoxFuture<'static, ()> {
        Box::pin(sleep(duration))
    }

    fn random(&self, bytes: &mut [u8]) {
        /// More at a time are refused.
        const MOST: usize = 65_536;
        for part in bytes.chunks_mut(MOST) {
            let length = u32::try_from(part.len()).unwrap_or(0);
            let random = Uint8Array::new_with_length(length);
            random_values(&random);
            random.copy_to(part);
        }
    }

    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        spawn_local(task);
    }
}

async fn sleep(duration: Milliseconds) {
    let (over, waits) = futures::channel::oneshot::channel();
    let mut over = Some(over);
    let timer = Timer::new(duration, move || {
        if let Some(over) = over.take() {
            // Nobody waits for a sleep that was given up.
            let _ = over.send(());
        }
    });
    // The sender is dropped with the timer only.
    let _ = waits.await;
    drop(timer);
}

fn milliseconds(time: f64) -> Milliseconds {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and far below 2^53"
    )]
    let time = time as Milliseconds;
    time
}
