//! Isolates in the virtual machine: threads of one process of the guest, the host of the functions,
//! which the agent keeps (`vm-bridge/guest/src/service/functions.rs`) and which no app has a hand in.
//!
//! Each isolate has two connections, both of which carry [messages](super::message) as [`frame`]s. One
//! is to the host, which the isolate ends with and which ends it: the worker says which runtime the
//! isolate is to have and what it may take, the host whether it has that runtime, and where it has not
//! it is sent; then the host says where its thread is to be called, and from then on whether it lives.
//! The other one is to the thread itself, and has everything else: each thread that a request passes
//! costs an emulated processor milliseconds.

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
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use super::{
    Isolates, Limits, Seat, Side,
    message::{FromIsolate, Gone, ToIsolate},
};
use crate::{
    network::{ByteStream, Network},
    surroundings::{Milliseconds, World, within},
    vm::{Life, Vm},
};
use frame::{Frames, Said, Thread, put, tell};
pub(crate) use rehearsal::rehearse;

/// The layer that has Node.
pub(crate) const LAYER: &str = "node";
/// Where the host listens. It is below 1024, and the agent's from the guest's first moment, so that no
/// app can stand in for it.
const PORT: u16 = 2;
/// The version of what is said on the connection.
const PROTOCOL: u32 = 3;
/// For the host to have a thread, where Node has to be started for that.
const GREETING: Milliseconds = 120_000;
/// For what a thread has said to come, when its host has said that it is no more.
const LAST_WORDS: Milliseconds = 5_000;

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
            let network = life.switch.network();
            let life = Rc::downgrade(&life);
            let world = Rc::clone(&vm.parts().world);
            let script = runtime.script().await?;
            let lines = {
                let begun = within(&world, GREETING, Lines::begin(&*network, &script, &limits));
                let over = over(&vm, &life);
                match future::select(pin!(begun), pin!(over)).await {
                    Either::Left((begun, _)) => begun.map_err(|_elapsed| {
                        "The virtual machine's host of functions did not answer in time".to_owned()
                    })??,
                    Either::Right(((), _)) => return Err(GONE.to_owned()),
                }
            };
            let packages = lines.packages.clone();
            let (to_host, host) = mpsc::unbounded();
            let (to_thread, thread) = mpsc::unbounded();
            let (say, heard) = mpsc::unbounded();
            let spawner = Rc::clone(&world);
            spawner.spawn(Box::pin(async move {
                let carried = lines.carry(&world, [host, thread], &say);
                let reason = match future::select(pin!(carried), pin!(over(&vm, &life))).await {
                    Either::Left((reason, _)) => reason,
                    Either::Right(((), _)) => GONE.to_owned(),
                };
                // Nobody listens where it was ended from here.
                let _ = say.unbounded_send(FromIsolate::Gone(Gone::Broke(reason)));
                drop(used);
            }));
            Ok(Seat {
                post: Box::new(move |mut message| {
                    if let ToIsolate::Boot {
                        packages: Some(wanted),
                        ..
                    } = &mut message
                    {
                        // The longest by far of what a function has.
                        wanted.code.take_if(|_| packages.contains(&wanted.name));
                    }
                    // A thread that computes answers nobody; its host does.
                    let to = match message {
                        ToIsolate::Ping => &to_host,
                        _ => &to_thread,
                    };
                    // What is told to one that is over is told to nobody.
                    let _ = to.unbounded_send(message);
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

/// A connection, and what has come of it.
struct Line {
    stream: Rc<ByteStream>,
    frames: Frames,
}

/// The two of an isolate.
struct Lines {
    host: Line,
    thread: Line,
    /// The names of the packages that the thread has.
    packages: Vec<String>,
}

impl Line {
    async fn dial(network: &dyn Network, port: u16) -> Result<Self, String> {
        let dialled = network.dial(port).await;
        let stream = dialled.map_err(|unreached| {
            format!("The virtual machine's host of functions was not reached: {unreached}")
        })?;
        Ok(Self {
            stream: Rc::new(stream),
            frames: Frames::default(),
        })
    }

    /// The error is for a person.
    async fn write(&self, out: &mut BytesMut) -> Result<(), String> {
        let written = self.stream.write(out.split().freeze()).await;
        written.map_err(|broken| format!("The isolate's process ended: {broken}"))
    }

    /// What comes next. The error is for a person, of an end as well.
    async fn next(&mut self) -> Result<Said, String> {
        loop {
            let polled = self.frames.poll();
            if let Some(said) = polled.map_err(|malformed| malformed.to_string())? {
                return Ok(said);
            }
            match self.stream.read().await {
                Ok(Some(bytes)) => self.frames.push(&bytes),
                Ok(None) => return Err("The isolate's process ended".to_owned()),
                Err(broken) => return Err(format!("The isolate's process ended: {broken}")),
            }
        }
    }

    /// What comes next of what is waited for.
    async fn until<Found>(
        &mut self,
        found: impl Fn(&Said) -> Option<Found>,
    ) -> Result<Found, String> {
        loop {
            let said = self.next().await?;
            if let Some(found) = found(&said) {
                return Ok(found);
            }
            match said {
                Said::Isolate(FromIsolate::Gone(Gone::Broke(reason))) => return Err(reason),
                Said::Isolate(
                    said @ (FromIsolate::Failed(_)
                    | FromIsolate::Threw { .. }
                    | FromIsolate::Gone(_)),
                ) => return Err(format!("A function does not run: {said:?}")),
                _ => {}
            }
        }
    }

    /// Hands on what the isolate says until it is no more; why, for a person.
    async fn hear(&mut self, say: &UnboundedSender<FromIsolate>) -> (String, Option<FromIsolate>) {
        loop {
            match self.next().await {
                Ok(Said::Isolate(gone @ FromIsolate::Gone(_))) => {
                    return ("The isolate's process ended".to_owned(), Some(gone));
                }
                Ok(Said::Isolate(message)) => {
                    // Nobody listens where it was ended from here.
                    let _ = say.unbounded_send(message);
                }
                Ok(Said::Welcome(_) | Said::Thread(_) | Said::Prepared) => {}
                Err(reason) => return (reason, None),
            }
        }
    }
}

/// Comes to an understanding with the host, which then has the runtime.
async fn greet(
    network: &dyn Network,
    script: &str,
    limits: &Limits,
    then: &Value,
) -> Result<Line, String> {
    let mut host = Line::dial(network, PORT).await?;
    let name = BASE64_STANDARD.encode(Sha1::digest(script.as_bytes()));
    let mut out = BytesMut::new();
    let hello = json!({
        "kind": "hello", "protocol": PROTOCOL, "runtime": name, "memory": limits.memory_mib,
        "cpu": limits.cpu_ms.saturating_mul(Side::Vm.slowness()),
    });
    put(&mut out, &hello, &[]);
    put(&mut out, then, &[]);
    host.write(&mut out).await?;
    let welcome = host
        .until(|said| match said {
            Said::Welcome(welcome) => Some(welcome.clone()),
            _ => None,
        })
        .await?;
    if welcome.protocol != PROTOCOL {
        return Err(
            "The virtual machine's image is another version's: build it again, or load it again"
                .to_owned(),
        );
    }
    if !welcome.has {
        put(&mut out, &json!({"kind": "runtime"}), &[script.as_bytes()]);
        host.write(&mut out).await?;
    }
    Ok(host)
}

impl Lines {
    /// Of a thread that has the runtime. The error is for a person.
    async fn begin(network: &dyn Network, script: &str, limits: &Limits) -> Result<Self, String> {
        let begin = json!({"kind": "begin"});
        let mut host = greet(network, script, limits, &begin).await?;
        let Thread { port, packages } = host
            .until(|said| match said {
                Said::Thread(thread) => Some(thread.clone()),
                _ => None,
            })
            .await?;
        let thread = Line::dial(network, port).await?;
        Ok(Self {
            host,
            thread,
            packages,
        })
    }

    /// Carries messages both ways, until one end has enough; why, for a person.
    async fn carry(
        self,
        world: &World,
        [to_host, to_thread]: [UnboundedReceiver<ToIsolate>; 2],
        say: &UnboundedSender<FromIsolate>,
    ) -> String {
        let Self {
            mut host,
            mut thread,
            ..
        } = self;
        // Each at its own pace: one that computes does not read.
        let speaks = future::select(
            Box::pin(speak(Rc::clone(&host.stream), to_host)),
            Box::pin(speak(Rc::clone(&thread.stream), to_thread)),
        );
        let hears = async {
            let heard = thread.hear(say);
            let ended = host.hear(say);
            // Its host knows why it ended, and by then it has said everything.
            match future::select(pin!(heard), pin!(ended)).await {
                Either::Left((without, ended)) => {
                    within(world, LAST_WORDS, ended).await.unwrap_or(without)
                }
                Either::Right((ended, heard)) => {
                    // What came so late that it is not waited for is nobody's.
                    let _ = within(world, LAST_WORDS, heard).await;
                    ended
                }
            }
        };
        match future::select(pin!(hears), speaks).await {
            Either::Left(((reason, gone), _)) => {
                if let Some(gone) = gone {
                    // Nobody listens where it was ended from here.
                    let _ = say.unbounded_send(gone);
                }
                reason
            }
            Either::Right(_) => "Nobody needs it any more".to_owned(),
        }
    }
}

/// Sends what is told, until nobody tells anything. That the other end is gone, and why, is heard.
async fn speak(stream: Rc<ByteStream>, to_tell: UnboundedReceiver<ToIsolate>) {
    // What is said at once goes at once: each segment costs the guest an interrupt.
    let mut batches = to_tell.ready_chunks(32);
    let mut out = BytesMut::new();
    let mut is_open = true;
    while let Some(batch) = batches.next().await {
        for message in batch.iter().filter(|_| is_open) {
            tell(&mut out, message);
        }
        is_open = is_open && stream.write(out.split().freeze()).await.is_ok();
    }
}

impl fmt::Debug for InGuest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("InGuest").finish_non_exhaustive()
    }
}
