//! The machine we run on: readings of it, whether it is well, who starts us again, and forgetting everything.

pub mod descriptors;
pub mod health;
pub mod heap;
pub mod network;
pub mod reset;
pub mod supervisor;
