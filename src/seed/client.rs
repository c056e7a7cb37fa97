//! What clients are known to do, by the name in their peer id (BEP 20).

use std::time::Duration;

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

/// How long this peer may leave an offer unnoticed; zero where it is not known to leave any.
pub(super) fn reaction(peer_id: &[u8; 20]) -> Duration {
    match is_librqbit(peer_id) {
        true => LIBRQBIT_LOOKS_EVERY,
        false => Duration::ZERO,
    }
}

fn is_librqbit(peer_id: &[u8; 20]) -> bool {
    peer_id.starts_with(LIBRQBIT)
}
