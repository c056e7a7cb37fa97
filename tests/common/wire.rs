//! A raw peer on a plain socket: the wire protocol by hand, so that a test can say anything, and anything wrong.

pub mod misbehaviour;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Reads and writes of a well-behaved exchange over loopback end within this.
const IO_BOUND: Duration = Duration::from_secs(20);

/// Longer messages than this are never sent to us by a sound peer: a block and its head, or a bitfield.
const MAX_MESSAGE: usize = 1 << 20;

/// The extension id under which we take `ut_metadata` messages.
pub const UT_METADATA: u8 = 3;

/// `info_hash` as 20 bytes.
pub fn hash_bytes(info_hash: &str) -> [u8; 20] {
    let mut bytes = [0; 20];
    for (byte, pair) in bytes.iter_mut().zip(info_hash.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).expect("an info hash is hexadecimal");
        *byte = u8::from_str_radix(pair, 16).expect("an info hash is hexadecimal");
    }
    bytes
}

/// A message that came.
#[derive(Debug, Clone)]
pub struct Message {
    pub id: u8,
    pub payload: Vec<u8>,
}

/// A connection to a peer.
pub struct FakePeer {
    pub stream: TcpStream,
}

impl FakePeer {
    /// Connects; nothing is said yet.
    pub fn connect(to: SocketAddr) -> std::io::Result<FakePeer> {
        let stream = TcpStream::connect_timeout(&to, IO_BOUND)?;
        stream.set_read_timeout(Some(IO_BOUND))?;
        stream.set_write_timeout(Some(IO_BOUND))?;
        stream.set_nodelay(true)?;
        Ok(FakePeer { stream })
    }

    /// The 68 bytes of a handshake (BEP 3), with the extension bit (BEP 10).
    pub fn handshake_bytes(info_hash: [u8; 20]) -> Vec<u8> {
        let mut bytes = b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\0".to_vec();
        bytes.extend_from_slice(&info_hash);
        bytes.extend_from_slice(b"-XX0000-");
        let unique = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        bytes
            .extend_from_slice(format!("{:012}", unique.as_nanos() % 1_000_000_000_000).as_bytes());
        bytes
    }

    /// Connects and shakes hands.
    pub fn handshake(to: SocketAddr, info_hash: [u8; 20]) -> std::io::Result<FakePeer> {
        let mut peer = FakePeer::connect(to)?;
        peer.stream
            .write_all(&FakePeer::handshake_bytes(info_hash))?;
        let mut answer = [0; 68];
        peer.stream.read_exact(&mut answer)?;
        if answer[28..48] != info_hash {
            return Err(std::io::Error::other("a handshake for another torrent"));
        }
        Ok(peer)
    }

    /// One message.
    pub fn message(id: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = ((payload.len() + 1) as u32).to_be_bytes().to_vec();
        bytes.push(id);
        bytes.extend_from_slice(payload);
        bytes
    }

    /// A request message.
    pub fn request(index: u32, begin: u32, length: u32) -> Vec<u8> {
        FakePeer::message(
            6,
            &[
                index.to_be_bytes(),
                begin.to_be_bytes(),
                length.to_be_bytes(),
            ]
            .concat(),
        )
    }

    /// Sends one message.
    pub fn send(&mut self, id: u8, payload: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(&FakePeer::message(id, payload))
    }

    /// The next message that is no keepalive.
    pub fn receive(&mut self) -> std::io::Result<Message> {
        loop {
            let mut head = [0; 4];
            self.stream.read_exact(&mut head)?;
            let length = u32::from_be_bytes(head) as usize;
            if length == 0 {
                continue;
            }
            if length > MAX_MESSAGE {
                return Err(std::io::Error::other(format!(
                    "a message of {length} bytes"
                )));
            }
            let mut body = vec![0; length];
            self.stream.read_exact(&mut body)?;
            return Ok(Message {
                id: body[0],
                payload: body.split_off(1),
            });
        }
    }

    /// Exchanges extension handshakes (BEP 10); gives the id under which the other side takes `ut_metadata`.
    pub fn extend(&mut self) -> std::io::Result<u8> {
        self.send(
            20,
            format!("\0d1:md11:ut_metadatai{UT_METADATA}eee").as_bytes(),
        )?;
        loop {
            let message = self.receive()?;
            if message.id != 20 || message.payload.first() != Some(&0) {
                continue;
            }
            let text = String::from_utf8_lossy(&message.payload).into_owned();
            let id = text
                .split_once("11:ut_metadatai")
                .and_then(|(_, rest)| rest.split_once('e')?.0.parse().ok());
            return id.ok_or_else(|| std::io::Error::other(format!("no ut_metadata in {text:?}")));
        }
    }

    /// Asks for the first piece of the metadata (BEP 9) and waits for it: proof that the other side listens to us.
    pub fn fetch_metadata(&mut self, id: u8) -> std::io::Result<Vec<u8>> {
        self.send(20, &[&[id][..], b"d8:msg_typei0e5:piecei0ee"].concat())?;
        loop {
            let message = self.receive()?;
            if message.id == 20 && message.payload.first() == Some(&UT_METADATA) {
                return Ok(message.payload);
            }
        }
    }

    /// Reads until the other side closes, for at most `bound`: whether it closed, and how many bytes came.
    pub fn drain(&mut self, bound: Duration) -> (bool, u64) {
        let deadline = Instant::now() + bound;
        let (mut buffer, mut received) = (vec![0; 1 << 16], 0);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return (false, received);
            }
            self.stream
                .set_read_timeout(Some(left))
                .expect("a socket takes a timeout");
            match self.stream.read(&mut buffer) {
                Ok(0) => return (true, received),
                Ok(n) => received += n as u64,
                Err(error) => match error.kind() {
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
                        return (false, received);
                    }
                    std::io::ErrorKind::Interrupted => {}
                    _ => return (true, received),
                },
            }
        }
    }
}
