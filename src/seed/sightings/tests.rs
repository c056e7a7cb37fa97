use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn addr(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n], 6881))
}

/// The `n`th address of a flood, each on a machine of its own.
fn stranger(n: u32) -> SocketAddr {
    let [_, b, c, d] = n.to_be_bytes();
    SocketAddr::from(([198, b, c, d], 6881))
}

fn claim(addr: SocketAddr, at: Instant) -> Observation {
    Observation {
        addr,
        witness: Witness::Pex,
        level: Level::Claimed,
        at,
    }
}

fn full(addr: SocketAddr, at: Instant) -> Observation {
    Observation {
        witness: Witness::Bitfield,
        level: Level::Full,
        ..claim(addr, at)
    }
}

fn proven(addr: SocketAddr, at: Instant) -> Observation {
    Observation {
        witness: Witness::Probe,
        level: Level::Proven,
        ..claim(addr, at)
    }
}

fn one(sightings: &Sightings) -> Relay {
    let relays = sightings.relays();
    assert_eq!(relays.len(), 1, "{relays:?}");
    relays[0]
}

/// Lets time pass second by second, as the engine does, with nobody there; returns when each look was made.
fn looks_in_vain(sightings: &mut Sightings, from: Instant, time: Duration) -> Vec<Duration> {
    let mut looks = Vec::new();
    for second in 0..time.as_secs() {
        let now = from + Duration::from_secs(second);
        for addr in sightings.looks(&[], 10, now) {
            looks.push(now - from);
            sightings.missed(addr, now);
        }
    }
    looks
}

#[test]
fn a_claim_becomes_a_sighting_and_a_proof() {
    let start = Instant::now();
    let mut sightings = Sightings::default();
    sightings.note(claim(addr(1), start));
    let relay = one(&sightings);
    assert_eq!(
        (relay.level, relay.first, relay.connected),
        (Level::Claimed, None, false)
    );
    let now = start + MINUTE;
    sightings.note(full(addr(1), now));
    sightings.earned(addr(1));
    let relay = one(&sightings);
    assert_eq!((relay.level, relay.first), (Level::Full, Some(now)));
    assert!(relay.connected && relay.earned);
    assert!(sightings.wants_proof(addr(1), now));
    sightings.asked(addr(1), false, now);
    assert!(!sightings.wants_proof(addr(1), now));
    let proof = now + MINUTE;
    sightings.note(proven(addr(1), proof));
    sightings.note(full(addr(1), proof + MINUTE));
    assert_eq!(one(&sightings).level, Level::Proven);
    assert_eq!(sightings.witnesses(), [Witness::Probe]);
    // Again after ten minutes; then seldom.
    assert!(!sightings.wants_proof(addr(1), proof + 9 * MINUTE));
    assert!(sightings.wants_proof(addr(1), proof + 10 * MINUTE));
    let again = proof + 10 * MINUTE;
    sightings.note(proven(addr(1), again));
    assert!(!sightings.wants_proof(addr(1), again + 22 * MINUTE));
    assert!(sightings.wants_proof(addr(1), again + 38 * MINUTE));
    sightings.parted(addr(1), false, again + MINUTE);
    let relay = one(&sightings);
    assert_eq!(
        (relay.first, relay.last),
        (Some(now), Some(again + MINUTE)),
        "from first to last"
    );
    assert!(!relay.connected && relay.missed == 0);
}

#[test]
fn loss_is_noticed_in_minutes_and_looks_grow_rare() {
    let start = Instant::now();
    let mut sightings = Sightings::default();
    sightings.note(proven(addr(1), start));
    sightings.parted(addr(1), false, start);
    let looks = looks_in_vain(&mut sightings, start, HOUR);
    assert!(looks[0] <= MINUTE && looks[1] <= 2 * MINUTE, "{looks:?}");
    assert!(looks[2] <= 5 * MINUTE, "{looks:?}");
    assert!(looks.len() <= 8, "{looks:?}");
    assert_eq!(one(&sightings).missed, looks.len() as u32);
    let day = looks_in_vain(&mut sightings, start + HOUR, 12 * HOUR);
    assert!((20..40).contains(&day.len()), "{} looks", day.len());
    // It is found: everything begins anew.
    let back = start + 13 * HOUR;
    sightings.note(full(addr(1), back));
    let relay = one(&sightings);
    assert_eq!((relay.missed, relay.level), (0, Level::Proven));
    // In the end it is forgotten.
    sightings.parted(addr(1), false, back);
    looks_in_vain(&mut sightings, back, 48 * HOUR);
    assert!(sightings.is_empty());
}

#[test]
fn one_that_we_hung_up_on_is_looked_for_every_five_minutes() {
    let start = Instant::now();
    let mut sightings = Sightings::default();
    sightings.note(proven(addr(1), start));
    sightings.parted(addr(1), true, start);
    let mut looks = 0;
    for second in 0..3600 {
        let now = start + Duration::from_secs(second);
        for addr in sightings.looks(&[], 10, now) {
            looks += 1;
            sightings.reached(addr, now);
            sightings.note(full(addr, now));
            sightings.parted(addr, true, now);
        }
    }
    assert!((9..=16).contains(&looks), "{looks} in an hour");
    assert_eq!(one(&sightings).missed, 0);
}

#[test]
fn a_claim_is_looked_into_a_few_times() {
    let start = Instant::now();
    let mut sightings = Sightings::default();
    sightings.note(claim(addr(1), start));
    assert!(sightings.looks(&[], 10, start).is_empty());
    let looks = looks_in_vain(&mut sightings, start, HOUR);
    assert_eq!(looks.len(), CLAIM_MISSES as usize);
    assert!(sightings.is_empty());
    // One that turns out to lack something is none.
    sightings.note(claim(addr(1), start));
    sightings.lacks(addr(1), start);
    assert!(sightings.is_empty());
}

#[test]
fn who_lost_a_piece_counts_as_missed_once_a_look() {
    let start = Instant::now();
    let mut sightings = Sightings::default();
    sightings.note(proven(addr(1), start));
    sightings.parted(addr(1), false, start);
    for second in 0..30 {
        sightings.lacks(addr(1), start + Duration::from_secs(second));
    }
    let relay = one(&sightings);
    assert!(relay.missed == 1 && !relay.connected, "{relay:?}");
    // It stays, and stays so.
    let later = start + 3 * MINUTE;
    assert!(sightings.looks(&[addr(1)], 10, later).is_empty());
    assert_eq!(one(&sightings).missed, 2);
}

#[test]
fn a_flood_of_claims_is_bounded_and_pushes_out_nobody() {
    let start = Instant::now();
    let mut sightings = Sightings::default();
    sightings.note(proven(addr(1), start));
    sightings.note(full(addr(2), start));
    sightings.parted(addr(1), false, start);
    sightings.parted(addr(2), false, start);
    for n in 0..10_000 {
        sightings.note(claim(stranger(n), start));
    }
    assert_eq!(sightings.relays().len(), MAX_CLAIMED + 2);
    // Nor does a crowd that shows full bitfields.
    for n in 10_000..20_000 {
        sightings.note(full(stranger(n), start));
    }
    assert!(sightings.relays().len() <= MAX_CLAIMED + MAX_SEEN);
    assert!(sightings.is_seen(addr(1)) && sightings.is_seen(addr(2)));
}

#[test]
fn those_who_give_no_proof_give_way() {
    let start = Instant::now();
    let mut sightings = Sightings::default();
    for n in 0..MAX_SEEN as u32 {
        sightings.note(full(stranger(n), start));
    }
    sightings.note(full(addr(1), start));
    assert!(!sightings.is_seen(addr(1)), "there is no room");
    sightings.asked(stranger(7), true, start);
    sightings.note(full(addr(1), start));
    assert!(sightings.is_seen(addr(1)) && !sightings.is_seen(stranger(7)));
    // Those who refute themselves go first.
    sightings.asked(stranger(8), true, start);
    sightings.refute(stranger(9), start);
    sightings.note(full(addr(2), start));
    assert!(sightings.is_seen(stranger(8)) && !sightings.is_seen(stranger(9)));
}

#[test]
fn one_machine_has_a_few_voices() {
    let start = Instant::now();
    let mut sightings = Sightings::default();
    let port = |n| SocketAddr::from(([192, 0, 2, 1], n));
    for n in 1..1000 {
        sightings.note(claim(port(n), start));
    }
    assert_eq!(sightings.relays().len(), MAX_PER_HOST);
    sightings.note(full(port(2000), start));
    assert_eq!(sightings.relays().len(), MAX_PER_HOST);
    assert!(
        sightings.is_seen(port(2000)),
        "what is seen weighs more than a claim"
    );
    for n in 1..100 {
        sightings.note(claim(SocketAddr::from(([127, 0, 0, 1], n)), start));
    }
    assert_eq!(sightings.relays().len(), MAX_CLAIMED + 1);
}

#[test]
fn what_nobody_can_listen_at_is_no_sighting() {
    let start = Instant::now();
    let mut sightings = Sightings::default();
    for text in ["1.2.3.4:0", "0.0.0.0:1", "[ff02::1]:1", "255.255.255.255:1"] {
        sightings.note(full(text.parse().unwrap(), start));
    }
    assert!(sightings.is_empty());
    sightings.note(claim("[::ffff:192.0.2.1]:6881".parse().unwrap(), start));
    assert_eq!(one(&sightings).addr, addr(1));
}

#[test]
fn a_refuted_one_is_neither_looked_for_nor_believed_for_a_day() {
    let start = Instant::now();
    let mut sightings = Sightings::default();
    sightings.note(full(addr(1), start));
    sightings.refute(addr(1), start);
    sightings.note(full(addr(1), start));
    let relay = one(&sightings);
    assert!(relay.refuted && !relay.connected);
    assert!(!sightings.wants_proof(addr(1), start + HOUR));
    assert!(sightings.looks(&[], 10, start + HOUR).is_empty());
    assert_eq!(sightings.next_look(), None);
    let relays = sightings.relays();
    assert_eq!(Census::of(&relays), Census::default());
    sightings.looks(&[], 10, start + 24 * HOUR);
    assert!(sightings.is_empty());
}

#[test]
fn what_happens_hastens_looks_and_not_without_end() {
    let start = Instant::now();
    let mut sightings = Sightings::default();
    sightings.note(proven(addr(1), start));
    sightings.parted(addr(1), true, start);
    let now = start + MINUTE;
    sightings.hasten(now);
    assert_eq!(sightings.looks(&[], 10, now), [addr(1)]);
    sightings.reached(addr(1), now);
    sightings.note(full(addr(1), now));
    sightings.parted(addr(1), true, now);
    let mut looks = 0;
    for second in 0..600 {
        let now = now + Duration::from_secs(second);
        sightings.hasten(now);
        for addr in sightings.looks(&[], 10, now) {
            looks += 1;
            sightings.reached(addr, now);
            sightings.note(full(addr, now));
            sightings.parted(addr, true, now);
        }
    }
    assert!(looks <= 10, "{looks} in ten minutes");
    // Its own announce says that it is there; others' words do not.
    sightings.missed(addr(1), now + 600 * Duration::from_secs(1));
    let before = sightings.next_look();
    let at = now + Duration::from_secs(600);
    sightings.note(claim(addr(1), at));
    assert_eq!(sightings.next_look(), before);
}

#[test]
fn one_that_cannot_be_dialled_and_is_here_is_not_missed() {
    let start = Instant::now();
    let mut sightings = Sightings::default();
    sightings.note(claim(addr(1), start));
    assert_eq!(sightings.looks(&[], 10, start + MINUTE), [addr(1)]);
    // It comes to us while we dial it in vain.
    sightings.note(full(addr(1), start + MINUTE));
    sightings.missed(addr(1), start + 2 * MINUTE);
    let relay = one(&sightings);
    assert!(relay.connected && relay.missed == 0, "{relay:?}");
}

#[test]
fn the_census_counts_those_who_are_there() {
    let start = Instant::now();
    let mut sightings = Sightings::default();
    sightings.note(claim(addr(1), start));
    sightings.note(full(addr(2), start));
    sightings.note(proven(addr(3), start));
    sightings.note(proven(addr(4), start));
    sightings.parted(addr(4), false, start);
    let census = Census {
        claimed: 1,
        full: 1,
        proven: 2,
    };
    assert_eq!(Census::of(&sightings.relays()), census);
    assert_eq!(census.seen(), 3);
    sightings.missed(addr(4), start);
    let census = Census {
        proven: 1,
        ..census
    };
    assert_eq!(Census::of(&sightings.relays()), census);
}

/// librqbit does not say where it listens; a tracker does.
#[test]
fn one_that_comes_from_a_port_of_the_moment_is_known_again_where_it_listens() {
    let start = Instant::now();
    let mut sightings = Sightings::default();
    let moment = SocketAddr::from(([192, 0, 2, 1], 54_321));
    sightings.note(full(moment, start));
    sightings.known_as(moment, [7; 20], false);
    sightings.earned(moment);
    sightings.note(proven(moment, start));
    sightings.parted(moment, false, start);
    let now = start + MINUTE;
    sightings.note(full(addr(1), now));
    sightings.known_as(addr(1), [7; 20], true);
    let relay = one(&sightings);
    assert_eq!((relay.addr, relay.level), (addr(1), Level::Proven));
    assert!(relay.earned && relay.first == Some(start));
    assert!(!sightings.wants_proof(addr(1), now));
    assert_eq!(sightings.home([7; 20], addr(1).ip()), Some(addr(1)));
    assert_eq!(sightings.home([8; 20], addr(1).ip()), None);
    // Whoever calls himself so on another machine is somebody else.
    assert_eq!(sightings.home([7; 20], addr(2).ip()), None);
    sightings.note(full(addr(2), now));
    sightings.known_as(addr(2), [7; 20], true);
    assert_eq!(sightings.relays().len(), 2);
}

#[test]
fn a_port_of_the_moment_is_not_dialled_and_soon_forgotten() {
    let start = Instant::now();
    let mut sightings = Sightings::default();
    sightings.note(full(addr(1), start));
    sightings.known_as(addr(1), [7; 20], false);
    sightings.parted(addr(1), false, start);
    assert_eq!(sightings.relays().len(), 1);
    assert!(looks_in_vain(&mut sightings, start, HOUR).is_empty());
    assert!(sightings.is_empty());
}

#[test]
fn those_who_were_seen_are_looked_for_before_those_who_are_spoken_of() {
    let start = Instant::now();
    let mut sightings = Sightings::default();
    for n in 1..=20 {
        sightings.note(claim(SocketAddr::from(([10, 0, 0, n], 6881)), start));
    }
    sightings.note(full(addr(1), start));
    sightings.parted(addr(1), false, start);
    let looks = sightings.looks(&[], 3, start + HOUR);
    assert_eq!((looks.len(), looks[0]), (3, addr(1)));
}
