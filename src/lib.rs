//! Semoir gives files away over BitTorrent and spends its owner's upstream only on the first copies.
//!
//! # Layout
//!
//! One sentence of data flow, which [`app`] spells out as code: a source appears ([`intake`]) → a release is
//! catalogued ([`store`]) → hashed ([`metainfo`]) → seeded ([`seed`]) → the swarm is observed ([`seed`],
//! [`tracker`]) → [`policy`] decides → [`seed`] spreads, supports, retires or wakes.
//!
//! - [`base`]: units, identifiers, what a release consists of, kinds of error. Imports nothing.
//! - [`config`]: what the daemon needs before its database is open: paths, ports, flags.
//! - [`telemetry`]: logs to journald, or to stderr where there is none; figures for monitoring programs.
//! - [`store`]: SQLite; every table commented, one upgrade per version, one file per aggregate.
//! - [`policy`]: pure deciders: offer, unchoke, retire; and what may leave at all: schedule, quota, upstream.
//! - [`intake`]: where releases come from: folders, drives, network shares, uploads; and the helper that mounts, as root.
//! - [`metainfo`]: from files to torrents: listing, piece length, hashing, `.torrent` and magnet writing.
//! - [`seed`]: the origin engine: a sans-IO swarm, and the sockets, shaper and reader around it.
//! - [`tracker`]: the embedded tracker: a sans-IO swarm table behind HTTP and UDP.
//! - [`publish`]: the public, read-only pages and files.
//! - [`device`]: readings of the machine we run on, who starts us again, and the factory reset; updates of the whole system,
//!   and the helper that makes them, as root.
//! - [`admin`]: the owner's API and page.
//! - [`app`]: the conductor.
//! - [`cli`]: the commands of the `semoir` binary, which put the rooms together.
//!
//! The stations (`intake`, `metainfo`, `seed`, `tracker`, `device`) never import one another;
//! `tests/architecture.rs` holds them to it.

pub mod admin;
pub mod app;
pub mod base;
pub mod cli;
pub mod config;
pub mod device;
pub mod intake;
pub mod metainfo;
pub mod policy;
pub mod publish;
pub mod seed;
pub mod store;
pub mod telemetry;
pub mod tracker;
