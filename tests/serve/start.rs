//! A start of `semoir serve` that may well fail.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, setrlimit};
use tempfile::TempDir;

use crate::common::daemon::{Daemon, command};
use crate::common::net;
use crate::common::wait::wait_for;

/// A box that cannot start says so within this; a box that can has printed its lines.
pub const BOUND: Duration = Duration::from_secs(30);

/// How a box is to be started: right, unless a test changes something.
pub struct Start {
    pub dir: TempDir,
    pub ip: Ipv4Addr,
    pub data: PathBuf,
    pub admin: Option<SocketAddr>,
    pub public: Option<SocketAddr>,
    pub peer: Option<SocketAddr>,
    more: Vec<String>,
    /// Root's right to read and write everything is taken from it.
    pub powerless: bool,
    /// Files and sockets it may have open.
    pub open_files: Option<u64>,
    /// The socket that systemd would listen on.
    pub notify: Option<PathBuf>,
    /// Where the certificate authorities are, instead of the system's.
    pub authorities: Option<PathBuf>,
}

impl Start {
    /// Right in every way, on addresses of its own.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let ip = net::fresh_ip();
        let any = Some(net::any_port(ip));
        Self {
            data: dir.path().join("data"),
            dir,
            ip,
            admin: any,
            public: any,
            peer: any,
            more: Vec::new(),
            powerless: false,
            open_files: None,
            notify: None,
            authorities: None,
        }
    }

    /// With one more flag.
    pub fn with(mut self, flag: &str, value: impl AsRef<Path>) -> Self {
        let value = value.as_ref().display().to_string();
        self.more.extend([flag.to_owned(), value]);
        self
    }

    /// A file beside the data folder.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, content).expect("a file can be written");
        path
    }

    /// What is started.
    pub fn command(&self) -> Command {
        let mut command = command(env!("CARGO_BIN_EXE_semoir"));
        command.args(["serve", "--offline", "--data"]);
        command.arg(&self.data);
        for (flag, addr) in [
            ("--admin", self.admin),
            ("--public", self.public),
            ("--peer", self.peer),
        ] {
            if let Some(addr) = addr {
                command.args([flag, &addr.to_string()]);
            }
        }
        command.args(&self.more);
        if let Some(socket) = &self.notify {
            command.env("NOTIFY_SOCKET", socket);
            command.env("WATCHDOG_USEC", "2000000");
        }
        if let Some(authorities) = &self.authorities {
            command.env("SSL_CERT_FILE", authorities);
        }
        if self.powerless {
            lay_down_power(&mut command);
        }
        if let Some(open_files) = self.open_files {
            let limit = move || Ok(setrlimit(Resource::RLIMIT_NOFILE, open_files, open_files)?);
            // SAFETY: it only makes a system call, which is allowed between fork and exec.
            unsafe { command.pre_exec(limit) };
        }
        command
    }

    /// Starts it, and expects that it ends by itself with `code` and one sentence, which is returned.
    pub fn fails_with(&self, code: i32) -> String {
        let mut child = self
            .command()
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let deadline = Instant::now() + BOUND;
        let status = loop {
            match child.try_wait().expect("a child can be asked") {
                Some(status) => break status,
                None if Instant::now() > deadline => {
                    let _ = child.kill();
                    panic!("it runs: {:?}", child.wait_with_output());
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let mut said = String::new();
        let mut stderr = child.stderr.take().expect("piped");
        stderr.read_to_string(&mut said).expect("it speaks UTF-8");
        assert_eq!(status.code(), Some(code), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        said
    }

    /// The same for what clap understood: exit code 1, and the sentence without the program's name.
    pub fn refused(&self) -> String {
        let said = self.fails_with(1);
        let last = said.trim_end().lines().last().unwrap_or_default();
        let sentence = last.strip_prefix("semoir: ");
        sentence.unwrap_or_else(|| panic!("{said}")).to_owned()
    }

    /// Starts it, and gives what it printed when it runs.
    pub fn runs(&self) -> (Daemon, Vec<String>) {
        let log = self.dir.path().join("log");
        let mut daemon = Daemon::start("semoir serve", &mut self.command(), &log);
        let lines = daemon.lines();
        let mut said: Vec<String> = Vec::new();
        wait_for("it prints where peers connect", BOUND, || {
            daemon.assert_alive();
            said.extend(lines.try_iter());
            said.iter()
                .any(|line| line.starts_with("peers "))
                .then_some(())
        });
        (daemon, said)
    }
}

/// Root may read and write everything; this takes that away from a program run by root, and changes nothing for others.
fn lay_down_power(command: &mut Command) {
    /// `CAP_DAC_OVERRIDE` and `CAP_DAC_READ_SEARCH` (capabilities(7)).
    const CAPABILITIES: [libc::c_ulong; 2] = [1, 2];
    let drop = || {
        for capability in CAPABILITIES {
            // SAFETY: a system call on numbers. Who may not drop it does not have it.
            unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability) };
        }
        Ok(())
    };
    // SAFETY: `drop` only makes system calls, which are allowed between fork and exec.
    unsafe { command.pre_exec(drop) };
}
