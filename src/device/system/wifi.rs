//! The Wi-Fi: which network, and how it is with it.
//!
//! wpa_supplicant is asked over its control interface: a datagram socket, on which it answers each line of ours with some of
//! its own (hostap's `wpa_ctrl.h`). What it answers holds no password.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fault::Fault;
use super::request::{WifiLink, WifiRequest, WifiState};
use crate::base::whole;
use crate::device::first_boot::wish::{self, WishError};
use crate::device::first_boot::{forget_wifi, keep_wifi, kept_network};

/// How long wpa_supplicant may take to answer. It does so at once, or is gone.
const PATIENCE: Duration = Duration::from_millis(500);

/// Where the Wi-Fi is.
#[derive(Debug, Clone)]
pub struct Wifi {
    /// The folder that the network is kept in.
    pub kept: PathBuf,
    /// wpa_supplicant's socket.
    pub supplicant: PathBuf,
    /// A folder of the helper's own, for the socket that is answered to.
    pub run: PathBuf,
}

impl Wifi {
    /// Writes the network down.
    pub fn keep(&self, wanted: &WifiRequest) -> Result<(), Fault> {
        let network = wanted.network.clone().into_bytes();
        let password = Some(wanted.password.reveal());
        // A key in place of its password would do for WPA2 alone, and nobody types one.
        if wanted.password.reveal().len() > 63 {
            return Err(WishError::WifiPassword.into());
        }
        let wifi = wish::wifi(network, password, wanted.country.as_deref(), false)?;
        keep_wifi(&self.kept, &wifi)?;
        Ok(())
    }

    /// Forgets it.
    pub fn forget(&self) -> Result<(), Fault> {
        Ok(forget_wifi(&self.kept)?)
    }

    /// How it is.
    pub fn state(&self) -> WifiState {
        let network = kept_network(&self.kept);
        let link = match &network {
            None => WifiLink::Off,
            Some(_) => self.link().unwrap_or(WifiLink::Off),
        };
        WifiState {
            network: network.map(|name| String::from_utf8_lossy(&name).into_owned()),
            link,
        }
    }

    fn link(&self) -> io::Result<WifiLink> {
        let control = Control::open(&self.supplicant, &self.run)?;
        let link = link_of(&control.ask("STATUS")?);
        // After a few refusals it rests before it tries that network again.
        if link != WifiLink::Connected && control.ask("LIST_NETWORKS")?.contains("[TEMP-DISABLED]")
        {
            return Ok(WifiLink::TurnedAway);
        }
        Ok(link)
    }
}

/// What `STATUS` says.
fn link_of(status: &str) -> WifiLink {
    let state = status
        .lines()
        .find_map(|line| line.strip_prefix("wpa_state="));
    match state {
        Some("COMPLETED") => WifiLink::Connected,
        Some(
            "AUTHENTICATING" | "ASSOCIATING" | "ASSOCIATED" | "4WAY_HANDSHAKE" | "GROUP_HANDSHAKE",
        ) => WifiLink::Joining,
        Some("DISCONNECTED" | "SCANNING" | "INACTIVE") => WifiLink::Searching,
        _ => WifiLink::Off,
    }
}

struct Control {
    socket: UnixDatagram,
    own: PathBuf,
}

impl Control {
    fn open(supplicant: &Path, run: &Path) -> io::Result<Self> {
        // A thread's number: two requests at once have two.
        let own = run.join(format!("wpa-{}", nix::unistd::gettid()));
        whole::remove(&own)?;
        let control = Self {
            socket: UnixDatagram::bind(&own)?,
            own,
        };
        control.socket.set_read_timeout(Some(PATIENCE))?;
        control.socket.set_write_timeout(Some(PATIENCE))?;
        control.socket.connect(supplicant)?;
        Ok(control)
    }

    fn ask(&self, what: &str) -> io::Result<String> {
        self.socket.send(what.as_bytes())?;
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Whatever is left of it is in memory, and in nobody's way.
        let _ = whole::remove(&self.own);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::thread;

    use super::*;
    use crate::device::system::Password;

    fn wifi(dir: &Path) -> Wifi {
        Wifi {
            kept: dir.join("kept"),
            supplicant: dir.join("wlan0"),
            run: dir.to_owned(),
        }
    }

    fn home(password: &str) -> WifiRequest {
        WifiRequest {
            network: "Café \"d'en face\"".to_owned(),
            password: Password::new(password),
            country: Some("fr".to_owned()),
        }
    }

    #[test]
    fn a_network_is_written_down_for_root_alone_and_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let wifi = wifi(dir.path());
        wifi.keep(&home("correct horse")).unwrap();
        let file = dir.path().join("kept/wifi.conf");
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            text.contains("psk=\"correct horse\"") && text.contains("country=FR"),
            "{text}"
        );
        assert_eq!(wifi.state().network.as_deref(), Some("Café \"d'en face\""));
        assert_eq!(wifi.state().link, WifiLink::Off, "nobody answers");
        for bad in ["short", &"x".repeat(64), "new\nline in it"] {
            assert!(
                matches!(wifi.keep(&home(bad)), Err(Fault::Wish(_))),
                "{bad:?}"
            );
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        wifi.keep(&home("")).unwrap();
        assert!(
            std::fs::read_to_string(&file)
                .unwrap()
                .contains("key_mgmt=NONE")
        );
        wifi.forget().unwrap();
        wifi.forget().unwrap();
        assert_eq!(wifi.state().network, None);
    }

    /// A wpa_supplicant that answers so.
    fn answering(dir: &Path, status: &'static str, networks: &'static str) {
        let socket = UnixDatagram::bind(dir.join("wlan0")).unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 64];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let answer = match &buffer[..length] {
                    b"STATUS" => status,
                    b"LIST_NETWORKS" => networks,
                    other => panic!("{other:?}"),
                };
                socket.send_to_addr(answer.as_bytes(), &from).unwrap();
            }
        });
    }

    #[test]
    fn wpa_supplicant_says_how_it_is() {
        const LIST: &str = "network id / ssid / bssid / flags\n0\thome\tany\t[CURRENT]\n";
        const DISABLED: &str = "network id / ssid / bssid / flags\n0\thome\tany\t[TEMP-DISABLED]\n";
        for (status, networks, link) in [
            (
                "bssid=00:11\nwpa_state=COMPLETED\nip_address=10.0.0.2\n",
                LIST,
                WifiLink::Connected,
            ),
            ("wpa_state=SCANNING\n", LIST, WifiLink::Searching),
            ("wpa_state=4WAY_HANDSHAKE\n", LIST, WifiLink::Joining),
            ("wpa_state=DISCONNECTED\n", DISABLED, WifiLink::TurnedAway),
            ("wpa_state=INTERFACE_DISABLED\n", LIST, WifiLink::Off),
            ("UNKNOWN COMMAND\n", LIST, WifiLink::Off),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let wifi = wifi(dir.path());
            wifi.keep(&home("correct horse")).unwrap();
            answering(dir.path(), status, networks);
            assert_eq!(wifi.state().link, link, "{status}");
            let left = std::fs::read_dir(dir.path()).unwrap().count();
            assert_eq!(left, 2, "no socket of ours is left");
        }
    }
}
