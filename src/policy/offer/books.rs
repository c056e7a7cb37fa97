//! The entries that hold the invariants: who holds what, and what is bound to whom.

use super::*;

impl Offer {
    pub(super) fn binding_mut(&mut self, peer: PeerKey, piece: u32) -> Option<&mut Binding> {
        let binding = self.pieces.get_mut(piece as usize)?.bound.as_mut()?;
        (binding.peer == peer).then_some(binding)
    }

    /// `peer` holds a piece; false when that was known, or nobody knows the peer.
    pub(super) fn hold(&mut self, peer: PeerKey, index: u32, now: Instant) -> bool {
        let Some(state) = self.peers.get_mut(&peer) else {
            return false;
        };
        if !state.has.insert(index) {
            return false;
        }
        state.waits_for.remove(&index);
        if state.doubted {
            return true;
        }
        let piece = &self.pieces[index as usize];
        if piece.sent_to != Some(peer) {
            state.progressed(now);
        }
        self.recount(index, 1, now);
        self.pool.remove(&index);
        if let Some(sender) = self.pieces[index as usize]
            .sent_to
            .filter(|sender| *sender != peer)
            && let Some(relayer) = self.peers.get_mut(&sender)
            && relayer.unrelayed.remove(&index)
        {
            relayer.relayed(
                self.piece_length,
                self.pieces[index as usize].entrusted,
                now,
            );
        }
        true
    }

    /// One holder of a piece more, or less.
    pub(super) fn recount(&mut self, index: u32, by: i32, now: Instant) {
        let piece = &mut self.pieces[index as usize];
        self.unheld -= u32::from(piece.holders == 0);
        piece.holders = piece.holders.saturating_add_signed(by);
        self.unheld += u32::from(piece.holders == 0);
        match piece.holders {
            1 => self.lonely.insert(index),
            _ => self.lonely.remove(&index),
        };
        if piece.holders <= 1 {
            piece.lonely_since = Some(now);
        }
    }

    /// A peer that wants none of what we announced holds it, or never will. It is taken to hold it when that is all
    /// it could lack, and others hold it too: a client that got such a piece from somebody else need not announce it
    /// to us (librqbit does not), and one that wants only some files lacks more than what we happened to announce.
    pub(super) fn infer(&mut self, peer: PeerKey, now: Instant) {
        let Some(state) = self.peers.get(&peer).filter(|p| p.uninterested) else {
            return;
        };
        let just_told = |at| now.saturating_duration_since(at) < HAVE_NOTICED_AFTER;
        if state.has.is_full() || state.announced_at.is_some_and(just_told) {
            return;
        }
        let lacks = |index: &u32| !state.has.has(*index);
        let mut lacked = (0..self.pieces.len() as u32).filter(lacks);
        let elsewhere =
            |index: u32| state.announced.has(index) && self.pieces[index as usize].holders > 0;
        if !lacked.all(elsewhere) {
            return;
        }
        let lacked: Vec<u32> = (0..self.pieces.len() as u32).filter(lacks).collect();
        for index in lacked {
            self.unbind(peer, index);
            self.hold(peer, index, now);
        }
    }

    /// Offers a free piece to a peer.
    pub(super) fn give(
        &mut self,
        peer: PeerKey,
        piece: u32,
        now: Instant,
        decisions: &mut Vec<Decision>,
    ) {
        self.bind(peer, piece, now);
        decisions.push(Decision::Offer { peer, piece });
    }

    /// How many pieces are bound to anybody.
    pub(super) fn bound(&self) -> usize {
        self.peers.values().map(|peer| peer.bound.len()).sum()
    }

    /// The peers of which this is true.
    pub(super) fn those(&self, which: impl Fn(&Peer) -> bool) -> Vec<PeerKey> {
        let these = self.peers.iter().filter(|(_, peer)| which(peer));
        these.map(|(key, _)| *key).collect()
    }

    pub(super) fn bind(&mut self, peer: PeerKey, index: u32, now: Instant) {
        self.pool.remove(&index);
        self.pieces[index as usize].bound = Some(Binding::new(peer, now));
        if let Some(state) = self.peers.get_mut(&peer) {
            state.announced.insert(index);
            state.announced_at = Some(now);
            state.bound.push(index);
        }
    }

    /// Ends the binding of `index` to `peer`, if there is one.
    pub(super) fn unbind(&mut self, peer: PeerKey, index: u32) {
        if self.binding_mut(peer, index).is_none() {
            return;
        }
        self.pieces[index as usize].bound = None;
        if let Some(state) = self.peers.get_mut(&peer) {
            state.bound.retain(|bound| *bound != index);
        }
        self.repool(index);
        self.due = true;
    }

    pub(super) fn repool(&mut self, index: u32) {
        if self.is_free(index) {
            self.pool.insert(index);
        }
    }

    pub(super) fn is_free(&self, index: u32) -> bool {
        let piece = &self.pieces[index as usize];
        piece.holders == 0 && piece.bound.is_none()
    }
}
