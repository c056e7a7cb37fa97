//! What CI runs: two file systems and one power cut, with the machine switched on twice.

use crate::guest::Guest;
use crate::lot::Lot;
use crate::power::{self, Tally};
use crate::recipe::Recipe;
use crate::stick::{Film, Stick};
use crate::sticks::{HEAD, assert_prompt, life_of};

#[test]
#[ignore = "needs the guest that `make vm-test` makes"]
fn short() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut guest = Guest::start();
    println!("{HEAD}");
    let rows = [
        life_of(&mut guest, &Recipe::named("exfat"), dir.path(), 1),
        life_of(&mut guest, &Recipe::named("ntfs"), dir.path(), 2),
    ];

    let (stick, film) = (Stick::new("ext4", dir.path()), Film::of("ext4"));
    let stick = stick.slowed(power::SLOW);
    let (mut lot, mut tally) = (Lot::new(1), Tally::default());
    power::cut_while_hashing(&mut guest, &stick, &film, &mut lot, &mut tally);
    power::complete(&mut guest, &stick, &film);

    tally.print();
    assert_prompt(&rows);
}
