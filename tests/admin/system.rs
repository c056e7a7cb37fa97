//! The whole system, before the real helper on a real socket; RAUC and systemd are scripts that say what they were asked.
//! What the real RAUC makes of real updates, `tests/image/helper.rs` asks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::header;
use semoir::app::system::{System, SystemConfig};
use semoir::device::running::Running;
use semoir::device::system::{Helper, HelperConfig, MAX_BUNDLE};
use serde_json::{Value, json};

use crate::client::{Answer, Browser, TestBox};

const SYSTEM: &str = "/api/v1/box/system";
const UPDATE: &str = "/api/v1/box/update";
const INSTALL: &str = "/api/v1/box/update/install";
const POWER: &str = "/api/v1/box/power";
const WIFI: &str = "/api/v1/box/wifi";

/// RAUC, as far as the helper knows it. An update is a text that begins with what becomes of it. Whoever has one looked at waits
/// while there is a file `hold`, and an installation until there is one `go`.
const RAUC: &str = r#"#!/bin/sh
[ -z "$HOME" ] || exit 9
if [ "$1" = -c ]; then
    while [ -e @DIR@/hold ]; do : >@DIR@/held; sleep 0.02; done
    read -r board version <"$5"
    case $board in
        unsigned) echo "signature verification failed: Verify error: self-signed certificate" >&2; exit 1 ;;
        text) echo "Invalid bundle format: Signature size exceeds bundle size" >&2; exit 1 ;;
    esac
    echo "{\"compatible\":\"semoir-$board\",\"version\":\"$version\",\"description\":null,\"images\":[]}"
    exit
fi
read -r board version <"$2"
echo "installing"
echo "  0% Installing"
echo " 20% Determining slot states done."
while [ ! -e @DIR@/go ]; do sleep 0.02; done
if [ "$version" = broken ]; then
    echo "LastError: Installation error: Failed updating slot rootfs.1: the disk is worn"
    exit 1
fi
cat "$2" >@DIR@/installed
echo "100% Installing done."
"#;

const SYSTEMCTL: &str = "#!/bin/sh\necho \"$@\" >>@DIR@/asked\n";

/// Everything around a box that is a whole system.
struct Whole {
    dir: tempfile::TempDir,
    slot: char,
    boot: u32,
}

impl Whole {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let whole = Self {
            dir,
            slot: 'A',
            boot: 0,
        };
        for folder in ["data", "kept", "net/wlan0"] {
            fs::create_dir_all(whole.at(folder)).unwrap();
        }
        fs::write(
            whole.at("system.conf"),
            "[system]\ncompatible=semoir-rpi4\n",
        )
        .unwrap();
        for (name, text) in [("rauc", RAUC), ("systemctl", SYSTEMCTL)] {
            let here = whole.dir.path().to_str().unwrap();
            fs::write(whole.at(name), text.replace("@DIR@", here)).unwrap();
            fs::set_permissions(whole.at(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let me = nix::unistd::User::from_uid(nix::unistd::geteuid())
            .unwrap()
            .unwrap();
        let helper = Helper::new(HelperConfig {
            user: me.name,
            data: whole.at("data"),
            kept: whole.at("kept"),
            run: whole.at(""),
            supplicant: whole.at("wpa"),
            rauc: whole.at("rauc"),
            rauc_config: whole.at("system.conf"),
            systemctl: whole.at("systemctl"),
            running: whole.running(),
            idle: Duration::from_secs(600),
        })
        .unwrap();
        let listener = UnixListener::bind(whole.at("system.sock")).unwrap();
        std::thread::spawn(move || helper.serve(&listener));
        whole
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn running(&self) -> Running {
        Running {
            version: Some(if self.slot == 'A' { "1.0" } else { "2.0" }.to_owned()),
            board: Some("rpi4".to_owned()),
            slot: Some(self.slot),
            boot: format!("boot {}", self.boot),
        }
    }

    /// The daemon's start.
    fn system(&self) -> System {
        System::at_start(SystemConfig {
            helper: Some(self.at("system.sock")),
            data: self.at("data"),
            kept: self.at("kept"),
            interfaces: self.at("net"),
            running: self.running(),
        })
    }

    /// A box on it, whose owner is signed in at the returned browser.
    async fn owned(&self) -> (TestBox, Browser, System) {
        let system = self.system();
        system.go_on();
        let folder = tempfile::tempdir().unwrap();
        let the_box = TestBox::on(folder, system.clone(), true);
        let (the_box, owner) = the_box.claimed().await;
        (the_box, owner, system)
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.at("data/update"));
        let entries = entries.into_iter().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn systemctl(&self) -> String {
        fs::read_to_string(self.at("asked")).unwrap_or_default()
    }
}

async fn send(owner: &Browser, bytes: impl Into<Bytes>) -> Answer {
    let bytes = bytes.into();
    let request = owner
        .request("PUT", UPDATE)
        .header(header::CONTENT_LENGTH, bytes.len());
    owner.send(request.body(Body::from(bytes)).unwrap()).await
}

async fn system(owner: &Browser) -> Value {
    let answer = owner.get(SYSTEM).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// The system, once the update is in that state.
async fn once(owner: &Browser, state: &str) -> Value {
    let start = Instant::now();
    loop {
        let seen = system(owner).await;
        if seen["update"]["state"] == state {
            return seen;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{seen}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn password_in(folder: &Path, password: &str) -> bool {
    let found = std::process::Command::new("grep")
        .args(["-rl", password])
        .arg(folder)
        .output();
    !found.unwrap().stdout.is_empty()
}

#[tokio::test]
async fn a_program_on_somebodys_computer_changes_nothing_of_it() {
    let (_the_box, owner) = TestBox::owned().await;
    let seen = system(&owner).await;
    assert_eq!(seen["available"], false);
    assert_eq!(seen["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&seen["wifi"], &seen["last"]), (&Value::Null, &Value::Null));
    send(&owner, "rpi4 2.0").await.problem(404);
    owner.call("DELETE", UPDATE).await.problem(404);
    owner.call("POST", INSTALL).await.problem(404);
    let body = json!({ "action": "restart" }).to_string();
    owner.post(POWER, &body).await.problem(404);
    let body = json!({ "network": "home", "password": "" }).to_string();
    owner.json("PUT", WIFI, &body).await.problem(404);
    owner.call("DELETE", WIFI).await.problem(404);
}

#[tokio::test]
async fn an_update_is_received_installed_and_started() {
    let mut whole = Whole::new();
    fs::write(whole.at("kept/started-A"), "").unwrap();
    fs::write(whole.at("kept/started-B"), "").unwrap();
    let (_the_box, owner, _) = whole.owned().await;
    let seen = system(&owner).await;
    assert_eq!(
        (&seen["version"], &seen["board"]),
        (&json!("1.0"), &json!("rpi4"))
    );
    assert_eq!(
        (&seen["available"], &seen["slot"]),
        (&json!(true), &json!("A"))
    );
    assert_eq!(seen["update"]["state"], "none");
    assert_eq!(seen["journals"], json!([]));
    owner.call("POST", INSTALL).await.problem(409);

    let bundle = "rpi4 2.0\nand what is installed";
    let answer = send(&owner, bundle).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let expected = json!({
        "state": "ready",
        "bundle": { "version": "2.0", "board": "rpi4", "bytes": bundle.len() },
        "percent": null,
        "problem": null,
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(system(&owner).await["update"], expected);
    let file = fs::metadata(whole.at("data/update/bundle.raucb")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);

    assert_eq!(owner.call("POST", INSTALL).await.status, 202);
    let seen = once(&owner, "installing").await;
    assert_eq!(seen["last"], Value::Null);
    // Nothing else meanwhile.
    send(&owner, bundle).await.problem(409);
    owner.call("DELETE", UPDATE).await.problem(409);
    owner.call("POST", INSTALL).await.problem(409);
    let restart = json!({ "action": "restart" }).to_string();
    owner.post(POWER, &restart).await.problem(409);
    assert_eq!(whole.systemctl(), "");
    let start = Instant::now();
    while system(&owner).await["update"]["percent"] != 20 {
        assert!(start.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    fs::write(whole.at("go"), "").unwrap();
    let seen = once(&owner, "installed").await;
    assert_eq!(seen["update"]["bundle"]["version"], "2.0");
    assert_eq!(fs::read_to_string(whole.at("installed")).unwrap(), bundle);
    assert!(whole.at("kept/started-A").exists() && !whole.at("kept/started-B").exists());
    // It is the next one now, and cannot be forgotten.
    owner.call("DELETE", UPDATE).await.problem(409);
    send(&owner, bundle).await.problem(409);

    assert_eq!(owner.post(POWER, &restart).await.status, 202);
    assert_eq!(whole.systemctl(), "--no-block --no-ask-password reboot\n");
    let last = &system(&owner).await["last"];
    assert_eq!(
        (&last["version"], &last["from"]),
        (&json!("2.0"), &json!("1.0"))
    );
    assert_eq!(last["outcome"], "trying");

    // The new system runs. The old one kept its journal.
    (whole.slot, whole.boot) = ('B', 1);
    fs::write(whole.at("data/journal-last.gz"), "packed").unwrap();
    let (_the_box, owner, daemon) = whole.owned().await;
    let seen = system(&owner).await;
    assert_eq!(
        (&seen["slot"], &seen["version"]),
        (&json!("B"), &json!("2.0"))
    );
    assert_eq!(seen["last"]["outcome"], "trying");
    let journals = seen["journals"].as_array().unwrap();
    assert_eq!(journals.len(), 1, "{journals:?}");
    assert_eq!(
        (&journals[0]["start"], &journals[0]["bytes"]),
        (&json!("last"), &json!(6))
    );
    assert!(journals[0]["at"].as_i64().unwrap() > 0);
    send(&owner, bundle).await.problem(409);
    assert_eq!(whole.files(), ["bundle.raucb", "last.json", "reached.json"]);
    daemon.opens_database();
    daemon.opens_pages(None);
    daemon.serves().await;
    let seen = system(&owner).await;
    assert_eq!(seen["last"]["outcome"], "kept");
    assert_eq!(seen["last"]["reason"], Value::Null);
    assert_eq!(seen["update"]["state"], "none");
    assert_eq!(whole.files(), ["last.json"], "the card has its room again");
}

#[tokio::test]
async fn an_update_that_went_back_says_why_and_can_be_tried_again() {
    let mut whole = Whole::new();
    let (_the_box, owner, _) = whole.owned().await;
    send(&owner, "rpi4 2.0").await;
    fs::write(whole.at("go"), "").unwrap();
    owner.call("POST", INSTALL).await;
    once(&owner, "installed").await;
    let restart = json!({ "action": "restart" }).to_string();
    assert_eq!(owner.post(POWER, &restart).await.status, 202);

    (whole.slot, whole.boot) = ('B', 1);
    let daemon = whole.system();
    daemon.opens_database();
    daemon
        .fails("the database /var/lib/semoir/semoir.db cannot be opened: database or disk is full");
    (whole.slot, whole.boot) = ('A', 2);
    let (_the_box, owner, _) = whole.owned().await;
    let seen = once(&owner, "ready").await;
    let last = &seen["last"];
    assert_eq!(
        (&last["outcome"], &last["version"]),
        (&json!("went_back"), &json!("2.0"))
    );
    let reason = last["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("The new system could not use the box's database: "),
        "{reason}"
    );
    let mut request = owner.request("GET", SYSTEM).body(Body::empty()).unwrap();
    let french = "fr".parse().unwrap();
    request
        .headers_mut()
        .insert(header::ACCEPT_LANGUAGE, french);
    let seen = owner.send(request).await.json();
    let reason = seen["last"]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("Le nouveau système n’a pas pu"),
        "{reason}"
    );
    assert!(reason.contains("ne peut pas être ouverte"), "{reason}");
    // Once more, with what is here still.
    assert_eq!(owner.call("POST", INSTALL).await.status, 202);
    assert_eq!(once(&owner, "installed").await["last"], Value::Null);
}

#[tokio::test]
async fn what_is_no_good_is_refused_and_gone() {
    let whole = Whole::new();
    let (_the_box, owner, _) = whole.owned().await;
    for (bundle, words) in [
        ("unsigned 2.0", "is not signed by"),
        ("text", "is no update for the box"),
        ("rpi3 2.0", "for another board (\"rpi3\")"),
    ] {
        let said = send(&owner, bundle).await.problem(422);
        assert!(said.contains(words), "{said}");
        let update = &system(&owner).await["update"];
        assert_eq!(
            (&update["state"], &update["problem"]),
            (&json!("none"), &json!(said))
        );
        assert!(whole.files().is_empty(), "{:?}", whole.files());
    }
    // One that is good takes the place of what was said.
    send(&owner, "rpi4 2.0").await;
    assert_eq!(system(&owner).await["update"]["problem"], Value::Null);
    assert_eq!(owner.call("DELETE", UPDATE).await.status, 204);
    assert_eq!(system(&owner).await["update"]["state"], "none");
    assert!(whole.files().is_empty());
    assert_eq!(owner.call("DELETE", UPDATE).await.status, 204);

    // Said before a byte comes.
    owner.call("PUT", UPDATE).await.problem(411);
    let long = owner
        .request("PUT", UPDATE)
        .header(header::CONTENT_LENGTH, MAX_BUNDLE + 1);
    owner
        .send(long.body(Body::empty()).unwrap())
        .await
        .problem(413);
    // Shorter than it was said to be.
    let cut = owner
        .request("PUT", UPDATE)
        .header(header::CONTENT_LENGTH, 100);
    let said = owner
        .send(cut.body(Body::from("rpi4 2.0")).unwrap())
        .await
        .problem(503);
    assert!(said.contains("did not arrive whole"), "{said}");
    assert!(whole.files().is_empty());
}

#[tokio::test]
async fn an_installation_that_fails_says_why_and_leaves_the_update() {
    let whole = Whole::new();
    let (_the_box, owner, _) = whole.owned().await;
    fs::write(whole.at("go"), "").unwrap();
    send(&owner, "rpi4 broken").await;
    assert_eq!(owner.call("POST", INSTALL).await.status, 202);
    let start = Instant::now();
    let update = loop {
        let update = once(&owner, "ready").await["update"].clone();
        if update["problem"] != Value::Null {
            break update;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{update}");
    };
    let problem = update["problem"].as_str().unwrap();
    assert!(problem.contains("the disk is worn"), "{problem}");
    assert!(semoir::admin::french(problem).is_some(), "{problem}");
    assert_eq!(update["bundle"]["version"], "broken");
    assert_eq!(whole.files(), ["bundle.raucb"]);
    let answer = owner.post(POWER, r#"{"action":"shut_down"}"#).await;
    assert_eq!(answer.status, 202);
    assert_eq!(whole.systemctl(), "--no-block --no-ask-password poweroff\n");
    owner
        .post(POWER, r#"{"action":"explode"}"#)
        .await
        .problem(422);
}

/// A body that is sent as the test wants.
fn body() -> (tokio::sync::mpsc::Sender<Bytes>, Body) {
    let (parts, taken) = tokio::sync::mpsc::channel::<Bytes>(1);
    let stream = futures::stream::unfold(taken, |mut taken| async move {
        let part = taken.recv().await?;
        Some((Ok::<_, std::io::Error>(part), taken))
    });
    (parts, Body::from_stream(stream))
}

#[tokio::test]
async fn one_is_received_at_a_time_and_what_breaks_off_leaves_nothing() {
    let whole = Whole::new();
    let (_the_box, owner, _) = whole.owned().await;
    let (parts, content) = body();
    let request = owner
        .request("PUT", UPDATE)
        .header(header::CONTENT_LENGTH, 1000);
    let request = request.body(content).unwrap();
    let sender = owner.clone();
    let sending = tokio::spawn(async move { sender.send(request).await });
    parts.send(Bytes::from_static(b"rpi4 2.0")).await.unwrap();
    once(&owner, "receiving").await;
    send(&owner, "rpi4 2.0").await.problem(409);
    owner.call("DELETE", UPDATE).await.problem(409);
    // The browser is gone, and its connection: nobody waits for an answer, and no more comes.
    sending.abort();
    drop(parts);
    let update = once(&owner, "none").await["update"].clone();
    assert!(
        update["problem"]
            .as_str()
            .unwrap()
            .contains("did not arrive whole"),
        "{update}"
    );
    assert!(whole.files().is_empty());
    send(&owner, "rpi4 2.0").await;
    once(&owner, "ready").await;
}

/// Kilobytes that this process has had in memory at most.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_large_one_goes_through_little_memory() {
    const PART: usize = 1 << 20;
    const PARTS: usize = 192;
    let whole = Whole::new();
    let (_the_box, owner, _) = whole.owned().await;
    let (parts, content) = body();
    let request = owner
        .request("PUT", UPDATE)
        .header(header::CONTENT_LENGTH, PART * PARTS);
    let request = request.body(content).unwrap();
    let before = peak();
    let sending = tokio::spawn(async move {
        for number in 0..PARTS {
            let mut part = vec![b' '; PART];
            if number == 0 {
                part[..9].copy_from_slice(b"rpi4 2.0\n");
            }
            parts.send(part.into()).await.unwrap();
        }
    });
    let answer = owner.send(request).await;
    sending.await.unwrap();
    assert_eq!(answer.json()["bundle"]["bytes"], PART * PARTS);
    let grown = peak() - before;
    assert!(grown < 48 << 10, "{grown} KiB for {} MiB", PARTS);
}

#[tokio::test]
async fn the_daemon_may_be_started_again_at_any_moment() {
    let whole = Whole::new();
    let (_the_box, owner, _) = whole.owned().await;
    send(&owner, "rpi4 2.0").await;
    // What was received is looked at again.
    let (_the_box, owner, _) = whole.owned().await;
    assert_eq!(
        once(&owner, "ready").await["update"]["bundle"]["version"],
        "2.0"
    );
    owner.call("POST", INSTALL).await;
    once(&owner, "installing").await;
    // The helper goes on; nobody hears what came of it, and that is said.
    let (_the_box, owner, _) = whole.owned().await;
    assert_eq!(system(&owner).await["update"]["state"], "installing");
    fs::write(whole.at("go"), "").unwrap();
    let update = once(&owner, "ready").await["update"].clone();
    let start = Instant::now();
    while system(&owner).await["update"]["problem"] == Value::Null {
        assert!(start.elapsed() < Duration::from_secs(60), "{update}");
    }
    owner.call("POST", INSTALL).await;
    once(&owner, "installed").await;
    // Installed, and the machine was not restarted yet.
    let (_the_box, owner, _) = whole.owned().await;
    assert_eq!(system(&owner).await["update"]["state"], "installed");
}

#[tokio::test]
async fn a_wifi_is_joined_and_left_and_its_password_stays_with_root() {
    const PASSWORD: &str = "battery staple";
    let whole = Whole::new();
    let (the_box, owner, _) = whole.owned().await;
    let seen = system(&owner).await;
    assert_eq!(
        seen["wifi"],
        json!({ "network": null, "connected": false, "problem": null })
    );
    for bad in [
        json!({ "network": "", "password": "" }),
        json!({ "network": "x".repeat(33), "password": "" }),
        json!({ "network": "home", "password": "short" }),
        json!({ "network": "home", "password": "x".repeat(64) }),
        json!({ "network": "home", "password": "a\nb\nc\nd\ne" }),
        json!({ "network": "home", "password": PASSWORD, "country": "France" }),
        json!({ "network": "home", "password": PASSWORD, "hidden": true }),
    ] {
        let said = owner.json("PUT", WIFI, &bad.to_string()).await.problem(422);
        assert!(!said.contains(PASSWORD), "{said}");
    }
    assert_eq!(whole.systemctl(), "");
    let home = json!({ "network": "Café", "password": PASSWORD, "country": "FR" }).to_string();
    assert_eq!(owner.json("PUT", WIFI, &home).await.status, 204);
    let kept = fs::read_to_string(whole.at("kept/wifi.conf")).unwrap();
    assert!(
        kept.contains(PASSWORD) && kept.contains("ssid=436166c3a9"),
        "{kept}"
    );
    assert_eq!(
        whole.systemctl(),
        "--no-block --no-ask-password restart semoir-wifi.service\n"
    );
    let wifi = &system(&owner).await["wifi"];
    assert_eq!(
        (&wifi["network"], &wifi["connected"]),
        (&json!("Café"), &json!(false))
    );
    let problem = wifi["problem"].as_str().unwrap();
    assert!(semoir::admin::french(problem).is_some(), "{problem}");
    assert!(
        !password_in(&whole.at("data"), PASSWORD) && !password_in(the_box.dir.path(), PASSWORD)
    );

    assert_eq!(owner.call("DELETE", WIFI).await.status, 204);
    assert!(!whole.at("kept/wifi.conf").exists());
    assert!(whole.systemctl().ends_with("stop semoir-wifi.service\n"));
    assert_eq!(system(&owner).await["wifi"]["network"], Value::Null);

    // A board without.
    fs::remove_dir(whole.at("net/wlan0")).unwrap();
    assert_eq!(system(&owner).await["wifi"], Value::Null);
    owner.json("PUT", WIFI, &home).await.problem(404);
    owner.call("DELETE", WIFI).await.problem(404);
}

/// The helper may be at what an earlier process of ours asked, or have too many to answer: that says nothing about the update.
#[tokio::test]
async fn a_helper_that_is_busy_for_a_moment_loses_no_update() {
    let whole = Whole::new();
    let (_the_box, owner, _) = whole.owned().await;
    fs::write(whole.at("hold"), "").unwrap();
    let sent = tokio::spawn(async move { send(&owner, "rpi4 2.0").await });
    let start = Instant::now();
    while !whole.at("held").exists() {
        assert!(start.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The daemon is started again while the update is looked at.
    let (_the_box, owner, _) = whole.owned().await;
    assert_eq!(system(&owner).await["update"]["state"], "checking");
    fs::remove_file(whole.at("hold")).unwrap();
    once(&owner, "ready").await;
    sent.await.unwrap();
    assert_eq!(owner.call("POST", INSTALL).await.status, 202);
    while system(&owner).await["update"]["percent"] != 20 {
        assert!(start.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // And again while it is installed, when others have taken all places at the helper.
    let others: Vec<UnixStream> = (0..8)
        .map(|_| UnixStream::connect(whole.at("system.sock")).unwrap())
        .collect();
    let (_the_box, owner, _) = whole.owned().await;
    assert_eq!(system(&owner).await["update"]["state"], "installing");
    drop(others);
    assert_eq!(whole.files(), ["bundle.raucb", "last.json"]);
    fs::write(whole.at("go"), "").unwrap();
    let seen = once(&owner, "ready").await;
    let why = seen["update"]["problem"].as_str().unwrap();
    assert!(why.contains("install it once more"), "{why}");
}
