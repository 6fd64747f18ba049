//! One function from its beginning to its end, and threads for the next ones: what is done once before a
//! machine is saved, so that its host has done it before.

use bytes::{Bytes, BytesMut};
use serde_json::json;

use super::{Limits, Lines, Said, ToIsolate, frame::tell, greet};
use crate::{functions::message::FromIsolate, network::Network};

const FUNCTION: &str = "Deno.serve(async (request) => {
  console.log(request.method, new URL(request.url).pathname)
  return Response.json({ env: Deno.env.toObject(), body: await request.json() }, { headers: { a: 'b' } })
})";

/// Has a function answer, and threads be ready for others. The error is for a person.
pub(crate) async fn rehearse(network: &dyn Network, script: &str) -> Result<(), String> {
    let mut lines = Lines::begin(network, script, &Limits::default()).await?;
    let id = 2;
    let mut out = BytesMut::new();
    let boot = ToIsolate::Boot {
        code: FUNCTION.to_owned(),
        packages: None,
        files: Vec::new(),
        env: vec![("A".to_owned(), "b".to_owned())],
    };
    tell(&mut out, &boot);
    lines.thread.write(&mut out).await?;
    let ready = Said::Isolate(FromIsolate::Ready);
    lines
        .thread
        .until(|said| (*said == ready).then_some(()))
        .await?;
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    let asked = [
        ToIsolate::Request {
            id,
            method: "POST".to_owned(),
            url: "http://localhost:5173/rehearsal".to_owned(),
            headers,
            has_body: true,
            upgrade: false,
        },
        ToIsolate::Chunk {
            id,
            bytes: Bytes::from("{}"),
        },
        ToIsolate::End { id },
    ];
    for message in &asked {
        tell(&mut out, message);
    }
    lines.thread.write(&mut out).await?;
    let end = Said::Isolate(FromIsolate::End { id });
    lines
        .thread
        .until(|said| (*said == end).then_some(()))
        .await?;
    tell(&mut out, &ToIsolate::Ping);
    lines.host.write(&mut out).await?;
    lines
        .host
        .until(|said| matches!(said, Said::Isolate(FromIsolate::Pong { .. })).then_some(()))
        .await?;
    drop(lines);
    let prepare = json!({"kind": "prepare"});
    let mut host = greet(network, script, &Limits::default(), &prepare).await?;
    host.until(|said| (*said == Said::Prepared).then_some(()))
        .await
}
