//! Asks the router to map our port (UPnP).

use librqbit_upnp::{UpnpPortForwarder, UpnpPortForwarderOptions};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a mapping holds; it is renewed at half-time. Long enough that a short outage of ours does not lose it, short
/// enough that it does not stay behind when the box moves out.
const LEASE: Duration = Duration::from_secs(20 * 60);

/// How often a router is looked for: one that was just switched on is found soon.
const LOOK_EVERY: Duration = Duration::from_secs(5 * 60);

/// Maps the TCP port for as long as `stop` is not given.
pub(super) fn start(port: u16, stop: CancellationToken) -> anyhow::Result<()> {
    let options = UpnpPortForwarderOptions {
        lease_duration: LEASE,
        discover_interval: LOOK_EVERY,
        ..Default::default()
    };
    let forwarder = UpnpPortForwarder::new(vec![port], Some(options), None)?;
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            never = forwarder.run_forever() => never,
        }
    });
    Ok(())
}
