//! The task of one share: does what its machine says, and tells how it is.

use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;

use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;

use super::machine::{Machine, Standing, Step};
use super::world::World;
use super::{ShareState, States};
use crate::intake::place::{Place, PlaceState};
use crate::store::{Facts, Share, SourceKind};

/// Tells how a share is, whenever that changes.
#[derive(Debug)]
pub(super) struct Told {
    key: OsString,
    name: String,
    places: mpsc::Sender<Place>,
    states: States,
    last: Option<Place>,
}

impl Told {
    /// Nothing is told yet.
    pub fn new(share: &Share, places: mpsc::Sender<Place>, states: States) -> Self {
        let mut told = Self {
            key: OsString::new(),
            name: String::new(),
            places,
            states,
            last: None,
        };
        told.is_at(share);
        told
    }

    fn is_at(&mut self, share: &Share) {
        self.key = share.address.key().into();
        self.name = share.address.to_string();
    }

    /// What the place is by that standing; none while there is nothing to say yet.
    fn place(&self, standing: &Standing, facts: &Facts, path: &Path) -> Option<Place> {
        let state = match standing {
            Standing::Here => PlaceState::Here {
                path: path.to_owned(),
                note: None,
            },
            Standing::Failing { why, .. } => PlaceState::Unusable {
                why: why.to_string(),
            },
            Standing::Over => PlaceState::Gone,
            // It is not to be read while it is opened anew.
            Standing::Opening if self.last.is_some() => PlaceState::Unusable {
                why: "it is being opened".to_owned(),
            },
            Standing::Opening => return None,
        };
        Some(Place {
            kind: SourceKind::Share,
            key: self.key.clone(),
            name: self.name.clone(),
            state,
            facts: facts.clone(),
        })
    }

    async fn tell(&mut self, share: &Share, standing: Standing, facts: &Facts, path: &Path) {
        let place = self.place(&standing, facts, path);
        {
            let mut states = self.states.lock();
            match standing {
                Standing::Over => drop(states.remove(&share.source)),
                standing => drop(states.insert(share.source, ShareState::from(standing))),
            }
        }
        let Some(place) = place.filter(|place| self.last.as_ref() != Some(place)) else {
            return;
        };
        match &place.state {
            PlaceState::Here { .. } => {
                tracing::info!(share = %self.name, "a network share is here")
            }
            PlaceState::Unusable { why } => {
                tracing::warn!(share = %self.name, %why, "a network share is not here");
            }
            PlaceState::Gone => tracing::info!(share = %self.name, "a network share was removed"),
        }
        self.last = Some(place.clone());
        // Nobody listens only while the box ends.
        let _ = self.places.send(place).await;
    }
}

/// Looks after a share until it is not wanted any more, or nobody is there to say so. What is wanted anew is its share, and
/// what is said again as it is is to be tried now.
pub(super) async fn tend(
    mut share: Share,
    mut world: impl World,
    mut wanted: watch::Receiver<Option<Share>>,
    mut told: Told,
) {
    let mut machine = Machine::new(share.address.protocol(), rand::random());
    let mut facts = Facts::default();
    loop {
        told.tell(&share, machine.standing(), &facts, world.path())
            .await;
        // What takes a moment and leaves nothing behind is given up for a wish; mounting is waited for.
        let heard = match machine.next(Instant::now()) {
            Step::Over => return,
            Step::Wait(until) => tokio::select! {
                () = sleep_until(until.into()) => None,
                heard = wanted.changed() => Some(heard),
            },
            Step::Reach(prefer) => tokio::select! {
                result = world.reach(&share, prefer) => {
                    machine.reached(result, Instant::now());
                    None
                }
                heard = wanted.changed() => Some(heard),
            },
            Step::Probe => tokio::select! {
                result = world.probe(&share) => {
                    let result = result.map(|known| facts = known);
                    machine.probed(result, Instant::now());
                    None
                }
                heard = wanted.changed() => Some(heard),
            },
            Step::Mount(at) => {
                let result = world.mount(&share, at).await;
                machine.mounted(result, Instant::now());
                None
            }
            Step::Unmount => {
                let result = world.unmount(&share).await;
                if let (Standing::Over, Err(why)) = (machine.standing(), &result) {
                    tracing::warn!(share = %share.address, %why, "a share that was removed is not unmounted yet");
                }
                machine.unmounted(result, Instant::now());
                None
            }
        };
        if let Some(Err(_)) = heard {
            return;
        }
        let wish = {
            let newest = wanted.borrow_and_update();
            (heard.is_some() || newest.has_changed()).then(|| newest.clone())
        };
        match wish {
            None => {}
            Some(None) => machine.remove(Instant::now()),
            Some(Some(as_it_is)) if as_it_is == share => machine.try_now(Instant::now()),
            Some(Some(changed)) => {
                share = changed;
                told.is_at(&share);
                machine.changed(share.address.protocol());
            }
        }
    }
}
