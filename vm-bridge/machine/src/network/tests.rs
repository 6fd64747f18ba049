//! Both switches, each with a guest's end in memory.

use std::task::Poll;

use bytes::Bytes;
use futures::future::join_all;

use super::*;
use crate::{
    engine::sockets,
    testing::{Pipes, Stage},
};

type Ends = (&'static str, Box<dyn Network>, Box<dyn Network>);

/// Every kind of network, with the guest's end of it.
fn networks(stage: &Stage) -> Vec<Ends> {
    let (near, far) = stage.frames();
    let (ours, theirs) = Pipes::joined(64 * 1024);
    vec![
        ("frames", Box::new(near), Box::new(far)),
        ("pipes", Box::new(ours), Box::new(theirs)),
    ]
}

async fn read_all(stream: &ByteStream) -> Result<Vec<u8>, Broken> {
    let mut all = Vec::new();
    while let Some(bytes) = stream.read().await? {
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

fn pattern(length: usize, seed: usize) -> Vec<u8> {
    let byte = |place: usize| (place.wrapping_mul(31).wrapping_add(seed) % 251).to_le_bytes()[0];
    (0..length).map(byte).collect()
}

#[test]
fn streams_carry_both_ways() {
    let mut stage = Stage::new();
    for (name, near, far) in networks(&stage) {
        let (up, down) = stage.run(async move {
            let mut listener = far.listen(80);
            let dialled = near.dial(80);
            let guest = async {
                let stream = listener.accept().await.unwrap();
                let write = async {
                    stream.write(pattern(300_000, 1).into()).await?;
                    stream.finish();
                    Ok::<_, Broken>(())
                };
                let (read, written) = futures::join!(read_all(&stream), write);
                written.unwrap();
                read.unwrap()
            };
            let host = async {
                let stream = dialled.await.unwrap();
                let write = async {
                    stream.write(pattern(200_000, 2).into()).await?;
                    stream.finish();
                    Ok::<_, Broken>(())
                };
                let (read, written) = futures::join!(read_all(&stream), write);
                written.unwrap();
                read.unwrap()
            };
            futures::join!(guest, host)
        });
        assert!(up == pattern(200_000, 2), "{name}");
        assert!(down == pattern(300_000, 1), "{name}");
    }
}

#[test]
fn nobody_answers() {
    let mut stage = Stage::new();
    for (name, near, far) in networks(&stage) {
        let dialled = stage.run(async move {
            let refused = near.dial(81).await.err();
            // A listener that is gone is as none.
            drop(far.listen(81));
            (refused, near.dial(81).await.err())
        });
        let refused = Some(Unreached::Refused);
        assert_eq!(dialled, (refused, refused), "{name}");
    }
    let (near, far) = stage.frames();
    drop(far);
    far_is_deaf(&mut stage, near);
}

/// A guest that is not there does not answer in time.
fn far_is_deaf(stage: &mut Stage, _near: Frames) {
    let deaf = Frames::new(
        Frames::settings(1),
        stage.world(),
        std::rc::Rc::new(|_| None),
        |_| {},
    );
    let before = stage.now();
    let dialled = stage.run(async move { deaf.dial(80).await.err() });
    assert_eq!(dialled, Some(Unreached::Silence));
    assert_eq!(stage.now() - before, Frames::settings(1).dial);
}

#[test]
fn a_dropped_stream_is_a_reset() {
    let mut stage = Stage::new();
    for (name, near, far) in networks(&stage) {
        let (read, written) = stage.run(async move {
            let mut listener = far.listen(80);
            let (dialled, accepted) = futures::join!(near.dial(80), listener.accept());
            let accepted = accepted.unwrap();
            drop(dialled.unwrap());
            let read = accepted.read().await;
            (read, accepted.write(Bytes::from_static(b"late")).await)
        });
        assert_eq!(read, Err(Broken::Reset), "{name}");
        assert_eq!(written, Err(Broken::Reset), "{name}");
    }
}

#[test]
fn a_closed_stream_delivers_what_was_written() {
    let mut stage = Stage::new();
    for (name, near, far) in networks(&stage) {
        let world = stage.world();
        let read = stage.run(async move {
            let mut listener = far.listen(80);
            let (dialled, accepted) = futures::join!(near.dial(80), listener.accept());
            let accepted = accepted.unwrap();
            let dialled = dialled.unwrap();
            let read = async {
                let read = read_all(&accepted).await;
                accepted.finish();
                read
            };
            let write = async {
                dialled.write(pattern(100_000, 3).into()).await.unwrap();
                dialled.close(&world, 5_000).await;
            };
            futures::join!(read, write).0
        });
        assert!(read == Ok(pattern(100_000, 3)), "{name}");
    }
}

#[test]
fn a_slow_reader_stops_the_writer() {
    let mut stage = Stage::new();
    for (name, near, far) in networks(&stage) {
        let world = stage.world();
        let (done, written) = stage.run(async move {
            let mut listener = far.listen(80);
            let (dialled, accepted) = futures::join!(near.dial(80), listener.accept());
            let (dialled, accepted) = (dialled.unwrap(), accepted.unwrap());
            let mut bytes = Bytes::from(pattern(10_000_000, 4));
            let all = bytes.len();
            let mut done = false;
            // Tried again and again, it does not get further than two windows.
            for _ in 0..50 {
                let write = std::future::poll_fn(|context| {
                    Poll::Ready(dialled.poll_write(context, &mut bytes).is_ready())
                });
                done |= write.await;
                world.sleep(10).await;
            }
            let written = all - bytes.len();
            let first = accepted.read().await.unwrap().unwrap();
            assert_eq!(first[..], pattern(first.len(), 4)[..]);
            (done, written)
        });
        assert!(
            !done && written <= 3 * 128 * 1024,
            "{name}: {written} bytes"
        );
    }
}

#[test]
fn hundreds_at_once() {
    let mut stage = Stage::new();
    for (name, near, far) in networks(&stage) {
        let world = stage.world();
        let answers = stage.run(async move {
            let mut listener = far.listen(80);
            world.spawn(Box::pin({
                let world = world.clone();
                async move {
                    while let Some(stream) = listener.accept().await {
                        world.spawn(Box::pin(async move {
                            let asked = read_all(&stream).await.unwrap();
                            stream.write(asked.repeat(3).into()).await.unwrap();
                            stream.finish();
                        }));
                    }
                    drop(far);
                }
            }));
            let near = &near;
            join_all((0..300).map(|number| async move {
                let stream = near.dial(80).await?;
                stream.write(pattern(1_000, number).into()).await.unwrap();
                stream.finish();
                Ok::<_, Unreached>(read_all(&stream).await)
            }))
            .await
        });
        for (number, answer) in answers.into_iter().enumerate() {
            let expected = pattern(1_000, number).repeat(3);
            assert!(answer == Ok(Ok(expected)), "{name}, stream {number}");
        }
    }
}

#[test]
fn a_guest_that_stands_still_is_not_silent() {
    let mut stage = Stage::new();
    let world = stage.world();
    let (near, far) = stage.frames();
    let mut listener = far.listen(80);
    let (dialled, accepted) = stage.run({
        let near = near.clone();
        async move { futures::join!(near.dial(80), async move { listener.accept().await }) }
    });
    let (dialled, accepted) = (dialled.unwrap(), accepted.unwrap());
    near.pause();
    far.pause();
    stage.pass(3_600_000);
    near.resume();
    far.resume();
    let heard = stage.run(async move {
        accepted
            .write(Bytes::from_static(b"still here"))
            .await
            .unwrap();
        let heard = dialled.read().await;
        world.sleep(100_000).await;
        (heard, accepted.write(Bytes::from_static(b"!")).await)
    });
    assert_eq!(heard, (Ok(Some(Bytes::from_static(b"still here"))), Ok(())));
}

#[test]
fn a_computer_that_sleeps_is_not_silent() {
    let mut stage = Stage::new();
    let world = stage.world();
    let (near, far) = stage.frames();
    let mut listener = far.listen(80);
    let (dialled, accepted) = stage
        .run(async move { futures::join!(near.dial(80), async move { listener.accept().await }) });
    let (dialled, accepted) = (dialled.unwrap(), accepted.unwrap());
    // Something is on its way, whose acknowledgement does not come before the computer sleeps.
    let written = stage.run(async move {
        let written = accepted.write(Bytes::from_static(b"still here")).await;
        (written, accepted)
    });
    assert_eq!(written.0, Ok(()));
    stage.sleep(3_600_000);
    let accepted = written.1;
    let heard = stage.run(async move {
        let heard = dialled.read().await;
        world.sleep(100_000).await;
        (
            heard,
            accepted.write(Bytes::from_static(b"!")).await,
            dialled,
        )
    });
    assert_eq!(heard.0, Ok(Some(Bytes::from_static(b"still here"))));
    assert_eq!(heard.1, Ok(()));
}

#[test]
fn calls_of_a_guest_without_frames() {
    let mut stage = Stage::new();
    let settings = sockets::Settings {
        window: 1_000,
        streams: 8,
    };
    let orders = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let switch = Calls::new(settings, stage.world(), {
        let orders = orders.clone();
        move |order| orders.borrow_mut().push(order)
    });
    let called = switch.clone();
    let mut listener = called.listen(5173);
    let stream = ::network::StreamId(1);
    switch.handle_happened(sockets::Happened::Called {
        stream,
        host: "localhost".to_owned(),
        port: 5173,
    });
    let bytes = Bytes::from_static(b"hello");
    switch.handle_happened(sockets::Happened::Sent { stream, bytes });
    switch.handle_happened(sockets::Happened::Finished(stream));
    let heard = stage.run(async move {
        let stream = listener.accept().await.unwrap();
        let heard = read_all(&stream).await.unwrap();
        stream.write(Bytes::from_static(b"world")).await.unwrap();
        stream.finish();
        heard
    });
    assert_eq!(heard, b"hello");
    let orders = orders.take();
    let bytes = Bytes::from_static(b"world");
    assert!(
        orders.contains(&sockets::Order::Accept(stream)),
        "{orders:?}"
    );
    assert!(
        orders.contains(&sockets::Order::Send { stream, bytes }),
        "{orders:?}"
    );
    assert!(
        orders.ends_with(&[sockets::Order::Finish(stream)]),
        "{orders:?}"
    );
}
