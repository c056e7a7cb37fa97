//! What clients are known to do, by the name in their peer id (BEP 20).

use std::time::Duration;

use crate::policy::offer::Habits;

/// How often we say something, so that the peer does not hang up: BEP 3 says two minutes.
const KEEPALIVE: Duration = Duration::from_secs(100);

/// librqbit's peer ids begin with this.
const LIBRQBIT: &[u8] = b"-rQ";
/// It hangs up after ten seconds of silence.
const LIBRQBIT_KEEPALIVE: Duration = Duration::from_secs(6);
/// It looks for pieces to ask for when it connects, and once it found none only every five seconds: no HAVE wakes it.
const LIBRQBIT_LOOKS_EVERY: Duration = Duration::from_secs(5);

/// How often we say something to this peer, at least.
pub(super) fn keepalive(peer_id: &[u8; 20]) -> Duration {
    match is_librqbit(peer_id) {
        true => LIBRQBIT_KEEPALIVE,
        false => KEEPALIVE,
    }
}

/// What this peer's client is known to do with offers and requests.
pub(super) fn habits(peer_id: &[u8; 20]) -> Habits {
    match is_librqbit(peer_id) {
        true => Habits {
            looks_every: LIBRQBIT_LOOKS_EVERY,
            keeps_requests: true,
        },
        false => Habits::default(),
    }
}

/// Whether this peer's client announces to us what it gets. librqbit announces nothing to who sent it no bitfield, and we
/// send nobody one.
pub(super) fn announces(peer_id: &[u8; 20]) -> bool {
    !is_librqbit(peer_id)
}

fn is_librqbit(peer_id: &[u8; 20]) -> bool {
    peer_id.starts_with(LIBRQBIT)
}
