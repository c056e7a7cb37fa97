//! `semoir serve` from the outside: what keeps it from starting, and how it ends.

mod common;
#[path = "serve/start.rs"]
mod start;
#[path = "serve/versions.rs"]
mod versions;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use common::appliance::Appliance;
use common::content::Tree;
use common::wait::wait_for;
use common::{http, net};
use serde_json::json;
use start::{BOUND, Start};

/// From SIGTERM to the end, whatever is open. systemd would wait for 90.
const END_BOUND: Duration = Duration::from_secs(8);

fn assert_says(sentence: &str, parts: &[&str]) {
    for part in parts {
        assert!(sentence.contains(part), "no {part:?} in: {sentence}");
    }
}

#[test]
fn a_taken_port_is_named() {
    let mut start = Start::new();
    let taken = TcpListener::bind((start.ip, 0)).expect("loopback can be bound");
    let addr = taken.local_addr().expect("bound");
    let free = start.admin;
    for (which, what) in ["owner's page", "public page", "peers' connections"]
        .into_iter()
        .enumerate()
    {
        (start.admin, start.public, start.peer) = (free, free, free);
        *[&mut start.admin, &mut start.public, &mut start.peer][which] = Some(addr);
        let sentence = start.refused();
        assert_says(&sentence, &[what, &addr.to_string(), "in use"]);
    }
}

#[test]
fn a_taken_udp_port_is_named() {
    let mut start = Start::new();
    let taken = UdpSocket::bind((start.ip, 0)).expect("loopback can be bound");
    let addr = taken.local_addr().expect("bound");
    start.public = Some(addr);
    let sentence = start.refused();
    assert_says(&sentence, &["UDP tracker", &addr.to_string(), "in use"]);
}

#[test]
fn an_address_that_is_not_ours_is_named() {
    let mut start = Start::new();
    start.admin = Some("192.0.2.1:8080".parse().expect("an address"));
    assert_says(&start.refused(), &["owner's page", "192.0.2.1:8080"]);
}

/// Reading them takes longer than the rest of a start, and many a box asks no tracker by https. Whoever opens this pipe waits
/// for ever.
#[test]
fn certificate_authorities_are_not_read_before_they_are_needed() {
    let mut start = Start::new();
    let pipe = start.dir.path().join("authorities");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe can be made");
    start.authorities = Some(pipe);
    start.runs();
}

#[test]
fn a_flag_that_is_not_understood_is_named() {
    let said = Start::new().with("--adnim", "127.0.0.1:1").fails_with(2);
    assert_says(&said, &["--adnim"]);
    let mut start = Start::new();
    start.admin = None;
    let said = start.with("--admin", "nonsense").fails_with(2);
    assert_says(&said, &["nonsense", "--admin"]);
}

#[test]
fn a_configuration_that_cannot_be_used_is_named() {
    let start = Start::new();
    let missing = start.dir.path().join("missing.toml");
    let folder = start.dir.path().to_owned();
    let secret = start.file("secret.toml", "offline = true");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o0)).expect("it is ours");
    let cases = [
        (missing, "cannot be read"),
        (folder, "cannot be read"),
        (secret, "cannot be read"),
        (
            start.file("garbage.toml", [0xff, 0xfe, 0]),
            "cannot be read",
        ),
        (start.file("unfinished.toml", "admin = '127"), "unfinished"),
        (start.file("unknown.toml", "datta = 'var'"), "datta"),
        (start.file("wrong.toml", "admin = 8080"), "admin"),
    ];
    for (path, why) in cases {
        let mut other = Start::new().with("--config", &path);
        other.powerless = true;
        let sentence = other.fails_with(1);
        assert_says(&sentence, &["semoir: ", &path.display().to_string(), why]);
    }
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named() {
    let mut start = Start::new();
    start.powerless = true;
    fs::create_dir(&start.data).expect("a folder can be made");
    fs::set_permissions(&start.data, fs::Permissions::from_mode(0o555)).expect("it is ours");
    let named = start.data.display().to_string();
    assert_says(&start.refused(), &["data folder", &named, "denied"]);

    start.data = start.file("file", "").join("data");
    let named = start.data.display().to_string();
    assert_says(&start.refused(), &["data folder", &named]);
}

#[test]
fn a_password_that_cannot_be_used_is_named() {
    let start = Start::new();
    let missing = start.dir.path().join("missing");
    let cases = [
        (missing, "No such file"),
        (start.file("empty", ""), "characters"),
        (start.file("short", "hunter2\n"), "characters"),
        (start.file("binary", [0xff, 0xfe]), "UTF-8"),
    ];
    for (path, why) in cases {
        let other = Start::new().with("--owner-password-file", &path);
        assert_says(&other.refused(), &[&path.display().to_string(), why]);
    }
}

#[test]
fn a_password_file_is_read_once() {
    let start = Start::new();
    let password = start.file("password", "correct horse battery staple\n");
    let start = start.with("--owner-password-file", &password);
    let (mut daemon, said) = start.runs();
    assert!(!said.iter().any(|line| line.contains("code")), "{said:?}");
    daemon.kill();
    fs::remove_file(password).expect("it is there");
    start.runs();
}

#[test]
fn a_hash_from_the_card_claims_the_box_once_and_is_deleted() {
    let start = Start::new().with("--setup-code-file", "/nonexistent/code");
    assert_says(&start.refused(), &["/nonexistent/code"]);

    let phc = semoir::admin::hash_owner_password("correct horse").expect("it is long enough");
    let start = Start::new();
    let hash = start.file("hash", "$5$a$hash-of-another-kind");
    let code = start.dir.path().join("code");
    let start = start
        .with("--owner-hash-file", &hash)
        .with("--setup-code-file", &code);
    // One that cannot be used leaves the code, which lies where whoever shows it looks.
    let (mut daemon, said) = start.runs();
    let shown = said
        .iter()
        .find_map(|line| line.strip_prefix("setup code "));
    let left = fs::read_to_string(&code).expect("it is left");
    assert!(
        shown.is_none_or(|shown| shown == left.trim_end()),
        "{said:?}"
    );
    assert_eq!(left.trim_end().len(), 9, "{left:?}");
    let mode = fs::metadata(&code)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!hash.exists());
    daemon.terminate(END_BOUND);

    fs::write(&hash, &phc).expect("it can be written");
    let (mut daemon, _) = start.runs();
    assert!(!hash.exists() && !code.exists());
    daemon.terminate(END_BOUND);
    // And none is needed for the next start.
    let (_daemon, _) = start.runs();
    assert!(!code.exists());
}

#[test]
fn systemd_hears_that_it_serves_and_lives_and_ends() {
    let mut start = Start::new();
    let path = start.dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket can be bound");
    let told = socket.set_read_timeout(Some(BOUND));
    told.expect("it can be told");
    start.notify = Some(path);
    let (mut daemon, _) = start.runs();
    let hear = || {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).expect("it speaks in time");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert!(hear().starts_with("READY=1"));
    // Beats of steps, half a second apart at least.
    assert_eq!(hear(), "WATCHDOG=1");
    let beating = Instant::now();
    for _ in 0..2 {
        assert_eq!(hear(), "WATCHDOG=1");
    }
    assert!(beating.elapsed() >= Duration::from_millis(900));
    daemon.terminate(END_BOUND);
    let last = std::iter::repeat_with(hear).find(|said| said != "WATCHDOG=1");
    assert!(last.is_some_and(|said| said.starts_with("STOPPING=1")));
}

#[test]
fn a_damaged_database_is_named_and_left_alone() {
    let start = Start::new();
    let (mut daemon, _) = start.runs();
    assert_eq!(daemon.terminate(END_BOUND).code(), Some(0));
    let path = start.data.join("semoir.db");
    let mut damaged = fs::read(&path).expect("the database is there");
    assert!(damaged.len() > 8192, "a page and more: {}", damaged.len());
    damaged[100..8192].fill(0xa5);
    for damaged in [damaged, b"This is no database.".repeat(500)] {
        fs::write(&path, &damaged).expect("a file can be written");
        let sentence = start.refused();
        assert_says(&sentence, &["database", &path.display().to_string()]);
        assert!(
            fs::read(&path).expect("it is there") == damaged,
            "{sentence}"
        );
    }
}

#[test]
fn a_source_that_is_not_here_or_not_readable_is_no_reason_not_to_start() {
    let mut start = Start::new();
    start.powerless = true;
    let closed = start.dir.path().join("closed");
    fs::create_dir(&closed).expect("a folder can be made");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o0)).expect("it is ours");
    let away = start.dir.path().join("away");
    let start = start.with("--source", &closed).with("--source", &away);
    let (mut daemon, said) = start.runs();
    assert_eq!(said.iter().filter(|l| l.starts_with("admin ")).count(), 1);
    assert_eq!(daemon.terminate(END_BOUND).code(), Some(0));
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("it is ours");

    // On the page it is a source that is not here.
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut appliance = Appliance::start(&dir.path().join("state"), &[&away]);
    let name = away.display().to_string();
    let source = wait_for("the source is shown as absent", BOUND, || {
        let overview = appliance.overview();
        let sources = overview["sources"].as_array().cloned().unwrap_or_default();
        let shown = |s: &serde_json::Value| s["name"] == *name && s["problem"] != "";
        sources.into_iter().find(shown)
    });
    assert_eq!(source["present"], false, "{source}");
    appliance.assert_alive();
}

#[test]
fn a_data_folder_has_one_box() {
    let mut start = Start::new();
    let mut appliance = Appliance::start(&start.data, &[]);
    let named = start.data.display().to_string();
    let pid = format!("process {}", appliance.pid());
    assert_says(&start.refused(), &["in use", &named, &pid]);
    // By another way to the same folder, too.
    let link = start.dir.path().join("link");
    std::os::unix::fs::symlink(&start.data, &link).expect("a link can be made");
    let data = std::mem::replace(&mut start.data, link);
    assert_says(&start.refused(), &["in use", &pid]);
    start.data = data;
    appliance.assert_alive();
    // Killed with no time to tidy up, it has given the folder back.
    appliance.kill();
    let (mut daemon, _) = start.runs();
    assert_eq!(daemon.terminate(END_BOUND).code(), Some(0));
    appliance.restart();
}

#[test]
fn flags_win_over_the_file_and_sources_add_up() {
    let mut start = Start::new();
    let [below, above] = ["below", "above"].map(|name| start.dir.path().join(name));
    for folder in [&below, &above] {
        fs::create_dir(folder).expect("a folder can be made");
    }
    let (ip, data) = (start.ip, start.data.clone());
    let other = net::fresh_ip();
    let password = start.file("password", "correct horse battery staple\n");
    let config = format!(
        "data = {data:?}\nsources = [{below:?}]\nadmin = '192.0.2.1:1'\npublic = '{other}:0'\npeer = '{other}:0'\n\
         owner-password-file = {password:?}\n"
    );
    let config = start.file("semoir.toml", config);
    start.data = start.dir.path().join("of-the-flag");
    (start.public, start.peer) = (None, None);
    let start = start.with("--config", &config).with("--source", &above);
    let (mut daemon, said) = start.runs();
    for line in [
        format!("admin http://{ip}:"),
        format!("public http://{other}:"),
        format!("peers {other}:"),
    ] {
        assert!(said.iter().any(|s| s.starts_with(&line)), "{line} {said:?}");
    }
    assert!(start.data.join("semoir.db").exists() && !data.exists());

    let admin = said.iter().find_map(|line| line.strip_prefix("admin "));
    let api = format!("{}api/v1", admin.expect("found above"));
    let json = [("Content-Type", "application/json")];
    let body = json!({ "password": "correct horse battery staple" }).to_string();
    let signed_in = http::request("POST", &format!("{api}/session"), &json, body.into_bytes());
    let signed_in = signed_in.expect("it answers");
    let cookie = signed_in.header("set-cookie").expect("signed in");
    let cookie = [("Cookie", cookie.split(';').next().unwrap_or_default())];
    let overview = http::request("GET", &format!("{api}/overview"), &cookie, Vec::new());
    let sources = overview.expect("it answers").json()["sources"].to_string();
    for folder in [below, above] {
        assert_says(&sources, &[&folder.display().to_string()]);
    }
    assert_eq!(daemon.terminate(END_BOUND).code(), Some(0));
}

/// A connection to the owner's page on which `head` was said, with what every request needs.
fn say(appliance: &Appliance, request: &str, more: &str) -> TcpStream {
    let addr = appliance.admin_addr();
    let mut stream = TcpStream::connect(addr).expect("the owner's page takes connections");
    stream
        .set_read_timeout(Some(BOUND))
        .expect("a socket takes a timeout");
    let cookie = appliance.cookie();
    let head = format!("{request} HTTP/1.1\r\nHost: {addr}\r\nCookie: {cookie}\r\n{more}\r\n");
    stream.write_all(head.as_bytes()).expect("it listens");
    stream
}

#[test]
fn told_to_stop_it_ends_soon_whatever_is_open() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tree = Tree::file("film.mkv", 1 << 20, 15);
    let mut appliance = Appliance::start(&dir.path().join("state"), &[tree.source()]);

    let silent = TcpStream::connect(appliance.admin_addr()).expect("it takes connections");
    let mut events = say(&appliance, "GET /api/v1/events", "");
    let mut heard = String::new();
    let mut buffer = [0; 4096];
    while !heard.contains("event: overview") {
        let length = events.read(&mut buffer).expect("the stream goes on");
        assert!(length > 0, "{heard}");
        heard.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }

    let files = json!({ "name": "a.bin", "files": [{ "path": "a.bin", "size": 1 << 20 }] });
    let begun = appliance.api("POST", "/uploads", Some(files));
    assert_eq!(begun.status, 201, "{}", begun.text());
    let id = begun.json()["id"].as_str().expect("an id").to_owned();
    let put = format!("PUT /api/v1/uploads/{id}/files/0?offset=0");
    let mut upload = say(&appliance, &put, "Content-Length: 1048576\r\n");
    upload.write_all(&[7; 1 << 19]).expect("it listens");
    wait_for("half of the upload is there", BOUND, || {
        let state = appliance.api("GET", &format!("/uploads/{id}"), None).json();
        (state["files"][0]["received"] == 1 << 19).then_some(())
    });

    let start = Instant::now();
    let status = appliance.terminate(END_BOUND);
    println!("ended after {:?}", start.elapsed());
    assert_eq!(status.code(), Some(0));
    let rest = events.read_to_string(&mut heard);
    rest.expect("the stream ends in order");
    assert!(
        heard.ends_with("\r\n0\r\n\r\n"),
        "the stream ends as HTTP has it: {heard}"
    );
    drop((silent, upload));

    // What had come of the upload was kept.
    appliance.restart();
    let state = appliance.api("GET", &format!("/uploads/{id}"), None).json();
    assert_eq!(state["files"][0]["received"], 1 << 19, "{state}");
}

#[test]
fn out_of_descriptors_it_goes_on() {
    let mut start = Start::new();
    start.open_files = Some(96);
    let (mut daemon, said) = start.runs();
    let public = said.iter().find_map(|line| line.strip_prefix("public "));
    let public = public.expect("it says where").to_owned();
    let addr: SocketAddr = public
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .parse()
        .expect("an address");
    let silent: Vec<TcpStream> = (0..300)
        .map(|_| TcpStream::connect(addr).expect("the kernel takes connections"))
        .collect();
    let began = Instant::now();
    let answer = http::get(&public).expect("it answers");
    println!("answered after {:?}", began.elapsed());
    assert_eq!(answer.status, 200);
    let log = daemon.tail();
    assert!(log.contains("Too many open files"), "{log}");
    daemon.assert_alive();
    drop(silent);
}
