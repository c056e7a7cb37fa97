//! The box as a device: its service and the image's overlay in a virtual machine, with sticks that are plugged and pulled,
//! and power that is cut. `make vm-test` runs these; they are left out elsewhere, since they need the guest that
//! `tests/vm/build.sh` makes, and take minutes.

#[path = "../common/mod.rs"]
mod common;

mod agent;
mod board;
mod card;
mod claim;
mod cuts;
mod disk;
mod emulator;
mod figures;
mod first;
mod forget;
mod format;
mod guest;
mod hang;
mod house;
mod lot;
mod machine;
mod mounts;
mod odd;
mod page_updates;
mod parts;
mod power;
mod press;
mod qmp;
mod recipe;
mod shares;
mod short;
mod stick;
mod sticks;
mod twin;
mod updates;
mod wire;
mod workshop;
