//! The origin engine: a sans-IO swarm, and the sockets, shaper and reader around it.
//!
//! [`swarm`] decides everything that one torrent's peers see; it owns no socket and no clock. [`engine`] is the one
//! task that feeds every swarm with what connections hear and writes what the swarms want said. Bytes leave through
//! the [`shaper`]; files are read by the [`reader`]. Peers are found by [`announce`] (trackers) and [`discovery`]
//! (DHT, the local network).

pub mod announce;
mod client;
mod connection;
mod dial;
pub mod discovery;
pub mod engine;
pub mod found;
mod listener;
mod near;
mod outside;
pub mod reader;
pub mod shaper;
pub mod sightings;
mod socket;
pub mod swarm;
pub mod torrent;
pub mod wire;

pub use engine::{Engine, EngineConfig, EngineError};
pub use found::{Found, Observation, Witness};
pub use outside::Seen;
pub use sightings::{Census, Sightings};
pub use swarm::Swarm;
pub use torrent::Torrent;
