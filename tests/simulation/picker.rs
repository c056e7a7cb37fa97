//! Which block a leecher asks for next.

use super::clock::Nanos;
use super::pieces::{Set, Shape};

/// A neighbour, by its number; or [`ORIGIN`].
pub type Source = usize;
/// The origin among a leecher's neighbours.
pub const ORIGIN: Source = usize::MAX;

/// A block: the piece, and which of its blocks.
pub type Part = (u32, u32);

/// A piece under way. Bits are its blocks.
#[derive(Debug)]
struct Partial {
    piece: u32,
    got: u64,
    asked: u64,
    /// Asked of a second neighbour as well.
    twice: u64,
    /// Who gives it, for clients that take whole pieces, and since when.
    owner: Option<Source>,
    since: Nanos,
}

/// What a leecher holds, and what it asked for.
#[derive(Debug, Default)]
pub struct Store {
    pub have: Set,
    started: Set,
    partials: Vec<Partial>,
    /// How many neighbours hold each piece, as far as they said.
    pub seen: Vec<u16>,
    whole: u64,
}

/// What a neighbour can give, as the picker sees it.
pub struct Offer<'a> {
    pub source: Source,
    pub holds: &'a Set,
    /// Blocks asked of it already.
    pub asked: &'a [Part],
    /// The time it takes for a piece, once it gave one.
    pub pace: Option<Nanos>,
}

/// How much slower than a neighbour's pace another must be for its piece to be taken over.
const TAKE_OVER: u64 = 3;

/// A block to be asked for.
#[derive(Debug)]
pub struct Pick {
    pub part: Part,
    /// Who was to give this piece before, when it is taken over.
    pub taken_from: Option<Source>,
}

impl Store {
    pub fn new(shape: Shape) -> Self {
        Self {
            have: Set::new(shape.pieces),
            started: Set::new(shape.pieces),
            partials: Vec::new(),
            seen: vec![0; shape.pieces as usize],
            whole: shape.whole(),
        }
    }

    /// The next block to ask `from` for. `dice` is any number: it decides between pieces that are equally rare.
    pub fn pick(&mut self, from: &Offer, alone: bool, dice: u32, now: Nanos) -> Option<Pick> {
        let free = |p: &&mut Partial| {
            let mine = !alone || p.owner.is_none_or(|owner| owner == from.source);
            mine && (p.got | p.asked) != self.whole && from.holds.has(p.piece)
        };
        if let Some(partial) = self.partials.iter_mut().find(free) {
            partial.owner = Some(from.source);
            return Some(Pick::fresh(partial));
        }
        if let Some(piece) = self.choose(from.holds, alone, dice) {
            self.started.insert(piece);
            let mut partial = Partial::new(piece);
            partial.owner = Some(from.source);
            partial.since = now;
            let pick = Pick::fresh(&mut partial);
            self.partials.push(partial);
            return Some(pick);
        }
        match alone {
            true => self.take_over(from, now),
            false => self.again(from),
        }
    }

    fn choose(&self, holds: &Set, in_order: bool, dice: u32) -> Option<u32> {
        let mut fresh = holds.without([&self.have, &self.started]);
        if in_order {
            return fresh.next();
        }
        fresh.min_by_key(|piece| {
            let mixed = (piece ^ dice).wrapping_mul(0x9E37_79B9);
            (self.seen[*piece as usize], mixed)
        })
    }

    /// A piece that somebody much slower was to give.
    fn take_over(&mut self, from: &Offer, now: Nanos) -> Option<Pick> {
        let late = TAKE_OVER * from.pace?;
        let partial = self.partials.iter_mut().find(|p| {
            p.owner != Some(from.source) && from.holds.has(p.piece) && now - p.since > late
        })?;
        partial.asked = 0;
        partial.since = now;
        let taken_from = partial.owner.replace(from.source);
        Some(Pick {
            taken_from,
            ..Pick::fresh(partial)
        })
    }

    /// At the end, when everything lacking is asked for: a block that only one other was asked for.
    fn again(&mut self, from: &Offer) -> Option<Pick> {
        let lacking = self.seen.len() as u32 - self.have.count();
        if self.partials.len() as u32 != lacking {
            return None;
        }
        for partial in &mut self.partials {
            if (partial.got | partial.asked) != self.whole {
                return None;
            }
        }
        for partial in self.partials.iter_mut().filter(|p| from.holds.has(p.piece)) {
            let mut open = self.whole & !partial.got & !partial.twice;
            while open != 0 {
                let block = open.trailing_zeros();
                open &= open - 1;
                if !from.asked.contains(&(partial.piece, block)) {
                    partial.twice |= 1 << block;
                    return Some(Pick {
                        part: (partial.piece, block),
                        taken_from: None,
                    });
                }
            }
        }
        None
    }

    /// A neighbour that was asked for a block will not give it.
    pub fn unask(&mut self, (piece, block): Part) {
        let Some(partial) = self.partials.iter_mut().find(|p| p.piece == piece) else {
            return;
        };
        let bit = 1 << block;
        match partial.twice & bit {
            0 => partial.asked &= !bit,
            _ => partial.twice &= !bit,
        }
        partial.owner = None;
    }

    /// A block came.
    pub fn got(&mut self, (piece, block): Part, now: Nanos) -> Got {
        if self.have.has(piece) {
            return Got::Useless;
        }
        let at = self.partials.iter().position(|p| p.piece == piece);
        let at = at.unwrap_or_else(|| {
            self.started.insert(piece);
            let mut partial = Partial::new(piece);
            partial.since = now;
            self.partials.push(partial);
            self.partials.len() - 1
        });
        let partial = &mut self.partials[at];
        let bit = 1 << block;
        if partial.got & bit != 0 {
            return Got::Useless;
        }
        partial.got |= bit;
        if partial.got != self.whole {
            return Got::Block {
                elsewhere: partial.twice & bit != 0,
            };
        }
        let elsewhere = partial.twice & bit != 0;
        let took = now - partial.since;
        self.partials.remove(at);
        self.started.remove(piece);
        self.have.insert(piece);
        Got::Piece { elsewhere, took }
    }
}

/// What a block that came was good for.
#[derive(Debug)]
pub enum Got {
    /// It was here already.
    Useless,
    /// `elsewhere`: another neighbour was asked for it too.
    Block { elsewhere: bool },
    /// It made a piece whole, `took` after the piece was begun.
    Piece { elsewhere: bool, took: Nanos },
}

impl Partial {
    fn new(piece: u32) -> Self {
        Self {
            piece,
            got: 0,
            asked: 0,
            twice: 0,
            owner: None,
            since: 0,
        }
    }
}

impl Pick {
    fn fresh(partial: &mut Partial) -> Self {
        let block = (partial.got | partial.asked).trailing_ones();
        partial.asked |= 1 << block;
        Self {
            part: (partial.piece, block),
            taken_from: None,
        }
    }
}
