//! The whole system under the box: updates, Wi-Fi, and switching it off. The box itself may do nothing of it; a small helper
//! does, as root, where the box is a whole system ([`crate::device::system`]).

mod error;
mod install;
mod receive;
mod view;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

pub use crate::device::journals::{Journal, Start};
pub use crate::device::system::Power;
pub use crate::device::update::IncomingError;
pub use error::{SystemError, WifiTrouble};
pub use view::{
    BundleView, JournalView, LastUpdateView, Outcome, SetAsideView, Slot, SystemView, UpdateState,
    UpdateView, WifiView,
};

use crate::base::Secret;
use crate::device::first_boot::wish;
use crate::device::journals;
use crate::device::running::Running;
use crate::device::system::{Client, ClientError, Password, UPDATES, WifiRequest};
use crate::device::update::{self, Note, Phase, Reached, Step, Trial};
use crate::store::SetAside;

/// The network interface that is the board's Wi-Fi; semoir-wifi.service names it too.
const WIFI: &str = "wlan0";

/// Where everything is.
#[derive(Debug, Clone)]
pub struct SystemConfig {
    /// The helper's socket; none where the box is never a whole system.
    pub helper: Option<PathBuf>,
    /// The daemon's data folder.
    pub data: PathBuf,
    /// Where each start of a whole system leaves word.
    pub kept: PathBuf,
    /// Where the kernel tells of network interfaces.
    pub interfaces: PathBuf,
    /// What runs.
    pub running: Running,
}

impl SystemConfig {
    /// As it is on a whole system.
    pub fn new(helper: Option<PathBuf>, data: &Path) -> Self {
        Self {
            helper,
            data: data.to_owned(),
            kept: "/var/lib/semoir-system".into(),
            interfaces: "/sys/class/net".into(),
            running: Running::look(),
        }
    }
}

/// A Wi-Fi network to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WifiWish {
    /// Its name.
    pub network: String,
    /// Its password; empty when it has none.
    pub password: Secret,
    /// The country whose rules for radio hold.
    pub country: Option<String>,
}

/// The way to the system. Cheap to clone.
#[derive(Debug, Clone)]
pub struct System(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Option<Client>,
    data: PathBuf,
    /// Of updates, in the data folder.
    folder: PathBuf,
    interfaces: PathBuf,
    running: Running,
    trial: Trial,
    update: Mutex<UpdateView>,
    note: Mutex<Option<Note>>,
    /// A newer database that was set aside at this start or an earlier one.
    set_aside: Mutex<Option<SetAsideView>>,
}

impl System {
    /// Looks at what is written down of the last update: call it first of all at each start, before the database is open.
    pub fn at_start(config: SystemConfig) -> Self {
        let folder = config.data.join(UPDATES);
        let (note, trial) = Trial::at_start(&folder, &config.running, &config.kept);
        let phase = note.as_ref().map(|note| &note.phase);
        let state = match phase {
            Some(Phase::Installing) => UpdateState::Installing,
            Some(Phase::Installed | Phase::Restarting) => UpdateState::Installed,
            // What is here is what runs; it goes when that serves.
            Some(Phase::Trying) => UpdateState::None,
            _ if update::is_there(&folder) => UpdateState::Checking,
            _ => UpdateState::None,
        };
        Self(Arc::new(Inner {
            client: config.helper.map(Client::new),
            data: config.data,
            folder,
            interfaces: config.interfaces,
            running: config.running,
            trial,
            update: Mutex::new(UpdateView {
                state,
                ..UpdateView::default()
            }),
            note: Mutex::new(note),
            set_aside: Mutex::new(None),
        }))
    }

    /// The database is about to be opened.
    pub fn opens_database(&self) {
        self.0.trial.begin(Step::Database);
    }

    /// It is upgraded.
    pub fn upgrades_database(&self) {
        self.0.trial.begin(Step::Upgrade);
    }

    /// It is open, and the box opens its pages; what had to be set aside for that is shown.
    pub fn opens_pages(&self, set_aside: Option<&SetAside>) {
        self.0.trial.begin(Step::Opening);
        *self.0.set_aside.lock() = set_aside.map(SetAsideView::from);
    }

    /// The box ends with an error.
    pub fn fails(&self, why: &str) {
        self.0.trial.failed(why);
    }

    /// The box serves.
    pub async fn serves(&self) {
        if !self.0.trial.is_on() {
            return;
        }
        let this = self.clone();
        let served = tokio::task::spawn_blocking(move || {
            if let Some(note) = this.0.trial.served() {
                *this.0.note.lock() = Some(note);
                *this.0.update.lock() = UpdateView::default();
            }
        });
        if let Err(error) = served.await {
            tracing::error!(%error, "that the update serves could not be written down");
        }
    }

    /// Goes on with what an earlier process of ours had begun. Call it once, when there is a runtime.
    pub fn go_on(&self) {
        let state = self.0.update.lock().state;
        let this = self.clone();
        match state {
            UpdateState::Checking => {
                tokio::spawn(async move { this.check().await.map(|_| ()) });
            }
            UpdateState::Installing => {
                tokio::spawn(async move { this.follow().await });
            }
            _ => {}
        }
    }

    /// How everything is.
    pub async fn view(&self) -> SystemView {
        let inner = &self.0;
        let wifi = match self.there().await {
            Ok(client) => self.wifi(client).await,
            Err(SystemError::Client(ClientError::Absent)) => return self.program_alone(),
            // It is there, and does not answer: what is known without it is shown.
            Err(error) => {
                tracing::warn!(%error, "the system helper says nothing");
                None
            }
        };
        let journals = self.journals().await;
        SystemView {
            available: true,
            board: inner.running.board.clone(),
            slot: match inner.running.slot {
                Some('A') => Some(Slot::A),
                Some('B') => Some(Slot::B),
                _ => None,
            },
            update: inner.update.lock().clone(),
            last: inner.note.lock().as_ref().and_then(LastUpdateView::of),
            wifi,
            journals,
            ..self.program_alone()
        }
    }

    /// What is seen where the box is no whole system.
    fn program_alone(&self) -> SystemView {
        let version = self.0.running.version.as_deref();
        SystemView {
            version: version.unwrap_or(env!("CARGO_PKG_VERSION")).to_owned(),
            database: self.0.set_aside.lock().clone(),
            ..SystemView::default()
        }
    }

    /// The way to the helper, which is there.
    async fn there(&self) -> Result<&Client, SystemError> {
        let client = self.0.client.as_ref().ok_or(ClientError::Absent)?;
        client.status().await?;
        Ok(client)
    }

    fn set(&self, view: UpdateView) -> UpdateView {
        *self.0.update.lock() = view.clone();
        view
    }

    /// Forgets the update that was received.
    ///
    /// # Errors
    /// See [`SystemError`]; while it is being received, looked at or installed, and once it is installed.
    pub async fn forget_update(&self) -> Result<(), SystemError> {
        self.there().await?;
        {
            let mut update = self.0.update.lock();
            match update.state {
                // Whoever sends another meanwhile would have it deleted too.
                UpdateState::None | UpdateState::Ready => update.state = UpdateState::Checking,
                state => return Err(SystemError::at(state)),
            }
        }
        self.clear().await;
        *self.0.update.lock() = UpdateView::default();
        Ok(())
    }

    /// Ends the machine.
    ///
    /// # Errors
    /// See [`SystemError`]; while an update is being installed.
    pub async fn power(&self, power: Power) -> Result<(), SystemError> {
        let client = self.there().await?.clone();
        let state = self.0.update.lock().state;
        if matches!(state, UpdateState::Installing | UpdateState::Checking) {
            return Err(SystemError::at(state));
        }
        let before = self.0.note.lock().clone();
        let pending = before.clone().filter(|note| note.phase == Phase::Installed);
        if let Some(note) = pending.filter(|_| power == Power::Restart) {
            let note = note.at_phase(Phase::Restarting);
            let written = self.write_down(Some(note)).await;
            written.map_err(SystemError::Note)?;
        }
        if let Err(error) = client.power(power).await {
            self.log(self.write_down(before).await);
            return Err(error.into());
        }
        Ok(())
    }

    /// Joins a Wi-Fi network, now and at each start.
    ///
    /// # Errors
    /// See [`SystemError`].
    pub async fn join_wifi(&self, wish: WifiWish) -> Result<(), SystemError> {
        let client = self.there().await?;
        self.has_wifi()?;
        // Said here, and looked at again by the helper.
        let network = wish.network.clone().into_bytes();
        let password = Some(wish.password.reveal());
        wish::wifi(network, password, wish.country.as_deref(), false)?;
        let wanted = WifiRequest {
            network: wish.network,
            password: Password::new(wish.password.reveal()),
            country: wish.country,
        };
        Ok(client.join_wifi(wanted).await?)
    }

    /// Leaves the Wi-Fi network for good.
    ///
    /// # Errors
    /// See [`SystemError`].
    pub async fn leave_wifi(&self) -> Result<(), SystemError> {
        let client = self.there().await?;
        self.has_wifi()?;
        Ok(client.leave_wifi().await?)
    }

    /// The journal of an earlier start.
    ///
    /// # Errors
    /// See [`SystemError`]; where none is kept.
    pub async fn journal(&self, start: Start) -> Result<Journal, SystemError> {
        let data = self.0.data.clone();
        let opened = tokio::task::spawn_blocking(move || journals::open(&data, start));
        let journal = opened.await.map_err(|_| SystemError::Closing)?;
        journal
            .map_err(SystemError::Journal)?
            .ok_or(SystemError::NoJournal)
    }

    async fn journals(&self) -> Vec<JournalView> {
        let mut kept = Vec::new();
        for start in Start::ALL {
            match self.journal(start).await {
                Ok(journal) => kept.push(JournalView {
                    start,
                    at: journal.at.0,
                    bytes: journal.bytes,
                }),
                Err(SystemError::NoJournal) => {}
                Err(error) => tracing::warn!(%error, ?start, "a journal is not offered"),
            }
        }
        kept
    }

    fn has_wifi(&self) -> Result<(), SystemError> {
        match self.0.interfaces.join(WIFI).exists() {
            true => Ok(()),
            false => Err(SystemError::NoWifi),
        }
    }

    async fn wifi(&self, client: &Client) -> Option<WifiView> {
        self.has_wifi().ok()?;
        Some(match client.wifi().await {
            Ok(state) => state.into(),
            Err(error) => WifiView {
                problem: Some(error.to_string()),
                ..WifiView::default()
            },
        })
    }

    /// Writes down what is known of the update, or forgets it.
    async fn write_down(&self, note: Option<Note>) -> io::Result<()> {
        let folder = self.0.folder.clone();
        let kept = note.clone();
        let written = tokio::task::spawn_blocking(move || match note {
            Some(note) => {
                // What an earlier one came to is no more to be told of.
                if note.phase == Phase::Installing {
                    Reached::forget(&folder)?;
                }
                note.write(&folder)
            }
            None => Note::forget(&folder),
        });
        written.await.map_err(io::Error::other)??;
        *self.0.note.lock() = kept;
        Ok(())
    }

    fn log(&self, done: io::Result<()>) {
        if let Err(error) = done {
            tracing::warn!(%error, "what becomes of the update cannot be written down");
        }
    }
}
