//! Saves the state of a machine that has booted and does nothing yet: what an image is delivered with.

use std::{cell::OnceCell, rc::Rc};

use bytes::Bytes;
use control::Request;

use crate::{
    agent::{Agent, Limits},
    engine::{Engines, Event, Kind, Plan, Snapshot},
    failure::Failure,
    functions::guest::{self, Runtime},
    surroundings::{Milliseconds, World, within},
    vm::Switchboard,
};

/// For the guest's agent to answer.
const BOOT: Milliseconds = 300_000;
/// For the agent to do one thing; on a busy machine, a Node that is to be warm takes minutes to start.
const ASK: Milliseconds = 900_000;
/// For a function to be rehearsed.
const REHEARSAL: Milliseconds = 420_000;
/// What is run once before a machine is saved, so that its files are in the guest's memory already when
/// somebody runs it: reading them over a network takes longer than running them.
const FAMILIAR: [&str; 4] = [
    "ps -e; ls -l /; cat /proc/meminfo",
    "curl --version; psql --version",
    "nginx -v",
    "python3 -c 'import asyncio, hashlib, http.server, json, logging, socketserver, sqlite3, ssl, threading, urllib.request, wsgiref.simple_server'",
];
/// For the guest to come to have nothing to do, and how often it is looked whether it has.
const UNREST: Milliseconds = 300_000;
const LOOK: Milliseconds = 5_000;
/// Which part of that time its processor is to be idle; to look takes a little.
const IDLE: f64 = 0.8;
/// For the guest to become quiet after it was asked to.
const QUIET: Milliseconds = 1_500;
/// For the machine to stand still.
const STILL: Milliseconds = 500;

/// Boots a machine of so many MiB, attaches layers, and saves it. Lines of its console go to `heard`.
///
/// **Invariant:** the data disk was never mounted, and nothing is on its way to or from a disk.
pub async fn snapshot(
    engines: Rc<dyn Engines>,
    runtime: Rc<dyn Runtime>,
    world: World,
    memory: u32,
    layers: Vec<String>,
    heard: impl Fn(&str) + 'static,
) -> Result<Bytes, Failure> {
    let manifest = engines.manifest().await?;
    let heard = Rc::new(heard);
    let told = Rc::clone(&heard);
    let switchboard = Rc::new(OnceCell::<Switchboard>::new());
    let events = Rc::clone(&switchboard);
    let engine = engines.engine(
        Kind::V86,
        Rc::new(move |event| match &event {
            Event::Console(line) => heard(line),
            Event::Stuck(failure) | Event::Failed(failure) => heard(&failure.to_string()),
            Event::Halted => heard("the machine was switched off"),
            Event::Progress(_) | Event::Room(_) => {}
            Event::Frame(_) | Event::Socket(_) => {
                if let Some(switch) = events.get() {
                    switch.handle(&event);
                }
            }
        }),
    );
    let switch = Switchboard::new(Kind::V86, &engine, &world, Rc::new(|_name| None));
    // It is set only here.
    let _ = switchboard.set(switch.clone());
    let plan = Plan {
        memory,
        layers: layers.clone(),
        snapshot: Snapshot::Refused,
    };
    engine.boot(plan).await?;
    {
        let agent = Agent::dial(
            switch.network(),
            Rc::clone(&world),
            Limits::default(),
            |_news| {},
        );
        within(&world, BOOT, agent.connected())
            .await
            .map_err(|_elapsed| Failure::vm("The guest's agent does not answer"))?
            .map_err(|refusal| Failure::vm(format!("The guest's agent refuses: {refusal:?}")))?;
        let has_functions = layers.iter().any(|layer| layer == guest::LAYER);
        for name in layers {
            let found = manifest.layers.iter().find(|layer| layer.name == name);
            let device = found.map(|layer| layer.device.clone());
            let device = device.ok_or_else(|| Failure::vm(format!("There is no layer {name}")))?;
            // The first is what it booted from.
            if manifest.layers.first().is_none_or(|base| base.name != name) {
                let layer = name.clone();
                agent.ask(Request::Attach { layer, device }, ASK).await?;
            }
        }
        for command in FAMILIAR {
            let read = Request::Exec {
                app: None,
                command: ["/bin/sh", "-c", command].map(str::to_owned).to_vec(),
                env: Vec::new(),
                pty: None,
            };
            // What is not attached is not found, and that is all right.
            let ran = agent.gather(read, 64 * 1024);
            let ran = within(&world, ASK, ran).await;
            ran.map_err(|_elapsed| Failure::vm(format!("The guest does not end: {command}")))??;
        }
        agent.ask(Request::Quiesce, ASK).await?;
        if has_functions {
            let script = runtime.script().await.map_err(Failure::vm)?;
            let network = switch.network();
            let rehearsed = within(&world, REHEARSAL, guest::rehearse(&*network, &script)).await;
            // Without it the first function begins later, and everything else is as it should be.
            if let Err(reason) = rehearsed.unwrap_or_else(|_elapsed| Err("no answer".to_owned())) {
                told(&format!("no function was rehearsed: {reason}"));
            }
        }
        if within(&world, UNREST, calm(&agent, &world)).await.is_err() {
            told("the guest always had something to do");
        }
    }
    world.sleep(QUIET).await;
    engine.pause();
    world.sleep(STILL).await;
    let state = engine.save().await?;
    engine.stop().await;
    Ok(state)
}

/// Waits until the guest has nothing to do. What is still left to a runtime's own threads, as to compile
/// what was hot, they would do in each machine that is made of this one, whose first answers would wait
/// for it.
async fn calm(agent: &Agent, world: &World) {
    let mut before = uptime(agent).await;
    loop {
        world.sleep(LOOK).await;
        let now = uptime(agent).await;
        let Some(((seconds, idle), (then, idle_then))) = now.zip(before) else {
            return;
        };
        if idle - idle_then >= IDLE * (seconds - then) {
            return;
        }
        before = now;
    }
}

/// Seconds since the guest began, and for how many of them its processor was idle.
async fn uptime(agent: &Agent) -> Option<(f64, f64)> {
    let read = Request::Exec {
        app: None,
        command: ["/bin/cat", "/proc/uptime"].map(str::to_owned).to_vec(),
        env: Vec::new(),
        pty: None,
    };
    let (_, output, _) = agent.gather(read, 1024).await.ok()?;
    let text = String::from_utf8(output.into()).ok()?;
    let mut numbers = text.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
