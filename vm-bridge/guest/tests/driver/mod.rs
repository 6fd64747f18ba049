//! A worker's side of the control connection, for tests: blocking, one thing at a time.

#![allow(dead_code, reason = "each test uses what it needs")]
#![allow(clippy::unwrap_used, reason = "a test of its own")]

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use control::{
    Answer, App, AppStatus, CHUNK, Channel, Conversation, Decoder, Digest, Event, Exit, Failure,
    Hello, Incoming, Limits, Line, Outgoing, PROTOCOL, Pty, Request, Runtime, State, ToAgent,
    ToWorker, Welcome, encode,
};
use sha2::{Digest as _, Sha256};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) struct Driver {
    stream: TcpStream,
    decoder: Decoder<ToWorker>,
    came: VecDeque<ToWorker>,
    conversations: u32,
    pub(crate) welcome: Welcome,
    /// What came unasked and nobody waited for yet.
    pub(crate) events: VecDeque<Event>,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) result: Result<Exit, Failure>,
    pub(crate) output: String,
    pub(crate) error: String,
}

impl Driver {
    /// Dials and says Hello. `None` where nobody answers yet.
    pub(crate) fn dial(address: &str) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut driver = Self {
            stream,
            decoder: Decoder::new(),
            came: VecDeque::new(),
            conversations: 0,
            welcome: Welcome {
                protocol: 0,
                version: String::new(),
                boot: [0; 16],
                layers: Vec::new(),
                mounted: false,
                apps: Vec::new(),
            },
            events: VecDeque::new(),
        };
        let mut entropy = [0; 64];
        let random = std::fs::File::open("/dev/urandom");
        random.unwrap().read_exact(&mut entropy).unwrap();
        let hello = ToAgent::Hello(Hello {
            protocol: PROTOCOL,
            now: 1_800_000_000_000,
            entropy,
        });
        let mut bytes = Vec::new();
        encode(&hello, &mut bytes).unwrap();
        driver.stream.write_all(&bytes).ok()?;
        match driver.next_or_end()? {
            ToWorker::Hello(welcome) => driver.welcome = welcome,
            other => panic!("{other:?} instead of Hello"),
        }
        Some(driver)
    }

    /// A connection that says what it is told to, and what came back until it was closed.
    pub(crate) fn say_raw(address: &str, bytes: &[u8]) -> Vec<ToWorker> {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        let mut decoder = Decoder::new();
        decoder.push(&all);
        let mut frames = Vec::new();
        while let Ok(Some(frame)) = decoder.poll() {
            frames.push(frame);
        }
        frames
    }

    pub(crate) fn send(&mut self, frame: &ToAgent) {
        let mut bytes = Vec::new();
        encode(frame, &mut bytes).unwrap();
        self.stream.write_all(&bytes).unwrap();
    }

    pub(crate) fn next_or_end(&mut self) -> Option<ToWorker> {
        loop {
            if let Some(frame) = self.came.pop_front() {
                return Some(frame);
            }
            let mut buffer = vec![0; 64 * 1024];
            let length = match self.stream.read(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    panic!("nothing came for {PATIENCE:?}")
                }
                Err(_) => 0,
            };
            if length == 0 {
                return None;
            }
            self.decoder.push(&buffer[..length]);
            while let Some(frame) = self.decoder.poll().unwrap() {
                self.came.push_back(frame);
            }
        }
    }

    /// The next frame that is no event.
    pub(crate) fn next(&mut self) -> ToWorker {
        loop {
            match self.next_or_end().expect("the connection ended") {
                ToWorker::Event(event) => self.keep(event),
                frame => return frame,
            }
        }
    }

    /// One line an event, so that each can be waited for.
    fn keep(&mut self, event: Event) {
        match event {
            Event::Log { app, lines } => {
                let events = lines.into_iter().map(|line| Event::Log {
                    app: app.clone(),
                    lines: vec![line],
                });
                self.events.extend(events);
            }
            event => self.events.push_back(event),
        }
    }

    pub(crate) fn begin(&mut self, request: Request) -> Conversation {
        self.conversations += 1;
        let conversation = Conversation(self.conversations);
        self.send(&ToAgent::Ask {
            conversation,
            request,
        });
        conversation
    }

    pub(crate) fn ask(&mut self, request: Request) -> Result<Answer, Failure> {
        let asked = self.begin(request);
        self.answer(asked)
    }

    /// Waits for one answer; answers to others may not come meanwhile.
    pub(crate) fn answer(&mut self, asked: Conversation) -> Result<Answer, Failure> {
        match self.next() {
            ToWorker::Answer {
                conversation,
                answer,
            } if conversation == asked => Ok(answer),
            ToWorker::Failed {
                conversation,
                failure,
            } if conversation == asked => Err(failure),
            other => panic!("{other:?} instead of an answer"),
        }
    }

    /// The first event, old or new, that is the one looked for; it is taken, the others stay.
    pub(crate) fn wait<T>(&mut self, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        let mut looked = 0;
        loop {
            while let Some(event) = self.events.get(looked) {
                if let Some(found) = wanted(event) {
                    self.events.remove(looked);
                    return found;
                }
                looked += 1;
            }
            match self.next_or_end().expect("the connection ended") {
                ToWorker::Event(event) => self.keep(event),
                other => panic!("{other:?} instead of an event"),
            }
        }
    }

    pub(crate) fn wait_state(&mut self, name: &str, state: State) -> AppStatus {
        self.wait(|event| match event {
            Event::App(status) if status.name == name && status.state == state => {
                Some(status.clone())
            }
            _ => None,
        })
    }

    pub(crate) fn wait_line(&mut self, name: &str, part: &str) -> Line {
        self.wait(|event| match event {
            Event::Log { app, lines } if app == name => {
                lines.iter().find(|line| line.text.contains(part)).cloned()
            }
            _ => None,
        })
    }

    pub(crate) fn start(&mut self, app: &App) -> Result<AppStatus, Failure> {
        match self.ask(Request::Start(app.clone()))? {
            Answer::App(status) => Ok(status),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn stop(&mut self, name: &str) -> Result<AppStatus, Failure> {
        let app = name.to_owned();
        match self.ask(Request::Stop { app, grace: 2_000 })? {
            Answer::App(status) => Ok(status),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn apps(&mut self) -> Vec<AppStatus> {
        match self.ask(Request::Apps) {
            Ok(Answer::Apps(apps)) => apps,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn logs(&mut self, name: &str) -> Vec<Line> {
        let request = Request::Logs {
            app: name.to_owned(),
            tail: u32::MAX,
        };
        match self.ask(request) {
            Ok(Answer::Lines(lines)) => lines,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn put(&mut self, app: &str, tar: &[u8]) -> Result<Digest, Failure> {
        let bundle = Digest(Sha256::digest(tar).into());
        self.put_as(app, tar, bundle).map(|()| bundle)
    }

    pub(crate) fn put_as(&mut self, app: &str, tar: &[u8], bundle: Digest) -> Result<(), Failure> {
        let asked = self.begin(Request::PutBundle {
            app: app.to_owned(),
            bundle,
            bytes: tar.len() as u64,
        });
        let mut outgoing = Outgoing::default();
        let mut rest = tar;
        let mut ended = false;
        loop {
            while !ended && (outgoing.room() > 0 || rest.is_empty()) {
                let bytes = rest[..rest.len().min(outgoing.room())].to_vec();
                rest = &rest[bytes.len()..];
                ended = rest.is_empty();
                let chunk = ToAgent::Chunk {
                    conversation: asked,
                    offset: outgoing.send(bytes.len()),
                    last: ended,
                    bytes,
                };
                self.send(&chunk);
            }
            match self.next() {
                ToWorker::Credit {
                    conversation,
                    bytes,
                } if conversation == asked => outgoing.grant(bytes),
                ToWorker::Answer { answer, .. } => {
                    assert_eq!(answer, Answer::Done);
                    return Ok(());
                }
                ToWorker::Failed { failure, .. } => return Err(failure),
                other => panic!("{other:?} instead of credit or an answer"),
            }
        }
    }

    pub(crate) fn exec(&mut self, app: Option<&str>, command: &[&str], input: &[u8]) -> Ran {
        let asked = self.begin(Request::Exec {
            command: command.iter().map(|&word| word.to_owned()).collect(),
            env: Vec::new(),
            app: app.map(ToOwned::to_owned),
            pty: None,
        });
        self.talk(asked, input)
    }

    pub(crate) fn exec_in_terminal(
        &mut self,
        app: Option<&str>,
        command: &[&str],
        input: &[u8],
    ) -> Ran {
        let asked = self.begin(Request::Exec {
            command: command.iter().map(|&word| word.to_owned()).collect(),
            env: Vec::new(),
            app: app.map(ToOwned::to_owned),
            pty: Some(Pty {
                columns: 101,
                rows: 33,
            }),
        });
        self.talk(asked, input)
    }

    pub(crate) fn read_file(&mut self, app: Option<&str>, path: &str) -> (Ran, u64) {
        let asked = self.begin(Request::ReadFile {
            app: app.map(ToOwned::to_owned),
            path: path.to_owned(),
            offset: 0,
            limit: u64::MAX,
        });
        let mut ran = self.talk_with(asked, b"", false);
        let bytes = std::mem::take(&mut ran.1);
        (ran.0, bytes)
    }

    /// Gives a conversation all of its input, and takes its output until it is answered.
    pub(crate) fn talk(&mut self, asked: Conversation, input: &[u8]) -> Ran {
        self.talk_with(asked, input, true).0
    }

    fn talk_with(&mut self, asked: Conversation, input: &[u8], has_input: bool) -> (Ran, u64) {
        let (mut output, mut error) = (Vec::new(), Vec::new());
        let (mut from_output, mut from_error) = (Incoming::default(), Incoming::default());
        let mut outgoing = Outgoing::default();
        let mut rest = input;
        let mut ended = !has_input;
        let mut whole = 0;
        let result = loop {
            while !ended && (outgoing.room() > 0 || rest.is_empty()) {
                let bytes = rest[..rest.len().min(outgoing.room()).min(CHUNK)].to_vec();
                rest = &rest[bytes.len()..];
                ended = rest.is_empty();
                let chunk = ToAgent::Chunk {
                    conversation: asked,
                    offset: outgoing.send(bytes.len()),
                    last: ended,
                    bytes,
                };
                self.send(&chunk);
            }
            match self.next() {
                ToWorker::Credit { bytes, .. } => outgoing.grant(bytes),
                ToWorker::Chunk {
                    conversation,
                    channel,
                    offset,
                    last,
                    bytes,
                } => {
                    assert_eq!(conversation, asked);
                    let (all, incoming) = match channel {
                        Channel::Output => (&mut output, &mut from_output),
                        _ => (&mut error, &mut from_error),
                    };
                    incoming.receive(offset, bytes.len(), last).unwrap();
                    all.extend_from_slice(&bytes);
                    if let Some(bytes) = incoming.consume(bytes.len()) {
                        self.send(&ToAgent::Credit {
                            conversation,
                            channel,
                            bytes,
                        });
                    }
                }
                ToWorker::Answer {
                    answer: Answer::Exited(exit),
                    ..
                } => break Ok(exit),
                ToWorker::Answer {
                    answer: Answer::File { bytes },
                    ..
                } => {
                    whole = bytes;
                    break Ok(Exit::Code { code: 0 });
                }
                ToWorker::Failed { failure, .. } => break Err(failure),
                other => panic!("{other:?} in a conversation"),
            }
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ran = Ran {
            result,
            output: text(&output),
            error: text(&error),
        };
        (ran, whole)
    }
}

/// A tar of these files.
pub(crate) fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, path, content.as_bytes())
            .unwrap();
    }
    builder.into_inner().unwrap()
}

pub(crate) fn app(name: &str, runtime: Runtime, port: u16, bundle: Digest) -> App {
    App {
        name: name.to_owned(),
        runtime,
        port,
        env: Vec::new(),
        layers: Vec::new(),
        bundle,
        limits: Limits {
            memory: 128 << 20,
            processes: 64,
            nice: 0,
        },
        autostart: true,
    }
}

pub(crate) fn command(words: &[&str]) -> Runtime {
    Runtime::Command {
        command: words.iter().map(|&word| word.to_owned()).collect(),
    }
}

pub(crate) fn shell(script: &str) -> Runtime {
    command(&["sh", "-c", script])
}

pub(crate) const SUCCESS: Exit = Exit::Code { code: 0 };
