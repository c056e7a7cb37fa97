//! The network comes when the box runs already, as after a power cut from which the router comes back later, and then it
//! is another one: the box is found where it is now.
//!
//!     box 192.168.88.2, then .3 -- neighbour 192.168.88.9
//!
//! Both are network namespaces that lead nowhere else.

mod common;

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use common::content::Tree;
use common::house::{BOUND, House, SOON, wait_given};
use common::space::Space;
use common::wait::wait_for;

/// Where boxes tell the network what they have (BEP 14).
const LSD: Ipv4Addr = Ipv4Addr::new(239, 192, 152, 143);
const LSD_PORT: u16 = 6771;

/// Waits until the network is told from this address that the box has a torrent.
fn wait_announced(listener: &UdpSocket, from: &str, info_hash: &str) {
    let timeout = Some(SOON);
    listener.set_read_timeout(timeout).expect("it has a limit");
    let from: IpAddr = from.parse().expect("an address");
    wait_for(&format!("{from} announces"), BOUND, || {
        let mut buffer = [0; 2048];
        let (length, addr) = listener.recv_from(&mut buffer).ok()?;
        let text = String::from_utf8_lossy(&buffer[..length]);
        let tells = text.contains("Port: 6881\r\n") && text.contains(info_hash);
        (addr.ip() == from && tells).then_some(())
    });
}

#[test]
fn a_box_that_started_without_a_network_is_found_when_it_has_one() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let dir = dir.path();
    let log = dir.join("spaces.log");
    let [home, neighbour] = [(); 2].map(|()| Space::new(&log));
    home.ip(&["link set lo up"]);
    let tree = Tree::file("The Film.mkv", 1 << 20, 93);
    let house = House::start(&home, dir, tree.source());
    let hash = house.wait_seeding();

    neighbour.ip(&[
        "link set lo up",
        &format!("link add lan type veth peer name eth netns {}", home.pid()),
        "addr add 192.168.88.9/24 dev lan",
        "link set lan up",
    ]);
    let listener = neighbour.inside(|| {
        let listener = UdpSocket::bind(("0.0.0.0", LSD_PORT)).expect("a port");
        let joined = listener.join_multicast_v4(&LSD, &[192, 168, 88, 9].into());
        joined.expect("the group can be joined");
        listener
    });
    home.ip(&["addr add 192.168.88.2/24 dev eth", "link set eth up"]);
    wait_announced(&listener, "192.168.88.2", &hash);
    wait_given(&neighbour, "192.168.88.2:6880", &hash, "192.168.88.2:6881");

    // Another lease.
    home.ip(&[
        "addr del 192.168.88.2/24 dev eth",
        "addr add 192.168.88.3/24 dev eth",
    ]);
    wait_announced(&listener, "192.168.88.3", &hash);
    wait_given(&neighbour, "192.168.88.3:6880", &hash, "192.168.88.3:6881");
}
