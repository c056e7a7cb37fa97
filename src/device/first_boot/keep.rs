//! What is kept of an owner's wishes: small files in a folder of root's, each written whole or not at all.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use nix::unistd::User;

use super::FirstBootError;
use super::wish::{self, Wifi, WifiKey, Wishes};
use crate::base::whole;
use crate::device::system::STARTED;

/// The host name.
const HOST_NAME: &str = "hostname";
/// The time zone's name.
const TIME_ZONE: &str = "time-zone";
/// The configuration of wpa_supplicant; semoir-wifi.service names it.
const WIFI: &str = "wifi.conf";
/// A folder of the daemon's, for it deletes what it took up; semoir.service names the file in it.
const OWNER: &str = "owner";
/// The hash of the owner's password, in that folder.
const PASSWORD_HASH: &str = "password-hash";

/// What a start applies.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Kept {
    pub host_name: Option<String>,
    pub time_zone: Option<String>,
}

/// Keeps what is wished for; what is not wished for stays as it was.
pub fn keep(
    folder: &Path,
    wishes: &Wishes,
    owner: Option<&str>,
    user: &str,
) -> Result<(), FirstBootError> {
    if *wishes == Wishes::default() && owner.is_none() {
        return Ok(());
    }
    folder_for(folder, 0o755).map_err(FirstBootError::io("make", folder))?;
    if let Some(name) = &wishes.host_name {
        put(folder, HOST_NAME, name)?;
    }
    if let Some(zone) = &wishes.time_zone {
        put(folder, TIME_ZONE, zone)?;
    }
    if let Some(wifi) = &wishes.wifi {
        put(folder, WIFI, &supplicant(wifi))?;
    }
    if let Some(hash) = owner {
        let folder = folder.join(OWNER);
        give(&folder, hash, user).map_err(FirstBootError::io("write", &folder))?;
    }
    Ok(())
}

/// Keeps a network, and nothing else.
pub fn keep_wifi(folder: &Path, wifi: &Wifi) -> Result<(), FirstBootError> {
    folder_for(folder, 0o755).map_err(FirstBootError::io("make", folder))?;
    put(folder, WIFI, &supplicant(wifi))
}

/// Writes down one thing, for root alone.
fn put(folder: &Path, name: &str, text: &str) -> Result<(), FirstBootError> {
    let path = folder.join(name);
    whole::write(&path, text.as_bytes(), 0o600).map_err(FirstBootError::io("write", &path))
}

/// Forgets the network.
pub fn forget_wifi(folder: &Path) -> Result<(), FirstBootError> {
    let path = folder.join(WIFI);
    whole::remove(&path)
        .and_then(|()| whole::sync_folder(&path))
        .or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(FirstBootError::io("delete", &path)(error)),
        })
}

/// The name of the network that is kept, if one is.
pub fn kept_network(folder: &Path) -> Option<Vec<u8>> {
    let text = super::text(&folder.join(WIFI)).ok()??;
    let digits = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("ssid="))?;
    wish::from_hex(digits).ok()
}

/// Leaves word that the system in a slot was started, if there is none yet: whoever installs one takes it away.
pub fn started(folder: &Path, slot: char) -> Result<(), FirstBootError> {
    let path = folder.join(format!("{STARTED}{slot}"));
    if path.exists() {
        return Ok(());
    }
    folder_for(folder, 0o755).map_err(FirstBootError::io("make", folder))?;
    whole::write(&path, b"", 0o644).map_err(FirstBootError::io("write", &path))
}

/// Puts the hash where `user` alone reads it, and may delete it.
fn give(folder: &Path, hash: &str, user: &str) -> io::Result<()> {
    folder_for(folder, 0o700)?;
    let path = folder.join(PASSWORD_HASH);
    whole::write(&path, hash.as_bytes(), 0o600)?;
    let found = User::from_name(user)?;
    let found = found.ok_or_else(|| io::Error::other(format!("there is no user {user}")))?;
    let (uid, gid) = (Some(found.uid.as_raw()), Some(found.gid.as_raw()));
    chown(&path, uid, gid)?;
    chown(folder, uid, gid)
}

/// A folder with exactly these rights, whatever the unit's mask takes away from new ones. One that has them is left alone:
/// what was given away is not ours to change, since root has few of its rights here (semoir-first-boot.service).
fn folder_for(folder: &Path, mode: u32) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    match fs::metadata(folder)?.permissions().mode() & 0o7777 == mode {
        true => Ok(()),
        false => fs::set_permissions(folder, Permissions::from_mode(mode)),
    }
}

/// Forgets all of it.
pub fn forget(folder: &Path) -> Result<(), FirstBootError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FirstBootError::io("delete", folder)(error))
        }
        _ => Ok(()),
    }
}

/// What is kept. It is checked again: a card's bits turn.
pub fn kept(folder: &Path) -> Result<Kept, FirstBootError> {
    let read = |name: &str| {
        let path = folder.join(name);
        match super::text(&path) {
            Ok(text) => Ok(text.unwrap_or_default()),
            Err(error) => Err(FirstBootError::io("read", &path)(error)),
        }
    };
    Ok(Kept {
        host_name: wish::host_name(&read(HOST_NAME)?).ok(),
        time_zone: wish::time_zone(&read(TIME_ZONE)?).ok(),
    })
}

/// A link that leads to `target`, in place of an older one.
pub fn link(target: &Path, link: &Path) -> io::Result<()> {
    let draft = link.with_extension("part");
    whole::remove(&draft)?;
    std::os::unix::fs::symlink(target, &draft)?;
    fs::rename(&draft, link)
}

/// The network as wpa_supplicant wants it (wpa_supplicant.conf(5)). The name goes in as digits: no byte in it means anything.
/// A passphrase stands in quotes, and ends at the line's last one; it was checked to be one line of plain characters.
pub fn supplicant(wifi: &Wifi) -> String {
    let ssid: String = wifi.ssid.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut lines = Vec::new();
    lines.extend(
        wifi.country
            .as_ref()
            .map(|country| format!("country={country}")),
    );
    // Where the page asks how it is (device/system/wifi.rs).
    lines.push("ctrl_interface=/run/wpa_supplicant".to_owned());
    // WPA3 in its first form, and in the one that newer routers ask for.
    lines.push("sae_pwe=2".to_owned());
    let mut network = |more: &[&str]| {
        lines.push("network={".to_owned());
        lines.push(format!("\tssid={ssid}"));
        lines.extend(wifi.hidden.then(|| "\tscan_ssid=1".to_owned()));
        lines.extend(more.iter().map(|line| format!("\t{line}")));
        lines.push("}".to_owned());
    };
    // Management frames are protected where the router can.
    const WPA2: [&str; 2] = ["key_mgmt=WPA-PSK WPA-PSK-SHA256", "ieee80211w=1"];
    const WPA3: [&str; 2] = ["key_mgmt=SAE", "ieee80211w=2"];
    match &wifi.key {
        WifiKey::Open => network(&["key_mgmt=NONE"]),
        // WPA3 needs the passphrase itself; with the key of it there is WPA2.
        WifiKey::Key(key) => network(&[&[&*format!("psk={}", key.reveal())], &WPA2[..]].concat()),
        // A router that knows both is joined by WPA2: the boards' chips say that they know WPA3, and some of them fail at it
        // every time, where wpa_supplicant would never try the other.
        WifiKey::Passphrase(words) => {
            let psk = format!("psk=\"{}\"", words.reveal());
            network(&[&[&*psk, "priority=1"], &WPA2[..]].concat());
            network(&[&[&*psk], &WPA3[..]].concat());
        }
    }
    lines.push(String::new());
    lines.join("\n")
}
