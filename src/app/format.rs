//! Having a drive formatted for uploads: the owner's word, the conductor that lets go of it, and the helper that does it.

use super::handle::{Handle, Order, OrderError};
use super::overview::Overview;
use crate::base::{ErrorKind, Kind, SourceId, Stage};
use crate::intake::mount::{ClientError, FormatRequest, MountId, Reason};
use crate::store::{SourceKind, Store, StoreError};

/// The longest name that a drive can be given, in bytes: what ext4 has room for.
pub const MAX_LABEL: usize = 16;

/// What the owner wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatWish {
    /// What the drive is called now, as the owner typed it.
    pub name: String,
    /// What it is to be called.
    pub label: String,
    /// Whether he was told what is on it, and that it is in use, and wants it emptied all the same.
    pub told: bool,
}

/// Why a drive is not formatted.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Something else was typed.
    #[error("that is not the drive's name; it is called {0:?}, and nothing was changed")]
    WrongName(String),
    /// Not a label.
    #[error("{0:?} cannot be a drive's name: it must have 1 to {MAX_LABEL} bytes, in one line")]
    BadLabel(String),
    /// No drive.
    #[error("{0:?} is no drive that can be formatted")]
    NoDrive(String),
    /// There is something on it, and the owner was not told yet.
    #[error("{name:?} {why}")]
    NotEmpty {
        /// What it is called.
        name: String,
        /// What is on it, in words that follow its name.
        why: String,
    },
    /// There is nobody to do it.
    #[error("this system has no mount helper, and formats no drives")]
    NoHelper,
    /// The helper refuses, or cannot be asked.
    #[error("{name:?} {error}")]
    Helper {
        /// What the drive is called.
        name: String,
        /// What it says.
        error: ClientError,
    },
    /// The conductor.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Kind for FormatError {
    fn kind(&self) -> ErrorKind {
        match self {
            FormatError::WrongName(_) | FormatError::BadLabel(_) | FormatError::NoDrive(_) => {
                ErrorKind::BadInput
            }
            FormatError::NotEmpty { .. } => ErrorKind::Conflict,
            FormatError::NoHelper => ErrorKind::Unavailable,
            FormatError::Helper { error, .. } => error.kind(),
            FormatError::Order(error) => error.kind(),
            FormatError::Store(error) => error.kind(),
        }
    }
}

impl Handle {
    /// Has a drive emptied and made the one that uploads go to. Takes as long as it takes; the box goes on meanwhile.
    ///
    /// # Errors
    /// See [`FormatError`]. Without [`FormatWish::told`], a drive that is in use or holds anything is left as it is.
    pub async fn format(
        &self,
        store: &Store,
        id: SourceId,
        wish: FormatWish,
    ) -> Result<(), FormatError> {
        let source = store.run(move |store| store.source(id)).await?;
        let (name, label) = (source.name.clone(), wish.label.trim().to_owned());
        let key: Option<MountId> = std::str::from_utf8(&source.key)
            .ok()
            .and_then(|key| key.parse().ok());
        let key = match (source.kind, key) {
            (SourceKind::Drive, Some(key)) => key,
            _ => return Err(FormatError::NoDrive(name)),
        };
        if wish.name.trim() != name.trim() {
            return Err(FormatError::WrongName(name));
        }
        let fits = (1..=MAX_LABEL).contains(&label.len()) && !label.chars().any(char::is_control);
        if !fits {
            return Err(FormatError::BadLabel(
                label.chars().take(MAX_LABEL).collect(),
            ));
        }
        let helper = self.helper.clone().ok_or(FormatError::NoHelper)?;
        if wish.told {
            self.order(Order::LetGo(id)).await?;
        }
        let asked = FormatRequest {
            key,
            label,
            with_files: wish.told,
            // Whether it is in use matters by what is shared from it; and then it holds files.
            in_use: true,
        };
        let known = match helper.format(asked).await {
            Ok(known) => known.to_string(),
            Err(error) => {
                if wish.told {
                    // The conductor may have ended meanwhile; then there is nothing to take back.
                    let _ = self.order(Order::TakeBack(id)).await;
                }
                return Err(match error {
                    ClientError::Refused(refusal) if refusal.reason == Reason::HoldsFiles => {
                        let why = in_use(&self.overview(), id, &refusal.why);
                        FormatError::NotEmpty { name, why }
                    }
                    error => FormatError::Helper { name, error },
                });
            }
        };
        let choose = move |store: &Store| {
            store.change_settings(|settings| settings.uploads_to = Some(known))
        };
        store.run(choose).await?;
        self.order(Order::ReloadSettings).await?;
        // What it was is gone for good, and nothing of it comes back. It may be noticed only in a moment that it is away.
        if !wish.told {
            self.order(Order::LetGo(id)).await?;
        }
        self.order(Order::Forget(id)).await?;
        Ok(())
    }
}

/// What is on a drive, and what of it is shared.
fn in_use(picture: &Overview, id: SourceId, holds: &str) -> String {
    let idle = [Stage::Found, Stage::Absent, Stage::Paused, Stage::Failed];
    let ours = picture.releases.iter().filter(|view| view.source == id);
    match ours.filter(|view| !idle.contains(&view.stage)).count() {
        0 => holds.to_owned(),
        1 => format!("{holds}, and a release is shared from it"),
        more => format!("{holds}, and {more} releases are shared from it"),
    }
}
