//! Makes the sticks, in a guest, once: the kernels of the machines that run the tests cannot write half of the file
//! systems. They are kept below `target/vm`, with the SHA-256 of each, and tests work on copies.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::lot::Lot;
use super::machine::{Hardware, Machine};
use super::parts::{Parts, run};
use super::recipe::Recipe;
use super::stick::Film;

/// The folder of the finished sticks, which are made when they are not there.
pub fn sticks() -> PathBuf {
    let vm = Parts::folder();
    // Of other tests that run now, one makes them and the others wait.
    let lock = File::create(vm.join("sticks.lock")).expect("a file can be made");
    lock.lock().expect("a file can be locked");
    let made = vm.join("sticks");
    let of = made_of(&vm);
    if fs::read_to_string(made.join("made-of")).is_ok_and(|is| is == of) {
        return made;
    }
    let new = vm.join("sticks.new");
    for stale in [&made, &new] {
        let _ = fs::remove_dir_all(stale);
    }
    fs::create_dir_all(&new).expect("a folder can be made");
    make(&new);
    fs::write(new.join("made-of"), of).expect("a file can be written");
    fs::rename(&new, &made).expect("a folder can be renamed");
    made
}

/// What the sticks depend on: the guest that makes them, and how.
fn made_of(vm: &Path) -> String {
    let guest = fs::read_to_string(vm.join("guest/made-of")).expect("the guest says what it is of");
    let recipes: Vec<String> = Recipe::all()
        .map(|recipe| format!("{recipe:?} {} {:?}", recipe.script(), recipe.write_on()))
        .collect();
    format!("{guest}{}\n{}", Film::SIZE, recipes.join("\n"))
}

fn make(into: &Path) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let parts = Parts::new(dir.path());
    let mut hardware = Hardware::new(dir.path());
    hardware.leave_out("semoir.service");
    let content = dir.path().join("content");
    for recipe in Recipe::all() {
        Film::of(recipe.name).write(&content.join(recipe.name));
        let image = into.join(recipe.name);
        let disk = File::create(&image).and_then(|file| file.set_len(recipe.size << 20));
        disk.expect("a disk image can be made");
        hardware.add_disk(recipe.name, &image);
    }
    let packed = dir.path().join("content.squashfs");
    run(Command::new("mksquashfs").arg(&content).arg(&packed).args([
        "-all-root",
        "-noD",
        "-noI",
        "-noF",
        "-noX",
        "-quiet",
        "-no-progress",
    ]));
    hardware.add_disk("content", &packed);

    let mut machine = Machine::boot(&parts, &hardware);
    machine.run("mkdir /content && mount -t squashfs /dev/disk/by-id/virtio-content /content");
    for recipe in Recipe::all() {
        machine.run(&recipe.script());
    }
    machine.run("sync");
    for recipe in Recipe::all() {
        if let Some(line) = recipe.write_on() {
            machine.run(&line);
        }
    }
    machine.cut_power(&mut Lot::new(1));
}
