//! A virtual machine: QEMU with the guest, what is tested laid over it, a data disk and ports for sticks.

use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::agent::{Agent, Ended};
use super::disk::{Disk, Lost};
use super::emulator::{Case, add_disk, image, served, tail};
use super::lot::Lot;
use super::parts::Parts;
use super::qmp::Qmp;
use super::stick::Stick;
use crate::common::daemon::{Daemon, command};

/// From QEMU's start to the agent's first answer. A quarter of a minute where the guest has a processor to itself, minutes
/// where it is emulated on a busy machine.
const BOOT_BOUND: Duration = Duration::from_secs(300);
/// What a command in the guest may take, unless said otherwise.
const COMMAND_BOUND: Duration = Duration::from_secs(120);
/// The data disk, in bytes: sparse, so that it takes what is written.
const DATA_SIZE: u64 = 1 << 30;
/// USB ports of the guest.
pub const PORTS: u32 = 8;
/// Looks at a disk that find it unread, and the time between them, until it is idle.
const LOOKS: u32 = 5;
const LOOK: Duration = Duration::from_millis(20);

/// The disks and addresses of a machine, which outlive a power cut.
pub struct Hardware {
    case: Case,
    /// What outlives a power cut.
    data: PathBuf,
    /// Serial number and file of further disks.
    disks: Vec<(String, PathBuf)>,
    words: String,
}

/// Where it is met.
impl Deref for Hardware {
    type Target = Case;

    fn deref(&self) -> &Case {
        &self.case
    }
}

impl Hardware {
    /// A new machine with an empty data disk, its files in `dir`.
    pub fn new(dir: &Path) -> Hardware {
        let data = dir.join("data.img");
        let disk = File::create(&data).and_then(|file| file.set_len(DATA_SIZE));
        disk.expect("a disk image can be made");
        let made = command("mke2fs")
            .args(["-q", "-F", "-t", "ext4", "-L", "semoir-data"])
            .arg(&data)
            .output()
            .expect("mke2fs starts");
        assert!(made.status.success(), "mke2fs: {made:?}");
        Hardware {
            case: Case::new(dir),
            data,
            disks: Vec::new(),
            words: KERNEL_WORDS.to_owned(),
        }
    }

    /// Adds a built-in disk, found in the guest as /dev/disk/by-id/virtio-NAME.
    pub fn add_disk(&mut self, name: &str, image: &Path) {
        self.disks.push((name.to_owned(), image.to_owned()));
    }

    /// Takes out the disks that were added, from the next boot on.
    pub fn remove_disks(&mut self) {
        self.disks.clear();
    }

    /// Has the guest not start a service.
    pub fn leave_out(&mut self, unit: &str) {
        self.words += &format!(" systemd.mask={unit}");
    }
}

/// A running machine. It is killed, as by a power cut, when dropped.
pub struct Machine {
    qemu: Daemon,
    disk: Disk,
    qmp: Qmp,
    agent: Agent,
}

impl Machine {
    /// Switches it on, and waits until the guest's agent answers.
    pub fn boot(parts: &Parts, hardware: &Hardware) -> Machine {
        let dir = &hardware.dir;
        let disk = Disk::switch_on(&hardware.data, &dir.join("disk"));
        let mut command = hardware.command(&parts.qemu, "");
        command
            .arg("-kernel")
            .arg(&parts.kernel)
            .arg("-initrd")
            .arg(&parts.initrd)
            .args(["-append", &hardware.words]);
        add_disk(&mut command, "base", &image(&parts.base, true));
        add_disk(&mut command, "top", &image(&parts.top, true));
        add_disk(&mut command, "data", &served(disk.socket()));
        for (name, file) in &hardware.disks {
            add_disk(&mut command, name, &image(file, false));
        }
        command
            .args(["-device", "virtio-net-pci,netdev=net,romfile="])
            .args([
                "-device",
                &format!("qemu-xhci,id=usb,p2={PORTS},p3={PORTS}"),
            ]);
        let (mut qemu, qmp) = hardware.switch_on(&mut command);
        let alive = || {
            assert!(
                qemu.alive(),
                "QEMU ended; the console says:\n{}",
                tail(&hardware.console())
            );
        };
        let agent = Agent::connect(&dir.join("agent"), BOOT_BOUND, alive);
        Machine {
            qemu,
            disk,
            qmp,
            agent,
        }
    }

    /// Runs a line of shell in the guest, as root, and gives what it printed; fails the test when it fails.
    pub fn run(&mut self, line: &str) -> String {
        let ended = self.run_any(line);
        assert_eq!(ended.status, 0, "in the guest: {line}\n{}", ended.text);
        ended.text
    }

    /// The same, whatever it ends with.
    pub fn run_any(&mut self, line: &str) -> Ended {
        self.agent.run(line, COMMAND_BOUND)
    }

    /// Puts a stick into a USB port (1 to [`PORTS`]). The guest may write to it, so that a test can show that it does not.
    pub fn plug(&mut self, stick: &Stick, port: u32) {
        let (id, path) = (&stick.id, &stick.image);
        if stick.rate > 0 {
            let limits = json!({ "bps-total": stick.rate });
            self.qmp.run(
                "object-add",
                json!({ "qom-type": "throttle-group", "id": format!("rate-{id}"), "limits": limits }),
            );
        }
        let raw = json!({ "driver": "raw", "file": { "driver": "file", "filename": path } });
        let mut disk = match stick.rate {
            0 => raw,
            _ => {
                json!({ "driver": "throttle", "throttle-group": format!("rate-{id}"), "file": raw })
            }
        };
        disk["node-name"] = json!(format!("image-{id}"));
        self.qmp.run("blockdev-add", disk);
        self.qmp.run(
            "device_add",
            json!({
                "driver": "usb-storage", "id": format!("stick-{id}"), "drive": format!("image-{id}"), "bus": "usb.0",
                "port": port.to_string(), "removable": true, "serial": stick.serial,
            }),
        );
    }

    /// Pulls a stick out, without a word to the box before, in the middle of what it does. That stands still meanwhile, until
    /// the command that is under way is answered: QEMU itself ends when the guest takes back a command of a stick that is
    /// gone (of a null pointer, in `usb_msd_request_cancelled`).
    pub fn pull(&mut self, stick: &Stick) {
        self.run_any("systemctl kill --signal=STOP semoir.service");
        if stick.rate > 0 {
            let group = format!("/objects/rate-{}", stick.id);
            self.qmp.run(
                "qom-set",
                json!({ "path": group, "property": "limits", "value": { "bps-total": 0 } }),
            );
        }
        self.wait_idle();
        let device = format!("stick-{}", stick.id);
        self.qmp.run("device_del", json!({ "id": device }));
        self.qmp.wait_deleted(&device);
        let image = format!("image-{}", stick.id);
        self.qmp.run("blockdev-del", json!({ "node-name": image }));
        if stick.rate > 0 {
            let group = format!("rate-{}", stick.id);
            self.qmp.run("object-del", json!({ "id": group }));
        }
        self.run_any("systemctl kill --signal=CONT semoir.service");
    }

    /// Waits until no disk is read any more.
    fn wait_idle(&mut self) {
        let (mut before, mut same) = (Value::Null, 0);
        while same < LOOKS {
            std::thread::sleep(LOOK);
            let disks = self.qmp.run("query-blockstats", json!({}));
            let disks = disks.as_array().into_iter().flatten();
            let now = disks
                .map(|disk| disk["stats"]["rd_operations"].clone())
                .collect();
            same = if now == before { same + 1 } else { 0 };
            before = now;
        }
    }

    /// Cuts the power: QEMU is killed, what was in the guest's memory is gone, and of what its data disk had in its cache a
    /// part. Disks that were added have what was written to them.
    pub fn cut_power(mut self, lot: &mut Lot) -> Lost {
        self.qemu.kill();
        self.disk.cut_power(lot)
    }

    /// Fails the test when QEMU has ended.
    pub fn assert_alive(&mut self) {
        self.qemu.assert_alive();
    }
}

/// The kernel is quiet, since a serial port is slow, and without what an emulated processor is slow at and the tests need
/// not: mitigations and audits. The machine's number is the same at each boot, as a real one's.
const KERNEL_WORDS: &str = "console=ttyS0 quiet panic=-1 audit=0 apparmor=0 selinux=0 mitigations=off \
     random.trust_cpu=on no_timer_check systemd.machine_id=5e301500000000000000000000005e30 systemd.show_status=no";
