//! How things stand: who carries the release, counted by networks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

use super::relay::{Homes, Level, Network};
use super::watch::{Look, Loss, Watch};
use super::{Evidence, Rule};
use crate::base::world::is_near;

/// How things stand. Everything is counted in networks.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Those who say themselves that they hold every piece, were heard of lately, and were not looked for in vain since.
    pub plausible: u32,
    /// Of those, the ones known well enough to be trusted.
    pub fresh: u32,
    /// Of those, the ones that were seen twice, far enough apart: these count towards retiring.
    pub counted: u32,
    /// Of those, the ones that served a block of ours.
    pub proven: u32,
    /// Whether one of the fresh ones, seen twice or not, did.
    pub fresh_proven: u32,
    /// Those who were trusted and for whose loss there is no evidence.
    pub believed: u32,
    /// The others.
    pub lost: BTreeMap<Network, Loss>,
    /// Those of our own network.
    pub near: u32,
    /// The best known of those who carry it, as an example.
    pub example: Option<IpAddr>,
    /// Distributed copies without us, among connected peers.
    pub copies: f64,
}

/// One network's best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Best {
    fresh: bool,
    counted: bool,
    proven: bool,
    /// The longest known is the best example, and stays it.
    since: std::cmp::Reverse<Option<Instant>>,
    ip: std::cmp::Reverse<IpAddr>,
}

impl Standing {
    pub fn of(evidence: &Evidence<'_>, rule: &Rule, watch: &mut Watch, look: &mut Look) -> Self {
        let homes = Homes::of(evidence.relays);
        let mut best: BTreeMap<Network, Best> = BTreeMap::new();
        let (mut believed, mut near) = (BTreeSet::new(), BTreeSet::new());
        let mut lost: BTreeMap<Network, Loss> = BTreeMap::new();
        for relay in evidence.relays {
            let (ip, network) = (relay.addr.ip().to_canonical(), homes.network(relay));
            if is_near(ip) {
                if relay.level >= Level::Full && !relay.refuted {
                    near.insert(network);
                }
                continue;
            }
            let loss = watch.loss(relay, rule, look);
            if let Some(loss) = loss {
                lost.insert(network, loss);
            } else if relay.is_trusted() {
                believed.insert(network);
            }
            let here = relay.is_plausible() && relay.missed == 0;
            let seen = relay.seen(look.now).filter(|_| here);
            let is_old = |seen| !relay.connected && look.reached(seen + rule.fresh);
            if seen.is_none_or(is_old) {
                continue;
            }
            let fresh = relay.is_trusted() && loss.is_none();
            let twice = |first: Instant| match relay.last.filter(|_| !relay.connected) {
                Some(last) => last.saturating_duration_since(first) >= rule.apart,
                None => look.reached(first + rule.apart),
            };
            let this = Best {
                fresh,
                counted: fresh && relay.first.is_some_and(twice),
                proven: fresh && relay.level == Level::Proven,
                since: std::cmp::Reverse(relay.first),
                ip: std::cmp::Reverse(ip),
            };
            let best = best.entry(network).or_insert(this);
            *best = this.max(*best);
        }
        lost.retain(|network, _| !believed.contains(network));
        let count = |which: fn(&&Best) -> bool| best.values().filter(which).count() as u32;
        Self {
            plausible: best.len() as u32,
            fresh: count(|best| best.fresh),
            counted: count(|best| best.counted),
            proven: count(|best| best.counted && best.proven),
            fresh_proven: count(|best| best.proven),
            believed: believed.len() as u32,
            lost,
            near: near.len() as u32,
            example: best.values().max().map(|best| best.ip.0),
            copies: evidence.copies,
        }
    }

    /// Whether those who count towards retiring are enough.
    pub fn is_enough(&self, rule: &Rule) -> bool {
        // Each of them holds a copy: there is no need to ask whether the swarm does.
        self.counted >= rule.relays.max(1) && self.proven >= rule.proven.min(rule.relays)
    }

    /// Whether the swarm holds a copy without us.
    pub fn has_copy(&self) -> bool {
        self.copies >= 1.0 || self.fresh > 0
    }
}
