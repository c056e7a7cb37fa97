//! A real router of the house: miniupnpd, which most routers at home run, forwards the box's ports when the box asks it
//! (UPnP Internet Gateway Device), and no longer when it is told so.
//!
//!     box 192.168.77.2 -- router 192.168.77.1 | 11.0.0.1 -- world 11.0.0.2
//!
//! All three are network namespaces that lead nowhere else, and so the box may look for its router here as it does at home.
//! The world's addresses look like the internet's because miniupnpd forwards nothing to a router whose own address is
//! private. Who came through is proved by connections and not by what the router says.

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::daemon::{Daemon, command};
use common::space::Space;
use common::wait::wait_for;
use serde_json::{Value, json};

const ADMIN: &str = "127.0.0.1:8080";
const PEERS: &str = "11.0.0.1:6881";
const PUBLIC: &str = "11.0.0.1:6880";

/// A search takes five seconds, and the machine may be busy.
const BOUND: Duration = Duration::from_secs(60);
/// A connection within one machine, or that there is none.
const SOON: Duration = Duration::from_secs(2);

/// What a router's packet filter is like before anything is forwarded: who is inside gets out, and nobody gets in. The names
/// are those that miniupnpd looks for.
const FILTER: &str = r#"
table inet filter {
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname "lan" accept
    jump miniupnpd
  }
  chain miniupnpd { }
  chain prerouting { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }
  chain postrouting {
    type nat hook postrouting priority 100;
    jump postrouting_miniupnpd
    oifname "wan" masquerade
  }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
}
"#;

struct Street {
    home: Space,
    router: Space,
    world: Space,
}

impl Street {
    fn new(dir: &Path) -> Street {
        let log = dir.join("spaces.log");
        let [home, router, world] = [(); 3].map(|()| Space::new(&log));
        for (space, device, net) in [(&home, "lan", "192.168.77"), (&world, "wan", "11.0.0")] {
            let peer = space.pid();
            router.ip(&[
                "link set lo up",
                &format!("link add {device} type veth peer name eth netns {peer}"),
                &format!("addr add {net}.1/24 dev {device}"),
                &format!("link set {device} up"),
            ]);
            space.ip(&[
                "link set lo up",
                &format!("addr add {net}.2/24 dev eth"),
                "link set eth up",
            ]);
        }
        home.ip(&["route add default via 192.168.77.1"]);
        router.run("echo 1 > /proc/sys/net/ipv4/ip_forward");
        let rules = dir.join("filter.nft");
        std::fs::write(&rules, FILTER).expect("a file can be written");
        router.run(&format!("nft -f {}", rules.display()));
        Street {
            home,
            router,
            world,
        }
    }

    /// The router's own program. `allowed`: whether it forwards anything to anybody.
    fn miniupnpd(&self, dir: &Path, allowed: bool) -> Daemon {
        let (conf, pid) = (dir.join("miniupnpd.conf"), dir.join("miniupnpd.pid"));
        let log = dir.join(format!("miniupnpd-{allowed}.log"));
        let rule = match allowed {
            true => "allow 1024-65535 192.168.77.0/24 1024-65535",
            false => "deny 0-65535 0.0.0.0/0 0-65535",
        };
        let text = format!(
            "ext_ifname=wan\nlistening_ip=lan\nhttp_port=0\nenable_upnp=yes\nenable_natpmp=no\nsecure_mode=yes\n\
             uuid=a146bcf2-172f-43a0-9ccb-e7dd0d754d90\n{rule}\ndeny 0-65535 0.0.0.0/0 0-65535\n"
        );
        std::fs::write(&conf, text).expect("a file can be written");
        let mut run = command("nsenter");
        run.arg(format!("--net={}", self.router.path.display()))
            .args(["miniupnpd", "-d", "-f"])
            .arg(conf)
            .arg("-P")
            .arg(pid);
        let mut router = Daemon::start("miniupnpd", &mut run, &log);
        wait_for("miniupnpd listens", BOUND, || {
            router.assert_alive();
            router
                .tail()
                .contains("HTTP listening on port")
                .then_some(())
        });
        router
    }

    /// Whether somebody out there can connect.
    fn is_open(&self, to: &str) -> bool {
        let to: SocketAddr = to.parse().expect("an address");
        self.world
            .inside(|| TcpStream::connect_timeout(&to, SOON).is_ok())
    }

    /// What a listener answers to a request that is sent from a space.
    fn ask(from: &Space, to: &str, request: &str) -> String {
        let to: SocketAddr = to.parse().expect("an address");
        let asked = || -> std::io::Result<String> {
            let mut line = TcpStream::connect_timeout(&to, SOON)?;
            line.set_read_timeout(Some(BOUND))?;
            line.write_all(request.as_bytes())?;
            let mut answer = Vec::new();
            line.read_to_end(&mut answer)?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        from.inside(|| asked().unwrap_or_else(|error| panic!("{to}: {error}")))
    }
}

/// The box, as its owner has it at home.
struct House<'a> {
    street: &'a Street,
    cookie: String,
    _box: Daemon,
}

impl<'a> House<'a> {
    fn start(street: &'a Street, dir: &Path) -> House<'a> {
        let log = dir.join("box.log");
        let mut run = command("nsenter");
        run.arg(format!("--net={}", street.home.path.display()))
            // There is nothing but its router and the world of this test to reach.
            .args(["env", "-u", "SEMOIR_OFFLINE"])
            .arg(env!("CARGO_BIN_EXE_semoir"))
            .args(["serve", "--admin", ADMIN])
            .args(["--public", "0.0.0.0:6880", "--peer", "0.0.0.0:6881"])
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
            street,
            cookie: String::new(),
            _box: daemon,
        };
        wait_for("the owner's page", BOUND, || {
            let to: SocketAddr = ADMIN.parse().expect("an address");
            let connect = || TcpStream::connect_timeout(&to, SOON).ok();
            street.home.inside(connect).map(|_| ())
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

    fn api(&self, method: &str, path: &str, body: Option<Value>) -> String {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: {ADMIN}\r\nConnection: close\r\nCookie: {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.cookie,
            body.len()
        );
        Street::ask(&self.street.home, ADMIN, &request)
    }

    /// What the owner's page says of the router, once it says this.
    fn wait_reach(&self, what: &str, enough: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, BOUND, || {
            let answer = self.api("GET", "/overview", None);
            let (_, body) = answer.split_once("\r\n\r\n")?;
            let reach = serde_json::from_str::<Value>(body).ok()?["reach"].take();
            enough(&reach).then_some(reach)
        })
    }

    fn forward_public(&self, wanted: bool) {
        let body = json!({ "public_forward": wanted });
        let answer = self.api("PATCH", "/settings", Some(body));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

/// Whether this kernel has what a router's packet filter is made of.
fn has_filter(space: &Space) -> bool {
    let tried = Command::new("nsenter")
        .arg(format!("--net={}", space.path.display()))
        .args(["nft", "add table inet tried"])
        .output();
    let tried = tried.expect("there is nsenter (Debian: util-linux)");
    if !tried.status.success() {
        let why = String::from_utf8_lossy(&tried.stderr);
        eprintln!(
            "skipped: there is no nftables here, in the kernel or as a program: {}",
            why.trim()
        );
    }
    tried.status.success()
}

#[test]
fn a_router_lets_the_world_in_and_out_again() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let dir = dir.path();
    if !has_filter(&Space::new(&dir.join("tried.log"))) {
        return;
    }
    let street = Street::new(dir);
    let router = street.miniupnpd(dir, true);
    let house = House::start(&street, dir);

    let reach = house.wait_reach("the peers' port is mapped", |reach| {
        reach["mapping"] == "mapped"
    });
    assert_eq!(reach["router"], "11.0.0.1");
    assert_eq!(reach["public_mapping"], "off");
    assert!(street.is_open(PEERS), "{reach}");
    assert!(!street.is_open(PUBLIC), "nobody asked for this one");

    // The owner wants visitors too, and then no more.
    house.forward_public(true);
    house.wait_reach("the public port is mapped", |reach| {
        reach["public_mapping"] == "mapped"
    });
    let request =
        format!("GET /robots.txt HTTP/1.1\r\nHost: {PUBLIC}\r\nConnection: close\r\n\r\n");
    let visited = Street::ask(&street.world, PUBLIC, &request);
    assert!(
        visited.starts_with("HTTP/1.1 200") && visited.contains("User-agent"),
        "{visited}"
    );
    house.forward_public(false);
    wait_for("the public port is closed again", BOUND, || {
        (!street.is_open(PUBLIC)).then_some(())
    });
    house.wait_reach("it says so", |reach| reach["public_mapping"] == "off");
    assert!(street.is_open(PEERS), "that one was to stay");

    // Another router, which forwards nothing.
    drop(router);
    let _stern = street.miniupnpd(dir, false);
    house.forward_public(true);
    let reach = house.wait_reach("the router refuses", |reach| {
        reach["public_mapping"] == "refused"
    });
    assert_eq!(reach["mapping"], "refused");
    assert!(!street.is_open(PUBLIC));
}
