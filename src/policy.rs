//! Pure deciders. Time is an argument; every decision carries its reason.

pub mod guard;
pub mod offer;
pub mod retire;
pub mod unchoke;
