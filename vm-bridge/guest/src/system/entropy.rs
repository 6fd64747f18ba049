//! Randomness from outside, for a kernel that a snapshot froze.
//!
//! The two requests of `random(4)` have no safe wrapper anywhere; this module is the one place of
//! the agent with `unsafe`.
#![expect(unsafe_code, reason = "ioctls without a safe wrapper")]

use std::fs::OpenOptions;
use std::io;

use rustix::ioctl::{NoArg, Setter, ioctl, opcode};

/// `struct rand_pool_info` of `linux/random.h`, with 64 bytes.
#[repr(C)]
struct PoolInfo {
    entropy_count: i32,
    buffer_size: i32,
    buffer: [u8; 64],
}

const ADD_ENTROPY: rustix::ioctl::Opcode = opcode::write::<[i32; 2]>(b'R', 3);
const RESEED: rustix::ioctl::Opcode = opcode::none(b'R', 7);

/// Mixes the bytes into the kernel's pool, credits them, and has the generator take them up at once,
/// so that no two machines from one snapshot draw the same numbers.
pub(crate) fn credit(bytes: &[u8; 64]) -> io::Result<()> {
    let random = OpenOptions::new().write(true).open("/dev/urandom")?;
    let info = PoolInfo {
        entropy_count: 512,
        buffer_size: 64,
        buffer: *bytes,
    };
    // SAFETY: RNDADDENTROPY reads a `rand_pool_info`: two ints, then `buffer_size` bytes, all of
    // which `PoolInfo` has, in that order and without padding.
    unsafe { ioctl(&random, Setter::<ADD_ENTROPY, PoolInfo>::new(info)) }?;
    // SAFETY: RNDRESEEDCRNG takes no argument.
    unsafe { ioctl(&random, NoArg::<RESEED>::new()) }?;
    Ok(())
}
