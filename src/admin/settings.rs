//! What the owner can change.

use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::App;
use super::extract::Json;
use super::problem::Problem;
use super::tag::{self, Tagged, tagged};
use crate::app::handle::Order;
use crate::base::{Rate, Size, Window};
use crate::store::Settings;

/// The settings
#[utoipa::path(
    get, path = "/api/v1/settings", tag = "settings",
    responses(
        (status = 200, description = "The settings.", body = Settings, headers(("ETag", description = "For `If-Match`."))),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn settings(State(app): State<App>) -> Result<Tagged<Settings>, Problem> {
    Ok(tagged(app.store.run(|store| store.settings()).await?))
}

/// The settings to change; what is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SettingsPatch {
    /// What the owner calls the box; null for the name it came with. 40 characters at most.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    box_name: Option<Option<String>>,
    /// Bytes per second that may leave the box; null for none set.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    upstream_cap: Option<Option<Rate>>,
    /// Others that must hold a release whole before it retires; 1 to 50.
    #[schema(nullable = false)]
    relays: Option<u32>,
    /// Trackers each release announces to besides the box's own; 20 at most.
    #[schema(nullable = false)]
    trackers: Option<Vec<String>>,
    /// The box's name or address seen from outside, `host` or `host:port`; null for the one visitors use.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    public_host: Option<Option<String>>,
    /// Go on seeding when others carry a release.
    #[schema(nullable = false)]
    keep: Option<bool>,
    /// Once a first copy is out, go on giving by our share of what the swarm can carry.
    #[schema(nullable = false)]
    generous: Option<bool>,
    /// Windows of the week in which less may leave the box; 50 at most, all of them anew.
    #[schema(nullable = false)]
    schedule: Option<Vec<Window>>,
    /// The time zone of the schedule and the quota by its IANA name; null for the machine's own.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    time_zone: Option<Option<String>>,
    /// Bytes on the wire that may leave the box in a month; null for as many as there are. 1 GB at least.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    monthly_quota: Option<Option<Size>>,
    /// The day of the month on which the quota begins anew; 1 to 31.
    #[schema(nullable = false)]
    quota_reset_day: Option<u8>,
    /// Per cent of the quota that are kept for releases whose first copy is not out; 0 to 90.
    #[schema(nullable = false)]
    quota_reserve: Option<u8>,
    /// Leave room on the line for whoever else uses it.
    #[schema(nullable = false)]
    guard: Option<bool>,
    /// What the public pages call the box; null for the box's own name. One line of 80 characters at most.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    public_title: Option<Option<String>>,
    /// What is to be said of it on its public index; null for nothing. One line of 500 characters at most.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    public_description: Option<Option<String>>,
    /// List what is shared on the public index and in the feed.
    #[schema(nullable = false)]
    public_index: Option<bool>,
    /// Let search engines keep the public pages.
    #[schema(nullable = false)]
    public_robots: Option<bool>,
    /// Ask the router to forward the public listener's port too.
    #[schema(nullable = false)]
    public_forward: Option<bool>,
    /// Who answers for what is shared: a mail address, or an http or https URL; null for nobody.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    copyright_contact: Option<Option<String>>,
    /// The drive that uploads go to, by its key; null for the box's own folder.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    uploads_to: Option<Option<String>>,
}

/// Tells a field that is null from one that is not there.
pub(super) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl SettingsPatch {
    fn apply(mut self, settings: &mut Settings) {
        if let Some(name) = self.box_name.take() {
            // A field of a form that was emptied.
            settings.box_name = name.filter(|name| !name.is_empty());
        }
        if let Some(cap) = self.upstream_cap {
            settings.upstream_cap = cap;
        }
        if let Some(relays) = self.relays {
            settings.relays = relays;
        }
        if let Some(trackers) = self.trackers.take() {
            settings.trackers = trackers;
        }
        if let Some(host) = self.public_host.take() {
            // A field of a form that was emptied.
            settings.public_host = host.filter(|host| !host.is_empty());
        }
        if let Some(keep) = self.keep {
            settings.keep = keep;
        }
        if let Some(generous) = self.generous {
            settings.generous = generous;
        }
        if let Some(key) = self.uploads_to.take() {
            settings.uploads_to = key;
        }
        self.apply_public(settings);
        self.apply_limits(settings);
    }

    fn apply_public(&mut self, settings: &mut Settings) {
        // A field of a form that was emptied.
        let typed = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let texts = [
            (self.public_title.take(), &mut settings.public_title),
            (
                self.public_description.take(),
                &mut settings.public_description,
            ),
            (
                self.copyright_contact.take(),
                &mut settings.copyright_contact,
            ),
        ];
        for (given, setting) in texts {
            if let Some(text) = given {
                *setting = text.and_then(typed);
            }
        }
        if let Some(index) = self.public_index {
            settings.public_index = index;
        }
        if let Some(robots) = self.public_robots {
            settings.public_robots = robots;
        }
        if let Some(forward) = self.public_forward {
            settings.public_forward = forward;
        }
    }

    fn apply_limits(self, settings: &mut Settings) {
        if let Some(schedule) = self.schedule {
            settings.schedule = schedule;
        }
        if let Some(zone) = self.time_zone {
            // A field of a form that was emptied.
            settings.time_zone = zone.filter(|zone| !zone.is_empty());
        }
        if let Some(quota) = self.monthly_quota {
            settings.monthly_quota = quota;
        }
        if let Some(day) = self.quota_reset_day {
            settings.quota_reset_day = day;
        }
        if let Some(reserve) = self.quota_reserve {
            settings.quota_reserve = reserve;
        }
        if let Some(guard) = self.guard {
            settings.guard = guard;
        }
    }
}

/// Change settings
///
/// With the `ETag` of what was read as `If-Match`, nothing is changed that was changed elsewhere meanwhile.
#[utoipa::path(
    patch, path = "/api/v1/settings", tag = "settings",
    params(("If-Match" = Option<String>, Header, description = "The `ETag` of the settings that the change is made for.")),
    request_body = SettingsPatch,
    responses(
        (status = 200, description = "The settings as they are now.", body = Settings, headers(("ETag", description = "For `If-Match`."))),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "They were changed elsewhere meanwhile.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A value is out of its range.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn change_settings(
    State(app): State<App>,
    headers: HeaderMap,
    Json(patch): Json<SettingsPatch>,
) -> Result<Tagged<Settings>, Problem> {
    let expected = tag::expected(&headers);
    let change = app
        .store
        .run(|store| store.change_settings_if(expected, |settings| patch.apply(settings)));
    let changed = change.await?;
    app.tell();
    app.handle.order(Order::ReloadSettings).await?;
    Ok(tagged(changed))
}
