//! The system helper, with the real RAUC and real updates.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::{User, chown, geteuid, mkfifo};
use semoir::device::running::Running;
use semoir::device::system::{
    BUNDLE, Bundle, Client, ClientError, Helper, HelperConfig, MAX_BUNDLE, UPDATES,
};

use super::card::{make_card, stand_ins};
use super::{run, script};

/// A helper that serves, and the daemon's end of it.
struct Desk {
    dir: tempfile::TempDir,
    client: Client,
}

impl Desk {
    /// For the user of that number, on a system made with those images.
    fn for_user(uid: nix::unistd::Uid, images: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let target = at("target");
        for folder in ["data/update", "kept", "target/etc", "target/usr/lib"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        run(script("post-build.sh")
            .args([target.as_os_str(), "rpi4".as_ref()])
            .env("SEMOIR_RELEASE", "1.0.0")
            .env("SEMOIR_KEYRING", images.join("key/cert.pem")));
        let helper = Helper::new(HelperConfig {
            user: User::from_uid(uid).unwrap().unwrap().name,
            data: at("data"),
            kept: at("kept"),
            run: at(""),
            supplicant: at("wpa"),
            rauc: "/usr/bin/rauc".into(),
            rauc_config: target.join("etc/rauc/system.conf"),
            systemctl: "/bin/false".into(),
            running: Running::default(),
            idle: Duration::from_secs(600),
        })
        .unwrap();
        let listener = UnixListener::bind(at("system.sock")).unwrap();
        std::thread::spawn(move || helper.serve(&listener));
        let client = Client::new(at("system.sock"));
        Self { dir, client }
    }

    fn bundle(&self) -> PathBuf {
        self.dir.path().join("data").join(UPDATES).join(BUNDLE)
    }

    async fn inspect(&self) -> Result<Bundle, ClientError> {
        self.client.inspect().await
    }

    /// What is said of what lies there.
    async fn refusal(&self) -> String {
        match self.inspect().await {
            Err(ClientError::Refused(refusal)) => {
                let why = refusal.why;
                assert!(semoir::admin::french(&why).is_some(), "no French: {why}");
                why
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Images of a board, with an update among them, signed by that key.
fn images(board: &str, key: Option<&Path>) -> tempfile::TempDir {
    let images = tempfile::tempdir().unwrap();
    if let Some(key) = key {
        run(Command::new("cp").arg("-a").arg(key).arg(images.path()));
    }
    stand_ins(images.path(), board);
    make_card(images.path(), board);
    images
}

#[tokio::test]
async fn updates_are_looked_at_by_the_real_rauc() {
    let ours = images("rpi4", None);
    let key = ours.path().join("key");
    let good = fs::read(ours.path().join("semoir.raucb")).unwrap();
    let desk = Desk::for_user(geteuid(), ours.path());
    assert_eq!(desk.refusal().await, "no update was received");

    fs::write(desk.bundle(), &good).unwrap();
    let seen = desk.inspect().await.unwrap();
    assert_eq!(
        (seen.version.as_str(), seen.board.as_str()),
        ("1.2.3", "rpi4")
    );
    assert_eq!(seen.bytes, good.len() as u64);

    // One bit of what is signed, and one of the signature.
    for from_end in [1500, 200] {
        let mut altered = good.clone();
        let at = altered.len() - from_end;
        altered[at] ^= 1;
        fs::write(desk.bundle(), &altered).unwrap();
        let why = desk.refusal().await;
        assert!(
            why.contains("is not signed by who made"),
            "{from_end}: {why}"
        );
    }
    for (bytes, words) in [
        (&good[..good.len() - 4096], "did not arrive whole"),
        (
            &b"no update at all, whatever it is called"[..],
            "is no update",
        ),
        (&b""[..], "is no update"),
    ] {
        fs::write(desk.bundle(), bytes).unwrap();
        let why = desk.refusal().await;
        assert!(why.contains(words), "{why}");
    }

    let strangers = images("rpi4", None);
    fs::copy(strangers.path().join("semoir.raucb"), desk.bundle()).unwrap();
    let why = desk.refusal().await;
    assert!(why.contains("is not signed by who made"), "{why}");
    let another = images("rpi3", Some(&key));
    fs::copy(another.path().join("semoir.raucb"), desk.bundle()).unwrap();
    let why = desk.refusal().await;
    assert!(why.contains("another board (\"rpi3\")"), "{why}");

    // The good one again: nothing of all that is left.
    fs::write(desk.bundle(), &good).unwrap();
    desk.inspect().await.unwrap();
}

/// The daemon's folder is the daemon's: whatever lies there, nothing of another's is opened for it.
#[tokio::test]
async fn what_lies_in_the_updates_place_leads_nowhere() {
    let ours = images("rpi4", None);
    let good = ours.path().join("semoir.raucb");
    let root = geteuid().is_root();
    let daemon = match User::from_name("nobody").unwrap() {
        Some(nobody) if root => nobody.uid,
        _ => geteuid(),
    };
    let desk = Desk::for_user(daemon, ours.path());
    let path = desk.bundle();
    let give = |path: &Path| chown(path, Some(daemon), None).unwrap();

    symlink(&good, &path).unwrap();
    let why = desk.refusal().await;
    assert!(why.contains("cannot be opened"), "{why}");
    fs::remove_file(&path).unwrap();

    let start = Instant::now();
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    give(&path);
    let why = desk.refusal().await;
    assert!(why.contains("no file of the box's own"), "{why}");
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "a pipe held it up"
    );
    fs::remove_file(&path).unwrap();

    // A second name of a file that may be another's.
    let other = desk.dir.path().join("other");
    fs::copy(&good, &other).unwrap();
    give(&other);
    fs::hard_link(&other, &path).unwrap();
    let why = desk.refusal().await;
    assert!(why.contains("no file of the box's own"), "{why}");
    fs::remove_file(&other).unwrap();
    desk.inspect().await.unwrap();

    // The folder itself, led elsewhere.
    let folder = path.parent().unwrap();
    let moved = desk.dir.path().join("moved");
    fs::rename(folder, &moved).unwrap();
    symlink(&moved, folder).unwrap();
    let why = desk.refusal().await;
    assert!(why.contains("cannot be opened"), "{why}");
    fs::remove_file(folder).unwrap();
    fs::rename(&moved, folder).unwrap();

    // Larger than a card has room for; nothing of it is read.
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(b"x", MAX_BUNDLE).unwrap();
    let why = desk.refusal().await;
    assert!(why.contains("is no update"), "{why}");

    if !root {
        println!("not root here: a file of another user's is not tried");
        return;
    }
    fs::copy(&good, &path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().uid(), daemon.as_raw());
    desk.inspect().await.unwrap();
    chown(&path, Some(nix::unistd::Uid::from_raw(1)), None).unwrap();
    let why = desk.refusal().await;
    assert!(why.contains("no file of the box's own"), "{why}");
}

/// Whoever is neither the daemon nor root is heard no further than who he is.
#[test]
fn strangers_are_turned_away() {
    if !geteuid().is_root() {
        println!("not root here: nobody else can be asked to try");
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let ours = images("rpi4", None);
    let desk = Desk::for_user(geteuid(), ours.path());
    let open = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    open(desk.dir.path(), 0o755);
    open(desk.client.socket(), 0o666);
    let ask = r#"
import socket, struct, sys
with socket.socket(socket.AF_UNIX) as s:
    s.connect(sys.argv[1])
    body = b'"status"'
    try:
        s.sendall(struct.pack(">I", len(body)) + body)
    except BrokenPipeError:
        pass
    print(s.recv(4096)[4:].decode())
"#;
    let asked_by = |uid: u32| {
        let mut command = Command::new("python3");
        command
            .args(["-c", ask])
            .arg(desk.client.socket())
            .uid(uid)
            .gid(uid);
        run(&mut command)
    };
    let answer = asked_by(65534);
    assert!(
        answer.contains("refused") && answer.contains("for the box alone"),
        "{answer}"
    );
    let answer = asked_by(0);
    assert!(answer.contains("\"status\""), "{answer}");
}
