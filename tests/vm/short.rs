//! What CI runs: one stick's life and one power cut, with the machine switched on twice. The sticks are made by the same
//! guest, so that nothing else is switched on for it.

use crate::guest::Guest;
use crate::lot::Lot;
use crate::power::{Tally, complete, cut_while_hashing};
use crate::recipe::Recipe;
use crate::stick::Film;
use crate::sticks::{HEAD, assert_prompt, life_of, pace};
use crate::workshop::Workshop;

#[test]
#[ignore = "needs the guest that `make vm-test` makes"]
fn short() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let workshop = Workshop::new(dir.path(), &["exfat", "ext4"].map(Recipe::named));
    let mut guest = Guest::start_with(|hardware| workshop.furnish(hardware));
    let pace = pace(&mut guest);
    workshop.make(guest.machine());
    // From the next boot on they are not there any more.
    guest.hardware.remove_disks();

    println!("{HEAD}");
    let exfat = workshop.stick("exfat");
    let row = life_of(&mut guest, &Recipe::named("exfat"), exfat, 1);
    let (mut stick, film) = (workshop.stick("ext4"), Film::of("ext4"));
    let (mut lot, mut tally) = (Lot::new(1), Tally::default());
    cut_while_hashing(&mut guest, &mut stick, &film, &mut lot, &mut tally);
    complete(&mut guest, &mut stick, &film);

    tally.print();
    println!("{pace}");
    assert_prompt(&[row]);
}
