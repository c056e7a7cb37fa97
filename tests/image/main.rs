//! The image, as far as it can be proven without building it: the boards' fragments, the scripts, the units, the card made
//! of stand-in parts, and an update that is refused when it was altered. `buildroot/` and `board/` are what is tested.

mod card;
mod first_start;
mod fragments;
mod helper;
mod overlay;
mod scripts;
mod tryboot;
mod update;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where the repository is.
fn top() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// One of the image's scripts.
fn script(name: &str) -> Command {
    let mut command = Command::new(top().join("buildroot/scripts").join(name));
    // Debian keeps the makers of file systems where an ordinary user's path does not lead.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}

/// Runs it, whatever comes of it.
fn output(command: &mut Command) -> Output {
    let ran = command.output();
    ran.unwrap_or_else(|error| {
        panic!("{command:?}: {error}; `tests/setup.sh image` installs what is missing")
    })
}

/// Runs it; it must do what it was asked for. What it printed.
#[track_caller]
fn run(command: &mut Command) -> String {
    let out = output(command);
    let said = String::from_utf8_lossy(&out.stderr);
    let printed = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(
        out.status.success(),
        "{command:?}: {}\n{printed}{said}",
        out.status
    );
    printed
}

/// The boards there are.
fn boards() -> Vec<String> {
    let printed = run(script("config.sh").arg("--boards"));
    let boards: Vec<String> = printed.lines().map(str::to_owned).collect();
    assert!(boards.len() >= 4, "{boards:?}");
    boards
}

/// Writes a file, and the folders above it.
fn write(path: &Path, content: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}
