//! QEMU, as each machine of these tests starts it: without a screen, with a serial console that is written down, a control
//! socket, and a port for the guest's agent. Its network is QEMU's own and restricted: nothing in the guest reaches
//! anything outside, and what is outside reaches three ports of it, on an address in 127/8.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::qmp::Qmp;
use crate::common::daemon::{Daemon, command};
use crate::common::net;

/// Memory of a guest, in MiB: where its root has a writable layer, that is half of it.
const MEMORY: u32 = 1024;

/// How the guest's processor is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceleration {
    /// By the host's.
    Kvm,
    /// Emulated.
    Tcg,
}

impl Acceleration {
    /// The host's processor where it has what that needs, or what `SEMOIR_VM_ACCEL` says. A /dev/kvm alone is not enough:
    /// some virtual machines offer one that runs no ordinary kernel.
    pub fn here() -> Acceleration {
        let able = || {
            let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
            let flag = |name: &str| cpu.split_whitespace().any(|word| word == name);
            (flag("vmx") || flag("svm"))
                && File::options()
                    .read(true)
                    .write(true)
                    .open("/dev/kvm")
                    .is_ok()
        };
        match std::env::var("SEMOIR_VM_ACCEL").as_deref() {
            Ok("kvm") => Acceleration::Kvm,
            Ok("tcg") => Acceleration::Tcg,
            Ok(other) => panic!("SEMOIR_VM_ACCEL is kvm or tcg, not {other:?}"),
            Err(_) if able() => Acceleration::Kvm,
            Err(_) => Acceleration::Tcg,
        }
    }

    /// QEMU's words for it. Five-level page tables cost an emulated processor much. A second one would save little (what
    /// the guest does is done in turns), and now and then end QEMU: while one of two maps a device anew, as the kernel does
    /// when it meets one, the other may still look it up where it was ("iotlb_to_section: Assertion failed").
    fn options(self) -> [&'static str; 6] {
        match self {
            Acceleration::Kvm => ["-accel", "kvm", "-cpu", "host", "-smp", "2"],
            Acceleration::Tcg => ["-accel", "tcg", "-cpu", "max,la57=off", "-smp", "1"],
        }
    }
}

/// Where a guest's ports are found from outside, and where QEMU's sockets and logs are; they outlive a power cut.
pub struct Case {
    /// The folder of the sockets and logs.
    pub dir: PathBuf,
    /// Where the guest's ports are forwarded from.
    pub ip: Ipv4Addr,
    admin: u16,
    public: u16,
    peers: u16,
}

impl Case {
    /// On an address of its own.
    pub fn new(dir: &Path) -> Case {
        let ip = net::fresh_ip();
        Case {
            dir: dir.to_owned(),
            ip,
            admin: net::free_port(ip),
            public: net::free_port(ip),
            peers: net::free_port(ip),
        }
    }

    /// The owner's page, from outside.
    pub fn admin(&self) -> String {
        format!("http://{}:{}", self.ip, self.admin)
    }

    /// The public page, from outside.
    pub fn public(&self) -> String {
        format!("http://{}:{}", self.ip, self.public)
    }

    /// Where peers connect, from outside.
    pub fn peers(&self) -> SocketAddr {
        (self.ip, self.peers).into()
    }

    /// What the guest printed on its serial port, over all boots.
    pub fn console(&self) -> String {
        let text = std::fs::read(self.dir.join("console.log")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// QEMU with all that is alike everywhere: the caller adds kernel, disks, and a network device that is plugged into `net`,
    /// which has `more` options.
    pub fn command(&self, qemu: &Path, more: &str) -> Command {
        let dir = self.dir.display();
        for socket in ["qmp", "agent"] {
            let _ = std::fs::remove_file(self.dir.join(socket));
        }
        let forward = |udp: bool, outside: u16, inside: u16| {
            let kind = if udp { "udp" } else { "tcp" };
            format!(",hostfwd={kind}:{}:{outside}-10.0.2.15:{inside}", self.ip)
        };
        let mut command = command(qemu);
        command
            .args(["-nodefaults", "-no-user-config", "-no-reboot"])
            .args(["-display", "none", "-rtc", "base=utc"])
            .args(["-machine", "pc", "-m", &MEMORY.to_string()])
            .args(Acceleration::here().options())
            .arg("-netdev")
            .arg(
                "user,id=net,restrict=on,ipv6=off".to_owned()
                    + &forward(false, self.admin, 80)
                    + &forward(false, self.public, 6880)
                    + &forward(true, self.public, 6880)
                    + &forward(false, self.peers, 6881)
                    + more,
            )
            .args(["-device", "virtio-serial-pci", "-chardev"])
            .arg(format!(
                "socket,id=agent,path={dir}/agent,server=on,wait=off"
            ))
            .args([
                "-device",
                "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
            ])
            .arg("-chardev")
            .arg(format!("file,id=console,append=on,path={dir}/console.log"))
            .args(["-serial", "chardev:console", "-qmp"])
            .arg(format!("unix:{dir}/qmp,server=on,wait=off"));
        command
    }

    /// Starts it.
    pub fn switch_on(&self, command: &mut Command) -> (Daemon, Qmp) {
        let mut qemu = Daemon::start("QEMU", command, &self.dir.join("qemu.log"));
        let qmp = Qmp::connect(&self.dir.join("qmp"), || qemu.assert_alive());
        (qemu, qmp)
    }
}

/// A disk of QEMU's, found in the guest as /dev/disk/by-id/virtio-NAME.
pub fn add_disk(command: &mut Command, name: &str, backing: &str) {
    command
        .arg("-blockdev")
        .arg(format!("{backing},node-name={name}"))
        .arg("-device")
        .arg(format!("virtio-blk-pci,drive={name},serial={name}"));
}

/// A disk that lies in a file, for [`add_disk`].
pub fn image(file: &Path, read_only: bool) -> String {
    let read_only = if read_only { "on" } else { "off" };
    format!(
        "driver=raw,read-only={read_only},file.driver=file,file.filename={}",
        file.display()
    )
}

/// A disk that a [`super::disk::Disk`] serves, for [`add_disk`].
pub fn served(socket: &Path) -> String {
    format!(
        "driver=nbd,server.type=unix,server.path={}",
        socket.display()
    )
}

/// The end of a long text.
pub fn tail(text: &str) -> &str {
    let mut from = text.len().saturating_sub(4000);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}
