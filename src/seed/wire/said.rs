//! What we say to a peer, and how it is written.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};

use librqbit_buffers::ByteBuf;
use librqbit_peer_protocol::extended::handshake::ExtendedHandshake;
use librqbit_peer_protocol::extended::ut_metadata::{UtMetadata, UtMetadataData};
use librqbit_peer_protocol::extended::{ExtendedMessage, PeerExtendedMessageIds};
use librqbit_peer_protocol::{Message as Codec, Request};

use super::{Block, REQUEST_QUEUE};

/// What we say to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Nothing, to stay connected.
    KeepAlive,
    /// We will not serve it.
    Choke,
    /// We will serve it.
    Unchoke,
    /// We want something of it.
    Interested,
    /// We want nothing of it.
    NotInterested,
    /// We ask for a block.
    Request(Block),
    /// We want that block no more.
    Cancel(Block),
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

thread_local! {
    /// The codec writes into room for the longest message there is. Each connection has its own `out`, which would keep
    /// that much for good.
    static SCRATCH: RefCell<Box<[u8]>> =
        RefCell::new(vec![0; librqbit_peer_protocol::MAX_MSG_LEN].into());
}

/// The name we give ourselves.
pub const CLIENT: &str = concat!("Semoir ", env!("CARGO_PKG_VERSION"));

impl Said {
    /// About how many bytes it takes.
    pub fn length(&self) -> u64 {
        match self {
            Said::KeepAlive => 4,
            Said::Choke | Said::Unchoke | Said::Interested | Said::NotInterested => 5,
            Said::Request(_) | Said::Cancel(_) => 17,
            Said::Have(_) => 9,
            Said::Hello { .. } => 150,
            Said::Metadata { data, .. } => 64 + data.len() as u64,
            Said::MetadataReject { .. } => 32,
            Said::Peers { added, dropped, .. } => 80 + 12 * (added.len() + dropped.len()) as u64,
        }
    }

    /// Appends the message as bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        let codec = match self {
            Said::KeepAlive => Codec::KeepAlive,
            Said::Choke => Codec::Choke,
            Said::Unchoke => Codec::Unchoke,
            Said::Interested => Codec::Interested,
            Said::NotInterested => Codec::NotInterested,
            Said::Request(block) => Codec::Request(request(block)),
            Said::Cancel(block) => Codec::Cancel(request(block)),
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
        SCRATCH.with_borrow_mut(|scratch| match codec.serialize(scratch, &ids) {
            Ok(written) => out.extend_from_slice(&scratch[..written]),
            Err(error) => {
                tracing::error!(%error, message = ?self, "a message of our own does not fit its buffer");
            }
        });
    }
}

fn request(block: &Block) -> Request {
    Request::new(block.index, block.begin, block.length)
}

/// Seed or upload-only, in the flags of BEP 11.
pub(super) const PEX_SEED: u8 = 0x02;

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
