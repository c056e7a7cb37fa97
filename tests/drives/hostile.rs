//! What the helper does not do, whoever asks.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use semoir::intake::drives::DeviceNumber;
use semoir::intake::mount::{Answer, MountId, Protocol, Reason, Request, ShareRequest, table};

use crate::bench::{Bench, Loop, answer, hash, image, is_root, raw, run};

fn ext4(bench: &Bench, name: &str) -> Loop {
    let image = image(&bench.dir.path().join(name), 16 << 20);
    run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]);
    Loop::attach(&image)
}

fn mount(device: DeviceNumber) -> Request {
    Request::MountDrive { device }
}

#[test]
fn what_nobody_plugged_in_or_approved_is_refused() {
    if !is_root() {
        return;
    }
    let bench = Bench::start();
    let device = ext4(&bench, "a.img");
    let nowhere = DeviceNumber {
        major: 4000,
        minor: 1,
    };
    assert_eq!(bench.refused(&mount(nowhere)).reason, Reason::NotFound);
    assert_eq!(
        bench.refused(&mount(device.number)).reason,
        Reason::NotFound,
        "udev does not know it"
    );
    bench.record(&device, &["ID_SERIAL_SHORT=TEST1"]);
    assert_eq!(
        bench.refused(&mount(device.number)).reason,
        Reason::NotApproved
    );
    let key = bench.approve(&device);
    bench.mount(device.number);
    bench.unmount(&key);
    assert_eq!(bench.ask(&Request::Withdraw { key }), Answer::Done);
    assert_eq!(
        bench.refused(&mount(device.number)).reason,
        Reason::NotApproved
    );

    for (mark, words) in [
        ("ID_FS_TYPE=crypto_LUKS", "encrypted (LUKS)"),
        ("ID_FS_TYPE=squashfs", "squashfs"),
        ("ID_FS_TYPE=../../etc", "../../etc"),
        ("ID_FS_TYPE=tmpfs", "tmpfs"),
        ("ID_FS_TYPE=nfs", "nfs"),
        ("ID_FS_TYPE=overlay", "overlay"),
    ] {
        bench.record(&device, &[mark]);
        let refusal = bench.refused(&mount(device.number));
        assert_eq!(refusal.reason, Reason::Unsupported, "{refusal}");
        assert!(refusal.why.contains(words), "{refusal}");
    }
}

#[test]
fn the_system_and_what_is_in_use_is_refused_even_when_it_is_approved() {
    if !is_root() {
        return;
    }
    let bench = Bench::start();
    let device = ext4(&bench, "a.img");
    let key = bench.approve(&device);
    let point = bench.dir.path().join("elsewhere");
    fs::create_dir(&point).unwrap();
    let (node, at) = (device.node.to_str().unwrap(), point.to_str().unwrap());
    run("mount", &["-o", "ro", node, at]);
    assert_eq!(bench.refused(&mount(device.number)).reason, Reason::System);
    run("umount", &[at]);
    // Where a desktop would have mounted it.
    run("mount", &["-t", "tmpfs", "none", "/mnt"]);
    run("mount", &["-o", "ro", node, "/mnt"]);
    let refusal = bench.refused(&mount(device.number));
    assert_eq!(refusal.reason, Reason::Busy);
    assert!(refusal.why.contains("/mnt"), "{refusal}");
    run("umount", &["/mnt"]);
    run("umount", &["/mnt"]);
    bench.mount(device.number);
    bench.unmount(&key);

    // The real root, when it is on a disk: udev is made to say that it is a stick.
    let mounts = table::read(&bench.roots()).unwrap();
    let root = table::at(&mounts, std::path::Path::new("/")).unwrap();
    if root.device.major == 0 {
        eprintln!("skipped: the root is on no device here");
        return;
    }
    let record = "E:ID_BUS=usb\nE:ID_FS_TYPE=ext4\nE:ID_FS_UUID=1\nE:ID_SERIAL_SHORT=2\n";
    fs::write(bench.record_of(root.device), record).unwrap();
    let key = "ext4-1-2".parse().unwrap();
    assert_eq!(bench.ask(&Request::Approve { key }), Answer::Done);
    assert_eq!(bench.refused(&mount(root.device)).reason, Reason::System);
}

#[test]
fn a_clone_is_another_drive_and_a_copy_of_both_is_refused() {
    if !is_root() {
        return;
    }
    let bench = Bench::start();
    let original = image(&bench.dir.path().join("a.img"), 300 << 20);
    run("mkfs.xfs", &["-q", "-f", original.to_str().unwrap()]);
    let clone = bench.dir.path().join("b.img");
    run(
        "cp",
        &[
            "--sparse=always",
            original.to_str().unwrap(),
            clone.to_str().unwrap(),
        ],
    );
    let before = hash(&clone);
    let (original, clone) = (Loop::attach(&original), Loop::attach(&clone));
    let first = bench.approve(&original);
    // The same bytes on other hardware: the kernel itself would refuse the second.
    bench.record(&clone, &["ID_SERIAL_SHORT=TEST2"]);
    let second = bench.key(&clone);
    assert_ne!(first, second);
    bench.ask(&Request::Approve {
        key: second.clone(),
    });
    let (_, one, _) = bench.mount(original.number);
    let (_, other, _) = bench.mount(clone.number);
    assert_ne!(one, other);
    bench.unmount(&second);
    // The same bytes and the same serial number.
    bench.record(&clone, &["ID_SERIAL_SHORT=TEST1"]);
    let refusal = bench.refused(&mount(clone.number));
    assert_eq!(refusal.reason, Reason::Busy);
    assert!(refusal.why.contains("copy"), "{refusal}");
    bench.unmount(&first);
    assert_eq!(hash(&clone.node), before);
}

#[test]
fn a_helper_that_was_killed_finds_what_is_mounted_again() {
    if !is_root() {
        return;
    }
    let mut bench = Bench::start();
    let device = ext4(&bench, "a.img");
    let key = bench.approve(&device);
    let (_, path, _) = bench.mount(device.number);
    bench.restart();
    assert_eq!(bench.mount(device.number).1, path);
    let mounts = table::parse(&fs::read("/proc/thread-self/mountinfo").unwrap());
    assert_eq!(
        mounts.iter().filter(|entry| entry.point == path).count(),
        1,
        "mounted twice"
    );
    let open = fs::File::open(&path).unwrap();
    assert_eq!(
        bench.refused(&Request::Unmount { id: key.clone() }).reason,
        Reason::Busy
    );
    drop(open);
    bench.unmount(&key);
}

#[test]
fn strangers_and_nonsense_are_refused() {
    if !is_root() {
        return;
    }
    let bench = Bench::start();
    let connect = || UnixStream::connect(bench.socket()).unwrap();
    // The folder of a test is root's own; here the socket alone is to keep strangers out.
    run("chmod", &["755", bench.dir.path().to_str().unwrap()]);
    let by = |user: &str| {
        let id = |flag: &str| run("id", &[flag, user]).trim().parse::<u32>().unwrap();
        let program = "import socket, sys, struct\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
            b = b'{\"unmount\": {\"id\": \"a\"}}'\ns.sendall(struct.pack('>I', len(b)) + b)\nprint(s.recv(4096)[4:].decode())";
        let output = Command::new("python3")
            .args(["-c", program])
            .arg(bench.socket())
            .gid(id("-g"))
            .uid(id("-u"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        serde_json::from_str::<Answer>(text.trim()).unwrap_or_else(|_| panic!("{user}: {output:?}"))
    };
    assert_eq!(by("nobody"), Answer::Done);
    match by("daemon") {
        Answer::Refused(refusal) => assert_eq!(refusal.reason, Reason::NotAllowed),
        other => panic!("{other:?}"),
    }

    let mut random = StdRng::seed_from_u64(6);
    for round in 0..300 {
        let length = random.random_range(0..200);
        let mut body: Vec<u8> = (0..length).map(|_| random.random()).collect();
        if round % 3 == 0 {
            body = br#"{"mount-drive": {"device": "8:1"}}"#.to_vec();
            let at = random.random_range(0..body.len());
            body[at] = random.random();
        }
        match raw(&connect(), &body) {
            Answer::Refused(_) => {}
            other => panic!("{other:?} for {:?}", String::from_utf8_lossy(&body)),
        }
    }
    // Too long, cut off, and nothing at all.
    let mut stream = connect();
    stream.write_all(&u32::MAX.to_be_bytes()).unwrap();
    assert!(
        matches!(answer(&stream), Answer::Refused(refusal) if refusal.reason == Reason::Malformed)
    );
    let mut stream = connect();
    stream.write_all(&[0, 0, 0, 9, b'{']).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    // Deep nesting, and names that lead elsewhere.
    let deep = [b"[".repeat(8000), b"]".repeat(8000)].concat();
    assert!(matches!(raw(&connect(), &deep), Answer::Refused(_)));
    let share = |id: &str| {
        Request::MountShare(ShareRequest {
            id: id.parse().unwrap(),
            protocol: Protocol::Smb,
            server: "127.0.0.1".to_owned(),
            folder: "a".to_owned(),
            user: None,
            domain: None,
            password: None,
        })
    };
    let key: MountId = "ext4-1".parse().unwrap();
    assert_eq!(
        bench.refused(&share(key.as_str())).reason,
        Reason::Malformed,
        "a share in a drive's place"
    );
    // It is still there, and whoever says nothing holds up nobody for long.
    let idle: Vec<UnixStream> = (0..16).map(|_| connect()).collect();
    let started = std::time::Instant::now();
    loop {
        let unmount = serde_json::to_vec(&Request::Unmount { id: key.clone() }).unwrap();
        match raw(&connect(), &unmount) {
            Answer::Done => break,
            Answer::Refused(refusal) => assert_eq!(refusal.reason, Reason::TooMany),
            other => panic!("{other:?}"),
        }
        assert!(started.elapsed() < std::time::Duration::from_secs(30));
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    drop(idle);
}
