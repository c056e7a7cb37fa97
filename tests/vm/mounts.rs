//! The mount helper and the kernel's own file systems, on real sticks: whatever state one is in, it is mounted so that
//! nothing can be written, what is on it is read, and not one bit of it is another afterwards.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::machine::{Hardware, Machine, PORTS};
use crate::parts::Parts;
use crate::recipe::{DIRTY, LUKS, Recipe, SOUND};
use crate::stick::{Film, Stick, sha256};

/// Asks the helper as the daemon would: its user, its socket, its frames.
const ASK: &str = r#"setpriv --reuid semoir --regid semoir --clear-groups perl -MIO::Socket::UNIX -e '
    my $socket = IO::Socket::UNIX->new(Peer => "/run/semoir/mount.sock") or die "no helper: $!";
    print $socket pack("N/a*", $ARGV[0]);
    $socket->flush;
    local $/;
    print substr(<$socket>, 4);
' "#;

fn ask(machine: &mut Machine, request: &Value) -> Value {
    let text = machine.run(&format!("{ASK}'{request}'"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Waits until udev is done with a stick, and gives the kernel's number of what lies on it.
fn appears(machine: &mut Machine, recipe: &Recipe, stick: &Stick) -> String {
    let link = format!(
        "/dev/disk/by-id/usb-*{}*{}",
        stick.serial,
        recipe.partition()
    );
    let line = format!(
        "for n in $(seq 100); do for link in {link}; do test -e $link && udevadm settle -t 20 && \
         cat /sys/class/block/$(basename $(readlink -f $link))/dev && exit; done; sleep 0.1; done; ls -l /dev/disk/by-id; exit 1"
    );
    machine.run(&line).trim().to_owned()
}

#[test]
#[ignore = "needs the guest that `make vm-test` makes"]
fn whatever_is_on_a_stick_is_read_and_stays_as_it_was() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let parts = Parts::new(dir.path());
    let mut hardware = Hardware::new(dir.path());
    hardware.leave_out("semoir.service");
    let sticks: Vec<(Recipe, Stick)> = Recipe::all()
        .map(|recipe| (recipe, Stick::new(recipe.name, dir.path())))
        .collect();
    let mut machine = Machine::boot(&parts, &hardware);
    println!("| stick | appears | mounted | read | said | unchanged |\n|---|---|---|---|---|---|");
    for ((recipe, stick), port) in sticks.iter().zip((1..=PORTS).cycle()) {
        let start = Instant::now();
        machine.plug(stick, port);
        let device = appears(&mut machine, recipe, stick);
        let appeared = start.elapsed();
        let request = json!({ "mount-drive": { "device": device } });
        let start = Instant::now();
        let answer = ask(&mut machine, &request);
        let mounted = start.elapsed();
        let said = match answer.get("mounted") {
            Some(place) => {
                read(&mut machine, recipe, place);
                place["note"].as_str().unwrap_or("").to_owned()
            }
            None => {
                let why = answer["refused"]["why"].as_str().unwrap_or_default();
                assert_eq!(recipe.name, LUKS.name, "{}: {answer}", recipe.name);
                assert!(why.contains("encrypted"), "{answer}");
                why.to_owned()
            }
        };
        let read = start.elapsed() - mounted;
        machine.pull(stick);
        stick.assert_unchanged();
        let s = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        println!(
            "| {} | {} | {} | {} | {said} | yes |",
            recipe.name,
            s(appeared),
            s(mounted),
            s(read)
        );
    }
    assert_eq!(sticks.len(), SOUND.len() + DIRTY.len() + 1);
}

/// Reads all that is on it, tries to write to it, and has it unmounted.
fn read(machine: &mut Machine, recipe: &Recipe, place: &Value) {
    let path = place["path"].as_str().expect("a mounted place has a path");
    let options = machine.run(&format!("findmnt -n -o OPTIONS '{path}'"));
    for wanted in ["ro", "nosuid", "nodev", "noexec"] {
        assert!(
            options.trim().split(',').any(|option| option == wanted),
            "{}: {options}",
            recipe.name
        );
    }
    let film = Film::of(recipe.name);
    let read = machine.run(&format!(
        "find '{path}' -type f -exec cat {{}} + >/dev/null; \
         setpriv --reuid semoir --regid semoir --clear-groups sha256sum '{path}/{}'",
        film.name
    ));
    assert!(
        read.starts_with(&sha256(film.tree().root())),
        "{}: {read}",
        recipe.name
    );
    let written = machine.run_any(&format!("touch '{path}/mark'"));
    assert_ne!(written.status, 0, "{} could be written to", recipe.name);
    let done = ask(machine, &json!({ "unmount": { "id": place["id"] } }));
    assert_eq!(done, json!("done"), "{}", recipe.name);
}
