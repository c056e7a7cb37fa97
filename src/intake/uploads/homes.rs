//! All the places that uploads go to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::UploadError;
use super::home::{Home, HomeId};
use super::upload::Upload;

/// The places that uploads go to, here or away.
#[derive(Debug)]
pub(super) struct Homes {
    /// The box's own among them, always.
    pub all: BTreeMap<HomeId, Home>,
    /// Where new ones begin; it may be away.
    pub chosen: HomeId,
    /// How often a drive came or went: whoever looks at one for a while sees whether it is still the same time.
    pub times: BTreeMap<HomeId, u32>,
    /// The places whose file systems are being asked for room.
    pub asking: BTreeSet<HomeId>,
}

impl Homes {
    /// The box's own alone, where new uploads begin.
    pub fn new(own: Home) -> Self {
        Self {
            all: BTreeMap::from([(None, own)]),
            chosen: None,
            times: BTreeMap::new(),
            asking: BTreeSet::new(),
        }
    }

    /// A drive comes or goes: what is still being looked at of it is of another time.
    pub fn another_time(&mut self, key: &str) -> u32 {
        let time = self.times.entry(Some(key.to_owned())).or_default();
        *time = time.wrapping_add(1);
        *time
    }

    /// Where new uploads begin, if it is here.
    pub fn chosen(&self) -> Result<(HomeId, &Home), UploadError> {
        let home = self.all.get(&self.chosen);
        match home {
            Some(home) if home.here => Ok((self.chosen.clone(), home)),
            Some(home) => Err(UploadError::Away(home.name.clone())),
            None => Err(UploadError::Unknown),
        }
    }

    /// An unfinished upload, and where it is.
    pub fn find(&self, id: &str) -> Result<(&Home, &Arc<Upload>), UploadError> {
        let mut homes = self.all.values();
        let found = homes.find_map(|home| Some((home, home.open.get(id)?)));
        found.ok_or_else(|| UploadError::NoSuchUpload(id.chars().take(40).collect()))
    }
}
