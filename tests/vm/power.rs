//! The plug is pulled, at moments chosen by lot, while a stick is hashed and while it is given away: the database is whole,
//! what it did since then is forgotten for ten seconds at most, the work goes on, and the stick is as it was.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::clients::wait_until;
use crate::disk::Lost;
use crate::guest::Guest;
use crate::lot::Lot;
use crate::recipe::{Recipe, SOUND};
use crate::stick::{Film, Stick};
use crate::sticks::{cap, download, share, wait_listed};

/// How often the ledger is written, and what that may take on a busy machine.
const LEDGER: Duration = Duration::from_secs(10 + 2);
/// Time enough for a step on an emulated processor.
const BOUND: Duration = Duration::from_secs(240);
/// Bytes per second at which a stick is read while it is hashed: it takes ten seconds.
const SLOW: u64 = 24 << 17;
/// Bytes per second at which it is given away: it takes half a minute.
const CAP: u64 = 1 << 20;
/// The cuts come within this after the work began, in milliseconds.
const WITHIN_MS: u64 = 9_000;

/// What the cuts did.
#[derive(Debug, Default)]
pub struct Tally {
    cuts: u32,
    hashing: u32,
    seeding: u32,
    /// The most bytes of payload in the ledger that a cut undid, and how long before the cut they were sent at the earliest.
    undone: u64,
    lost: Lost,
}

impl Tally {
    fn add(&mut self, lost: Lost) {
        self.cuts += 1;
        self.lost.cached += lost.cached;
        self.lost.sectors += lost.sectors;
    }

    /// As a line.
    pub fn print(&self) {
        println!(
            "{} power cuts ({} while hashing, {} while seeding): database whole after each; at most {} bytes of ledger undone; \
             {} writes were in the disk's cache, of which {} sectors were lost; sticks unchanged",
            self.cuts, self.hashing, self.seeding, self.undone, self.lost.cached, self.lost.sectors
        );
    }
}

fn release(guest: &Guest, id: &Value) -> Value {
    let all = guest.releases();
    let found = all.into_iter().find(|release| release["id"] == *id);
    found.expect("a release that was found stays")
}

/// Two cuts with one stick: while it is hashed, and while it is given away.
pub fn cut_twice(guest: &mut Guest, recipe: &Recipe, dir: &Path, lot: &mut Lot, tally: &mut Tally) {
    let stick = Stick::new(recipe.name, dir).slowed(SLOW);
    let film = Film::of(recipe.name);
    let mut moment = || Duration::from_millis(lot.below(WITHIN_MS));
    let (first, second) = (moment(), moment());

    guest.machine().plug(&stick, 1);
    let found = wait_listed(guest, &film.name);
    share(guest, &found);
    guest.wait_release("is being hashed", BOUND, |release| {
        release["id"] == found["id"] && release["stage"] == "hashing"
    });
    std::thread::sleep(first);
    tally.hashing += u32::from(release(guest, &found["id"])["stage"] == "hashing");
    tally.add(guest.cut_power(lot));
    stick.assert_unchanged();

    // It goes on by itself once it is here again.
    guest.power_returns();
    cap(guest, Some(CAP));
    guest.machine().plug(&stick, 2);
    let mut download = download(guest, &film.name);
    wait_until(&mut download.client, BOUND, "have a part", |p| p.have > 0);
    let start = Instant::now();
    let mut sent = Vec::new();
    while start.elapsed() < LEDGER + second {
        let now = release(guest, &found["id"]);
        let payload = now["payload_bytes"].as_u64().expect("a number");
        sent.push((Instant::now(), payload));
        std::thread::sleep(Duration::from_millis(250));
    }
    tally.seeding += u32::from(!download.client_is_complete());
    tally.add(guest.cut_power(lot));
    let cut = Instant::now();
    stick.assert_unchanged();

    guest.power_returns();
    let kept = release(guest, &found["id"])["payload_bytes"]
        .as_u64()
        .expect("a number");
    let old = sent.iter().rev().find(|(at, _)| cut - *at > LEDGER);
    let (_, old) = old.expect("it was watched for longer than the ledger's interval");
    assert!(
        kept >= *old,
        "{kept} bytes are in the ledger, {old} were sent {LEDGER:?} before the cut"
    );
    let last = sent.last().map_or(0, |(_, payload)| *payload);
    tally.undone = tally.undone.max(last.saturating_sub(kept));

    cap(guest, None);
    guest.machine().plug(&stick, 3);
    download.dial(guest);
    download.complete(&film);
    guest.machine().pull(&stick);
    stick.assert_unchanged();
}

#[test]
#[ignore = "needs the guest that `make vm-test` makes"]
fn twenty_power_cuts_leave_the_database_whole_and_the_sticks_alone() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut guest = Guest::start();
    let mut lot = Lot::new(20);
    let mut tally = Tally::default();
    for recipe in SOUND {
        cut_twice(&mut guest, &recipe, dir.path(), &mut lot, &mut tally);
    }
    tally.print();
    assert_eq!(tally.cuts, 20);
    assert!(
        tally.hashing >= 5 && tally.seeding >= 5,
        "the cuts missed the work: {tally:?}"
    );
}
