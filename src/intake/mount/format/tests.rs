//! Real file systems on loop devices, as root; what udev would say of them is written by `blkid`, as udev's own is.

use std::process::Command;
use std::sync::Arc;

use super::super::helper::HelperConfig;
use super::super::request::{Answer, Mounted, Request};
use super::*;
use crate::intake::drives::{DeviceNumber, Roots};

/// Bytes of each image: enough for any file system, and sparse.
const SIZE: u64 = 64 << 20;

/// What udev says of the hardware.
const HARDWARE: &str = "E:ID_BUS=usb\nE:ID_SERIAL_SHORT=4C530001\n";

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program} does not start: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {complaint}"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The two helpers, and the loop devices that go with them.
struct Bench {
    helper: Arc<Helper>,
    writer: Arc<Helper>,
    loops: Vec<String>,
    dir: tempfile::TempDir,
}

impl Bench {
    /// None where this is not root, which only a person's computer may be.
    fn new() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            assert!(std::env::var_os("CI").is_none(), "CI must run this as root");
            eprintln!("skipped: only root can mount");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("udev/data")).unwrap();
        let helper = |writes| HelperConfig {
            user: "nobody".to_owned(),
            mounts: dir.path().join("mounts"),
            approvals: dir.path().join("approved"),
            roots: Roots {
                udev: dir.path().join("udev"),
                ..Roots::default()
            },
            idle: Duration::from_secs(1),
            writes,
        };
        Some(Self {
            helper: Helper::new(helper(false)).unwrap(),
            writer: Helper::new(helper(true)).unwrap(),
            loops: Vec::new(),
            dir,
        })
    }

    /// A stick that was prepared by `mkfs`, with `hardware` as udev has it.
    fn stick(&mut self, mkfs: &[&str], hardware: &str) -> Stick {
        let image = self.dir.path().join(format!("{}.img", self.loops.len()));
        File::create(&image).unwrap().set_len(SIZE).unwrap();
        if let [program, arguments @ ..] = mkfs {
            let image = image.to_str().unwrap();
            run(program, &[arguments, &[image]].concat());
        }
        let node = run("losetup", &["--find", "--show", image.to_str().unwrap()]);
        let node = node.trim().to_owned();
        // A loop device keeps what it was made by its last user.
        run("blockdev", &["--setrw", &node]);
        self.loops.push(node.clone());
        let name = node.trim_start_matches("/dev/").to_owned();
        let number = Block::named(&Roots::default(), &name).unwrap().number;
        let stick = Stick {
            node,
            number,
            hardware: hardware.to_owned(),
        };
        self.probe(&stick);
        stick
    }

    /// What udev does when something changed.
    fn probe(&self, stick: &Stick) {
        // It finds nothing on a blank one, and says so by its status.
        let found = Command::new("blkid")
            .args(["-p", "-o", "udev", &stick.node])
            .output()
            .unwrap();
        let found = String::from_utf8(found.stdout).unwrap();
        let lines: String = found.lines().map(|line| format!("E:{line}\n")).collect();
        let path = self.dir.path().join(format!("udev/data/b{}", stick.number));
        fs::write(path, stick.hardware.clone() + &lines).unwrap();
    }

    fn key(&self, stick: &Stick) -> MountId {
        let roots = &self.helper.roots;
        let block = Block::of(roots, stick.number).unwrap();
        let udev = Properties::of_block(roots, stick.number).unwrap().unwrap();
        key(&block, &udev).unwrap()
    }

    /// Has it mounted as the daemon does: by the everyday helper, or by the other when that one says so. Neither mounts what
    /// is the other's.
    fn mount(&self, stick: &Stick) -> Mounted {
        let device = stick.number;
        let everyday = self.helper.answer(Request::MountDrive { device });
        let writing = self.writer.answer(Request::MountDrive { device });
        let (mounted, reason, other) = match (everyday, writing) {
            (Answer::Mounted(mounted), Answer::Refused(other)) => {
                (mounted, other.reason, Reason::NotAllowed)
            }
            (Answer::Refused(other), Answer::Mounted(mounted)) => {
                (mounted, other.reason, Reason::ForUploads)
            }
            answers => panic!("{answers:?}"),
        };
        assert_eq!(reason, other);
        assert_eq!(mounted.writable, other == Reason::ForUploads);
        mounted
    }

    fn unmount(&self, id: MountId) {
        let answer = self.helper.answer(Request::Unmount { id });
        assert_eq!(answer, Answer::Done);
    }

    fn ask(&self, stick: &Stick, with_files: bool, in_use: bool) -> Result<MountId, Refusal> {
        let wanted = FormatRequest {
            key: self.key(stick),
            label: "Été 2024".to_owned(),
            with_files,
            in_use,
        };
        match self.writer.answer(Request::Format(wanted)) {
            Answer::Formatted(formatted) => Ok(formatted.key),
            Answer::Refused(refusal) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    /// Puts a file on a stick, as its owner does elsewhere.
    fn put(&self, stick: &Stick, name: &str) {
        let point = self.dir.path().join("elsewhere");
        fs::create_dir_all(&point).unwrap();
        let point = point.to_str().unwrap();
        run("mount", &[&stick.node, point]);
        let written = fs::write(Path::new(point).join(name), "mine");
        run("umount", &[point]);
        written.unwrap();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Ok(table) = self.helper.points.table() {
            for entry in self.helper.points.ours(&table) {
                let _ = nix::mount::umount2(&entry.point, nix::mount::MntFlags::MNT_DETACH);
            }
        }
        for node in &self.loops {
            let _ = Command::new("losetup").args(["--detach", node]).status();
        }
    }
}

struct Stick {
    node: String,
    number: DeviceNumber,
    hardware: String,
}

const EXT4: &[&str] = &["mkfs.ext4", "-q", "-F"];

#[test]
fn a_formatted_drive_is_the_daemons_to_write_and_comes_back_so() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    let stick = bench.stick(EXT4, HARDWARE);
    let before = bench.mount(&stick);
    assert!(!before.writable, "as it came");
    assert!(fs::write(before.path.join("a"), "x").is_err());
    bench.unmount(before.id.clone());
    let known = bench.ask(&stick, false, false).unwrap();
    bench.probe(&stick);
    assert_eq!(known, bench.key(&stick), "as udev sees it");
    assert_ne!(known, before.id);

    for _ in 0..2 {
        let mounted = bench.mount(&stick);
        assert_eq!((&mounted.id, &mounted.note), (&known, &None));
        assert!(mounted.writable);
        let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(&mounted.path).unwrap());
        assert_eq!(owner, bench.helper.user.uid);
        fs::write(mounted.path.join("film"), "film").unwrap();
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let line = table
            .lines()
            .find(|line| line.contains(mounted.path.to_str().unwrap()));
        let line = line.unwrap();
        for option in ["rw,", "nosuid", "nodev", "noexec", "noatime"] {
            assert!(line.contains(option), "{option}: {line}");
        }
        bench.unmount(mounted.id);
    }
    assert_eq!(run("e2label", &[&stick.node]).trim(), "Été 2024");

    // Whoever lost the list has a drive like any other.
    fs::remove_file(bench.dir.path().join("uploads")).unwrap();
    let mounted = bench.mount(&stick);
    assert!(!mounted.writable);
    assert_eq!(fs::read(mounted.path.join("film")).unwrap(), b"film");
}

#[test]
fn a_drive_with_files_is_refused_until_its_owner_was_told() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    let stick = bench.stick(EXT4, HARDWARE);
    bench.put(&stick, "thesis");
    let refusal = bench.ask(&stick, false, false).unwrap_err();
    let said = (refusal.reason, refusal.why.as_str());
    assert_eq!(said, (Reason::HoldsFiles, "holds a file"));
    let table = bench.helper.points.table().unwrap();
    let left = bench.helper.points.ours(&table).count();
    assert_eq!(left, 0, "what was looked into is not left mounted");
    let mounted = bench.mount(&stick);
    assert_eq!(fs::read(mounted.path.join("thesis")).unwrap(), b"mine");

    let refusal = bench.ask(&stick, true, false).unwrap_err();
    assert_eq!(refusal.reason, Reason::Busy, "{refusal}");
    assert!(mounted.path.join("thesis").exists());
    bench.ask(&stick, true, true).unwrap();
    bench.probe(&stick);
    let mounted = bench.mount(&stick);
    assert!(mounted.writable && !mounted.path.join("thesis").exists());
}

#[test]
fn what_is_not_understood_counts_as_files_and_what_is_blank_does_not() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    let blank = bench.stick(&[], HARDWARE);
    let strange = bench.stick(&[], &HARDWARE.replace("0001", "0002"));
    let damaged = bench.stick(EXT4, &HARDWARE.replace("0001", "0003"));
    let write = |stick: &Stick, bytes: &[u8], at: u64| {
        let device = OpenOptions::new().write(true).open(&stick.node).unwrap();
        device.write_all_at(bytes, at).unwrap();
        device.sync_all().unwrap();
    };
    write(&strange, b"somebody's own way of keeping things", 4096);
    // The group descriptors: the superblock still says that there is an ext4.
    write(&damaged, &[0xff; 4096], 2048);
    for stick in [&strange, &damaged] {
        bench.probe(stick);
        let refusal = bench.ask(stick, false, false).unwrap_err();
        assert_eq!(refusal.reason, Reason::HoldsFiles, "{refusal}");
    }
    for stick in [&blank, &damaged] {
        let with_files = stick.node == damaged.node;
        bench.ask(stick, with_files, false).unwrap();
        bench.probe(stick);
        assert!(bench.mount(stick).writable);
    }
}

#[test]
fn a_twin_without_the_seal_is_not_written_to() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    let ours = bench.stick(EXT4, HARDWARE);
    bench.ask(&ours, false, false).unwrap();
    bench.probe(&ours);
    let key = bench.key(&ours);
    let uuid = run("blkid", &["-p", "-s", "UUID", "-o", "value", &ours.node]);
    let label = ["-U", uuid.trim(), "-L", "Été 2024"];
    let forged = [EXT4, &label].concat();
    // Everything that is on show is the same, down to the serial number.
    let twin = bench.stick(&forged, HARDWARE);
    assert_eq!(bench.key(&twin), key);
    let refusal = bench.ask(&twin, false, false).unwrap_err();
    assert_eq!(refusal.reason, Reason::Busy, "which of the two: {refusal}");
    let mounted = bench.mount(&twin);
    assert!(!mounted.writable);
    bench.unmount(mounted.id);
    assert!(bench.mount(&ours).writable);
}

#[test]
fn what_is_built_in_or_has_no_fitting_name_is_refused() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    let built_in = bench.stick(EXT4, "E:ID_SERIAL_SHORT=WD1\n");
    let refusal = bench.ask(&built_in, true, true).unwrap_err();
    assert_eq!(refusal.reason, Reason::NotApproved, "{refusal}");
    let key = bench.key(&built_in);
    let approved = bench.helper.answer(Request::Approve { key: key.clone() });
    assert_eq!(approved, Answer::Done);
    for label in ["", "two\nlines", "seventeen letters"] {
        let wanted = FormatRequest {
            key: key.clone(),
            label: label.to_owned(),
            with_files: true,
            in_use: true,
        };
        let answer = bench.writer.answer(Request::Format(wanted));
        let is_refused = matches!(&answer, Answer::Refused(r) if r.reason == Reason::Malformed);
        assert!(is_refused, "{answer:?}");
    }
    bench.ask(&built_in, false, false).unwrap();
    bench.probe(&built_in);
    assert!(bench.mount(&built_in).writable, "approved as before");
    let gone = bench.writer.answer(Request::Format(FormatRequest {
        key,
        label: "a".to_owned(),
        with_files: true,
        in_use: true,
    }));
    let is_gone = matches!(&gone, Answer::Refused(r) if r.reason == Reason::NotFound);
    assert!(is_gone, "{gone:?}");
}

#[test]
fn each_helper_refuses_what_is_the_others() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    let stick = bench.stick(EXT4, HARDWARE);
    let key = bench.key(&stick);
    let refused = |helper: &Arc<Helper>, request| match helper.answer(request) {
        Answer::Refused(refusal) => refusal.reason,
        other => panic!("{other:?}"),
    };
    let wanted = FormatRequest {
        key: key.clone(),
        label: "a".to_owned(),
        with_files: true,
        in_use: true,
    };
    let everyday = refused(&bench.helper, Request::Format(wanted));
    assert_eq!(everyday, Reason::NotAllowed);
    for request in [
        Request::Unmount { id: key.clone() },
        Request::Approve { key: key.clone() },
        Request::Withdraw { key },
    ] {
        assert_eq!(refused(&bench.writer, request), Reason::NotAllowed);
    }
    assert!(!bench.dir.path().join("approved").exists());
}

#[test]
fn the_disk_is_locked_until_the_drive_is_known_as_one_for_uploads() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    let stick = bench.stick(EXT4, HARDWARE);
    let disk = File::open(&stick.node).unwrap();
    let held = Flock::lock(disk, FlockArg::LockShared).unwrap();
    let before = bench.key(&stick);
    let known = thread::scope(|scope| {
        let bench = &bench;
        let asked = scope.spawn(|| bench.ask(&stick, false, false));
        thread::sleep(Duration::from_millis(300));
        bench.probe(&stick);
        assert_eq!(
            bench.key(&stick),
            before,
            "somebody else looks at it: it is as it was"
        );
        drop(held);
        asked.join().unwrap().unwrap()
    });
    assert_ne!(known, before);
    let again = File::open(&stick.node).unwrap();
    assert!(
        Flock::lock(again, FlockArg::LockExclusiveNonblock).is_ok(),
        "and it is let go of"
    );
}

#[test]
fn nobody_waits_for_whom_a_program_leaves_behind() {
    let dir = tempfile::tempdir().unwrap();
    // Both end with the folder.
    let script = "cd \"$0\" && stay() { while [ -e . ] && [ -e here ]; do sleep 0.1; done; }; stay & eval \"$1\"";
    fs::write(dir.path().join("here"), "").unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    for (then, patience) in [
        ("echo no such drive >&2; exit 3", MKFS_PATIENCE),
        ("stay", Duration::ZERO),
    ] {
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(dir.path()).arg(then);
        let tell = tell.clone();
        thread::spawn(move || tell.send(carry_out(&mut command, patience)));
        let ended = told.recv_timeout(Duration::from_secs(20));
        let ended = ended.expect("it waits for him").unwrap();
        let ended = ended.map(|(status, said)| (status.code(), said));
        let wanted = (Some(3), "no such drive\n".to_owned());
        assert_eq!(ended, (patience == MKFS_PATIENCE).then_some(wanted));
    }
}

#[test]
fn folders_without_end_are_not_gone_through() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("1/2/3/4");
    fs::create_dir_all(&deep).unwrap();
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    assert_eq!(count(dir.path(), 5).unwrap(), 0, "folders are no files");
    assert_eq!(
        count(dir.path(), 4).unwrap(),
        4,
        "but enough of them are something"
    );
    for name in ["a", "b"] {
        fs::write(deep.join(name), "").unwrap();
    }
    assert_eq!(count(dir.path(), 5).unwrap(), 2);
    assert_eq!(count(&deep, 2).unwrap(), 2);
    assert_eq!(count(&deep, 1).unwrap(), 1);
}
