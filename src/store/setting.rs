//! What the owner can change.

use rusqlite::types::Type;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;
use utoipa::ToSchema;

use super::{Store, StoreError};
use crate::base::contact::MAX_CONTACT_LENGTH;
use crate::base::zone::DAY_MINUTES;
use crate::base::{Authority, Contact, Rate, Size, Window, Zone};

/// The smallest upstream limit taken, in bytes per second: below it a block of 16 KiB takes longer than peers wait.
pub const MIN_UPSTREAM_CAP: u64 = 1024;

/// Most relays that can be asked for before a release retires: rarely do more of a small swarm let us verify them.
pub const MAX_RELAYS: u32 = 50;

/// Trackers of the owner's: each release announces to all of them.
pub const MAX_TRACKERS: usize = 20;

/// Bytes in a tracker's URL; they go into every torrent and magnet.
pub const MAX_TRACKER_LENGTH: usize = 512;

/// Windows of the schedule: a week of hours, each with a rate of its own, is a third of it. They are walked through at
/// each change.
pub const MAX_WINDOWS: usize = 50;

/// The smallest quota of a month, in bytes: less is used by trackers and the DHT alone, which are not withheld.
pub const MIN_MONTHLY_QUOTA: u64 = 1_000_000_000;

/// The most of the quota that can be kept for new releases, per cent: something has to be left for the others.
pub const MAX_QUOTA_RESERVE: u8 = 90;

/// Bytes in the key of a drive.
pub const MAX_KEY: usize = 128;

/// Characters in the box's name: it stands in the bar of a phone's page.
pub const MAX_BOX_NAME: usize = 40;

/// Characters in the title of the public pages: one line of a heading, and of a link's preview.
pub const MAX_PUBLIC_TITLE: usize = 80;

/// Characters in their description: a paragraph.
pub const MAX_PUBLIC_DESCRIPTION: usize = 500;

/// What the owner can change. A field that was never set has its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Settings {
    /// What the owner calls the box, one line; none is the name it came with. 40 characters at most.
    pub box_name: Option<String>,
    /// Bytes per second that may leave the box, on the wire; none means that no rate is set.
    #[schema(value_type = Option<u64>)]
    pub upstream_cap: Option<Rate>,
    /// Others that must hold a release whole before it retires; 1 to 50.
    #[schema(required = true)]
    pub relays: u32,
    /// Trackers each release announces to besides the box's own: http, https or udp URLs.
    #[schema(required = true)]
    pub trackers: Vec<String>,
    /// The box's name or address seen from outside, `host` or `host:port`, where it is not the one visitors use.
    pub public_host: Option<String>,
    /// Go on seeding when others carry a release.
    #[schema(required = true)]
    pub keep: bool,
    /// Once a first copy is out, go on giving by our share of what the swarm can carry, and not only what it lacks.
    #[schema(required = true)]
    pub generous: bool,
    /// Windows of the week in which less may leave the box; 50 at most. Outside them only the other limits count, and
    /// where they overlap the smallest counts.
    #[schema(required = true)]
    pub schedule: Vec<Window>,
    /// The time zone of the schedule and the quota by its IANA name, such as `Europe/Paris`; none is the machine's own.
    pub time_zone: Option<String>,
    /// Bytes that may leave the box in a month, on the wire; none means as many as there are. 1 GB at least.
    #[schema(value_type = Option<u64>)]
    pub monthly_quota: Option<Size>,
    /// The day of the month on which the quota begins anew, at midnight; 1 to 31, in a shorter month its last day.
    #[schema(required = true)]
    pub quota_reset_day: u8,
    /// Per cent of the quota that are kept for releases whose first copy is not out; 0 to 90.
    #[schema(required = true)]
    pub quota_reserve: u8,
    /// Leave room on the line for whoever else uses it.
    #[schema(required = true)]
    pub guard: bool,
    /// What the public pages call the box; none is the box's own name. 80 characters at most.
    pub public_title: Option<String>,
    /// What is to be said of it on its public index; 500 characters at most.
    pub public_description: Option<String>,
    /// List what is shared on the public index and in the feed. Each release's page is reached by its link either way.
    #[schema(required = true)]
    pub public_index: bool,
    /// Let search engines keep the public pages.
    #[schema(required = true)]
    pub public_robots: bool,
    /// Ask the router to forward the public listener's port too, so that links and the tracker work from outside.
    #[schema(required = true)]
    pub public_forward: bool,
    /// Who answers for what is shared, on every public page: a mail address, or an http or https URL.
    pub copyright_contact: Option<String>,
    /// The drive that uploads go to, by its key; none is the box's own folder. A drive that was formatted for it.
    pub uploads_to: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            box_name: None,
            upstream_cap: None,
            relays: 3,
            trackers: Vec::new(),
            public_host: None,
            keep: false,
            generous: false,
            schedule: Vec::new(),
            time_zone: None,
            monthly_quota: None,
            quota_reset_day: 1,
            quota_reserve: 10,
            guard: true,
            public_title: None,
            public_description: None,
            public_index: true,
            public_robots: false,
            public_forward: false,
            copyright_contact: None,
            uploads_to: None,
        }
    }
}

/// A setting out of its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSetting {
    /// No line of text of a fitting length.
    #[error("the box's name is one line of {MAX_BOX_NAME} characters at most")]
    BoxName,
    /// Too low to be of use.
    #[error(
        "the upstream limit cannot be below {MIN_UPSTREAM_CAP} bytes per second, and {0} is; leave it empty for none"
    )]
    UpstreamCap(u64),
    /// None, or more than a swarm shows.
    #[error("the number of others to wait for is 1 to {MAX_RELAYS}, not {0}")]
    Relays(u32),
    /// Too many.
    #[error("there can be {MAX_TRACKERS} trackers at most, not {0}")]
    Trackers(usize),
    /// Not the URL of a tracker.
    #[error(
        "{0:?} is not a tracker; write it like udp://tracker.example:6969 or https://tracker.example/announce"
    )]
    Tracker(String),
    /// Not a host.
    #[error(transparent)]
    PublicHost(#[from] crate::base::authority::BadAuthority),
    /// Too many.
    #[error("there can be {MAX_WINDOWS} windows in the schedule at most, not {0}")]
    Windows(usize),
    /// No stretch of the week.
    #[error("window {number} of the schedule {why}")]
    Window {
        /// Which, counted from 1.
        number: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A zone that nobody knows.
    #[error(transparent)]
    TimeZone(#[from] crate::base::zone::UnknownZone),
    /// Too low to be kept.
    #[error(
        "the month's quota cannot be below {MIN_MONTHLY_QUOTA} bytes, and {0} is; leave it empty for none"
    )]
    MonthlyQuota(u64),
    /// No day of a month.
    #[error("the quota begins anew on a day from 1 to 31, not {0}")]
    QuotaResetDay(u8),
    /// Nothing is left for the others.
    #[error(
        "the part of the quota kept for new releases is 0 to {MAX_QUOTA_RESERVE} per cent, not {0}"
    )]
    QuotaReserve(u8),
    /// No line of text of a fitting length.
    #[error("the {what} of the public page is one line of {most} characters at most")]
    PublicText {
        /// Which text.
        what: &'static str,
        /// Characters it may have.
        most: usize,
    },
    /// Nobody can be reached by it.
    #[error(
        "{0:?} is not a contact; write a mail address like me@box.example, or a page like https://box.example/contact"
    )]
    CopyrightContact(String),
    /// No key of a drive.
    #[error("uploads cannot go to {0:?}, which is no drive's key")]
    UploadsTo(String),
}

impl Settings {
    /// Looks whether every setting is in its range.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), BadSetting> {
        if let Some(name) = &self.box_name
            && (name.trim().is_empty()
                || name.chars().any(char::is_control)
                || name.chars().count() > MAX_BOX_NAME)
        {
            return Err(BadSetting::BoxName);
        }
        if let Some(Rate(cap)) = self.upstream_cap
            && !(MIN_UPSTREAM_CAP..=i64::MAX as u64).contains(&cap)
        {
            return Err(BadSetting::UpstreamCap(cap));
        }
        if !(1..=MAX_RELAYS).contains(&self.relays) {
            return Err(BadSetting::Relays(self.relays));
        }
        if self.trackers.len() > MAX_TRACKERS {
            return Err(BadSetting::Trackers(self.trackers.len()));
        }
        if let Some(bad) = self.trackers.iter().find(|tracker| !is_tracker(tracker)) {
            return Err(BadSetting::Tracker(
                bad.chars().take(MAX_TRACKER_LENGTH).collect(),
            ));
        }
        if let Some(host) = &self.public_host {
            host.parse::<Authority>()?;
        }
        if let Some(key) = &self.uploads_to
            && (key.is_empty() || key.len() > MAX_KEY || !key.bytes().all(|b| b.is_ascii_graphic()))
        {
            return Err(BadSetting::UploadsTo(key.chars().take(MAX_KEY).collect()));
        }
        self.check_public()?;
        self.check_limits()
    }

    fn check_public(&self) -> Result<(), BadSetting> {
        let texts = [
            (&self.public_title, "title", MAX_PUBLIC_TITLE),
            (
                &self.public_description,
                "description",
                MAX_PUBLIC_DESCRIPTION,
            ),
        ];
        for (text, what, most) in texts {
            if text.as_ref().is_some_and(|text| !is_line(text, most)) {
                return Err(BadSetting::PublicText { what, most });
            }
        }
        if let Some(contact) = &self.copyright_contact
            && Contact::read(contact).is_none()
        {
            let shown = contact.chars().take(MAX_CONTACT_LENGTH).collect();
            return Err(BadSetting::CopyrightContact(shown));
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), BadSetting> {
        if self.schedule.len() > MAX_WINDOWS {
            return Err(BadSetting::Windows(self.schedule.len()));
        }
        for (index, window) in self.schedule.iter().enumerate() {
            let number = index + 1;
            check_window(window).map_err(|why| BadSetting::Window { number, why })?;
        }
        self.zone()?;
        if let Some(Size(quota)) = self.monthly_quota
            && !(MIN_MONTHLY_QUOTA..=i64::MAX as u64).contains(&quota)
        {
            return Err(BadSetting::MonthlyQuota(quota));
        }
        if !(1..=31).contains(&self.quota_reset_day) {
            return Err(BadSetting::QuotaResetDay(self.quota_reset_day));
        }
        if self.quota_reserve > MAX_QUOTA_RESERVE {
            return Err(BadSetting::QuotaReserve(self.quota_reserve));
        }
        Ok(())
    }

    /// The owner's time zone.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn zone(&self) -> Result<Zone, BadSetting> {
        match &self.time_zone {
            Some(name) => Ok(Zone::named(name)?),
            None => Ok(Zone::system()),
        }
    }
}

/// Looks whether a window is a stretch of the week; otherwise, what is wrong with it.
fn check_window(window: &Window) -> Result<(), &'static str> {
    let mut days = window.days.clone();
    days.sort_unstable();
    days.dedup();
    match window {
        _ if days.is_empty() => Err("is on no day of the week"),
        _ if days.len() < window.days.len() => Err("names a day of the week twice"),
        Window { from, .. } if *from >= DAY_MINUTES => Err("begins after the end of the day"),
        Window { to, .. } if *to > DAY_MINUTES => Err("ends after the end of the day"),
        Window { from, to, .. } if from == to => {
            Err("ends when it begins; the whole day is from 0 to 1440")
        }
        Window { rate, .. } if (1..MIN_UPSTREAM_CAP).contains(&rate.0) => {
            Err("lets less through than 1024 bytes per second; write 0 for nothing")
        }
        Window { rate, .. } if rate.0 > i64::MAX as u64 => Err("has no limit"),
        _ => Ok(()),
    }
}

/// Whether `text` is one line, with something in it.
fn is_line(text: &str, most: usize) -> bool {
    let plain = !text.trim().is_empty() && !text.chars().any(char::is_control);
    plain && text.chars().count() <= most
}

/// Whether `text` can be announced to. It goes into torrents as it is, so that blanks and the like are refused.
fn is_tracker(text: &str) -> bool {
    let plain =
        text.bytes().all(|byte| byte.is_ascii_graphic()) && text.len() <= MAX_TRACKER_LENGTH;
    plain
        && Url::parse(text).is_ok_and(|url| match url.scheme() {
            "http" | "https" => url.has_host(),
            "udp" => url.has_host() && url.port().is_some(),
            _ => false,
        })
}

impl Store {
    /// The settings.
    ///
    /// # Errors
    /// When the database refuses, or holds a value that cannot be read.
    pub fn settings(&self) -> Result<Settings, StoreError> {
        self.read(|| "read the settings".to_owned(), read)
    }

    /// Sets all of the settings.
    ///
    /// # Errors
    /// [`StoreError::Setting`] for one out of its range; or the database refuses.
    pub fn set_settings(&self, settings: &Settings) -> Result<(), StoreError> {
        self.change_settings(|now| now.clone_from(settings))
            .map(drop)
    }

    /// Changes the settings from what they are, and returns what they are then.
    ///
    /// # Errors
    /// [`StoreError::Setting`] for one out of its range; or the database refuses. Nothing is changed then.
    pub fn change_settings(
        &self,
        change: impl FnOnce(&mut Settings),
    ) -> Result<Settings, StoreError> {
        self.change_settings_if(|_| true, change)
    }

    /// As [`Store::change_settings`], if `expected` says that they still are what the change was made for.
    ///
    /// # Errors
    /// [`StoreError::SettingsChanged`] when they are not; else as there.
    pub fn change_settings_if(
        &self,
        expected: impl FnOnce(&Settings) -> bool,
        change: impl FnOnce(&mut Settings),
    ) -> Result<Settings, StoreError> {
        self.write_to_disk(
            || "write down the settings".to_owned(),
            |tx| {
                let mut settings = read(tx)?;
                if !expected(&settings) {
                    return Err(StoreError::SettingsChanged.into());
                }
                change(&mut settings);
                settings.check().map_err(StoreError::from)?;
                write(tx, &settings)?;
                Ok(settings)
            },
        )
    }
}

pub(super) fn read(db: &Connection) -> rusqlite::Result<Settings> {
    let unreadable = |e: serde_json::Error| {
        rusqlite::Error::FromSqlConversionFailure(1, Type::Text, Box::new(e))
    };
    let mut statement = db.prepare_cached("SELECT key, value FROM setting")?;
    let mut rows = statement.query([])?;
    let mut map = Map::new();
    while let Some(row) = rows.next()? {
        let value = serde_json::from_str(row.get_ref(1)?.as_str()?).map_err(unreadable)?;
        map.insert(row.get(0)?, value);
    }
    serde_json::from_value(Value::Object(map)).map_err(unreadable)
}

pub(super) fn write(db: &Connection, settings: &Settings) -> rusqlite::Result<()> {
    let value = serde_json::to_value(settings)
        .map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
    let mut put =
        db.prepare_cached("INSERT OR REPLACE INTO setting (key, value) VALUES (?1, ?2)")?;
    for (key, value) in value.as_object().into_iter().flatten() {
        put.execute(params![key, value.to_string()])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
