//! An update that is here: looked at, and installed.

use std::time::Duration;

use super::{BundleView, System, SystemError, UpdateState, UpdateView};
use crate::base::{ErrorKind, Kind, Timestamp};
use crate::device::system::{Bundle, ClientError};
use crate::device::update::{self, Note, Phase};

/// How often an installation is asked after that another process of ours had begun, and how long it is waited for until the
/// helper has the time to look at an update.
const FOLLOW: Duration = Duration::from_secs(2);
/// How often the helper may be too busy to answer, one time after the other, before it is taken for broken: a minute, and more
/// where each time takes its own.
const TRIES: u32 = 30;

impl System {
    /// Has what was received looked at.
    pub(super) async fn check(&self) -> Result<UpdateView, SystemError> {
        match self.inspect().await {
            Ok(bundle) => Ok(self.set(UpdateView {
                state: UpdateState::Ready,
                bundle: Some(BundleView {
                    version: bundle.version,
                    board: bundle.board,
                    bytes: bundle.bytes,
                }),
                ..UpdateView::default()
            })),
            Err(error) => {
                tracing::warn!(%error, "the update that was received cannot be installed");
                self.clear().await;
                self.set(UpdateView {
                    problem: Some(error.to_string()),
                    ..UpdateView::default()
                });
                Err(error.into())
            }
        }
    }

    /// Asks what was received. A helper that is at something else, such as what an earlier process of ours asked, says nothing
    /// about the update.
    async fn inspect(&self) -> Result<Bundle, ClientError> {
        let client = self.0.client.as_ref().ok_or(ClientError::Absent)?;
        for _ in 1..TRIES {
            match client.inspect().await {
                Err(error) if is_for_now(&error) => {
                    tracing::info!(%error, "the update is looked at later");
                    tokio::time::sleep(FOLLOW).await;
                }
                asked => return asked,
            }
        }
        client.inspect().await
    }

    /// Deletes what was received.
    pub(super) async fn clear(&self) {
        let folder = self.0.folder.clone();
        let cleared = tokio::task::spawn_blocking(move || update::clear(&folder)).await;
        if let Ok(Err(error)) = cleared {
            tracing::warn!(%error, "a received update cannot be deleted");
        }
    }

    /// Begins to install the update that was received.
    ///
    /// # Errors
    /// See [`SystemError`]. What comes of it later [`System::view`] tells.
    pub async fn install(&self) -> Result<(), SystemError> {
        let client = self.there().await?.clone();
        let bundle = {
            let mut update = self.0.update.lock();
            match (update.state, update.bundle.clone()) {
                (UpdateState::Ready, Some(bundle)) => {
                    update.state = UpdateState::Installing;
                    update.percent = Some(0);
                    update.problem = None;
                    bundle
                }
                (state, _) => return Err(SystemError::at(state)),
            }
        };
        let note = Note {
            version: bundle.version.clone(),
            from: self.program_alone().version,
            from_slot: self.0.running.slot,
            boot: self.0.running.boot.clone(),
            at: Timestamp::now().0,
            phase: Phase::Installing,
        };
        if let Err(error) = self.write_down(Some(note.clone())).await {
            self.not_installed(bundle, None);
            return Err(SystemError::Note(error));
        }
        let this = self.clone();
        tokio::spawn(async move {
            let far = |percent| this.0.update.lock().percent = Some(percent);
            match client.install(far).await {
                Ok(()) => this.installed(note).await,
                Err(error) => {
                    tracing::warn!(%error, "the update was not installed");
                    this.log(this.write_down(None).await);
                    this.not_installed(bundle, Some(error.to_string()));
                }
            }
        });
        Ok(())
    }

    async fn installed(&self, note: Note) {
        tracing::info!(version = note.version, "the update is installed");
        let note = note.at_phase(Phase::Installed);
        let bundle = self.0.update.lock().bundle.clone();
        self.log(self.write_down(Some(note)).await);
        self.set(UpdateView {
            state: UpdateState::Installed,
            bundle,
            ..UpdateView::default()
        });
    }

    fn not_installed(&self, bundle: BundleView, problem: Option<String>) {
        self.set(UpdateView {
            state: UpdateState::Ready,
            bundle: Some(bundle),
            percent: None,
            problem,
        });
    }

    /// An installation that an earlier process of ours began: the helper goes on with it, and what came of it in the end
    /// nobody heard. It is made once more then: that does no harm.
    pub(super) async fn follow(&self) {
        let mut unheard = 0;
        while let Some(client) = &self.0.client
            && unheard < TRIES
        {
            match client.status().await {
                Ok(status) => match status.installing {
                    Some(percent) => {
                        unheard = 0;
                        self.0.update.lock().percent = Some(percent);
                    }
                    None => break,
                },
                Err(error) if is_for_now(&error) => unheard += 1,
                Err(_) => break,
            }
            tokio::time::sleep(FOLLOW).await;
        }
        self.0.update.lock().state = UpdateState::Checking;
        self.log(self.write_down(None).await);
        if self.check().await.is_ok() {
            self.0.update.lock().problem = Some(SystemError::Unheard.to_string());
        }
    }
}

/// Whether the helper may answer otherwise in a moment.
fn is_for_now(error: &ClientError) -> bool {
    match error {
        ClientError::Absent => false,
        ClientError::Io(_) | ClientError::TooSlow => true,
        ClientError::Refused(refusal) => {
            matches!(refusal.kind(), ErrorKind::Conflict | ErrorKind::TooMany)
        }
    }
}
