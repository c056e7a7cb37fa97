//! Makes the sticks, in a guest, once: the kernels of the machines that run the tests cannot write half of the file
//! systems. They are kept below `target/vm`, with the SHA-256 of each, and tests work on copies.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::lot::Lot;
use super::machine::{Hardware, Machine};
use super::parts::{Parts, run};
use super::recipe::Recipe;
use super::stick::{Film, Stick};

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
    let recipes: Vec<Recipe> = Recipe::all().collect();
    let workshop = Workshop::new(into, &recipes);
    workshop.furnish(&mut hardware);
    let mut machine = Machine::boot(&parts, &hardware);
    workshop.make(&mut machine);
    for recipe in &recipes {
        if let Some(line) = recipe.write_on() {
            machine.run(&line);
        }
    }
    machine.cut_power(&mut Lot::new(1));
    workshop.clear();
}

/// Empty disks, and what goes onto them.
pub struct Workshop {
    folder: PathBuf,
    recipes: Vec<Recipe>,
    content: PathBuf,
}

impl Workshop {
    /// For the sticks of these recipes, each in a file of its name in the folder.
    pub fn new(folder: &Path, recipes: &[Recipe]) -> Workshop {
        let films = folder.join("films");
        for recipe in recipes {
            Film::of(recipe.name).write(&films.join(recipe.name));
            let disk = File::create(folder.join(recipe.name));
            let made = disk.and_then(|file| file.set_len(recipe.size << 20));
            made.expect("a disk image can be made");
        }
        let content = folder.join("content");
        run(Command::new("mksquashfs")
            .arg(&films)
            .arg(&content)
            .args(["-all-root", "-noD", "-noI", "-noF", "-noX"])
            .args(["-quiet", "-no-progress"]));
        fs::remove_dir_all(&films).expect("a folder can be removed");
        Workshop {
            folder: folder.to_owned(),
            recipes: recipes.to_vec(),
            content,
        }
    }

    /// Puts the disks into a machine, before it is switched on.
    pub fn furnish(&self, hardware: &mut Hardware) {
        for Recipe { name, .. } in &self.recipes {
            hardware.add_disk(name, &self.folder.join(name));
        }
        hardware.add_disk("content", &self.content);
    }

    /// Has the machine make the sticks.
    pub fn make(&self, machine: &mut Machine) {
        machine.run("mkdir /content && mount -t squashfs /dev/disk/by-id/virtio-content /content");
        for recipe in &self.recipes {
            machine.run(&recipe.script());
        }
        machine.run("umount /content && sync");
    }

    /// A copy of a stick that was made.
    pub fn stick(&self, name: &str) -> Stick {
        Stick::copy(&self.folder.join(name), name, &self.folder)
    }

    /// Removes all but the sticks.
    fn clear(self) {
        fs::remove_file(self.content).expect("a file can be removed");
    }
}
