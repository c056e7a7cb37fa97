//! The machine we run on: readings of it, whether it is well, who starts us again and is told that we live, and
//! forgetting everything.

pub mod announce;
pub mod boot_partition;
pub mod descriptors;
pub mod first_boot;
pub mod health;
pub mod heap;
pub mod network;
pub mod pulse;
pub mod reset;
pub mod supervisor;
