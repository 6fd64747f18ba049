//! Isolates in the virtual machine: threads of one process of the guest, the host of the functions,
//! which the agent keeps (`vm-bridge/guest/src/service/functions.rs`) and which no app has a hand in.
//!
//! Each isolate has a connection of its own, which it ends with and which ends it. What goes over it are
//! the [messages](super::message), as [`frame`]s, after a greeting: the worker says which runtime the
//! isolate is to have and what it may take, the host whether it has that runtime, and where it has not
//! it is sent.

mod frame;
mod rehearsal;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    pin::pin,
    rc::{Rc, Weak},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::BytesMut;
use futures::{
    StreamExt as _,
    channel::mpsc::{self, UnboundedReceiver, UnboundedSender},
    future::{self, Either, LocalBoxFuture},
};
use serde_json::json;
use sha1::{Digest as _, Sha1};

use super::{
    Isolates, Limits, Seat, Side,
    message::{FromIsolate, Gone, ToIsolate},
};
use crate::{
    network::ByteStream,
    surroundings::{Milliseconds, within},
    vm::{Life, Vm},
};
use frame::{Frames, Said, put, tell};
pub(crate) use rehearsal::rehearse;

/// The layer that has Node.
pub(crate) const LAYER: &str = "node";
/// Where the host listens. It is below 1024, and the agent's from the guest's first moment, so that no
/// app can stand in for it.
const PORT: u16 = 2;
/// The version of what is said on the connection.
const PROTOCOL: u32 = 1;
/// For the host to greet, where Node has to be started for that.
const GREETING: Milliseconds = 120_000;

/// Whoever has what makes an isolate of a thread.
pub trait Runtime {
    /// A script for Node. The error is for a person.
    fn script(&self) -> LocalBoxFuture<'static, Result<String, String>>;
}

/// Isolates of a machine.
pub(crate) struct InGuest {
    pub(crate) vm: Vm,
    pub(crate) runtime: Rc<dyn Runtime>,
}

impl Isolates for InGuest {
    fn start(&self, _name: &str, limits: &Limits) -> LocalBoxFuture<'static, Result<Seat, String>> {
        let (vm, runtime, limits) = (self.vm.clone(), Rc::clone(&self.runtime), *limits);
        Box::pin(async move {
            if !vm.missing(&[LAYER.to_owned()]).is_empty() {
                let reason = format!("The virtual machine has no runtime \"{LAYER}\": install it");
                return Err(reason);
            }
            let life = vm.running().await.map_err(|failure| failure.message())?;
            let used = life.in_use();
            let attached = life.attach(LAYER).await;
            attached.map_err(|failure| failure.message())?;
            let dialled = life.switch.network().dial(PORT).await;
            let stream = dialled.map_err(|unreached| {
                format!("The virtual machine's host of functions was not reached: {unreached}")
            })?;
            let life = Rc::downgrade(&life);
            let world = Rc::clone(&vm.parts().world);
            let script = runtime.script().await?;
            let frames = {
                let greeted = within(&world, GREETING, greet(&stream, &script, &limits));
                let over = over(&vm, &life);
                match future::select(pin!(greeted), pin!(over)).await {
                    Either::Left((greeted, _)) => greeted.map_err(|_elapsed| {
                        "The virtual machine's host of functions did not answer in time".to_owned()
                    })??,
                    Either::Right(((), _)) => return Err(GONE.to_owned()),
                }
            };
            let (post, to_tell) = mpsc::unbounded();
            let (say, heard) = mpsc::unbounded();
            world.spawn(Box::pin(async move {
                let carried = carry(&stream, frames, to_tell, &say);
                let reason = match future::select(pin!(carried), pin!(over(&vm, &life))).await {
                    Either::Left((reason, _)) => reason,
                    Either::Right(((), _)) => GONE.to_owned(),
                };
                // Nobody listens where it was ended from here.
                let _ = say.unbounded_send(FromIsolate::Gone(Gone::Broke(reason)));
                drop(used);
            }));
            Ok(Seat {
                post: Box::new(move |message| {
                    // What is told to one that is over is told to nobody.
                    let _ = post.unbounded_send(message);
                }),
                heard,
            })
        })
    }
}

/// Why an isolate is no more whose machine is not.
const GONE: &str = "The virtual machine went away";

/// Done when another life of the machine has begun, or none goes on.
async fn over(vm: &Vm, life: &Weak<Life>) {
    loop {
        let version = vm.status().version();
        let is_this = vm
            .life()
            .is_some_and(|now| Weak::ptr_eq(life, &Rc::downgrade(&now)));
        if !is_this {
            return;
        }
        vm.status().later(version).await;
    }
}

/// Comes to an understanding with the host; what has come after its greeting is kept.
async fn greet(stream: &ByteStream, script: &str, limits: &Limits) -> Result<Frames, String> {
    let lost = |broken| format!("The virtual machine's host of functions went away: {broken}");
    let name = BASE64_STANDARD.encode(Sha1::digest(script.as_bytes()));
    let mut out = BytesMut::new();
    let hello = json!({
        "kind": "hello", "protocol": PROTOCOL, "runtime": name, "memory": limits.memory_mib,
        "cpu": limits.cpu_ms.saturating_mul(Side::Vm.slowness()),
    });
    put(&mut out, &hello, &[]);
    stream.write(out.split().freeze()).await.map_err(lost)?;
    let mut frames = Frames::default();
    let welcome = loop {
        match frames.poll().map_err(|malformed| malformed.to_string())? {
            Some(Said::Welcome(welcome)) => break welcome,
            Some(Said::Isolate(_) | Said::Prepared) => {}
            None => match stream.read().await.map_err(lost)? {
                Some(bytes) => frames.push(&bytes),
                None => return Err("The virtual machine has no host of functions".to_owned()),
            },
        }
    };
    if welcome.protocol != PROTOCOL {
        return Err(
            "The virtual machine's image is another version's: build it again, or load it again"
                .to_owned(),
        );
    }
    if !welcome.has {
        put(&mut out, &json!({"kind": "runtime"}), &[script.as_bytes()]);
        stream.write(out.freeze()).await.map_err(lost)?;
    }
    Ok(frames)
}

/// Carries messages both ways, until one end has enough; why, for a person.
async fn carry(
    stream: &ByteStream,
    frames: Frames,
    to_tell: UnboundedReceiver<ToIsolate>,
    say: &UnboundedSender<FromIsolate>,
) -> String {
    let reads = pin!(hear(stream, frames, say));
    let writes = pin!(speak(stream, to_tell));
    match future::select(reads, writes).await {
        Either::Left((reason, _)) | Either::Right((reason, _)) => reason,
    }
}

async fn hear(
    stream: &ByteStream,
    mut frames: Frames,
    say: &UnboundedSender<FromIsolate>,
) -> String {
    loop {
        match frames.poll() {
            Ok(Some(Said::Isolate(message))) => {
                // Nobody listens where it was ended from here.
                let _ = say.unbounded_send(message);
            }
            Ok(Some(Said::Welcome(_) | Said::Prepared)) => {}
            Ok(None) => match stream.read().await {
                Ok(Some(bytes)) => frames.push(&bytes),
                Ok(None) => return "The isolate's process ended".to_owned(),
                Err(broken) => return format!("The isolate's process ended: {broken}"),
            },
            Err(malformed) => return malformed.to_string(),
        }
    }
}

async fn speak(stream: &ByteStream, to_tell: UnboundedReceiver<ToIsolate>) -> String {
    // What is said at once goes at once: each segment costs the guest an interrupt.
    let mut batches = to_tell.ready_chunks(32);
    let mut out = BytesMut::new();
    while let Some(batch) = batches.next().await {
        for message in &batch {
            tell(&mut out, message);
        }
        if let Err(broken) = stream.write(out.split().freeze()).await {
            return format!("The isolate's process ended: {broken}");
        }
    }
    "Nobody needs it any more".to_owned()
}

impl fmt::Debug for InGuest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("InGuest").finish_non_exhaustive()
    }
}
