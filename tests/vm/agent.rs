//! Commands run in the guest, as root, by QEMU's guest agent.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

/// Between two looks at a command that runs. The agent has no other way to tell that it ended.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two calls to an agent that is not there yet.
const CALL_AGAIN: Duration = Duration::from_millis(500);
/// The agent itself answers within this, however busy the guest is.
const ANSWER_BOUND: Duration = Duration::from_secs(60);

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: i64,
    /// What it printed, errors included.
    pub text: String,
}

/// The agent of a running guest.
pub struct Agent {
    reader: BufReader<UnixStream>,
}

impl Agent {
    /// Waits until the guest's agent answers. What was sent before it ran is answered later, all at once: the number tells
    /// which answer is whose.
    pub fn connect(path: &Path, bound: Duration, mut meanwhile: impl FnMut()) -> Agent {
        let stream = UnixStream::connect(path).expect("QEMU made the agent's socket");
        let mut agent = Agent {
            reader: BufReader::new(stream),
        };
        let started = Instant::now();
        agent.patience(CALL_AGAIN);
        for number in 1_u64.. {
            meanwhile();
            assert!(
                started.elapsed() < bound,
                "the guest is not up within {bound:?}"
            );
            agent.send("guest-sync", json!({ "id": number }));
            loop {
                match agent.line() {
                    Some(answer) if answer["return"] == number => {
                        agent.patience(ANSWER_BOUND);
                        return agent;
                    }
                    Some(_) => {}
                    None => break,
                }
            }
        }
        unreachable!("numbers do not end")
    }

    fn patience(&self, bound: Duration) {
        let set = self.reader.get_ref().set_read_timeout(Some(bound));
        set.expect("a socket takes a timeout");
    }

    fn send(&mut self, command: &str, arguments: Value) {
        let request = json!({ "execute": command, "arguments": arguments }).to_string() + "\n";
        let sent = self.reader.get_mut().write_all(request.as_bytes());
        sent.unwrap_or_else(|error| panic!("QEMU is gone: {error}"));
    }

    /// The next answer; none when it does not come in time.
    fn line(&mut self) -> Option<Value> {
        let mut line = Vec::new();
        match self.reader.read_until(b'\n', &mut line) {
            Ok(0) => panic!("QEMU hung up"),
            Ok(_) => {
                Some(serde_json::from_slice(&line).unwrap_or_else(|error| {
                    panic!("{error}: {:?}", String::from_utf8_lossy(&line))
                }))
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                None
            }
            Err(error) => panic!("QEMU is gone: {error}"),
        }
    }

    fn call(&mut self, command: &str, arguments: Value) -> Value {
        self.send(command, arguments);
        let answer = self.line();
        let answer =
            answer.unwrap_or_else(|| panic!("the guest's agent does not answer {command}"));
        if let Some(error) = answer.get("error") {
            panic!("the guest's agent, asked for {command}: {error}");
        }
        answer["return"].clone()
    }

    /// Runs a line of shell in the guest and waits for its end, up to `bound`.
    pub fn run(&mut self, line: &str, bound: Duration) -> Ended {
        let started = self.call(
            "guest-exec",
            json!({
                "path": "/bin/sh",
                "arg": ["-c", format!("{{ {line}\n}} 2>&1")],
                "env": ["PATH=/usr/sbin:/usr/bin", "LANG=C.UTF-8"],
                "capture-output": true,
            }),
        );
        let deadline = Instant::now() + bound;
        loop {
            let now = self.call("guest-exec-status", json!({ "pid": started["pid"] }));
            if now["exited"] == true {
                return Ended {
                    status: now["exitcode"].as_i64().unwrap_or(-1),
                    text: text(&now["out-data"]),
                };
            }
            assert!(
                Instant::now() < deadline,
                "in the guest, not within {bound:?}: {line}"
            );
            std::thread::sleep(PAUSE);
        }
    }
}

fn text(encoded: &Value) -> String {
    let encoded = encoded.as_str().unwrap_or_default();
    let bytes = BASE64_STANDARD.decode(encoded);
    String::from_utf8_lossy(&bytes.expect("the agent writes base64")).into_owned()
}
