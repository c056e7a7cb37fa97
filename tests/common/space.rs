//! A network namespace of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::daemon::{Daemon, command};
use super::relay;
use super::wait::wait_for;

const BOUND: Duration = Duration::from_secs(20);

/// It has no name: it lives as long as the process that holds it, and that one dies with the test.
pub struct Space {
    holder: Daemon,
    /// The file that it is.
    pub path: PathBuf,
}

/// A device's bytes in and out, as the kernel counts them.
#[derive(Clone, Copy)]
pub struct Counted {
    pub received: u64,
    pub sent: u64,
}

impl Space {
    /// Fails the test where nobody may make one, saying so: without, nothing here is proven.
    pub fn new(log: &Path) -> Space {
        let tried = Command::new("unshare").args(["--net", "true"]).output();
        match tried {
            Ok(tried) if tried.status.success() => {}
            Ok(tried) => panic!(
                "this test makes network namespaces, and may not: run it as root ({})",
                String::from_utf8_lossy(&tried.stderr).trim()
            ),
            Err(error) => panic!("there is no unshare (Debian: util-linux): {error}"),
        }
        let mut hold = command("unshare");
        hold.args(["--net", "--kill-child", "sleep", "infinity"]);
        let holder = Daemon::start("a network namespace", &mut hold, log);
        let path = PathBuf::from(format!("/proc/{}/ns/net", holder.pid()));
        let ours = std::fs::read_link("/proc/self/ns/net").expect("our namespace");
        wait_for("a network namespace", BOUND, || {
            let theirs = std::fs::read_link(&path).ok()?;
            (theirs != ours).then_some(())
        });
        Space { holder, path }
    }

    pub fn pid(&self) -> u32 {
        self.holder.pid()
    }

    /// Runs a command in it.
    pub fn run(&self, line: &str) {
        self.feed(line, "");
    }

    /// Lines for `ip`.
    pub fn ip(&self, lines: &[&str]) {
        self.feed("ip -batch -", &lines.join("\n"));
    }

    fn feed(&self, line: &str, input: &str) {
        let mut running = Command::new("nsenter")
            .arg(format!("--net={}", self.path.display()))
            .args(["sh", "-c", line])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("there is nsenter (Debian: util-linux)");
        let mut stdin = running.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("it reads");
        drop(stdin);
        let done = running.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{line}: {said}\n{input}");
    }

    /// Does something in it. Threads that are begun there stay there, and sockets that are made there belong to it.
    pub fn inside<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        let path = &self.path;
        std::thread::scope(|scope| {
            let inside = scope.spawn(move || {
                relay::enter(path).expect("it can be entered");
                what()
            });
            match inside.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// What went through a device so far.
    pub fn counted(&self, device: &str) -> Counted {
        let path = format!("/proc/{}/net/dev", self.pid());
        let devices = std::fs::read_to_string(path).expect("the namespace is there");
        let line = devices.lines().find_map(|line| {
            let (name, figures) = line.split_once(':')?;
            (name.trim() == device).then_some(figures)
        });
        let figures: Vec<u64> = line
            .expect("the device is there")
            .split_whitespace()
            .map(|figure| figure.parse().expect("a number"))
            .collect();
        Counted {
            received: figures[0],
            sent: figures[8],
        }
    }
}
