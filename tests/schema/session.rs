//! The router's world with PGlite in it, run by Node.

use std::{
    cell::RefCell,
    future::Future,
    io::{Read, Write},
    path::Path,
    pin::pin,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use routes::{
    wire::{Messages, Pipeline},
    world::{Answer, Exchange, Timestamp, Transaction, Unavailable, World},
};

/// One Postgres session; it ends with the value.
pub(crate) struct Session {
    process: Child,
    pipes: RefCell<(ChildStdin, ChildStdout)>,
}

impl Session {
    /// Opens a database made by a file of SQL beside this one.
    pub(crate) fn open(file: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
        let mut process = Command::new("node")
            .current_dir(&folder)
            .args(["session.mjs", file])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Node starts");
        let input = process.stdin.take().expect("its input is piped");
        let output = process.stdout.take().expect("its output is piped");
        Self {
            process,
            pipes: RefCell::new((input, output)),
        }
    }
}

impl Session {
    /// Runs statements that succeed.
    pub(crate) async fn run(&self, sql: &str) {
        let mut pipeline = Pipeline::new();
        pipeline.simple(sql);
        let exchange = Exchange {
            messages: pipeline.finish().expect("SQL without NUL"),
            idempotent: false,
            transaction: None,
            hold: false,
        };
        let answer = self.exchange("default", exchange).await.expect("an answer");
        let statements = Messages::new(answer).statements().await.expect("messages");
        statements.all().expect("statements that succeed");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Its input is still open, so it would wait for more.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl World for Session {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn random(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }

    async fn exchange(&self, _project: &str, exchange: Exchange) -> Result<Answer, Unavailable> {
        let (input, output) = &mut *self.pipes.borrow_mut();
        let mut converse = || -> std::io::Result<Vec<u8>> {
            let length = u32::try_from(exchange.messages.len()).map_err(std::io::Error::other)?;
            input.write_all(&length.to_be_bytes())?;
            input.write_all(&exchange.messages)?;
            input.flush()?;
            let mut length = [0; 4];
            output.read_exact(&mut length)?;
            let mut answer = vec![0; u32::from_be_bytes(length) as usize];
            output.read_exact(&mut answer)?;
            Ok(answer)
        };
        let answer = converse().map_err(|error| Unavailable::Broken(error.to_string()))?;
        Ok(Answer {
            chunks: Box::pin(futures::stream::iter([Ok(Bytes::from(answer))])),
            transaction: Transaction(0),
        })
    }
}

/// Runs what never waits: the session answers before it returns.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits for something else than the session"),
    }
}
