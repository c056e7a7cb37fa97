//! Who is connected to a listener, and who has to leave when it is full.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

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

    /// Lets a newcomer in, in place of another if need be: then that one's `leave` is cancelled. None when every place
    /// it could have is taken by a request under way.
    ///
    /// Looks at everybody, which at a thousand costs some microseconds, less than the connection itself.
    fn admit(&mut self, ip: IpAddr, now: Instant, leave: CancellationToken) -> Option<u64> {
        let origin = origin(ip);
        let kin = |present: &Present| origin.is_some() && present.origin == origin;
        let related = self.present.values().filter(|present| kin(present)).count();
        if related >= self.room.per_address {
            self.turn_out(kin)?;
        } else if self.present.len() >= self.room.connections {
            self.turn_out(|_| true)?;
        }
        let id = self.next;
        self.next += 1;
        let present = Present {
            origin,
            waiting_since: Some(now),
            leave,
        };
        self.present.insert(id, present);
        Some(id)
    }

    /// Turns out the one who has waited longest; none when nobody waits.
    fn turn_out(&mut self, among: impl Fn(&Present) -> bool) -> Option<()> {
        let waiting = self.present.iter().filter(|(_, present)| among(present));
        let waiting = waiting.filter_map(|(id, present)| Some((present.waiting_since?, *id)));
        let (_, id) = waiting.min()?;
        self.present.remove(&id)?.leave.cancel();
        Some(())
    }

    /// Turns out the one who has waited longest, if anybody waits: for when descriptors ran out.
    pub(super) fn make_room(&mut self) {
        self.turn_out(|_| true);
    }

    /// Whether it may: it may have been turned out already.
    fn begin(&mut self, id: u64) -> bool {
        let present = self.present.get_mut(&id);
        present
            .map(|present| present.waiting_since = None)
            .is_some()
    }

    fn end(&mut self, id: u64, now: Instant) {
        if let Some(present) = self.present.get_mut(&id) {
            present.waiting_since = Some(now);
        }
    }

    /// Whether it left because it had no request under way.
    fn dismiss(&mut self, id: u64) -> bool {
        let waits = |present: &Present| present.waiting_since.is_some();
        self.present.get(&id).is_none_or(waits) && {
            self.present.remove(&id);
            true
        }
    }
}

/// A place in the crowd; given up when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    crowd: Arc<Mutex<Crowd>>,
    id: u64,
    /// Requests ever begun.
    begun: AtomicUsize,
    /// Requests begun, and answered to the last byte as far as hyper has it.
    answered: AtomicUsize,
    /// Of these, sent.
    sent: AtomicUsize,
}

impl Seat {
    /// See [`Crowd::admit`].
    pub(super) fn take(
        crowd: &Arc<Mutex<Crowd>>,
        ip: IpAddr,
        now: Instant,
        leave: CancellationToken,
    ) -> Option<Arc<Self>> {
        let id = crowd.lock().admit(ip, now, leave)?;
        Some(Arc::new(Self {
            crowd: crowd.clone(),
            id,
            begun: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            sent: AtomicUsize::new(0),
        }))
    }

    /// A request begins, and is under way until what is returned is dropped and everything was [`Seat::flushed`]. None
    /// when the place was given to another meanwhile.
    pub(super) fn begin(self: &Arc<Self>) -> Option<UnderWay> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let stays = self.crowd.lock().begin(self.id);
        stays.then(|| UnderWay(self.clone()))
    }

    /// Nothing is left to be written. All calls for one connection come from its one task, so that the counts are in
    /// order.
    pub(super) fn flushed(&self, now: Instant) {
        let answered = self.answered.load(Ordering::Relaxed);
        let sent = self.sent.swap(answered, Ordering::Relaxed);
        if sent != answered && !self.is_under_way() {
            self.crowd.lock().end(self.id, now);
        }
    }

    /// Whether a request is being read, carried out or answered.
    pub(super) fn is_under_way(&self) -> bool {
        self.begun.load(Ordering::Relaxed) != self.sent.load(Ordering::Relaxed)
    }

    /// Requests ever begun.
    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    /// Gives the place up if no request is under way, and says whether it did.
    pub(super) fn dismiss(&self) -> bool {
        self.crowd.lock().dismiss(self.id)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.crowd.lock().present.remove(&self.id);
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Seat>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.answered.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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
            let seat = Seat::take(&self.crowd, ip.parse().unwrap(), self.now, leave.clone())?;
            Some(Guest { seat, leave })
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
    fn a_pipelined_request_is_under_way_when_the_one_before_is_sent() {
        let mut door = Door::new();
        let guest = door.knock("192.0.2.1").unwrap();
        let first = guest.seat.begin().unwrap();
        drop(first);
        let second = guest.seat.begin().unwrap();
        guest.seat.flushed(door.now);
        assert!(guest.seat.is_under_way());
        assert!(!guest.seat.dismiss());
        drop(second);
        guest.seat.flushed(door.now);
        assert!(!guest.seat.is_under_way());
        assert!(guest.seat.dismiss());
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
        let guest = door.knock("192.0.2.1").unwrap();
        door.crowd.lock().make_room();
        assert!(guest.leave.is_cancelled());
    }
}
