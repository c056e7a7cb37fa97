//! `semoir serve`: the box, met through its listeners only.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::daemon::{Daemon, command};
use super::net;
use super::owner::{Owner, seeding};
use super::torrent::Torrent;
use super::wait::wait_for;

/// From its start to the last of its first lines.
const START_BOUND: Duration = Duration::from_secs(30);

/// A running `semoir serve`, claimed by the test.
pub struct Appliance {
    daemon: Daemon,
    data: PathBuf,
    sources: Vec<PathBuf>,
    ip: std::net::Ipv4Addr,
    owner: Owner,
    /// Where it takes peers.
    pub peers: SocketAddr,
}

/// Its pages.
impl Deref for Appliance {
    type Target = Owner;

    fn deref(&self) -> &Owner {
        &self.owner
    }
}

impl DerefMut for Appliance {
    fn deref_mut(&mut self) -> &mut Owner {
        &mut self.owner
    }
}

impl Appliance {
    /// Starts a box with its state in `data`, waits for its listeners, and claims it.
    pub fn start(data: &Path, sources: &[&Path]) -> Appliance {
        let sources: Vec<PathBuf> = sources.iter().map(|source| source.to_path_buf()).collect();
        let ip = net::fresh_ip();
        let started = launch(data, &sources, [net::any_port(ip); 3], true);
        let mut owner = Owner::new(started.admin, started.public);
        owner.claim(&started.code.expect("a new box prints its setup code"));
        Appliance {
            daemon: started.daemon,
            data: data.to_owned(),
            sources,
            ip,
            owner,
            peers: started.peers,
        }
    }

    /// Waits until one release (the first that `which` accepts) is as `enough` wants it.
    pub fn wait_release(
        &mut self,
        what: &str,
        bound: Duration,
        enough: impl Fn(&Value) -> bool,
    ) -> Value {
        let daemon = &mut self.daemon;
        let meanwhile = || daemon.assert_alive();
        self.owner
            .wait_release_while(what, bound, meanwhile, enough)
    }

    /// Waits until the release is being seeded, and fetches its .torrent from the public listener.
    pub fn wait_seeding(&mut self, bound: Duration) -> (Value, Torrent, Vec<u8>) {
        let release = self.wait_release("is being seeded", bound, seeding);
        let (torrent, bytes) = self.torrent(&release);
        (release, torrent, bytes)
    }

    /// The embedded tracker over UDP: the public listener's port.
    pub fn udp_tracker(&self) -> String {
        format!(
            "udp://{}/announce",
            self.public.trim_start_matches("http://")
        )
    }

    /// The public listener.
    pub fn public_addr(&self) -> SocketAddr {
        self.public
            .trim_start_matches("http://")
            .parse()
            .expect("an address")
    }

    /// The admin listener.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin
            .trim_start_matches("http://")
            .parse()
            .expect("an address")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Fails the test when it has ended.
    pub fn assert_alive(&mut self) {
        self.daemon.assert_alive();
    }

    /// SIGTERM, and waits for the end; fails when it takes longer than `bound`.
    pub fn terminate(&mut self, bound: Duration) -> std::process::ExitStatus {
        self.daemon.terminate(bound)
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// Starts again on the same state and the same addresses, as a box does after a power cut, and signs in.
    pub fn restart(&mut self) {
        self.daemon.kill();
        let addrs = [self.admin_addr(), self.public_addr(), self.peers];
        let started = launch(&self.data, &self.sources, addrs, false);
        self.daemon = started.daemon;
        self.peers = started.peers;
        self.owner = Owner::new(started.admin, started.public);
        self.owner.sign_in();
    }

    /// Its address.
    pub fn ip(&self) -> std::net::Ipv4Addr {
        self.ip
    }
}

struct Started {
    daemon: Daemon,
    admin: String,
    public: String,
    peers: SocketAddr,
    code: Option<String>,
}

/// A new box prints a setup code as well, which is waited for.
fn launch(
    data: &Path,
    sources: &[PathBuf],
    [admin, public, peer]: [SocketAddr; 3],
    new: bool,
) -> Started {
    let mut command = command(env!("CARGO_BIN_EXE_semoir"));
    command.args(["serve", "--offline", "--data"]).arg(data);
    command.args([
        "--admin",
        &admin.to_string(),
        "--public",
        &public.to_string(),
        "--peer",
        &peer.to_string(),
    ]);
    for source in sources {
        command.arg("--source").arg(source);
    }
    std::fs::create_dir_all(data).expect("the state's folder can be made");
    let log = data.with_extension("log");
    let mut daemon = Daemon::start("semoir serve", &mut command, &log);
    let lines = daemon.lines();
    let (mut admin, mut public, mut peers, mut code) = (None, None, None, None);
    wait_for("semoir serve prints its addresses", START_BOUND, || {
        daemon.assert_alive();
        for line in lines.try_iter() {
            match line
                .split_once(' ')
                .map(|(word, rest)| (word, rest.trim().trim_end_matches('/').to_owned()))
            {
                Some(("admin", url)) => admin = Some(url),
                Some(("public", url)) => public = Some(url),
                Some(("peers", addr)) => peers = addr.parse().ok(),
                Some(("setup", rest)) => code = rest.strip_prefix("code ").map(str::to_owned),
                _ => {}
            }
        }
        (admin.is_some() && public.is_some() && peers.is_some() && (code.is_some() || !new))
            .then_some(())
    });
    let take = |url: Option<String>| url.expect("waited for");
    Started {
        daemon,
        admin: take(admin),
        public: take(public),
        peers: peers.expect("waited for"),
        code,
    }
}
