//! A board with the card of the image in it. QEMU starts the kernel itself, so the test plays the Raspberry Pi's firmware: it
//! reads `config.txt`, or `tryboot.txt` when the last restart asked for it, off the card's boot partition, and gives QEMU
//! kernel and command line of the slot that is named there. What the restart asked for is what the kernel says as it
//! ends ("Restarting system with command '0 tryboot'"), which on the board its driver tells the firmware. Like there,
//! it is forgotten when the power is cut. An initial RAM disk has the drivers that a board's kernel has built in.
//!
//! The watchdog is an Intel 6300ESB in place of the board's own: what it says, QEMU does.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::agent::{Agent, Ended};
use super::card::Card;
use super::disk::{Disk, Lost};
use super::emulator::{Case, add_disk, image, served, tail};
use super::lot::Lot;
use super::parts::Parts;
use super::press::{Press, system};
use super::qmp::Qmp;
use crate::common::daemon::Daemon;
use crate::common::http;
use crate::common::owner::Owner;
use crate::common::wait::wait_for;

/// The card: larger than the image, small enough to be copied.
pub const CARD: u64 = 3 << 30;
/// From power-on to the agent's first answer, and to the page, where the processor is emulated and the machine is busy.
const BOOT_BOUND: Duration = Duration::from_secs(400);
/// What a command may take, unless said otherwise.
const COMMAND_BOUND: Duration = Duration::from_secs(180);
/// What an orderly restart may take until the board is switched on again.
const RESTART_BOUND: Duration = Duration::from_secs(180);
/// What an emulated processor is slow at and the tests need not. Kept are the words of the image, as they are on the card.
const WORDS: &str =
    "audit=0 apparmor=0 selinux=0 mitigations=off random.trust_cpu=on no_timer_check";
/// The box's device on a wire that it shares with a neighbour, and the neighbour's.
pub const BOX: &str = "52:54:00:5e:30:02";
pub const NEIGHBOUR: &str = "52:54:00:5e:30:03";
/// What the kernel says when a restart asks the firmware to try.
const TRY: &str = "Restarting system with command '0 tryboot'";
/// Before a setup code, on the consoles.
const CODE: &str = "Setup code / code d'installation: ";

/// A board, on or off.
pub struct Board {
    case: Case,
    /// Its card.
    pub card: Card,
    /// Its owner, outside.
    pub owner: Owner,
    /// Whether the last restart asked for a try.
    asked: bool,
    /// What is plugged in as a USB stick.
    stick: Option<PathBuf>,
    /// Whether there is a second wire, with the devices [`BOX`] and [`NEIGHBOUR`] on it.
    pub has_neighbour: bool,
    running: Option<Running>,
    qemu: PathBuf,
    /// From power-on to the first page, of the last start.
    pub page_time: Duration,
    _dir: TempDir,
}

struct Running {
    qemu: Daemon,
    disk: Disk,
    qmp: Qmp,
    agent: Option<Agent>,
    slot: char,
    /// Where in the console's log this start begins.
    from: usize,
    since: Instant,
}

/// How a board ended by itself.
#[derive(Debug)]
pub struct Reset {
    /// The restart asked the firmware for a try.
    pub asks_for_try: bool,
    /// The watchdog did it.
    pub by_watchdog: bool,
}

impl Board {
    /// A new card with this image in a board that is off.
    pub fn new(image: &Path) -> Board {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let case = Case::new(dir.path());
        let owner = Owner::new(case.admin(), case.public());
        Board {
            card: Card::flash(image, dir.path().join("card.img"), CARD),
            case,
            owner,
            asked: false,
            stick: None,
            has_neighbour: false,
            running: None,
            qemu: Parts::folder().join("qemu"),
            page_time: Duration::ZERO,
            _dir: dir,
        }
    }

    /// The same, of the image as it is.
    pub fn of_image() -> (Board, Press, TempDir) {
        Self::altered(|_| {})
    }

    /// The same, with what `alter` does to its root.
    pub fn altered(alter: impl FnOnce(&Path)) -> (Board, Press, TempDir) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let press = Press::new(dir.path());
        press.make_card(alter);
        (Board::new(&press.image()), press, dir)
    }

    /// Where a file is that the guest gets with [`Self::fetch`].
    pub fn hand(&self) -> PathBuf {
        self.case.dir.join("hand")
    }

    /// Switches it on, or lets the firmware go on after [`Self::wait_reset`], and waits for nothing.
    pub fn power_on(&mut self) {
        assert!(self.running.is_none(), "it is on");
        let dir = &self.case.dir;
        let chosen = self.card.firmware(std::mem::take(&mut self.asked), dir);
        let disk = Disk::switch_on(&self.card.image, &dir.join("disk"));
        // A file from outside, on a port of an address that there is only for it.
        let hand = format!(
            ",guestfwd=tcp:10.0.2.100:9-cmd:cat {}",
            self.hand().display()
        );
        let mut command = self.case.command(&self.qemu, &hand);
        command
            .arg("-kernel")
            .arg(&chosen.kernel)
            .arg("-initrd")
            .arg(system().join("initrd"))
            .args(["-append", &format!("{} {WORDS}", chosen.words)])
            .args(["-device", "i6300esb", "-action", "watchdog=reset"])
            .args(["-device", "qemu-xhci,id=usb"]);
        command.args(["-device", "virtio-net-pci,netdev=net,romfile="]);
        if self.has_neighbour {
            // A wire of their own: QEMU's network answers for everybody on its.
            for (id, address) in [("h1", BOX), ("h2", NEIGHBOUR)] {
                command
                    .arg("-netdev")
                    .arg(format!("hubport,id={id},hubid=0"))
                    .arg("-device")
                    .arg(format!("virtio-net-pci,netdev={id},romfile=,mac={address}"));
            }
        }
        add_disk(&mut command, "card", &served(disk.socket()));
        if let Some(stick) = &self.stick {
            let backing = image(stick, false);
            command
                .arg("-blockdev")
                .arg(format!("{backing},node-name=stick"))
                .args(["-device", "usb-storage,drive=stick,bus=usb.0,removable=on"]);
        }
        let from = self.case.console().len();
        let since = Instant::now();
        let (qemu, qmp) = self.case.switch_on(&mut command);
        self.running = Some(Running {
            qemu,
            disk,
            qmp,
            agent: None,
            slot: chosen.slot,
            from,
            since,
        });
    }

    /// Waits until the guest's agent answers.
    pub fn wait_up(&mut self) {
        let running = self.running.as_mut().expect("it is on");
        let (case, qemu) = (&self.case, &mut running.qemu);
        let alive = || {
            assert!(
                qemu.alive(),
                "QEMU ended; the console says:\n{}",
                tail(&case.console())
            );
        };
        let agent = Agent::connect(&case.dir.join("agent"), BOOT_BOUND, alive);
        running.agent = Some(agent);
    }

    /// Waits for the owner's page. Gives what the box says of itself.
    pub fn wait_page(&mut self) -> Value {
        let url = format!("{}/api/v1/box", self.owner.admin);
        let deadline = Instant::now() + BOOT_BOUND;
        loop {
            if let Ok(answer) = http::get(&url)
                && answer.status == 200
            {
                let running = self.running.as_ref().expect("it is on");
                self.page_time = running.since.elapsed();
                return answer.json();
            }
            let running = self.running.as_mut().expect("it is on");
            running.qemu.assert_alive();
            if Instant::now() > deadline {
                let state = self.run_any(
                    "systemctl --failed --no-pager; systemctl status semoir --no-pager; journalctl -b --no-pager | tail -n 60",
                );
                panic!("no page within {BOOT_BOUND:?}:\n{}", state.text);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Switches it on and waits for agent and page.
    pub fn boot(&mut self) -> Value {
        self.power_on();
        self.wait_up();
        self.wait_page()
    }

    /// The slot that runs.
    pub fn slot(&self) -> char {
        self.running.as_ref().expect("it is on").slot
    }

    /// Runs a line of shell in the guest, as root, and gives what it printed; fails the test when it fails.
    pub fn run(&mut self, line: &str) -> String {
        let ended = self.run_any(line);
        assert_eq!(ended.status, 0, "in the guest: {line}\n{}", ended.text);
        ended.text.trim_end().to_owned()
    }

    /// The same, whatever it ends with.
    pub fn run_any(&mut self, line: &str) -> Ended {
        let running = self.running.as_mut().expect("it is on");
        let agent = running.agent.as_mut().expect("it is up");
        agent.run(line, COMMAND_BOUND)
    }

    /// Starts a line of shell in the guest that is not waited for.
    pub fn start(&mut self, line: &str) {
        self.run(&format!(
            "systemd-run --quiet --no-block /bin/sh -c '{line}'"
        ));
    }

    /// Has the guest copy a file from outside.
    pub fn fetch(&mut self, file: &Path, to: &str) {
        let hand = self.hand();
        let _ = std::fs::remove_file(&hand);
        std::os::unix::fs::symlink(file, &hand).expect("a link can be made");
        let size = std::fs::metadata(file).expect("a file").len();
        self.run(&format!(
            "timeout 120 bash -c 'cat </dev/tcp/10.0.2.100/9' >{to}; test $(stat -c %s {to}) = {size}"
        ));
    }

    /// Plugs an image in as a USB stick, where it stays.
    pub fn plug(&mut self, image: &Path) {
        let qmp = &mut self.running.as_mut().expect("it is on").qmp;
        let file = json!({ "driver": "file", "filename": image });
        qmp.run(
            "blockdev-add",
            json!({ "node-name": "stick", "driver": "raw", "file": file }),
        );
        qmp.run(
            "device_add",
            json!({ "driver": "usb-storage", "drive": "stick", "bus": "usb.0", "removable": true }),
        );
        self.stick = Some(image.to_owned());
    }

    /// Waits until it ends by itself, as by a restart. The firmware goes on with [`Self::power_on`].
    pub fn wait_reset(&mut self, bound: Duration) -> Reset {
        let mut running = self.running.take().expect("it is on");
        wait_for("the board starts again", bound, || {
            (!running.qemu.alive()).then_some(())
        });
        running.disk.switch_off();
        let console = self.case.console();
        self.asked = console[running.from..].contains(TRY);
        let mut said = running.qmp.rest();
        said.retain(|event| event["event"] == "WATCHDOG");
        Reset {
            asks_for_try: self.asked,
            by_watchdog: !said.is_empty(),
        }
    }

    /// An orderly restart by a command in the guest, up to the page again.
    pub fn restart(&mut self) -> Reset {
        self.start("sleep 1; systemctl reboot");
        let reset = self.wait_reset(RESTART_BOUND);
        self.boot();
        reset
    }

    /// An orderly end, after which nothing is in anybody's cache.
    pub fn shut_down(&mut self) {
        self.start("sleep 1; systemctl poweroff");
        self.wait_reset(RESTART_BOUND);
    }

    /// Cuts the power: what was in the memory is gone, and of what the card had in its cache a part.
    pub fn cut_power(&mut self, lot: &mut Lot) -> Lost {
        let mut running = self.running.take().expect("it is on");
        running.qemu.kill();
        self.asked = false;
        running.disk.cut_power(lot)
    }

    /// What this start wrote to the serial console.
    pub fn console(&self) -> String {
        let from = self.running.as_ref().map_or(0, |running| running.from);
        self.case.console()[from..].to_owned()
    }

    /// The setup code that this start shows on the serial console.
    pub fn code(&self) -> String {
        wait_for("the code is on the console", COMMAND_BOUND, || {
            let console = self.console();
            let (_, rest) = console.rsplit_once(CODE)?;
            let (code, _) = rest.split_once(['\r', '\n'])?;
            Some(code.to_owned())
        })
    }

    /// Claims it with the code on its console.
    pub fn claim(&mut self) {
        let code = self.code();
        self.owner.claim(&code);
    }

    /// Waits until a line of shell in the guest succeeds.
    pub fn wait_for(&mut self, what: &str, line: &str) {
        let line = format!(
            "end=$(($(date +%s) + 120)); while test $(date +%s) -lt $end; do {{ {line}\n}} && exit 0; sleep 0.2; done; exit 1"
        );
        let ended = self.run_any(&line);
        if ended.status != 0 {
            let state = self
                .run_any("systemctl --failed --no-pager; journalctl -b --no-pager | tail -n 60");
            panic!("{what}: {}\n{}", ended.text, state.text);
        }
    }

    /// Whether somebody signs in with this password.
    pub fn takes(&self, password: &str) -> bool {
        let url = format!("{}/api/v1/session", self.owner.admin);
        let body = json!({ "password": password }).to_string().into_bytes();
        let headers = [("Content-Type", "application/json")];
        let answer = http::request("POST", &url, &headers, body);
        answer.expect("it answers").status == 204
    }

    /// Fails the test when a unit of this start failed.
    pub fn assert_no_unit_failed(&mut self) {
        let failed = self.run("systemctl list-units --failed --plain --no-legend --no-pager");
        let why = self.run("journalctl -b -p warning --no-pager | tail -n 40");
        assert_eq!(failed, "", "\n{why}");
    }
}
