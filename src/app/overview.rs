//! The live picture of the box that pages and events show. The conductor paints it anew when something
//! changed, at most about once a second, and now and then so that its time stays true.

use serde::Serialize;
use utoipa::ToSchema;

pub use super::board::{BoardView, STRAINS, StrainView};
use super::reach::ReachView;
use crate::base::{InfoHash, ReleaseId, SourceId, Stage, Timestamp};
pub use crate::policy::upstream::LimitedBy;
use crate::store::{Cost, Release, SeenRelay};

/// The quota is shown again when this share of it was used.
const SHARE_STEP: f64 = 0.0005;

/// Everything the owner's page shows at a glance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Overview {
    /// When this picture was taken.
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// Every release that is not removed, by name.
    pub releases: Vec<ReleaseView>,
    /// Every source.
    pub sources: Vec<SourceView>,
    /// What leaves the box.
    pub upstream: UpstreamView,
    /// Whether it is reached from outside.
    pub reach: ReachView,
    /// How the board under it is.
    pub board: BoardView,
}

/// One release as the owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ReleaseView {
    /// Its identifier.
    #[schema(value_type = i64)]
    pub id: ReleaseId,
    /// The source it comes from.
    #[schema(value_type = i64)]
    pub source: SourceId,
    /// Its name: the file's or folder's, made readable where it is not UTF-8.
    pub name: String,
    /// Where it is in its life.
    #[schema(value_type = String, example = "spreading")]
    pub stage: Stage,
    /// Why it is in that stage, in plain words.
    pub reason: String,
    /// Since when it is in that stage.
    #[schema(value_type = i64)]
    pub since: Timestamp,
    /// Bytes of content.
    pub size: u64,
    /// Number of files.
    pub files: u64,
    /// Bytes hashed so far; equals `size` once a torrent exists.
    pub hashed: u64,
    /// The swarm's name, once hashed.
    #[schema(value_type = Option<String>)]
    pub info_hash: Option<InfoHash>,
    /// Bytes in a piece, once hashed.
    pub piece_length: Option<u32>,
    /// Number of pieces, once hashed.
    pub pieces: Option<u32>,
    /// The magnet link, once hashed.
    pub magnet: Option<String>,
    /// Payload bytes uploaded of the content that it has now ÷ size.
    pub copies_spent: f64,
    /// Payload bytes uploaded, ever.
    pub payload_bytes: u64,
    /// Bytes uploaded on the wire, ever: payload, protocol, TCP/IP headers.
    pub wire_bytes: u64,
    /// Wire bytes per second, now.
    pub rate: u64,
    /// Connected peers.
    pub peers: u32,
    /// Connected peers and known others that were seen to hold every piece.
    pub relays: u32,
    /// Those among them that served a block of ours when they were asked for one.
    pub proven: u32,
    /// Others that are only said to hold every piece.
    pub claimed: u32,
    /// Who they are, and others that are only said to: for the release's own page, too much for a picture of all.
    #[serde(skip)]
    pub carriers: Vec<RelayView>,
    /// Distributed copies among the peers we see, ourselves left out (whole copies + fraction of the next).
    pub availability: f64,
}

impl ReleaseView {
    /// What the database knows of a release, with nobody there and nothing under way.
    pub fn catalogued(release: &Release, cost: Cost) -> Self {
        let pieces = |length: u32| release.size.div_ceil(u64::from(length.max(1))) as u32;
        Self {
            id: release.id,
            source: release.source,
            name: release.display_name(),
            stage: release.stage,
            reason: release.reason.clone(),
            since: release.since,
            size: release.size,
            files: release.files,
            hashed: release.info_hash.map_or(0, |_| release.size),
            info_hash: release.info_hash,
            piece_length: release.piece_length,
            pieces: release.piece_length.map(pieces),
            magnet: None,
            copies_spent: copies(cost.of_content, release.size),
            payload_bytes: cost.spent.payload_bytes,
            wire_bytes: cost.spent.wire_bytes,
            rate: 0,
            peers: 0,
            relays: 0,
            proven: 0,
            claimed: 0,
            carriers: Vec::new(),
            availability: 0.0,
        }
    }
}

/// Copies of a content of `size` bytes that so much payload is.
pub(super) fn copies(payload: u64, size: u64) -> f64 {
    payload as f64 / size.max(1) as f64
}

/// One that holds a release, or is said to.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RelayView {
    /// Where it listens: address and port.
    pub addr: String,
    /// How well it is known: `claimed`, `full` (its bitfield says so), `proven` (it served a block), or `refuted` (it served
    /// something else).
    #[schema(example = "proven")]
    pub level: String,
    /// Who said so, or by what it was seen: `tracker`, `own_tracker`, `pex`, `memory`, `bitfield`, `probe`.
    #[schema(example = "probe")]
    pub witness: String,
    /// When it was first seen to hold every piece; none while somebody only says so.
    #[schema(value_type = Option<i64>)]
    pub first: Option<Timestamp>,
    /// When last.
    #[schema(value_type = Option<i64>)]
    pub last: Option<Timestamp>,
    /// Whether it is connected now.
    pub connected: bool,
}

impl From<&SeenRelay> for RelayView {
    /// As the database has it while nobody looks.
    fn from(relay: &SeenRelay) -> Self {
        let level = if relay.proven { "proven" } else { "full" };
        Self {
            addr: relay.addr.to_string(),
            level: level.to_owned(),
            witness: relay.witness.clone(),
            first: Some(relay.first),
            last: Some(relay.last),
            connected: false,
        }
    }
}

/// One source as the owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SourceView {
    /// Its identifier.
    #[schema(value_type = i64)]
    pub id: SourceId,
    /// The folder's path, the drive's label, the share's server and folder, or "Uploads".
    pub name: String,
    /// What sort of source it is: `folder`, `uploads`, `drive` or `share`.
    pub kind: String,
    /// Whether it is here now.
    pub present: bool,
    /// Why not, or what is wrong with it, in plain words; empty when all is well.
    pub problem: String,
    /// Bytes free, where things can be written to it (uploads).
    pub free: Option<u64>,
    /// Whether what is found in it is shared without asking.
    pub auto_share: bool,
    /// What its owner should know although it is here, in plain words; empty when there is nothing.
    pub note: String,
    /// What of it makes no release, although it is neither hidden nor empty.
    pub left_out: Option<LeftOutView>,
    /// The file system in the kernel's word, of drives and shares.
    pub file_system: Option<String>,
    /// Bytes it holds at most, of drives and shares.
    pub size: Option<u64>,
    /// Who made the drive, and what they call it.
    pub model: Option<String>,
    /// Whether it is a drive that is built in, which is used only while its owner wants that.
    pub built_in: bool,
    /// Whether it is away, and can be forgotten.
    pub can_forget: bool,
    /// Of a drive that was formatted for uploads: the key by which the setting `uploads_to` names it.
    pub uploads_key: Option<String>,
}

/// What of a source could not be listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LeftOutView {
    /// Of the first, why, in plain words.
    pub why: String,
    /// How many others there are.
    pub others: usize,
}

/// What leaves the box.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct UpstreamView {
    /// The owner's limit in bytes per second; none means none is set.
    pub cap: Option<u64>,
    /// Wire bytes per second, now.
    pub rate: u64,
    /// The limit in force, in plain words.
    pub limit: String,
    /// Which it is.
    pub limited_by: LimitedBy,
    /// Bytes per second that it lets through, 0 for nothing but metadata; none means none is set.
    pub limit_rate: Option<u64>,
    /// The month's quota; none when none is set.
    pub quota: Option<QuotaView>,
    /// Connected peers of all releases.
    pub peers: u32,
}

/// What is used of the month's quota.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct QuotaView {
    /// Bytes that left the box since the quota began anew, on the wire.
    pub used: u64,
    /// Bytes that may.
    pub of: u64,
    /// The share of them that is used; more than 1 when it was overrun.
    pub share: f64,
    /// When it begins anew.
    #[schema(value_type = i64)]
    pub resets_at: Timestamp,
}

impl QuotaView {
    /// Whether nothing changed in it that is worth a new picture: something always leaves.
    pub(super) fn is_alike(&self, before: &QuotaView) -> bool {
        let same = (self.of, self.resets_at) == (before.of, before.resets_at);
        same && (self.share - before.share).abs() < SHARE_STEP
    }
}
