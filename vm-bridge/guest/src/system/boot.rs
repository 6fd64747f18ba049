//! The first process of the guest: makes the machine usable, keeps the agent running, buries the
//! dead.

use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot, set_cad_enabled};
use rustix::process::{Pid, WaitOptions};

use super::netlink::Netlink;
use super::room::fresh;
use super::{console, monotonic};

/// The hierarchy of control groups.
pub(crate) const GROUPS: &str = "/sys/fs/cgroup";

const ADDRESS: [u8; 4] = [10, 0, 2, 15];
const GATEWAY: [u8; 4] = [10, 0, 2, 2];
const PREFIX: u8 = 24;

/// What of localhost is really the gateway: its own port and that of Postgres. Packets for them
/// leave the guest, with the guest's address.
const REDIRECT: &str = "\
table ip gateway {
    chain output {
        type nat hook output priority -100; policy accept;
        ip daddr 127.0.0.0/8 tcp dport { 5173, 5432 } dnat to 10.0.2.2
    }
    chain postrouting {
        type nat hook postrouting priority 100; policy accept;
        oifname \"eth0\" ip saddr 127.0.0.0/8 masquerade
    }
}
";

/// Runs as process 1, for ever. Whatever fails is said on the console, and the rest goes on: a guest
/// without one of these is better than none.
pub(crate) fn run(agent: &Path) -> ! {
    for (what, done) in [
        ("mount the kernel's file systems", mount_all()),
        ("protect the agent", protect()),
        ("limit what waits to be written", limit_unwritten()),
        ("name the machine", name_machine()),
        ("set up the network", network()),
        ("redirect localhost", redirect()),
    ] {
        if let Err(error) = done {
            console(format_args!("could not {what}: {error}"));
        }
    }
    let _not_ours = set_cad_enabled(false);
    loop {
        keep_running(agent);
    }
}

/// Runs the agent until it ends, which it does not do by itself.
fn keep_running(agent: &Path) {
    /// An agent that lived shorter than this is not started again at once.
    const SETTLED: u64 = 1_000;
    let began = monotonic();
    match Command::new(agent).arg0("agent").arg("serve").spawn() {
        Ok(child) => {
            let ended = bury_until(child.id());
            console(format_args!(
                "the agent ended ({ended}) and is started again"
            ));
        }
        Err(error) => console(format_args!("the agent could not be started: {error}")),
    }
    let lived = monotonic().saturating_sub(began);
    if lived < SETTLED {
        let pause = std::time::Duration::from_millis(SETTLED - lived);
        std::thread::sleep(pause);
    }
}

/// Takes the exit status of every orphan, until that of this process comes.
fn bury_until(pid: u32) -> String {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((dead, status))) if is(dead, pid) => {
                return match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => format!("code {code}"),
                    (None, Some(signal)) => format!("signal {signal}"),
                    (None, None) => "somehow".to_owned(),
                };
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return error.to_string(),
        }
    }
}

fn is(dead: Pid, pid: u32) -> bool {
    u32::try_from(dead.as_raw_nonzero().get()) == Ok(pid)
}

fn mount_all() -> io::Result<()> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let devices = MsFlags::MS_NOSUID;
    let shared = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let mut failed = Vec::new();
    for (target, kind, flags, options) in [
        ("/proc", "proc", quiet, ""),
        ("/sys", "sysfs", quiet, ""),
        ("/dev", "devtmpfs", devices, "mode=755"),
        ("/dev/pts", "devpts", devices, "ptmxmode=0666,mode=620"),
        ("/dev/shm", "tmpfs", shared, "mode=1777"),
        ("/run", "tmpfs", shared, "mode=755"),
        ("/tmp", "tmpfs", shared, "mode=1777"),
        (GROUPS, "cgroup2", quiet, ""),
    ] {
        if let Err(error) = fresh(Path::new(target), kind, flags, options) {
            // The kernel may have mounted some by itself.
            if error.raw_os_error() != Some(rustix::io::Errno::BUSY.raw_os_error()) {
                failed.push(format!("{target}: {error}"));
            }
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(io::Error::other(failed.join(", ")))
    }
}

/// Memory that runs out must not end who could tell of it.
fn protect() -> io::Result<()> {
    fs::write("/proc/self/oom_score_adj", "-1000")
}

/// What programs wrote and is on no disk yet has no place there, should the disk run out of room: it
/// must be less than what the worker keeps for it at least, half its `AHEAD`. Much less would have
/// whoever writes a line wait for the disk.
fn limit_unwritten() -> io::Result<()> {
    fs::write("/proc/sys/vm/dirty_background_bytes", "12582912")?;
    fs::write("/proc/sys/vm/dirty_bytes", "25165824")
}

fn name_machine() -> io::Result<()> {
    Ok(nix::unistd::sethostname("supabase")?)
}

fn network() -> io::Result<()> {
    let index = |name: &str| -> io::Result<u32> {
        fs::read_to_string(format!("/sys/class/net/{name}/ifindex"))?
            .trim()
            .parse()
            .map_err(io::Error::other)
    };
    let mut netlink = Netlink::open()?;
    netlink.up(index("lo")?)?;
    let wire = index("eth0")?;
    netlink.up(wire)?;
    netlink.add_address(wire, ADDRESS, PREFIX)?;
    netlink.add_default_route(wire, GATEWAY)
}

fn redirect() -> io::Result<()> {
    for interface in ["all", "eth0"] {
        fs::write(
            format!("/proc/sys/net/ipv4/conf/{interface}/route_localnet"),
            "1",
        )?;
    }
    let mut nft = Command::new("nft")
        .args(["-f", "-"])
        .env("PATH", crate::program::PATH)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = nft.stdin.take() {
        input.write_all(REDIRECT.as_bytes())?;
    }
    let output = nft.wait_with_output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ))
    }
}

/// Switches the machine off. Everything is on the disks already.
pub(crate) fn power_off() {
    nix::unistd::sync();
    let Err(error) = reboot(RebootMode::RB_POWER_OFF);
    console(format_args!("could not switch off: {error}"));
}
