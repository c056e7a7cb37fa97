//! Child processes that end with the test.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// The end of a log that is shown when a test fails.
const TAIL_BYTES: usize = 4096;

/// A running program: killed by its id and waited for when dropped. Its stderr goes to a file, whose end is printed
/// when the test fails.
pub struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts `command` with its stderr in `log`. Proxies of the surroundings are taken out of its environment, and
    /// it is told to stay off the internet.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Daemon {
        for proxy in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(proxy).env_remove(proxy.to_uppercase());
        }
        let child = command
            .env("SEMOIR_OFFLINE", "1")
            .stderr(
                File::options()
                    .create(true)
                    .append(true)
                    .open(log)
                    .expect("the log opens"),
            )
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{name} does not start ({error}); `make test` installs it")
            });
        Daemon {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn alive(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("a child can be asked")
            .is_none()
    }

    /// How it ended, once it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked")
    }

    /// Fails the test, with the end of the log, when it has ended.
    pub fn assert_alive(&mut self) {
        if let Some(status) = self.child.try_wait().expect("a child can be asked") {
            panic!("{} ended ({status}):\n{}", self.name, self.tail());
        }
    }

    /// `kill -9`, and waits.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// SIGTERM, and waits for the end; fails when it takes longer than `bound`.
    pub fn terminate(&mut self, bound: Duration) -> ExitStatus {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)
            .expect("a child takes signals");
        let deadline = Instant::now() + bound;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be asked") {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "{} does not end on SIGTERM:\n{}",
                self.name,
                self.tail()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The stdin of a program started with a piped one.
    pub fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("started with a piped stdin")
    }

    /// The stdout of a program started with a piped one.
    pub fn stdout(&mut self) -> ChildStdout {
        self.child
            .stdout
            .take()
            .expect("started with a piped stdout")
    }

    /// Its stdout, line by line, read by a thread until it closes: a full pipe would stop the program.
    pub fn lines(&mut self) -> Receiver<String> {
        let stdout = self.stdout();
        let (lines, received) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Read on when nobody listens any more, so that the program never meets a closed pipe.
                let _ = lines.send(line);
            }
        });
        received
    }

    /// The end of its log.
    pub fn tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(TAIL_BYTES)..]).into_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}'s log ends:\n{}", self.name, self.tail());
        }
    }
}

/// A command whose stdin is closed and whose stdout is piped.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}
