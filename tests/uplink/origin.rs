//! An engine that has more to give than the line carries, to leechers that want more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use semoir::base::{Content, ContentFile, FileIdentity, InfoHash};
use semoir::seed::engine::Report;
use semoir::seed::{Engine, EngineConfig, Torrent};
use tokio::runtime::Runtime;

use super::house::{BOX, House};
use crate::common::hungry::Hungry;

const PIECE: u32 = 512 << 10;
/// Holes are read as zeros, and the leechers do not look at what they get.
const LENGTH: u64 = 16 << 30;

pub struct Origin {
    runtime: Runtime,
    engine: Engine,
    crowd: Option<Hungry>,
    _content: tempfile::TempDir,
}

impl Origin {
    /// Guarded, without a cap, and so many leechers in the world.
    pub fn start(house: &House, leechers: usize) -> Origin {
        let content = tempfile::tempdir().expect("a temporary directory");
        let path = content.path().join("film.mkv");
        let file = std::fs::File::create(&path).expect("a file");
        file.set_len(LENGTH).expect("a long file");
        let info_hash = InfoHash([0x5e; 20]);
        let files = vec![ContentFile {
            path: "film.mkv".into(),
            length: LENGTH,
            identity: Some(FileIdentity::of(&file.metadata().expect("metadata"))),
        }];
        let root = content.path().to_owned();
        let torrent = Content { root, files };
        let torrent = Torrent::new(info_hash, Default::default(), PIECE, torrent, false);
        let (runtime, engine) = house.home.inside(|| {
            let runtime = Runtime::new().expect("a runtime");
            let engine = runtime.block_on(async {
                let engine = Engine::start(EngineConfig {
                    listen: vec![(BOX, 0).into()],
                    ..EngineConfig::default()
                });
                let engine = engine.expect("a port is free");
                engine.add(Arc::new(torrent), false).await;
                engine
            });
            (runtime, engine)
        });
        let there = engine.listening()[0];
        let hungry = || Hungry::start(leechers, there, info_hash.0, PIECE);
        let crowd = Some(house.world.inside(hungry));
        Origin {
            runtime,
            engine,
            crowd,
            _content: content,
        }
    }

    pub fn set_guard(&self, guard: bool) {
        self.runtime.block_on(self.engine.set_guard(guard));
    }

    pub fn report(&self) -> Report {
        self.runtime.block_on(self.engine.report())
    }

    /// Watches for a while, saying second by second what the guard says.
    pub fn watch(&self, what: &str, time: Duration) -> (Instant, Instant) {
        let begun = Instant::now();
        while begun.elapsed() < time {
            std::thread::sleep(Duration::from_secs(1).min(time.saturating_sub(begun.elapsed())));
            if let Some(guard) = self.report().guard {
                let (rate, delay, reason) =
                    (guard.rate / 1000, guard.delay.as_millis(), guard.reason);
                println!("{what}: {rate} kB/s, {delay} ms: {reason}");
            }
        }
        (begun, Instant::now())
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        if let Some(crowd) = self.crowd.take()
            && !std::thread::panicking()
        {
            crowd.stop();
        }
        self.runtime.block_on(self.engine.stop());
    }
}
