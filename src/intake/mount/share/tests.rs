use super::*;
use crate::intake::mount::DaemonUser;

const USER: DaemonUser = DaemonUser { uid: 990, gid: 991 };

fn request(protocol: Protocol, server: &str, folder: &str) -> ShareRequest {
    let port = if protocol == Protocol::Smb { 445 } else { 2049 };
    ShareRequest {
        id: "share-1".parse().unwrap(),
        protocol,
        server: server.to_owned(),
        at: SocketAddr::from(([192, 168, 1, 7], port)),
        folder: folder.to_owned(),
        user: None,
        domain: None,
        password: None,
    }
}

fn ways(share: &ShareRequest) -> Vec<Attempt> {
    let (address, login) = check(share).unwrap();
    attempts(&address, share.at, &login, USER)
}

#[test]
fn a_users_password_is_handed_over_as_it_is() {
    let mut share = request(Protocol::Smb, "NAS.local", "Media/Années 80, live");
    share.user = Some("mia,vers=1.0".to_owned());
    share.domain = Some("HOME".to_owned());
    share.password = Some(super::super::Secret::new("a,b=c,,rw \"\\".to_owned()));
    let ways = ways(&share);
    assert_eq!(ways.len(), 1);
    let way = &ways[0];
    for (key, value) in [
        ("source", "//nas.local/Media/Années 80, live"),
        ("ip", "192.168.1.7"),
        ("port", "445"),
        ("username", "mia,vers=1.0"),
        ("password", "a,b=c,,rw \"\\"),
        ("domain", "HOME"),
        ("vers", "default"),
        ("uid", "990"),
        ("gid", "991"),
        ("echo_interval", "10"),
        ("soft", ""),
        ("ro", ""),
        ("nodfs", ""),
    ] {
        assert_eq!(way.value(key), Some(value), "{key}");
    }
    assert!(!format!("{way:?}").contains("a,b=c"), "a log would show it");
}

#[test]
fn a_guest_comes_by_either_way() {
    let ways = ways(&request(Protocol::Smb, "nas", "media"));
    let names: Vec<_> = ways.iter().map(|way| way.value("username")).collect();
    assert_eq!(names, [Some("guest"), Some("")]);
    assert!(ways[0].goes_on(Errno::EACCES) && !ways[0].goes_on(Errno::ENOENT));
}

#[test]
fn nfs_is_spoken_in_the_newest_version_that_both_know() {
    let mut share = request(Protocol::Nfs, "nas", "/export/films");
    let ways_4 = ways(&share);
    let versions: Vec<_> = ways_4
        .iter()
        .map(|way| way.value("vers").unwrap())
        .collect();
    assert_eq!(versions, ["4.2", "4.1", "4.0", "3"]);
    for way in &ways_4 {
        assert_eq!(way.value("source"), Some("nas:/export/films"));
        assert_eq!(way.value("addr"), Some("192.168.1.7"));
        assert_eq!(way.value("proto"), Some("tcp"));
        assert_eq!(way.value("soft"), Some(""));
        assert_eq!(
            (way.value("timeo"), way.value("retrans")),
            (Some("100"), Some("2"))
        );
        assert!(!way.goes_on(Errno::EACCES) && !way.goes_on(Errno::ETIMEDOUT));
    }
    assert!(ways_4[0].goes_on(Errno::EPROTONOSUPPORT) && ways_4[2].goes_on(Errno::ENOENT));
    share.server = "[fd00::7]".to_owned();
    share.at = "[fd00::7]:2049".parse().unwrap();
    let way = &ways(&share)[0];
    assert_eq!(way.value("source"), Some("[fd00::7]:/export/films"));
    assert_eq!(
        (way.value("addr"), way.value("proto")),
        (Some("fd00::7"), Some("tcp6"))
    );
}

#[test]
fn what_is_asked_is_checked_again() {
    let good = request(Protocol::Smb, "nas", "media");
    assert!(check(&good).is_ok());
    let user = Some("mia".to_owned());
    for bad in [
        ShareRequest {
            server: "nas/x".to_owned(),
            ..good.clone()
        },
        ShareRequest {
            folder: "../x".to_owned(),
            ..good.clone()
        },
        ShareRequest {
            folder: "x\n".repeat(2),
            ..good.clone()
        },
        ShareRequest {
            user: Some("a\0b".to_owned()),
            ..good.clone()
        },
        ShareRequest {
            domain: user.clone(),
            ..good.clone()
        },
        ShareRequest {
            at: SocketAddr::from(([192, 168, 1, 7], 22)),
            ..good.clone()
        },
        ShareRequest {
            at: SocketAddr::from(([0, 0, 0, 0], 445)),
            ..good.clone()
        },
        ShareRequest {
            user,
            ..request(Protocol::Nfs, "nas", "/x")
        },
    ] {
        assert_eq!(
            check(&bad).unwrap_err().reason,
            Reason::Malformed,
            "{bad:?}"
        );
    }
    assert!(is_share(&good.id) && !is_share(&"ext4-1".parse().unwrap()));
}

#[test]
fn a_refusal_carries_the_kernels_number() {
    for (errno, reason) in [
        (Errno::EACCES, Reason::Credentials),
        (Errno::ENOENT, Reason::NotFound),
        (Errno::ENODEV, Reason::Unsupported),
        (Errno::EHOSTDOWN, Reason::Unreachable),
    ] {
        let refusal = refusal(errno);
        assert_eq!(
            (refusal.reason, refusal.errno),
            (reason, Some(errno as i32))
        );
    }
}

/// A mount with the attributes of ours, of a file system that every kernel has. Skipped without root.
#[test]
fn what_is_mounted_is_read_only_and_harmless() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: mounting needs root");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let attempt = |options| Attempt::of("tmpfs", options);
    let failure = mount_by(&attempt(vec![("nonsense", None)]), dir.path()).unwrap_err();
    assert_eq!(failure.errno, libc::EINVAL);
    assert!(failure.said.contains("nonsense"), "{}", failure.said);

    let size = ("size", Some(Secret::new("64k")));
    if let Err(failure) = mount_by(&attempt(vec![size, ("ro", None)]), dir.path()) {
        assert_eq!(failure.errno, libc::EPERM, "{}", failure.said);
        eprintln!("skipped: this machine lets nobody mount");
        return;
    }
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let path = dir.path().to_str().unwrap();
    let line = table
        .lines()
        .find(|line| line.contains(path))
        .unwrap()
        .to_owned();
    let written = std::fs::write(dir.path().join("a"), b"x");
    nix::mount::umount2(dir.path(), MntFlags::MNT_DETACH).unwrap();
    for option in ["ro", "nosuid", "nodev", "noexec", "nosymfollow"] {
        let has = line.split([' ', ',']).any(|given| given == option);
        assert!(has, "{option} in {line}");
    }
    assert!(written.is_err());
}
