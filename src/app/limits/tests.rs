//! The limits over a real ledger: months that pass, restarts, changed settings.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::base::{Content, ContentFile, Rate, Weekday, Window};
use crate::policy::guard::Reason;
use crate::policy::upstream::LimitedBy;
use crate::store::{NewSource, SourceKind};

const GB: u64 = 1_000_000_000;
const HOUR: i64 = 3600;
const ID: ReleaseId = ReleaseId(1);

/// A box whose only release is always asked for, and its ledger.
struct Bench {
    store: Store,
    limits: Limits,
    wall: i64,
    now: Instant,
    /// Bytes per second that the line carries.
    line: u64,
    /// Bytes that left and are not written down: the release's, and no release's since the start.
    unwritten: u64,
    beside: u64,
    is_out: bool,
}

impl Bench {
    fn new(settings: &Settings, start: Timestamp) -> Self {
        let store = Store::in_memory().unwrap();
        let path = Path::new("/media");
        let source = store
            .take_up_source(
                &NewSource {
                    kind: SourceKind::Folder,
                    key: path.as_os_str(),
                    name: "m",
                    path,
                    auto_share: true,
                    facts: None,
                },
                start,
            )
            .unwrap();
        let content = Content {
            root: path.into(),
            files: vec![ContentFile {
                path: "".into(),
                length: 1,
                identity: None,
            }],
        };
        store
            .found(source.id, "a".as_ref(), &content, start)
            .unwrap();
        store.set_settings(settings).unwrap();
        let mut bench = Self {
            limits: Limits::new(settings, HashMap::new(), None, start, Instant::now()),
            store,
            wall: start.0,
            now: Instant::now(),
            line: 5_000_000,
            unwritten: 0,
            beside: 0,
            is_out: false,
        };
        bench.look();
        bench
    }

    /// What the conductor does each second.
    fn look(&mut self) {
        let wall = Timestamp(self.wall);
        if self.limits.tell(wall, self.now).went_back {
            self.store.bring_back(self.limits.day()).unwrap();
        }
        if let Some(wanted) = self.limits.wanted() {
            self.limits.books = Some(wanted.read(&self.store).unwrap());
        }
        let beside = self.limits.beside_unwritten(self.beside);
        self.limits.decide(self.unwritten, beside, wall);
    }

    /// What it does every ten seconds.
    fn write_down(&mut self) {
        let spends: Vec<Spend> = (self.unwritten > 0)
            .then(|| Spend {
                release: ID,
                day: self.limits.day(),
                payload_bytes: self.unwritten,
                wire_bytes: self.unwritten,
            })
            .into_iter()
            .collect();
        let beside = self.limits.beside_due(self.beside, spends.is_empty());
        self.store.spend(&spends, beside).unwrap();
        self.limits.wrote(&spends, beside);
        self.unwritten = 0;
    }

    fn withheld(&self) -> Option<String> {
        self.limits.withheld(ID, self.unwritten, self.is_out)
    }

    /// Lets time pass, a minute at a time, and sends all that may be sent.
    fn pass(&mut self, seconds: i64) {
        for _ in 0..seconds / 60 {
            if self.withheld().is_none() {
                let rate = self.limits.verdict().rate.map_or(self.line, |rate| rate.0);
                self.unwritten += rate.min(self.line) * 60;
            }
            self.beside += 600;
            self.wall += 60;
            self.now += Duration::from_secs(60);
            self.write_down();
            self.look();
        }
    }

    fn restart(&mut self, wall: Timestamp) {
        self.wall = wall.0;
        self.now += Duration::from_secs(60);
        let settings = self.store.settings().unwrap();
        let own = self.store.all_release_settings().unwrap();
        let written = self.store.ledger_days().unwrap().map(|(_, last)| last);
        self.limits = Limits::new(&settings, own, written, wall, self.now);
        (self.unwritten, self.beside) = (0, 0);
        self.look();
    }

    fn change(&mut self, change: impl FnOnce(&mut Settings)) {
        let settings = self.store.change_settings(change).unwrap();
        let own = self.store.all_release_settings().unwrap();
        self.limits.set(&settings, own);
        self.look();
    }

    fn used(&self) -> u64 {
        self.limits.quota_view().unwrap().used
    }
}

fn paris() -> Settings {
    Settings {
        time_zone: Some(String::from("Europe/Paris")),
        ..Settings::default()
    }
}

fn with_quota(bytes: u64) -> Settings {
    Settings {
        monthly_quota: Some(Size(bytes)),
        ..paris()
    }
}

fn at(month: i64, day: u8, hour: i64) -> Timestamp {
    let zone = Zone::named("Europe/Paris").unwrap();
    Timestamp(zone.begins(Day::of_month(2026, month, day)).0 + hour * HOUR)
}

#[test]
fn a_month_is_used_up_and_the_next_begins_anew() {
    let quota = 20 * GB;
    let mut bench = Bench::new(&with_quota(quota), at(10, 3, 12));
    bench.pass(20 * 24 * HOUR);
    let verdict = bench.limits.verdict().clone();
    assert_eq!(verdict.by, LimitedBy::Quota);
    assert_eq!(
        verdict.reason,
        "the month's quota: 99 % used, only metadata until 1 November"
    );
    assert_eq!(
        bench.withheld().unwrap(),
        "waits until 1 November: the month's quota is used"
    );
    let view = bench.limits.quota_view().unwrap();
    assert!(view.share > 0.98 && view.share < 1.01, "{view:?}");
    assert_eq!((view.of, view.resets_at), (quota, at(11, 1, 0)));
    let ledger = bench.store.spent_since(Day(0)).unwrap();
    let written = ledger.releases[&ID] + ledger.beside;
    assert!(view.used - written < BESIDE_ALONE, "{written} of {view:?}");
    bench.pass(at(11, 1, 0).0 - bench.wall + 60);
    assert_eq!(bench.withheld(), None);
    assert!(bench.used() < GB, "{}", bench.used());
    assert_eq!(
        bench.limits.verdict().reason,
        "no limit is set; the month's quota: 1 % used"
    );
}

#[test]
fn a_restart_in_mid_month_goes_on_from_the_ledger() {
    let mut bench = Bench::new(&with_quota(20 * GB), at(10, 3, 12));
    bench.pass(HOUR);
    let used = bench.used();
    assert!(used > 15 * GB, "{used}");
    // Off for two days; and then a power cut after which the clock says 1970.
    for wall in [Timestamp(bench.wall + 48 * HOUR), Timestamp(3)] {
        bench.restart(wall);
        assert!(bench.used().abs_diff(used) < GB / 100, "{}", bench.used());
    }
    bench.pass(4 * HOUR);
    assert!(bench.used() > used, "it tapers on from there");
    let before = bench.used();
    bench.wall = at(10, 6, 0).0;
    bench.pass(2 * HOUR);
    assert!(bench.used() >= before && bench.used() < 20 * GB + GB / 5);
    // What was spent at an unknown hour is in this month's books.
    let (first, last) = bench.store.ledger_days().unwrap().unwrap();
    assert!(first == Day::of_month(2026, 10, 3) && last <= Day::of_month(2026, 10, 6));
}

#[test]
fn settings_that_change_in_mid_month_hold_at_once() {
    let mut bench = Bench::new(&paris(), at(10, 10, 12));
    assert_eq!(bench.limits.verdict().reason, "no limit is set");
    assert_eq!(bench.limits.quota_view(), None);
    bench.pass(HOUR);
    let sent = 5_000_000 * HOUR as u64;
    bench.change(|settings| settings.monthly_quota = Some(Size(10 * GB)));
    assert!(
        bench.used() >= sent,
        "what was sent before it was set counts"
    );
    assert_eq!(bench.limits.verdict().rate, Some(Rate(0)));
    // Its month began today, and today's bytes are in it.
    bench.change(|settings| settings.quota_reset_day = 10);
    assert!(bench.used() >= sent);
    bench.change(|settings| settings.quota_reset_day = 11);
    assert_eq!(
        bench.limits.verdict().reason,
        "the month's quota: 180 % used, only metadata until 11 October"
    );
    bench.change(|settings| settings.monthly_quota = Some(Size(100 * GB)));
    assert_eq!(
        bench.limits.verdict().reason,
        "no limit is set; the month's quota: 18 % used"
    );
    bench.change(|settings| settings.upstream_cap = Some(Rate(2 << 20)));
    assert_eq!(bench.limits.verdict().reason, "your limit of 2 MiB/s");
    bench.change(|settings| {
        settings.schedule = vec![Window {
            days: Weekday::ALL.to_vec(),
            from: 8 * 60,
            to: 18 * 60,
            rate: Rate(0),
        }];
    });
    let verdict = bench.limits.verdict().clone();
    assert_eq!(verdict.reason, "the schedule: nothing is sent until 18:00");
    assert_eq!(verdict.cap, Some(Rate(2 << 20)), "metadata still is");
    assert_eq!(bench.withheld(), Some(verdict.reason));
    bench.pass(5 * HOUR);
    assert_eq!(bench.limits.verdict().reason, "your limit of 2 MiB/s");
    assert_eq!(bench.withheld(), None);
}

#[test]
fn the_guards_figure_counts_unless_it_is_switched_off() {
    let mut bench = Bench::new(&paris(), at(10, 10, 12));
    bench.limits.guard = Some(Ruling {
        rate: 300_000,
        delay: Duration::ZERO,
        reason: Reason::Shared,
    });
    bench.look();
    let verdict = bench.limits.verdict();
    let said = (verdict.by, verdict.rate, verdict.cap);
    assert_eq!(said, (LimitedBy::Guard, Some(Rate(300_000)), None));
    bench.change(|settings| settings.guard = false);
    assert_eq!(bench.limits.verdict().by, LimitedBy::None);
}

#[test]
fn the_reserve_and_a_budget_withhold_one_release() {
    let mut bench = Bench::new(&with_quota(20 * GB), at(10, 3, 12));
    bench.is_out = true;
    bench.pass(20 * 24 * HOUR);
    let why = bench.withheld().unwrap();
    assert!(why.contains("first copy is not out"), "{why}");
    assert!((18 * GB - GB / 20..18 * GB + GB / 5).contains(&bench.used()));
    bench.is_out = false;
    assert_eq!(bench.withheld(), None);

    // A budget needs no quota.
    let mut bench = Bench::new(&paris(), at(10, 3, 12));
    bench
        .store
        .change_release_settings(ID, |own| own.monthly_budget = Some(Size(GB)))
        .unwrap();
    bench.change(|_| {});
    assert_eq!(bench.withheld(), None);
    bench.pass(HOUR);
    assert_eq!(
        bench.withheld().unwrap(),
        "waits until 1 November: its budget for the month is used"
    );
    assert_eq!(bench.limits.verdict().rate, None, "others may send");
    let ledger = bench.store.spent_since(Day(0)).unwrap();
    assert!(ledger.releases[&ID] < 2 * GB);
    bench.pass(at(11, 1, 0).0 - bench.wall);
    assert_eq!(bench.withheld(), None);
}

#[test]
fn what_is_no_releases_is_written_with_the_next_row_or_when_it_is_much() {
    let mut bench = Bench::new(&with_quota(20 * GB), at(10, 3, 12));
    bench.beside = 1000;
    bench.write_down();
    assert_eq!(bench.store.ledger_days().unwrap(), None);
    bench.look();
    assert_eq!(bench.used(), 1000, "it counts all the same");
    bench.unwritten = 5;
    bench.write_down();
    bench.beside += BESIDE_ALONE;
    bench.write_down();
    let ledger = bench.store.spent_since(Day(0)).unwrap();
    assert_eq!(
        (ledger.beside, ledger.releases[&ID]),
        (1000 + BESIDE_ALONE, 5)
    );
    bench.look();
    assert_eq!(bench.used(), 1005 + BESIDE_ALONE);
}
