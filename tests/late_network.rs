//! The network comes when the box runs already, as after a power cut from which the router comes back later, and then it
//! is another one: the box is found where it is now.
//!
//!     box 192.168.88.2, then .3 -- neighbour 192.168.88.9
//!
//! Both are network namespaces that lead nowhere else.

mod common;

use common::content::Tree;
use common::house::{House, wait_given};
use common::space::Space;

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
    home.ip(&["addr add 192.168.88.2/24 dev eth", "link set eth up"]);
    wait_given(&neighbour, "192.168.88.2:6880", &hash, "192.168.88.2:6881");

    // Another lease.
    home.ip(&[
        "addr del 192.168.88.2/24 dev eth",
        "addr add 192.168.88.3/24 dev eth",
    ]);
    wait_given(&neighbour, "192.168.88.3:6880", &hash, "192.168.88.3:6881");
}
