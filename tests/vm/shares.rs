//! Network shares of a real Samba and a real NFS server: each way in which one is not there is said, and when it is there it
//! is listed, hashed and given away, also when its server goes in the middle of it and comes back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::clients::wait_until;
use crate::common::owner::seeding;
use crate::guest::Guest;
use crate::house::{self, House, PASSWORD, SERVER, USER};
use crate::lot::Lot;
use crate::machine::Machine;
use crate::stick::Film;
use crate::sticks::{cap, download, share, wait_listed};

/// What takes as long as it takes on an emulated processor, beside whatever else the machine does.
const BOUND: Duration = Duration::from_secs(240);
/// A share that is lost is said to be within this: the look at it every 5 s, the kernel's patience of 30 s, and a try.
const SAID_BOUND: Duration = Duration::from_secs(60);
/// A share whose server is back is back within this: the longest wait after a minute away, and what its server holds up.
const BACK_BOUND: Duration = Duration::from_secs(90);
/// What the box may send while a server is to be lost: enough that it begins, little enough that it is not over.
const CAP: u64 = 2 << 20;

/// As often may an old password be tried until it is known to be one: many servers lock a user out after ten times.
const TRIES: usize = 8;
/// And then not again within this: the first wait after a wrong password is a minute, less a fifth.
const QUIET: Duration = Duration::from_secs(20);

/// What the owner changed is on the disk after half a second, and what a busy machine adds.
const WRITTEN: Duration = Duration::from_secs(3);

const HEAD: &str = "| share | lost by | opened | hashed | seeded, with a loss between | loss said | back |\n|---|---|---|---|---|---|---|";

fn s(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Adds a share, and gives its number.
fn add(guest: &Guest, share: Value) -> Value {
    let answer = guest.api("POST", "/shares", Some(share));
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].clone()
}

fn change(guest: &Guest, id: &Value, patch: Value) {
    let answer = guest.api("PATCH", &format!("/shares/{id}"), Some(patch));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Waits until a share is as wanted, and gives how long that took.
fn wait_share(
    guest: &Guest,
    id: &Value,
    what: &str,
    bound: Duration,
    enough: impl Fn(&Value) -> bool,
) -> Duration {
    let (start, mut last) = (Instant::now(), Value::Null);
    loop {
        let shares = guest.api("GET", "/shares", None).json();
        let mut shares = shares.as_array().into_iter().flatten();
        if let Some(share) = shares.find(|share| share["id"] == *id) {
            if enough(share) {
                return start.elapsed();
            }
            last = share.clone();
        }
        assert!(
            start.elapsed() < bound,
            "not {what} within {bound:?}: {last}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn wait_here(guest: &Guest, id: &Value, bound: Duration) -> Duration {
    wait_share(guest, id, "here", bound, |share| share["state"] == "here")
}

/// Waits until it is said of a share that it cannot be used, in one of these words.
fn wait_said(guest: &Guest, id: &Value, words: &[&str]) -> Duration {
    wait_share(
        guest,
        id,
        &format!("said: {words:?}"),
        SAID_BOUND,
        |share| {
            let why = share["why"].as_str().unwrap_or_default();
            share["state"] == "failing" && words.iter().any(|word| why.contains(word))
        },
    )
}

/// What is said while nothing is at the server's address, or nobody takes the connection there.
const AWAY: [&str; 4] = [
    "cannot be reached",
    "refuses the connection",
    "does not answer",
    "was lost",
];
const WRONG: [&str; 1] = ["wrong user or password"];

/// Has what was read from a share be read from its server again.
fn forget(guest: &mut Guest) {
    guest.machine().run("echo 1 >/proc/sys/vm/drop_caches");
}

/// Has the film on a share that is here hashed and given away, and has it lost by `lose` while a client downloads, and
/// found again by `find`.
fn life_of(
    guest: &mut Guest,
    (name, how): (&str, &str),
    (id, opened): (&Value, Duration),
    film: &Film,
    [lose, find]: [&dyn Fn(&mut Machine); 2],
) {
    cap(guest, Some(CAP));
    let found = wait_listed(guest, &film.name);
    assert_eq!(found["source"], *id, "{found}");
    share(guest, &found);
    let shared = Instant::now();
    guest.wait_release("is hashed", BOUND, |release| {
        release["id"] == found["id"] && seeding(release)
    });
    let hashed = shared.elapsed();
    forget(guest);
    let mut download = download(guest, &film.name);
    let started = Instant::now();
    let so_far = wait_until(&mut download.client, BOUND, "have a part", |p| {
        p.have > Film::SIZE / 16
    });
    assert!(!so_far.complete, "it was over before the server went");
    lose(guest.machine());
    let said = wait_said(guest, id, &AWAY);
    guest.wait_release("is away", BOUND, |release| {
        assert_ne!(release["stage"], "failed", "{release}");
        release["id"] == found["id"] && release["stage"] == "absent"
    });
    assert!(!download.is_complete(), "nobody was there to read it from");
    find(guest.machine());
    let back = wait_here(guest, id, BACK_BOUND);
    guest.wait_release("is given away again", BOUND, |release| {
        release["id"] == found["id"] && seeding(release)
    });
    cap(guest, None);
    download.complete(film);
    println!(
        "| {name} | {how} | {} | {} | {} | {} | {} |",
        s(opened),
        s(hashed),
        s(started.elapsed()),
        s(said),
        s(back)
    );
}

/// Switches the power off and on, and the other computer on later than the box: its shares are said to be away until it is
/// there, and then they are taken up.
fn reboot_before_the_server(
    guest: &mut Guest,
    ids: &[&Value],
    film: &Film,
    start: impl Fn(&mut Machine),
) {
    std::thread::sleep(WRITTEN);
    guest.cut_power(&mut Lot::new(1));
    guest.power_returns();
    for id in ids {
        wait_said(guest, id, &AWAY);
    }
    house::build(guest.machine());
    start(guest.machine());
    let mut longest = Duration::ZERO;
    for id in ids {
        longest = longest.max(wait_here(guest, id, BACK_BOUND));
    }
    guest.wait_release("is given away again", BOUND, |release| {
        release["name"] == film.name && seeding(release)
    });
    println!(
        "after the box was switched on before its server: back after {}",
        s(longest)
    );
}

#[test]
#[ignore = "needs the guest that `make vm-test` makes"]
fn smb_shares_are_given_away_and_their_faults_said() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (film, free) = (Film::of("a share"), Film::of("a share for all"));
    let house = House::new(dir.path(), |root| {
        film.write(&root.join("media"));
        free.write(&root.join("open"));
    });
    let mut guest = Guest::start_with(|hardware| house.furnish(hardware));
    let smb = |folder: &str, login: Value| {
        let mut share = json!({ "protocol": "smb", "server": SERVER, "folder": folder });
        let (share_map, login) = (share.as_object_mut().expect("a map"), login);
        share_map.extend(login.as_object().cloned().unwrap_or_default());
        share
    };

    // Its machine is not there, then does not serve, then serves and does not know us.
    house::build(guest.machine());
    house::join(guest.machine(), false);
    let id = add(
        &guest,
        smb("media", json!({ "user": USER, "password": "wrong" })),
    );
    let nowhere = wait_said(&guest, &id, &["cannot be reached", "does not answer"]);
    house::join(guest.machine(), true);
    let refused = wait_said(&guest, &id, &["refuses the connection"]);
    house::start_smb(guest.machine());
    let wrong = wait_said(&guest, &id, &WRONG);
    println!(
        "said that it is not there after {}, that it does not serve after {}, that the password is wrong after {}",
        s(nowhere),
        s(refused),
        s(wrong)
    );
    change(&guest, &id, json!({ "password": PASSWORD }));
    let opened = wait_here(&guest, &id, BOUND);

    println!("{HEAD}");
    life_of(
        &mut guest,
        ("SMB", "its server being killed"),
        (&id, opened),
        &film,
        [
            &|machine| house::end_smb(machine, "KILL"),
            &house::start_smb,
        ],
    );

    let missing = add(&guest, smb("nothing", json!({})));
    wait_said(&guest, &missing, &["no such share"]);
    let open = add(&guest, smb("open", json!({})));
    let opened = wait_here(&guest, &open, BOUND);
    life_of(
        &mut guest,
        ("SMB, as a guest", "its server being stopped"),
        (&open, opened),
        &free,
        [
            &|machine| house::end_smb(machine, "TERM"),
            &house::start_smb,
        ],
    );

    // Who has another password now is told so, and does not go on trying the old one until the account is locked.
    wait_here(&guest, &id, BACK_BOUND);
    house::wrong_passwords(guest.machine());
    house::set_password(guest.machine(), "another one");
    house::end_smb(guest.machine(), "KILL");
    house::start_smb(guest.machine());
    let said = wait_said(&guest, &id, &WRONG);
    let tries = house::wrong_passwords(guest.machine());
    assert!(
        (1..=TRIES).contains(&tries),
        "{tries} tries with a wrong password"
    );
    std::thread::sleep(QUIET);
    let more = house::wrong_passwords(guest.machine());
    assert_eq!(more, 0, "tries with a password that is known to be wrong");
    change(&guest, &id, json!({ "password": "another one" }));
    let back = wait_here(&guest, &id, BOUND);
    println!(
        "a password that was changed on the server: said after {}, {tries} tries, here {} after it was changed here",
        s(said),
        s(back)
    );
    // What the agent was told to run is in the journal as well, passwords and all.
    let told = guest.machine().run(&format!(
        "journalctl --no-pager -o cat _COMM=semoir + _TRANSPORT=kernel >/tmp/told && test -s /tmp/told && \
         grep -cF -e '{PASSWORD}' -e 'another one' /tmp/told || true"
    ));
    assert_eq!(told.trim(), "0", "a password was written down");
    change(&guest, &id, json!({ "password": PASSWORD }));
    wait_said(&guest, &id, &WRONG);
    reboot_before_the_server(&mut guest, &[&id, &open], &free, house::start_smb);
}

#[test]
#[ignore = "needs the guest that `make vm-test` makes"]
fn nfs_shares_are_given_away_and_their_faults_said() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (film, old) = (Film::of("an export"), Film::of("an older export"));
    let house = House::new(dir.path(), |root| {
        film.write(&root.join("media"));
        old.write(&root.join("older"));
        Film::of("a closed export").write(&root.join("closed"));
    });
    let mut guest = Guest::start_with(|hardware| house.furnish(hardware));
    house::build(guest.machine());
    let nfs = |folder: &str| json!({ "protocol": "nfs", "server": SERVER, "folder": folder });
    // A server that knows version 3 alone.
    let older = add(&guest, nfs("/older"));
    let refused = wait_said(&guest, &older, &["refuses the connection"]);
    house::start_nfs(guest.machine(), true);
    let opened = wait_here(&guest, &older, BACK_BOUND);
    println!("said that nobody serves after {}", s(refused));
    assert_eq!(version(&mut guest, &older).as_deref(), Some("3"));
    let cut: [&dyn Fn(&mut Machine); 2] = [&|machine| house::join(machine, false), &|machine| {
        house::join(machine, true)
    }];
    println!("{HEAD}");
    life_of(
        &mut guest,
        ("NFS 3", "its line being cut"),
        (&older, opened),
        &old,
        cut,
    );

    house::end_nfs(guest.machine());
    let said = wait_said(&guest, &older, &AWAY);
    house::start_nfs(guest.machine(), false);
    let back = wait_here(&guest, &older, BACK_BOUND);
    println!(
        "stopped: said after {}; started: here after {}",
        s(said),
        s(back)
    );

    let id = add(&guest, nfs("/media"));
    let opened = wait_here(&guest, &id, BACK_BOUND);
    assert_eq!(version(&mut guest, &id).as_deref(), Some("4.2"));
    life_of(
        &mut guest,
        ("NFS 4.2", "its line being cut"),
        (&id, opened),
        &film,
        cut,
    );
    for folder in ["/nothing", "/closed"] {
        let other = add(&guest, nfs(folder));
        wait_said(&guest, &other, &["no such share", "does not let this box"]);
        let answer = guest.api("DELETE", &format!("/shares/{other}"), None);
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    reboot_before_the_server(&mut guest, &[&id, &older], &old, |machine| {
        house::start_nfs(machine, false)
    });
    guest.wait_release("of the other is given away again", BOUND, |release| {
        release["name"] == film.name && seeding(release)
    });
}

/// The version of NFS that a share is mounted by.
fn version(guest: &mut Guest, id: &Value) -> Option<String> {
    let line = format!("findmnt -n -o OPTIONS /run/semoir/mounts/share-{id}");
    let options = guest.machine().run(&line);
    let mut options = options.trim().split(',');
    let found = options.find_map(|option| option.strip_prefix("vers="));
    found.map(str::to_owned)
}

#[test]
#[ignore = "needs the guest that `make vm-test` makes"]
fn a_server_is_found_by_its_name_and_again_when_its_address_changes() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let film = Film::of("a named server");
    let house = House::new(dir.path(), |root| film.write(&root.join("open")));
    let mut guest = Guest::start_with(|hardware| house.furnish(hardware));
    house::build(guest.machine());
    house::start_smb(guest.machine());
    house::ask_for_names(guest.machine());
    let share = json!({ "protocol": "smb", "server": "nas.local", "folder": "open" });
    let id = add(&guest, share);
    let unknown = wait_said(&guest, &id, &["no machine of that name"]);
    house::answer_to(guest.machine(), "nas");
    let found = wait_here(&guest, &id, BACK_BOUND);
    wait_listed(&mut guest, &film.name);
    house::change_address(guest.machine());
    let said = wait_said(
        &guest,
        &id,
        &[AWAY.as_slice(), &["no machine of that name"]].concat(),
    );
    let again = wait_here(&guest, &id, BACK_BOUND);
    println!(
        "a name that nobody answers to: said after {}; found after {}; with another address: said after {}, found after {}",
        s(unknown),
        s(found),
        s(said),
        s(again)
    );
}
