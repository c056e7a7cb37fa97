//! Pure deciders. Time is an argument; every decision carries its reason.

pub mod clock;
pub mod guard;
pub mod offer;
pub mod quota;
pub mod reach;
pub mod retire;
pub mod schedule;
pub mod unchoke;
pub mod upstream;
