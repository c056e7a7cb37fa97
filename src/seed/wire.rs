//! The peer protocol (BEP 3, 9, 10, 11) as the swarm sees it, over librqbit's codec.
//!
//! The codec knows the messages; this file decides what a hostile peer may make us keep in memory, and lets pass what
//! the codec does not know (PORT of the DHT, the fast extension): clients send these unasked.

use std::net::{IpAddr, SocketAddr};

use librqbit_buffers::ByteBuf;
use librqbit_core::hash_id::Id20;
use librqbit_peer_protocol::extended::ExtendedMessage;
use librqbit_peer_protocol::extended::handshake::ExtendedHandshake;
use librqbit_peer_protocol::extended::ut_metadata::UtMetadata;
use librqbit_peer_protocol::extended::ut_pex::PexPeerInfo;
use librqbit_peer_protocol::{Handshake, Message as Codec, MessageDeserializeError, Request};

use crate::base::{InfoHash, bencode};

mod said;

use said::PEX_SEED;
pub use said::{CLIENT, Said, block_header};

/// Bytes of a handshake.
pub const HANDSHAKE_LENGTH: usize = 68;
/// The block size everybody uses (BEP 3); also the size of a metadata piece (BEP 9).
pub const BLOCK_LENGTH: u32 = 16 << 10;
/// Longest block a peer may ask for. BEP 3 lets a client close on more than 16 KiB; some old ones ask for 32.
pub const MAX_BLOCK_LENGTH: u32 = 32 << 10;
/// Longest message we accept besides a bitfield: an extended handshake or a PEX message of a talkative client.
pub const MAX_MESSAGE_LENGTH: usize = 20 << 10;
/// Requests we let a peer queue, as the extended handshake announces (`reqq`). libtorrent's default, so that a fast
/// peer far away is not held back: 250 × 16 KiB is 4 MiB under way.
pub const REQUEST_QUEUE: usize = 250;
/// PEX addresses taken from one message, as BEP 11 advises.
pub const MAX_PEX_ADDRESSES: usize = 50;

/// The longest message accepted in a torrent of `pieces` pieces.
pub fn max_message_length(pieces: u32) -> usize {
    MAX_MESSAGE_LENGTH.max(pieces.div_ceil(8) as usize + 1)
}

/// A part of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Block {
    /// Piece.
    pub index: u32,
    /// First byte in the piece.
    pub begin: u32,
    /// Bytes.
    pub length: u32,
}

/// What a peer said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Nothing, to stay connected.
    KeepAlive,
    /// It will not serve us.
    Choke,
    /// It would serve us.
    Unchoke,
    /// It wants something of ours.
    Interested,
    /// It wants nothing of ours.
    NotInterested,
    /// It has a piece.
    Have(u32),
    /// It has these pieces.
    Bitfield(Box<[u8]>),
    /// It asks for a block.
    Request(Block),
    /// It no longer wants a block.
    Cancel(Block),
    /// A block. Its bytes are there only when it is the one that was asked for: nothing else is worth the memory.
    Piece(Block, Option<Box<[u8]>>),
    /// What it supports (BEP 10).
    Hello(Hello),
    /// It asks for a piece of the metadata (BEP 9).
    MetadataRequest(u32),
    /// Others it knows (BEP 11), and whether it says that they hold every piece.
    Peers(Vec<(SocketAddr, bool)>),
    /// A message we do not know, or do not need.
    Ignored,
}

/// A peer's extended handshake (BEP 10).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hello {
    /// The number under which it takes metadata messages.
    pub metadata_id: Option<u8>,
    /// The number under which it takes PEX messages.
    pub pex_id: Option<u8>,
    /// The port it listens on.
    pub port: Option<u16>,
    /// Whether it wants nothing from anybody (BEP 21), if it says so or that it is so no more.
    pub upload_only: Option<bool>,
    /// Our address as it sees it.
    pub you: Option<IpAddr>,
    /// The name of its program, made printable and short.
    pub client: String,
}

/// What a peer must not say.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// It does not speak BitTorrent, or encrypts.
    #[error("the peer does not begin with a BitTorrent handshake")]
    NotBitTorrent,
    /// A message longer than any that makes sense.
    #[error("the peer announces a message of {0} bytes")]
    TooLong(usize),
    /// A known message that is not well formed.
    #[error("the peer sent a malformed message: {0}")]
    Malformed(#[from] MessageDeserializeError),
    /// A block without its place.
    #[error("the peer sent a block that does not say where it belongs")]
    NoBlock,
    /// An extended handshake that is not bencode.
    #[error("the peer's extended handshake is not well formed: {0}")]
    Bencode(#[from] bencode::Malformed),
}

/// Our half of the handshake.
pub fn handshake(info_hash: InfoHash, peer_id: [u8; 20]) -> [u8; HANDSHAKE_LENGTH] {
    let mut out = [0; HANDSHAKE_LENGTH];
    let written = Handshake::new(Id20::new(info_hash.0), Id20::new(peer_id))
        .serialize_unchecked_len(&mut out);
    debug_assert_eq!(written, HANDSHAKE_LENGTH);
    out
}

/// A peer's half of the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greeting {
    /// The torrent it is here for.
    pub info_hash: InfoHash,
    /// Its own random name.
    pub peer_id: [u8; 20],
    /// Whether it speaks BEP 10.
    pub extended: bool,
}

/// Reads a peer's half of the handshake.
///
/// # Errors
/// When it is none: another protocol, or an encrypted connection, which we do not support.
pub fn read_handshake(bytes: &[u8; HANDSHAKE_LENGTH]) -> Result<Greeting, WireError> {
    let (shake, _) = Handshake::deserialize(bytes).map_err(|_| WireError::NotBitTorrent)?;
    Ok(Greeting {
        info_hash: InfoHash(shake.info_hash.0),
        peer_id: shake.peer_id.0,
        extended: shake.supports_extended(),
    })
}

/// Takes the first message off `buffer`: what it says and how many bytes it filled; `None` until it is whole. `asked` is
/// the block that the peer was asked for.
///
/// # Errors
/// When the message is longer than `max_length`, or known and malformed.
pub fn read_message(
    buffer: &[u8],
    max_length: usize,
    asked: Option<Block>,
) -> Result<Option<(Heard, usize)>, WireError> {
    let Some((prefix, rest)) = buffer.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*prefix) as usize;
    if length > max_length && !is_block(rest, length) {
        return Err(WireError::TooLong(length));
    }
    let whole = 4 + length;
    if buffer.len() < whole {
        return Ok(None);
    }
    let heard = match rest.first() {
        _ if length == 0 => Heard::KeepAlive,
        Some(7) => piece(&buffer[5..whole], asked)?,
        Some(0..=6 | 8) => from_codec(Codec::deserialize(&buffer[..whole], &[])?.0),
        Some(20) => extended(&buffer[..whole])?,
        _ => Heard::Ignored,
    };
    Ok(Some((heard, whole)))
}

/// Reads a block from what follows the number of its message.
fn piece(body: &[u8], asked: Option<Block>) -> Result<Heard, WireError> {
    let Some((head, bytes)) = body.split_first_chunk::<8>() else {
        return Err(WireError::NoBlock);
    };
    let [a, b, c, d, e, f, g, h] = *head;
    let block = Block {
        index: u32::from_be_bytes([a, b, c, d]),
        begin: u32::from_be_bytes([e, f, g, h]),
        length: bytes.len() as u32,
    };
    let bytes = (asked == Some(block)).then(|| bytes.into());
    Ok(Heard::Piece(block, bytes))
}

/// Whether this is a block of an honest length. We ask for none outside of probes, yet one may cross a CANCEL.
fn is_block(rest: &[u8], length: usize) -> bool {
    rest.first() == Some(&7) && length <= MAX_BLOCK_LENGTH as usize + 9
}

/// A malformed handshake is an error; any other extended message that cannot be read concerns an extension we did
/// not offer, or a dialect of one, and is let pass.
fn extended(message: &[u8]) -> Result<Heard, WireError> {
    let is_hello = message.get(5) == Some(&0);
    // The codec's numbers overflow: what is not well-formed must not reach it.
    let body = message.get(6..).unwrap_or_default();
    match bencode::check(body) {
        Ok(()) => {}
        Err(error) if is_hello => return Err(error.into()),
        Err(_) => return Ok(Heard::Ignored),
    }
    match Codec::deserialize(message, &[]) {
        Ok((message, _)) => Ok(from_codec(message)),
        Err(error) if is_hello => Err(error.into()),
        Err(_) => Ok(Heard::Ignored),
    }
}

fn from_codec(message: Codec<'_>) -> Heard {
    let block = |request: Request| Block {
        index: request.index,
        begin: request.begin,
        length: request.length,
    };
    match message {
        Codec::KeepAlive => Heard::KeepAlive,
        Codec::Choke => Heard::Choke,
        Codec::Unchoke => Heard::Unchoke,
        Codec::Interested => Heard::Interested,
        Codec::NotInterested => Heard::NotInterested,
        Codec::Have(index) => Heard::Have(index),
        Codec::Bitfield(bits) => Heard::Bitfield(bits.as_ref().into()),
        Codec::Request(request) => Heard::Request(block(request)),
        Codec::Cancel(request) => Heard::Cancel(block(request)),
        // Read by hand, above.
        Codec::Piece(_) => Heard::Ignored,
        Codec::Extended(ExtendedMessage::Handshake(hello)) => Heard::Hello(self::hello(&hello)),
        Codec::Extended(ExtendedMessage::UtMetadata(UtMetadata::Request(piece))) => {
            Heard::MetadataRequest(piece)
        }
        Codec::Extended(ExtendedMessage::UtPex(pex)) => {
            let addresses = pex.added_peers().take(MAX_PEX_ADDRESSES);
            let named = |peer: PexPeerInfo| (canonical(peer.addr), peer.flags & PEX_SEED != 0);
            Heard::Peers(addresses.map(named).collect())
        }
        Codec::Extended(_) => Heard::Ignored,
    }
}

fn hello(hello: &ExtendedHandshake<ByteBuf<'_>>) -> Hello {
    // 0 means "switched off" (BEP 10).
    let enabled = |id: Option<u8>| id.filter(|id| *id != 0);
    let client = hello.v.as_ref().map_or(&[][..], |v| v.as_ref());
    Hello {
        metadata_id: enabled(hello.m.ut_metadata),
        pex_id: enabled(hello.m.ut_pex),
        port: hello.port().filter(|port| *port != 0),
        upload_only: hello.upload_only.map(|only| only == 1),
        you: hello.yourip.map(|you| you.0),
        client: String::from_utf8_lossy(client)
            .chars()
            .filter(|c| !c.is_control())
            .take(40)
            .collect(),
    }
}

/// An IPv4 address that came in over a dual-stack socket, as IPv4.
pub fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

#[cfg(test)]
mod tests;
