//! Requests about the machine.

use std::pin::pin;

use control::{Answer, Exit, Request as Asked};
use futures::{
    Stream,
    future::{self, Either},
    stream,
};
use http::{Method, Request, Response};
use port::peer::Body;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Bytes, Failure, Inside, event, events, json, not_allowed, not_found, read};

/// Bytes of each output of a command that are told.
const MOST_OUTPUT: usize = 1024 * 1024;

/// Milliseconds between two events of a status: progress comes faster than anybody reads.
const PACE: u64 = 100;
/// Between two looks at what the guest uses, while somebody watches.
const LOOK: u64 = 5_000;

#[derive(Deserialize)]
struct Command {
    command: Vec<String>,
    app: Option<String>,
}

impl Inside {
    pub(super) async fn on_vm(
        &self,
        name: Option<&str>,
        rest: Option<&str>,
        request: Request<Body>,
    ) -> Result<Response<Body>, Failure> {
        let method = request.method().clone();
        match (name, rest) {
            (None | Some(""), None) if method == Method::GET => {
                self.vm.look().await;
                Ok(self.status())
            }
            (Some("events"), None) if method == Method::GET => Ok(events(self.watch())),
            (Some("start"), None) if method == Method::POST => {
                self.take_settings(request).await?;
                self.vm.begin();
                Ok(self.status())
            }
            (Some("restart"), None) if method == Method::POST => {
                self.take_settings(request).await?;
                self.vm.stop().await;
                self.vm.begin();
                Ok(self.status())
            }
            (Some("stop"), None) if method == Method::POST => {
                self.vm.stop().await;
                Ok(self.status())
            }
            (Some("settings"), None) if method == Method::PUT => {
                self.take_settings(request).await?;
                Ok(self.status())
            }
            (Some("exec"), None) if method == Method::POST => self.exec(request).await,
            (Some("runtimes"), Some(runtime)) if method == Method::PUT => {
                self.vm.install(runtime).await?;
                Ok(self.status())
            }
            (Some("runtimes"), Some(runtime)) if method == Method::DELETE => {
                self.vm.uninstall(runtime).await?;
                Ok(self.status())
            }
            (None | Some("" | "events"), None) => Ok(not_allowed("GET")),
            (Some("start" | "restart" | "stop" | "exec"), None) => Ok(not_allowed("POST")),
            (Some("settings"), None) => Ok(not_allowed("PUT")),
            (Some("runtimes"), Some(_)) => Ok(not_allowed("PUT, DELETE")),
            _ => Ok(not_found(request.uri().path().trim_start_matches('/'))),
        }
    }

    async fn take_settings(&self, request: Request<Body>) -> Result<(), Failure> {
        let body = read(request.into_body()).await?;
        self.vm.set_from(&body);
        Ok(())
    }

    fn status(&self) -> Response<Body> {
        json(&self.vm.status().get().to_json())
    }

    async fn exec(&self, request: Request<Body>) -> Result<Response<Body>, Failure> {
        let body = read(request.into_body()).await?;
        let command: Command = serde_json::from_slice(&body)
            .map_err(|error| Failure::Invalid(format!("The command is malformed: {error}")))?;
        let life = self.vm.running().await?;
        let _used = life.in_use();
        let request = Asked::Exec {
            command: command.command,
            env: Vec::new(),
            app: command.app,
            pty: None,
        };
        let (answer, stdout, stderr) = life.agent.gather(request, MOST_OUTPUT).await?;
        let Answer::Exited(exit) = answer else {
            return Err(crate::agent::Failed::Odd.into());
        };
        Ok(json(&json!({
            "exit": exit_number(exit),
            "stdout": String::from_utf8_lossy(&stdout),
            "stderr": String::from_utf8_lossy(&stderr),
        })))
    }

    /// The status now, and each that follows it.
    fn watch(&self) -> impl Stream<Item = Bytes> + use<> {
        stream::unfold((self.clone(), None), |(inside, seen)| async move {
            let seen = inside.next_status(seen).await;
            let event = event(&seen.1);
            Some((event, (inside, Some(seen))))
        })
    }

    /// The status as it is after the one that was seen, with its version.
    async fn next_status(&self, seen: Option<(u64, Value)>) -> (u64, Value) {
        let status = self.vm.status();
        let Some((mut version, told)) = seen else {
            self.vm.look().await;
            return (status.version(), status.get().to_json());
        };
        loop {
            let later = pin!(status.later(version));
            match future::select(later, self.world.sleep(LOOK)).await {
                Either::Left(_) => self.world.sleep(PACE).await,
                Either::Right(_) => self.vm.look().await,
            }
            version = status.version();
            let now = status.get().to_json();
            if now != told {
                return (version, now);
            }
        }
    }
}

/// A shell's number for how a program ended.
fn exit_number(exit: Exit) -> u16 {
    match exit {
        Exit::Code { code } => u16::from(code),
        Exit::Signal { signal } => 128 + u16::from(signal),
        Exit::OutOfMemory => 137,
    }
}
