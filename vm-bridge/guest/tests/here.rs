//! The agent without a guest: an ordinary process of an ordinary user, driven over loopback.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod driver;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use control::{
    Answer, App, Conversation, Digest, Event, Exit, Failure, PROTOCOL, Refusal, Request, Runtime,
    State, Stream, ToAgent, ToWorker, encode,
};
use driver::{Driver, SUCCESS, app, command, shell, tar};

/// A running agent, and its folder. Both are gone with it.
struct Agent {
    process: Child,
    folder: PathBuf,
    address: String,
}

impl Agent {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("agent-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        Self::begin(folder)
    }

    fn begin(folder: PathBuf) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_agent"))
            .arg("here")
            .arg(&folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut port).unwrap();
        Self {
            process,
            folder,
            address: format!("127.0.0.1:{}", port.trim()),
        }
    }

    fn dial(&self) -> Driver {
        Driver::dial(&self.address).unwrap()
    }

    fn mounted(&self) -> Driver {
        let mut driver = self.dial();
        driver
            .ask(Request::Mount {
                device: String::new(),
            })
            .unwrap();
        driver
    }

    fn end(&mut self) {
        let pid = self.process.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.process.wait();
    }

    /// The machine ends, and another one begins with the same disk.
    fn reboot(mut self) -> Self {
        self.end();
        let folder = std::mem::take(&mut self.folder);
        Self::begin(folder)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if !self.folder.as_os_str().is_empty() {
            self.end();
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// An app that was put and is to run a shell script.
fn script(driver: &mut Driver, name: &str, script: &str) -> App {
    let bundle = driver.put(name, &tar(&[("main.sh", script)])).unwrap();
    app(name, command(&["sh", "main.sh"]), free_port(), bundle)
}

const WAIT: &str = "exec tail -f /dev/null";

/// Waits for a process that has been told to end. One that nobody has waited for yet (state Z) has ended.
fn assert_ends(driver: &mut Driver, pid: &str) {
    let alive = format!("grep -q '^State:.*[RSD] ' /proc/{pid}/status 2>/dev/null");
    let wait = format!("while {alive}; do sleep 0.05; done; echo gone");
    let ran = driver.exec(None, &["timeout", "60", "sh", "-c", &wait], b"");
    assert_eq!(ran.output, "gone\n");
}

#[test]
fn a_command_has_three_streams_and_an_exit() {
    let agent = Agent::new("command");
    let mut driver = agent.dial();
    let ran = driver.exec(None, &["sh", "-c", "cat; echo no >&2; exit 7"], b"yes");
    assert_eq!(ran.result, Ok(Exit::Code { code: 7 }));
    assert_eq!((&*ran.output, &*ran.error), ("yes", "no\n"));

    let ran = driver.exec(None, &["sh", "-c", "kill -9 $$"], b"");
    assert_eq!(ran.result, Ok(Exit::Signal { signal: 9 }));

    let ran = driver.exec(None, &["no-such-program"], b"");
    let Err(Failure::NoProgram { program, .. }) = ran.result else {
        panic!("{ran:?}")
    };
    assert_eq!(program, "no-such-program");

    for wrong in [&[][..], &[""], &["a\0b"]] {
        let ran = driver.exec(None, wrong, b"");
        assert!(
            matches!(ran.result, Err(Failure::Invalid { .. })),
            "{ran:?}"
        );
    }
}

#[test]
fn much_input_and_output_passes_whole() {
    let agent = Agent::new("much");
    let mut driver = agent.dial();
    let input: Vec<u8> = (0..3_000_000_u32).map(|n| b'a' + (n % 23) as u8).collect();
    let ran = driver.exec(None, &["cat"], &input);
    assert_eq!(ran.result, Ok(SUCCESS));
    assert!(ran.output.as_bytes() == input, "{} bytes", ran.output.len());
    // Who does not read its input does not stop the worker.
    let ran = driver.exec(None, &["true"], &input);
    assert_eq!(ran.result, Ok(SUCCESS));
}

#[test]
fn a_terminal_is_one() {
    let agent = Agent::new("terminal");
    let mut driver = agent.dial();
    let ran = driver.exec_in_terminal(
        None,
        &["sh", "-c", "test -t 0 && stty size; tty; cat"],
        b"x\n",
    );
    assert_eq!(ran.result, Ok(SUCCESS));
    assert!(ran.output.contains("33 101\r\n"), "{}", ran.output);
    assert!(ran.output.contains("/dev/pts/"), "{}", ran.output);
}

#[test]
fn a_command_ends_with_all_it_started() {
    let agent = Agent::new("left");
    let mut driver = agent.dial();
    let ran = driver.exec(None, &["sh", "-c", "sleep 1000 & echo $!"], b"");
    assert_eq!(ran.result, Ok(SUCCESS));
    let pid = ran.output.trim().to_owned();
    assert_ends(&mut driver, &pid);
}

#[test]
fn a_command_is_cancelled_and_others_go_on() {
    let agent = Agent::new("cancel");
    let mut driver = agent.dial();
    let exec = |words: &[&str]| Request::Exec {
        command: words.iter().map(|&word| word.to_owned()).collect(),
        env: Vec::new(),
        app: None,
        pty: None,
    };
    let long = driver.begin(exec(&["sleep", "1000"]));
    let ran = driver.exec(None, &["echo", "beside"], b"");
    assert_eq!(ran.output, "beside\n");
    driver.send(&ToAgent::Cancel { conversation: long });
    assert_eq!(driver.answer(long), Err(Failure::Cancelled));
    let long = driver.begin(exec(&["sleep", "1000"]));
    driver.send(&ToAgent::Signal {
        conversation: long,
        signal: 15,
    });
    let ran = driver.talk(long, b"");
    assert_eq!(ran.result, Ok(Exit::Signal { signal: 15 }));
}

#[test]
fn an_app_runs_says_things_and_stops() {
    let agent = Agent::new("app");
    let mut driver = agent.mounted();
    let main = format!("echo out $PORT; echo err >&2; pwd; {WAIT}");
    let app = script(&mut driver, "shop", &main);
    let started = driver.start(&app).unwrap();
    assert_eq!(started.state, State::Starting);
    assert!(started.pid.is_some());
    let line = driver.wait_line("shop", "out");
    assert_eq!(line.text, format!("out {}", app.port));
    assert!(line.at > 1_600_000_000_000);
    driver.wait_line("shop", &app.bundle.to_string());
    let stopped = driver.stop("shop").unwrap();
    assert_eq!(stopped.state, State::Stopped);
    assert_eq!(
        (stopped.pid, stopped.exit),
        (None, Some(Exit::Signal { signal: 15 }))
    );
    let logs = driver.logs("shop");
    assert_eq!(logs.len(), 3);
    assert!(
        logs.iter()
            .any(|line| line.stream == Stream::Error && line.text == "err")
    );
}

#[test]
fn what_runs_so_already_goes_on() {
    let agent = Agent::new("so");
    let mut driver = agent.mounted();
    let app = script(&mut driver, "shop", &format!("echo up; {WAIT}"));
    let pid = driver.start(&app).unwrap().pid;
    assert_eq!(driver.start(&app).unwrap().pid, pid);
    let mut other = app.clone();
    other.env.push(("A".to_owned(), "1".to_owned()));
    let next = driver.start(&other).unwrap();
    assert!(next.pid != pid && next.restarts == 0, "{next:?}");
    assert_eq!(driver.start(&other).unwrap().pid, next.pid);
    let stopped = driver.stop("shop").unwrap();
    assert_eq!(stopped.state, State::Stopped);
    assert!(driver.start(&other).unwrap().pid.is_some());
}

#[test]
fn an_app_is_running_when_it_listens() {
    let agent = Agent::new("listens");
    let mut driver = agent.mounted();
    let bundle = driver.put("shop", &tar(&[("a", "")])).unwrap();
    let server = "import os,socket\ns=socket.create_server((\"127.0.0.1\",int(os.environ[\"PORT\"])))\ns.accept()";
    let app = app(
        "shop",
        command(&["python3", "-c", server]),
        free_port(),
        bundle,
    );
    driver.start(&app).unwrap();
    driver.wait_state("shop", State::Running);
    std::net::TcpStream::connect(("127.0.0.1", app.port)).unwrap();
}

#[test]
fn who_does_not_listen_to_sigterm_is_killed_with_its_children() {
    let agent = Agent::new("deaf");
    let mut driver = agent.mounted();
    let app = script(
        &mut driver,
        "deaf",
        "trap '' TERM; sleep 1000 & echo child $!; while :; do sleep 1000; done",
    );
    driver.start(&app).unwrap();
    let line = driver.wait_line("deaf", "child");
    let request = Request::Stop {
        app: "deaf".to_owned(),
        grace: 50,
    };
    let Ok(Answer::App(stopped)) = driver.ask(request) else {
        panic!()
    };
    assert_eq!(stopped.exit, Some(Exit::Signal { signal: 9 }));
    let pid = line.text.trim_start_matches("child ");
    assert_ends(&mut driver, pid);
}

#[test]
fn an_app_that_crashes_is_started_again_and_given_up() {
    let agent = Agent::new("crash");
    let mut driver = agent.mounted();
    let app = script(&mut driver, "bad", "echo alive; exit 3");
    driver.start(&app).unwrap();
    let crashed = driver.wait_state("bad", State::Crashed);
    assert_eq!(crashed.restarts, 4);
    assert_eq!(crashed.exit, Some(Exit::Code { code: 3 }));
    let logs = driver.logs("bad");
    let said: Vec<&str> = logs.iter().map(|line| &*line.text).collect();
    assert_eq!(said.iter().filter(|line| **line == "alive").count(), 5);
    assert!(
        said.contains(&"ended: exit code 3; started again in 250 ms"),
        "{said:?}"
    );
    assert_eq!(said.last(), Some(&"ended: exit code 3; it ended too often"));
    // Asked again, it is tried again.
    driver.start(&app).unwrap();
    assert_eq!(driver.wait_state("bad", State::Crashed).restarts, 4);
}

#[test]
fn what_cannot_be_started_says_why() {
    let agent = Agent::new("cannot");
    let mut driver = agent.dial();
    let missing = app("shop", Runtime::Static, 3000, Digest([1; 32]));
    assert_eq!(driver.start(&missing), Err(Failure::NotMounted));
    driver
        .ask(Request::Mount {
            device: String::new(),
        })
        .unwrap();
    assert_eq!(driver.start(&missing), Err(Failure::BundleMissing));
    let mut layered = missing.clone();
    layered.layers.push("node".to_owned());
    assert_eq!(
        driver.start(&layered),
        Err(Failure::LayerMissing {
            layers: vec!["node".to_owned()]
        })
    );
    let bundle = driver.put("shop", &tar(&[("a", "")])).unwrap();
    let absent = app("shop", command(&["no-such-program"]), 3000, bundle);
    let failed = driver.start(&absent);
    assert!(
        matches!(failed, Err(Failure::NoProgram { .. })),
        "{failed:?}"
    );
    driver.wait_state("shop", State::Crashed);
    let mut wrong = absent;
    wrong.name = "../etc".to_owned();
    assert!(matches!(driver.start(&wrong), Err(Failure::Invalid { .. })));
    assert!(matches!(
        driver.stop("nobody"),
        Err(Failure::UnknownApp { .. })
    ));
}

#[test]
fn a_bundle_is_checked_and_replaces_the_old_one() {
    let agent = Agent::new("bundle");
    let mut driver = agent.mounted();
    let old = driver.put("shop", &tar(&[("a.txt", "old\n")])).unwrap();
    let first = app(
        "shop",
        shell(&format!("cat a.txt; {WAIT}")),
        free_port(),
        old,
    );
    driver.start(&first).unwrap();
    driver.wait_line("shop", "old");
    // A megabyte, so that credit has to flow.
    let large = "x".repeat(1 << 20);
    let tar_of_new = tar(&[("a.txt", "new\n"), ("d/large", &large)]);
    let new = driver.put("shop", &tar_of_new).unwrap();
    assert_eq!(
        driver.exec(Some("shop"), &["cat", "a.txt"], b"").output,
        "old\n"
    );
    let second = App {
        bundle: new,
        ..first
    };
    driver.start(&second).unwrap();
    driver.wait_line("shop", "new");
    let (read, whole) = driver.read_file(Some("shop"), "d/large");
    assert_eq!((read.output == large, whole), (true, 1 << 20));
    let has = |bundle| Request::HasBundle {
        app: "shop".to_owned(),
        bundle,
    };
    assert_eq!(driver.ask(has(new)), Ok(Answer::Bundle { present: true }));
    assert_eq!(driver.ask(has(old)), Ok(Answer::Bundle { present: false }));

    let refused = driver.put_as("shop", &tar_of_new[..4_000], new);
    assert_eq!(refused, Ok(()), "what is there already is not looked at");
    let refused = driver.put_as("shop", &tar_of_new, Digest([3; 32]));
    assert!(matches!(refused, Err(Failure::BundleRefused { .. })));
    let refused = driver.put(
        "shop",
        b"no tar at all, but long enough to be one: "
            .repeat(30)
            .as_slice(),
    );
    assert!(matches!(refused, Err(Failure::BundleRefused { .. })));
    let cancelled = driver.begin(Request::PutBundle {
        app: "shop".to_owned(),
        bundle: old,
        bytes: 10_000,
    });
    driver.send(&ToAgent::Cancel {
        conversation: cancelled,
    });
    assert_eq!(driver.answer(cancelled), Err(Failure::Cancelled));
    assert_eq!(driver.apps().len(), 1);
}

#[test]
fn files_of_an_app_are_read_and_no_others() {
    let agent = Agent::new("read");
    let mut driver = agent.mounted();
    let bundle = driver
        .put("shop", &tar(&[("a.txt", "content"), ("empty", "")]))
        .unwrap();
    let app = app(
        "shop",
        shell(&format!("ln -s /etc/passwd link; echo up; {WAIT}")),
        free_port(),
        bundle,
    );
    driver.start(&app).unwrap();
    driver.wait_line("shop", "up");
    assert_eq!(driver.read_file(Some("shop"), "a.txt").0.output, "content");
    assert_eq!(driver.read_file(Some("shop"), "empty").1, 0);
    for wrong in ["absent", "link", "../../app", "/etc/passwd", "."] {
        let (read, _) = driver.read_file(Some("shop"), wrong);
        assert!(
            matches!(read.result, Err(Failure::NoFile { .. })),
            "{wrong}: {read:?}"
        );
    }
}

#[test]
fn a_flood_is_limited_and_the_others_go_on() {
    let agent = Agent::new("flood");
    let mut driver = agent.mounted();
    let flood = script(&mut driver, "flood", "exec yes flooding");
    driver.start(&flood).unwrap();
    let quiet = script(&mut driver, "quiet", &format!("echo here; {WAIT}"));
    driver.start(&quiet).unwrap();
    driver.wait_line("quiet", "here");
    let dropped = driver.wait(|event| match event {
        Event::Log { app, lines } if app == "flood" => lines
            .iter()
            .map(|line| line.dropped)
            .find(|dropped| *dropped > 0),
        _ => None,
    });
    assert!(dropped > 100, "{dropped}");
    assert_eq!(driver.exec(None, &["echo", "still"], b"").output, "still\n");
    assert_eq!(driver.logs("flood").len(), control::LINES_KEPT);
    driver.stop("flood").unwrap();
}

#[test]
fn changes_of_one_app_happen_in_order() {
    let agent = Agent::new("order");
    let mut driver = agent.mounted();
    let app = script(
        &mut driver,
        "shop",
        &format!("trap '' TERM; echo up; {WAIT}"),
    );
    let stop = Request::Stop {
        app: "shop".to_owned(),
        grace: 30,
    };
    let restart = Request::Restart {
        app: "shop".to_owned(),
        grace: 30,
    };
    let asked = [
        driver.begin(Request::Start(app.clone())),
        driver.begin(stop.clone()),
        driver.begin(Request::Start(app)),
        driver.begin(restart),
        driver.begin(stop),
        driver.begin(Request::Remove {
            app: "shop".to_owned(),
        }),
    ];
    let mut states = Vec::new();
    for asked in asked {
        match driver.answer(asked) {
            Ok(Answer::App(status)) => states.push(format!("{:?}", status.state)),
            Ok(answer) => states.push(format!("{answer:?}")),
            Err(failure) => states.push(failure.to_string()),
        }
    }
    assert_eq!(
        states,
        [
            "Starting", "Stopped", "Starting", "Starting", "Stopped", "Done"
        ]
    );
    assert!(driver.apps().is_empty());
}

#[test]
fn a_removed_app_leaves_nothing() {
    let agent = Agent::new("remove");
    let mut driver = agent.mounted();
    let app = script(&mut driver, "shop", WAIT);
    driver.start(&app).unwrap();
    let remove = || Request::Remove {
        app: "shop".to_owned(),
    };
    assert_eq!(driver.ask(remove()), Ok(Answer::Done));
    driver.wait(|event| matches!(event, Event::Removed { app } if app == "shop").then_some(()));
    assert_eq!(
        driver.ask(remove()),
        Ok(Answer::Done),
        "once more is no error"
    );
    for folder in ["apps", "roots", "trash"] {
        let left = std::fs::read_dir(agent.folder.join("data").join(folder)).unwrap();
        assert_eq!(left.count(), 0, "{folder}");
    }
}

#[test]
fn a_reboot_starts_what_ran() {
    let agent = Agent::new("reboot");
    let mut driver = agent.mounted();
    let boot = driver.welcome.boot;
    for (name, autostart) in [("runs", true), ("stops", true), ("manual", false)] {
        let mut app = script(&mut driver, name, &format!("echo up; {WAIT}"));
        app.autostart = autostart;
        driver.start(&app).unwrap();
    }
    driver.stop("stops").unwrap();
    assert_eq!(driver.ask(Request::Sync), Ok(Answer::Done));
    let agent = agent.reboot();
    let mut driver = agent.dial();
    assert!(driver.welcome.boot != boot);
    assert!(driver.welcome.apps.is_empty() && !driver.welcome.mounted);
    let Ok(Answer::Mounted { apps, .. }) = driver.ask(Request::Mount {
        device: String::new(),
    }) else {
        panic!()
    };
    let names: Vec<&str> = apps.iter().map(|app| &*app.name).collect();
    assert_eq!(names, ["runs"]);
    driver.wait_line("runs", "up");
    let states: Vec<_> = driver
        .apps()
        .into_iter()
        .map(|app| (app.name, app.state))
        .collect();
    assert_eq!(
        states,
        [
            ("manual".to_owned(), State::Stopped),
            ("runs".to_owned(), State::Starting),
            ("stops".to_owned(), State::Stopped)
        ]
    );
}

#[test]
fn an_app_that_misses_a_layer_starts_when_it_comes() {
    let agent = Agent::new("layer");
    let mut driver = agent.mounted();
    let attach = || Request::Attach {
        layer: "node".to_owned(),
        device: "/dev/sda3".to_owned(),
    };
    let detach = || Request::Detach {
        layer: "node".to_owned(),
    };
    assert_eq!(driver.ask(attach()), Ok(Answer::Done));
    let mut app = script(&mut driver, "shop", &format!("echo up; {WAIT}"));
    app.layers.push("node".to_owned());
    driver.start(&app).unwrap();
    let in_use = Failure::LayerInUse {
        apps: vec!["shop".to_owned()],
    };
    assert_eq!(driver.ask(detach()), Err(in_use));
    let agent = agent.reboot();
    let mut driver = agent.mounted();
    assert_eq!(driver.apps()[0].state, State::Stopped);
    assert_eq!(driver.ask(attach()), Ok(Answer::Done));
    assert_eq!(driver.ask(attach()), Ok(Answer::Done));
    driver.wait_line("shop", "up");
    driver.stop("shop").unwrap();
    assert_eq!(driver.ask(detach()), Ok(Answer::Done));
}

#[test]
fn a_snapshot_holds_no_disk() {
    let agent = Agent::new("quiesce");
    let mut driver = agent.mounted();
    let boot = driver.welcome.boot;
    let app = script(&mut driver, "shop", WAIT);
    driver.start(&app).unwrap();
    let running = Failure::AppsRunning {
        apps: vec!["shop".to_owned()],
    };
    assert_eq!(driver.ask(Request::Quiesce), Err(running));
    driver.stop("shop").unwrap();
    assert_eq!(driver.ask(Request::Quiesce), Ok(Answer::Done));
    assert_eq!(
        driver.next_or_end(),
        None,
        "the agent closes the connection"
    );
    // Whoever looks at a guest that rests, as who saves it does, leaves no name in it.
    let looked = agent.dial().welcome.boot;
    let mut driver = agent.dial();
    let boots = [boot, looked];
    assert!(!boots.contains(&driver.welcome.boot) && !driver.welcome.mounted);
    assert_eq!(driver.start(&app), Err(Failure::NotMounted));
    driver
        .ask(Request::Mount {
            device: String::new(),
        })
        .unwrap();
    driver.start(&app).unwrap();
}

#[test]
fn a_new_connection_replaces_the_old_one() {
    let agent = Agent::new("replace");
    let mut old = agent.mounted();
    let app = script(&mut old, "shop", &format!("echo up; {WAIT}"));
    old.start(&app).unwrap();
    old.wait_line("shop", "up");
    old.begin(Request::Exec {
        command: vec!["sleep".to_owned(), "1000".to_owned()],
        env: Vec::new(),
        app: None,
        pty: None,
    });
    let mut new = agent.dial();
    while old.next_or_end().is_some() {}
    assert!(new.welcome.mounted);
    assert_eq!(new.welcome.apps[0].name, "shop");
    assert_eq!(new.logs("shop").len(), 1);
    assert_eq!(new.exec(None, &["echo", "new"], b"").output, "new\n");
}

#[test]
fn what_breaks_the_protocol_is_refused_and_the_agent_goes_on() {
    let agent = Agent::new("broken");
    let hello = {
        let mut bytes = Vec::new();
        let hello = control::Hello {
            protocol: PROTOCOL,
            now: 0,
            entropy: [0; 64],
        };
        encode(&ToAgent::Hello(hello), &mut bytes).unwrap();
        bytes
    };
    let other_version = [7, 0, 0, 0, 0x82, 0, 0x81, 0x82, 9, 0x61, b'x'];
    assert_eq!(
        Driver::say_raw(&agent.address, &other_version),
        [ToWorker::Refused(Refusal::Version { protocol: PROTOCOL })]
    );
    let early = {
        let mut bytes = Vec::new();
        let cancel = ToAgent::Cancel {
            conversation: Conversation(1),
        };
        encode(&cancel, &mut bytes).unwrap();
        bytes
    };
    for said in [
        early,
        vec![255; 64],
        [&hello[..], &hello[..]].concat(),
        [&hello[..], &[255; 9]].concat(),
    ] {
        let frames = Driver::say_raw(&agent.address, &said);
        assert!(
            matches!(
                frames.last(),
                Some(ToWorker::Refused(Refusal::Malformed { .. }))
            ),
            "{frames:?}"
        );
    }
    let twice = {
        let mut bytes = hello.clone();
        for _ in 0..2 {
            let ask = ToAgent::Ask {
                conversation: Conversation(1),
                request: Request::Exec {
                    command: vec!["sleep".to_owned(), "1000".to_owned()],
                    env: Vec::new(),
                    app: None,
                    pty: None,
                },
            };
            encode(&ask, &mut bytes).unwrap();
        }
        bytes
    };
    let frames = Driver::say_raw(&agent.address, &twice);
    let refused = |frame: &ToWorker| matches!(frame, ToWorker::Refused(_));
    assert!(frames.iter().any(refused), "{frames:?}");
    // Any damage at all: every bit of a conversation, one at a time.
    let mut whole = hello;
    let ask = ToAgent::Ask {
        conversation: Conversation(1),
        request: Request::Exec {
            command: vec!["true".to_owned()],
            env: vec![("A".to_owned(), "B".to_owned())],
            app: None,
            pty: None,
        },
    };
    encode(&ask, &mut whole).unwrap();
    for bit in (0..whole.len() * 8).step_by(3) {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        Driver::say_raw(&agent.address, &damaged);
    }
    let mut driver = agent.mounted();
    assert_eq!(driver.exec(None, &["echo", "alive"], b"").output, "alive\n");
}

#[test]
fn usage_is_told() {
    let agent = Agent::new("usage");
    let mut driver = agent.mounted();
    let Ok(Answer::Usage(usage)) = driver.ask(Request::Usage) else {
        panic!()
    };
    assert!(usage.memory_used > 0 && usage.memory_used < usage.memory_total);
    assert!(usage.disk_used <= usage.disk_total && usage.disk_total > 0);
}
