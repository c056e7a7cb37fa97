use super::vitals::Zone;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

struct Bench {
    watch: Watch,
    start: Instant,
}

impl Bench {
    fn new() -> Self {
        Self {
            watch: Watch::default(),
            start: Instant::now(),
        }
    }

    /// The words of what is strained, `seconds` after the start.
    fn at(&mut self, seconds: u64, vitals: &Vitals) -> Vec<&'static str> {
        let health = self
            .watch
            .look(vitals, self.start + SECOND * seconds as u32);
        assert_eq!(health.is_strained(), !health.strains.is_empty());
        health.strains.iter().map(Strain::as_str).collect()
    }
}

fn low(is_low: bool) -> Vitals {
    Vitals {
        undervoltage: Some(is_low),
        ..Vitals::default()
    }
}

fn warm(temperature: i64) -> Vitals {
    let zone = |name: &str, temperature| Zone {
        name: name.to_owned(),
        temperature,
        limit: Some(80_000),
    };
    Vitals {
        zones: vec![zone("cpu", temperature), zone("pmic", 41_000)],
        ..Vitals::default()
    }
}

#[test]
fn one_brown_out_is_held_for_a_minute() {
    let mut bench = Bench::new();
    assert!(bench.at(0, &low(false)).is_empty());
    assert_eq!(bench.at(3, &low(true)), ["undervoltage"]);
    assert_eq!(bench.at(6, &low(false)), ["undervoltage"]);
    assert_eq!(bench.at(62, &low(false)), ["undervoltage"]);
    assert!(bench.at(63, &low(false)).is_empty());
}

#[test]
fn what_cannot_be_read_says_nothing_and_passes() {
    let mut bench = Bench::new();
    assert!(bench.at(0, &Vitals::default()).is_empty());
    assert_eq!(bench.at(3, &low(true)), ["undervoltage"]);
    assert_eq!(bench.at(6, &Vitals::default()), ["undervoltage"]);
    assert!(bench.at(70, &Vitals::default()).is_empty());
}

#[test]
fn a_relapse_is_held_twice_as_long_and_a_quarter_of_an_hour_at_most() {
    let mut bench = Bench::new();
    let mut now = 0;
    let mut holds = Vec::new();
    for _ in 0..7 {
        assert_eq!(bench.at(now, &low(true)), ["undervoltage"]);
        let began = now;
        while !bench.at(now, &low(false)).is_empty() {
            now += 1;
        }
        holds.push(now - began);
        now += RELAPSE.as_secs() - 1;
    }
    assert_eq!(holds, [60, 120, 240, 480, 900, 900, 900]);
    // Calm for long enough: the supply was changed, or it is another matter.
    now += RELAPSE.as_secs();
    bench.at(now, &low(true));
    assert_eq!(bench.at(now + 59, &low(false)), ["undervoltage"]);
    assert!(bench.at(now + 60, &low(false)).is_empty());
}

#[test]
fn heat_begins_at_the_limit_and_ends_well_below_it() {
    let mut bench = Bench::new();
    assert!(bench.at(0, &warm(79_999)).is_empty());
    assert_eq!(bench.at(3, &warm(80_000)), ["heat"]);
    // A sensor that wavers: as hot as before, for as long as it takes.
    for now in (6..600).step_by(3) {
        assert_eq!(bench.at(now, &warm(75_000)), ["heat"], "{now}");
    }
    assert_eq!(bench.at(600, &warm(74_999)), ["heat"], "held");
    assert!(bench.at(700, &warm(79_999)).is_empty());
}

#[test]
fn every_strain_is_said_as_it_was_seen_last() {
    let mut watch = Watch::default();
    let vitals = Vitals {
        undervoltage: Some(true),
        throttled: Some(true),
        ..warm(84_600)
    };
    let health = watch.look(&vitals, Instant::now());
    let said: Vec<String> = health.strains.iter().map(Strain::to_string).collect();
    assert_eq!(
        said,
        [
            "the power supply gives too little voltage",
            "the board is too hot, 85 °C",
            "the processor is slowed down because it is too hot",
        ]
    );
    assert_eq!(health.celsius, Some(85));
    let words: Vec<_> = health.strains.iter().map(Strain::as_str).collect();
    assert_eq!(words, Strain::WORDS);
}

#[test]
fn a_clock_that_stands_or_a_zone_below_zero_does_no_harm() {
    let mut bench = Bench::new();
    bench.at(10, &low(true));
    assert_eq!(bench.at(0, &low(false)), ["undervoltage"]);
    assert_eq!(degrees(-400), 0);
    assert_eq!(degrees(-1_600), -2);
}
