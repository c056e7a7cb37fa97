//! Asks the router to map our port (UPnP).

use std::time::Duration;

use librqbit_upnp::{UpnpPortForwarder, UpnpPortForwarderOptions};
use tokio_util::sync::CancellationToken;

use super::NotStarted;

/// How long a mapping holds; it is renewed at half-time. Long enough that a short outage of ours does not lose it, short
/// enough that it does not stay behind when the box moves out.
const LEASE: Duration = Duration::from_secs(20 * 60);

/// How often a router is looked for: one that was just switched on is found soon.
const LOOK_EVERY: Duration = Duration::from_secs(5 * 60);

/// Maps the TCP port for as long as `stop` is not given.
pub(super) fn start(port: u16, stop: CancellationToken) -> Result<(), NotStarted> {
    let options = UpnpPortForwarderOptions {
        lease_duration: LEASE,
        discover_interval: LOOK_EVERY,
        ..Default::default()
    };
    let forwarder = UpnpPortForwarder::new(vec![port], Some(options), None);
    let forwarder = forwarder.map_err(|error| NotStarted {
        part: "port mapping",
        why: format!("{error:#}"),
    })?;
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            never = forwarder.run_forever() => never,
        }
    });
    Ok(())
}
