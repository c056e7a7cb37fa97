//! The real mount helper, as root, on real file systems in loop devices: nothing on them changes, what is not to be had is
//! refused, and a thousand times of coming and going leave nothing behind.
//!
//! Loop devices are no drives that somebody plugged in: they are approved as built-in drives are, in the helper's own file.
//! udev's database is made by the tests, of what `blkid` says, for where they run there may be no udev. Everything is mounted
//! in a mount name space of the test's own.

#[path = "drives/bench.rs"]
mod bench;
#[path = "drives/cycles.rs"]
mod cycles;
#[path = "drives/hostile.rs"]
mod hostile;
#[path = "drives/unchanged.rs"]
mod unchanged;
