//! What peers do, and what follows for what is known of them.

use super::*;

impl Offer {
    /// A peer finished its handshake. It holds nothing until it says so.
    pub fn joined(&mut self, peer: PeerKey, habits: Habits, now: Instant) {
        self.peers
            .insert(peer, Peer::new(self.pieces.len() as u32, habits, now));
        self.hungry_since.get_or_insert(now);
        self.due = true;
    }

    /// A peer is gone, and what was bound to it is free again.
    pub fn left(&mut self, peer: PeerKey, now: Instant) {
        let Some(gone) = self.peers.remove(&peer) else {
            return;
        };
        for piece in gone.bound {
            self.pieces[piece as usize].bound = None;
            self.repool(piece);
        }
        self.due = true;
        if gone.doubted {
            return;
        }
        if gone.has.is_full() {
            self.ghosts.push(now);
        }
        for index in gone.has.iter() {
            self.recount(index, -1, now);
            if self.is_free(index) {
                self.missed.insert(index, now);
            }
        }
    }

    /// A peer sent its BITFIELD.
    pub fn bitfield(&mut self, peer: PeerKey, bits: &Bits, now: Instant) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.came_complete |= bits.is_full();
        }
        for piece in bits.iter() {
            self.unbind(peer, piece);
            self.hold(peer, piece, now);
        }
        self.infer(peer, now);
    }

    /// A peer announced a piece. Returns false for a piece the torrent does not have.
    pub fn have(&mut self, peer: PeerKey, piece: u32, now: Instant) -> bool {
        if piece as usize >= self.pieces.len() {
            return false;
        }
        self.unbind(peer, piece);
        self.bear_witness(peer, piece, now);
        self.vouch(peer, piece);
        let state = &mut self.pieces[piece as usize];
        state.unexplained = state.sent_to.is_none() && state.holders == 0;
        if self.hold(peer, piece, now) && self.pieces[piece as usize].sent_to != Some(peer) {
            self.traded.add(self.piece_length, now);
        }
        self.infer(peer, now);
        true
    }

    /// A peer wants something of what was announced to it.
    pub fn interested(&mut self, peer: PeerKey) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.uninterested = false;
            state.wants_nothing = false;
            self.due = true;
        }
    }

    /// A peer wants nothing of what was announced to it.
    pub fn not_interested(&mut self, peer: PeerKey, now: Instant) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.uninterested = true;
        }
        self.infer(peer, now);
    }

    /// A peer says whether it wants nothing from anybody (BEP 21), and is offered nothing then. Its owner may choose more
    /// files later.
    pub fn wants_nothing(&mut self, peer: PeerKey, nothing: bool) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.wants_nothing = nothing;
            self.due = true;
        }
    }

    /// A peer asked for a block of `piece`.
    pub fn requested(&mut self, peer: PeerKey, piece: u32, now: Instant) {
        // Who asks wants something, whatever it said before.
        if let Some(state) = self.peers.get_mut(&peer) {
            state.uninterested = false;
        }
        self.bind_again(peer, piece, now);
        // Who is not answered does not keep a piece from others by asking.
        if self.binding_mut(peer, piece).is_none() || !self.may_serve(peer, piece) {
            return;
        }
        let pieces = &self.pieces;
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        // Its offers count with those of the others who ask, and leave room among the strangers'.
        self.due |= !state.asks;
        state.asks = true;
        let bindings = || {
            let bound = state.bound.iter();
            bound.filter_map(|index| pieces[*index as usize].bound.as_ref())
        };
        // While it waits for what it asked for, how long it leaves the next offer alone says nothing.
        let waits = bindings().any(|binding| binding.asked.is_some());
        let oldest = bindings().map(|binding| binding.since).min();
        if let (false, Some(offered)) = (waits, oldest) {
            state.reacted(now.saturating_duration_since(offered), now);
        }
        if let Some(binding) = self.binding_mut(peer, piece) {
            binding.asked.get_or_insert(now);
            binding.touched = now;
        }
    }

    /// A peer may have asked again for a piece it was offered once: what was taken back, no client can know. Where nobody
    /// else has or is to get it, it is bound to this one again.
    fn bind_again(&mut self, peer: PeerKey, piece: u32, now: Instant) {
        let again = |state: &Peer| {
            state.announced.has(piece)
                && !state.has.has(piece)
                && !state.had_twice(piece, self.piece_length)
                && state.bound.len() < MIN_LOOK_AHEAD
                && self.pool.contains(&piece)
        };
        if !self.first_copy_is_out() && self.peers.get(&peer).is_some_and(again) {
            self.bind(peer, piece, now);
        }
    }

    /// Blocks of `piece` that `peer` asked for wait for us, and not for its own line.
    pub fn delayed(&mut self, peer: PeerKey, piece: u32, now: Instant) {
        if let Some(binding) = self.binding_mut(peer, piece) {
            binding.touched = now;
        }
    }

    /// `peer` forgot what it asked for: we choked it.
    pub fn waits_for_nothing(&mut self, peer: PeerKey) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.waits_for.clear();
        }
    }

    /// `peer` asked for `piece`, which it may not have now, and goes on waiting for it.
    pub fn waits(&mut self, peer: PeerKey, piece: u32) {
        if let Some(state) = self.peers.get_mut(&peer)
            && state.announced.has(piece)
            && !state.has.has(piece)
        {
            state.waits_for.insert(piece);
        }
    }

    /// The block of `piece` at `begin`, `bytes` long, was written to `peer`; the piece has `length` bytes.
    pub fn sent(
        &mut self,
        peer: PeerKey,
        piece: u32,
        (begin, bytes): (u32, u32),
        length: u32,
        now: Instant,
    ) {
        if let Some(state) = self.peers.get_mut(&peer) {
            *state.written.entry(piece).or_default() += u64::from(bytes);
        }
        let Some(binding) = self.binding_mut(peer, piece) else {
            return;
        };
        let started = *binding.started.get_or_insert(now);
        if !binding.blocks.insert(begin) {
            return;
        }
        binding.touched = now;
        binding.bytes += bytes;
        if binding.bytes < length {
            return;
        }
        self.unbind(peer, piece);
        let entry = &mut self.pieces[piece as usize];
        // Of what several hold, nobody can tell who relays it.
        let entrusted = entry.holders <= 1;
        (entry.sent_to, entry.entrusted) = (Some(peer), entrusted);
        if let Some(state) = self.peers.get_mut(&peer) {
            state.received += 1;
            state.ignored = state.ignored.saturating_sub(1);
            state.unrelayed.insert(piece);
            state.entrusted += u32::from(entrusted);
            state.served(length.into(), now.saturating_duration_since(started));
        }
        // Many clients do not announce a piece to those who offered it (they know we have it), so what was
        // written whole counts as held; a peer whose copy broke asks again, and `may_serve` lets it.
        self.hold(peer, piece, now);
    }
}
