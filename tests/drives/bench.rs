//! A helper, images of file systems, and loop devices that go with the test.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use semoir::intake::drives::{Block, DeviceNumber, Properties, Roots, key};
use semoir::intake::mount::{Answer, MountId, Request};
use tempfile::TempDir;

/// Everything here is on one machine: what takes longer than this does not come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The user the helper mounts for.
pub const USER: &str = "nobody";

/// Whether the tests can run: only root can mount. In CI it is.
pub fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        assert!(std::env::var_os("CI").is_none(), "CI must run this as root");
        eprintln!("skipped: only root can mount");
    }
    root
}

/// Runs a program, and fails with what it says when it fails.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| {
            panic!("{program} does not start ({error}); `make test` installs it")
        });
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// A helper of one's own, and where it works.
pub struct Bench {
    pub dir: TempDir,
    helper: Child,
}

impl Bench {
    /// Starts the helper, in a mount name space that this thread enters as well.
    pub fn start() -> Self {
        // SAFETY: the call takes no pointers; this thread alone leaves the others' name space.
        assert_eq!(
            unsafe { libc::unshare(libc::CLONE_NEWNS) },
            0,
            "a mount name space"
        );
        run("mount", &["--make-rprivate", "/"]);
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("udev/data")).unwrap();
        let helper = Self::helper(dir.path());
        let bench = Self { dir, helper };
        bench.wait();
        bench
    }

    fn helper(dir: &Path) -> Child {
        Command::new(env!("CARGO_BIN_EXE_semoir"))
            .args(["mount-helper", "--user", USER, "--idle", "600"])
            .arg("--socket")
            .arg(dir.join("socket"))
            .arg("--mounts")
            .arg(dir.join("mounts"))
            .arg("--approvals")
            .arg(dir.join("approved"))
            .arg("--udev")
            .arg(dir.join("udev"))
            .env("SEMOIR_OFFLINE", "1")
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn wait(&self) {
        let deadline = Instant::now() + PATIENCE;
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            assert!(Instant::now() < deadline, "the helper does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends the helper as the system would, and starts another.
    pub fn restart(&mut self) {
        self.helper.kill().unwrap();
        self.helper.wait().unwrap();
        self.helper = Self::helper(self.dir.path());
        self.wait();
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    pub fn pid(&self) -> u32 {
        self.helper.id()
    }

    pub fn roots(&self) -> Roots {
        Roots {
            udev: self.dir.path().join("udev"),
            ..Roots::default()
        }
    }

    /// Asks without a client: what comes back, word for word.
    pub fn ask(&self, request: &Request) -> Answer {
        let stream = std::os::unix::net::UnixStream::connect(self.socket()).unwrap();
        raw(&stream, &serde_json::to_vec(request).unwrap())
    }

    /// Asks, and expects a refusal.
    pub fn refused(&self, request: &Request) -> semoir::intake::mount::Refusal {
        match self.ask(request) {
            Answer::Refused(refusal) => refusal,
            other => panic!("{request:?} was answered by {other:?}"),
        }
    }

    /// Mounts, and expects that it works; where, and the note.
    pub fn mount(&self, device: DeviceNumber) -> (MountId, PathBuf, Option<String>) {
        match self.ask(&Request::MountDrive { device }) {
            Answer::Mounted(mounted) => (mounted.id, mounted.path, mounted.note),
            other => panic!("{device}: {other:?}"),
        }
    }

    pub fn unmount(&self, id: &MountId) {
        assert_eq!(self.ask(&Request::Unmount { id: id.clone() }), Answer::Done);
    }

    /// Writes udev's record of a device: what `blkid` says of it, and what else is given.
    pub fn record(&self, device: &Loop, more: &[&str]) {
        let told = Command::new("blkid")
            .args(["-p", "-o", "udev"])
            .arg(&device.node)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        let lines = told.lines().chain(more.iter().copied());
        let record: String = lines.map(|line| format!("E:{line}\n")).collect();
        fs::write(self.record_of(device.number), record).unwrap();
    }

    pub fn record_of(&self, number: DeviceNumber) -> PathBuf {
        self.dir.path().join(format!("udev/data/b{number}"))
    }

    /// What the device is known by.
    pub fn key(&self, device: &Loop) -> MountId {
        let roots = self.roots();
        let block = Block::of(&roots, device.number).unwrap();
        let udev = Properties::of_block(&roots, device.number)
            .unwrap()
            .unwrap();
        key(&block, &udev).unwrap()
    }

    /// Takes up a loop device as a drive that the owner approved.
    pub fn approve(&self, device: &Loop) -> MountId {
        self.record(device, &["ID_SERIAL_SHORT=TEST1"]);
        let key = self.key(device);
        assert_eq!(
            self.ask(&Request::Approve { key: key.clone() }),
            Answer::Done
        );
        key
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.helper.kill();
        let _ = self.helper.wait();
        for entry in fs::read_dir(self.dir.path().join("mounts"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let _ = Command::new("umount")
                .args(["--lazy", "--quiet"])
                .arg(entry.path())
                .status();
        }
    }
}

/// One frame to and fro.
pub fn raw(mut stream: &std::os::unix::net::UnixStream, body: &[u8]) -> Answer {
    use std::io::Write;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(body);
    // Whoever is refused unheard may not even get to say all of it.
    let _ = stream.write_all(&frame);
    answer(stream)
}

/// Reads an answer.
pub fn answer(mut stream: &std::os::unix::net::UnixStream) -> Answer {
    let mut header = [0; 4];
    stream.read_exact(&mut header).unwrap();
    let mut body = vec![0; usize::try_from(u32::from_be_bytes(header)).unwrap()];
    stream.read_exact(&mut body).unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// A loop device; detached when dropped.
#[derive(Debug)]
pub struct Loop {
    pub node: PathBuf,
    pub number: DeviceNumber,
}

impl Loop {
    /// A loop device of an image.
    pub fn attach(image: &Path) -> Self {
        let node = run("losetup", &["--find", "--show", image.to_str().unwrap()]);
        let node = PathBuf::from(node.trim());
        // What the helper did to it for an earlier image stays, other than with a disk that is plugged in anew.
        run("blockdev", &["--setrw", node.to_str().unwrap()]);
        use std::os::unix::fs::MetadataExt;
        let number = DeviceNumber::of(fs::metadata(&node).unwrap().rdev());
        Self { node, number }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup")
            .arg("--detach")
            .arg(&self.node)
            .status();
    }
}

/// An empty image of so many bytes.
pub fn image(path: &Path, bytes: u64) -> PathBuf {
    File::create(path).unwrap().set_len(bytes).unwrap();
    path.to_owned()
}

/// The SHA-256 of a file or device, by a program that is not ours.
pub fn hash(path: &Path) -> String {
    let told = run("sha256sum", &[path.to_str().unwrap()]);
    told.split_whitespace().next().unwrap().to_owned()
}
