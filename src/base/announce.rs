//! Where a torrent of ours tells its peers to announce.

use super::Authority;

/// The announce URLs of our torrents and magnets: the box's own tracker first, then the owner's.
///
/// The box's own is at `public_host` where the owner set one (with `public_port` unless it names a port), because a
/// torrent fetched over the home network is passed on to others; otherwise at `visited`, the host and port by which
/// the public listener was reached. With neither, the owner's trackers are all there are.
pub fn trackers(
    public_host: Option<&str>,
    public_port: u16,
    visited: Option<&Authority>,
    owners: &[String],
) -> Vec<String> {
    let own = self::public_host(public_host, public_port)
        .or_else(|| visited.cloned())
        .map(|host| format!("http://{host}/announce"));
    let mut urls: Vec<String> = own.into_iter().collect();
    for url in owners {
        if !urls.contains(url) {
            urls.push(url.clone());
        }
    }
    urls
}

/// The public listener as its owner says that it is reached from outside: at its own port, unless he named another.
/// None where he set nothing.
pub fn public_host(set: Option<&str>, public_port: u16) -> Option<Authority> {
    let host = set.and_then(|host| host.parse::<Authority>().ok())?;
    Some(Authority {
        port: host.port.or(Some(public_port)),
        ..host
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_first_and_none_twice() {
        let visited: Authority = "192.168.1.7:6880".parse().unwrap();
        let own = |set, visited| trackers(set, 6880, visited, &["udp://t:1".to_owned()]);
        assert_eq!(own(None, None), ["udp://t:1"]);
        let home = ["http://192.168.1.7:6880/announce", "udp://t:1"];
        assert_eq!(own(None, Some(&visited)), home);
        let named = ["http://box.example:6880/announce", "udp://t:1"];
        assert_eq!(own(Some("box.example"), Some(&visited)), named);
        let with_port = ["http://box.example:80/announce", "udp://t:1"];
        assert_eq!(own(Some("box.example:80"), None), with_port);
        let same = trackers(None, 1, Some(&visited), &[home[0].to_owned()]);
        assert_eq!(same, [home[0]]);
    }
}
