//! The origin engine: a sans-IO swarm, and the sockets, shaper and reader around it.

pub mod announce;
pub mod discovery;
pub mod found;
