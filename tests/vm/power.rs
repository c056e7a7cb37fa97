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
use crate::sticks::{
    SLOW, cap, download, hashed_in_part, pull, share, wait_hashed_in_part, wait_listed,
};

/// What a power cut may cost of the ledger.
const LEDGER: Duration = Duration::from_secs(10);
/// Time enough for a step on an emulated processor.
const BOUND: Duration = Duration::from_secs(240);
/// Bytes per second at which it is given away: it takes half a minute.
const CAP: u64 = 3 << 18;
/// The cuts come within this after the work began, in milliseconds: hashing takes 16 s at the rate that the stick is read at
/// then.
const WITHIN_MS: u64 = 9_000;

/// What the cuts did.
#[derive(Debug, Default)]
pub struct Tally {
    cuts: u32,
    hashing: u32,
    seeding: u32,
    /// The most bytes of payload that one cut undid in the ledger.
    undone: u64,
    /// The longest from switching on again to the page.
    page: Duration,
    lost: Lost,
}

impl Tally {
    /// Cuts the power of a guest, switches it on again, and adds up what came of it.
    fn cut(&mut self, guest: &mut Guest, lot: &mut Lot, stick: &Stick) {
        let lost = guest.cut_power(lot);
        stick.assert_unchanged();
        guest.power_returns();
        self.cuts += 1;
        self.page = self.page.max(guest.page_time);
        self.lost.cached += lost.cached;
        self.lost.sectors += lost.sectors;
    }

    /// As a line.
    pub fn print(&self) {
        println!(
            "{} power cuts ({} while hashing, {} while seeding): database whole after each; page within {:.1} s; \
             at most {} bytes of ledger undone; {} writes were in the disk's cache, of which {} sectors were lost; sticks \
             unchanged",
            self.cuts,
            self.hashing,
            self.seeding,
            self.page.as_secs_f64(),
            self.undone,
            self.lost.cached,
            self.lost.sectors
        );
    }
}

fn payload(release: &Value) -> u64 {
    release["payload_bytes"].as_u64().expect("a number")
}

/// Plugs a new stick in, shares its film, and pulls the plug while it is hashed. Gives the release.
pub fn cut_while_hashing(
    guest: &mut Guest,
    stick: &mut Stick,
    film: &Film,
    lot: &mut Lot,
    tally: &mut Tally,
) -> Value {
    let moment = Duration::from_millis(lot.below(WITHIN_MS));
    stick.rate = SLOW;
    guest.machine().plug(stick, 1);
    let found = wait_listed(guest, &film.name);
    share(guest, &found);
    wait_hashed_in_part(guest, &found["id"]);
    std::thread::sleep(moment);
    let at = hashed_in_part(&guest.release(&found["id"]));
    assert!(
        at.is_some(),
        "the cut misses the work, {moment:?} after it began"
    );
    tally.cut(guest, lot, stick);
    tally.hashing += 1;
    found
}

/// Plugs it in again, has a client download from it, and pulls the plug while it does.
fn cut_while_seeding(
    guest: &mut Guest,
    stick: &mut Stick,
    film: &Film,
    lot: &mut Lot,
    tally: &mut Tally,
) {
    let moment = Duration::from_millis(lot.below(WITHIN_MS));
    cap(guest, Some(CAP));
    stick.rate = 0;
    guest.machine().plug(stick, 2);
    let mut download = download(guest, &film.name);
    let id = download.release["id"].clone();
    wait_until(&mut download.client, BOUND, "have a part", |p| p.have > 0);
    let start = Instant::now();
    let mut sent = Vec::new();
    while start.elapsed() < LEDGER + moment {
        let payload = payload(&guest.release(&id));
        sent.push((Instant::now(), payload));
        std::thread::sleep(Duration::from_millis(250));
    }
    assert!(!download.is_complete(), "the cut misses the work");
    let cut = Instant::now();
    tally.cut(guest, lot, stick);
    tally.seeding += 1;
    let kept = payload(&guest.release(&id));
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
pub fn complete(guest: &mut Guest, stick: &mut Stick, film: &Film) {
    cap(guest, None);
    stick.rate = 0;
    guest.machine().plug(stick, 3);
    let mut download = download(guest, &film.name);
    download.complete(film);
    pull(guest, stick, &download.release["id"]);
}

#[test]
#[ignore = "needs the guest that `make vm-test` makes"]
fn twenty_power_cuts_leave_the_database_whole_and_the_sticks_alone() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut guest = Guest::start();
    let mut lot = Lot::new(20);
    let mut tally = Tally::default();
    for recipe in SOUND {
        let (mut stick, film) = (Stick::new(recipe.name, dir.path()), Film::of(recipe.name));
        cut_while_hashing(&mut guest, &mut stick, &film, &mut lot, &mut tally);
        cut_while_seeding(&mut guest, &mut stick, &film, &mut lot, &mut tally);
        complete(&mut guest, &mut stick, &film);
        tally.print();
    }
    assert_eq!(tally.cuts, 20);
}
