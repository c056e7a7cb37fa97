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
use tokio::time::{Instant, timeout, timeout_at};

use super::connection::Greeted;
use super::socket;
use super::wire::{self, HANDSHAKE_LENGTH};
use crate::base::{Beside, InfoHash};

/// A stranger's time to say what he wants; an honest handshake takes one round trip.
pub const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// Strangers who have not said it yet. When one more comes, the one who waited longest is dropped: a flood of silent
/// connections must not keep out a peer that speaks at once.
pub const MAX_STRANGERS: usize = 256;
/// The least time a stranger has, however many come after: a round trip across an ocean, and for our own tasks to get
/// round to it when a whole swarm comes at once. Meanwhile those who come after wait in the kernel's queue; a flood gets
/// through it with 2,560 connections a second.
const LEAST_WAIT: Duration = Duration::from_millis(100);
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
    let mut strangers = Strangers::default();
    loop {
        let (stream, addr) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        strangers.make_room().await;
        let (known, greeted, beside) = (known.clone(), greeted.clone(), beside.clone());
        let addr = wire::canonical(addr);
        strangers.come(tokio::spawn(async move {
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

/// The tasks of those who have not greeted yet, in the order in which they came.
#[derive(Debug, Default)]
struct Strangers(VecDeque<(Instant, JoinHandle<()>)>);

impl Strangers {
    fn come(&mut self, stranger: JoinHandle<()>) {
        self.0.push_back((Instant::now(), stranger));
    }

    /// Returns once there is room for one more; whoever waited longest makes it, unless he has greeted in time.
    async fn make_room(&mut self) {
        self.0.retain(|(_, stranger)| !stranger.is_finished());
        if self.0.len() < MAX_STRANGERS {
            return;
        }
        if let Some((since, mut oldest)) = self.0.pop_front()
            && timeout_at(since + LEAST_WAIT, &mut oldest).await.is_err()
        {
            oldest.abort();
        }
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

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test]
    async fn a_crowd_that_greets_after_a_moment_is_let_in_whole() {
        let (greeted, mut heard) = mpsc::channel(4 * MAX_STRANGERS);
        let arrival = async move {
            let mut crowd = Strangers::default();
            for number in 0..4 * MAX_STRANGERS {
                crowd.make_room().await;
                let greeted = greeted.clone();
                crowd.come(tokio::spawn(async move {
                    sleep(LEAST_WAIT / 10).await;
                    greeted.send(number).await.unwrap();
                }));
                assert!(crowd.0.len() <= MAX_STRANGERS);
            }
        };
        // A task among theirs, as the listener is.
        tokio::spawn(arrival).await.unwrap();
        let mut all = 0;
        while heard.recv().await.is_some() {
            all += 1;
        }
        assert_eq!(all, 4 * MAX_STRANGERS);
    }

    #[tokio::test]
    async fn the_silent_make_room_for_one_another_once_they_had_their_time() {
        let mut flood = Strangers::default();
        let came = Instant::now();
        for number in 0..=2 * MAX_STRANGERS {
            flood.make_room().await;
            let turns = (number / MAX_STRANGERS) as u32;
            assert!(came.elapsed() >= turns * LEAST_WAIT, "{number} had no time");
            flood.come(tokio::spawn(std::future::pending()));
            assert_eq!(flood.0.len(), MAX_STRANGERS.min(number + 1));
        }
        // All who came together have had their time together; one by one it would have been fifty seconds.
        assert!(came.elapsed() < 100 * LEAST_WAIT, "{:?}", came.elapsed());
    }
}
