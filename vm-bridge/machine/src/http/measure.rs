//! How long a body is, where its sender does not say.
//!
//! A browser tells a service worker no length, and many a program reads no other body than one of a
//! known length: Python's own server is one. So a body is held until its end, if that comes soon.

use std::collections::VecDeque;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{header, request};
use http1::Length;
use port::peer::{Body, Interrupted};

use super::{Limits, announced};
use crate::surroundings::{World, within};

/// The length of a request's body, and all of the body. It is unknown where the body is larger than
/// may be held, or its sender pauses: then nobody waits for the end.
pub(super) async fn measured(
    world: &World,
    limits: &Limits,
    head: &request::Parts,
    mut body: Body,
) -> (Length, Body) {
    if body.is_empty() {
        return (Length::None, body);
    }
    if let Some(length) = announced(head) {
        return (Length::Known(length), body);
    }
    // Who waits to be asked for it sends none of it before.
    if head.headers.contains_key(header::EXPECT) {
        return (Length::Unknown, body);
    }
    let mut held = VecDeque::<Result<Bytes, Interrupted>>::new();
    let mut length = 0;
    while length <= limits.held {
        match within(world, limits.pause, body.next()).await {
            Ok(None) => {
                let chunks = Body::stream(stream::iter(held));
                return (Length::Known(length as u64), chunks);
            }
            Ok(Some(Ok(chunk))) => {
                length += chunk.len();
                held.push_back(Ok(chunk));
            }
            Ok(Some(Err(interrupted))) => {
                held.push_back(Err(interrupted));
                break;
            }
            Err(_elapsed) => break,
        }
    }
    (
        Length::Unknown,
        Body::stream(stream::iter(held).chain(body)),
    )
}
