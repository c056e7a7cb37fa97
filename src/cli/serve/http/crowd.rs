//! Who is connected to a listener, and who has to leave when it is full.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// The least time a newcomer has to say what it wants, however many come after. Its request is here as soon as it is
/// itself; this is for our own tasks to get round to it when hundreds come at once.
const LEAST_WAIT: Duration = Duration::from_millis(20);

/// How many may be connected.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Connections at once.
    pub connections: usize,
    /// Of these, from one address; see [`Origin`].
    pub per_address: usize,
}

/// What counts as one address: an IPv4 address, or an IPv6 network of 64 bits, all of which whoever has one of them
/// has. None for loopback, behind which a reverse proxy speaks for everybody.
type Origin = Option<IpAddr>;

fn origin(ip: IpAddr) -> Origin {
    match ip.to_canonical() {
        ip if ip.is_loopback() => None,
        IpAddr::V6(ip) => {
            let network = ip.to_bits() >> 64 << 64;
            Some(IpAddr::V6(network.into()))
        }
        ip => Some(ip),
    }
}

#[derive(Debug)]
struct Present {
    origin: Origin,
    /// Since when it has had no request under way: it just came, or was answered. None while one is.
    waiting_since: Option<Instant>,
    leave: CancellationToken,
}

/// Whether a newcomer is let in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission<T> {
    /// It is.
    In(T),
    /// Not before this time: nobody has waited long enough to leave.
    Later(Instant),
    /// Every place it could have is taken by a request under way.
    Full,
}

/// The connections of one listener. When there are too many, the one that has waited longest without a request under
/// way leaves. Whether it was ever answered makes no difference: if those who were had precedence, a flood would turn
/// each newcomer out at once, and the longest wait gives each the most time to say what it wants.
#[derive(Debug)]
pub(super) struct Crowd {
    room: Room,
    next: u64,
    present: HashMap<u64, Present>,
}

impl Crowd {
    pub(super) fn new(room: Room) -> Self {
        Self {
            room,
            next: 0,
            present: HashMap::new(),
        }
    }

    /// Whether the next newcomer takes somebody's place.
    pub(super) fn is_full(&self) -> bool {
        self.present.len() >= self.room.connections
    }

    /// Lets a newcomer in, in place of another if need be: then that one's `leave` is cancelled.
    ///
    /// Looks at everybody, which at a thousand costs some microseconds, less than the connection itself.
    pub(super) fn admit(
        &mut self,
        ip: IpAddr,
        now: Instant,
        leave: &CancellationToken,
    ) -> Admission<u64> {
        let origin = origin(ip);
        let kin = |present: &Present| origin.is_some() && present.origin == origin;
        let related = self.present.values().filter(|present| kin(present)).count();
        let victim = if related >= self.room.per_address {
            // Who comes too fast from one address only hurts itself, and is no reason for others to wait.
            self.longest(kin)
        } else if self.is_full() {
            match self.longest(|_| true) {
                Some((since, _)) if now < since + LEAST_WAIT => {
                    return Admission::Later(since + LEAST_WAIT);
                }
                longest => longest,
            }
        } else {
            return Admission::In(self.enter(origin, now, leave));
        };
        let Some((_, victim)) = victim else {
            return Admission::Full;
        };
        self.turn_out(victim);
        Admission::In(self.enter(origin, now, leave))
    }

    fn enter(&mut self, origin: Origin, now: Instant, leave: &CancellationToken) -> u64 {
        let id = self.next;
        self.next += 1;
        let present = Present {
            origin,
            waiting_since: Some(now),
            leave: leave.clone(),
        };
        self.present.insert(id, present);
        id
    }

    /// Who has waited longest, and since when; none when nobody waits.
    fn longest(&self, among: impl Fn(&Present) -> bool) -> Option<(Instant, u64)> {
        let waiting = self.present.iter().filter(|(_, present)| among(present));
        waiting
            .filter_map(|(id, present)| Some((present.waiting_since?, *id)))
            .min()
    }

    fn turn_out(&mut self, id: u64) {
        if let Some(present) = self.present.remove(&id) {
            present.leave.cancel();
        }
    }

    /// Turns out the half that has waited longest: for when descriptors ran out, which the whole box needs.
    pub(super) fn make_room(&mut self) {
        let present = self.present.iter();
        let mut waiting: Vec<(Instant, u64)> = present
            .filter_map(|(id, present)| Some((present.waiting_since?, *id)))
            .collect();
        waiting.sort_unstable();
        for (_, id) in &waiting[..waiting.len().div_ceil(2)] {
            self.turn_out(*id);
        }
    }

    /// Whether it may: it may have been turned out already.
    pub(super) fn begin(&mut self, id: u64) -> bool {
        let present = self.present.get_mut(&id);
        present
            .map(|present| present.waiting_since = None)
            .is_some()
    }

    pub(super) fn end(&mut self, id: u64, now: Instant) {
        if let Some(present) = self.present.get_mut(&id) {
            present.waiting_since = Some(now);
        }
    }

    /// Whether it left because it had no request under way.
    pub(super) fn dismiss(&mut self, id: u64) -> bool {
        let waits = |present: &Present| present.waiting_since.is_some();
        self.present.get(&id).is_none_or(waits) && {
            self.leave(id);
            true
        }
    }

    /// Its connection ended.
    pub(super) fn leave(&mut self, id: u64) {
        self.present.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;
    use crate::cli::serve::http::seat::{Seat, UnderWay};

    const ROOM: Room = Room {
        connections: 4,
        per_address: 2,
    };

    struct Guest {
        seat: Arc<Seat>,
        leave: CancellationToken,
    }

    struct Door {
        crowd: Arc<Mutex<Crowd>>,
        now: Instant,
    }

    impl Door {
        fn new() -> Self {
            Self {
                crowd: Arc::new(Mutex::new(Crowd::new(ROOM))),
                now: Instant::now(),
            }
        }

        /// Somebody comes, a second after what was before.
        fn knock(&mut self, ip: &str) -> Option<Guest> {
            self.now += Duration::from_secs(1);
            let leave = CancellationToken::new();
            match Seat::take(&self.crowd, ip.parse().unwrap(), self.now, &leave) {
                Admission::In(seat) => Some(Guest { seat, leave }),
                Admission::Later(_) => panic!("a second is long enough"),
                Admission::Full => None,
            }
        }
    }

    fn gone(guests: &[Guest]) -> Vec<usize> {
        let gone = |n: &usize| guests[*n].leave.is_cancelled();
        (0..guests.len()).filter(gone).collect()
    }

    #[test]
    fn the_longest_wait_ends_when_another_comes() {
        let mut door = Door::new();
        let mut guests: Vec<Guest> = (1..=4)
            .map(|n| door.knock(&format!("192.0.2.{n}")).unwrap())
            .collect();
        assert!(gone(&guests).is_empty());
        // The first is answered, and so has waited less than the second.
        let request = guests[0].seat.begin().unwrap();
        drop(request);
        guests[0].seat.flushed(door.now);
        guests.push(door.knock("192.0.2.5").unwrap());
        assert_eq!(gone(&guests), [1]);
        assert!(guests[1].seat.begin().is_none(), "its place is another's");
        guests.push(door.knock("192.0.2.6").unwrap());
        assert_eq!(gone(&guests), [1, 2]);
    }

    #[test]
    fn nobody_is_turned_out_at_once() {
        let mut door = Door::new();
        let guests: Vec<Guest> = (1..=4)
            .map(|n| door.knock(&format!("192.0.2.{n}")).unwrap())
            .collect();
        let crowd = door.crowd.clone();
        let busy = guests[0].seat.begin().unwrap();
        let start = door.now - Duration::from_secs(2);
        let knock = |now| {
            let leave = CancellationToken::new();
            crowd
                .lock()
                .admit("192.0.2.5".parse().unwrap(), now, &leave)
        };
        // The second came at `start`.
        let early = start + LEAST_WAIT / 2;
        assert_eq!(knock(early), Admission::Later(start + LEAST_WAIT));
        assert!(gone(&guests).is_empty());
        assert!(matches!(knock(start + LEAST_WAIT), Admission::In(_)));
        assert_eq!(gone(&guests), [1]);
        drop(busy);
    }

    #[test]
    fn a_request_under_way_keeps_its_place() {
        let mut door = Door::new();
        let guests: Vec<Guest> = (1..=4)
            .map(|n| door.knock(&format!("192.0.2.{n}")).unwrap())
            .collect();
        let mut requests: Vec<UnderWay> = guests.iter().map(|g| g.seat.begin().unwrap()).collect();
        assert!(door.knock("192.0.2.5").is_none());
        assert!(!guests[0].seat.dismiss());
        // Answered, but not sent yet.
        drop(requests.remove(0));
        assert!(door.knock("192.0.2.5").is_none());
        guests[0].seat.flushed(door.now);
        assert!(door.knock("192.0.2.5").is_some());
        assert_eq!(gone(&guests), [0]);
    }

    #[test]
    fn an_address_crowds_out_itself_only() {
        let mut door = Door::new();
        let mut guests = vec![door.knock("198.51.100.1").unwrap()];
        for _ in 0..10 {
            guests.push(door.knock("::ffff:192.0.2.1").unwrap());
        }
        assert_eq!(gone(&guests), [1, 2, 3, 4, 5, 6, 7, 8]);
        let requests: Vec<UnderWay> = guests[9..]
            .iter()
            .map(|g| g.seat.begin().unwrap())
            .collect();
        assert!(door.knock("192.0.2.1").is_none(), "both of its places work");
        assert!(door.knock("192.0.2.2").is_some());
        drop(requests);
    }

    #[test]
    fn an_ipv6_network_is_one_address_and_loopback_none() {
        let mut door = Door::new();
        let mut guests: Vec<Guest> = ["2001:db8::1", "2001:db8::2:0:0:1", "2001:db8::3"]
            .map(|ip| door.knock(ip).unwrap())
            .into();
        assert_eq!(gone(&guests), [0]);
        guests.clear();
        let local = ["127.0.0.1", "127.0.0.1", "::1", "::ffff:127.0.0.1"];
        guests.extend(local.map(|ip| door.knock(ip).unwrap()));
        assert!(gone(&guests).is_empty());
        guests.push(door.knock("127.0.0.1").unwrap());
        assert_eq!(gone(&guests), [0], "loopback fills the whole as well");
    }

    #[test]
    fn who_left_leaves_room() {
        let mut door = Door::new();
        for _ in 0..100 {
            drop(door.knock("192.0.2.1").unwrap());
        }
        assert!(door.crowd.lock().present.is_empty());
    }

    #[test]
    fn in_need_half_of_those_who_wait_leave() {
        let mut door = Door::new();
        let guests: Vec<Guest> = (1..=4)
            .map(|n| door.knock(&format!("192.0.2.{n}")).unwrap())
            .collect();
        let busy = guests[0].seat.begin().unwrap();
        door.crowd.lock().make_room();
        assert_eq!(gone(&guests), [1, 2]);
        door.crowd.lock().make_room();
        door.crowd.lock().make_room();
        assert_eq!(gone(&guests), [1, 2, 3]);
        drop(busy);
    }
}
