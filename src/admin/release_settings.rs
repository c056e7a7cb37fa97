//! What the owner wants of one release.

use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;
use utoipa::ToSchema;

use super::App;
use super::extract::{Json, Path};
use super::problem::Problem;
use super::settings::given;
use super::tag::{self, Tagged, tagged};
use crate::app::handle::Order;
use crate::base::{ReleaseId, Size};
use crate::store::ReleaseSettings;

/// What is wanted of one release
///
/// A setting that is null is as for all releases.
#[utoipa::path(
    get, path = "/api/v1/releases/{id}/settings", tag = "releases",
    params(("id" = i64, Path, description = "The release.")),
    responses(
        (status = 200, description = "Its settings.", body = ReleaseSettings, headers(("ETag", description = "For `If-Match`."))),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such release.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn release_settings(
    State(app): State<App>,
    Path(id): Path<i64>,
) -> Result<Tagged<ReleaseSettings>, Problem> {
    let read = app
        .store
        .run(move |store| store.release_settings(ReleaseId(id)));
    Ok(tagged(read.await?))
}

/// The settings of a release to change; what is left out stays as it is, and null is as for all releases.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReleaseSettingsPatch {
    /// Others that must hold it whole before it retires; 1 to 50.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    relays: Option<Option<u32>>,
    /// Go on seeding when others carry it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<bool>)]
    keep: Option<Option<bool>>,
    /// Once its first copy is out, go on giving by our share of what the swarm can carry.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<bool>)]
    generous: Option<Option<bool>>,
    /// Seconds that others must have been enough before it retires; 30 days at most.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    sustain: Option<Option<u64>>,
    /// Seconds over which looks for another must have been in vain before it is not believed any more; 30 days at most.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    patience: Option<Option<u64>>,
    /// Bytes on the wire that it may cost in a month; null for as many as the quota has. 1 MB at least.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    monthly_budget: Option<Option<Size>>,
    /// How many of the others must have served a block of it; 50 at most.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    proven: Option<Option<u32>>,
    /// Looks in vain after which another is not believed any more; 1 to 100.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    missed: Option<Option<u32>>,
    /// Seconds between the first and the last time another must have been seen; 30 days at most.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    apart: Option<Option<u64>>,
    /// Seconds after which another does not count until it is seen again; 30 days at most.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    fresh: Option<Option<u64>>,
    /// Seconds after which another of whom nothing was heard is not believed any more; 30 days at most.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    forget: Option<Option<u64>>,
    /// Seconds that somebody must be stuck to wake it although the others are there; 30 days at most.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    reach: Option<Option<u64>>,
    /// Seconds between a stop and a return, and between a return and a stop; 30 days at most.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    dwell: Option<Option<u64>>,
}

impl ReleaseSettingsPatch {
    fn apply(self, settings: &mut ReleaseSettings) {
        *settings = ReleaseSettings {
            relays: self.relays.unwrap_or(settings.relays),
            keep: self.keep.unwrap_or(settings.keep),
            generous: self.generous.unwrap_or(settings.generous),
            sustain: self.sustain.unwrap_or(settings.sustain),
            patience: self.patience.unwrap_or(settings.patience),
            monthly_budget: self.monthly_budget.unwrap_or(settings.monthly_budget),
            proven: self.proven.unwrap_or(settings.proven),
            missed: self.missed.unwrap_or(settings.missed),
            apart: self.apart.unwrap_or(settings.apart),
            fresh: self.fresh.unwrap_or(settings.fresh),
            forget: self.forget.unwrap_or(settings.forget),
            reach: self.reach.unwrap_or(settings.reach),
            dwell: self.dwell.unwrap_or(settings.dwell),
        };
    }
}

/// Change what is wanted of one release
///
/// With the `ETag` of what was read as `If-Match`, nothing is changed that was changed elsewhere meanwhile.
#[utoipa::path(
    patch, path = "/api/v1/releases/{id}/settings", tag = "releases",
    params(
        ("id" = i64, Path, description = "The release."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the settings that the change is made for."),
    ),
    request_body = ReleaseSettingsPatch,
    responses(
        (status = 200, description = "Its settings as they are now.", body = ReleaseSettings, headers(("ETag", description = "For `If-Match`."))),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such release.", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "They were changed elsewhere meanwhile.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A value is out of its range.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn change_release_settings(
    State(app): State<App>,
    Path(id): Path<i64>,
    headers: HeaderMap,
    Json(patch): Json<ReleaseSettingsPatch>,
) -> Result<Tagged<ReleaseSettings>, Problem> {
    let expected = tag::expected(&headers);
    let change = app.store.run(move |store| {
        let apply = |settings: &mut ReleaseSettings| patch.apply(settings);
        store.change_release_settings_if(ReleaseId(id), expected, apply)
    });
    let changed = change.await?;
    app.tell();
    app.handle.order(Order::ReloadSettings).await?;
    Ok(tagged(changed))
}
