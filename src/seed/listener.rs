//! Taking connections: handshakes from strangers, bounded in number and time.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::connection::Greeted;
use super::socket;
use super::wire::{self, HANDSHAKE_LENGTH};
use crate::base::{Beside, InfoHash};

/// A stranger's time to say what he wants; an honest handshake takes one round trip.
pub const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// Strangers who have not said it yet. When one more comes, the one who waited longest is dropped: a flood of silent
/// connections must not keep out a peer that speaks at once.
pub const MAX_STRANGERS: usize = 256;
/// A pause after an accept that failed for want of descriptors or memory, instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The swarms we answer for.
pub(super) type Known = Arc<RwLock<HashSet<InfoHash>>>;

/// Accepts for ever, and hands over those who greeted us properly.
pub(super) async fn listen(
    listener: TcpListener,
    known: Known,
    peer_id: [u8; 20],
    greeted: mpsc::Sender<Greeted>,
    beside: Beside,
) {
    let mut strangers: VecDeque<JoinHandle<()>> = VecDeque::new();
    loop {
        let (stream, addr) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        strangers.retain(|stranger| !stranger.is_finished());
        if strangers.len() >= MAX_STRANGERS
            && let Some(oldest) = strangers.pop_front()
        {
            oldest.abort();
        }
        let (known, greeted, beside) = (known.clone(), greeted.clone(), beside.clone());
        let addr = wire::canonical(addr);
        strangers.push_back(tokio::spawn(async move {
            match timeout(HANDSHAKE_PATIENCE, answer(stream, addr, &known, peer_id)).await {
                Ok(Ok(Some(peer))) => {
                    // The engine is gone when this fails, and so is the need.
                    let _ = greeted.send(peer).await;
                }
                Ok(Ok(None)) => beside.exchange(0),
                Ok(Err(error)) => {
                    beside.exchange(0);
                    tracing::debug!(%addr, %error, "a stranger was turned away");
                }
                Err(_) => {
                    beside.exchange(0);
                    tracing::debug!(%addr, "a stranger said nothing in time");
                }
            }
        }));
    }
}

async fn answer(
    mut stream: TcpStream,
    addr: SocketAddr,
    known: &Known,
    peer_id: [u8; 20],
) -> io::Result<Option<Greeted>> {
    socket::prepare(&stream);
    let Some(greeting) = hear(&mut stream).await? else {
        return Ok(None);
    };
    let is_ours = known.read().contains(&greeting.info_hash);
    if !is_ours || greeting.peer_id == peer_id {
        return Ok(None);
    }
    let ours = wire::handshake(greeting.info_hash, peer_id);
    socket::write_all(&stream, &ours).await?;
    Ok(Some(Greeted {
        stream: Arc::new(stream),
        addr,
        outgoing: false,
        greeting,
    }))
}

/// Reads the other side's handshake. The first byte decides: whoever encrypts learns at once that we do not, and
/// comes back in the clear.
pub(super) async fn hear(stream: &mut TcpStream) -> io::Result<Option<wire::Greeting>> {
    let mut bytes = [0; HANDSHAKE_LENGTH];
    stream.read_exact(&mut bytes[..1]).await?;
    if bytes[0] != 19 {
        return Ok(None);
    }
    stream.read_exact(&mut bytes[1..]).await?;
    Ok(wire::read_handshake(&bytes).ok())
}
