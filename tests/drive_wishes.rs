//! What an owner may want of drives, of the conductor as it is: a built-in one used and not any more, one formatted for uploads,
//! one forgotten. The kernel's tree and the mount helpers are this test's own; the real ones are in `tests/drives` and `tests/vm`.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::wait::wait_for;
use semoir::app::handle::Order;
use semoir::app::{
    App, AppConfig, DrivesConfig, FormatWish, Handle, OrderError, SourceView, Uploads,
};
use semoir::base::{Timestamp, Visits};
use semoir::intake::drives::Roots;
use semoir::intake::mount::{Answer, Formatted, MountId, Mounted, Reason, Refusal, Request};
use semoir::policy::retire::Rule;
use semoir::store::Store;
use semoir::tracker::Tracker;
use tokio_util::sync::CancellationToken;

const BOUND: Duration = Duration::from_secs(60);

/// A disk that is built in, with its key as the box makes it.
const CELLAR: (&str, &str, &str) = ("sda", "8:0", "ext4-11-WD1");
/// A stick that nothing was ever made of, its key once it was formatted, and what udev says of it then.
const STICK: (&str, &str, &str) = ("sdb", "8:16", "ext4-22-4C53");
const BLANK: &str = "E:ID_BUS=usb\nE:ID_SERIAL_SHORT=4C53\nE:ID_VENDOR=Grain\nE:ID_MODEL=Stick\n";
const MADE: &str =
    "E:ID_FS_TYPE=ext4\nE:ID_FS_USAGE=filesystem\nE:ID_FS_UUID=22\nE:ID_FS_LABEL_ENC=Shelf\n";

/// The kernel's tree and udev's, and what is mounted.
struct Tree(PathBuf);

impl Tree {
    fn new(dir: PathBuf) -> Self {
        for folder in [
            "sys/class/block",
            "sys/dev/block",
            "udev/data",
            "dev",
            "proc/self",
            "cellar",
            "shelf",
        ] {
            fs::create_dir_all(dir.join(folder)).expect("a folder");
        }
        fs::write(dir.join("proc/self/mountinfo"), "").expect("a table");
        fs::write(dir.join("cellar/film"), "film").expect("a film");
        Self(dir)
    }

    fn roots(&self) -> Roots {
        Roots {
            sys: self.0.join("sys"),
            udev: self.0.join("udev"),
            dev: self.0.join("dev"),
            proc: self.0.join("proc"),
        }
    }

    fn plug(&self, (name, number, _): (&str, &str, &str), udev: &str) {
        let folder = self.0.join("sys/devices").join(name);
        fs::create_dir_all(folder.join("holders")).expect("a folder");
        let attributes = [
            ("dev", number),
            ("size", "4194304"),
            ("removable", "0"),
            ("diskseq", "1"),
        ];
        for (attribute, value) in attributes {
            fs::write(folder.join(attribute), value).expect("an attribute");
        }
        fs::write(folder.join("uevent"), format!("DEVNAME={name}\n")).expect("an attribute");
        for (links, named) in [("class", name), ("dev", number)] {
            let link = self.0.join("sys").join(links).join("block").join(named);
            symlink(&folder, link).expect("a link");
        }
        self.probed(number, udev);
    }

    fn probed(&self, number: &str, udev: &str) {
        let path = self.0.join(format!("udev/data/b{number}"));
        fs::write(path, format!("I:1\n{udev}")).expect("a record");
    }

    fn unplug(&self, (name, number, _): (&str, &str, &str)) {
        for link in [format!("class/block/{name}"), format!("dev/block/{number}")] {
            fs::remove_file(self.0.join("sys").join(link)).expect("a link");
        }
    }
}

/// Answers at a socket until the test ends.
fn serve(socket: PathBuf, answer: impl Fn(Request) -> Answer + Send + 'static) {
    let listener = UnixListener::bind(socket).expect("a socket");
    let one = move |mut stream: UnixStream| {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut body)?;
        let answer = answer(serde_json::from_slice(&body).expect("a request"));
        let body = serde_json::to_vec(&answer).expect("an answer");
        stream.write_all(&(body.len() as u32).to_be_bytes())?;
        stream.write_all(&body)
    };
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever asked may be gone.
            let _ = one(stream.expect("somebody asks"));
        }
    });
}

fn id(key: &str) -> MountId {
    key.parse().expect("a key")
}

fn mounted(key: &str, path: PathBuf, writable: bool) -> Answer {
    let (id, note) = (id(key), None);
    Answer::Mounted(Mounted {
        id,
        path,
        note,
        writable,
    })
}

fn refused(reason: Reason, why: &str) -> Answer {
    Answer::Refused(Refusal::new(reason, why))
}

/// The everyday helper, and the one that writes.
fn helpers(tree: &Arc<Tree>) -> PathBuf {
    let socket = tree.0.join("mount.sock");
    let (approved, dir) = (AtomicBool::new(false), tree.0.clone());
    serve(socket.clone(), move |request| match request {
        Request::MountDrive { device } if device.to_string() == STICK.1 => {
            refused(Reason::ForUploads, "is for uploads")
        }
        Request::MountDrive { .. } if approved.load(Ordering::SeqCst) => {
            mounted(CELLAR.2, dir.join("cellar"), false)
        }
        Request::MountDrive { .. } => {
            let why = "is built into this computer, and is used only when its owner says so";
            refused(Reason::NotApproved, why)
        }
        Request::Approve { key } | Request::Withdraw { key } if key != id(CELLAR.2) => {
            panic!("{key}")
        }
        Request::Approve { .. } => {
            approved.store(true, Ordering::SeqCst);
            Answer::Done
        }
        Request::Withdraw { .. } => {
            approved.store(false, Ordering::SeqCst);
            Answer::Done
        }
        Request::Unmount { .. } => Answer::Done,
        other => panic!("{other:?}"),
    });
    let tree = tree.clone();
    serve(
        socket.with_file_name("format.sock"),
        move |request| match request {
            Request::Format(wanted) => {
                assert_eq!(wanted.label, "Shelf");
                tree.probed(STICK.1, &format!("{BLANK}{MADE}"));
                let key = id(STICK.2);
                Answer::Formatted(Formatted { key })
            }
            Request::MountDrive { .. } => mounted(STICK.2, tree.0.join("shelf"), true),
            other => panic!("{other:?}"),
        },
    );
    socket
}

struct TheBox {
    store: Store,
    handle: Handle,
    stop: CancellationToken,
    runtime: tokio::runtime::Runtime,
}

impl TheBox {
    fn start(data: &Path, tree: &Arc<Tree>) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let store = Store::open(&data.join("semoir.db")).expect("a database");
        let uploads = Uploads::open(&data.join("uploads"), Timestamp::now()).expect("a folder");
        let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let helper = helpers(tree);
        let config = AppConfig {
            sources: Vec::new(),
            peer: any,
            state: data.to_owned(),
            offline: true,
            rule: Rule::default(),
            quiet: Duration::ZERO,
            public_port: 0,
            helper: None,
            visits: Visits::default(),
            drives: Some(DrivesConfig {
                helper: Some(helper),
                roots: tree.roots(),
            }),
            sys: data.join("sys"),
        };
        let stop = CancellationToken::new();
        let handle = runtime.block_on(async {
            let started = App::start(config, store.clone(), uploads, Tracker::default()).await;
            let (app, handle) = started.expect("the box starts");
            tokio::spawn(app.run(stop.clone()));
            handle
        });
        Self {
            store,
            handle,
            stop,
            runtime,
        }
    }

    fn order(&self, order: Order) -> Result<(), OrderError> {
        self.runtime.block_on(self.handle.order(order))
    }

    fn source(&self, so: impl Fn(&SourceView) -> bool) -> Option<SourceView> {
        let sources = self.handle.overview().sources.clone();
        sources.into_iter().find(|source| so(source))
    }

    /// Looks until a source is so: the tree of this test sends no messages.
    fn wait(&self, what: &str, so: impl Fn(&SourceView) -> bool) -> SourceView {
        wait_for(what, BOUND, || {
            self.order(Order::Rescan).expect("it is asked");
            self.source(&so)
        })
    }

    /// Whether something of a source is listed.
    fn lists(&self, source: &SourceView) -> bool {
        let releases = &self.handle.overview().releases;
        releases.iter().any(|release| release.source == source.id)
    }

    fn refuses_to_forget(&self, source: &SourceView) {
        assert!(!source.can_forget, "{source:?}");
        let refused = self.order(Order::Forget(source.id));
        let refused = refused.expect_err("it is plugged in");
        assert!(matches!(refused, OrderError::StillPlugged(_)), "{refused}");
    }
}

impl Drop for TheBox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[test]
fn drives_are_used_formatted_and_forgotten_as_their_owner_wants() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tree = Arc::new(Tree::new(dir.path().join("tree")));
    let cellar_is = "E:ID_SERIAL_SHORT=WD1\nE:ID_FS_TYPE=ext4\nE:ID_FS_USAGE=filesystem\nE:ID_FS_UUID=11\nE:ID_FS_LABEL_ENC=Cellar\n";
    tree.plug(CELLAR, cellar_is);
    tree.plug(STICK, BLANK);
    let data = dir.path().join("data");
    fs::create_dir(&data).expect("a folder");
    let the_box = TheBox::start(&data, &tree);
    let TheBox {
        store,
        handle,
        runtime,
        ..
    } = &the_box;

    // Both are there and cannot be used: that is not to be away, and the owner is asked for something else.
    let cellar = the_box.wait("the built-in one is said", |s| s.name == "Cellar");
    assert!(cellar.built_in && !cellar.present, "{cellar:?}");
    assert!(cellar.problem.contains("built into"), "{cellar:?}");
    the_box.refuses_to_forget(&cellar);
    let stick = the_box.wait("the blank one is said", |s| {
        s.problem.contains("not formatted")
    });
    assert!(!stick.built_in, "{stick:?}");
    the_box.refuses_to_forget(&stick);

    let approve = |approved| {
        let asked = handle.approve(store, cellar.id, approved);
        runtime.block_on(asked).expect("the helper notes it");
    };
    approve(true);
    let used = the_box.wait("it is used", |s| {
        s.id == cellar.id && s.present && the_box.lists(s)
    });
    the_box.refuses_to_forget(&used);
    approve(false);
    let unused = |s: &SourceView| s.id == cellar.id && s.problem.contains("built into");
    the_box.refuses_to_forget(&the_box.wait("it is not any more", unused));
    approve(true);
    the_box.wait("it is used again", |s| s.id == cellar.id && s.present);

    let wish = FormatWish {
        name: stick.name.clone(),
        label: "Shelf".to_owned(),
        told: false,
    };
    let formatted = runtime.block_on(handle.format(store, stick.id, wish));
    formatted.expect("it is formatted");
    assert_eq!(
        store.settings().expect("settings").uploads_to.as_deref(),
        Some(STICK.2)
    );
    let shelf = the_box.wait("it is one for uploads", |s| {
        s.uploads_key.as_deref() == Some(STICK.2) && s.present && s.free.is_some()
    });
    assert!(
        the_box.source(|s| s.id == stick.id).is_none(),
        "what it was is gone"
    );
    the_box.refuses_to_forget(&shelf);
    fs::write(tree.0.join("shelf/rye"), "rye").expect("a file");
    the_box.wait("what is on it is listed", |s| {
        s.id == shelf.id && the_box.lists(s)
    });
    let rye = handle
        .overview()
        .releases
        .iter()
        .find(|one| one.source == shelf.id)
        .map(|one| one.id);
    let rye = rye.expect("it is listed");

    // What is pulled out can be forgotten, and is found anew.
    for drive in [CELLAR, STICK] {
        tree.unplug(drive);
    }
    // But what was uploaded to it cannot be removed from afar: it would be back, and shared, with the drive.
    the_box.wait("it is away", |s| s.id == shelf.id && !s.present);
    let refused = the_box
        .order(Order::Remove(rye))
        .expect_err("it is not here");
    assert!(refused.to_string().contains("not here"), "{refused}");
    assert_eq!(store.release(rye).expect("a release").removed, None);
    let gone = |id| the_box.wait("it is away", |s| s.id == id && s.can_forget);
    for source in [gone(cellar.id), gone(shelf.id)] {
        assert_eq!(source.problem, "it is not plugged in");
        the_box.order(Order::Forget(source.id)).expect("it is away");
        wait_for("it has left the list", BOUND, || {
            let listed = the_box.source(|s| s.id == source.id).is_some() || the_box.lists(&source);
            (!listed).then_some(())
        });
    }
    let settings = store.settings().expect("settings");
    assert_eq!(settings.uploads_to, None, "uploads go to the box again");
    tree.plug(CELLAR, cellar_is);
    let back = the_box.wait("it is found anew", |s| s.name == "Cellar" && s.present);
    wait_for("and what is on it", BOUND, || {
        the_box.lists(&back).then_some(())
    });
}
