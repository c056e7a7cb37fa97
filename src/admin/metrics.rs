//! The box's figures for a monitoring program.
//!
//! Outside `/api/v1`, under the path and without the versions that such programs expect.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::auth::Caller;
use super::problem::Problem;
use super::{App, access};
use crate::app::overview::{BoardView, STRAINS};
use crate::app::{LimitedBy, Overview, ReleaseView};
use crate::base::Stage;
use crate::telemetry::metrics::{CONTENT_TYPE, Family, exposition};

/// Headers by which a proxy on this machine says that somebody else asks.
const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

/// Where they are.
pub(super) const PATH: &str = "/metrics";

/// The figures, for programs on this machine, programs with a token, and the owner.
pub(super) async fn metrics(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers();
    if !is_local(&caller, headers) {
        let access = access::access(request.method(), PATH);
        access::check(&app, headers, &caller, access).await?;
    }
    let text = exposition(families(&app.handle.overview())).map_err(|error| {
        tracing::error!(%error, "the figures for monitoring could not be written");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The figures could not be written.",
        )
    })?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}

/// Whether a program on this machine asks, for itself.
fn is_local(caller: &Caller, headers: &HeaderMap) -> bool {
    caller.is_loopback() && !FORWARDED.iter().any(|name| headers.contains_key(*name))
}

fn families(picture: &Overview) -> Vec<Family> {
    let mut families = upstream(picture);
    families.extend(board(&picture.board));
    families.extend(releases(&picture.releases));
    families
}

/// A family with the one sample that has no labels.
fn single(mut family: Family, value: f64) -> Family {
    family.add(Vec::new(), value);
    family
}

fn upstream(picture: &Overview) -> Vec<Family> {
    let upstream = &picture.upstream;
    let rate = Some("bytes_per_second");
    let now = Family::gauge("semoir_upstream", rate, "What leaves the box, on the wire");
    let peers = Family::gauge("semoir_peers", None, "Connected peers of all releases");
    let mut families = vec![
        single(now, upstream.rate as f64),
        single(peers, f64::from(upstream.peers)),
    ];
    if let Some(limit) = upstream.limit_rate {
        let family = Family::gauge("semoir_upstream_limit", rate, "The limit in force");
        families.push(single(family, limit as f64));
    }
    let mut by = Family::gauge(
        "semoir_upstream_limited_by",
        None,
        "1 for the limit that is in force",
    );
    for one in LimitedBy::ALL {
        let labels = vec![("limit", one.as_str().to_owned())];
        by.add(labels, f64::from(u8::from(one == upstream.limited_by)));
    }
    families.push(by);
    if let Some(quota) = &upstream.quota {
        let bytes = Some("bytes");
        let of = Family::gauge("semoir_quota", bytes, "What may leave the box in a month");
        let used = Family::gauge("semoir_quota_used", bytes, "What left it of that");
        let resets = Family::gauge(
            "semoir_quota_resets_timestamp",
            Some("seconds"),
            "When the quota begins anew, in Unix time",
        );
        families.push(single(of, quota.of as f64));
        families.push(single(used, quota.used as f64));
        families.push(single(resets, quota.resets_at.0 as f64));
    }
    families
}

fn board(board: &BoardView) -> Vec<Family> {
    let mut strained = Family::gauge(
        "semoir_board_strained",
        None,
        "1 for what strains the board, so that less is read",
    );
    for kind in STRAINS {
        let is_there = board.strains.iter().any(|strain| strain.kind == kind);
        strained.add(vec![("by", kind.to_owned())], f64::from(u8::from(is_there)));
    }
    let mut families = vec![strained];
    if let Some(celsius) = board.celsius {
        let help = "The hottest sensor of the board";
        let family = Family::gauge("semoir_board_temperature", Some("celsius"), help);
        families.push(single(family, celsius as f64));
    }
    families
}

/// One family for each figure of a release, one sample for each release.
fn releases(releases: &[ReleaseView]) -> Vec<Family> {
    let bytes = Some("bytes");
    let mut info = Family::gauge(
        "semoir_release_info",
        None,
        "Always 1: what a release is called",
    );
    let mut stage = Family::gauge(
        "semoir_release_stage",
        None,
        "1 for the stage that a release is in",
    );
    let mut relays = Family::gauge(
        "semoir_release_relays",
        None,
        "Others that hold every piece: only said to, seen by their bitfields, proven by a block",
    );
    for view in releases {
        let seen = view.relays.saturating_sub(view.proven);
        for (level, count) in [
            ("claimed", view.claimed),
            ("full", seen),
            ("proven", view.proven),
        ] {
            let mut labels = id(view);
            labels.push(("level", level.to_owned()));
            relays.add(labels, f64::from(count));
        }
        let mut labels = id(view);
        labels.push(("name", view.name.clone()));
        let hash = view.info_hash.map(|hash| hash.to_string());
        labels.push(("info_hash", hash.unwrap_or_default()));
        info.add(labels, 1.0);
        for one in Stage::ALL {
            let mut labels = id(view);
            labels.push(("stage", one.as_str().to_owned()));
            stage.add(labels, f64::from(u8::from(one == view.stage)));
        }
    }
    let of_each = |mut family: Family, figure: fn(&ReleaseView) -> f64| {
        releases
            .iter()
            .for_each(|view| family.add(id(view), figure(view)));
        family
    };
    vec![
        info,
        stage,
        relays,
        of_each(
            Family::gauge("semoir_release_size", bytes, "Content of a release"),
            |view| view.size as f64,
        ),
        of_each(
            Family::counter("semoir_release_payload", bytes, "Content uploaded, ever"),
            |view| view.payload_bytes as f64,
        ),
        of_each(
            Family::counter(
                "semoir_release_wire",
                bytes,
                "Uploaded on the wire, ever: payload, protocol, TCP/IP headers",
            ),
            |view| view.wire_bytes as f64,
        ),
        of_each(
            Family::gauge(
                "semoir_release_copies_spent",
                None,
                "Uploaded of its present content, in sizes of the release",
            ),
            |view| view.copies_spent,
        ),
        of_each(
            Family::gauge("semoir_release_peers", None, "Connected peers"),
            |view| f64::from(view.peers),
        ),
        of_each(
            Family::gauge(
                "semoir_release_availability",
                None,
                "Distributed copies among the peers we see, ourselves left out",
            ),
            |view| view.availability,
        ),
    ]
}

fn id(view: &ReleaseView) -> Vec<(&'static str, String)> {
    vec![("release", view.id.to_string())]
}
