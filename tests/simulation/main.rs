//! A swarm in one process: the real `seed::swarm`, policies and shaper against simulated peers.
//!
//! Nothing here knows a socket or the machine's clock: time is a number, everything that happens waits in one
//! [`clock::Agenda`], and chance comes from one seeded generator, so that a run with the same seed is the same run. Peers
//! are leechers with a [`line::Line`] and [`habits`]; they trade with one another block by block, and meet the origin
//! as the engine's driver would have it ([`origin`]). What the origin does is held against its promises all the time
//! ([`watch`]); what came of it is an [`outcome::Outcome`].

mod clock;
mod crowd;
mod fetch;
mod goals;
mod habits;
mod hostile;
mod line;
mod origin;
mod outcome;
mod peer;
mod picker;
mod pieces;
mod properties;
mod scenario;
mod trade;
mod watch;
mod world;
