//! Gives the guest its addresses: three requests of rtnetlink(7), whose messages are written here.

use std::io;

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};
use std::os::fd::{AsRawFd, OwnedFd};

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
const ERROR: u16 = 2;
/// REQUEST, ACK
const ASK: u16 = 0x5;
/// CREATE, REPLACE
const MAKE: u16 = 0x500;
const INTERNET: u8 = 2;
const UP: u32 = 1;

/// A socket to the kernel's routing tables.
pub(crate) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    pub(crate) fn open() -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Switches an interface on.
    pub(crate) fn up(&mut self, interface: u32) -> io::Result<()> {
        let mut body = vec![0, 0, 0, 0];
        body.extend(interface.to_ne_bytes());
        body.extend(UP.to_ne_bytes());
        body.extend(UP.to_ne_bytes());
        self.ask(NEW_LINK, 0, &body)
    }

    pub(crate) fn add_address(
        &mut self,
        interface: u32,
        address: [u8; 4],
        prefix: u8,
    ) -> io::Result<()> {
        let mut body = vec![INTERNET, prefix, 0, 0];
        body.extend(interface.to_ne_bytes());
        attribute(&mut body, 1, address);
        attribute(&mut body, 2, address);
        self.ask(NEW_ADDRESS, MAKE, &body)
    }

    pub(crate) fn add_default_route(&mut self, interface: u32, gateway: [u8; 4]) -> io::Result<()> {
        // Family, lengths of the two addresses, service, table main, by boot, universe, unicast.
        let mut body = vec![INTERNET, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0];
        attribute(&mut body, 5, gateway);
        attribute(&mut body, 4, interface.to_ne_bytes());
        self.ask(NEW_ROUTE, MAKE, &body)
    }

    fn ask(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        self.sequence += 1;
        let length = u32::try_from(16 + body.len()).map_err(io::Error::other)?;
        let mut message = length.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend((ASK | flags).to_ne_bytes());
        message.extend(self.sequence.to_ne_bytes());
        message.extend([0; 4]);
        message.extend(body);
        let kernel = NetlinkAddr::new(0, 0);
        sendto(
            self.socket.as_raw_fd(),
            &message,
            &kernel,
            MsgFlags::empty(),
        )?;
        let mut answer = [0; 4096];
        let length = recv(self.socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
        match acknowledged(&answer[..length.min(answer.len())]) {
            Some(0) => Ok(()),
            Some(error) => Err(io::Error::from_raw_os_error(error)),
            None => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// The error number in an acknowledgement.
fn acknowledged(answer: &[u8]) -> Option<i32> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let error = i32::from_ne_bytes(answer.get(16..20)?.try_into().ok()?);
    (kind == ERROR).then(|| error.saturating_neg())
}

fn attribute(body: &mut Vec<u8>, kind: u16, value: [u8; 4]) {
    body.extend(8_u16.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_is_read() {
        let mut answer = vec![0; 36];
        answer[4] = 2;
        assert_eq!(acknowledged(&answer), Some(0));
        answer[16..20].copy_from_slice(&(-17_i32).to_ne_bytes());
        assert_eq!(acknowledged(&answer), Some(17));
        answer[4] = 3;
        assert_eq!(acknowledged(&answer), None);
        assert_eq!(acknowledged(&answer[..18]), None);
    }
}
