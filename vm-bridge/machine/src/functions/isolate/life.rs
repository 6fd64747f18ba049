//! How long an isolate lives.

use std::{
    pin::pin,
    rc::{Rc, Weak},
};

use futures::{
    StreamExt as _,
    channel::mpsc::UnboundedReceiver,
    future::{self, Either},
};

use super::{Failure, Inner, Isolate, ToIsolate};
use crate::{
    functions::{
        Limit,
        message::{FromIsolate, Gone},
    },
    surroundings::World,
};

/// Hears what an isolate says, as long as somebody has it.
pub(super) async fn listen(isolate: Weak<Inner>, mut heard: UnboundedReceiver<FromIsolate>) {
    while let Some(message) = heard.next().await {
        let Some(isolate) = isolate.upgrade() else {
            return;
        };
        isolate.handle(message);
    }
    if let Some(isolate) = isolate.upgrade() {
        isolate.handle(FromIsolate::Gone(Gone::Broke(
            "The isolate ended".to_owned(),
        )));
    }
}

/// Sees to it that an isolate keeps its limits, and ends it when nobody needs it.
pub(super) async fn watch(world: World, isolate: Weak<Inner>) {
    let mut silent = 0;
    let mut said_goodbye = false;
    loop {
        let Some(inner) = isolate.upgrade() else {
            return;
        };
        if inner.over.borrow().is_some() {
            return;
        }
        let limits = inner.spec.limits;
        if !inner.has_work() && !inner.retired.get() {
            let used = inner
                .changed
                .wait(|| (inner.has_work() || inner.over.borrow().is_some()).then_some(()));
            if let Either::Right(_) =
                future::select(pin!(used), world.sleep(inner.side.idle())).await
            {
                inner.retired.set(true);
                inner.goodbye("early_drop").await;
                return;
            }
            silent = 0;
            inner.cpu.forget();
            continue;
        }
        inner.heard.set(false);
        inner.post(ToIsolate::Ping);
        let look = inner.side.look();
        drop(inner);
        world.sleep(look).await;
        let Some(inner) = isolate.upgrade() else {
            return;
        };
        // Only its own silence counts: if this worker itself is late, so much time is one look.
        silent = if inner.heard.get() || !inner.ready.get() {
            0
        } else {
            silent + look
        };
        let age = world.now() - inner.began;
        if silent > limits.cpu_ms.saturating_add(inner.side.patience()) {
            inner.end(Failure::Limit(Limit::Cpu), Limit::Cpu.name());
        } else if age >= limits.wall_clock_ms {
            inner.end(Failure::Limit(Limit::WallClock), Limit::WallClock.name());
        } else if age
            >= limits
                .wall_clock_ms
                .saturating_sub(limits.timeout_ms)
                .max(limits.wall_clock_ms / 2)
        {
            // Whoever begins now would not have the time that it may take.
            Isolate(Rc::clone(&inner)).retire(Limit::WallClock.name());
            if !said_goodbye && age >= limits.wall_clock_ms / 10 * 9 {
                said_goodbye = true;
                inner.post(ToIsolate::Unload {
                    reason: Limit::WallClock.name(),
                });
            }
        }
    }
}
