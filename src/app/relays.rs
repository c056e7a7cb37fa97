//! Who holds a release, beyond the moment: written down, so that a restart looks for them again, and shown to the owner.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::App;
use super::overview::RelayView;
use crate::base::{InfoHash, ReleaseId, Timestamp};
use crate::device;
use crate::policy::retire::{Level, Relay};
use crate::seed::engine::TorrentReport;
use crate::seed::{Seen, Witness};
use crate::store::{SeenRelay, Store, StoreError};

/// While the relays of a release stay the same, when they were last seen is written down this often: after a restart it
/// says who was there of late, no more.
const REFRESH: Duration = Duration::from_secs(3600);

/// What the database has of a release's relays.
#[derive(Debug, Default)]
pub(super) struct Kept {
    relays: Vec<SeenRelay>,
    written: Option<Instant>,
}

impl Kept {
    /// Whether these are others, or were seen so much later that it is worth a write.
    fn is_outdated(&self, relays: &[SeenRelay], now: Instant) -> bool {
        let who = |relay: &SeenRelay| (relay.addr, relay.proven);
        if !self.relays.iter().map(who).eq(relays.iter().map(who)) {
            return true;
        }
        let written = self.written.map(|at| now.saturating_duration_since(at));
        written.is_none_or(|since| since >= REFRESH) && self.relays != relays
    }
}

/// A moment by the clock on the wall.
fn on_the_wall(at: Instant, now: Instant, wall: Timestamp) -> Timestamp {
    let ago = now.saturating_duration_since(at).as_secs();
    Timestamp(wall.0.saturating_sub_unsigned(ago))
}

/// When it was last seen: now, while it is connected.
fn last_seen(relay: &Relay, now: Instant) -> Option<Instant> {
    if relay.connected {
        Some(now)
    } else {
        relay.last
    }
}

/// What is to be kept: those who were seen, by address. One that was kept before and is only spoken of so far stays as it
/// was.
fn worth_keeping(
    figures: &TorrentReport,
    kept: &[SeenRelay],
    now: Instant,
    wall: Timestamp,
) -> Vec<SeenRelay> {
    let witnessed = figures.relays.iter().zip(&figures.witnesses);
    let seen = witnessed.filter(|(relay, _)| !relay.refuted);
    seen.filter_map(|(relay, witness)| {
        let before = kept.iter().find(|kept| kept.addr == relay.addr);
        let (Some(first), Some(last)) = (relay.first, last_seen(relay, now)) else {
            return before.cloned();
        };
        let first = on_the_wall(first, now, wall);
        Some(SeenRelay {
            addr: relay.addr,
            proven: relay.level == Level::Proven,
            witness: witness.as_str().to_owned(),
            first: before.map_or(first, |before| before.first.min(first)),
            last: on_the_wall(last, now, wall),
        })
    })
    .collect()
}

/// How the owner sees them: those who were seen first, and then those who are only spoken of.
pub(super) fn views(figures: &TorrentReport, now: Instant, wall: Timestamp) -> Vec<RelayView> {
    let witnessed = figures.relays.iter().zip(&figures.witnesses);
    let mut witnessed: Vec<(&Relay, &Witness)> = witnessed.collect();
    witnessed.sort_by_key(|(relay, _)| std::cmp::Reverse((!relay.refuted, relay.level)));
    let wall_time = |at: Instant| on_the_wall(at, now, wall);
    let view = |(relay, witness): (&Relay, &Witness)| RelayView {
        addr: relay.addr.to_string(),
        level: match relay.level {
            _ if relay.refuted => "refuted",
            Level::Claimed => "claimed",
            Level::Full => "full",
            Level::Proven => "proven",
        }
        .to_owned(),
        witness: witness.as_str().to_owned(),
        first: relay.first.map(wall_time),
        last: last_seen(relay, now).map(wall_time),
        connected: relay.connected,
    };
    witnessed.into_iter().map(view).collect()
}

impl App {
    /// Has the engine look for those who held a release before the box started.
    pub(super) async fn recall_relays(
        &mut self,
        id: ReleaseId,
        info_hash: InfoHash,
    ) -> Result<Kept, StoreError> {
        let relays = self.store.run(move |store| store.relays(id)).await?;
        if !relays.is_empty() {
            let addresses = relays.iter().map(|relay| relay.addr).collect();
            self.engine.remember(info_hash, addresses).await;
        }
        let mut kept = Kept {
            relays,
            written: None,
        };
        kept.relays.sort_by_key(|relay| relay.addr);
        Ok(kept)
    }

    /// Has the engine look for those of whom trackers count fewer, and nowhere where we are ourselves, and our tracker name
    /// us where we are now; writes down who holds what.
    pub(super) async fn look_after_relays(&mut self, seen: &Seen) -> Result<(), StoreError> {
        for info_hash in self.announcer.fewer() {
            self.engine.hasten(info_hash).await;
        }
        let peer = self.peers_connect_to();
        self.discovery.lives_at(device::network::addresses());
        let here = device::network::reachable_at(peer);
        // From outside first: only so many are kept, and a machine may have many of its own.
        let mut reached_at = self.reached_from_outside(seen);
        reached_at.extend(&here);
        self.tracker.set_own_addresses(reached_at);
        let outside = self.announcer.external_ips().into_iter();
        let outside = outside.map(|ip| SocketAddr::new(ip, peer.port()));
        let ourselves = here.into_iter().chain(outside).collect();
        self.engine.set_ourselves(ourselves).await;
        self.keep_relays().await
    }

    /// Writes down who holds what, where that is not what the database has.
    async fn keep_relays(&mut self) -> Result<(), StoreError> {
        let (now, wall) = (Instant::now(), Timestamp::now());
        let mut writes: Vec<(ReleaseId, Vec<SeenRelay>)> = Vec::new();
        for (id, live) in &mut self.live {
            let Some(figures) = &live.figures else {
                continue;
            };
            let relays = worth_keeping(figures, &live.kept.relays, now, wall);
            if live.kept.is_outdated(&relays, now) {
                writes.push((*id, relays));
            }
        }
        for (id, relays) in writes {
            let write = move |store: &Store| store.keep_relays(id, &relays).map(|()| relays);
            let relays = self.store.run(write).await?;
            if let Some(live) = self.live.get_mut(&id) {
                live.kept = Kept {
                    relays,
                    written: Some(now),
                };
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn relay(n: u8, level: Level, seen: Option<Instant>) -> Relay {
        Relay {
            addr: ([192, 0, 2, n], 6881).into(),
            name: None,
            level,
            earned: false,
            first: seen,
            last: seen,
            connected: false,
            missed: 0,
            refuted: false,
        }
    }

    fn figures(relays: Vec<Relay>) -> TorrentReport {
        TorrentReport {
            info_hash: InfoHash([1; 20]),
            payload: 0,
            wire: 0,
            rate: 0,
            peers: 0,
            witnesses: vec![Witness::Probe; relays.len()],
            relays,
            copies: 0.0,
            stuck: 0,
            stuck_since: None,
            unreadable: None,
        }
    }

    #[test]
    fn what_was_seen_is_kept_and_what_was_kept_stays_until_it_is_known_better() {
        let (now, wall) = (Instant::now() + 10 * HOUR, Timestamp(1_000_000));
        let seen = now - HOUR;
        let refuted = Relay {
            refuted: true,
            ..relay(4, Level::Full, Some(seen))
        };
        let report = figures(vec![
            relay(1, Level::Claimed, None),
            relay(2, Level::Proven, Some(seen)),
            relay(3, Level::Claimed, None),
            refuted,
        ]);
        let old = SeenRelay {
            addr: ([192, 0, 2, 3], 6881).into(),
            proven: true,
            witness: "probe".to_owned(),
            first: Timestamp(5),
            last: Timestamp(6),
        };
        let rows = worth_keeping(&report, std::slice::from_ref(&old), now, wall);
        assert_eq!(rows.len(), 2);
        assert_eq!(
            (rows[0].first, rows[0].last),
            (Timestamp(996_400), Timestamp(996_400))
        );
        assert_eq!(rows[1], old);
        // It is seen again: since then it is known, and it was known before.
        let connected = Relay {
            connected: true,
            ..relay(3, Level::Full, Some(seen))
        };
        let rows = worth_keeping(&figures(vec![connected]), &[old], now, wall);
        assert_eq!((rows[0].first, rows[0].last), (Timestamp(5), wall));
        assert!(!rows[0].proven);
    }

    #[test]
    fn the_database_is_written_to_when_somebody_changed_and_once_an_hour() {
        let now = Instant::now();
        let one = SeenRelay {
            addr: ([192, 0, 2, 1], 6881).into(),
            proven: false,
            witness: "bitfield".to_owned(),
            first: Timestamp(5),
            last: Timestamp(6),
        };
        let kept = Kept {
            relays: vec![one.clone()],
            written: Some(now),
        };
        let later = SeenRelay {
            last: Timestamp(60),
            ..one.clone()
        };
        assert!(!kept.is_outdated(std::slice::from_ref(&later), now));
        assert!(kept.is_outdated(std::slice::from_ref(&later), now + HOUR));
        assert!(!kept.is_outdated(std::slice::from_ref(&one), now + HOUR));
        assert!(kept.is_outdated(&[], now));
        let proven = SeenRelay {
            proven: true,
            ..one
        };
        assert!(kept.is_outdated(&[proven], now));
        assert!(!Kept::default().is_outdated(&[], now));
    }

    #[test]
    fn the_owner_sees_the_proven_first_and_the_refuted_last() {
        let (now, wall) = (Instant::now(), Timestamp(1_000_000));
        let refuted = Relay {
            refuted: true,
            ..relay(4, Level::Proven, Some(now))
        };
        let levels: Vec<String> = views(
            &figures(vec![
                refuted,
                relay(1, Level::Claimed, None),
                relay(2, Level::Proven, Some(now)),
                relay(3, Level::Full, Some(now)),
            ]),
            now,
            wall,
        )
        .into_iter()
        .map(|view| view.level)
        .collect();
        assert_eq!(levels, ["proven", "full", "claimed", "refuted"]);
    }
}
