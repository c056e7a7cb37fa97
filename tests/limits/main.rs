//! Simulated months: a box that always sends what it may never passes its quota by more than a hundredth, whatever the
//! line, the reset day and the clocks do.

mod greedy;

use proptest::prelude::*;
use semoir::base::{Day, Rate, Size, Timestamp};
use semoir::policy::quota;

use greedy::{DAY, GB, Greedy, Wanted};

/// More than this of the quota may never leave in a month.
const AT_MOST: f64 = 1.01;

#[test]
fn no_month_of_a_greedy_box_passes_its_quota() {
    println!("zone, reset day, line: used of the quota in each month of two years");
    let start = Day::of_month(2026, 1, 1);
    for (name, reset, quota, line, chatter) in [
        ("Europe/Paris", 1, 100 * GB, 2_500_000, 1500),
        ("America/New_York", 15, 1000 * GB, 1_250_000_000, 1500),
        ("Australia/Lord_Howe", 31, 20 * GB, 125_000_000, 500),
        ("Asia/Beirut", 29, GB, 1_250_000_000, 20),
        ("Pacific/Auckland", 30, 50 * GB, 100_000, 1500),
    ] {
        let mut greedy = Greedy::new(name, start, quota, reset, line);
        greedy.chatter = chatter;
        let end = greedy.zone.begins(Day::of_month(2028, 1, reset));
        greedy.run_until(end);
        let shares: Vec<f64> = greedy
            .truth
            .values()
            .map(|bytes| *bytes as f64 / quota as f64)
            .collect();
        let shown: Vec<String> = shares.iter().map(|share| format!("{share:.4}")).collect();
        println!("{name}, {reset}, {}: {}", Rate(line), shown.join(" "));
        assert!(greedy.worst() <= AT_MOST, "{name}: {shares:?}");
        // It is there to be used: whole months in which the line can, use it.
        let can = (line * 28 * DAY as u64) as f64 > 1.5 * quota as f64;
        let whole = &shares[1..shares.len() - 1];
        assert!(
            !can || whole.iter().all(|share| *share > 0.97),
            "{name}: {shares:?}"
        );
        assert!(whole.len() >= 22, "{name}: {} months", whole.len());
    }
}

#[test]
fn a_month_that_is_looked_at_often_ends_at_its_quota() {
    let mut greedy = Greedy::new(
        "Europe/Paris",
        Day::of_month(2026, 10, 1),
        30 * GB,
        1,
        2_500_000,
    );
    greedy.late = 5;
    greedy.chatter = 800;
    let mut before = None::<quota::Verdict>;
    let end = greedy.zone.begins(Day::of_month(2026, 11, 1));
    let mut tapers_since = None;
    while greedy.real < end.0 {
        let step = greedy.step();
        let share = step.verdict.share;
        if step.verdict.tapers && tapers_since.is_none() {
            tapers_since = Some(greedy.zone.day(Timestamp(greedy.real)));
        }
        if let Some(earlier) = &before {
            assert!(share >= earlier.share, "what was used is not given back");
            // While it is made to last the rate falls; but at the end, when the little left may all go.
            let near = greedy.real > end.0 - 3 * DAY;
            let rate = |verdict: &quota::Verdict| verdict.rate.map_or(u64::MAX, |rate| rate.0);
            assert!(near || rate(&step.verdict) <= rate(earlier));
        }
        before = Some(step.verdict);
    }
    println!("tapers since {}", tapers_since.expect("it tapers"));
    let worst = greedy.worst();
    println!("used of 30 GB in October 2026, looked at every few seconds: {worst:.5}");
    assert!((0.98..=AT_MOST).contains(&worst), "{worst}");
}

#[test]
fn the_reserve_is_there_for_a_release_that_comes_late() {
    let mut greedy = Greedy::new(
        "Europe/Paris",
        Day::of_month(2026, 11, 1),
        100 * GB,
        1,
        12_500_000,
    );
    greedy.releases = vec![
        Wanted {
            is_out: true,
            ..Wanted::default()
        };
        3
    ];
    let old = greedy.run(25).expect("some steps");
    let used: u64 = old.used.iter().sum();
    assert!((89 * GB..91 * GB).contains(&used), "{used}");
    // Its first copy of 4 GB goes out, and the others get nothing more.
    greedy.releases.push(Wanted::default());
    greedy.books.values_mut().for_each(|row| row.insert(3, 0));
    greedy.known = None;
    let late = greedy.run(3).expect("some steps");
    assert!(late.used[3] > 4 * GB, "{:?}", late.used);
    assert_eq!(late.used[..3], old.used[..3]);
    greedy.run(1);
    assert!(greedy.worst() <= AT_MOST);
}

#[test]
fn a_budget_binds_one_release_and_begins_anew_with_the_month() {
    let mut greedy = Greedy::new(
        "Europe/Paris",
        Day::of_month(2026, 11, 10),
        500 * GB,
        10,
        1_000_000,
    );
    let budget = 2 * GB;
    greedy.releases[0].budget = Some(Size(budget));
    greedy.releases.push(Wanted::default());
    let november = greedy.run(20).expect("some steps");
    assert!((budget..budget + budget / 20).contains(&november.used[0]));
    assert!(november.used[1] > 100 * GB);
    let december = greedy.run(20).expect("some steps");
    assert_eq!(december.month.first, Day::of_month(2026, 12, 10));
    assert!((budget..budget + budget / 20).contains(&december.used[0]));
}

#[test]
fn a_plan_that_is_changed_in_mid_month_counts_what_was_used() {
    let start = Day::of_month(2026, 6, 1);
    let mut greedy = Greedy::new("Europe/Paris", start, 20 * GB, 1, 5_000_000);
    greedy.run(10);
    // Less than was used already: nothing more leaves.
    let used = *greedy.truth.values().next().expect("a month");
    greedy.plan.bytes = Size(used / 2);
    let step = greedy.run(1).expect("some steps");
    assert_eq!(step.verdict.rate, Some(Rate(0)));
    assert_eq!(*greedy.truth.values().next().expect("a month"), used);
    // More: it goes on, and does not pass that.
    greedy.plan.bytes = Size(40 * GB);
    greedy.run(19);
    assert!(
        (0.95..=AT_MOST).contains(&greedy.worst()),
        "{}",
        greedy.worst()
    );
}

#[test]
fn a_clock_that_jumps_neither_resets_the_quota_nor_doubles_it() {
    // (what the clock shows after the power was back, off for how long before it is set right)
    let start = Day::of_month(2026, 11, 3);
    let quota = 10 * GB;
    for (what, wall, wrong) in [
        ("1970", Some(Timestamp(7)), 300),
        ("1970 for days", Some(Timestamp(7)), 5 * DAY),
        (
            "the image's day, before",
            Some(Timestamp(1_790_000_000)),
            300,
        ),
        (
            "a month ahead",
            Some(Timestamp(1_797_000_000 + 15 * DAY)),
            3000,
        ),
        ("2099", Some(Timestamp(4_080_000_000)), 3000),
        ("right", None, 0),
    ] {
        let mut greedy = Greedy::new("Europe/Paris", start, quota, 1, 12_500_000);
        // Used up, but for the trickle.
        greedy.run(17);
        let used: u64 = greedy.truth.values().sum();
        assert!(used > 97 * quota / 100, "{what}: {used}");
        for _ in 0..4 {
            let right = Timestamp(greedy.real);
            greedy.restart(wall.unwrap_or(right));
            greedy.run_until(Timestamp(right.0 + wrong));
            greedy.wall = greedy.real;
            greedy.run_until(Timestamp(greedy.real + 7200));
        }
        assert!(greedy.worst() <= AT_MOST, "{what}: {}", greedy.worst());
        // And the next month is one like any other.
        let december = greedy.zone.begins(Day::of_month(2026, 12, 1));
        greedy.run_until(Timestamp(december.0 + 20 * DAY));
        assert_eq!(greedy.truth.len(), 2, "{what}");
        assert!(greedy.worst() <= AT_MOST, "{what}: {}", greedy.worst());
        let second = greedy.truth.values().next_back().copied().unwrap_or(0);
        assert!(second > 9 * quota / 10, "{what}: {second}");
    }
}

#[test]
fn a_clock_that_was_wrong_for_long_costs_one_quota_at_most_and_is_made_good() {
    let quota = 10 * GB;
    let start = Day::of_month(2026, 11, 3);
    let mut greedy = Greedy::new("Europe/Paris", start, quota, 1, 12_500_000);
    greedy.run(5);
    // Two days in another year: nobody could tell that they are not true.
    greedy.wall += 400 * DAY;
    greedy.run(2);
    greedy.wall -= 400 * DAY;
    greedy.run(2);
    let spent: u64 = greedy.truth.values().sum();
    assert!(spent <= 2 * quota + quota / 50, "{spent}");
    // All of it was brought back to this month: nothing more leaves, and no month to come is charged with it.
    greedy.run(15);
    assert_eq!(greedy.truth.values().sum::<u64>(), spent);
    let last = greedy.books.keys().next_back().copied();
    assert!(last < Some(Day::of_month(2026, 12, 1)));
    greedy.run(20);
    let december = greedy.truth.values().next_back().copied().unwrap_or(0);
    assert!(
        (9 * quota / 10..=quota + quota / 100).contains(&december),
        "{december}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any plan, any line, power cuts and small changes of the clock included.
    #[test]
    fn whatever_happens_no_month_passes_its_quota(
        quota in GB..2000 * GB,
        reserve in 0..=90_u8,
        reset in 1..=31_u8,
        line in prop_oneof![50_000..1_000_000_u64, 1_000_000..2_000_000_000_u64],
        first in 0..365_i64,
        name in prop::sample::select(&["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
        cuts in prop::collection::vec((0..80_i64, -20..20_i64), 0..6),
        late in 1..50_i64,
    ) {
        let start = Day(Day::of_month(2026, 1, 1).0 + first);
        let mut greedy = Greedy::new(name, start, quota, reset, line);
        greedy.plan.reserve = reserve;
        greedy.late = late;
        greedy.releases.push(Wanted { is_out: true, ..Wanted::default() });
        greedy.chatter = (quota / 40_000_000).min(line / 2);
        let mut cuts = cuts;
        cuts.sort_unstable();
        for (day, hours) in cuts {
            greedy.run_until(Timestamp(greedy.zone.begins(Day(start.0 + day)).0));
            // Off by hours, for an hour.
            greedy.restart(Timestamp(greedy.real + hours * 3600));
            greedy.run_until(Timestamp(greedy.real + 3600));
            greedy.wall = greedy.real;
        }
        greedy.run_until(greedy.zone.begins(Day(start.0 + 80)));
        // An hour on the wrong side of midnight belongs to the other month's books, and is no more than was left there.
        prop_assert!(greedy.worst() <= AT_MOST, "{}: {:?}", greedy.worst(), greedy.truth);
    }
}
