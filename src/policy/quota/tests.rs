use proptest::prelude::*;

use super::*;

const GB: u64 = 1_000_000_000;
const DAY: i64 = 86_400;

fn zone(name: &str) -> Zone {
    Zone::named(name).unwrap()
}

fn november() -> Month {
    let paris = zone("Europe/Paris");
    Month::at(paris.begins(Day::of_month(2026, 11, 25)), 1, &paris)
}

fn plan(bytes: u64) -> Plan {
    Plan {
        bytes: Size(bytes),
        reserve: 10,
    }
}

fn used(total: u64) -> Used {
    Used {
        total,
        ..Used::default()
    }
}

#[test]
fn a_month_goes_from_reset_to_reset() {
    for (today, reset, first, next) in [
        ((2026, 11, 25), 1, (2026, 11, 1), (2026, 12, 1)),
        ((2026, 11, 1), 1, (2026, 11, 1), (2026, 12, 1)),
        ((2026, 12, 31), 1, (2026, 12, 1), (2027, 1, 1)),
        ((2026, 11, 25), 28, (2026, 10, 28), (2026, 11, 28)),
        ((2027, 1, 5), 28, (2026, 12, 28), (2027, 1, 28)),
        // Months without such a day.
        ((2026, 2, 27), 31, (2026, 1, 31), (2026, 2, 28)),
        ((2026, 2, 28), 31, (2026, 2, 28), (2026, 3, 31)),
        ((2026, 3, 30), 31, (2026, 2, 28), (2026, 3, 31)),
        ((2026, 4, 30), 31, (2026, 4, 30), (2026, 5, 31)),
        ((2028, 2, 29), 30, (2028, 2, 29), (2028, 3, 30)),
    ] {
        for name in [
            "Europe/Paris",
            "America/Los_Angeles",
            "Pacific/Auckland",
            "UTC",
        ] {
            let zone = zone(name);
            let of = |(y, m, d)| Day::of_month(y, m, d);
            let midnight = zone.begins(of(today));
            let month = Month::at(midnight, reset, &zone);
            assert_eq!(
                (month.first, month.next),
                (of(first), of(next)),
                "{today:?}, {reset}"
            );
            assert!(month.contains(midnight));
            assert!(!month.contains(month.resets));
            assert_eq!(Month::at(month.begins, reset, &zone), month);
            let last = Timestamp(month.resets.0 - 1);
            assert_eq!(Month::at(last, reset, &zone), month);
            assert_eq!(Month::at(month.resets, reset, &zone).first, month.next);
        }
    }
}

#[test]
fn it_holds_nothing_back_then_makes_it_last_then_stops() {
    let month = november();
    let middle = Timestamp(month.begins.0 + 15 * DAY);
    let at =
        |gigabytes: f64, now| decide(&plan(100 * GB), &month, used((gigabytes * 1e9) as u64), now);
    let first = at(30.0, middle);
    assert!(first.rate.is_none() && !first.tapers && !first.is_reserved);
    assert_eq!(first.reason, "the month's quota: 30 % used");

    let tapering = at(82.0, middle);
    let even = 18.0 * 1e9 / (3.0 * 86_400.0);
    assert!(
        (0.96..=1.0).contains(&(tapering.rate.unwrap().0 as f64 / even)),
        "{tapering:?}"
    );
    assert_eq!(
        tapering.reason,
        "the month's quota: 82 % used, 66 KiB/s until 1 December"
    );
    // On the last day, what is left lasts for the day.
    let evening = at(82.0, Timestamp(month.resets.0 - DAY));
    assert!(evening.rate.unwrap().0 > 29 * tapering.rate.unwrap().0 / 10);

    let reserved = at(95.0, middle);
    assert!(reserved.is_reserved);
    assert_eq!(
        reserved.reason,
        "the month's quota: 95 % used, 18.5 KiB/s until 1 December, for first copies only"
    );
    assert_eq!(at(99.999, middle).rate, Some(Rate(LEAST_RATE)));
    for over in [100.0, 100.4, 250.0] {
        assert_eq!(at(over, middle).rate, Some(Rate(0)));
    }
    assert_eq!(
        at(100.4, middle).reason,
        "the month's quota: 100 % used, only metadata until 1 December"
    );
}

#[test]
fn a_small_quota_cannot_be_overrun_between_two_looks() {
    let month = november();
    let now = Timestamp(month.begins.0 + DAY);
    let fresh = |bytes| decide(&plan(bytes), &month, used(0), now).rate;
    let rate = fresh(GB).unwrap().0;
    assert!((15_600_000..=16_666_666).contains(&rate), "{rate}");
    assert!(fresh(60 * SWIFT - 1000).is_some());
    assert_eq!(fresh(60 * SWIFT), None);
}

#[test]
fn what_cannot_be_withheld_is_left_its_part() {
    let month = november();
    let now = Timestamp(month.begins.0 + 20 * DAY);
    let with = |total, bytes| {
        let beside = Lately {
            bytes,
            since: month.begins,
        };
        decide(&plan(100 * GB), &month, Used { total, beside }, now)
    };
    // Six gigabytes in twenty days will be three more in ten.
    assert!(with(96 * GB, 6 * GB).rate != Some(Rate(0)));
    assert_eq!(with(97 * GB, 6 * GB).rate, Some(Rate(0)));
    // It is foreseen on the first day, from the month before.
    let (first, since) = (month.begins, Timestamp(month.begins.0 - 30 * DAY));
    let beside = Lately {
        bytes: 9 * GB,
        since,
    };
    let used = |total| Used { total, beside };
    assert_eq!(
        decide(&plan(100 * GB), &month, used(91 * GB), first).rate,
        Some(Rate(0))
    );
    assert!(decide(&plan(100 * GB), &month, used(90 * GB), first).rate != Some(Rate(0)));
    // There is a bound to it, lest nothing be given at all.
    assert!(with(74 * GB, 60 * GB).rate != Some(Rate(0)));
}

#[test]
fn the_reserve_is_for_first_copies_and_a_budget_is_a_releases_own() {
    let month = november();
    let now = Timestamp(month.begins.0 + 15 * DAY);
    let quota = |total| decide(&plan(100 * GB), &month, used(total), now);
    let claim = Claim {
        used: 5 * GB,
        budget: None,
        is_out: true,
    };
    let first = Claim {
        is_out: false,
        ..claim
    };
    let frugal = Claim {
        budget: Some(Size(5 * GB)),
        ..first
    };
    for (total, claim, expected) in [
        (Some(10), claim, Ok(())),
        (Some(89), claim, Ok(())),
        (Some(90), claim, Err(Withheld::Reserve)),
        (Some(90), first, Ok(())),
        (Some(100), first, Err(Withheld::Quota)),
        (Some(100), frugal, Err(Withheld::Quota)),
        (Some(10), frugal, Err(Withheld::Budget)),
        (None, frugal, Err(Withheld::Budget)),
        (None, claim, Ok(())),
    ] {
        let quota = total.map(|total: u64| quota(total * GB));
        assert_eq!(
            admit(quota.as_ref(), &claim),
            expected,
            "{total:?} {claim:?}"
        );
    }
    assert_eq!(
        Withheld::Budget.reason(&month),
        "waits until 1 December: its budget for the month is used"
    );
}

proptest! {
    #[test]
    fn the_more_is_used_the_less_may_leave(
        quota in GB..10_000 * GB,
        reserve in 0..=90_u8,
        shares in prop::collection::vec(0.0..1.2_f64, 2..40),
        beside in 0.0..0.3_f64,
        into in 0.0..1.0_f64,
    ) {
        let month = november();
        let now = Timestamp(month.begins.0 + ((month.resets.0 - month.begins.0) as f64 * into) as i64);
        let mut shares = shares;
        shares.sort_by(f64::total_cmp);
        let of = |share: f64| (quota as f64 * share) as u64;
        let mut before: Option<Verdict> = None;
        for share in shares {
            let beside = Lately { bytes: of(beside), since: month.begins };
            let used = Used { total: of(share), beside };
            let verdict = decide(&Plan { bytes: Size(quota), reserve }, &month, used, now);
            let rate = verdict.rate.map_or(u64::MAX, |rate| rate.0);
            prop_assert!(rate <= quota / 60 || rate == LEAST_RATE || quota > 60 * SWIFT);
            if let Some(before) = before {
                let earlier = before.rate.map_or(u64::MAX, |rate| rate.0);
                prop_assert!(rate <= earlier, "{verdict:?} after {before:?}");
                prop_assert!(verdict.is_reserved || !before.is_reserved);
            }
            prop_assert!(share < 1.0 || rate == 0);
            before = Some(verdict);
        }
    }
}
