//! A drive comes and goes a thousand times, through the real watch and the real helper.

use std::fs;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, sendto, socket,
};
use semoir::intake::drives::{Drives, DrivesConfig};
use semoir::intake::mount::table;
use semoir::intake::place::{Place, PlaceState};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use crate::bench::{Bench, Loop, PATIENCE, hash, image, is_root, run};

/// How often it comes and goes.
const CYCLES: usize = 1000;
/// After so many, all that is kept for good is there.
const WARM: usize = 100;
/// What a process may have grown by since, in bytes: a page of the allocator's here and there, and no leak of a kilobyte each.
const GROWTH: u64 = 1 << 20;

/// Tells all who listen, as udev does, that something about a disk changed.
fn tell() {
    let flags = SockFlag::SOCK_CLOEXEC;
    let protocol = SockProtocol::NetlinkKObjectUEvent;
    let sender = socket(AddressFamily::Netlink, SockType::Datagram, flags, protocol).unwrap();
    let body =
        b"ACTION=change\0DEVPATH=/devices/virtual/block/none\0SUBSYSTEM=block\0DEVNAME=/dev/none\0";
    let mut message = b"libudev\0".to_vec();
    message.extend(0xfeed_cafe_u32.to_be_bytes());
    for number in [40, 40, u32::try_from(body.len()).unwrap()] {
        message.extend(number.to_ne_bytes());
    }
    message.extend([0; 16]);
    message.extend(body);
    match sendto(
        sender.as_raw_fd(),
        &message,
        &NetlinkAddr::new(0, 2),
        MsgFlags::empty(),
    ) {
        // Nobody else listens, which is what the error would say.
        Ok(_) | Err(nix::errno::Errno::ECONNREFUSED) => {}
        Err(error) => panic!("a message of udev's cannot be sent: {error}"),
    }
}

async fn next(places: &mut Receiver<Place>) -> Place {
    let place = timeout(PATIENCE, places.recv()).await;
    place
        .expect("nothing was said in time")
        .expect("the watch ended")
}

fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.split_whitespace()
        .next()
        .unwrap()
        .parse::<u64>()
        .unwrap()
        << 10
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

fn median(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

#[test]
fn a_thousand_times_of_coming_and_going_leave_nothing_behind() {
    if !is_root() {
        return;
    }
    // The name space is this thread's: so is the runtime.
    let bench = Bench::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(cycle(&bench));
}

async fn cycle(bench: &Bench) {
    let film = bench.dir.path().join("film");
    fs::create_dir(&film).unwrap();
    fs::write(film.join("film.mkv"), b"film").unwrap();
    let image = image(&bench.dir.path().join("ext4.img"), 8 << 20);
    let made = [
        "-q",
        "-F",
        "-L",
        "Ada's films",
        "-d",
        film.to_str().unwrap(),
        image.to_str().unwrap(),
    ];
    run("mkfs.ext4", &made);
    let before = hash(&image);
    let device = Loop::attach(&image);
    let key = bench.approve(&device);
    let record = fs::read(bench.record_of(device.number)).unwrap();
    fs::remove_file(bench.record_of(device.number)).unwrap();

    let config = DrivesConfig {
        helper: Some(bench.socket()),
        roots: bench.roots(),
    };
    let (drives, mut places) = Drives::start(config);
    let (mut came, mut went) = (Vec::new(), Vec::new());
    let mut warm = None;
    let us = std::process::id();
    for round in 0..CYCLES {
        fs::write(bench.record_of(device.number), &record).unwrap();
        let at = Instant::now();
        tell();
        let place = next(&mut places).await;
        came.push(at.elapsed());
        let PlaceState::Here { path, note: None } = &place.state else {
            panic!("{round}: {place:?}");
        };
        assert_eq!(
            (place.name.as_str(), place.key.to_str()),
            ("Ada's films", Some(key.as_str()))
        );
        assert_eq!(place.facts.file_system.as_deref(), Some("ext4"));
        assert_eq!(place.facts.size, Some(8 << 20));
        assert_eq!(fs::read(path.join("film.mkv")).unwrap(), b"film");

        fs::remove_file(bench.record_of(device.number)).unwrap();
        let at = Instant::now();
        tell();
        let place = next(&mut places).await;
        went.push(at.elapsed());
        assert_eq!(place.state, PlaceState::Gone, "{round}");
        if round + 1 == WARM {
            warm = Some((
                resident(us),
                resident(bench.pid()),
                descriptors(us),
                descriptors(bench.pid()),
            ));
        }
    }
    let deadline = Instant::now() + PATIENCE;
    while bench
        .dir
        .path()
        .join("mounts")
        .read_dir()
        .unwrap()
        .next()
        .is_some()
    {
        assert!(Instant::now() < deadline, "it stays mounted");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let ours = table::parse(&fs::read("/proc/thread-self/mountinfo").unwrap());
    assert!(
        !ours
            .iter()
            .any(|entry| entry.point.starts_with(bench.dir.path()))
    );
    drives.shutdown().await;
    drop(device);
    assert_eq!(hash(&image), before);

    let (here, gone) = (median(came), median(went));
    let (daemon, helper, files, its_files) = warm.unwrap();
    let (daemon_now, helper_now) = (resident(us), resident(bench.pid()));
    println!(
        "message to here: median {:?}, 99 % {:?}; to gone: median {:?}, 99 % {:?}",
        here.0, here.1, gone.0, gone.1
    );
    println!(
        "resident after {WARM} and {CYCLES}: watch {daemon} {daemon_now}, helper {helper} {helper_now}"
    );
    assert!(
        gone.1 < Duration::from_secs(1),
        "gone is to be said within a second"
    );
    assert!(daemon_now < daemon + GROWTH, "the watch grows");
    assert!(helper_now < helper + GROWTH, "the helper grows");
    assert!(
        descriptors(us) <= files + 2 && descriptors(bench.pid()) <= its_files + 2,
        "files stay open"
    );
}

/// Without a helper: what somebody else mounted is read where it is, if somebody plugged it in; a loop device is built in.
#[test]
fn without_a_helper_what_is_built_in_is_left_alone() {
    if !is_root() {
        return;
    }
    let bench = Bench::start();
    let image = image(&bench.dir.path().join("ext4.img"), 8 << 20);
    run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]);
    let device = Loop::attach(&image);
    bench.record(&device, &["ID_SERIAL_SHORT=TEST1"]);
    run("mount", &["-t", "tmpfs", "none", "/mnt"]);
    fs::create_dir("/mnt/stick").unwrap();
    run(
        "mount",
        &["-o", "ro", device.node.to_str().unwrap(), "/mnt/stick"],
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        // The table of the main thread's name space is another one; that of this process is what the watch reads.
        let proc = bench.dir.path().join("proc");
        fs::create_dir_all(&proc).unwrap();
        std::os::unix::fs::symlink("/proc/thread-self", proc.join("self")).unwrap();
        let roots = semoir::intake::drives::Roots {
            proc,
            ..bench.roots()
        };
        let (drives, mut places) = Drives::start(DrivesConfig {
            helper: None,
            roots,
        });
        assert!(
            timeout(Duration::from_millis(500), places.recv())
                .await
                .is_err()
        );
        // udev says now that it hangs on a USB.
        bench.record(&device, &["ID_SERIAL_SHORT=TEST1", "ID_BUS=usb"]);
        tell();
        let place = next(&mut places).await;
        assert_eq!(
            place.state,
            PlaceState::Here {
                path: "/mnt/stick".into(),
                note: None
            }
        );
        run("umount", &["/mnt/stick"]);
        assert_eq!(next(&mut places).await.state, PlaceState::Gone);
        drives.shutdown().await;
    });
}
