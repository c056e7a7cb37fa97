//! Pure deciders. Time is an argument; every decision carries its reason.

pub mod clock;
pub mod offer;
pub mod retire;
pub mod schedule;
pub mod unchoke;
