//! What RAUC is told of a Raspberry Pi's two slots, by the script on the image, over files as they lie on a card.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use super::{output, top, write};

/// A card with both slots, and the firmware that starts it.
struct Card {
    dir: tempfile::TempDir,
    /// The slot that runs.
    running: char,
}

impl Card {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let card = Self { dir, running: 'A' };
        let config = fs::read_to_string(top().join("board/raspberrypi/config.txt")).unwrap();
        write(&card.boot("config.txt"), &config);
        write(
            &card.boot("tryboot.txt"),
            config.replace("os_prefix=slot-a/", "os_prefix=slot-b/"),
        );
        for slot in ["slot-a", "slot-b"] {
            write(&card.boot(slot).join("Image.gz"), "kernel");
        }
        card
    }

    fn boot(&self, name: &str) -> PathBuf {
        self.dir.path().join("boot").join(name)
    }

    fn param(&self) -> PathBuf {
        self.dir.path().join("run/reboot-param")
    }

    fn call(&self, words: &str) -> Output {
        let cmdline = self.dir.path().join("cmdline");
        write(
            &cmdline,
            format!("console=tty1 rauc.slot={} quiet\n", self.running),
        );
        let mut command =
            Command::new(top().join("board/raspberrypi/overlay/usr/lib/semoir/tryboot"));
        command
            .args(words.split(' '))
            .env("SEMOIR_BOOT", self.boot(""));
        command
            .env("SEMOIR_CMDLINE", cmdline)
            .env("SEMOIR_REBOOT_PARAM", self.param());
        output(&mut command)
    }

    #[track_caller]
    fn ask(&self, words: &str) -> String {
        let out = self.call(words);
        assert!(
            out.status.success(),
            "{words}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    /// Starts again as the firmware does: the slot that is tried, if the reboot asked for it, or what `config.txt` says.
    fn start(&mut self, power_cut: bool) {
        let asked =
            fs::read_to_string(self.param()).is_ok_and(|text| text == "0 tryboot") && !power_cut;
        let _ = fs::remove_file(self.param());
        let file = if asked { "tryboot.txt" } else { "config.txt" };
        let text = fs::read_to_string(self.boot(file)).unwrap();
        self.running = match text.lines().last().unwrap() {
            "os_prefix=slot-a/" => 'A',
            "os_prefix=slot-b/" => 'B',
            other => panic!("{other}"),
        };
        assert_eq!(self.ask("get-current"), self.running.to_string());
        self.ask("settle");
    }

    /// Whether the system that runs is started again when it does not come to serve (semoir-trial.service).
    fn on_trial(&self) -> bool {
        self.call("on-trial").status.success()
    }

    /// What RAUC says when it installs into the slot that does not run.
    fn install(&self) {
        let other = if self.running == 'A' { 'B' } else { 'A' };
        self.ask(&format!("set-state {other} bad"));
        self.ask(&format!("set-primary {other}"));
        assert_eq!(self.ask("get-primary"), other.to_string());
    }
}

#[test]
fn an_update_that_serves_is_started_from_then_on() {
    let mut card = Card::new();
    assert_eq!(card.ask("get-primary"), "A");
    for slot in ['B', 'A', 'B'] {
        card.install();
        assert!(!card.on_trial(), "the old one still runs");
        card.start(false);
        assert_eq!(card.running, slot);
        assert!(card.on_trial());
        card.ask(&format!("set-state {slot} good"));
        assert!(!card.on_trial());
        assert_eq!(card.ask("get-primary"), slot.to_string());
        card.start(true);
        assert_eq!(card.running, slot, "kept after a power cut");
        assert_eq!(card.ask(&format!("get-state {slot}")), "good");
    }
    // Nothing but the letter changed in all that.
    let shipped = fs::read_to_string(top().join("board/raspberrypi/config.txt")).unwrap();
    let config = fs::read_to_string(card.boot("config.txt")).unwrap();
    assert_eq!(
        config,
        shipped.replace("os_prefix=slot-a/", "os_prefix=slot-b/")
    );
    assert_eq!(
        fs::read_to_string(card.boot("tryboot.txt")).unwrap(),
        shipped
    );
}

#[test]
fn an_update_that_does_not_serve_is_given_up() {
    let mut card = Card::new();
    card.install();
    card.start(false);
    assert_eq!(card.running, 'B');
    // It hangs, and the watchdog starts the board again.
    card.start(false);
    assert_eq!(card.running, 'A');
    assert_eq!(card.ask("get-state B"), "bad");
    assert_eq!(card.ask("get-primary"), "A");
    assert!(!card.on_trial(), "there is nothing to go back to");
    // The next one is tried all the same.
    card.install();
    assert_eq!(card.ask("get-state B"), "good");
    card.start(false);
    assert_eq!(card.running, 'B');
}

#[test]
fn a_power_cut_before_the_try_leaves_the_old_system() {
    let mut card = Card::new();
    card.install();
    card.start(true);
    assert_eq!(card.running, 'A');
    assert_eq!(card.ask("get-primary"), "A");
    card.ask("set-state A good");
    card.start(false);
    assert_eq!(card.running, 'A');
}

#[test]
fn the_running_system_said_to_be_bad_gives_way_to_the_other_if_there_is_one() {
    let mut card = Card::new();
    card.ask("set-state A bad");
    card.start(false);
    assert_eq!(card.running, 'B');
    let card = Card::new();
    fs::remove_dir_all(card.boot("slot-b")).unwrap();
    assert_eq!(card.ask("get-state B"), "bad");
    card.ask("set-state A bad");
    assert_eq!(card.ask("get-primary"), "A");
}

/// Told at each start that the system is good, a card must not be written to each time.
#[test]
fn what_is_good_already_is_not_written_again() {
    let card = Card::new();
    let read_only = |yes| {
        let mut mode = fs::metadata(card.boot("config.txt")).unwrap().permissions();
        mode.set_readonly(yes);
        fs::set_permissions(card.boot("config.txt"), mode).unwrap();
    };
    read_only(true);
    let before = fs::metadata(card.boot("")).unwrap().modified().unwrap();
    card.ask("set-state A good");
    card.ask("set-state B good");
    card.ask("settle");
    assert_eq!(
        fs::metadata(card.boot("")).unwrap().modified().unwrap(),
        before
    );
    read_only(false);
}

#[test]
fn a_configuration_of_somebody_elses_making_is_left_alone() {
    let card = Card::new();
    for config in [
        "",
        "os_prefix=slot-c/\n",
        "os_prefix=slot-a/\n# mine\n",
        "os_prefix=slot-a/",
    ] {
        write(&card.boot("config.txt"), config);
        for words in ["set-primary B", "set-state A bad", "set-state A good"] {
            assert!(!card.call(words).status.success(), "{config:?}: {words}");
        }
        assert_eq!(fs::read_to_string(card.boot("config.txt")).unwrap(), config);
    }
    for words in [
        "set-primary C",
        "set-state C good",
        "get-state",
        "set-state A maybe",
        "reboot",
    ] {
        assert!(!card.call(words).status.success(), "{words}");
    }
}
