//! The image under QEMU: a real guest, without a browser.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::driver::Driver;

const QEMU: &str = "qemu-system-i386";
/// Ports of the guest's that the tests reach, beside the agent's.
pub(crate) const PORTS: [u16; 4] = [3000, 3001, 3002, 3003];

/// An image, as files that QEMU reads.
pub(crate) struct Image {
    folder: PathBuf,
    kernel: PathBuf,
    command_line: String,
    /// Names and devices, base first.
    pub(crate) layers: Vec<(String, String)>,
}

/// A running machine.
pub(crate) struct Machine {
    qemu: Child,
    log: PathBuf,
    folder: PathBuf,
    agent: String,
    ports: Vec<(u16, u16)>,
}

impl Image {
    /// Unpacks the newest image, or says why that cannot be tested here.
    pub(crate) fn unpack(name: &str) -> Result<Self, String> {
        let found = Command::new(QEMU)
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        if found.is_err() {
            return Err(format!("there is no {QEMU}"));
        }
        let source = newest().ok_or("there is no image: cargo xtask image")?;
        let manifest = std::fs::read(source.join("manifest.json")).map_err(|e| e.to_string())?;
        let manifest: Value = serde_json::from_slice(&manifest).map_err(|e| e.to_string())?;
        let folder = std::env::temp_dir().join(format!("guest-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        // Another agent can be tried without building an image: as a disk of one's own.
        match std::env::var_os("GUEST_SYSTEM") {
            Some(disk) => {
                std::fs::copy(disk, folder.join("system")).unwrap();
            }
            None => join(&source, &manifest, "system", &folder.join("system")),
        }
        join(&source, &manifest, "data", &folder.join("data"));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let layers = manifest["layers"].as_array().unwrap();
        Ok(Self {
            kernel: source.join(text(&manifest["kernel"]["path"])),
            command_line: text(&manifest["kernel"]["command_line"]),
            layers: layers
                .iter()
                .map(|layer| (text(&layer["name"]), text(&layer["device"])))
                .collect(),
            folder,
        })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(crate) fn boot(&self) -> Machine {
        self.begin(&[])
    }

    /// A machine as [`Machine::save`] saved it.
    pub(crate) fn restore(&self) -> Machine {
        let saved = format!("exec:cat {}", self.folder.join("saved").display());
        let monitor = self.folder.join("monitor");
        let _ = std::fs::remove_file(&monitor);
        let machine = self.begin(&["-incoming", &saved]);
        // A connection from before it runs would wait for ever.
        for _ in 0..600 {
            std::thread::sleep(Duration::from_millis(200));
            let Ok(mut stream) = UnixStream::connect(&monitor) else {
                continue;
            };
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            let mut said = [0; 4096];
            let mut all = String::new();
            let _ = stream.write_all(b"info status\n");
            while let Ok(length @ 1..) = stream.read(&mut said) {
                all += &String::from_utf8_lossy(&said[..length]);
                if all.contains("VM status: running") {
                    return machine;
                }
                if all.contains("VM status: ") {
                    break;
                }
            }
        }
        panic!("the saved machine does not run: {}", machine.console());
    }

    fn begin(&self, more: &[&str]) -> Machine {
        let agent = free_port();
        let ports: Vec<(u16, u16)> = PORTS.iter().map(|port| (*port, free_port())).collect();
        let mut network = format!(
            "user,id=n,net=10.0.2.0/24,host=10.0.2.2,hostfwd=tcp:127.0.0.1:{agent}-10.0.2.15:1"
        );
        for (guest, host) in &ports {
            write!(network, ",hostfwd=tcp:127.0.0.1:{host}-10.0.2.15:{guest}").unwrap();
        }
        let drive = |name: &str, index: u8| {
            let file = self.folder.join(name);
            format!("file={},format=raw,if=ide,index={index}", file.display())
        };
        let log = self.folder.join("console");
        let console = File::create(&log).unwrap();
        let qemu = Command::new(QEMU)
            .args(["-accel", "tcg", "-cpu", "qemu32,+sse3", "-m", "512"])
            .args(["-nographic", "-no-reboot"])
            .arg("-kernel")
            .arg(&self.kernel)
            .args(["-append", &self.command_line])
            .args(["-drive", &drive("system", 0), "-drive", &drive("data", 1)])
            .args(["-netdev", &network])
            .args(["-device", "virtio-net-pci,netdev=n,romfile="])
            .arg("-monitor")
            .arg(format!(
                "unix:{},server,nowait",
                self.folder.join("monitor").display()
            ))
            .args(more)
            .stdin(Stdio::null())
            .stdout(console)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Machine {
            qemu,
            log,
            folder: self.folder.clone(),
            agent: format!("127.0.0.1:{agent}"),
            ports,
        }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Machine {
    /// The first connection: when the guest is up.
    pub(crate) fn dial(&mut self) -> Driver {
        // QEMU accepts at once and closes what the guest does not take; a try a moment.
        for _ in 0..600 {
            if let Some(driver) = Driver::dial(&self.agent) {
                return driver;
            }
            let ended = self.qemu.try_wait().unwrap();
            assert!(ended.is_none(), "{}", self.console());
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("nobody answers: {}", self.console());
    }

    pub(crate) fn console(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Where a port of the guest's is on this machine.
    pub(crate) fn port(&self, guest: u16) -> u16 {
        let found = self.ports.iter().find(|(port, _)| *port == guest);
        found.unwrap().1
    }

    /// Writes its memory to a file, and ends it.
    pub(crate) fn save(self) {
        let mut monitor = UnixStream::connect(self.folder.join("monitor")).unwrap();
        let saved = self.folder.join("saved");
        writeln!(monitor, "migrate \"exec:cat > {}\"", saved.display()).unwrap();
        // It answers commands in their order.
        writeln!(monitor, "info migrate\nquit").unwrap();
        let mut said = String::new();
        let _ = monitor.read_to_string(&mut said);
        assert!(said.contains("completed"), "{said}");
    }

    /// The power is cut.
    pub(crate) fn kill(mut self) {
        self.qemu.kill().unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

fn newest() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("GUEST_IMAGE") {
        return Some(folder.into());
    }
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".cache"),
    };
    let latest = cache.join("supabase-lite-gateway/image/latest");
    let folder = PathBuf::from(std::fs::read_to_string(latest).ok()?.trim());
    folder.is_dir().then_some(folder)
}

/// One disk, of its chunks; what is zero stays a hole.
fn join(source: &Path, manifest: &Value, disk: &str, target: &Path) {
    let chunk = manifest["chunk"].as_u64().unwrap();
    let disk = &manifest[disk];
    let mut file = File::create(target).unwrap();
    file.set_len(disk["bytes"].as_u64().unwrap()).unwrap();
    for (number, hash) in (0_u64..).zip(disk["chunks"].as_array().unwrap()) {
        let Some(hash) = hash.as_str() else { continue };
        let path = source
            .join("chunks")
            .join(&hash[..2])
            .join(format!("{hash}.gz"));
        let mut bytes = Vec::new();
        let packed = File::open(path).unwrap();
        GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
        file.seek(SeekFrom::Start(number * chunk)).unwrap();
        file.write_all(&bytes).unwrap();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
