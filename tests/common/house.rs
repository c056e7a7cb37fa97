//! The box in a network of its own, as its owner has it at home: not offline, for there is nothing to reach but what the
//! test put there.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::daemon::{Daemon, command};
use super::space::Space;
use super::wait::wait_for;

const ADMIN: &str = "127.0.0.1:8080";

/// A search for a router takes five seconds, and the machine may be busy.
pub const BOUND: Duration = Duration::from_secs(60);
/// A connection within one machine, or that there is none.
pub const SOON: Duration = Duration::from_secs(2);

/// It takes peers on port 6881, and visitors and announces on port 6880.
pub struct House<'a> {
    home: &'a Space,
    cookie: String,
    _box: Daemon,
}

impl<'a> House<'a> {
    /// Starts a new box and claims it.
    pub fn start(home: &'a Space, dir: &Path, source: &Path) -> House<'a> {
        let log = dir.join("box.log");
        let mut run = command("nsenter");
        run.arg(format!("--net={}", home.path.display()))
            .args(["env", "-u", "SEMOIR_OFFLINE"])
            .arg(env!("CARGO_BIN_EXE_semoir"))
            .args(["serve", "--admin", ADMIN])
            .args(["--public", "0.0.0.0:6880", "--peer", "0.0.0.0:6881"])
            .arg("--source")
            .arg(source)
            .arg("--data")
            .arg(dir.join("data"));
        let mut daemon = Daemon::start("the box", &mut run, &log);
        let lines = daemon.lines();
        let code = wait_for("the setup code", BOUND, || {
            daemon.assert_alive();
            let line = lines.recv_timeout(SOON).ok()?;
            line.strip_prefix("setup code ").map(str::to_owned)
        });
        let mut house = House {
            home,
            cookie: String::new(),
            _box: daemon,
        };
        wait_for("the owner's page", BOUND, || {
            let to: SocketAddr = ADMIN.parse().expect("an address");
            let connect = || TcpStream::connect_timeout(&to, SOON).ok();
            home.inside(connect).map(|_| ())
        });
        let body = json!({ "code": code, "password": "correct horse battery" });
        let claimed = house.api("POST", "/box/claim", Some(body));
        let cookie = claimed
            .lines()
            .find_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = cookie.unwrap_or_else(|| panic!("no session: {claimed}"));
        cookie
            .split(';')
            .next()
            .unwrap_or_default()
            .clone_into(&mut house.cookie);
        house
    }

    /// A request of the owner's.
    pub fn api(&self, method: &str, path: &str, body: Option<Value>) -> String {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: {ADMIN}\r\nConnection: close\r\nCookie: {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.cookie,
            body.len()
        );
        let answer = ask(self.home, ADMIN, &request);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A part of the owner's page, once it says this.
    pub fn wait_overview(&self, part: &str, what: &str, enough: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, BOUND, || {
            let answer = self.api("GET", "/overview", None);
            let (_, body) = answer.split_once("\r\n\r\n")?;
            let part = serde_json::from_str::<Value>(body).ok()?[part].take();
            enough(&part).then_some(part)
        })
    }

    /// The info hash of its only release, in hexadecimal, once that is seeded.
    pub fn wait_seeding(&self) -> String {
        let seeds = |releases: &Value| super::owner::seeding(&releases[0]);
        let releases = self.wait_overview("releases", "it seeds", seeds);
        releases[0]["info_hash"]
            .as_str()
            .expect("hashed")
            .to_owned()
    }
}

/// Announces a leecher to the box's tracker, and waits until the answer names this peer.
pub fn wait_given(from: &Space, tracker: &str, info_hash: &str, peer: &str) {
    let named: SocketAddr = peer.parse().expect("an address");
    let SocketAddr::V4(named) = named else {
        panic!("an answer is looked through for IPv4: {peer}");
    };
    let compact = [&named.ip().octets()[..], &named.port().to_be_bytes()].concat();
    let escaped: String = info_hash
        .as_bytes()
        .chunks(2)
        .map(|digits| format!("%{}", String::from_utf8_lossy(digits)))
        .collect();
    // One that announces again so soon is told to wait: each is another.
    let mut port = 7000;
    wait_for(&format!("{peer} is given"), BOUND, || {
        port += 1;
        let request = format!(
            "GET /announce?info_hash={escaped}&peer_id=-XX0000-{port:012}&port={port}&uploaded=0&downloaded=0\
             &left=5&compact=1&event=started HTTP/1.1\r\nHost: {tracker}\r\nConnection: close\r\n\r\n"
        );
        let answer = ask(from, tracker, &request);
        let mut places = answer.windows(compact.len());
        places.any(|bytes| bytes == compact).then_some(())
    });
}

/// What a listener answers to a request that is sent from a space.
pub fn ask(from: &Space, to: &str, request: &str) -> Vec<u8> {
    let to: SocketAddr = to.parse().expect("an address");
    let asked = || -> std::io::Result<Vec<u8>> {
        let mut line = TcpStream::connect_timeout(&to, SOON)?;
        line.set_read_timeout(Some(BOUND))?;
        line.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        line.read_to_end(&mut answer)?;
        Ok(answer)
    };
    from.inside(|| asked().unwrap_or_else(|error| panic!("{to}: {error}")))
}
