//! Telling peers of one another (BEP 11), so that they relay instead of asking us.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Action, Swarm};
use crate::base::PeerKey;
use crate::seed::near::may_name;
use crate::seed::wire::{MAX_PEX_ADDRESSES, Said};

/// BEP 11: at most one message a minute.
const PEX_EVERY: Duration = Duration::from_secs(60);
/// What comes sooner than this after a peer's last message is not looked at: a minute, less what a timer or a line may be
/// off. Else one peer alone names as many as it likes.
const HEARD_EVERY: Duration = Duration::from_secs(45);
/// Addresses of connected peers that one peer is told of. Clients hold about as many connections in a swarm and hear of
/// others from one another; remembering 500 for each of 500 would take more memory than all else a swarm knows.
const MAX_TOLD: usize = 100;

impl Swarm {
    /// A peer named others. Of these it can know those who are as far from us as it is itself, or further.
    pub(super) fn named(&mut self, key: PeerKey, mut named: Vec<(SocketAddr, bool)>, now: Instant) {
        let Some(peer) = self.peers.get_mut(&key).filter(|_| !self.torrent.private) else {
            return;
        };
        let just_now = |at| now.saturating_duration_since(at) < HEARD_EVERY;
        if peer.named_at.is_some_and(just_now) {
            return;
        }
        peer.named_at = Some(now);
        named.retain(|(addr, _)| may_name(peer.addr.ip(), addr.ip()));
        if !named.is_empty() {
            self.actions.push_back(Action::Met(named));
        }
    }

    /// Sends each peer what changed since it was told last.
    pub(super) fn share_addresses(&mut self, now: Instant) {
        if self.torrent.private || self.peers.len() < 2 {
            return;
        }
        let due: Vec<(PeerKey, u8)> = self
            .peers
            .iter()
            .filter(|(_, peer)| {
                peer.told_at
                    .is_none_or(|at| now.saturating_duration_since(at) >= PEX_EVERY)
            })
            .filter_map(|(key, peer)| Some((*key, peer.hello.as_ref()?.pex_id?)))
            .collect();
        if due.is_empty() {
            return;
        }
        let known: Vec<(PeerKey, SocketAddr)> = self
            .peers
            .iter()
            .filter_map(|(key, peer)| Some((*key, peer.listens?)))
            .collect();
        let present: BTreeSet<SocketAddr> = known.iter().map(|(_, addr)| *addr).collect();
        for (key, id) in due {
            let Some(peer) = self.peers.get_mut(&key) else {
                continue;
            };
            let itself = peer.listens;
            let dropped: Vec<SocketAddr> = peer.told.difference(&present).copied().collect();
            let room = MAX_TOLD.saturating_sub(peer.told.len() - dropped.len());
            // From those after it on, so that not everybody is told of the same few.
            let after = known.partition_point(|(other, _)| *other <= key);
            let others = known[after..].iter().chain(&known[..after]);
            let added: Vec<(SocketAddr, bool)> = others
                .filter(|(_, addr)| Some(*addr) != itself && !peer.told.contains(addr))
                .take(MAX_PEX_ADDRESSES.min(room))
                .map(|(key, addr)| (*addr, self.offer.is_complete(*key)))
                .collect();
            if added.is_empty() && dropped.is_empty() {
                continue;
            }
            dropped.iter().for_each(|addr| {
                peer.told.remove(addr);
            });
            peer.told.extend(added.iter().map(|(addr, _)| *addr));
            peer.told_at = Some(now);
            self.say(key, Said::Peers { id, added, dropped });
        }
    }
}
