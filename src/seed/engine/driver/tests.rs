use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::base::{Content, ContentFile, FileIdentity};
use crate::policy::offer::GHOST_LIFE;
use crate::seed::engine::resting::{Shelf, Source};
use crate::seed::found::{Found, Witness};
use crate::seed::listener;
use crate::seed::wire::{BLOCK_LENGTH, Greeting, handshake};

mod generosity;
mod looks;
mod uplink;

/// Longer than a swarm that nobody remembers anything of is kept.
const A_WHILE: Duration = Duration::from_secs(61);
/// What should come has come by then.
const BOUND: Duration = Duration::from_secs(20);
/// The torrent of these tests has two pieces of one block each.
const PIECES: u32 = 2;

/// One torrent for any name; every other reading fails when it is `unsound`.
#[derive(Debug)]
struct TestShelf {
    root: std::path::PathBuf,
    readings: AtomicUsize,
    unsound: bool,
}

impl Shelf for TestShelf {
    fn read(&self, info_hash: InfoHash) -> Result<Torrent, ShelfError> {
        let reading = self.readings.fetch_add(1, Ordering::SeqCst);
        if self.unsound && reading.is_multiple_of(2) {
            return Err("the shelf is unsound".into());
        }
        Ok(torrent(info_hash, &self.root))
    }
}

fn torrent(info_hash: InfoHash, root: &Path) -> Torrent {
    let identity = std::fs::metadata(root).map(|metadata| FileIdentity::of(&metadata));
    let content = Content {
        root: root.to_owned(),
        files: vec![ContentFile {
            path: "".into(),
            length: u64::from(PIECES * BLOCK_LENGTH),
            identity: identity.ok(),
        }],
    };
    let info = bytes::Bytes::from_static(b"d4:name1:xe");
    Torrent::new(info_hash, info, BLOCK_LENGTH, content, false)
}

fn hash(n: u16) -> InfoHash {
    let mut bytes = [0; 20];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    InfoHash(bytes)
}

struct Bench {
    driver: Driver,
    shelf: Arc<TestShelf>,
    from_peers: mpsc::Receiver<FromPeer>,
    coming_back: mpsc::UnboundedReceiver<Back>,
    door: TcpListener,
    /// Where the next peers seem to come from, if not from where they do.
    from: Option<SocketAddr>,
    _dir: tempfile::TempDir,
}

impl Bench {
    async fn new(unsound: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("x");
        std::fs::write(&root, vec![7; (PIECES * BLOCK_LENGTH) as usize]).unwrap();
        let mut driver = Driver::new([b's'; 20], None, &EngineConfig::default(), Known::default());
        Self {
            from_peers: driver.from_peers.take().unwrap(),
            coming_back: driver.coming_back.take().unwrap(),
            driver,
            shelf: Arc::new(TestShelf {
                root,
                readings: AtomicUsize::new(0),
                unsound,
            }),
            door: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(),
            from: None,
            _dir: dir,
        }
    }

    fn add(&mut self, hash: InfoHash) {
        let source = Source::Shelved(self.shelf.clone());
        self.driver.add(hash, Resting::new(source, 0, false));
    }

    /// Somebody comes and shakes hands; the other end is returned.
    async fn come(&mut self, info_hash: InfoHash) -> TcpStream {
        self.meet(info_hash, rand::random(), false).await
    }

    /// A connection between a peer of this name and us is made, by it or by us; its other end is returned.
    async fn meet(&mut self, info_hash: InfoHash, peer_id: [u8; 20], outgoing: bool) -> TcpStream {
        let peer = TcpStream::connect(self.door.local_addr().unwrap()).await;
        let (stream, addr) = self.door.accept().await.unwrap();
        self.driver.newcomer(Greeted {
            stream: Arc::new(stream),
            addr: self.from.unwrap_or(addr),
            outgoing,
            greeting: Greeting {
                info_hash,
                peer_id,
                extended: true,
            },
        });
        peer.unwrap()
    }

    /// Runs the engine's loop until something is so.
    async fn until(&mut self, what: &str, mut so: impl FnMut(&Driver) -> bool) {
        let end = Instant::now() + BOUND;
        while !so(&self.driver) {
            assert!(Instant::now() < end, "not within {BOUND:?}: {what}");
            let heard = async {
                tokio::select! {
                    Some((hash, peer, report)) = self.from_peers.recv() => {
                        self.driver.heard_from(hash, peer, report);
                        hash
                    }
                    Some(back) = self.coming_back.recv() => self.driver.came_back(back),
                }
            };
            if let Ok(hash) = timeout(Duration::from_millis(20), heard).await {
                self.driver.act(hash);
            }
            self.driver.pump();
        }
    }

    /// Runs the loop while a peer does something.
    async fn during<T: Send + 'static>(
        &mut self,
        peer: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let peer = tokio::spawn(peer);
        self.until("the peer is done", |_| peer.is_finished()).await;
        peer.await.unwrap()
    }

    /// Everybody has left, and time passes.
    async fn deserted_for(&mut self, hash: InfoHash, time: Duration) {
        self.until("they left", |driver| {
            driver.seedings[&hash].links.is_empty()
        })
        .await;
        let now = Instant::now();
        self.driver.put_to_rest(now);
        assert!(self.driver.seedings.contains_key(&hash), "it rests at once");
        self.driver.put_to_rest(now + time);
    }

    fn reported(&self, hash: InfoHash) -> crate::seed::engine::TorrentReport {
        let mut torrents = self.driver.report().torrents.into_iter();
        torrents.find(|torrent| torrent.info_hash == hash).unwrap()
    }

    fn news(&mut self) -> Report {
        let (reply, mut answer) = oneshot::channel();
        self.driver.order(Order::News(reply));
        answer.try_recv().unwrap()
    }

    /// The torrents in the news.
    fn told(&mut self) -> Vec<InfoHash> {
        let torrents = self.news().torrents;
        let mut hashes: Vec<_> = torrents.iter().map(|t| t.info_hash).collect();
        hashes.sort();
        hashes
    }

    fn readings(&self) -> usize {
        self.shelf.readings.load(Ordering::SeqCst)
    }
}

/// Reads messages until one with this id comes; returns its body.
async fn hear(peer: &mut TcpStream, id: u8) -> std::io::Result<Vec<u8>> {
    loop {
        let length = peer.read_u32().await?;
        let mut message = vec![0; length as usize];
        peer.read_exact(&mut message).await?;
        if message.first() == Some(&id) {
            return Ok(message.split_off(1));
        }
    }
}

async fn say(peer: &mut TcpStream, id: u8, body: &[u8]) {
    let length = body.len() as u32 + 1;
    let message = [&length.to_be_bytes()[..], &[id], body].concat();
    peer.write_all(&message).await.unwrap();
}

/// Takes up one offer and hangs up.
async fn get_a_piece(mut peer: TcpStream) -> Vec<u8> {
    let piece = hear(&mut peer, 4).await.unwrap();
    say(&mut peer, 2, &[]).await;
    let block = [&piece[..], &[0; 4], &BLOCK_LENGTH.to_be_bytes()].concat();
    say(&mut peer, 6, &block).await;
    hear(&mut peer, 7).await.unwrap().split_off(8)
}

#[tokio::test]
async fn a_resting_torrent_is_read_for_a_peer_and_its_counts_outlive_its_rest() {
    let mut bench = Bench::new(false).await;
    let hash = hash(1);
    bench.add(hash);
    for visit in 1..=2u32 {
        assert!(bench.driver.seedings.is_empty());
        let peer = bench.come(hash).await;
        let piece = bench.during(get_a_piece(peer)).await;
        assert_eq!(piece, vec![7; BLOCK_LENGTH as usize]);
        assert_eq!(bench.readings(), visit as usize);
        bench.deserted_for(hash, A_WHILE).await;
        assert!(bench.driver.seedings.is_empty() && bench.driver.busy.is_empty());
        let report = bench.reported(hash);
        let payload = u64::from(visit * BLOCK_LENGTH);
        assert_eq!((report.payload, report.peers), (payload, 0));
        assert!(report.wire > payload, "{}", report.wire);
    }
    assert_eq!(bench.driver.peers, 0);
}

#[tokio::test]
async fn a_silent_one_wakes_to_give_metadata_and_nothing_else() {
    let mut bench = Bench::new(false).await;
    let hash = hash(1);
    bench.add(hash);
    bench.driver.order(Order::Silence(hash, true));
    let mut peer = bench.come(hash).await;
    let metadata = async move {
        say(&mut peer, 20, b"\0d1:md11:ut_metadatai3eee").await;
        hear(&mut peer, 20).await.unwrap();
        say(&mut peer, 20, b"\x03d8:msg_typei0e5:piecei0ee").await;
        (hear(&mut peer, 20).await.unwrap(), peer)
    };
    let (metadata, mut peer) = bench.during(metadata).await;
    assert!(metadata.ends_with(b"d4:name1:xe"), "{metadata:?}");
    bench.driver.order(Order::Silence(hash, false));
    bench.driver.order(Order::Silence(hash, true));
    let mut rest = vec![0; 512];
    let choked = async move {
        hear(&mut peer, 0).await.unwrap();
        // What else was said to it is no payload.
        timeout(Duration::from_millis(100), peer.read(&mut rest)).await
    };
    assert!(bench.during(choked).await.is_err());
    bench.deserted_for(hash, GHOST_LIFE).await;
    assert!(bench.driver.resting[&hash].silent, "it stays so");
}

/// librqbit does not say where it listens, and comes again and again as long as it is hung up on.
#[tokio::test]
async fn one_that_is_here_and_is_dialled_keeps_its_connection_and_is_known_where_it_listens() {
    for silent in [false, true] {
        let mut bench = Bench::new(false).await;
        let hash = hash(1);
        bench.add(hash);
        bench.driver.order(Order::Silence(hash, silent));
        let mut peer = bench.meet(hash, [7; 20], false).await;
        bench
            .until("it is awake", |driver| driver.seedings.contains_key(&hash))
            .await;
        if !silent {
            let seed = async move {
                say(&mut peer, 5, &[0b1100_0000]).await;
                peer
            };
            peer = bench.during(seed).await;
            let complete = |driver: &Driver| driver.seedings[&hash].swarm.copies() >= 1.0;
            bench.until("it is a relay", complete).await;
        }
        let seeding = bench.driver.seedings.get_mut(&hash).unwrap();
        let key = *seeding.links.keys().next().unwrap();
        // It came long ago.
        seeding.links.values_mut().for_each(|l| l.since -= BOUND);
        let mut dialled = bench.meet(hash, [7; 20], true).await;
        let home = dialled.local_addr().unwrap();
        let end = async move {
            // Of one that showed all, nothing is to be seen.
            if silent {
                say(&mut dialled, 5, &[0b1000_0000]).await;
            }
            dialled.read_to_end(&mut Vec::new()).await.unwrap()
        };
        assert_eq!(bench.during(end).await, 0, "one connection is enough");
        let seeding = &bench.driver.seedings[&hash];
        assert_eq!(seeding.links.keys().collect::<Vec<_>>(), [&key]);
        let known: Vec<SocketAddr> = seeding.swarm.addresses().collect();
        assert_eq!(known, [home]);
        drop(peer);
    }
}

#[tokio::test]
async fn a_complete_peer_that_left_is_remembered() {
    let mut bench = Bench::new(false).await;
    let hash = hash(1);
    bench.add(hash);
    let mut peer = bench.come(hash).await;
    let seed = async move {
        say(&mut peer, 5, &[0b1100_0000]).await;
        peer
    };
    let peer = bench.during(seed).await;
    let complete = |driver: &Driver| driver.seedings[&hash].swarm.copies() >= 1.0;
    bench.until("it is a relay", complete).await;
    drop(peer);
    bench.deserted_for(hash, A_WHILE).await;
    assert!(bench.driver.seedings.contains_key(&hash));
    bench.driver.put_to_rest(Instant::now() + GHOST_LIFE);
    assert!(bench.driver.seedings.is_empty());
}

#[tokio::test]
async fn who_waits_for_a_torrent_that_is_removed_or_cannot_be_read_is_sent_away() {
    let mut bench = Bench::new(true).await;
    let hash = hash(1);
    bench.add(hash);
    let mut refused = bench.come(hash).await;
    let end = async move { refused.read_to_end(&mut Vec::new()).await };
    bench.during(end).await.unwrap();
    // The next one is let in.
    let peer = bench.come(hash).await;
    bench.during(get_a_piece(peer)).await;
    assert_eq!(bench.readings(), 2);
    bench.deserted_for(hash, A_WHILE).await;

    let mut gone = bench.come(hash).await;
    bench.driver.remove(hash);
    let end = async move { gone.read_to_end(&mut Vec::new()).await };
    // It is added again before the old reading comes back, which counts for nothing.
    bench.add(hash);
    let _waits = bench.come(hash).await;
    for ticket in [3, 4] {
        assert!(bench.driver.seedings.is_empty());
        let read = Ok(Box::new(torrent(hash, &bench.shelf.root)));
        bench.driver.came_back(Back::Read(hash, ticket, read));
    }
    assert_eq!(bench.reported(hash).peers, 1);
    bench.during(end).await.unwrap();
}

#[tokio::test]
async fn a_resting_torrent_dials_and_wakes_when_it_reaches_somebody() {
    let mut bench = Bench::new(false).await;
    let hash = hash(1);
    bench.add(hash);
    let far = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    bench.driver.met(Found {
        info_hash: hash,
        addrs: vec![far.local_addr().unwrap()],
        source: Witness::Tracker,
        full: false,
    });
    let later = Instant::now() + Duration::from_secs(3);
    bench.driver.seek(later);
    let answers = async move {
        let (mut stream, _) = far.accept().await.unwrap();
        listener::hear(&mut stream).await.unwrap().unwrap();
        stream.write_all(&handshake(hash, [9; 20])).await.unwrap();
        stream
    };
    let stream = bench.during(answers).await;
    bench
        .until("it is awake", |driver| driver.seedings.contains_key(&hash))
        .await;
    assert!(bench.driver.sought.is_empty());
    drop(stream);
    bench.deserted_for(hash, A_WHILE).await;
    assert!(bench.driver.sought.contains(&hash), "it is dialled again");
    bench.driver.remove(hash);
    assert!(bench.driver.sought.is_empty() && bench.driver.known.read().is_empty());
}

#[tokio::test]
async fn the_loop_walks_past_a_thousand_torrents_for_one_that_is_wanted() {
    let mut bench = Bench::new(false).await;
    (0..1000).for_each(|n| bench.add(hash(n)));
    let walked = |driver: &Driver| {
        (
            driver.seedings.len(),
            driver.busy.len(),
            driver.sought.len(),
        )
    };
    assert_eq!(walked(&bench.driver), (0, 0, 0));
    let peer = bench.come(hash(500)).await;
    let wanted = tokio::spawn(get_a_piece(peer));
    let mut most = (0, 0, 0);
    bench
        .until("it has its piece", |driver| {
            most = most.max(walked(driver));
            wanted.is_finished()
        })
        .await;
    assert_eq!(most, (1, 1, 0));
    bench.deserted_for(hash(500), A_WHILE).await;
    assert_eq!(walked(&bench.driver), (0, 0, 0));
    assert_eq!(bench.driver.report().torrents.len(), 1000);
}

#[tokio::test]
async fn news_names_everything_once_and_then_what_moved() {
    let mut bench = Bench::new(false).await;
    (0..3).for_each(|n| bench.add(hash(n)));
    // Who asked is gone before the answer: nobody was told.
    let (reply, answer) = oneshot::channel();
    drop(answer);
    bench.driver.order(Order::News(reply));
    assert_eq!(bench.told(), [hash(0), hash(1), hash(2)]);
    assert_eq!(bench.told(), []);

    let peer = bench.come(hash(1)).await;
    let awake = |driver: &Driver| driver.seedings.contains_key(&hash(1));
    bench.until("it is awake", awake).await;
    assert_eq!(bench.told(), [hash(1)]);
    bench.during(get_a_piece(peer)).await;
    assert_eq!(bench.told(), [hash(1)], "as long as it is awake");
    bench.deserted_for(hash(1), A_WHILE).await;
    let last = bench.news().torrents;
    assert_eq!(last, [bench.reported(hash(1))], "what it cost in the end");
    assert_eq!(last[0].payload, u64::from(BLOCK_LENGTH));
    assert_eq!(bench.told(), []);

    // One that is added anew counts anew.
    bench.driver.remove(hash(1));
    bench.add(hash(1));
    bench.add(hash(1));
    let anew = bench.news().torrents;
    assert_eq!(anew.len(), 1);
    assert_eq!((anew[0].info_hash, anew[0].payload), (hash(1), 0));
    bench.add(hash(3));
    bench.driver.remove(hash(3));
    assert!(bench.driver.untold.is_empty(), "what is gone is no news");
    assert_eq!(bench.driver.report().torrents.len(), 3);
}

#[tokio::test]
async fn while_nobody_is_connected_ticks_are_rare_and_do_everything() {
    let mut bench = Bench::new(false).await;
    let (hash, rare) = (hash(1), Duration::from_secs(1));
    bench.add(hash);
    assert_eq!(bench.driver.pause(), rare);
    let peer = bench.come(hash).await;
    let awake = |driver: &Driver| driver.seedings.contains_key(&hash);
    bench.until("it is awake", awake).await;
    assert_eq!(bench.driver.pause(), TICK);
    bench.driver.tick();
    bench.during(get_a_piece(peer)).await;
    let nobody = |driver: &Driver| driver.peers == 0;
    bench.until("they left", nobody).await;
    assert_eq!(bench.driver.pause(), rare);
    assert_eq!(bench.reported(hash).rate, 0, "not measured yet");
    bench.driver.tick();
    assert!(bench.reported(hash).rate > 0);
}
