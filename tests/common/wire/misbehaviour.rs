//! The ways in which a peer misbehaves, by name.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use super::FakePeer;

/// A peer that broke the protocol is gone within this; longer than any sweep for idle connections needs to be, and
/// shorter than a handshake timeout, so that only the refusal itself passes.
const REFUSAL_BOUND: Duration = Duration::from_secs(8);

/// How long a peer that is owed nothing listens for what it is owed.
const SILENCE: Duration = Duration::from_secs(2);

/// Messages in a flood: at 17 bytes each, more than any queue may hold and any socket buffer takes.
const FLOOD: u32 = 400_000;

/// What a target is.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub addr: SocketAddr,
    pub info_hash: [u8; 20],
    pub pieces: u32,
}

/// A way to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehaviour {
    TruncatedHandshake,
    WrongHash,
    GarbageHandshake,
    OversizedLength,
    Garbage,
    HalfMessages,
    RequestOutOfRange,
    RequestOfAGibibyte,
    RequestFlood,
    HaveOutOfRange,
    BitfieldOfWrongSize,
    Slowloris,
    ExtendedGarbage,
    DeepBencode,
    UnknownMessages,
    MetadataFlood,
    InterestFlood,
}

/// What must have come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The other side closed the connection.
    Closed,
    /// It stayed open, and nothing was owed.
    Open,
}

impl Misbehaviour {
    /// Every way.
    pub const ALL: [Misbehaviour; 17] = [
        Misbehaviour::TruncatedHandshake,
        Misbehaviour::WrongHash,
        Misbehaviour::GarbageHandshake,
        Misbehaviour::OversizedLength,
        Misbehaviour::Garbage,
        Misbehaviour::HalfMessages,
        Misbehaviour::RequestOutOfRange,
        Misbehaviour::RequestOfAGibibyte,
        Misbehaviour::RequestFlood,
        Misbehaviour::HaveOutOfRange,
        Misbehaviour::BitfieldOfWrongSize,
        Misbehaviour::Slowloris,
        Misbehaviour::ExtendedGarbage,
        Misbehaviour::DeepBencode,
        Misbehaviour::UnknownMessages,
        Misbehaviour::MetadataFlood,
        Misbehaviour::InterestFlood,
    ];

    /// Whether the only sound answer is to close the connection.
    pub fn must_be_closed(self) -> bool {
        use Misbehaviour::*;
        matches!(
            self,
            WrongHash
                | GarbageHandshake
                | OversizedLength
                | Garbage
                | HaveOutOfRange
                | BitfieldOfWrongSize
        )
    }

    /// Misbehaves once. Being refused or cut off in the middle is an outcome, not an error; not being let in at all
    /// is one.
    pub fn perform(self, target: Target) -> std::io::Result<Outcome> {
        let mut peer = match self {
            Misbehaviour::TruncatedHandshake
            | Misbehaviour::WrongHash
            | Misbehaviour::GarbageHandshake
            | Misbehaviour::Slowloris => FakePeer::connect(target.addr)?,
            _ => FakePeer::handshake(target.addr, target.info_hash)?,
        };
        match self.act(&mut peer, target) {
            Ok(outcome) => Ok(outcome),
            Err(error) if cut_off(&error) => Ok(Outcome::Closed),
            Err(error) => Err(error),
        }
    }

    fn act(self, peer: &mut FakePeer, target: Target) -> std::io::Result<Outcome> {
        let send = |peer: &mut FakePeer, bytes: &[u8]| peer.stream.write_all(bytes);
        match self {
            Misbehaviour::TruncatedHandshake => {
                send(peer, &FakePeer::handshake_bytes(target.info_hash)[..31])?;
                peer.stream.shutdown(std::net::Shutdown::Write)?;
                Ok(ended(peer, REFUSAL_BOUND))
            }
            Misbehaviour::WrongHash => {
                send(peer, &FakePeer::handshake_bytes([0x5a; 20]))?;
                Ok(ended(peer, REFUSAL_BOUND))
            }
            Misbehaviour::GarbageHandshake => {
                send(peer, &garbage(68))?;
                Ok(ended(peer, REFUSAL_BOUND))
            }
            Misbehaviour::OversizedLength => {
                send(peer, &[0xff, 0xff, 0xff, 0xff, 7])?;
                Ok(ended(peer, REFUSAL_BOUND))
            }
            Misbehaviour::Garbage => {
                send(peer, &garbage(1 << 16))?;
                Ok(ended(peer, REFUSAL_BOUND))
            }
            Misbehaviour::HalfMessages => {
                // Announces a request, sends half of it, and goes on so byte by byte.
                send(peer, &[0, 0, 0, 13, 6])?;
                for byte in 0..6 {
                    send(peer, &[byte])?;
                    std::thread::sleep(Duration::from_millis(100));
                }
                Ok(ended(peer, SILENCE))
            }
            Misbehaviour::RequestOutOfRange => {
                send(peer, &FakePeer::message(2, &[]))?;
                for index in [target.pieces, target.pieces + 7, u32::MAX] {
                    send(peer, &FakePeer::request(index, 0, 1 << 14))?;
                }
                send(peer, &FakePeer::request(0, u32::MAX, 1 << 14))?;
                let (closed, received) = peer.drain(SILENCE);
                assert!(
                    received < 1 << 14,
                    "{received} bytes came for requests out of range"
                );
                Ok(outcome(closed))
            }
            Misbehaviour::RequestOfAGibibyte => {
                send(peer, &FakePeer::message(2, &[]))?;
                send(peer, &FakePeer::request(0, 0, 1 << 30))?;
                let (closed, received) = peer.drain(REFUSAL_BOUND);
                assert!(
                    received < 1 << 20,
                    "{received} bytes came for a request of a GiB"
                );
                Ok(outcome(closed))
            }
            Misbehaviour::RequestFlood => {
                send(peer, &FakePeer::message(2, &[]))?;
                peer.stream.set_write_timeout(Some(SILENCE))?;
                let batch: Vec<u8> = (0..1000)
                    .flat_map(|n| FakePeer::request(n % target.pieces, 0, 1 << 14))
                    .collect();
                flood(peer, &batch, FLOOD / 1000)
            }
            Misbehaviour::HaveOutOfRange => {
                send(peer, &FakePeer::message(4, &target.pieces.to_be_bytes()))?;
                send(peer, &FakePeer::message(4, &u32::MAX.to_be_bytes()))?;
                Ok(ended(peer, REFUSAL_BOUND))
            }
            Misbehaviour::BitfieldOfWrongSize => {
                let size = target.pieces.div_ceil(8) as usize + 3;
                send(peer, &FakePeer::message(5, &vec![0xff; size]))?;
                Ok(ended(peer, REFUSAL_BOUND))
            }
            Misbehaviour::Slowloris => {
                for byte in &FakePeer::handshake_bytes(target.info_hash)[..30] {
                    send(peer, &[*byte])?;
                    std::thread::sleep(Duration::from_millis(100));
                }
                Ok(ended(peer, SILENCE))
            }
            Misbehaviour::ExtendedGarbage => {
                send(
                    peer,
                    &FakePeer::message(20, &[&[0][..], &garbage(5000)].concat()),
                )?;
                send(peer, &FakePeer::message(20, &[]))?;
                send(
                    peer,
                    &FakePeer::message(20, b"\0d1:md11:ut_metadatai99999999999999999999eee"),
                )?;
                Ok(ended(peer, SILENCE))
            }
            Misbehaviour::DeepBencode => {
                let deep = [&[0][..], &b"l".repeat(100_000)].concat();
                send(peer, &FakePeer::message(20, &deep))?;
                Ok(ended(peer, SILENCE))
            }
            Misbehaviour::UnknownMessages => {
                let id = peer.extend()?;
                for unknown in [10_u8, 42, 99, 255] {
                    send(peer, &FakePeer::message(unknown, b"what is this"))?;
                }
                peer.fetch_metadata(id)?;
                Ok(Outcome::Open)
            }
            Misbehaviour::MetadataFlood => {
                let id = peer.extend()?;
                peer.stream.set_write_timeout(Some(SILENCE))?;
                let ask =
                    FakePeer::message(20, &[&[id][..], b"d8:msg_typei0e5:piecei0ee"].concat());
                flood(peer, &ask.repeat(1000), FLOOD / 1000)
            }
            Misbehaviour::InterestFlood => {
                peer.stream.set_write_timeout(Some(SILENCE))?;
                let batch = [FakePeer::message(2, &[]), FakePeer::message(3, &[])]
                    .concat()
                    .repeat(1000);
                flood(peer, &batch, FLOOD / 1000)
            }
        }
    }
}

/// Sends without reading until it is done, blocked, or cut off, all three being sound, and stays for a while without
/// reading: what is queued for such a peer is what the other side's memory pays.
fn flood(peer: &mut FakePeer, batch: &[u8], times: u32) -> std::io::Result<Outcome> {
    for _ in 0..times {
        match peer.stream.write_all(batch) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) =>
            {
                break;
            }
            Err(error) => return Err(error),
        }
    }
    std::thread::sleep(SILENCE);
    Ok(ended(peer, Duration::from_millis(100)))
}

fn ended(peer: &mut FakePeer, bound: Duration) -> Outcome {
    outcome(peer.drain(bound).0)
}

fn outcome(closed: bool) -> Outcome {
    if closed {
        Outcome::Closed
    } else {
        Outcome::Open
    }
}

fn cut_off(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::*;
    matches!(
        error.kind(),
        ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof | NotConnected
    )
}

/// Bytes that mean nothing; the first four are a length that nobody takes.
pub fn garbage(length: usize) -> Vec<u8> {
    (0..length)
        .map(|n| (n as u8).wrapping_mul(151) ^ 0xa7)
        .collect()
}
