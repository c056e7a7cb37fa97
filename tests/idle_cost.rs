//! What a thousand torrents cost while nobody is there for them: the engine's heap, counted by the allocator; its
//! processor time; its files.

#[path = "common/cost.rs"]
mod cost;

use std::sync::Arc;
use std::time::Duration;

use semoir::base::{Content, ContentFile, InfoHash};
use semoir::seed::engine::{Shelf, ShelfError};
use semoir::seed::{Engine, EngineConfig, Torrent};

#[global_allocator]
static ALLOCATOR: cost::Counting = cost::Counting;

const TORRENTS: u16 = 1000;

/// Heap that the engine may hold for one: the whole box is to stay below 5 KiB, and its catalogue needs most of that.
const HEAP_EACH: usize = 512;

/// A shelf of films: 2,000 pieces each, and so an info dictionary of 40 KB.
#[derive(Debug)]
struct Films;

impl Shelf for Films {
    fn read(&self, info_hash: InfoHash) -> Result<Torrent, ShelfError> {
        let file = ContentFile {
            path: "".into(),
            length: 2000 << 20,
            identity: None,
        };
        let content = Content {
            root: "/nowhere".into(),
            files: vec![file],
        };
        let info = vec![0; 2000 * 20].into();
        Ok(Torrent::new(info_hash, info, 1 << 20, content, false))
    }
}

fn hash(n: u16) -> InfoHash {
    let mut bytes = [0; 20];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    InfoHash(bytes)
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[tokio::test]
async fn a_thousand_torrents_nobody_wants_cost_next_to_nothing() {
    let engine = Engine::start(EngineConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        cap: None,
        ..EngineConfig::default()
    })
    .unwrap();
    let shelf = Arc::new(Films);
    // The first makes what all share, the thread that looks at the disk among it.
    engine
        .add_shelved(hash(TORRENTS), 0, shelf.clone(), false)
        .await;
    let (heap, files) = (cost::heap(), open_files());
    for n in 0..TORRENTS {
        engine.add_shelved(hash(n), 0, shelf.clone(), false).await;
    }
    let bytes = cost::heap().saturating_sub(heap) / usize::from(TORRENTS);
    println!("{bytes} bytes a torrent");
    assert!(bytes <= HEAP_EACH, "{bytes} bytes a torrent");
    assert_eq!(open_files(), files);
    assert_eq!(engine.report().await.torrents.len(), 1001);

    // And with nobody there, nothing happens at all.
    let before = cost::cpu();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let idle = cost::cpu() - before;
    assert!(idle < Duration::from_millis(20), "{idle:?}");
    engine.stop().await;
}
