//! The network card: two queues of frames.

use std::collections::VecDeque;

use smoltcp::{
    phy::{self, ChecksumCapabilities, DeviceCapabilities, Medium},
    time::Instant,
};

/// Frames that may wait for the guest. A guest that does not take them has a window full of them
/// already, so nothing is lost by waiting with the next.
pub const WAITING: usize = 256;

/// Bytes of an Ethernet header.
pub(crate) const ETHERNET: usize = 14;

#[derive(Debug)]
pub(crate) struct Device {
    /// Of a packet, its Ethernet header aside.
    mtu: usize,
    pub(crate) arrived: VecDeque<Vec<u8>>,
    pub(crate) leaving: VecDeque<Vec<u8>>,
}

impl Device {
    pub(crate) const fn new(mtu: usize) -> Self {
        Self {
            mtu,
            arrived: VecDeque::new(),
            leaving: VecDeque::new(),
        }
    }
}

impl phy::Device for Device {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Leaving<'a>;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.mtu + ETHERNET;
        capabilities.checksum = ChecksumCapabilities::default();
        capabilities
    }

    fn receive(&mut self, _now: Instant) -> Option<(Arrived, Leaving<'_>)> {
        let frame = self.arrived.pop_front()?;
        Some((Arrived(frame), Leaving(&mut self.leaving)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Leaving<'_>> {
        (self.leaving.len() < WAITING).then_some(Leaving(&mut self.leaving))
    }
}

#[derive(Debug)]
pub(crate) struct Arrived(Vec<u8>);

impl phy::RxToken for Arrived {
    fn consume<Outcome, Read: FnOnce(&[u8]) -> Outcome>(self, read: Read) -> Outcome {
        read(&self.0)
    }
}

#[derive(Debug)]
pub(crate) struct Leaving<'a>(&'a mut VecDeque<Vec<u8>>);

impl phy::TxToken for Leaving<'_> {
    fn consume<Outcome, Write: FnOnce(&mut [u8]) -> Outcome>(
        self,
        length: usize,
        write: Write,
    ) -> Outcome {
        let mut frame = vec![0; length];
        let outcome = write(&mut frame);
        self.0.push_back(frame);
        outcome
    }
}
