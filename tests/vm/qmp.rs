//! QEMU's control socket (QMP): one JSON object a line, each way.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::wait::wait_for;

/// QEMU answers at once, unless the machine is very busy.
const ANSWER_BOUND: Duration = Duration::from_secs(60);

/// A connection to a running QEMU.
pub struct Qmp {
    reader: BufReader<UnixStream>,
    /// What QEMU told by itself and nobody took yet.
    events: Vec<Value>,
}

impl Qmp {
    /// Connects to the socket, which QEMU makes as it starts.
    pub fn connect(path: &Path, mut meanwhile: impl FnMut()) -> Qmp {
        let stream = wait_for("QEMU takes commands", ANSWER_BOUND, || {
            meanwhile();
            UnixStream::connect(path).ok()
        });
        stream
            .set_read_timeout(Some(ANSWER_BOUND))
            .expect("a socket takes a timeout");
        let mut qmp = Qmp {
            reader: BufReader::new(stream),
            events: Vec::new(),
        };
        let greeting = qmp.line();
        assert!(greeting["QMP"].is_object(), "no greeting: {greeting}");
        qmp.run("qmp_capabilities", json!({}));
        qmp
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line);
        let read = read.unwrap_or_else(|error| panic!("QEMU does not answer: {error}"));
        assert!(read > 0, "QEMU hung up");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Runs a command; `Err` is what QEMU says against it.
    pub fn ask(&mut self, command: &str, arguments: Value) -> Result<Value, String> {
        let request = json!({ "execute": command, "arguments": arguments }).to_string() + "\n";
        let sent = self.reader.get_mut().write_all(request.as_bytes());
        sent.unwrap_or_else(|error| panic!("QEMU takes no command: {error}"));
        loop {
            let answer = self.line();
            if answer.get("event").is_some() {
                self.events.push(answer);
            } else if let Some(error) = answer.get("error") {
                return Err(error["desc"].as_str().unwrap_or_default().to_owned());
            } else {
                return Ok(answer["return"].clone());
            }
        }
    }

    /// Runs a command that must succeed.
    pub fn run(&mut self, command: &str, arguments: Value) -> Value {
        self.ask(command, arguments.clone())
            .unwrap_or_else(|error| panic!("{command} {arguments}: {error}"))
    }

    /// Waits until QEMU says that a device is gone.
    pub fn wait_deleted(&mut self, id: &str) {
        loop {
            let gone =
                |event: &Value| event["event"] == "DEVICE_DELETED" && event["data"]["device"] == id;
            if let Some(at) = self.events.iter().position(gone) {
                self.events.remove(at);
                return;
            }
            let event = self.line();
            assert!(event.get("event").is_some(), "not an event: {event}");
            self.events.push(event);
        }
    }

    /// All that it told by itself, once it has ended.
    pub fn rest(mut self) -> Vec<Value> {
        let mut line = String::new();
        while self.reader.read_line(&mut line).is_ok_and(|read| read > 0) {
            self.events.extend(serde_json::from_str(&line).ok());
            line.clear();
        }
        self.events
    }
}
