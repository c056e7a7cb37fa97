//! The machine we run on: readings of it, whether it is well, who starts us again and is told that we live, forgetting
//! everything; and where it is a whole system of ours: its first start, its journals, its updates, and the helper that changes
//! it as root.

pub mod announce;
pub mod boot_partition;
pub mod descriptors;
pub mod first_boot;
pub mod health;
pub mod heap;
pub mod journals;
pub mod network;
pub mod pulse;
pub mod reset;
pub mod running;
pub mod supervisor;
pub mod system;
pub mod update;
