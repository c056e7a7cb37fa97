//! The plug is pulled, at moments chosen by lot, while a stick is hashed and while it is given away: the database is whole,
//! what it did since then is forgotten for ten seconds at most, the work goes on, and the stick is as it was.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::clients::wait_until;
use crate::disk::Lost;
use crate::guest::Guest;
use crate::lot::Lot;
use crate::recipe::SOUND;
use crate::stick::{Film, Stick};
use crate::sticks::{cap, download, share, wait_listed};

/// How often the ledger is written, and what that may take on a busy machine.
const LEDGER: Duration = Duration::from_secs(10 + 2);
/// Time enough for a step on an emulated processor.
const BOUND: Duration = Duration::from_secs(240);
/// Bytes per second at which a stick is read while it is hashed: it takes ten seconds.
pub const SLOW: u64 = 24 << 17;
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
    /// The most bytes of payload that one cut undid in the ledger.
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

fn payload(release: &Value) -> u64 {
    release["payload_bytes"].as_u64().expect("a number")
}

fn release(guest: &Guest, id: &Value) -> Value {
    let all = guest.releases();
    let found = all.into_iter().find(|release| release["id"] == *id);
    found.expect("a release that was found stays")
}

/// Plugs a new stick in, shares its film, and pulls the plug while it is hashed. Gives the release.
pub fn cut_while_hashing(
    guest: &mut Guest,
    stick: &Stick,
    film: &Film,
    lot: &mut Lot,
    tally: &mut Tally,
) -> Value {
    let moment = Duration::from_millis(lot.below(WITHIN_MS));
    guest.machine().plug(stick, 1);
    let found = wait_listed(guest, &film.name);
    share(guest, &found);
    guest.wait_release("is being hashed", BOUND, |release| {
        release["id"] == found["id"] && release["stage"] == "hashing"
    });
    std::thread::sleep(moment);
    tally.hashing += u32::from(release(guest, &found["id"])["stage"] == "hashing");
    tally.add(guest.cut_power(lot));
    stick.assert_unchanged();
    guest.power_returns();
    found
}

/// Plugs it in again, has a client download from it, and pulls the plug while it does.
fn cut_while_seeding(
    guest: &mut Guest,
    stick: &Stick,
    film: &Film,
    lot: &mut Lot,
    tally: &mut Tally,
) {
    let moment = Duration::from_millis(lot.below(WITHIN_MS));
    cap(guest, Some(CAP));
    guest.machine().plug(stick, 2);
    let mut download = download(guest, &film.name);
    let id = download.release["id"].clone();
    wait_until(&mut download.client, BOUND, "have a part", |p| p.have > 0);
    let start = Instant::now();
    let mut sent = Vec::new();
    while start.elapsed() < LEDGER + moment {
        let payload = payload(&release(guest, &id));
        sent.push((Instant::now(), payload));
        std::thread::sleep(Duration::from_millis(250));
    }
    tally.seeding += u32::from(!download.is_complete());
    tally.add(guest.cut_power(lot));
    let cut = Instant::now();
    stick.assert_unchanged();

    guest.power_returns();
    let kept = payload(&release(guest, &id));
    let old = sent.iter().rev().find(|(at, _)| cut - *at > LEDGER);
    let (_, old) = old.expect("it was watched for longer than the ledger's interval");
    assert!(
        kept >= *old,
        "{kept} bytes are in the ledger, {old} were sent {LEDGER:?} before the cut"
    );
    let last = sent.last().map_or(0, |(_, payload)| *payload);
    tally.undone = tally.undone.max(last.saturating_sub(kept));
}

/// Plugs it in again: by itself the box goes on until a client has everything.
pub fn complete(guest: &mut Guest, stick: &Stick, film: &Film) {
    cap(guest, None);
    guest.machine().plug(stick, 3);
    download(guest, &film.name).complete(film);
    guest.machine().pull(stick);
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
        let stick = Stick::new(recipe.name, dir.path()).slowed(SLOW);
        let film = Film::of(recipe.name);
        cut_while_hashing(&mut guest, &stick, &film, &mut lot, &mut tally);
        cut_while_seeding(&mut guest, &stick, &film, &mut lot, &mut tally);
        complete(&mut guest, &stick, &film);
    }
    tally.print();
    assert_eq!(tally.cuts, 20);
    assert!(
        tally.hashing >= 5 && tally.seeding >= 5,
        "the cuts missed the work: {tally:?}"
    );
}
