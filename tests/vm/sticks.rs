//! Every file system, from plugging in to pulling out for good: what is on the stick is listed, hashed and given away; both
//! go on when the stick was pulled in the middle and is back in another port; and it is not written to.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::clients::libtorrent::Libtorrent;
use crate::common::clients::{Client, Limits, Link, verify, wait_until};
use crate::common::owner::seeding;
use crate::common::wait::wait_pausing;
use crate::guest::{Guest, PAUSE};
use crate::machine::PORTS;
use crate::recipe::{Layout, Recipe, SOUND};
use crate::stick::{Film, Stick};

/// From plugging in to listed; and from plugging in again to being given away again.
const LISTED_BOUND: Duration = Duration::from_secs(5);
const BACK_BOUND: Duration = Duration::from_secs(10);
/// What the processor of a guest has to do that tells how fast it is emulated, whatever the box does; and how long it takes
/// on the computer for which the bounds above hold, where a guest had its page after 20 s: reckoned from another day, when it
/// took 1.83 s, and a page 30.6 s. Where it takes longer, by the neighbours of a shared machine mostly, everything else
/// takes as much longer.
const WORK: (&str, Duration) = (
    "i=0; while [ $i -lt 50000 ]; do i=$((i + 1)); done",
    Duration::from_millis(1200),
);
/// More of these for each processor want to run than a guest and its client make.
const LOAD: f64 = 2.0;
/// What takes as long as it takes on an emulated processor, beside whatever else the machine does.
const BOUND: Duration = Duration::from_secs(240);
/// Between two looks at a client that nobody may have told of the box.
const DIAL_AGAIN: Duration = Duration::from_millis(500);
/// What the box may send while the stick is to be pulled: enough that it begins, little enough that it is not over.
const CAP: u64 = 2 << 20;
/// Bytes per second at which a stick is read while it is hashed: it takes sixteen seconds.
pub const SLOW: u64 = 3 << 19;

/// The figures of one stick, in the order of the table.
pub struct Row {
    name: &'static str,
    layout: Layout,
    known: Duration,
    mounted: Duration,
    listed: Duration,
    hashed: Duration,
    seeded: Duration,
    noticed: [Duration; 2],
    back: Duration,
    /// The load of the machine (`load`), this guest included: when the stick was listed, or at the end; the greater.
    load: f64,
    /// What [`WORK`] took when the stick was pulled for good.
    work: Duration,
}

/// The table's head; each row is printed when it is known, so that a test that fails shows how far it came.
pub const HEAD: &str = "| file system | on | known to udev | mounted | listed | hashed, with a pull between | seeded, with a pull between \
     | pulls noticed | back | device unchanged |\n|---|---|---|---|---|---|---|---|---|---|";

impl Row {
    fn print(&self) {
        let on = match self.layout {
            Layout::Whole => "whole disk".to_owned(),
            Layout::Table(table, _) => format!("partition ({table})"),
        };
        let s = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let [first, second] = self.noticed.map(s);
        println!(
            "| {} | {on} | {} | {} | {} | {} | {} | {first}, {second} | {} | yes |",
            self.name,
            s(self.known),
            s(self.mounted),
            s(self.listed),
            s(self.hashed),
            s(self.seeded),
            s(self.back),
        );
    }
}

/// What is known of a film on a stick that is being given away.
pub struct Shared {
    /// The release, as the page had it when it was on offer.
    pub release: Value,
    /// A client that is downloading it.
    pub client: Libtorrent,
    peers: SocketAddr,
    torrent: crate::common::torrent::Torrent,
    _dir: TempDir,
}

/// Waits until the stick that was just plugged in is said to be here.
pub fn wait_source(guest: &Guest) -> Value {
    wait_pausing(guest.pause, "the stick is a source", BOUND, || {
        let sources = guest.overview()["sources"].clone();
        let sources = sources.as_array().cloned().unwrap_or_default();
        sources
            .into_iter()
            .find(|source| source["kind"] == "drive" && source["present"] == true)
    })
}

/// How long ago udev had the drive that was plugged in last, to two tenths of a second or so: what came before was the
/// machine's port and the kernel, what came after is the box's.
fn known_for(guest: &mut Guest) -> Duration {
    let asked = Instant::now();
    let said = guest.machine().run(
        "cat /run/udev/data/b8:* | sed -n 's/^I://p' | sort -n | tail -n 1; cut -d ' ' -f 1 /proc/uptime",
    );
    let answered = asked.elapsed();
    let mut lines = said.lines();
    let mut number = || lines.next().and_then(|line| line.parse::<f64>().ok());
    let (Some(known), Some(now)) = (number(), number()) else {
        panic!("udev knows of no drive: {said}");
    };
    Duration::from_secs_f64(now - known / 1e6).saturating_sub(answered / 2)
}

/// Waits until the film of that name is listed, which is when the owner can share it.
pub fn wait_listed(guest: &mut Guest, name: &str) -> Value {
    guest.wait_release("is listed", BOUND, |release| {
        release["name"] == name && release["stage"] != "absent"
    })
}

/// Shares what was found.
pub fn share(guest: &Guest, release: &Value) {
    let path = format!("/releases/{}", release["id"]);
    let answer = guest.api("POST", &(path.clone() + "/share"), None);
    if answer.status >= 300 {
        let now = guest.api("GET", &path, None);
        panic!("{}: {}", answer.text(), now.text());
    }
}

/// Starts a client on a release that is on offer.
pub fn download(guest: &mut Guest, name: &str) -> Shared {
    let (release, torrent, bytes) = guest.wait_seeding(name, BOUND);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path: PathBuf = dir.path().join("film.torrent");
    std::fs::write(&path, bytes).expect("a file can be written");
    let mut client = Libtorrent::start(&Link::Torrent(path), Limits::default());
    let peers = guest.hardware.peers();
    client.dial(peers);
    Shared {
        release,
        client,
        peers,
        torrent,
        _dir: dir,
    }
}

impl Shared {
    /// Whether the client has it all.
    pub fn is_complete(&mut self) -> bool {
        self.client.progress().complete
    }

    /// Waits until the client has it all, and compares it with what was put on the stick.
    pub fn complete(&mut self, film: &Film) {
        let deadline = Instant::now() + BOUND;
        while !self.is_complete() {
            let progress = self.client.progress();
            assert!(Instant::now() < deadline, "not complete: {progress:?}");
            // The box's tracker is not known outside of its network. It would tell of the box again and again, and a client
            // forgets who was away three times.
            if progress.peers == 0 {
                self.client.dial(self.peers);
            }
            std::thread::sleep(DIAL_AGAIN);
        }
        verify(&mut self.client, &self.torrent, &film.tree());
    }
}

/// Sets the owner's cap; none lifts it.
pub fn cap(guest: &Guest, cap: Option<u64>) {
    let answer = guest.api("PATCH", "/settings", Some(json!({ "upstream_cap": cap })));
    assert!(answer.status < 300, "{}", answer.text());
}

/// How often the release was hashed, by its decisions.
fn hashings(guest: &Guest, release: &Value) -> usize {
    let answer = guest.api("GET", &format!("/releases/{}", release["id"]), None);
    let decisions = answer.json()["decisions"].clone();
    let all = decisions.as_array().cloned().unwrap_or_default();
    let hashing = |decision: &&Value| decision["to"] == "hashing" || decision["stage"] == "hashing";
    all.iter().filter(hashing).count()
}

/// Waits until a release is hashed in part, and gives how many bytes are.
pub fn wait_hashed_in_part(guest: &mut Guest, id: &Value) -> u64 {
    let release = guest.wait_release("is hashed in part", BOUND, |release| {
        release["id"] == *id && hashed_in_part(release).is_some()
    });
    hashed_in_part(&release).expect("just seen")
}

/// How many bytes are hashed of a release that is being hashed; none before the first and after the last. Fails the test
/// when it is past that, since then it was too quick for what the test wants to see, or failed.
pub fn hashed_in_part(release: &Value) -> Option<u64> {
    let stage = release["stage"].as_str().expect("a release has a stage");
    let early = ["found", "hashing"].contains(&stage);
    assert!(early, "it is not being hashed: {release}");
    let hashed = release["hashed"].as_u64().expect("a number");
    (stage == "hashing" && 0 < hashed && hashed < Film::SIZE).then_some(hashed)
}

/// Pulls a stick, waits until its release is away, and looks whether the stick is as it was. Gives how long it took to be
/// noticed.
pub fn pull(guest: &mut Guest, stick: &Stick, id: &Value) -> Duration {
    guest.machine().pull(stick);
    let pulled = Instant::now();
    guest.wait_release("is away", BOUND, |release| {
        assert_ne!(release["stage"], "failed", "{release}");
        release["id"] == *id && release["stage"] == "absent"
    });
    let noticed = pulled.elapsed();
    stick.assert_unchanged();
    noticed
}

/// Takes one stick through everything, from that port to the third after it.
pub fn life_of(guest: &mut Guest, recipe: &Recipe, stick: Stick, port: u32) -> Row {
    let mut stick = stick.slowed(SLOW);
    let film = Film::of(recipe.name);
    let port = |further: u32| (port - 1 + further) % PORTS + 1;
    cap(guest, Some(CAP));

    let plugged = Instant::now();
    guest.machine().plug(&stick, port(0));
    let source = wait_source(guest);
    let mounted = plugged.elapsed();
    let found = wait_listed(guest, &film.name);
    assert_eq!(found["source"], source["id"], "{found} in {source}");
    let (listed, id) = (plugged.elapsed(), &found["id"]);
    let load_when_listed = load();
    let known = plugged.elapsed().saturating_sub(known_for(guest));

    share(guest, &found);
    let shared = Instant::now();
    let before = wait_hashed_in_part(guest, id);
    let away_from_hashing = pull(guest, &stick, id);
    let kept = guest.release(id)["hashed"].as_u64();
    assert!(
        kept.is_some_and(|kept| kept >= before),
        "{before} bytes were hashed, and {kept:?} are when the stick is away"
    );
    stick.rate = 0;
    guest.machine().plug(&stick, port(1));
    let mut download = download(guest, &film.name);
    let hashed = shared.elapsed();
    let hashings_before = hashings(guest, &found);

    let started = Instant::now();
    let so_far = wait_until(&mut download.client, BOUND, "have a part", |p| {
        p.have > Film::SIZE / 16
    });
    assert!(!so_far.complete, "it was over before the stick was pulled");
    let away_from_seeding = pull(guest, &stick, id);

    let again = Instant::now();
    guest.machine().plug(&stick, port(2));
    guest.wait_release("is here again", BOUND, |release| {
        release["id"] == *id && seeding(release)
    });
    let back = again.elapsed();
    cap(guest, None);
    download.complete(&film);
    let seeded = started.elapsed();
    assert_eq!(
        hashings(guest, &found),
        hashings_before,
        "it was hashed again"
    );
    pull(guest, &stick, id);
    let row = Row {
        name: recipe.name,
        layout: recipe.layout,
        known,
        mounted,
        listed,
        hashed,
        seeded,
        noticed: [away_from_hashing, away_from_seeding],
        back,
        load: load_when_listed.max(load()),
        work: work(guest),
    };
    row.print();
    row
}

/// Fails the test when a stick was listed or back too late for the speed of its guest. Of a guest that shared its processors
/// with others meanwhile the figures say nothing: then they are only printed.
pub fn assert_prompt(rows: &[Row]) {
    let processors = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    for row in rows {
        if row.load > LOAD * processors {
            let (name, load) = (row.name, row.load);
            println!("{name}: the machine was busy (load {load}), how prompt it was is not judged");
            continue;
        }
        let slow = row.work.div_duration_f64(WORK.1).max(1.0);
        let late = |what: &str, took: Duration, bound: Duration| {
            // It is seen up to a pause late.
            assert!(
                took <= bound.mul_f64(slow) + PAUSE,
                "{}: {what} after {took:?}, of a guest that takes {slow:.2} times as long as the bound is for",
                row.name
            );
        };
        late("listed", row.listed, LISTED_BOUND);
        late("back", row.back, BACK_BOUND);
    }
}

/// How fast a guest is, by which other days, and other computers, can be compared.
pub fn pace(guest: &mut Guest) -> String {
    let (page, work) = (guest.page_time.as_secs_f64(), work(guest).as_secs_f64());
    format!(
        "its page was there {page:.1} s after it was switched on; a piece of work takes it {work:.2} s"
    )
}

/// What [`WORK`] takes.
fn work(guest: &mut Guest) -> Duration {
    let begun = Instant::now();
    guest.machine().run(WORK.0);
    begun.elapsed()
}

/// How many tasks want a processor, in the mean of the last minute.
fn load() -> f64 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mean = load.split(' ').next().and_then(|n| n.parse().ok());
    mean.unwrap_or(0.0)
}

#[test]
#[ignore = "needs the guest that `make vm-test` makes"]
fn every_file_system_is_listed_given_away_and_left_as_it_was() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut guest = Guest::start();
    let mut rows = Vec::new();
    println!("{}\n{HEAD}", pace(&mut guest));
    for (recipe, port) in SOUND.iter().zip((1..=PORTS).cycle()) {
        let stick = Stick::new(recipe.name, dir.path());
        rows.push(life_of(&mut guest, recipe, stick, port));
    }
    assert_prompt(&rows);
}
