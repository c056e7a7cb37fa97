//! Shared support of the black-box tests: trees of content, real clients, the program under test, a small tracker
//! and a peer that misbehaves. Nothing here uses the library's own rooms: what is tested is what a user meets.

// Every test binary uses its own part of this.
#![allow(dead_code)]

pub mod appliance;
pub mod clients;
pub mod content;
pub mod daemon;
pub mod house;
pub mod http;
pub mod hungry;
pub mod net;
pub mod origin;
pub mod owner;
pub mod proc;
pub mod relay;
pub mod sick;
pub mod siege;
pub mod space;
pub mod torrent;
pub mod tracker;
pub mod wait;
pub mod wire;
