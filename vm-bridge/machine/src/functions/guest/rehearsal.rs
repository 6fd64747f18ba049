//! One function from its beginning to its end, and threads for the next ones: what is done once before a
//! machine is saved, so that its host has done it before.

use bytes::{Bytes, BytesMut};
use serde_json::json;

use super::{Frames, Limits, PORT, Said, ToIsolate, frame::put, frame::tell, greet};
use crate::{
    functions::message::FromIsolate,
    network::{ByteStream, Network},
};

const FUNCTION: &str = "Deno.serve(async (request) => {
  console.log(request.method, new URL(request.url).pathname)
  return Response.json({ env: Deno.env.toObject(), body: await request.json() }, { headers: { a: 'b' } })
})";

/// Has a function answer, and threads be ready for others. The error is for a person.
pub(crate) async fn rehearse(network: &dyn Network, script: &str) -> Result<(), String> {
    let (stream, mut frames) = begin(network, script).await?;
    let id = 2;
    let mut out = BytesMut::new();
    let boot = ToIsolate::Boot {
        code: FUNCTION.to_owned(),
        files: Vec::new(),
        env: vec![("A".to_owned(), "b".to_owned())],
    };
    tell(&mut out, &boot);
    write(&stream, &mut out).await?;
    hear(&stream, &mut frames, |said| {
        matches!(said, Said::Isolate(FromIsolate::Ready))
    })
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
        ToIsolate::Ping,
    ];
    for message in &asked {
        tell(&mut out, message);
    }
    write(&stream, &mut out).await?;
    hear(&stream, &mut frames, |said| {
        *said == Said::Isolate(FromIsolate::End { id })
    })
    .await?;
    drop(stream);
    let (stream, mut frames) = begin(network, script).await?;
    put(&mut out, &json!({"kind": "prepare"}), &[]);
    write(&stream, &mut out).await?;
    hear(&stream, &mut frames, |said| *said == Said::Prepared).await
}

async fn begin(network: &dyn Network, script: &str) -> Result<(ByteStream, Frames), String> {
    let stream = network.dial(PORT).await;
    let stream = stream.map_err(|unreached| unreached.to_string())?;
    let frames = greet(&stream, script, &Limits::default()).await?;
    Ok((stream, frames))
}

async fn write(stream: &ByteStream, out: &mut BytesMut) -> Result<(), String> {
    let written = stream.write(out.split().freeze()).await;
    written.map_err(|broken| broken.to_string())
}

/// Waits for something to be said.
async fn hear(
    stream: &ByteStream,
    frames: &mut Frames,
    wanted: impl Fn(&Said) -> bool,
) -> Result<(), String> {
    loop {
        match frames.poll().map_err(|malformed| malformed.to_string())? {
            Some(said) if wanted(&said) => return Ok(()),
            Some(Said::Isolate(
                said @ (FromIsolate::Failed(_) | FromIsolate::Threw { .. } | FromIsolate::Gone(_)),
            )) => return Err(format!("A function does not run: {said:?}")),
            Some(_) => {}
            None => match stream.read().await {
                Ok(Some(bytes)) => frames.push(&bytes),
                Ok(None) => return Err("The host of functions hung up".to_owned()),
                Err(broken) => return Err(broken.to_string()),
            },
        }
    }
}
