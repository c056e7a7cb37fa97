//! What clients do, each kind of them a type. A method's default is what a plain, well-behaved leecher does.

use std::fmt::Debug;
use std::time::Duration;

use semoir::policy::offer;

use super::clock::{Nanos, SECOND};

/// What a peer says it holds beside the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    Nothing,
    /// Everything, from the start.
    All,
    /// One more piece every second.
    MoreAndMore,
}

pub trait Habits: Debug {
    /// Whether it is to have everything in the end.
    fn deserves_all(&self) -> bool {
        true
    }
    /// Upload slots, the optimistic one included.
    fn slots(&self) -> usize {
        5
    }
    /// How long after the handshake it begins to want anything.
    fn begins_after(&self) -> Nanos {
        0
    }
    /// Whether a HAVE of the origin makes it ask when it was interested before.
    fn have_wakes(&self) -> bool {
        true
    }
    /// Where nothing wakes it, how often it looks for pieces once it found none.
    fn looks_every(&self) -> Option<Nanos> {
        None
    }
    /// What the engine knows of it by its peer id.
    fn known(&self) -> offer::Habits {
        offer::Habits::default()
    }
    /// Whether it takes a piece from one neighbour only, in the order of the content, unless another would be much
    /// quicker.
    fn whole_pieces_in_order(&self) -> bool {
        false
    }
    /// Requests under way to one neighbour; `None`: as many as are answered in a while.
    fn depth(&self) -> Option<usize> {
        None
    }
    /// How long it waits for a block before it asks somebody else; `None`: for ever, and a CHOKE ends no wait.
    fn patience(&self) -> Option<Nanos> {
        Some(20 * SECOND)
    }
    /// Whether it says NOT INTERESTED as soon as it holds all that was announced to it.
    fn loses_interest(&self) -> bool {
        true
    }
    /// Whether it announces pieces to those who announced them to it.
    fn tells_holders(&self) -> bool {
        true
    }
    /// Whether it announces anything.
    fn announces(&self) -> bool {
        true
    }
    /// Whether it gives what it has.
    fn serves(&self) -> bool {
        true
    }
    /// Whether it asks for anything.
    fn asks(&self) -> bool {
        true
    }
    /// Whether what it asks of a neighbour waits behind the block that is on its way to him.
    fn asks_after_blocks(&self) -> bool {
        false
    }
    fn claims(&self) -> Claim {
        Claim::Nothing
    }
    /// Whether it leaves for good once it holds so many.
    fn leaves_with(&self, _held: u32, _of: u32) -> bool {
        false
    }
    /// How soon it dials the origin again, if it hangs up on it after each piece it gave.
    fn redials_after(&self) -> Option<Nanos> {
        None
    }
    /// How long it stays in the swarm and how long away from it, about; `None` when it stays.
    fn comes_and_goes(&self) -> Option<(Nanos, Nanos)> {
        None
    }
}

macro_rules! habits {
    ($(#[$doc:meta])* $name:ident { $($body:item)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;
        impl Habits for $name { $($body)* }
    };
}

habits! {
    /// Rarest first, tit for tat, four slots and an optimistic one.
    Standard {}
}

habits! {
    /// As libtorrent 2 with an upload limit: it begins a second after the handshake, since a fresh session's limiter lets
    /// something out every half second only, and first no more than it was asked for first: the six bytes that begin its
    /// extended handshake. A HAVE alone does not make it ask for more when it is interested already; an UNCHOKE does, also
    /// one that changes nothing.
    Libtorrent {
        fn slots(&self) -> usize { 8 }
        fn begins_after(&self) -> Nanos { SECOND }
        fn have_wakes(&self) -> bool { false }
    }
}

habits! {
    /// As librqbit 9: whole pieces in the order of the content, a look for more every five seconds, requests that
    /// stand for ever, and everybody unchoked.
    Librqbit {
        fn slots(&self) -> usize { usize::MAX }
        fn looks_every(&self) -> Option<Nanos> { Some(5 * SECOND) }
        fn known(&self) -> offer::Habits {
            offer::Habits { looks_every: Duration::from_secs(5), keeps_requests: true }
        }
        fn have_wakes(&self) -> bool { false }
        fn whole_pieces_in_order(&self) -> bool { true }
        fn depth(&self) -> Option<usize> { Some(128) }
        fn patience(&self) -> Option<Nanos> { None }
        fn loses_interest(&self) -> bool { false }
        fn tells_holders(&self) -> bool { false }
    }
}

habits! {
    /// It announces nothing to those who hold a piece already, the origin among them.
    Tactful {
        fn tells_holders(&self) -> bool { false }
    }
}

habits! {
    /// It leaves for good once it has half.
    Leaver {
        fn deserves_all(&self) -> bool { false }
        fn leaves_with(&self, held: u32, of: u32) -> bool { held * 2 >= of }
    }
}

habits! {
    /// It leaves for good once it has everything.
    Ingrate {
        fn leaves_with(&self, held: u32, of: u32) -> bool { held == of }
    }
}

habits! {
    /// It takes, and gives nothing.
    NeverRelays {
        fn serves(&self) -> bool { false }
    }
}

habits! {
    /// As libtorrent with an upload limit of next to nothing: it unchokes everybody, takes all requests, and lets them stand;
    /// with next to nothing for each connection, its own requests to others stand behind the block that it sends them.
    Tarpit {
        fn slots(&self) -> usize { usize::MAX }
        fn begins_after(&self) -> Nanos { SECOND }
        fn have_wakes(&self) -> bool { false }
        fn asks_after_blocks(&self) -> bool { true }
    }
}

habits! {
    /// It hangs up on the origin after each piece, and dials it again at once.
    HangsUp {
        fn redials_after(&self) -> Option<Nanos> { Some(SECOND / 2) }
    }
}

habits! {
    /// It claims one piece after the other that it does not hold.
    Boaster {
        fn deserves_all(&self) -> bool { false }
        fn serves(&self) -> bool { false }
        fn claims(&self) -> Claim { Claim::MoreAndMore }
    }
}

habits! {
    /// It never announces a piece.
    Mute {
        fn announces(&self) -> bool { false }
    }
}

habits! {
    /// It claims to hold everything, and lets nobody ask.
    FakeSeed {
        fn deserves_all(&self) -> bool { false }
        fn slots(&self) -> usize { 0 }
        fn serves(&self) -> bool { false }
        fn asks(&self) -> bool { false }
        fn claims(&self) -> Claim { Claim::All }
    }
}

habits! {
    /// It listens to offers and never asks.
    NeverAsks {
        fn deserves_all(&self) -> bool { false }
        fn asks(&self) -> bool { false }
    }
}

habits! {
    /// It is away half of the time.
    Restless {
        fn comes_and_goes(&self) -> Option<(Nanos, Nanos)> { Some((15 * SECOND, 10 * SECOND)) }
    }
}
