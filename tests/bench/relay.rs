//! Two namespaces, far apart.
//!
//!     relay SPACE DEVICE SPACE DEVICE MICROSECONDS
//!
//! SPACE is a namespace's file (/proc/PID/ns/net). Prints `up` once both devices are there, and runs until it is killed.

use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

#[path = "../common/relay.rs"]
mod relay;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [near_space, near, far_space, far, delay] = &arguments[..] else {
        return Err("relay SPACE DEVICE SPACE DEVICE MICROSECONDS".into());
    };
    let delay = Duration::from_micros(delay.parse()?);
    let (near_space, far_space) = (Path::new(near_space), Path::new(far_space));
    relay::lay((near_space, near), (far_space, far), delay)?;
    println!("up");
    io::stdout().flush()?;
    loop {
        thread::park();
    }
}
