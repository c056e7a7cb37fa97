//! The peer protocol (BEP 3, 9, 10, 11) as the swarm sees it, over librqbit's codec.
//!
//! The codec knows the messages; this file decides what a hostile peer may make us keep in memory, and lets pass what
//! the codec does not know (PORT of the DHT, the fast extension): clients send these unasked.

use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};

use librqbit_buffers::ByteBuf;
use librqbit_core::hash_id::Id20;
use librqbit_peer_protocol::extended::ExtendedMessage;
use librqbit_peer_protocol::extended::handshake::ExtendedHandshake;
use librqbit_peer_protocol::extended::ut_metadata::{UtMetadata, UtMetadataData};
use librqbit_peer_protocol::{Handshake, Message as Codec, MessageDeserializeError, Request};

use crate::base::InfoHash;

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
    /// A block, which we did not ask for.
    Piece,
    /// What it supports (BEP 10).
    Hello(Hello),
    /// It asks for a piece of the metadata (BEP 9).
    MetadataRequest(u32),
    /// Others it knows (BEP 11).
    Peers(Vec<SocketAddr>),
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
    /// It wants nothing from anybody (BEP 21).
    pub upload_only: bool,
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

/// Takes the first message off `buffer`: what it says and how many bytes it filled; `None` until it is whole.
///
/// # Errors
/// When the message is longer than `max_length`, or known and malformed.
pub fn read_message(buffer: &[u8], max_length: usize) -> Result<Option<(Heard, usize)>, WireError> {
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
        Some(7) => Heard::Piece,
        Some(0..=6 | 8) => from_codec(Codec::deserialize(&buffer[..whole], &[])?.0),
        Some(20) => extended(&buffer[..whole])?,
        _ => Heard::Ignored,
    };
    Ok(Some((heard, whole)))
}

/// Whether this is a block of an honest length. We ask for none outside of probes, yet one may cross a CANCEL.
fn is_block(rest: &[u8], length: usize) -> bool {
    rest.first() == Some(&7) && length <= MAX_BLOCK_LENGTH as usize + 9
}

/// A malformed handshake is an error; any other extended message that cannot be read concerns an extension we did
/// not offer, or a dialect of one, and is let pass.
fn extended(message: &[u8]) -> Result<Heard, WireError> {
    let is_hello = message.get(5) == Some(&0);
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
        Codec::Piece(_) => Heard::Piece,
        Codec::Extended(ExtendedMessage::Handshake(hello)) => Heard::Hello(self::hello(&hello)),
        Codec::Extended(ExtendedMessage::UtMetadata(UtMetadata::Request(piece))) => {
            Heard::MetadataRequest(piece)
        }
        Codec::Extended(ExtendedMessage::UtPex(pex)) => {
            let addresses = pex.added_peers().take(MAX_PEX_ADDRESSES);
            Heard::Peers(addresses.map(|peer| canonical(peer.addr)).collect())
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
        upload_only: hello.upload_only == Some(1),
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

/// What we say to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Nothing, to stay connected.
    KeepAlive,
    /// We will not serve it.
    Choke,
    /// We will serve it.
    Unchoke,
    /// It may have this piece.
    Have(u32),
    /// What we support (BEP 10).
    Hello {
        /// Where we listen; `None` when nobody can connect to us.
        port: Option<u16>,
        /// Bytes of the info dictionary.
        metadata_size: u32,
        /// The peer's address as we see it.
        you: IpAddr,
    },
    /// A piece of the metadata (BEP 9), under the peer's own number for it.
    Metadata {
        /// The peer's number for such messages.
        id: u8,
        /// Which piece.
        piece: u32,
        /// Bytes of all pieces.
        total: u32,
        /// The piece.
        data: bytes::Bytes,
    },
    /// The peer's request for metadata is refused (BEP 9).
    MetadataReject {
        /// The peer's number for such messages.
        id: u8,
        /// Which piece.
        piece: u32,
    },
    /// Others in the swarm (BEP 11), under the peer's own number for it.
    Peers {
        /// The peer's number for such messages.
        id: u8,
        /// Newly connected, and whether they hold every piece.
        added: Vec<(SocketAddr, bool)>,
        /// No longer connected.
        dropped: Vec<SocketAddr>,
    },
}

/// The name we give ourselves.
pub const CLIENT: &str = concat!("Semoir ", env!("CARGO_PKG_VERSION"));

impl Said {
    /// About how many bytes it takes.
    pub fn length(&self) -> u64 {
        match self {
            Said::KeepAlive => 4,
            Said::Choke | Said::Unchoke => 5,
            Said::Have(_) => 9,
            Said::Hello { .. } => 150,
            Said::Metadata { data, .. } => 64 + data.len() as u64,
            Said::MetadataReject { .. } => 32,
            Said::Peers { added, dropped, .. } => 80 + 12 * (added.len() + dropped.len()) as u64,
        }
    }

    /// Appends the message as bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        use librqbit_peer_protocol::extended::PeerExtendedMessageIds;
        let codec = match self {
            Said::KeepAlive => Codec::KeepAlive,
            Said::Choke => Codec::Choke,
            Said::Unchoke => Codec::Unchoke,
            Said::Have(index) => Codec::Have(*index),
            Said::Hello {
                port,
                metadata_size,
                you,
            } => {
                let mut hello = ExtendedHandshake::new();
                hello.v = Some(ByteBuf(CLIENT.as_bytes()));
                hello.p = port.map(u32::from);
                hello.reqq = Some(REQUEST_QUEUE as u32);
                hello.metadata_size = Some(*metadata_size);
                hello.yourip = Some((*you).into());
                Codec::Extended(ExtendedMessage::Handshake(hello))
            }
            Said::Metadata {
                piece, total, data, ..
            } => {
                let data = UtMetadataData::from_bytes(*piece, *total, ByteBuf(data));
                Codec::Extended(ExtendedMessage::UtMetadata(UtMetadata::Data(data)))
            }
            Said::MetadataReject { piece, .. } => {
                Codec::Extended(ExtendedMessage::UtMetadata(UtMetadata::Reject(*piece)))
            }
            Said::Peers { id, added, dropped } => return write_peers(*id, added, dropped, out),
        };
        let ids = || PeerExtendedMessageIds {
            ut_metadata: match self {
                Said::Metadata { id, .. } | Said::MetadataReject { id, .. } => Some(*id),
                _ => None,
            },
            ut_pex: None,
        };
        let start = out.len();
        out.resize(start + librqbit_peer_protocol::MAX_MSG_LEN, 0);
        let written = codec.serialize(&mut out[start..], &ids).unwrap_or_else(|error| {
            tracing::error!(%error, message = ?self, "a message of our own does not fit its buffer");
            0
        });
        out.truncate(start + written);
    }
}

/// Seed or upload-only, in the flags of BEP 11.
const PEX_SEED: u8 = 0x02;

/// librqbit's PEX message has no flags to set, so this one is written by hand.
fn write_peers(id: u8, added: &[(SocketAddr, bool)], dropped: &[SocketAddr], out: &mut Vec<u8>) {
    fn compact(addresses: impl Iterator<Item = SocketAddr>) -> (Vec<u8>, Vec<u8>) {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for addr in addresses {
            match addr {
                SocketAddr::V4(a) => push_v4(&mut v4, a),
                SocketAddr::V6(a) => push_v6(&mut v6, a),
            }
        }
        (v4, v6)
    }
    fn push_v4(out: &mut Vec<u8>, addr: SocketAddrV4) {
        out.extend(addr.ip().octets());
        out.extend(addr.port().to_be_bytes());
    }
    fn push_v6(out: &mut Vec<u8>, addr: SocketAddrV6) {
        out.extend(addr.ip().octets());
        out.extend(addr.port().to_be_bytes());
    }
    let flags = |v4: bool| -> Vec<u8> {
        let of_family = added.iter().filter(|(addr, _)| addr.is_ipv4() == v4);
        of_family
            .map(|(_, seed)| if *seed { PEX_SEED } else { 0 })
            .collect()
    };
    let (added4, added6) = compact(added.iter().map(|(addr, _)| *addr));
    let (dropped4, dropped6) = compact(dropped.iter().copied());
    let mut body = vec![20, id, b'd'];
    for (key, value) in [
        ("added", added4),
        ("added.f", flags(true)),
        ("added6", added6),
        ("added6.f", flags(false)),
        ("dropped", dropped4),
        ("dropped6", dropped6),
    ] {
        body.extend(format!("{}:{key}{}:", key.len(), value.len()).into_bytes());
        body.extend(value);
    }
    body.push(b'e');
    out.extend((body.len() as u32).to_be_bytes());
    out.extend(body);
}

/// The 13 bytes before a block.
pub fn block_header(block: Block) -> [u8; 13] {
    let mut out = [0; 13];
    out[0..4].copy_from_slice(&(block.length + 9).to_be_bytes());
    out[4] = 7;
    out[5..9].copy_from_slice(&block.index.to_be_bytes());
    out[9..13].copy_from_slice(&block.begin.to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(bytes: &[u8]) -> Result<Option<(Heard, usize)>, WireError> {
        read_message(bytes, MAX_MESSAGE_LENGTH)
    }

    #[test]
    fn reads_what_we_write() {
        let mut out = Vec::new();
        Said::Have(7).write(&mut out);
        assert_eq!(one(&out).unwrap(), Some((Heard::Have(7), out.len())));
        for (said, heard) in [
            (Said::KeepAlive, Heard::KeepAlive),
            (Said::Choke, Heard::Choke),
            (Said::Unchoke, Heard::Unchoke),
        ] {
            out.clear();
            said.write(&mut out);
            assert_eq!(one(&out).unwrap(), Some((heard, out.len())));
        }
        out.clear();
        let you = "192.0.2.9".parse().unwrap();
        Said::Hello {
            port: Some(6881),
            metadata_size: 99,
            you,
        }
        .write(&mut out);
        let Some((Heard::Hello(hello), _)) = one(&out).unwrap() else {
            panic!("no handshake");
        };
        assert_eq!(hello.port, Some(6881));
        assert_eq!(hello.client, CLIENT);
        assert!(hello.metadata_id.is_some() && hello.pex_id.is_some() && !hello.upload_only);
    }

    #[test]
    fn pex_carries_both_families_and_seed_flags() {
        let added = [
            ("192.0.2.1:1", true),
            ("[2001:db8::1]:2", false),
            ("192.0.2.2:3", false),
        ]
        .map(|(a, seed)| (a.parse::<SocketAddr>().unwrap(), seed));
        let mut out = Vec::new();
        let id = librqbit_peer_protocol::MY_EXTENDED_UT_PEX;
        Said::Peers {
            id,
            added: added.to_vec(),
            dropped: vec![added[2].0],
        }
        .write(&mut out);
        let Some((Heard::Peers(peers), _)) = one(&out).unwrap() else {
            panic!("no PEX");
        };
        assert_eq!(peers, [added[0].0, added[2].0, added[1].0]);
        let text = String::from_utf8_lossy(&out);
        assert!(text.contains("7:added.f2:\u{2}\0"), "{text:?}");
    }

    #[test]
    fn unknown_and_fast_messages_pass_and_long_ones_do_not() {
        let port = [0, 0, 0, 3, 9, 0x1a, 0xe1];
        assert_eq!(one(&port).unwrap(), Some((Heard::Ignored, 7)));
        let have_none = [0, 0, 0, 1, 15];
        assert_eq!(one(&have_none).unwrap(), Some((Heard::Ignored, 5)));
        assert!(matches!(
            one(&[0x7f, 0xff, 0xff, 0xff, 9]),
            Err(WireError::TooLong(_))
        ));
        assert!(matches!(
            one(&[0, 0, 0, 2, 4, 1]),
            Err(WireError::Malformed(_))
        ));
        assert!(one(&[0, 0, 0, 5, 4, 1]).unwrap().is_none());
        let garbage = [&[0, 0, 0, 6, 20, 0][..], b"xxxx"].concat();
        assert!(one(&garbage).is_err(), "a handshake must be bencode");
        let other = [&[0, 0, 0, 6, 20, 77][..], b"xxxx"].concat();
        assert_eq!(one(&other).unwrap(), Some((Heard::Ignored, 10)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_read_beyond(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(Some((_, used))) = one(&bytes) {
                prop_assert!(used <= bytes.len());
            }
            let mut framed = (bytes.len() as u32).to_be_bytes().to_vec();
            framed.extend(&bytes);
            let _ = one(&framed);
        }
    }
}
