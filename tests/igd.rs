//! A real router of the house: miniupnpd, which most routers at home run, forwards the box's ports when the box asks it
//! (UPnP Internet Gateway Device), and no longer when it is told so.
//!
//!     box 192.168.77.2 -- router 192.168.77.1 | 11.0.0.1 -- world 11.0.0.2
//!
//! All three are network namespaces that lead nowhere else, and so the box may look for its router here as it does at home.
//! The world's addresses look like the internet's because miniupnpd forwards nothing to a router whose own address is
//! private. Who came through is proved by connections and not by what the router says.

mod common;

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use common::content::Tree;
use common::daemon::{Daemon, command};
use common::house::{BOUND, House, SOON, ask, wait_given};
use common::space::Space;
use common::wait::wait_for;
use serde_json::{Value, json};

const PEERS: &str = "11.0.0.1:6881";
const PUBLIC: &str = "11.0.0.1:6880";

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
}

/// What the owner's page says of the router, once it says this.
fn wait_reach(house: &House<'_>, what: &str, enough: impl Fn(&Value) -> bool) -> Value {
    house.wait_overview("reach", what, enough)
}

fn forward_public(house: &House<'_>, wanted: bool) {
    let body = json!({ "public_forward": wanted });
    let answer = house.api("PATCH", "/settings", Some(body));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
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
    let tree = Tree::file("The Film.mkv", 1 << 20, 94);
    let house = House::start(&street.home, dir, tree.source());
    let hash = house.wait_seeding();

    let reach = wait_reach(&house, "the peers' port is mapped", |reach| {
        reach["mapping"] == "mapped"
    });
    assert_eq!(reach["router"], "11.0.0.1");
    assert_eq!(reach["public_mapping"], "off");
    assert!(street.is_open(PEERS), "{reach}");
    assert!(!street.is_open(PUBLIC), "nobody asked for this one");

    // The owner wants visitors too, and then no more.
    forward_public(&house, true);
    wait_reach(&house, "the public port is mapped", |reach| {
        reach["public_mapping"] == "mapped"
    });
    let request =
        format!("GET /robots.txt HTTP/1.1\r\nHost: {PUBLIC}\r\nConnection: close\r\n\r\n");
    let visited = ask(&street.world, PUBLIC, &request);
    let visited = String::from_utf8_lossy(&visited);
    assert!(
        visited.starts_with("HTTP/1.1 200") && visited.contains("User-agent"),
        "{visited}"
    );
    // Whoever announces from out there is sent where the router forwards.
    wait_given(&street.world, PUBLIC, &hash, PEERS);
    forward_public(&house, false);
    wait_for("the public port is closed again", BOUND, || {
        (!street.is_open(PUBLIC)).then_some(())
    });
    wait_reach(&house, "it says so", |reach| {
        reach["public_mapping"] == "off"
    });
    assert!(street.is_open(PEERS), "that one was to stay");

    // Another router, which forwards nothing.
    drop(router);
    let _stern = street.miniupnpd(dir, false);
    forward_public(&house, true);
    let reach = wait_reach(&house, "the router refuses", |reach| {
        reach["public_mapping"] == "refused"
    });
    assert_eq!(reach["mapping"], "refused");
    assert!(!street.is_open(PUBLIC));
}
