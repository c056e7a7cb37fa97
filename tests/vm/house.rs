//! The other computer in the house, which serves shares: a network namespace of the guest, joined to the box by a line that
//! can be cut, with Samba and the kernel's own NFS server in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::machine::{Hardware, Machine};
use super::parts::run;

/// Where it is, to the box.
pub const SERVER: &str = "10.9.0.2";
/// Its user, whose password has in it what options of mounts are parted by.
pub const USER: &str = "mia";
/// The user's password, as it is at first.
pub const PASSWORD: &str = "a,b=c,1";
/// Its disk, in MiB.
const DISK: u64 = 160;

/// The line, and the disk of the other end: read-only, so that a power cut does not change what it serves.
const JOIN: &str = "
ip netns add server
ip link add house type veth peer name house netns server
ip address add 10.9.0.1/24 dev house
ip link set house up
ip -n server address add 10.9.0.2/24 dev house
ip -n server link set house up
ip -n server link set lo up
mkdir -p /server
mount -o ro /dev/disk/by-id/virtio-server /server";

/// Samba, with a share for a user and one for everybody. What fails to log on is written down.
const SMB_CONFIG: &str = "[global]
server role = standalone server
netbios name = nas
map to guest = bad user
disable netbios = yes
smb ports = 445
load printers = no
log level = 1 auth_audit:2
[media]
path = /server/media
read only = yes
valid users = mia
[open]
path = /server/open
read only = yes
guest ok = yes";

/// The server sees its disk as its root, as a computer of its own would: the root that version 4 shows to clients cannot be
/// the guest's, which lies in memory.
const NFS_CONFIG: &str = "[exports]
rootdir=/server";
const EXPORTS: &str = "/media 10.9.0.0/24(ro,no_subtree_check)
/older 10.9.0.0/24(ro,no_subtree_check)
/closed 10.9.9.0/24(ro,no_subtree_check)";

/// For how long a server that was started lets clients of before come back, in seconds: 90 by default.
const GRACE: u32 = 10;

/// What the disk holds.
pub struct House {
    image: PathBuf,
}

impl House {
    /// A disk in `dir`, with the files that `fill` puts into the folder that it is given.
    pub fn new(dir: &Path, fill: impl FnOnce(&Path)) -> House {
        let (content, image) = (dir.join("server"), dir.join("server.img"));
        fill(&content);
        run(Command::new("mke2fs")
            .args(["-q", "-F", "-t", "ext4", "-d"])
            .arg(&content)
            .arg(&image)
            .arg(format!("{DISK}M")));
        std::fs::remove_dir_all(&content).expect("a folder can be removed");
        House { image }
    }

    /// Puts its disk into the machine that it is in.
    pub fn furnish(&self, hardware: &mut Hardware) {
        hardware.add_disk("server", &self.image);
    }
}

/// Builds it in a machine that was just switched on. Nothing is served yet.
pub fn build(machine: &mut Machine) {
    machine.run(&format!(
        "set -e{JOIN}
mkdir -p /run/samba/ncalrpc /var/log/samba /etc/nfs.conf.d
echo '{SMB_CONFIG}' >/etc/samba/smb.conf
echo '{NFS_CONFIG}' >/etc/nfs.conf.d/test.conf
echo '{EXPORTS}' >/etc/exports
useradd --no-create-home {USER}
modprobe nfsd"
    ));
    set_password(machine, PASSWORD);
}

/// Gives the user another password.
pub fn set_password(machine: &mut Machine, password: &str) {
    machine.run(&format!(
        "printf '%s\\n%s\\n' '{password}' '{password}' | smbpasswd -s -a {USER}"
    ));
}

/// Cuts the line to it, or mends it.
pub fn join(machine: &mut Machine, is_whole: bool) {
    let state = if is_whole { "up" } else { "down" };
    machine.run(&format!("ip -n server link set house {state}"));
}

/// Starts Samba.
pub fn start_smb(machine: &mut Machine) {
    machine.run("ip netns exec server smbd -D");
}

/// Ends Samba: at once, in the middle of whatever it does, or in order.
pub fn end_smb(machine: &mut Machine, signal: &str) {
    machine.run(&format!(
        "while pids=$(ip netns pids server) && [ -n \"$pids\" ]; do kill -{signal} $pids; sleep 0.1; done"
    ));
}

/// How often somebody tried to log on with a wrong password since that was asked last.
pub fn wrong_passwords(machine: &mut Machine) -> usize {
    let lines = machine.run(
        "cat /var/log/samba/log.* | grep -c 'user .*NT_STATUS_WRONG_PASSWORD' || true; \
         for log in /var/log/samba/log.*; do : >$log; done",
    );
    lines.trim().parse().expect("a number")
}

/// What is to be done in the namespace of the server, whose NFS server is found at this place.
fn in_server(machine: &mut Machine, lines: &str) {
    machine.run(&format!(
        "ip netns exec server sh -e -c 'mount -t nfsd nfsd /proc/fs/nfsd
{lines}'"
    ));
}

/// Has the box find names by multicast, as the image does, and the server not answer to any yet.
pub fn ask_for_names(machine: &mut Machine) {
    machine.run(
        "mkdir -p /etc/systemd/resolved.conf.d
printf '[Resolve]\nMulticastDNS=yes\nLLMNR=no\n' >/etc/systemd/resolved.conf.d/test.conf
systemctl start systemd-resolved && resolvectl mdns house yes",
    );
}

/// Has the server answer to this name in `.local`.
pub fn answer_to(machine: &mut Machine, name: &str) {
    machine.run(&format!(
        "printf '[server]\nhost-name={name}\nenable-dbus=no\nuse-ipv6=no\nallow-interfaces=house\n' >/etc/avahi/test.conf
ip netns exec server avahi-daemon -D --no-drop-root --no-chroot --no-rlimits -f /etc/avahi/test.conf"
    ));
}

/// Gives the server another address.
pub fn change_address(machine: &mut Machine) {
    machine.run(&format!(
        "ip -n server address del {SERVER}/24 dev house && ip -n server address add 10.9.0.3/24 dev house"
    ));
}

/// Starts the NFS server; with version 3 alone, or all that it knows.
pub fn start_nfs(machine: &mut Machine, is_old: bool) {
    let versions = if is_old { "-N 4" } else { "" };
    in_server(
        machine,
        &format!(
            "rpcbind -w
exportfs -ra
rpc.nfsd {versions} --grace-time {GRACE} --lease-time {GRACE} 4
rpc.mountd"
        ),
    );
}

/// Ends the NFS server.
pub fn end_nfs(machine: &mut Machine) {
    in_server(machine, "rpc.nfsd 0");
    machine.run(
        "while pids=$(ip netns pids server) && [ -n \"$pids\" ]; do kill $pids; sleep 0.1; done",
    );
}
