//! The limits on a running box, as its owner sets them and its peers feel them.

mod common;

use std::time::{Duration, Instant};

use common::appliance::Appliance;
use common::content::Tree;
use common::hungry::Hungry;
use common::wait::wait_for;
use common::wire::hash_bytes;
use serde_json::{Value, json};

/// Hashing a sparse file, unoptimised, on a busy machine.
const HASH_BOUND: Duration = Duration::from_secs(120);

/// A change is obeyed within this time (design, section 6).
const OBEYED: Duration = Duration::from_secs(1);

/// How far a rate may be off over some seconds on a busy machine; how well a limit is kept is looked at elsewhere.
const TOLERANCE: f64 = 0.25;

/// All week.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

struct Bench {
    appliance: Appliance,
    info_hash: [u8; 20],
    piece_length: u32,
    id: i64,
}

impl Bench {
    fn start(dir: &std::path::Path, tree: &Tree) -> Bench {
        let mut appliance = Appliance::start(&dir.join("state"), &[tree.source()]);
        let (release, torrent, _) = appliance.wait_seeding(HASH_BOUND);
        Bench {
            appliance,
            info_hash: hash_bytes(&torrent.info_hash),
            piece_length: torrent.piece_length,
            id: release["id"].as_i64().expect("an id"),
        }
    }

    fn patch(&self, path: &str, body: Value) {
        let answer = self.appliance.api("PATCH", path, Some(body));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Changes the settings, and waits for the page to say so.
    fn set(&self, body: Value, says: &str) -> Value {
        let start = Instant::now();
        self.patch("/settings", body);
        let says = |upstream: &Value| upstream["limit"].as_str().unwrap().starts_with(says);
        let upstream = wait_for("the page names the limit", OBEYED, || {
            Some(self.upstream()).filter(says)
        });
        assert!(start.elapsed() <= OBEYED, "{:?}", start.elapsed());
        upstream
    }

    fn upstream(&self) -> Value {
        self.appliance.overview()["upstream"].clone()
    }

    fn reason(&self) -> String {
        let release = self.appliance.releases().remove(0);
        release["reason"].as_str().expect("a reason").to_owned()
    }

    fn crowd(&self) -> Hungry {
        Hungry::start(4, self.appliance.peers, self.info_hash, self.piece_length)
    }

    /// Bytes per second that a crowd receives from a second after now on.
    fn received(&self, crowd: &Hungry) -> f64 {
        std::thread::sleep(OBEYED);
        crowd.rates(Duration::from_secs(3)).0
    }
}

fn window(rate: u64) -> Value {
    json!([{ "days": DAYS, "from": 0, "to": 1440, "rate": rate }])
}

#[track_caller]
fn assert_near(rate: f64, limit: f64) {
    assert!(
        (rate / limit - 1.0).abs() < TOLERANCE,
        "{rate:.0} of {limit}"
    );
}

#[test]
fn the_smallest_limit_is_kept_and_named_and_each_change_holds_within_a_second() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tree = Tree::sparse("film.mkv", 1 << 30);
    let mut bench = Bench::start(dir.path(), &tree);
    let megabyte: u32 = 1 << 20;
    let upstream = bench.set(json!({ "upstream_cap": megabyte }), "your limit of 1 MiB/s");
    assert_eq!(
        (&upstream["limited_by"], &upstream["limit_rate"]),
        (&json!("rate"), &json!(megabyte))
    );
    let crowd = bench.crowd();
    assert_near(bench.received(&crowd), f64::from(megabyte));

    let upstream = bench.set(
        json!({ "schedule": window(256 << 10), "time_zone": "Europe/Paris" }),
        "the schedule: 256 KiB/s",
    );
    assert_eq!(upstream["limited_by"], "schedule");
    assert_eq!(upstream["cap"], megabyte, "the owner's own is still shown");
    assert_near(bench.received(&crowd), f64::from(256 << 10));

    // Nothing but metadata: the peers stay.
    let upstream = bench.set(
        json!({ "schedule": window(0) }),
        "the schedule: nothing is sent",
    );
    assert_eq!(upstream["limit_rate"], 0);
    let rate = bench.received(&crowd);
    assert!(rate < 4096.0, "{rate:.0} B/s");
    assert_eq!(bench.reason(), "the schedule: nothing is sent");
    crowd.stop();

    // A budget that is used already holds one release back.
    let settings = format!("/releases/{}/settings", bench.id);
    bench.set(json!({ "schedule": [] }), "your limit");
    bench.patch(&settings, json!({ "monthly_budget": 1_000_000 }));
    let crowd = bench.crowd();
    let rate = bench.received(&crowd);
    assert!(rate < 4096.0, "{rate:.0} B/s");
    let reason = bench.reason();
    assert!(
        reason.ends_with("its budget for the month is used"),
        "{reason}"
    );
    crowd.stop();
    bench.patch(&settings, json!({ "monthly_budget": null }));
    let crowd = bench.crowd();
    assert_near(bench.received(&crowd), f64::from(megabyte));

    // The quota counts what was sent before it was set, and a power cut forgets ten seconds of it at most.
    bench.patch("/settings", json!({ "monthly_quota": 1_000_000_000 }));
    let shown = |bench: &Bench| {
        wait_for("the quota is shown", HASH_BOUND, || {
            Some(bench.upstream()["quota"].clone()).filter(Value::is_object)
        })
    };
    let used = |quota: &Value| quota["used"].as_u64().expect("a number");
    let before = used(&shown(&bench));
    assert!(before > 8 * u64::from(megabyte), "{before}");
    std::thread::sleep(2 * OBEYED);
    let last = used(&shown(&bench));
    assert!(last > before, "{before}, then {last}");
    bench.appliance.restart();
    // It has been hung up on.
    drop(crowd);
    let after = used(&shown(&bench));
    let lost = last.saturating_sub(after);
    assert!(lost < 12 * u64::from(megabyte), "{last}, then {after}");
    assert!(after > before / 2, "{before}, then {after}");
}
