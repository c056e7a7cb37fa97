//! What leaves beside the peers' connections.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of the IPv4 or IPv6 header, and of the UDP header after it.
const IPV4: u64 = 20;
const IPV6: u64 = 40;
const UDP: u64 = 8;
/// Bytes of a TCP segment's headers over IPv6, timestamps included.
const SEGMENT: u64 = 72;
/// Segments of a short exchange that we send beside its data: to open it, to acknowledge, to end it.
const SEGMENTS_BESIDE: u64 = 5;

/// Counts the bytes on the wire of what is no peer's: announces, the box's own tracker, the DHT, strangers who are turned
/// away. The limit holds for these too, and whoever keeps it ([`crate::seed::Engine`]) takes them from it; those who send
/// them count, and never wait. Cheap to clone; every clone is the same count.
#[derive(Debug, Clone, Default)]
pub struct Beside(Arc<AtomicU64>);

impl Beside {
    /// Counts bytes on the wire.
    pub fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts a datagram of this many bytes.
    pub fn datagram(&self, length: usize, to: IpAddr) {
        let ip = if to.to_canonical().is_ipv4() {
            IPV4
        } else {
            IPV6
        };
        self.add(ip + UDP + length as u64);
    }

    /// Counts a request or an answer of about this many bytes on a TCP connection of its own. An estimate, and rather too
    /// much: the connection may serve several.
    pub fn exchange(&self, length: usize) {
        self.add(length as u64 + SEGMENTS_BESIDE * SEGMENT);
    }

    /// Bytes counted since the start.
    pub fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_counted_with_the_headers_of_its_family() {
        let beside = Beside::default();
        let clone = beside.clone();
        clone.datagram(16, "192.0.2.1".parse().unwrap());
        assert_eq!(beside.total(), 44);
        clone.datagram(16, "::ffff:192.0.2.1".parse().unwrap());
        assert_eq!(beside.total(), 88, "mapped addresses leave as IPv4");
        clone.datagram(16, "2001:db8::1".parse().unwrap());
        assert_eq!(beside.total(), 152);
    }
}
