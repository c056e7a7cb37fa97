//! Starts of the old system and of the new one, on one data folder.

use std::fs;

use super::*;

/// A box: its folder of updates, and where starts leave word.
struct Card {
    dir: tempfile::TempDir,
    starts: u32,
}

impl Card {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("kept")).unwrap();
        let starts = 0;
        Self { dir, starts }
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("update")
    }

    fn running(&self, slot: char) -> Running {
        Running {
            version: Some(if slot == 'A' { "1.0" } else { "2.0" }.to_owned()),
            slot: Some(slot),
            boot: format!("boot {}", self.starts),
            ..Running::default()
        }
    }

    /// The old system installs an update, and leaves it at this phase.
    fn installed(phase: Phase) -> Self {
        let card = Self::new();
        let note = Note {
            version: "2.0".to_owned(),
            from: "1.0".to_owned(),
            from_slot: Some('A'),
            boot: card.running('A').boot,
            at: 7,
            phase,
        };
        note.write(&card.folder()).unwrap();
        card
    }

    /// The program is started in a slot, within the same start of the machine.
    fn program(&self, slot: char) -> (Option<Phase>, Trial) {
        let kept = self.dir.path().join("kept");
        let (note, trial) = Trial::at_start(&self.folder(), &self.running(slot), &kept);
        let written = Note::read(&self.folder());
        assert_eq!(note, written, "what is said is what is written down");
        (note.map(|note| note.phase), trial)
    }

    /// The machine is started with a slot.
    fn start(&mut self, slot: char) -> (Option<Phase>, Trial) {
        self.starts += 1;
        fs::write(self.dir.path().join(format!("kept/{STARTED}{slot}")), "").unwrap();
        self.program(slot)
    }
}

/// What a new system does before it ends.
type Came = dyn Fn(&Trial);

fn went_back(why: Why) -> Option<Phase> {
    Some(Phase::WentBack(why))
}

#[test]
fn an_update_that_serves_is_kept() {
    let mut card = Card::installed(Phase::Restarting);
    assert_eq!(
        card.program('A').0,
        Some(Phase::Restarting),
        "the machine runs on"
    );
    let (phase, trial) = card.start('B');
    assert_eq!(phase, Some(Phase::Trying));
    trial.begin(Step::Database);
    trial.begin(Step::Opening);
    fs::write(card.folder().join("bundle.raucb"), "x").unwrap();
    assert_eq!(trial.served().unwrap().phase, Phase::Kept);
    let left: Vec<_> = fs::read_dir(card.folder()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing but the note");
    let (phase, trial) = card.start('B');
    assert_eq!((phase, trial.is_on()), (Some(Phase::Kept), false));
    assert_eq!(trial.served(), None);
    trial.failed("a later start");
    assert_eq!(card.start('B').0, Some(Phase::Kept));
    assert_eq!(card.start('A').0, went_back(Why::NotAnyMore));
    assert_eq!(card.start('A').0, went_back(Why::NotAnyMore));
}

#[test]
fn the_old_system_tells_how_far_the_new_one_came() {
    let mut card = Card::installed(Phase::Installed);
    assert_eq!(card.start('A').0, went_back(Why::NotRestarted));
    let mut card = Card::installed(Phase::Restarting);
    assert_eq!(card.start('A').0, went_back(Why::NeverStarted));

    // The kernel and systemd came up, and left word.
    let mut card = Card::installed(Phase::Restarting);
    fs::write(card.dir.path().join("kept/started-B"), "").unwrap();
    assert_eq!(card.start('A').0, went_back(Why::NoProgram));

    let steps: [(&Came, Why); 7] = [
        (&|_| (), Why::Ended),
        (&|trial| trial.begin(Step::Database), Why::InDatabase),
        (
            &|trial| {
                trial.begin(Step::Database);
                trial.failed("the disk is full");
            },
            Why::Database {
                why: "the disk is full".to_owned(),
            },
        ),
        (&|trial| trial.begin(Step::Upgrade), Why::InUpgrade),
        (&|trial| trial.begin(Step::Opening), Why::NotServing),
        (
            &|trial| {
                trial.begin(Step::Opening);
                trial.failed("the port is taken");
            },
            Why::Failed {
                why: "the port is taken".to_owned(),
            },
        ),
        (
            &|trial| trial.failed("no such folder"),
            Why::Failed {
                why: "no such folder".to_owned(),
            },
        ),
    ];
    for (came, why) in steps {
        let mut card = Card::installed(Phase::Restarting);
        let (_, trial) = card.start('B');
        came(&trial);
        assert_eq!(card.start('A').0, went_back(why.clone()), "{why}");
        // It stays so, and may be tried again.
        assert_eq!(card.start('A').0, went_back(why));
        assert_eq!(card.start('B').0, Some(Phase::Trying));
    }
}

#[test]
fn systemd_tries_the_program_again_and_what_it_says_last_counts() {
    let mut card = Card::installed(Phase::Restarting);
    let (_, trial) = card.start('B');
    trial.begin(Step::Database);
    trial.failed("the disk is full");
    let (phase, again) = card.program('B');
    assert_eq!(phase, Some(Phase::Trying));
    again.begin(Step::Opening);
    assert_eq!(card.start('A').0, went_back(Why::NotServing));
}

#[test]
fn one_that_was_broken_off_while_it_was_written_has_come_to_nothing() {
    let mut card = Card::installed(Phase::Installing);
    assert_eq!(card.program('A').0, Some(Phase::Installing), "it goes on");
    assert_eq!(card.start('A').0, None);
    assert_eq!(card.start('A').0, None);
    // The power went after the last byte, and the boot loader takes the new one.
    let mut card = Card::installed(Phase::Installing);
    assert_eq!(card.start('B').0, Some(Phase::Trying));
}

#[test]
fn where_no_slot_is_known_the_version_says_what_runs() {
    for (version, phase) in [
        ("2.0", Phase::Trying),
        ("1.0", Phase::WentBack(Why::NeverStarted)),
    ] {
        let card = Card::installed(Phase::Restarting);
        let running = Running {
            version: Some(version.to_owned()),
            boot: "another".to_owned(),
            ..Running::default()
        };
        let (note, _) = Trial::at_start(&card.folder(), &running, card.dir.path());
        assert_eq!(note.unwrap().phase, phase);
    }
}

#[test]
fn what_is_not_understood_is_no_hindrance() {
    let mut card = Card::new();
    assert_eq!(card.start('A').0, None);
    fs::create_dir(card.folder()).unwrap();
    fs::write(card.folder().join("last.json"), "{}").unwrap();
    let kept = card.dir.path().join("kept");
    let (note, trial) = Trial::at_start(&card.folder(), &card.running('A'), &kept);
    assert_eq!((note, trial.is_on()), (None, false));
}
