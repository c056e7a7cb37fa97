//! Whether somebody starts us again when we end.

use std::env;

/// Set by a supervisor that is not systemd, and starts us again when we end with [`RESTART`]; `make run` is one.
pub const SUPERVISED: &str = "SEMOIR_SUPERVISED";

/// The exit status that asks to be started again ("temporary failure" in sysexits(3)). systemd takes it for a failure,
/// so that `Restart=on-failure` is enough.
pub const RESTART: u8 = 75;

/// Whether somebody starts us again when we end with [`RESTART`].
pub fn is_there() -> bool {
    let variable = |name: &str| env::var(name).ok();
    supervised(
        variable,
        std::process::id(),
        nix::unistd::getppid().as_raw() == 1,
    )
}

/// systemd gives its services `INVOCATION_ID`, and those that report to it `NOTIFY_SOCKET`. Whatever is started from such a
/// service inherits both: a shell in a terminal that the user's own systemd started is the usual case. It is the service
/// itself when systemd says that it executed this very process, or, where it is too old to say so (before 248), when it
/// is our parent.
fn supervised(
    variable: impl Fn(&str) -> Option<String>,
    pid: u32,
    child_of_the_first: bool,
) -> bool {
    if variable(SUPERVISED).is_some_and(|value| value == "1") {
        return true;
    }
    let systemd = variable("INVOCATION_ID").is_some() || variable("NOTIFY_SOCKET").is_some();
    let executed = match variable("SYSTEMD_EXEC_PID") {
        Some(executed) => executed == pid.to_string(),
        None => child_of_the_first,
    };
    systemd && executed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_told_from_a_program_started_within_one() {
        let ask = |set: &[(&str, &str)], first| {
            let variable = |name: &str| {
                let found = set.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            supervised(variable, 42, first)
        };
        let id = ("INVOCATION_ID", "0af1");
        let socket = ("NOTIFY_SOCKET", "/run/systemd/notify");
        assert!(ask(&[id, ("SYSTEMD_EXEC_PID", "42")], true));
        assert!(ask(&[socket, ("SYSTEMD_EXEC_PID", "42")], false));
        assert!(ask(&[id], true), "an older systemd");
        assert!(!ask(&[id, socket, ("SYSTEMD_EXEC_PID", "7")], false));
        assert!(!ask(&[id], false), "inherited");
        assert!(!ask(&[("SYSTEMD_EXEC_PID", "42")], true));
        assert!(!ask(&[], true), "an orphan");
        assert!(ask(&[(SUPERVISED, "1")], false));
        assert!(!ask(&[(SUPERVISED, "0")], false));
    }
}
