use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn at(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 168, 1, last], 445))
}

/// How a server is.
#[derive(Debug, Clone, PartialEq)]
enum Server {
    Up,
    /// Its machine is off.
    Off,
    /// Its machine is on, and serves nothing.
    Refusing,
    /// Takes connections, and says nothing.
    Hung,
    /// Serves, and does not let us in.
    Wrong(Fault),
}

/// A server, the kernel's client and a clock, all pretended.
struct World {
    machine: Machine,
    start: Instant,
    now: Instant,
    server: Server,
    address: SocketAddr,
    /// Where the kernel's client is connected to; none when nothing is mounted.
    mounted: Option<SocketAddr>,
    /// Whether what is mounted went stale.
    stale: bool,
    /// How many times it cannot be unmounted.
    held: u32,
    reaches: u32,
    mounts: u32,
    unmounts: u32,
    probes: u32,
    over: bool,
}

/// What each step takes.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const PROBE_LIMIT: Duration = Duration::from_secs(10);

impl World {
    fn new(server: Server) -> Self {
        Self::of(ShareProtocol::Nfs, server)
    }

    fn of(protocol: ShareProtocol, server: Server) -> Self {
        let start = Instant::now();
        Self {
            machine: Machine::new(protocol, 3),
            start,
            now: start,
            server,
            address: at(7),
            mounted: None,
            stale: false,
            held: 0,
            reaches: 0,
            mounts: 0,
            unmounts: 0,
            probes: 0,
            over: false,
        }
    }

    fn reach(&mut self) -> Result<SocketAddr, Fault> {
        self.reaches += 1;
        match self.server {
            Server::Off => {
                self.now += CONNECT_LIMIT;
                Err(Fault::Silent)
            }
            Server::Refusing => Err(Fault::Refused),
            _ => Ok(self.address),
        }
    }

    fn answer(&mut self) -> Result<(), Fault> {
        match &self.server {
            Server::Up => Ok(()),
            Server::Wrong(why) => Err(why.clone()),
            Server::Refusing => Err(Fault::Lost),
            Server::Off | Server::Hung => {
                self.now += PROBE_LIMIT;
                Err(Fault::Silent)
            }
        }
    }

    /// Lets it go on until then.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            match self.machine.next(self.now) {
                Step::Reach(_) => {
                    let result = self.reach();
                    self.machine.reached(result, self.now);
                }
                Step::Mount(address) => {
                    self.mounts += 1;
                    assert_eq!(self.mounted, None, "mounted twice");
                    let result = self.answer();
                    if result.is_ok() {
                        self.mounted = Some(address);
                        self.stale = false;
                    }
                    self.machine.mounted(result, self.now);
                }
                Step::Probe => {
                    self.probes += 1;
                    let mounted = self.mounted.expect("nothing is mounted");
                    let result = match () {
                        () if mounted != self.address => Err(Fault::Lost),
                        () if self.stale && self.server == Server::Up => Err(Fault::Stale),
                        () => self.answer(),
                    };
                    self.machine.probed(result, self.now);
                }
                Step::Unmount => {
                    self.unmounts += 1;
                    let result = match self.held.checked_sub(1) {
                        None => {
                            self.mounted = None;
                            Ok(())
                        }
                        Some(held) => {
                            self.held = held;
                            Err(Fault::Busy)
                        }
                    };
                    self.machine.unmounted(result, self.now);
                }
                Step::Wait(until) => {
                    assert!(until > self.now, "it would spin");
                    self.now = until.min(end);
                }
                Step::Over => {
                    self.over = true;
                    return;
                }
            }
            // Steps take a moment, so that a circle would be seen as one.
            self.now += Duration::from_millis(1);
        }
    }

    fn is_here(&self) -> bool {
        self.machine.standing() == Standing::Here
    }

    fn why(&self) -> Fault {
        match self.machine.standing() {
            Standing::Failing { why, .. } => why,
            other => panic!("{other:?}"),
        }
    }

    /// How long until it is as wanted.
    fn until(&mut self, wanted: impl Fn(&Self) -> bool, most: Duration) -> Duration {
        let start = self.now;
        while !wanted(self) {
            assert!(
                self.now - start < most,
                "after {most:?}: {:?}",
                self.machine
            );
            self.pass(Duration::from_millis(100));
        }
        self.now - start
    }
}

#[test]
fn a_share_that_is_there_is_mounted_once_and_looked_at() {
    let mut world = World::new(Server::Up);
    assert_eq!(world.machine.standing(), Standing::Opening);
    world.until(World::is_here, Duration::from_secs(1));
    world.pass(24 * HOUR);
    assert!(world.is_here());
    assert_eq!((world.mounts, world.reaches), (1, 1));
    assert_eq!(
        world.unmounts, 1,
        "what may be left from before is cleared first"
    );
    let looks = 24 * HOUR.as_secs() / PROBE_EVERY.as_secs();
    assert!(
        (looks - 40..=looks + 20).contains(&u64::from(world.probes)),
        "{}",
        world.probes
    );
}

#[test]
fn a_server_that_is_off_for_days_is_tried_gently_and_found_soon() {
    for (server, fault) in [
        (Server::Off, Fault::Silent),
        (Server::Refusing, Fault::Refused),
    ] {
        let mut world = World::new(server);
        world.pass(72 * HOUR);
        assert_eq!(world.why(), fault);
        assert_eq!(
            world.mounts, 0,
            "nothing is mounted from a server that is not there"
        );
        let per_hour = world.reaches / 72;
        assert!((50..=80).contains(&per_hour), "{per_hour} tries an hour");
        world.server = Server::Up;
        let found = world.until(World::is_here, 2 * MINUTE);
        assert!(found <= Duration::from_secs(73), "{found:?}");
    }
}

#[test]
fn a_power_cut_in_the_house_costs_no_minute() {
    let mut world = World::new(Server::Off);
    world.pass(Duration::from_secs(40));
    world.server = Server::Up;
    let found = world.until(World::is_here, MINUTE);
    assert!(found <= Duration::from_secs(45), "{found:?}");
}

#[test]
fn a_server_that_restarts_is_back_soon() {
    for (protocol, mounts) in [(ShareProtocol::Nfs, 1), (ShareProtocol::Smb, 5)] {
        restarts(protocol, mounts);
    }
}

fn restarts(protocol: ShareProtocol, mounts: u32) {
    let mut world = World::of(protocol, Server::Up);
    world.pass(HOUR);
    for outage in [5, 30, 90, 1_800] {
        world.server = Server::Refusing;
        let noticed = world.until(|world| !world.is_here(), MINUTE);
        assert!(noticed <= PROBE_EVERY + PROBE_LIMIT, "{noticed:?}");
        assert!(matches!(world.why(), Fault::Lost | Fault::Refused));
        world.pass(Duration::from_secs(outage));
        world.server = Server::Up;
        let back = world.until(World::is_here, 2 * MINUTE);
        assert!(back <= Duration::from_secs(75), "{back:?} after {outage} s");
        world.pass(HOUR);
    }
    assert_eq!((world.mounts, world.unmounts), (mounts, mounts));
}

#[test]
fn a_server_that_hangs_is_said_and_mounted_anew_when_it_takes_connections_for_long() {
    let mut world = World::new(Server::Up);
    world.pass(HOUR);
    world.server = Server::Hung;
    world.until(|world| !world.is_here(), MINUTE);
    assert_eq!(world.why(), Fault::Silent);
    world.pass(REMOUNT_AFTER);
    world.until(|world| world.unmounts > 1, 3 * MINUTE);
    world.pass(24 * HOUR);
    assert!(
        world.mounts < 1_600,
        "{} mounts in a day of hanging",
        world.mounts
    );
    world.server = Server::Up;
    let back = world.until(World::is_here, 3 * MINUTE);
    assert!(back <= 2 * MINUTE, "{back:?}");
}

/// As it is with a real server: the kernel's client says that the host is down, and goes on logging on.
#[test]
fn a_lost_smb_share_is_not_left_to_the_kernel() {
    let mut world = World::of(ShareProtocol::Smb, Server::Up);
    world.pass(HOUR);
    world.server = Server::Refusing;
    world.until(|world| !world.is_here(), MINUTE);
    assert_eq!(world.mounted, None);
    world.server = Server::Wrong(Fault::Login);
    world.until(|world| world.why() == Fault::Login, 2 * MINUTE);
    let before = world.mounts;
    world.pass(30 * MINUTE);
    assert!(world.mounts - before <= 2, "{}", world.mounts - before);
}

#[test]
fn a_changed_password_is_said_and_not_hammered() {
    let mut world = World::of(ShareProtocol::Smb, Server::Up);
    world.pass(HOUR);
    world.server = Server::Wrong(Fault::Login);
    world.until(|world| !world.is_here(), MINUTE);
    assert_eq!(world.why(), Fault::Login);
    let before = world.mounts;
    world.pass(30 * MINUTE);
    assert!(
        world.mounts - before <= 3,
        "{} tries",
        world.mounts - before
    );
    assert_eq!(
        world.mounted, None,
        "the kernel would go on trying the old one"
    );
    world.pass(24 * HOUR);
    assert_eq!(world.why(), Fault::Login);
    // The owner tells us the new one.
    world.server = Server::Up;
    world.machine.changed(ShareProtocol::Smb);
    assert_eq!(world.machine.standing(), Standing::Opening);
    let back = world.until(World::is_here, MINUTE);
    assert!(back <= Duration::from_secs(1), "{back:?}");
}

#[test]
fn what_the_server_refuses_is_tried_again_now_and_then_and_at_once_when_asked() {
    for fault in [
        Fault::NoSuchShare,
        Fault::Denied,
        Fault::Version,
        Fault::NoClient,
    ] {
        let mut world = World::new(Server::Wrong(fault.clone()));
        world.pass(24 * HOUR);
        assert_eq!(world.why(), fault);
        assert!((100..=250).contains(&world.mounts), "{}", world.mounts);
        world.server = Server::Up;
        world.machine.try_now(world.now);
        let back = world.until(World::is_here, MINUTE);
        assert!(back <= Duration::from_secs(1), "{back:?}");
    }
}

#[test]
fn a_folder_that_was_replaced_is_opened_anew() {
    let mut world = World::new(Server::Up);
    world.pass(HOUR);
    world.stale = true;
    world.until(|world| !world.is_here(), MINUTE);
    let back = world.until(World::is_here, MINUTE);
    assert!(back <= Duration::from_secs(5), "{back:?}");
    assert_eq!(world.mounts, 2);
}

#[test]
fn a_server_with_a_new_address_is_followed() {
    let mut world = World::new(Server::Up);
    world.pass(HOUR);
    world.address = at(8);
    world.until(|world| !world.is_here(), MINUTE);
    let back = world.until(World::is_here, MINUTE);
    assert!(back <= Duration::from_secs(5), "{back:?}");
    assert_eq!(world.mounted, Some(at(8)));
}

#[test]
fn a_share_that_comes_and_goes_is_no_circle() {
    let mut world = World::new(Server::Up);
    for _ in 0..2_000 {
        world.server = Server::Up;
        world.stale = false;
        world.until(World::is_here, 3 * MINUTE);
        world.stale = true;
        world.until(|world| !world.is_here(), MINUTE);
    }
    let hours = (world.now - world.start).as_secs() / 3600;
    assert!(world.mounts < 2_010);
    assert!(hours > 20, "2,000 mounts in {hours} h");
}

#[test]
fn removal_unmounts_whatever_it_was_doing_and_ends() {
    for time in [0, 1, 12, 3_600] {
        for server in [
            Server::Up,
            Server::Off,
            Server::Hung,
            Server::Wrong(Fault::Login),
        ] {
            let mut world = World::new(server);
            world.pass(Duration::from_secs(time));
            world.machine.remove(world.now);
            assert_eq!(world.machine.standing(), Standing::Over);
            // What was under way comes too late.
            world.machine.reached(Ok(at(7)), world.now);
            world.machine.mounted(Ok(()), world.now);
            world.machine.probed(Ok(()), world.now);
            world.machine.changed(ShareProtocol::Smb);
            world.machine.try_now(world.now);
            world.pass(Duration::from_secs(1));
            assert!(world.over);
            assert_eq!(world.mounted, None);
        }
    }
}

/// As when the helper still mounts it, for a task that gave that up.
#[test]
fn a_removed_share_does_not_stay_mounted_because_it_could_not_be_unmounted_at_once() {
    for held in [1, 2, 200] {
        let mut world = World::of(ShareProtocol::Smb, Server::Up);
        world.pass(HOUR);
        world.held = held;
        let before = world.unmounts;
        world.machine.remove(world.now);
        world.pass(Duration::from_secs(1));
        assert_eq!(world.unmounts - before, 1, "not in a circle");
        assert_eq!(world.machine.standing(), Standing::Over, "for its owner");
        assert!(world.mounted.is_some() && !world.over);
        let gone = world.until(|world| world.over, held * 2 * MINUTE);
        assert_eq!((world.mounted, world.unmounts - before), (None, held + 1));
        if held == 1 {
            assert!(gone <= Duration::from_secs(3), "{gone:?}");
        }
    }
}

#[test]
fn a_doubt_is_looked_into_at_once() {
    let mut world = World::new(Server::Up);
    world.pass(Duration::from_secs(3));
    let probes = world.probes;
    world.machine.try_now(world.now);
    world.pass(Duration::from_millis(10));
    assert_eq!(world.probes, probes + 1);
    assert!(world.is_here());
}
