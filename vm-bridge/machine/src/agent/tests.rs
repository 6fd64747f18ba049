//! A client, and an agent that is a script.

use std::cell::Cell;

use control::{Conversation, Decoder, Exit, ToAgent, ToWorker, encode};
use futures::FutureExt as _;

use super::*;
use crate::{
    network::{ByteStream, Listener},
    testing::{Pipes, Stage},
};

/// The guest's end: the agent, played by the test.
struct Script {
    stream: ByteStream,
    decoder: Decoder<ToAgent>,
}

impl Script {
    /// Waits for a dial and answers the Hello.
    async fn accept(listener: &mut Listener, boot: u8) -> (Self, control::Hello) {
        let stream = listener.accept().await.unwrap();
        let mut script = Self {
            stream,
            decoder: Decoder::new(),
        };
        let hello = match script.hear().await {
            Some(ToAgent::Hello(hello)) => hello,
            other => panic!("{other:?}"),
        };
        script.say(ToWorker::Hello(welcome(boot))).await;
        (script, hello)
    }

    async fn hear(&mut self) -> Option<ToAgent> {
        loop {
            if let Some(message) = self.decoder.poll().unwrap() {
                return Some(message);
            }
            match self.stream.read().await {
                Ok(Some(bytes)) => self.decoder.push(&bytes),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    async fn asked(&mut self) -> (Conversation, Request) {
        match self.hear().await {
            Some(ToAgent::Ask {
                conversation,
                request,
            }) => (conversation, request),
            other => panic!("{other:?}"),
        }
    }

    async fn say(&self, message: ToWorker) {
        let mut bytes = Vec::new();
        encode(&message, &mut bytes).unwrap();
        self.stream.write(bytes.into()).await.unwrap();
    }

    async fn answer(&self, conversation: Conversation, answer: Answer) {
        self.say(ToWorker::Answer {
            conversation,
            answer,
        })
        .await;
    }
}

fn welcome(boot: u8) -> Welcome {
    Welcome {
        protocol: control::PROTOCOL,
        version: "test".to_owned(),
        boot: [boot; 16],
        layers: vec![],
        mounted: false,
        apps: vec![],
    }
}

struct Scene {
    stage: Stage,
    agent: Agent,
    news: Rc<RefCell<Vec<News>>>,
    guest: Pipes,
}

fn scene() -> Scene {
    let stage = Stage::new();
    let (near, guest) = Pipes::joined(64 * 1024);
    let news = Rc::<RefCell<Vec<News>>>::default();
    let heard = Rc::clone(&news);
    let agent = Agent::dial(
        Rc::new(near),
        stage.world(),
        Limits::default(),
        move |news| heard.borrow_mut().push(news),
    );
    Scene {
        stage,
        agent,
        news,
        guest,
    }
}

#[test]
fn it_is_dialled_until_it_answers() {
    let mut scene = scene();
    scene.stage.pass(20_000);
    assert!(!scene.agent.is_connected());
    let guest = scene.guest.clone();
    let (script, hello) = scene.stage.run(async move {
        let mut listener = guest.listen(control::PORT);
        Script::accept(&mut listener, 1).await
    });
    assert!(hello.now >= 1_700_000_000_000);
    assert_ne!(hello.entropy, [0; 64]);
    let agent = scene.agent.clone();
    let welcomed = scene.stage.run(async move { agent.connected().await });
    assert_eq!(welcomed, Ok(welcome(1)));
    drop(script);
    scene.stage.pass(10);
    let news = scene.news.take();
    assert_eq!(news, [News::Connected(welcome(1)), News::Lost]);
    // It is there again, and told the time again.
    let guest = scene.guest.clone();
    scene.stage.run(async move {
        let mut listener = guest.listen(control::PORT);
        Script::accept(&mut listener, 2).await
    });
}

#[test]
fn a_silent_or_odd_agent_is_dialled_again() {
    let mut scene = scene();
    let guest = scene.guest.clone();
    let begun = scene.stage.now();
    scene.stage.run(async move {
        let mut listener = guest.listen(control::PORT);
        let silent = listener.accept().await.unwrap();
        let odd = listener.accept().await.unwrap();
        odd.write(Bytes::from_static(b"\x03\0\0\0abc"))
            .await
            .unwrap();
        let third = Script::accept(&mut listener, 1).await;
        drop(silent);
        third
    });
    let waited = scene.stage.now() - begun;
    assert!((1_000..2_000).contains(&waited), "{waited}");
}

#[test]
fn another_version_is_not_dialled_again() {
    let mut scene = scene();
    let guest = scene.guest.clone();
    let mut listener = guest.listen(control::PORT);
    let accepted = scene.stage.run(async move {
        let stream = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        let refusal = Refusal::Version { protocol: 9 };
        encode(&ToWorker::Refused(refusal), &mut bytes).unwrap();
        stream.write(bytes.into()).await.unwrap();
        (stream, listener)
    });
    let agent = scene.agent.clone();
    let refused = scene.stage.run(async move { agent.connected().await });
    assert_eq!(refused, Err(Refusal::Version { protocol: 9 }));
    let (_stream, mut listener) = accepted;
    scene.stage.pass(60_000);
    assert!(listener.accept().now_or_never().is_none());
}

/// A scene whose agent is connected.
fn connected() -> (Scene, Script, Listener) {
    let mut scene = scene();
    let guest = scene.guest.clone();
    let (script, listener) = scene.stage.run(async move {
        let mut listener = guest.listen(control::PORT);
        let (script, _) = Script::accept(&mut listener, 1).await;
        (script, listener)
    });
    scene.stage.pass(1);
    (scene, script, listener)
}

#[test]
fn conversations_do_not_wait_for_each_other() {
    let (mut scene, mut script, _listener) = connected();
    let agent = scene.agent.clone();
    let answers = scene.stage.run(async move {
        let ask = |app: &str| {
            let request = Request::Remove {
                app: app.to_owned(),
            };
            let agent = agent.clone();
            async move { agent.ask(request, 1_000).await }
        };
        let agent_side = async {
            let (first, _) = script.asked().await;
            let (second, _) = script.asked().await;
            let (third, _) = script.asked().await;
            script.answer(second, Answer::Done).await;
            let failure = Failure::DiskFull;
            script
                .say(ToWorker::Failed {
                    conversation: first,
                    failure,
                })
                .await;
            // The third is never answered, and is cancelled when its time is over.
            match script.hear().await {
                Some(ToAgent::Cancel { conversation }) => assert_eq!(conversation, third),
                other => panic!("{other:?}"),
            }
            // An answer that comes all the same is of no meaning.
            script.answer(third, Answer::Done).await;
            script
        };
        let (first, second, third, script) =
            futures::join!(ask("a"), ask("b"), ask("c"), agent_side);
        drop(script);
        (first, second, third)
    });
    assert_eq!(
        answers,
        (
            Err(Failed::Agent(Failure::DiskFull)),
            Ok(Answer::Done),
            Err(Failed::Late)
        )
    );
}

#[test]
fn what_is_under_way_fails_when_the_connection_is_lost() {
    let (mut scene, mut script, _listener) = connected();
    let agent = scene.agent.clone();
    let failed = scene.stage.run(async move {
        let ask = agent.ask(Request::Sync, 1_000);
        let lose = async move {
            script.asked().await;
            drop(script);
        };
        let (failed, ()) = futures::join!(ask, lose);
        (failed, agent.begin(Request::Sync).err())
    });
    assert_eq!(failed.0, Err(Failed::Lost));
    assert_eq!(failed.1, Some(Failed::Lost));
    assert!(!scene.agent.is_busy());
}

#[test]
fn inputs_wait_for_credit() {
    let (mut scene, mut script, _listener) = connected();
    let made = Rc::new(Cell::new(0_usize));
    let count = Rc::clone(&made);
    let chunks = futures::stream::iter(0..40).map(move |_| {
        count.set(count.get() + 50_000);
        Ok(Bytes::from(vec![5; 50_000]))
    });
    let agent = scene.agent.clone();
    let world = scene.stage.world();
    let bytes = scene.stage.run(async move {
        let request = Request::PutBundle {
            app: "a".to_owned(),
            bundle: control::Digest([0; 32]),
            bytes: 2_000_000,
        };
        let send = agent.send(request, Body::stream(chunks), 1_000);
        let take = async {
            let (conversation, _) = script.asked().await;
            let mut got = 0;
            let mut unacknowledged = 0;
            loop {
                match script.hear().await {
                    Some(ToAgent::Chunk {
                        offset,
                        last,
                        bytes,
                        ..
                    }) => {
                        assert_eq!(offset, got);
                        got += bytes.len() as u64;
                        unacknowledged += bytes.len();
                        if last {
                            break;
                        }
                    }
                    other => panic!("{other:?}"),
                }
                if unacknowledged == usize::try_from(control::INITIAL_CREDIT).unwrap() {
                    world.sleep(1_000).await;
                    assert!(made.get() <= usize::try_from(got).unwrap() + 100_000);
                    let bytes = control::INITIAL_CREDIT;
                    script
                        .say(ToWorker::Credit {
                            conversation,
                            bytes,
                        })
                        .await;
                    unacknowledged = 0;
                }
            }
            script.answer(conversation, Answer::Done).await;
            (got, script)
        };
        let (sent, (got, script)) = futures::join!(send, take);
        drop(script);
        (sent, got)
    });
    assert_eq!(bytes, (Ok(Answer::Done), 2_000_000));
}

#[test]
fn outputs_are_gathered_and_credit_is_given() {
    let (mut scene, mut script, _listener) = connected();
    let agent = scene.agent.clone();
    let (gathered, granted) = scene.stage.run(async move {
        let request = Request::Exec {
            command: vec!["yes".to_owned()],
            env: vec![],
            app: None,
            pty: None,
        };
        let gather = agent.gather(request, 100);
        let say = async {
            let (conversation, _) = script.asked().await;
            let mut granted = 0;
            for number in 0..20_u64 {
                script
                    .say(ToWorker::Chunk {
                        conversation,
                        channel: Channel::Output,
                        offset: number * 10_000,
                        last: false,
                        bytes: vec![b'y'; 10_000],
                    })
                    .await;
            }
            while granted < 140_000 {
                if let Some(ToAgent::Credit { bytes, .. }) = script.hear().await {
                    granted += bytes;
                }
            }
            for (channel, offset) in [(Channel::Output, 200_000), (Channel::Error, 0)] {
                script
                    .say(ToWorker::Chunk {
                        conversation,
                        channel,
                        offset,
                        last: true,
                        bytes: b"!".to_vec(),
                    })
                    .await;
            }
            script
                .answer(conversation, Answer::Exited(Exit::Code { code: 3 }))
                .await;
            (granted, script)
        };
        let (gathered, (granted, script)) = futures::join!(gather, say);
        drop(script);
        (gathered, granted)
    });
    let (answer, output, error) = gathered.unwrap();
    assert_eq!(answer, Answer::Exited(Exit::Code { code: 3 }));
    assert_eq!((output.len(), &error[..]), (100, &b"!"[..]));
    assert!(granted >= 140_000);
}

#[test]
fn a_chunk_that_was_not_due_ends_the_connection() {
    let (mut scene, mut script, _listener) = connected();
    let agent = scene.agent.clone();
    let failed = scene.stage.run(async move {
        let ask = agent.ask(Request::Sync, 10_000);
        let say = async {
            let (conversation, _) = script.asked().await;
            script
                .say(ToWorker::Chunk {
                    conversation,
                    channel: Channel::Output,
                    offset: 7,
                    last: false,
                    bytes: vec![],
                })
                .await;
            assert_eq!(script.hear().await, None);
        };
        futures::join!(ask, say).0
    });
    assert_eq!(failed, Err(Failed::Lost));
}

#[test]
fn a_renewed_connection_says_hello_again() {
    let (mut scene, mut script, mut listener) = connected();
    scene.agent.renew();
    scene.stage.run(async move {
        assert_eq!(script.hear().await, None);
        Script::accept(&mut listener, 1).await
    });
    let news = scene.news.take();
    assert_eq!(news[..2], [News::Connected(welcome(1)), News::Lost]);
}
