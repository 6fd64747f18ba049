//! A page's terminal: a shell in the guest, or in an app.

use bytes::Bytes;
use control::{Answer, Channel, Pty, Request};
use futures::{
    StreamExt as _,
    future::{self, Either},
};

use super::{FromPage, ToPage, Tunnel};
use crate::{agent::Talk, failure::Failure, vm::Vm};

/// What is run; every image has it.
const SHELL: [&str; 2] = ["/bin/bash", "-l"];
const TERMINAL: (&str, &str) = ("TERM", "xterm-256color");

/// A terminal that ended by itself, and one that could not go on (RFC 6455, 7.4.1).
const NORMAL: u16 = 1000;
const FAILED: u16 = 1011;

/// Connects a page to a shell, until one of them has enough. A page that goes away ends the shell.
pub(crate) async fn run(vm: &Vm, app: Option<String>, size: Pty, tunnel: Tunnel) {
    let used = vm.in_use();
    let talk = match begin(vm, app, size).await {
        Ok(talk) => talk,
        Err(failure) => {
            (tunnel.post)(ToPage::Close {
                code: FAILED,
                reason: failure.message(),
                clean: false,
            });
            return;
        }
    };
    let protocol = String::new();
    (tunnel.post)(ToPage::Open { protocol });
    let Tunnel { mut incoming, post } = tunnel;
    let reading = async {
        while let Some(bytes) = talk.read(Channel::Output).await {
            post(ToPage::Binary(bytes));
        }
        match talk.answer().await {
            Ok(Answer::Exited(exit)) => (NORMAL, exit.to_string(), true),
            Ok(_) => (NORMAL, String::new(), true),
            Err(failed) => (FAILED, failed.to_string(), false),
        }
    };
    let writing = async {
        while let Some(message) = incoming.next().await {
            let bytes = match message {
                FromPage::Text(text) => Bytes::from(text),
                FromPage::Binary(bytes) => bytes,
                FromPage::Resize { columns, rows } => {
                    talk.resize(Pty { columns, rows });
                    continue;
                }
                FromPage::Close { .. } => return,
            };
            if talk.send(bytes).await.is_err() {
                // Why is what the reader hears.
                future::pending::<()>().await;
            }
        }
    };
    if let Either::Left(((code, reason, clean), _)) =
        future::select(std::pin::pin!(reading), std::pin::pin!(writing)).await
    {
        post(ToPage::Close {
            code,
            reason,
            clean,
        });
    }
    drop(used);
}

async fn begin(vm: &Vm, app: Option<String>, size: Pty) -> Result<Talk, Failure> {
    let life = vm.running().await?;
    let (name, value) = TERMINAL;
    let request = Request::Exec {
        command: SHELL.map(str::to_owned).to_vec(),
        env: vec![(name.to_owned(), value.to_owned())],
        app,
        pty: Some(size),
    };
    Ok(life.agent.begin(request)?)
}
