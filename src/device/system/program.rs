//! Running one of the system's programs: nothing of our environment, a limit on what it says, and on the time it takes.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Bytes of what a program says that are kept, of each of its two outputs. RAUC's description of an update has a few hundred.
const KEPT: usize = 64 << 10;

/// How often a program that has said its last is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What became of a program.
#[derive(Debug)]
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a program to its end, and hands on each line that it says, from either output.
///
/// # Errors
/// When it cannot be started, or takes longer than `patience`; it is ended then.
pub fn run(
    command: &mut Command,
    patience: Duration,
    mut said: impl FnMut(&str),
) -> io::Result<Ran> {
    let until = Instant::now() + patience;
    let child = command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut child = Ended(child);
    let mut outputs = Vec::new();
    if let (Some(out), Some(err)) = (child.0.stdout.take(), child.0.stderr.take()) {
        outputs = vec![Output::new(out)?, Output::new(err)?];
    }
    while outputs.iter().any(|output| output.open) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut fds: Vec<PollFd<'_>> = outputs
            .iter()
            .filter(|output| output.open)
            .map(|output| PollFd::new(output.pipe.as_fd(), PollFlags::POLLIN))
            .collect();
        match poll(&mut fds, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        for output in outputs.iter_mut().filter(|output| output.open) {
            output.read(&mut said)?;
        }
    }
    loop {
        if let Some(status) = child.0.try_wait()? {
            let mut texts = outputs.into_iter().map(Output::text);
            return Ok(Ran {
                status,
                stdout: texts.next().unwrap_or_default(),
                stderr: texts.next().unwrap_or_default(),
            });
        }
        if Instant::now() >= until {
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(LOOK);
    }
}

/// A program that does not outlive this.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It has ended already where all went well: neither does anything then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

trait Pipe: Read + AsFd {}
impl<T: Read + AsFd> Pipe for T {}

struct Output {
    pipe: Box<dyn Pipe>,
    kept: Vec<u8>,
    line: Vec<u8>,
    open: bool,
}

impl Output {
    fn new(pipe: impl Pipe + 'static) -> io::Result<Self> {
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Self {
            pipe: Box::new(pipe),
            kept: Vec::new(),
            line: Vec::new(),
            open: true,
        })
    }

    fn read(&mut self, said: &mut impl FnMut(&str)) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let length = match self.pipe.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        };
        self.open = length > 0;
        let room = KEPT.saturating_sub(self.kept.len()).min(length);
        self.kept.extend_from_slice(&buffer[..room]);
        for &byte in &buffer[..length] {
            match byte {
                b'\n' | b'\r' => {
                    said(&String::from_utf8_lossy(&self.line));
                    self.line.clear();
                }
                _ if self.line.len() < KEPT => self.line.push(byte),
                _ => {}
            }
        }
        if !self.open && !self.line.is_empty() {
            said(&String::from_utf8_lossy(&self.line));
            self.line.clear();
        }
        Ok(())
    }

    fn text(self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn both_outputs_and_every_line_are_heard() {
        let mut lines = Vec::new();
        let ran = run(
            &mut sh("echo one; echo two >&2; printf three; exit 3"),
            PATIENCE,
            |line| lines.push(line.to_owned()),
        )
        .unwrap();
        lines.sort();
        assert_eq!(lines, ["one", "three", "two"]);
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.as_str()),
            ("one\nthree", "two\n")
        );
        assert_eq!(ran.status.code(), Some(3));
    }

    #[test]
    fn nothing_of_our_environment_is_handed_on() {
        let ran = run(
            &mut sh("echo ${HOME:-none} ${CARGO_MANIFEST_DIR:-none}"),
            PATIENCE,
            |_| (),
        );
        assert_eq!(ran.unwrap().stdout, "none none\n");
    }

    #[test]
    fn one_that_hangs_is_ended_and_one_that_never_stops_talking_fills_nothing() {
        let start = Instant::now();
        for hangs in ["exec sleep 600", "exec >&- 2>&-; exec sleep 600"] {
            let error = run(&mut sh(hangs), Duration::from_millis(200), |_| ()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
        assert!(start.elapsed() < Duration::from_secs(60));
        let much = "head -c 1000000 /dev/zero | tr '\\0' x";
        assert_eq!(
            run(&mut sh(much), PATIENCE, |_| ()).unwrap().stdout.len(),
            KEPT
        );
    }
}
