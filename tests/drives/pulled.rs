//! A drive that is pulled while it is read, as far as a loop device can be: the kernel's list of devices is the test's own, and
//! what is on it is real. And the helper as systemd starts it.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use semoir::intake::drives::Roots;
use semoir::intake::mount::helper::HelperConfig;
use semoir::intake::mount::{Answer, Helper, Reason, Request};

use crate::bench::{Bench, Loop, PATIENCE, USER, image, is_root, raw, run};

/// A list of devices with one on it, which says that its medium can be taken out, as sticks do.
struct Plugged {
    dir: PathBuf,
    device: Loop,
}

impl Plugged {
    fn new(bench: &Bench) -> Self {
        let film = bench.dir.path().join("film");
        fs::create_dir(&film).unwrap();
        fs::write(film.join("film.mkv"), b"film").unwrap();
        let image = image(&bench.dir.path().join("ext4.img"), 8 << 20);
        run(
            "mkfs.ext4",
            &[
                "-q",
                "-F",
                "-d",
                film.to_str().unwrap(),
                image.to_str().unwrap(),
            ],
        );
        let device = Loop::attach(&image);
        bench.record(&device, &["ID_SERIAL_SHORT=TEST1"]);
        let dir = bench.dir.path().join("sys");
        let plugged = Self { dir, device };
        let disk = plugged.disk();
        fs::create_dir_all(&disk).unwrap();
        for (attribute, value) in [
            ("dev", plugged.device.number.to_string()),
            ("size", (8_u64 << 11).to_string()),
            ("removable", "1".to_owned()),
            ("diskseq", "1".to_owned()),
        ] {
            fs::write(disk.join(attribute), value).unwrap();
        }
        for list in ["class/block", "dev/block"] {
            fs::create_dir_all(plugged.dir.join(list)).unwrap();
        }
        plugged.plug();
        plugged
    }

    fn name(&self) -> &str {
        self.device.node.file_name().unwrap().to_str().unwrap()
    }

    fn disk(&self) -> PathBuf {
        self.dir.join("devices/usb1/1-1/block").join(self.name())
    }

    fn links(&self) -> [PathBuf; 2] {
        let number = self.device.number.to_string();
        [
            self.dir.join("class/block").join(self.name()),
            self.dir.join("dev/block").join(number),
        ]
    }

    fn plug(&self) {
        for link in self.links() {
            symlink(self.disk(), link).unwrap();
        }
    }

    fn pull(&self) {
        for link in self.links() {
            fs::remove_file(link).unwrap();
        }
    }

    fn helper(&self, bench: &Bench) -> Arc<Helper> {
        let proc = bench.dir.path().join("proc");
        if !proc.exists() {
            // This thread's name space, which is not the whole process's.
            fs::create_dir(&proc).unwrap();
            symlink("/proc/thread-self", proc.join("self")).unwrap();
            symlink("/proc/swaps", proc.join("swaps")).unwrap();
        }
        let config = HelperConfig {
            user: USER.to_owned(),
            mounts: bench.dir.path().join("pulled"),
            approvals: bench.dir.path().join("approved"),
            roots: Roots {
                sys: self.dir.clone(),
                proc,
                ..bench.roots()
            },
            idle: PATIENCE,
            writes: false,
        };
        Helper::new(config).unwrap()
    }
}

fn mounted(helper: &Arc<Helper>, plugged: &Plugged) -> (Request, PathBuf) {
    let device = plugged.device.number;
    match helper.answer(Request::MountDrive { device }) {
        Answer::Mounted(mounted) => (Request::Unmount { id: mounted.id }, mounted.path),
        other => panic!("{other:?}"),
    }
}

fn refused(answer: &Answer) -> Reason {
    match answer {
        Answer::Refused(refusal) => refusal.reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stick_needs_no_approval_and_what_is_read_while_it_is_pulled_holds_up_nothing() {
    if !is_root() {
        return;
    }
    let bench = Bench::start();
    let plugged = Plugged::new(&bench);
    let helper = plugged.helper(&bench);
    let (unmount, path) = mounted(&helper, &plugged);
    let mut film = File::open(path.join("film.mkv")).unwrap();
    assert_eq!(
        refused(&helper.answer(unmount.clone())),
        Reason::Busy,
        "it is there, and read"
    );
    plugged.pull();
    assert_eq!(helper.answer(unmount.clone()), Answer::Done);
    assert!(!path.exists());
    // Whoever reads it still does; a real one would answer with an error.
    let mut text = String::new();
    film.read_to_string(&mut text).unwrap();
    assert_eq!(text, "film");
    let device = plugged.device.number;
    assert_eq!(
        refused(&helper.answer(Request::MountDrive { device })),
        Reason::NotFound
    );
    drop(film);
    plugged.plug();
    assert_eq!(mounted(&helper, &plugged).1, path);
    assert_eq!(helper.answer(unmount), Answer::Done);
}

#[test]
fn what_is_left_of_a_drive_is_cleared_by_the_next_helper_or_the_drives_return() {
    if !is_root() {
        return;
    }
    let bench = Bench::start();
    let plugged = Plugged::new(&bench);
    let helper = plugged.helper(&bench);
    let (_, path) = mounted(&helper, &plugged);
    plugged.pull();
    let held = File::open(path.join("film.mkv")).unwrap();
    drop(helper);
    let helper = plugged.helper(&bench);
    assert!(!path.exists(), "swept");
    drop(held);
    plugged.plug();
    let (unmount, _) = mounted(&helper, &plugged);
    assert_eq!(helper.answer(unmount), Answer::Done);
}

/// Starts the helper as systemd does: with a listening socket as its third descriptor.
fn activated(dir: &Path, socket: &Path) -> std::process::Child {
    let program = "
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(8)
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
";
    Command::new("python3")
        .args(["-c", program])
        .arg(socket)
        .arg(env!("CARGO_BIN_EXE_semoir"))
        .args(["mount-helper", "--user", USER, "--idle", "1", "--mounts"])
        .arg(dir.join("activated"))
        .env("SEMOIR_OFFLINE", "1")
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn started_by_its_socket_it_ends_when_nobody_asks() {
    if !is_root() {
        return;
    }
    let bench = Bench::start();
    let socket = bench.dir.path().join("handed-over");
    let mut helper = activated(bench.dir.path(), &socket);
    let started = Instant::now();
    let stream = loop {
        match std::os::unix::net::UnixStream::connect(&socket) {
            Ok(stream) => break stream,
            Err(error) => assert!(started.elapsed() < PATIENCE, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let request = serde_json::to_vec(&Request::Unmount {
        id: "a".parse().unwrap(),
    })
    .unwrap();
    assert_eq!(raw(&stream, &request), Answer::Done);
    let status = loop {
        if let Some(status) = helper.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > PATIENCE {
            helper.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(status.success(), "{status}");
    // Without a socket it says what is missing.
    let output = Command::new(env!("CARGO_BIN_EXE_semoir"))
        .args(["mount-helper", "--user", USER])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--socket"));
}
