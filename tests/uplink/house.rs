//! A house on a narrow line: the box and the family behind a router, and the world beyond its uplink.
//!
//!     box 198.18.0.2  ----.
//!                          router -- uplink, narrow, a second of buffer -- 10 ms of distance -- world 198.18.1.x
//!     family 198.18.2.2 --'
//!
//! 198.18/15 is for benchmarks (RFC 2544). The uplink is `tbf`: it has a rate and a queue that drops at its end, as home
//! routers have.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::common::relay;
use crate::common::space::Space;

pub const BOX: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 0, 2));
pub const WORLD: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 1, 1));

/// One way, beyond the uplink.
const DISTANCE: Duration = Duration::from_millis(10);
/// What the uplink keeps before it drops.
const BUFFER: &str = "burst 5kb latency 1000ms";
/// The congestion control of everybody's TCP, whatever the system's own is.
const CONGESTION: &str = "congctl cubic";
/// Between two looks at the counters.
const STEP: Duration = Duration::from_millis(50);

/// When, and the bytes that were sent over the uplink: by all, and by the box.
type Look = (Instant, u64, u64);

pub struct House {
    pub home: Space,
    pub family: Space,
    pub world: Space,
    /// Bytes per second that the uplink carries.
    pub rate: f64,
    looks: Arc<Mutex<Vec<Look>>>,
    stop: Arc<AtomicBool>,
    meter: Option<JoinHandle<()>>,
}

impl House {
    /// `mbit`: what the uplink carries.
    pub fn new(mbit: u32, log: &Path) -> House {
        let [home, family, world] = [(); 3].map(|()| Space::new(log));
        let router = Space::new(log);
        for (space, device, net) in [(&home, "lan", 0), (&family, "fam", 2)] {
            router.ip(&[
                &format!(
                    "link add {device} type veth peer name eth netns {}",
                    space.pid()
                ),
                &format!("addr add 198.18.{net}.1/24 dev {device}"),
                &format!("link set {device} up"),
            ]);
            space.ip(&[
                "link set lo up",
                &format!("addr add 198.18.{net}.2/24 dev eth"),
                "link set eth up",
                &format!("route add default via 198.18.{net}.1 {CONGESTION}"),
            ]);
        }
        let (near, far) = (router.path.clone(), world.path.clone());
        let lay =
            move || relay::lay((&near, "wan"), (&far, "far"), DISTANCE).expect("two TUN devices");
        std::thread::spawn(lay).join().expect("a link");
        router.ip(&[
            "addr add 198.19.0.1/24 dev wan",
            "link set wan txqueuelen 4000 up",
            "route add 198.18.1.0/24 dev wan",
        ]);
        world.ip(&[
            "link set lo up",
            &format!("addr add {WORLD}/32 dev far"),
            "link set far txqueuelen 4000 up",
            &format!("route add default dev far src {WORLD} {CONGESTION}"),
        ]);
        router.run("echo 1 > /proc/sys/net/ipv4/ip_forward");
        for space in [&home, &family, &world] {
            space.run("echo 1 > /proc/sys/net/ipv4/tcp_no_metrics_save");
        }
        router.run(&format!(
            "tc qdisc add dev wan root tbf rate {mbit}mbit {BUFFER}"
        ));
        let (looks, stop) = (Arc::<Mutex<Vec<Look>>>::default(), Arc::default());
        let meter = std::thread::spawn({
            let (looks, stop) = (looks.clone(), Arc::clone(&stop));
            move || meter(&router, &looks, &stop)
        });
        House {
            home,
            family,
            world,
            rate: f64::from(mbit) * 125_000.0,
            looks,
            stop,
            meter: Some(meter),
        }
    }

    /// The part of what the uplink carries that was used between two moments: by all, and by the box.
    pub fn used(&self, from: Instant, to: Instant) -> (f64, f64) {
        let looks = self.looks.lock().expect("no panics");
        let at = |when: Instant| {
            let after = looks.partition_point(|look| look.0 < when);
            looks[after.min(looks.len() - 1)]
        };
        let (begin, end) = (at(from), at(to));
        let carried = self.rate * (end.0 - begin.0).as_secs_f64();
        (
            (end.1 - begin.1) as f64 / carried,
            (end.2 - begin.2) as f64 / carried,
        )
    }

    /// An address in the world.
    pub fn there(port: u16) -> SocketAddr {
        (WORLD, port).into()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(meter) = self.meter.take() {
            // What went wrong in there has been said.
            let _ = meter.join();
        }
    }
}

fn meter(router: &Space, looks: &Mutex<Vec<Look>>, stop: &AtomicBool) {
    relay::hurry();
    while !stop.load(Ordering::Relaxed) {
        let (uplink, lan) = (router.counted("wan"), router.counted("lan"));
        let look = (Instant::now(), uplink.sent, lan.received);
        looks.lock().expect("no panics").push(look);
        std::thread::sleep(STEP);
    }
}
