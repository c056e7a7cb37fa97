//! Network shares: each has a task that finds its server, has it mounted, looks after it, and says how it is.
//!
//! What a task decides is in [`machine`], without sockets and clock; [`world`] does it. The daemon finds and greets the
//! server itself, so that the mount helper, which runs as root, is told nothing but a numeric address that took a
//! connection a moment ago.

mod errand;
mod fault;
mod machine;
mod pace;
mod reach;
mod task;
mod world;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::base::SourceId;
use crate::intake::place::Place;
use crate::store::{Share, Store, StoreError};

pub use fault::Fault;
use machine::Standing;
use task::{Told, tend};
use world::{Here, World};

/// Orders that wait for the supervisor. It waits for no share, only for the database, and is soon through with them.
const ORDERS: usize = 8;

/// How a share is, for its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShareState {
    /// It is being opened.
    Opening,
    /// It can be read.
    Here,
    /// It cannot.
    Failing {
        /// Why.
        why: Fault,
        /// When it is tried again; none while it is.
        retry: Option<Instant>,
    },
}

/// The shares and their tasks. Cheap to clone; the tasks end with the last clone. What is mounted then stays so, and is
/// cleared by the next start.
#[derive(Debug, Clone)]
pub struct Shares {
    orders: mpsc::Sender<Order>,
    states: States,
}

type States = Arc<Mutex<HashMap<SourceId, ShareState>>>;

#[derive(Debug)]
enum Order {
    Reload,
    TryNow(SourceId),
}

impl Shares {
    /// Starts a task for every share in the database. The helper at `socket` mounts them; what they find is told to `places`.
    pub fn start(store: Store, socket: Option<PathBuf>, places: mpsc::Sender<Place>) -> Self {
        let world = move |share: &Share| Here::new(share, socket.clone());
        Self::start_in(store, places, world)
    }

    fn start_in<W, F>(store: Store, places: mpsc::Sender<Place>, world: F) -> Self
    where
        W: World,
        F: Fn(&Share) -> W + Send + 'static,
    {
        let (orders, taken) = mpsc::channel(ORDERS);
        let states = States::default();
        let supervisor = Supervisor {
            store,
            places,
            states: Arc::clone(&states),
            world,
            tasks: HashMap::new(),
        };
        tokio::spawn(supervisor.run(taken));
        Self { orders, states }
    }

    /// The shares in the database are others now, or are reached otherwise: takes that up at once.
    pub async fn reload(&self) {
        // Gone only while the box ends.
        let _ = self.orders.send(Order::Reload).await;
    }

    /// Tries a share now, whatever it waits for.
    pub async fn try_now(&self, id: SourceId) {
        let _ = self.orders.send(Order::TryNow(id)).await;
    }

    /// Somebody met an error reading from a share that seems to be here: looks at it now.
    pub fn doubt(&self, id: SourceId) {
        // When more is being asked than that, it is looked at in a moment all the same.
        let _ = self.orders.try_send(Order::TryNow(id));
    }

    /// How a share is.
    pub fn state(&self, id: SourceId) -> ShareState {
        let states = self.states.lock();
        states.get(&id).cloned().unwrap_or(ShareState::Opening)
    }
}

/// Starts and ends the tasks. What it wants of one is the newest word to it and no queue: a task hears nothing while its
/// server holds up a mount, and neither the other shares nor whoever gives orders may wait for that.
struct Supervisor<F> {
    store: Store,
    places: mpsc::Sender<Place>,
    states: States,
    world: F,
    /// Those of removed shares as well, until they ended.
    tasks: HashMap<SourceId, Task>,
}

struct Task {
    /// What the share is wanted as, or that it is not; said again as it is, to be tried now.
    wanted: watch::Sender<Option<Share>>,
    runs: JoinHandle<()>,
}

impl<W, F> Supervisor<F>
where
    W: World,
    F: Fn(&Share) -> W + Send + 'static,
{
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut order = Some(Order::Reload);
        while let Some(now) = order {
            match now {
                Order::Reload => {
                    if let Err(error) = self.reload().await {
                        tracing::error!(%error, "the network shares cannot be taken up");
                    }
                }
                Order::TryNow(id) => {
                    if let Some(task) = self.tasks.get(&id) {
                        task.wanted.send_modify(|_| {});
                    }
                }
            }
            order = orders.recv().await;
        }
    }

    async fn reload(&mut self) -> Result<(), StoreError> {
        let shares = self.store.run(Store::shares).await?;
        self.tasks.retain(|_, task| !task.runs.is_finished());
        for (id, task) in &self.tasks {
            if !shares.iter().any(|share| share.source == *id) {
                task.say(None);
            }
        }
        for share in shares {
            match self.tasks.get(&share.source) {
                Some(task) if task.wanted.borrow().is_some() => task.say(Some(share)),
                _ => self.begin(share),
            }
        }
        Ok(())
    }

    /// Starts a task. One that was removed and is here again has the number it had: whoever still takes it down is stopped
    /// first, or he would take down what is mounted now.
    fn begin(&mut self, share: Share) {
        let id = share.source;
        let before = self.tasks.remove(&id);
        let (wanted, hears) = watch::channel(Some(share.clone()));
        let told = Told::new(&share, self.places.clone(), Arc::clone(&self.states));
        let world = (self.world)(&share);
        let runs = tokio::spawn(async move {
            if let Some(Task { runs, .. }) = before {
                runs.abort();
                // That it was stopped.
                let _ = runs.await;
            }
            tend(share, world, hears, told).await;
        });
        self.tasks.insert(id, Task { wanted, runs });
    }
}

impl Task {
    /// What is wanted of it, if that is new.
    fn say(&self, wanted: Option<Share>) {
        self.wanted.send_if_modified(|known| {
            let is_new = *known != wanted;
            *known = wanted;
            is_new
        });
    }
}

impl From<Standing> for ShareState {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Opening | Standing::Over => ShareState::Opening,
            Standing::Here => ShareState::Here,
            Standing::Failing { why, retry } => ShareState::Failing { why, retry },
        }
    }
}

#[cfg(test)]
mod tests;
