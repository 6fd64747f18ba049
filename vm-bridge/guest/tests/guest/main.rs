//! The agent in its guest: the built image under QEMU, driven as the VM worker drives it. Where there
//! is no QEMU or no image this says SKIPPED.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../driver/mod.rs"]
mod driver;
mod qemu;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use control::{
    Answer, App, AppStatus, Digest, Event, Exit, Failure, Limits, Request, Runtime, State, ToAgent,
};
use driver::{Driver, SUCCESS, app, command, shell, tar};
use qemu::{Image, Machine};

/// One guest for everything that needs a fresh one only in the beginning: booting takes seconds.
#[test]
fn the_guest() {
    let image = match Image::unpack("whole") {
        Ok(image) => image,
        Err(reason) => {
            eprintln!("SKIPPED: {reason}");
            return;
        }
    };
    let mut machine = image.boot();
    let mut driver = machine.dial();
    let steps: [(&str, Step); 17] = [
        ("before the disk is mounted", before_the_disk),
        ("the machine is set up", the_machine),
        ("layers come and go", layers),
        ("psql, with a terminal", psql),
        ("localhost leads to the gateway", localhost),
        ("no program of the guest drives the agent", nobody_else),
        ("a static app", static_app),
        ("a Node app", node_app),
        ("a Python app", python_app),
        ("apps are apart", apart),
        ("a fork bomb", fork_bomb),
        ("a memory hog", memory_hog),
        ("a flood", flood),
        ("a crash", crash),
        ("a full disk", full_disk),
        ("a removed app", remove),
        ("usage", usage),
    ];
    let mut scene = Scene {
        image: &image,
        machine: &mut machine,
        driver: &mut driver,
    };
    for (name, step) in steps {
        eprintln!("{name}");
        step(&mut scene);
    }
    assert_eq!(driver.ask(Request::Sync), Ok(Answer::Done));
    machine.kill();
    after_the_power_was_cut(&image);
    with_a_damaged_disk(&image);
}

/// Apps of two machines from one snapshot do not draw the same random numbers, whatever their Node
/// was made of.
#[test]
fn a_snapshot_does_not_repeat_its_random_numbers() {
    let image = match Image::unpack("saved") {
        Ok(image) => image,
        Err(reason) => {
            eprintln!("SKIPPED: {reason}");
            return;
        }
    };
    let mut machine = image.boot();
    let mut driver = machine.dial();
    attach_all(&image, &mut driver);
    assert_eq!(driver.ask(Request::Quiesce), Ok(Answer::Done));
    assert_eq!(driver.next_or_end(), None);
    drop(driver);
    machine.save();
    let drawn = [(); 2].map(|()| draw(&image));
    for (one, other) in drawn[0].iter().zip(&drawn[1]) {
        assert!(one != other, "{drawn:?}");
    }
}

/// What an app on the snapshot's Node draws first, and how long that one and one that starts took.
fn draw(image: &Image) -> Vec<String> {
    const DICE: &str = "
        const crypto = require('node:crypto')
        const drawn = [globalThis.crypto.randomUUID(), Math.random(), crypto.randomBytes(8).toString('hex')]
        console.log('drawn', ...drawn)
        require('node:http').createServer((_, response) => response.end('dice')).listen(process.env.PORT)
    ";
    let mut machine = image.restore();
    // As the worker does: whom the snapshot has attached it does not attach again.
    let mut driver = machine.dial();
    assert_eq!(driver.welcome.layers.len(), image.layers.len() - 1);
    mount(&mut driver).unwrap();
    let kernel = driver.exec(None, &["cat", "/proc/sys/kernel/random/uuid"], b"");
    assert_eq!(kernel.result, Ok(SUCCESS), "{kernel:?}");
    let waiting = waiting_node(&mut driver);
    let bundle = driver.put("dice", &tar(&[("main.js", DICE)])).unwrap();
    let entry = "main.js".to_owned();
    let mut dice = app("dice", Runtime::Node { entry }, 3000, bundle);
    dice.layers.push("node".to_owned());
    // Else the next machine, which has the same disk, would start it before it is asked to.
    dice.autostart = false;
    let (status, took) = start_and_listen(&mut driver, &dice);
    assert_eq!(status.pid, Some(waiting), "{}", machine.console());
    let line = driver.wait_line("dice", "drawn");
    dice.env.push(("NODE_OPTIONS".to_owned(), String::new()));
    let (plain, took_plain) = start_and_listen(&mut driver, &dice);
    assert!(plain.pid != Some(waiting));
    eprintln!("listens after {took:?}; a Node that starts, after {took_plain:?}");
    machine.kill();
    let words = line.text.split(' ').skip(1);
    let words = words.chain([kernel.output.trim()]);
    words.map(ToOwned::to_owned).collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "it is measured, and decides nothing"
)]
fn start_and_listen(driver: &mut Driver, app: &App) -> (AppStatus, Duration) {
    let asked = Instant::now();
    let status = driver.start(app).unwrap();
    driver.wait_state(&app.name, State::Running);
    (status, asked.elapsed())
}

/// The process that waits to become an app.
fn waiting_node(driver: &mut Driver) -> u32 {
    let find = "ps -e -o pid=,args= | grep '[w]arm.cjs'";
    let found = driver.exec(None, &["sh", "-c", find], b"");
    assert_eq!(found.result, Ok(SUCCESS), "{found:?}");
    let pid = found.output.split_whitespace().next();
    pid.unwrap().parse().unwrap()
}

type Step = fn(&mut Scene<'_>);

struct Scene<'s> {
    image: &'s Image,
    machine: &'s mut Machine,
    driver: &'s mut Driver,
}

impl Scene<'_> {
    fn sh(&mut self, script: &str) -> String {
        let ran = self.driver.exec(None, &["sh", "-c", script], b"");
        assert_eq!(ran.result, Ok(SUCCESS), "{script}: {ran:?}");
        ran.output
    }

    fn get(&self, port: u16, path: &str) -> String {
        get(self.machine.port(port), path)
    }
}

/// What an HTTP server says, head and body.
fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: guest\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn mount(driver: &mut Driver) -> Result<Answer, Failure> {
    driver.ask(Request::Mount {
        device: "/dev/sdb".to_owned(),
    })
}

fn attach_all(image: &Image, driver: &mut Driver) {
    for (layer, device) in image.layers.iter().skip(1) {
        let attached = driver.ask(Request::Attach {
            layer: layer.clone(),
            device: device.clone(),
        });
        assert_eq!(attached, Ok(Answer::Done), "{layer}");
    }
}

fn before_the_disk(scene: &mut Scene<'_>) {
    assert!(!scene.driver.welcome.mounted);
    assert!(scene.driver.welcome.layers.is_empty());
    let nothing = app("x", Runtime::Static, 3000, Digest([0; 32]));
    assert_eq!(scene.driver.start(&nothing), Err(Failure::NotMounted));
    let absent = scene.driver.ask(Request::Mount {
        device: "/dev/sdz".to_owned(),
    });
    assert!(absent.is_err(), "{absent:?}");
    assert_eq!(scene.sh("id -u; hostname"), "0\nsupabase\n");
    let mounted = mount(scene.driver);
    let empty = Answer::Mounted {
        mended: None,
        apps: Vec::new(),
    };
    assert_eq!(mounted, Ok(empty));
}

fn the_machine(scene: &mut Scene<'_>) {
    // The clock is the worker's.
    let now: u64 = scene.sh("date +%s").trim().parse().unwrap();
    assert!((1_800_000_000..1_800_000_900).contains(&now), "{now}");
    assert_eq!(scene.sh("cat /proc/1/oom_score_adj"), "-1000\n");
    assert_eq!(scene.sh("cat /proc/self/oom_score_adj"), "0\n");
    assert!(scene.sh("ip address show eth0").contains("10.0.2.15/24"));
    assert!(scene.sh("ip route").contains("default via 10.0.2.2"));
    let controllers = scene.sh("cat /sys/fs/cgroup/cgroup.subtree_control");
    for controller in ["cpu", "memory", "pids"] {
        assert!(controllers.contains(controller), "{controllers}");
    }
    // Orphans are buried: none stays a zombie.
    scene.sh("(sh -c 'sleep 0.1' &) ; sh -c 'true &'; sleep 0.3");
    assert_eq!(scene.sh("ps -e -o stat= | grep -c ^Z || true"), "0\n");
}

fn layers(scene: &mut Scene<'_>) {
    let without = scene.driver.exec(None, &["node", "--version"], b"");
    assert!(
        matches!(without.result, Err(Failure::NoProgram { .. })),
        "{without:?}"
    );
    attach_all(scene.image, scene.driver);
    assert!(scene.sh("node --version").starts_with("v20."));
    assert!(scene.sh("python3 --version").starts_with("Python 3."));
    scene.sh("nginx -v");
    // A terminal that stays open is in nobody's way.
    let open = scene.driver.begin(Request::Exec {
        command: vec!["sleep".to_owned(), "1000".to_owned()],
        env: Vec::new(),
        app: None,
        pty: None,
    });
    let detached = scene.driver.ask(Request::Detach {
        layer: "node".to_owned(),
    });
    assert_eq!(detached, Ok(Answer::Done));
    let without = scene.driver.exec(None, &["node", "--version"], b"");
    assert!(
        matches!(without.result, Err(Failure::NoProgram { .. })),
        "{without:?} {}",
        scene.machine.console()
    );
    attach_all(scene.image, scene.driver);
    assert!(scene.sh("node --version").starts_with("v20."));
    scene.driver.send(&ToAgent::Cancel { conversation: open });
    assert_eq!(scene.driver.answer(open), Err(Failure::Cancelled));
}

fn psql(scene: &mut Scene<'_>) {
    let ran = scene
        .driver
        .exec_in_terminal(None, &["psql", "--version"], b"");
    assert_eq!(ran.result, Ok(SUCCESS));
    assert!(ran.output.starts_with("psql (PostgreSQL) 17"), "{ran:?}");
    let script = "tty; stty size; echo $TERM; read line; echo got $line";
    let ran = scene
        .driver
        .exec_in_terminal(None, &["bash", "-c", script], b"typed\n");
    for part in ["/dev/pts/", "33 101", "xterm-256color", "got typed"] {
        assert!(ran.output.contains(part), "{ran:?}");
    }
    // What the owner writes is kept while the machine lives, and the base is not changed.
    scene.sh("echo kept > /root/note");
    assert_eq!(scene.sh("cat note"), "kept\n");
    assert_eq!(scene.driver.read_file(None, "note").0.output, "kept\n");
}

fn localhost(scene: &mut Scene<'_>) {
    // QEMU's 10.0.2.2 is this machine's loopback.
    let Ok(listener) = TcpListener::bind("127.0.0.1:5173") else {
        eprintln!("SKIPPED: port 5173 of this machine is in use");
        return;
    };
    let server = std::thread::Builder::new()
        .spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = [0; 1024];
                let _ = stream.read(&mut head).unwrap();
                let answer =
                    "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\ngateway";
                stream.write_all(answer.as_bytes()).unwrap();
            }
        })
        .unwrap();
    for host in ["localhost", "127.0.0.1"] {
        let said = scene.sh(&format!("curl -sS -m 20 http://{host}:5173/"));
        assert_eq!(said, "gateway", "{host}");
    }
    server.join().unwrap();
}

fn nobody_else(scene: &mut Scene<'_>) {
    // The agent closes what does not come from the gateway, before it reads anything.
    for address in ["10.0.2.15", "127.0.0.1"] {
        let script =
            format!("exec 3<>/dev/tcp/{address}/1 && timeout 10 cat <&3 | wc -c || echo refused");
        let ran = scene.driver.exec(None, &["bash", "-c", &script], b"");
        let said = ran.output.trim();
        assert!(said == "0" || said == "refused", "{address}: {ran:?}");
    }
    assert!(scene.machine.console().contains("is not the gateway"));
}

fn started(scene: &mut Scene<'_>, app: &App) {
    scene.driver.start(app).unwrap();
    scene.driver.wait_state(&app.name, State::Running);
}

fn static_app(scene: &mut Scene<'_>) {
    let files = [
        ("index.html", "<p>site</p>"),
        ("a/index.html", "inner"),
        ("app.mjs", "export {}"),
        ("data.json", "{}"),
    ];
    let bundle = scene.driver.put("site", &tar(&files)).unwrap();
    let mut site = app("site", Runtime::Static, 3000, bundle);
    site.layers.push("nginx".to_owned());
    started(scene, &site);
    let page = scene.get(3000, "/");
    assert!(
        page.starts_with("HTTP/1.1 200") && page.ends_with("<p>site</p>"),
        "{page}"
    );
    assert!(page.contains("Content-Type: text/html"), "{page}");
    let script = scene.get(3000, "/app.mjs");
    assert!(script.contains("Content-Type: text/javascript"), "{script}");
    assert!(scene.get(3000, "/data.json").contains("application/json"));
    let moved = scene.get(3000, "/a");
    assert!(
        moved.contains("301") && moved.contains("Location: /a/\r\n"),
        "{moved}"
    );
    assert!(scene.get(3000, "/none").starts_with("HTTP/1.1 404"));
    scene.driver.wait_line("site", "GET / 200 11");
    let detached = scene.driver.ask(Request::Detach {
        layer: "nginx".to_owned(),
    });
    let site = vec!["site".to_owned()];
    assert_eq!(detached, Err(Failure::LayerInUse { apps: site }));
}

const NODE: &str = "
const http = require('node:http')
console.log('env', process.env.SECRET, process.argv.length, process.cwd(), process.env.HOME, process.getuid())
http.createServer((request, response) => {
  if (request.url === '/exit') process.exit(9)
  response.end('node ' + request.url)
}).listen(process.env.PORT, process.env.HOST, () => console.error('listening'))
";

fn node_app(scene: &mut Scene<'_>) {
    let bundle = scene
        .driver
        .put("api", &tar(&[("server.js", NODE)]))
        .unwrap();
    let entry = "server.js".to_owned();
    let mut api = app("api", Runtime::Node { entry }, 3001, bundle);
    api.layers.push("node".to_owned());
    api.env.push(("SECRET".to_owned(), "s".to_owned()));
    started(scene, &api);
    scene.driver.wait_line("api", "env s 2 /app /home/app 100");
    assert!(scene.get(3001, "/x").ends_with("node /x"));
}

const PYTHON: &str = "
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'python ' + self.path.encode())
print('python', sys.version_info.major)
http.server.HTTPServer((os.environ['HOST'], int(os.environ['PORT'])), Handler).serve_forever()
";

fn python_app(scene: &mut Scene<'_>) {
    let bundle = scene
        .driver
        .put("py", &tar(&[("main.py", PYTHON)]))
        .unwrap();
    let entry = "main.py".to_owned();
    let mut py = app("py", Runtime::Python { entry }, 3002, bundle);
    py.layers.push("python".to_owned());
    started(scene, &py);
    scene.driver.wait_line("py", "python 3");
    assert!(scene.get(3002, "/y").ends_with("python /y"));
}

fn apart(scene: &mut Scene<'_>) {
    let mut of = |app: &str, script: &str| {
        let ran = scene.driver.exec(Some(app), &["sh", "-c", script], b"");
        (ran.output + &ran.error).trim().to_owned()
    };
    let user = of("api", "id -u");
    assert!(
        user != of("py", "id -u") && user.starts_with("100"),
        "{user}"
    );
    // Its own files it may write, the system only in its own room.
    of(
        "api",
        "echo mine > /app/mine; echo secret > ~/secret; echo t > /tmp/t",
    );
    assert_eq!(
        of("api", "cat /app/mine ~/secret /tmp/t"),
        "mine\nsecret\nt"
    );
    assert_eq!(
        of("py", "ls /app /tmp ~"),
        "/app:\nmain.py\n\n/home/app:\n\n/tmp:"
    );
    for forbidden in [
        "cat /etc/shadow",
        "touch /usr/x",
        "mount -t tmpfs none /mnt",
        "ls /proc/1/root",
        "kill -0 1",
        "cat /dev/sda",
        "mknod /tmp/x b 8 0",
        "ls /data/apps",
        "unshare -U true",
    ] {
        let said = of("api", &format!("{forbidden} && echo DONE"));
        assert!(!said.contains("DONE"), "{forbidden}: {said}");
    }
    // It sees no process of another's.
    let seen = of("api", "ps -e -o uid= | sort -u | tr -d ' '");
    assert_eq!(seen, user);
    assert_eq!(
        of("api", "ls /dev | tr '\\n' ' '"),
        "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero"
    );
    assert_eq!(of("api", "echo x > /dev/stdout"), "x");
    let (read, _) = scene.driver.read_file(Some("api"), "mine");
    assert_eq!(read.output, "mine\n");
    let (read, _) = scene.driver.read_file(Some("api"), "/etc/shadow");
    assert!(
        matches!(read.result, Err(Failure::NoFile { .. })),
        "{read:?}"
    );
}

fn limited(scene: &mut Scene<'_>, name: &str, script: &str, limits: Limits) -> App {
    let bundle = scene.driver.put(name, &tar(&[("x", "")])).unwrap();
    let mut app = app(name, shell(script), 3003, bundle);
    app.limits = limits;
    app.layers.push("python".to_owned());
    app
}

fn others_live(scene: &mut Scene<'_>) {
    assert!(scene.get(3000, "/").ends_with("<p>site</p>"));
    assert!(scene.get(3001, "/").ends_with("node /"));
    assert!(scene.get(3002, "/").ends_with("python /"));
}

fn fork_bomb(scene: &mut Scene<'_>) {
    let limits = Limits {
        memory: 64 << 20,
        processes: 20,
        nice: 10,
    };
    let script = "echo begins; bomb() { bomb | bomb & }; while :; do bomb; done";
    let bomb = limited(scene, "bomb", script, limits);
    scene.driver.start(&bomb).unwrap();
    scene.driver.wait_line("bomb", "begins");
    others_live(scene);
    scene.driver.stop("bomb").unwrap();
    let left = scene.sh("cat /sys/fs/cgroup/apps/bomb/pids.current");
    assert_eq!(left, "0\n");
}

fn memory_hog(scene: &mut Scene<'_>) {
    let limits = Limits {
        memory: 24 << 20,
        processes: 20,
        nice: 0,
    };
    let script = "echo begins; exec python3 -c 'x = [bytearray(1 << 20) for _ in range(500)]'";
    let hog = limited(scene, "hog", script, limits);
    scene.driver.start(&hog).unwrap();
    scene.driver.wait_line("hog", "ended: out of memory");
    let stopped = scene.driver.stop("hog").unwrap();
    assert_eq!(stopped.exit, Some(Exit::OutOfMemory));
    others_live(scene);
}

fn flood(scene: &mut Scene<'_>) {
    let limits = Limits {
        memory: 64 << 20,
        processes: 20,
        nice: 0,
    };
    let flood = limited(scene, "flood", "exec yes flooding", limits);
    scene.driver.start(&flood).unwrap();
    let dropped = scene.driver.wait(|event| match event {
        Event::Log { app, lines } if app == "flood" => lines
            .iter()
            .map(|line| line.dropped)
            .find(|dropped| *dropped > 0),
        _ => None,
    });
    assert!(dropped > 0);
    others_live(scene);
    scene.driver.stop("flood").unwrap();
}

fn crash(scene: &mut Scene<'_>) {
    scene.get(3001, "/exit");
    scene
        .driver
        .wait_line("api", "ended: exit code 9; started again in 250 ms");
    let again = scene.driver.wait_state("api", State::Running);
    assert_eq!(
        (again.restarts, again.exit),
        (1, Some(Exit::Code { code: 9 }))
    );
    assert!(scene.get(3001, "/again").ends_with("node /again"));
    let mut absent = app("absent", command(&["/app/none"]), 3003, Digest([0; 32]));
    absent.bundle = scene.driver.put("absent", &tar(&[("x", "")])).unwrap();
    let failed = scene.driver.start(&absent);
    assert!(
        matches!(failed, Err(Failure::NoProgram { .. })),
        "{failed:?}"
    );
}

fn full_disk(scene: &mut Scene<'_>) {
    let ran = scene.driver.exec(
        Some("py"),
        &[
            "sh",
            "-c",
            "fallocate -l $(($(df --output=avail -B1 . | tail -1) - 1048576)) fill; stat -c %s fill",
        ],
        b"",
    );
    assert!(
        ran.output.trim().parse::<u64>().unwrap() > 1 << 30,
        "{ran:?}"
    );
    let put = scene.driver.begin(Request::PutBundle {
        app: "late".to_owned(),
        bundle: Digest([0; 32]),
        bytes: 1 << 30,
    });
    assert_eq!(scene.driver.answer(put), Err(Failure::DiskFull));
    others_live(scene);
    scene.driver.exec(Some("py"), &["rm", "fill"], b"");
}

fn remove(scene: &mut Scene<'_>) {
    for name in ["bomb", "hog", "flood", "absent"] {
        let removed = scene.driver.ask(Request::Remove {
            app: name.to_owned(),
        });
        assert_eq!(removed, Ok(Answer::Done), "{name}");
    }
    let names: Vec<String> = scene
        .driver
        .apps()
        .into_iter()
        .map(|app| app.name)
        .collect();
    assert_eq!(names, ["api", "py", "site"]);
    assert_eq!(
        scene.sh("ls /data/trash; ls /sys/fs/cgroup/apps | grep -c hog || true"),
        "0\n"
    );
}

fn usage(scene: &mut Scene<'_>) {
    let Ok(Answer::Usage(usage)) = scene.driver.ask(Request::Usage) else {
        panic!()
    };
    assert!(
        usage.memory_used > 8 << 20 && usage.memory_total > 400 << 20,
        "{usage:?}"
    );
    assert!(usage.disk_total > 1 << 30 && usage.disk_used < usage.disk_total);
    let names: Vec<&str> = usage.apps.iter().map(|app| &*app.name).collect();
    assert_eq!(names, ["api", "py", "site"]);
    for app in &usage.apps {
        assert!(
            app.memory > 0 && app.cpu > 0 && app.processes > 0,
            "{app:?}"
        );
    }
}

fn after_the_power_was_cut(image: &Image) {
    let mut machine = image.boot();
    let mut driver = machine.dial();
    attach_all(image, &mut driver);
    let Ok(Answer::Mounted { apps, .. }) = mount(&mut driver) else {
        panic!("{}", machine.console())
    };
    let names: Vec<&str> = apps.iter().map(|app| &*app.name).collect();
    assert_eq!(names, ["api", "py", "site"]);
    let mut left: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    while !left.is_empty() {
        let running = driver.wait(|event| match event {
            Event::App(status) if status.state == State::Running => Some(status.name.clone()),
            _ => None,
        });
        left.retain(|name| *name != running);
    }
    assert!(get(machine.port(3000), "/").ends_with("<p>site</p>"));
    let ran = driver.exec(Some("api"), &["cat", "/app/mine", "/home/app/secret"], b"");
    assert_eq!(ran.output, "mine\nsecret\n");
    // Quiet as for a snapshot, and back.
    for name in ["api", "py", "site"] {
        driver.stop(name).unwrap();
    }
    assert_eq!(driver.ask(Request::Quiesce), Ok(Answer::Done));
    assert_eq!(driver.next_or_end(), None);
    let mut driver = machine.dial();
    assert!(!driver.welcome.mounted);
    assert_eq!(driver.welcome.layers.len(), image.layers.len() - 1);
    let Ok(Answer::Mounted { apps, .. }) = mount(&mut driver) else {
        panic!("{}", machine.console())
    };
    assert!(apps.is_empty(), "what was stopped stays so");
    warm_node(&mut machine, &mut driver);
    let mut driver = after_the_agent_died(image, &mut machine, &mut driver);
    let off = driver.ask(Request::PowerOff { grace: 1_000 });
    assert_eq!(off, Ok(Answer::Done));
}

/// An agent that ends is started again by process 1, and ends what the other one left.
fn after_the_agent_died(image: &Image, machine: &mut Machine, driver: &mut Driver) -> Driver {
    let boot = driver.welcome.boot;
    driver.begin(Request::Exec {
        command: ["sh", "-c", "kill -9 $(pgrep -f '^agent serve')"]
            .map(ToOwned::to_owned)
            .into(),
        env: Vec::new(),
        app: None,
        pty: None,
    });
    while driver.next_or_end().is_some() {}
    let mut driver = machine.dial();
    assert!(driver.welcome.boot != boot && !driver.welcome.mounted);
    assert!(machine.console().contains("is started again"));
    attach_all(image, &mut driver);
    let Ok(Answer::Mounted { apps, .. }) = mount(&mut driver) else {
        panic!("{}", machine.console())
    };
    assert_eq!(apps.len(), 1);
    driver.wait_state("api", State::Running);
    assert!(get(machine.port(3001), "/new").ends_with("node /new"));
    driver
}

/// A Node that waited becomes an app, in everything that can be seen from inside and outside.
fn warm_node(machine: &mut Machine, driver: &mut Driver) {
    let sh = |driver: &mut Driver, script: &str| {
        let ran = driver.exec(None, &["sh", "-c", script], b"");
        assert_eq!(ran.result, Ok(SUCCESS), "{ran:?}");
        ran.output.trim().to_owned()
    };
    let waiting = waiting_node(driver);
    driver.events.clear();
    let files = [
        ("server.js", NODE),
        ("more.mjs", "export const more = import.meta.url"),
        ("main.mjs", MODULE),
    ];
    let bundle = driver.put("api", &tar(&files)).unwrap();
    let entry = "main.mjs".to_owned();
    let mut api = app("api", Runtime::Node { entry }, 3001, bundle);
    api.layers.push("node".to_owned());
    api.limits.nice = 5;
    api.env.push(("SECRET".to_owned(), "warm".to_owned()));
    let status = driver.start(&api).unwrap();
    assert_eq!(status.pid, Some(waiting), "{}", machine.console());
    driver.wait_state("api", State::Running);
    driver.wait_line("api", "more file:///app/more.mjs");
    driver.wait_line("api", "main /app/main.mjs");
    let line = driver.wait_line("api", "env warm 2 /app /home/app 100");
    let user = line.text.rsplit(' ').next().unwrap().to_owned();
    assert!(get(machine.port(3001), "/w").ends_with("node /w"));
    let group = sh(driver, &format!("cat /proc/{waiting}/cgroup"));
    assert_eq!(group, "0::/apps/api/main");
    let seen = sh(
        driver,
        &format!("ps -L -o uid=,nice= -p {waiting} | sort -u"),
    );
    let seen: Vec<&str> = seen.split_whitespace().collect();
    assert_eq!(seen, [&user, "5"]);
    let root = sh(
        driver,
        &format!("ls /proc/{waiting}/root/app /proc/{waiting}/cwd/"),
    );
    assert!(
        root.contains("main.mjs") && !root.contains("warm"),
        "{root}"
    );
    // It holds nothing of where it waited, and cannot go back.
    for forbidden in ["cat /run/warm.cjs", "ls /mnt/app", "cat /etc/shadow"] {
        let ran = driver.exec(Some("api"), &["sh", "-c", forbidden], b"");
        assert!(ran.output.is_empty(), "{forbidden}: {ran:?}");
    }
    // It ends and begins like any other.
    get(machine.port(3001), "/exit");
    driver.wait_line("api", "ended: exit code 9; started again");
    driver.wait_state("api", State::Running);
    assert!(get(machine.port(3001), "/again").ends_with("node /again"));
    // What Node reads at its start makes it start.
    let option = ("NODE_OPTIONS".to_owned(), "--no-warnings".to_owned());
    api.env.push(option);
    let plain = driver.start(&api).unwrap();
    assert!(plain.pid != Some(waiting));
    driver.wait_state("api", State::Running);
}

const MODULE: &str = "
import { more } from './more.mjs'
import { createRequire } from 'node:module'
console.log('more', more)
console.log('main', process.argv[1])
createRequire(import.meta.url)('./server.js')
";

/// As ext4 has it: not inverted in the end.
fn crc32c(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
        crc
    })
}

/// A disk the kernel does not take, first mended, then beyond that.
fn with_a_damaged_disk(image: &Image) {
    let disk = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(image.data())
        .unwrap();
    // Its superblock says that the kernel met errors; the last word is its checksum.
    let mut superblock = [0; 1024];
    disk.read_exact_at(&mut superblock, 1024).unwrap();
    superblock[0x3a] |= 2;
    let checksum = crc32c(&superblock[..0x3fc]);
    superblock[0x3fc..].copy_from_slice(&checksum.to_le_bytes());
    disk.write_all_at(&superblock, 1024).unwrap();
    let mut machine = image.boot();
    let mut driver = machine.dial();
    let mounted = mount(&mut driver);
    let Ok(Answer::Mounted {
        mended: Some(words),
        ..
    }) = mounted
    else {
        panic!("{mounted:?}")
    };
    assert!(words.contains("data"), "{words}");
    machine.kill();
    // No superblock at all.
    disk.write_all_at(&[0; 8192], 0).unwrap();
    let mut machine = image.boot();
    let mut driver = machine.dial();
    let Err(Failure::DiskDamaged { words }) = mount(&mut driver) else {
        panic!("{}", machine.console())
    };
    assert!(words.contains("superblock"), "{words}");
    // The machine is usable all the same.
    assert_eq!(driver.exec(None, &["echo", "alive"], b"").output, "alive\n");
}
