//! The commands of the `semoir` binary, which put the rooms together.

pub mod create;
