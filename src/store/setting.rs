//! What the owner can change.

use rusqlite::types::Type;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;
use utoipa::ToSchema;

use super::{Store, StoreError};
use crate::base::{Authority, Rate};

/// The smallest upstream limit taken, in bytes per second: below it a block of 16 KiB takes longer than peers wait.
pub const MIN_UPSTREAM_CAP: u64 = 1024;

/// Most relays that can be asked for before a release retires: rarely do more of a small swarm let us verify them.
pub const MAX_RELAYS: u32 = 50;

/// Trackers of the owner's: each release announces to all of them.
pub const MAX_TRACKERS: usize = 20;

/// Bytes in a tracker's URL; they go into every torrent and magnet.
pub const MAX_TRACKER_LENGTH: usize = 512;

/// What the owner can change. A field that was never set has its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Settings {
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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            upstream_cap: None,
            relays: 3,
            trackers: Vec::new(),
            public_host: None,
            keep: false,
            generous: false,
        }
    }
}

/// A setting out of its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSetting {
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
}

impl Settings {
    /// Looks whether every setting is in its range.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), BadSetting> {
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
        Ok(())
    }
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
        self.write(
            || "write down the settings".to_owned(),
            |tx| {
                let mut settings = read(tx)?;
                change(&mut settings);
                settings.check().map_err(StoreError::from)?;
                write(tx, &settings)?;
                Ok(settings)
            },
        )
    }
}

fn read(db: &Connection) -> rusqlite::Result<Settings> {
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

fn write(db: &Connection, settings: &Settings) -> rusqlite::Result<()> {
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
mod tests {
    use super::*;

    #[test]
    fn settings_keep_and_have_defaults() {
        let store = Store::in_memory().unwrap();
        assert_eq!(store.settings().unwrap(), Settings::default());
        let changed = Settings {
            upstream_cap: Some(Rate(4 << 20)),
            relays: 5,
            trackers: vec!["udp://tracker.example:6969/announce".to_owned()],
            public_host: Some("box.example:6880".to_owned()),
            keep: true,
            generous: true,
        };
        store.set_settings(&changed).unwrap();
        assert_eq!(store.settings().unwrap(), changed);
        store.set_settings(&Settings::default()).unwrap();
        assert_eq!(store.settings().unwrap(), Settings::default());
    }

    #[test]
    fn a_setting_of_another_version_is_passed_over() {
        let store = Store::in_memory().unwrap();
        let row = "INSERT INTO setting VALUES ('schedule', '[1, 2]'), ('relays', '7')";
        store.connection.lock().execute_batch(row).unwrap();
        let settings = Settings {
            relays: 7,
            ..Settings::default()
        };
        assert_eq!(store.settings().unwrap(), settings);
    }

    #[test]
    fn what_is_out_of_range_is_refused_and_said() {
        let store = Store::in_memory().unwrap();
        let trackers = |urls: &[&str]| Settings {
            trackers: urls.iter().map(|&url| url.to_owned()).collect(),
            ..Settings::default()
        };
        let host = |host: &str| Settings {
            public_host: Some(host.to_owned()),
            ..Settings::default()
        };
        for bad in [
            Settings {
                upstream_cap: Some(Rate(1)),
                ..Settings::default()
            },
            Settings {
                upstream_cap: Some(Rate(u64::MAX)),
                ..Settings::default()
            },
            Settings {
                relays: 0,
                ..Settings::default()
            },
            Settings {
                relays: 51,
                ..Settings::default()
            },
            trackers(&["tracker.example"]),
            trackers(&["ftp://tracker.example"]),
            trackers(&["udp://tracker.example"]),
            trackers(&["http://a b/"]),
            trackers(&["http://a/\r\n"]),
            trackers(&[&format!("http://a/{}", "x".repeat(600))]),
            trackers(&["http://a/"; 21]),
            host("http://box.example"),
            host("a b"),
        ] {
            let error = store.set_settings(&bad).unwrap_err();
            assert!(matches!(error, StoreError::Setting(_)), "{bad:?}: {error}");
        }
        assert_eq!(store.settings().unwrap(), Settings::default());
    }
}
