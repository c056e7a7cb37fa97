//! The life of a release among real clients: three carry it and the box stops; they vanish, and somebody new still gets
//! everything.

mod common;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use common::clients::{Client, Kind, Limits, Link, verify, wait_complete, wait_until};
use common::content::Tree;
use common::http;
use common::torrent::Torrent;
use common::wait::{observe, wait_for};
use semoir::app::handle::Order;
use semoir::app::{App, AppConfig, Handle, ReleaseView, Uploads};
use semoir::base::{Stage, Timestamp, Visits};
use semoir::policy::retire::Rule;
use semoir::publish::{self, PublishState};
use semoir::store::{Decision, Store};
use semoir::tracker::{self, Tracker};
use tokio_util::sync::CancellationToken;

/// A few MiB over loopback, with the clients' own start-up delays.
const DOWNLOAD_BOUND: Duration = Duration::from_secs(120);
/// Until three relays are there, one gave a block, and all were seen twice.
const RETIRE_BOUND: Duration = Duration::from_secs(120);
/// The first bytes are to be with somebody who is stuck by then.
const FIRST_BYTES: Duration = Duration::from_secs(60);

/// In earnest but for the waits that are minutes there: what decides here are looks and a leecher that is stuck.
const RULE: Rule = Rule {
    relays: Rule::RELAYS,
    proven: Rule::PROVEN,
    apart: Duration::from_secs(3),
    fresh: Rule::FRESH,
    sustain: Duration::from_secs(1),
    missed: Rule::MISSED,
    patience: Rule::PATIENCE,
    forget: Rule::FORGET,
    reach: Rule::REACH,
    dwell: Duration::from_secs(2),
    keep: false,
};

/// The conductor, the tracker and the public page, in this process: `semoir serve` takes no rule with waits of seconds.
struct TheBox {
    store: Store,
    handle: Handle,
    public: SocketAddr,
    stop: CancellationToken,
    runtime: tokio::runtime::Runtime,
}

impl TheBox {
    fn start(data: &Path, source: &Path) -> TheBox {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let store = Store::open(&data.join("semoir.db")).expect("a database");
        let uploads = Uploads::open(&data.join("uploads"), Timestamp::now()).expect("a folder");
        let tracker = Tracker::default();
        let stop = CancellationToken::new();
        let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let mut config = AppConfig {
            sources: vec![source.to_owned()],
            peer: any,
            state: data.to_owned(),
            offline: true,
            rule: RULE,
            quiet: Duration::ZERO,
            public_port: 0,
            helper: None,
            visits: Visits::default(),
            drives: None,
            sys: data.join("sys"),
        };
        let (handle, public) = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind(any).await;
            let listener = listener.expect("a port is free");
            let public = listener.local_addr().expect("an address");
            config.public_port = public.port();
            let started = App::start(config, store.clone(), uploads, tracker.clone()).await;
            let (app, handle) = started.expect("the box starts");
            let router = publish::router(PublishState {
                store: store.clone(),
                name: String::from("A box"),
                public_port: public.port(),
                visits: Visits::default(),
            });
            let router = router.merge(tracker::http::router(tracker));
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            tokio::spawn(app.run(stop.clone()));
            tokio::spawn(async move { axum::serve(listener, service).await });
            (handle, public)
        });
        TheBox {
            store,
            handle,
            public,
            stop,
            runtime,
        }
    }

    /// Its one release.
    fn release(&self) -> Option<ReleaseView> {
        self.handle.overview().releases.first().cloned()
    }

    fn wait(&self, what: &str, bound: Duration, so: impl Fn(&ReleaseView) -> bool) -> ReleaseView {
        let mut last = None;
        wait_for(what, bound, || {
            let release = self.release()?;
            if last.as_ref() != Some(&release.reason) {
                println!("{}: {}", release.stage, release.reason);
                last = Some(release.reason.clone());
            }
            so(&release).then_some(release)
        })
    }

    /// The torrent, as its public page gives it.
    fn torrent(&self) -> Vec<u8> {
        let release = self.wait("it is hashed", DOWNLOAD_BOUND, |r| r.info_hash.is_some());
        let hash = release.info_hash.expect("waited for");
        let url = format!("http://{}/t/{hash}.torrent", self.public);
        wait_for("the page gives the torrent", DOWNLOAD_BOUND, || {
            let answer = http::get(&url).ok()?;
            (answer.status == 200).then_some(answer.body)
        })
    }

    /// What was decided, oldest first.
    fn decisions(&self) -> Vec<Decision> {
        let id = self.release().expect("it has one").id;
        let mut decisions = self.store.decisions(id, 100).expect("they can be read");
        decisions.reverse();
        decisions
    }
}

impl Drop for TheBox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[test]
fn three_carry_it_and_vanish_and_a_newcomer_still_gets_everything() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tree = Tree::file("The Film.mkv", (4 << 20) + 1, 77);
    let the_box = TheBox::start(dir.path(), tree.source());
    let bytes = the_box.torrent();
    let torrent = Torrent::parse(&bytes);
    let path = dir.path().join("film.torrent");
    std::fs::write(&path, bytes).expect("a file can be written");
    let link = Link::Torrent(path);
    let start = |kind: Kind| kind.start(&link, Limits::default());

    let mut relays: Vec<Box<dyn Client>> = [Kind::Transmission, Kind::Aria2, Kind::Libtorrent]
        .map(start)
        .into();
    for client in &mut relays {
        wait_complete(&mut **client, DOWNLOAD_BOUND);
    }
    let retired = |release: &ReleaseView| release.stage == Stage::Retired;
    the_box.wait("it retires", RETIRE_BOUND, retired);

    // Whoever comes now gets it of the others: nothing leaves the box any more.
    let mut before = 0;
    observe(Duration::from_secs(3), Duration::from_secs(1), |_| {
        before = the_box.release().map_or(0, |release| release.payload_bytes);
    });
    let mut fourth = start(Kind::Librqbit);
    wait_complete(&mut *fourth, DOWNLOAD_BOUND);
    verify(&mut *fourth, &torrent, &tree);
    let mut after = 0;
    observe(Duration::from_secs(3), Duration::from_secs(1), |_| {
        after = the_box.release().map_or(0, |release| release.payload_bytes);
    });
    assert_eq!(after, before, "payload left a box that had retired");
    assert!(the_box.release().is_some_and(|release| retired(&release)));

    // Their processes end, their copies with them.
    drop(fourth);
    drop(relays);
    let came = Instant::now();
    let mut newcomer = start(Kind::Libtorrent);
    wait_until(&mut *newcomer, FIRST_BYTES, "get its first bytes", |p| {
        p.downloaded > 0
    });
    let first_bytes = came.elapsed();
    wait_complete(&mut *newcomer, DOWNLOAD_BOUND);
    verify(&mut *newcomer, &torrent, &tree);
    println!(
        "first bytes after {first_bytes:?}, complete after {:?}",
        came.elapsed()
    );

    let decisions = the_box.decisions();
    let told = |stage| decisions.iter().filter(move |d| d.stage == stage);
    let stopped: Vec<&str> = told(Stage::Retired).map(|d| d.reason.as_str()).collect();
    let [stopped] = stopped[..] else {
        panic!("it retired more than once: {decisions:?}");
    };
    let spent = after as f64 / tree.size() as f64;
    assert!(
        stopped.starts_with("stopped: 3 others hold every piece (127.")
            && stopped.contains(" and 2 more, each seen twice, ")
            && stopped.ends_with(&format!("; {spent:.2} copies spent")),
        "{stopped}"
    );
    let at = decisions.iter().position(|d| d.stage == Stage::Retired);
    let next = at.and_then(|at| decisions.get(at + 1));
    let why = next.map_or("", |decision| decision.reason.as_str());
    assert!(
        why.starts_with("back: someone cannot get on without us; "),
        "{decisions:?}"
    );
}

/// A supply that is too weak, as the kernel reports it: the owner sees it, and what is shared is read all the same.
#[test]
fn a_strained_board_reads_on_and_says_why() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (data, source) = (dir.path().join("data"), dir.path().join("source"));
    let sensor = data.join("sys/class/hwmon/hwmon0");
    for folder in [&source, &sensor] {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    for (file, said) in [("name", "rpi_volt\n"), ("in0_lcrit_alarm", "1\n")] {
        std::fs::write(sensor.join(file), said).expect("a file can be written");
    }
    let the_box = TheBox::start(&data, &source);
    let kinds = || {
        let board = &the_box.handle.overview().board;
        board.strains.iter().map(|strain| strain.kind).collect()
    };
    let strained: Vec<&str> = wait_for("the board is strained", DOWNLOAD_BOUND, || {
        Some(kinds()).filter(|kinds: &Vec<_>| !kinds.is_empty())
    });
    assert_eq!(strained, ["undervoltage"]);
    std::fs::write(source.join("film"), vec![7; 3 << 20]).expect("a file can be written");
    let looked = the_box.handle.order(Order::Rescan);
    the_box.runtime.block_on(looked).expect("it looks");
    let shared = |release: &ReleaseView| release.stage == Stage::Spreading;
    the_box.wait("it is read and shared", DOWNLOAD_BOUND, shared);
}
