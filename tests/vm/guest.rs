//! The box in its machine: met over its pages, and looked at from inside.

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::disk::Lost;
use super::lot::Lot;
use super::machine::{Hardware, Machine};
use super::parts::Parts;
use super::workshop;
use crate::common::http;
use crate::common::owner::{Owner, seeding};
use crate::common::torrent::Torrent;

/// From the agent's first answer to the first page, where the processor is emulated and the machine is busy.
const START_BOUND: Duration = Duration::from_secs(120);
/// Until the journal has what was printed before the page was there.
const CHECK_BOUND: Duration = Duration::from_secs(60);

/// Between two looks at its pages. Each costs an emulated processor tens of milliseconds, which the box is then without.
pub const PAUSE: Duration = Duration::from_millis(250);

/// A box that its owner has claimed.
pub struct Guest {
    machine: Option<Machine>,
    owner: Owner,
    parts: Parts,
    /// Its disks and addresses.
    pub hardware: Hardware,
    /// From switching on to the first page, of the last boot.
    pub page_time: Duration,
    // Last, so that it is removed when nothing uses it any more.
    _dir: TempDir,
}

/// Its pages.
impl Deref for Guest {
    type Target = Owner;

    fn deref(&self) -> &Owner {
        &self.owner
    }
}

impl DerefMut for Guest {
    fn deref_mut(&mut self) -> &mut Owner {
        &mut self.owner
    }
}

impl Guest {
    /// Switches a new box on, and claims it with the code that it prints.
    pub fn start() -> Guest {
        // First: making them takes a machine of its own.
        workshop::sticks();
        Self::start_with(|_| {})
    }

    /// The same, with more hardware, and without the sticks having been made before.
    pub fn start_with(equip: impl FnOnce(&mut Hardware)) -> Guest {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let parts = Parts::new(dir.path());
        let mut hardware = Hardware::new(dir.path());
        equip(&mut hardware);
        let mut owner = Owner::new(hardware.admin(), hardware.public());
        owner.pause = PAUSE;
        let mut guest = Guest {
            machine: None,
            owner,
            parts,
            hardware,
            page_time: Duration::ZERO,
            _dir: dir,
        };
        guest.switch_on();
        let code = guest.said("setup code ");
        guest.owner.claim(&code.expect("a new box says its code"));
        guest
    }

    /// Switches it on and waits for its page. Gives what the database's own check found before the box opened it.
    fn switch_on(&mut self) {
        let start = Instant::now();
        let machine = Machine::boot(&self.parts, &self.hardware);
        self.machine = Some(machine);
        let url = format!("{}/api/v1/box", self.owner.admin);
        let machine = self.machine.as_mut().expect("just switched on");
        let deadline = Instant::now() + START_BOUND;
        while http::get(&url).is_err() {
            machine.assert_alive();
            if Instant::now() > deadline {
                let state = machine
                    .run_any("systemctl status semoir; journalctl -b --no-pager | tail -n 60");
                panic!("no page within {START_BOUND:?}:\n{}", state.text);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.page_time = start.elapsed();
    }

    /// The machine, which is on.
    pub fn machine(&mut self) -> &mut Machine {
        self.machine.as_mut().expect("it is switched on")
    }

    /// The rest of the last line that the box printed in this boot and that starts so.
    pub fn said(&mut self, start: &str) -> Option<String> {
        self.said_by("--unit semoir", start)
    }

    /// The rest of the last such line of whoever journalctl is told to listen to.
    fn said_by(&mut self, whom: &str, start: &str) -> Option<String> {
        // What was printed by somebody who ended at once may reach the journal after the page is there.
        let lines = self.machine().run(&format!(
            "journalctl --sync; journalctl --boot {whom} --output cat --no-pager"
        ));
        let mut found = lines.lines().filter_map(|line| line.strip_prefix(start));
        found.next_back().map(str::to_owned)
    }

    /// Cuts the power. The pages are gone, the disks stay.
    pub fn cut_power(&mut self, lot: &mut Lot) -> Lost {
        let machine = self.machine.take().expect("it is switched on");
        machine.cut_power(lot)
    }

    /// Switches it on again after [`Self::cut_power`], has the database checked before the box opens it, and signs in.
    pub fn power_returns(&mut self) {
        self.switch_on();
        // By its own name: it may have ended before the journal asked of which unit it was. On a busy machine the journal may
        // have it later than the page is there.
        let mut found = None;
        let end = Instant::now() + CHECK_BOUND;
        while found.is_none() && Instant::now() < end {
            found = self.said_by("--identifier check-database", "integrity:");
        }
        if found.as_deref() != Some("ok") {
            let state = self.machine().run_any(
                "findmnt /var/lib/semoir; ls -la /var/lib/semoir; dmesg | grep -i ext4; journalctl -b --no-pager | tail -n 80",
            );
            panic!("{}\nthe database's own check: {found:?}", state.text);
        }
        self.owner.sign_in();
    }

    /// A release as it is now.
    pub fn release(&self, id: &Value) -> Value {
        let all = self.releases();
        let found = all.into_iter().find(|release| release["id"] == *id);
        found.expect("a release that was found stays")
    }

    /// Waits until one release (the first that `enough` accepts) is as wanted.
    pub fn wait_release(
        &mut self,
        what: &str,
        bound: Duration,
        enough: impl Fn(&Value) -> bool,
    ) -> Value {
        let machine = self.machine.as_mut().expect("it is switched on");
        let meanwhile = || machine.assert_alive();
        self.owner
            .wait_release_while(what, bound, meanwhile, enough)
    }

    /// Waits until the release of this name is on offer, and fetches its .torrent.
    pub fn wait_seeding(&mut self, name: &str, bound: Duration) -> (Value, Torrent, Vec<u8>) {
        let release = self.wait_release("is being seeded", bound, |release| {
            release["name"] == name && seeding(release)
        });
        let (torrent, bytes) = self.torrent(&release);
        (release, torrent, bytes)
    }
}
