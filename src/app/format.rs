//! Having a drive formatted for uploads, and one used that is built in: the owner's word, the conductor that lets go of it, and
//! the helper that does it.

use super::handle::{Handle, Order, OrderError};
use super::overview::Overview;
use crate::base::{ErrorKind, Kind, SourceId, Stage};
use crate::intake::mount::{ClientError, FormatRequest, MAX_LABEL, MountId, Reason, is_label};
use crate::store::{Source, SourceKind, Store, StoreError};

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

/// Why a drive is not formatted, or approved.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// Something else was typed.
    #[error("that is not the drive's name; it is called {0:?}, and nothing was changed")]
    WrongName(String),
    /// Not a label.
    #[error("{0:?} cannot be a drive's name: it must have 1 to {MAX_LABEL} bytes, in one line")]
    BadLabel(String),
    /// No drive.
    #[error("{0:?} is no drive")]
    NoDrive(String),
    /// One that needs no approval.
    #[error("{0:?} is not built in, and is used without being asked for")]
    NotBuiltIn(String),
    /// There is something on it, and the owner was not told yet.
    #[error("what is on {name:?} would be deleted: {why}")]
    NotEmpty {
        /// What it is called.
        name: String,
        /// What is on it, as a sentence.
        why: String,
    },
    /// As [`DriveError::NotEmpty`], and some of it is given away at this moment.
    #[error("what is on {name:?} would be deleted, and it is being shared from: {why}")]
    Shared {
        /// What it is called.
        name: String,
        /// What is on it, as a sentence.
        why: String,
    },
    /// There is nobody to do it.
    #[error("this system has no mount helper, and changes nothing about drives")]
    NoHelper,
    /// The helper refuses.
    #[error("this cannot be done with {name:?}: {why}")]
    Refused {
        /// What the drive is called.
        name: String,
        /// Why, as a sentence.
        why: String,
        /// What sort of refusal it is.
        kind: ErrorKind,
    },
    /// The helper cannot be asked.
    #[error(transparent)]
    Helper(ClientError),
    /// The conductor.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Kind for DriveError {
    fn kind(&self) -> ErrorKind {
        match self {
            DriveError::WrongName(_)
            | DriveError::BadLabel(_)
            | DriveError::NoDrive(_)
            | DriveError::NotBuiltIn(_) => ErrorKind::BadInput,
            DriveError::NotEmpty { .. } | DriveError::Shared { .. } => ErrorKind::Conflict,
            DriveError::NoHelper => ErrorKind::Unavailable,
            DriveError::Refused { kind, .. } => *kind,
            DriveError::Helper(error) => error.kind(),
            DriveError::Order(error) => error.kind(),
            DriveError::Store(error) => error.kind(),
        }
    }
}

impl DriveError {
    fn by_helper(name: String, error: ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) => Self::Refused {
                name,
                why: format!("it {}", refusal.why),
                kind: refusal.kind(),
            },
            error => Self::Helper(error),
        }
    }
}

impl Handle {
    /// Has a drive emptied and made the one that uploads go to. Takes as long as it takes; the box goes on meanwhile.
    ///
    /// # Errors
    /// See [`DriveError`]. Without [`FormatWish::told`], a drive that is in use or holds anything is left as it is.
    pub async fn format(
        &self,
        store: &Store,
        id: SourceId,
        wish: FormatWish,
    ) -> Result<(), DriveError> {
        let (source, key) = drive(store, id).await?;
        let (name, label) = (source.name, wish.label.trim().to_owned());
        if wish.name.trim() != name.trim() {
            return Err(DriveError::WrongName(name));
        }
        if !is_label(&label) {
            return Err(DriveError::BadLabel(
                label.chars().take(MAX_LABEL).collect(),
            ));
        }
        let keeper = self.keeper.as_ref().ok_or(DriveError::NoHelper)?;
        let why = "it is being formatted";
        if wish.told {
            self.order(Order::LetGo { id, why }).await?;
        }
        let asked = FormatRequest {
            key,
            label,
            with_files: wish.told,
            // Whether it is in use matters by what is shared from it; and then it holds files.
            in_use: true,
        };
        let known = match keeper.format(asked).await {
            Ok(known) => known.to_string(),
            Err(ClientError::Refused(refusal)) if refusal.reason == Reason::HoldsFiles => {
                let why = format!("it {}", refusal.why);
                return Err(match is_in_use(&self.overview(), id) {
                    true => DriveError::Shared { name, why },
                    false => DriveError::NotEmpty { name, why },
                });
            }
            Err(error) => return Err(DriveError::by_helper(name, error)),
        };
        let choose = move |store: &Store| {
            store.change_settings(|settings| settings.uploads_to = Some(known))
        };
        store.run(choose).await?;
        self.order(Order::ReloadSettings).await?;
        // What it was is gone for good, and nothing of it comes back. It may be noticed only in a moment that it is away.
        self.order(Order::LetGo { id, why }).await?;
        self.order(Order::Forget(id)).await?;
        Ok(())
    }

    /// Has a built-in drive used, or not any more.
    ///
    /// # Errors
    /// See [`DriveError`].
    pub async fn approve(
        &self,
        store: &Store,
        id: SourceId,
        approved: bool,
    ) -> Result<(), DriveError> {
        let (source, key) = drive(store, id).await?;
        let name = source.name;
        if !source.facts.is_some_and(|facts| facts.built_in) {
            return Err(DriveError::NotBuiltIn(name));
        }
        let keeper = self.keeper.as_ref().ok_or(DriveError::NoHelper)?;
        if !approved {
            let why = "it is not to be used any more, as its owner wants";
            self.order(Order::LetGo { id, why }).await?;
        }
        let done = keeper.approve(&key, approved).await;
        done.map_err(|error| DriveError::by_helper(name, error))
    }
}

/// A drive, and its key.
async fn drive(store: &Store, id: SourceId) -> Result<(Source, MountId), DriveError> {
    let source = store.run(move |store| store.source(id)).await?;
    let key = std::str::from_utf8(&source.key).ok();
    let key = key.and_then(|key| key.parse::<MountId>().ok());
    match key.filter(|_| source.kind == SourceKind::Drive) {
        Some(key) => Ok((source, key)),
        None => Err(DriveError::NoDrive(source.name)),
    }
}

/// Whether something of it is given away.
fn is_in_use(picture: &Overview, id: SourceId) -> bool {
    let idle = [Stage::Found, Stage::Absent, Stage::Paused, Stage::Failed];
    let mut ours = picture.releases.iter().filter(|view| view.source == id);
    ours.any(|view| !idle.contains(&view.stage))
}
