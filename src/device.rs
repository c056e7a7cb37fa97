//! Readings of the machine we run on.

pub mod descriptors;
pub mod heap;
pub mod network;
