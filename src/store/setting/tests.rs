use super::*;
use crate::base::Weekday;

fn window(days: &[Weekday], from: u16, to: u16, rate: u64) -> Window {
    Window {
        days: days.to_vec(),
        from,
        to,
        rate: Rate(rate),
    }
}

#[test]
fn settings_keep_and_have_defaults() {
    let store = Store::in_memory().unwrap();
    assert_eq!(store.settings().unwrap(), Settings::default());
    let changed = Settings {
        box_name: Some("Hay loft".to_owned()),
        upstream_cap: Some(Rate(4 << 20)),
        relays: 5,
        trackers: vec!["udp://tracker.example:6969/announce".to_owned()],
        public_host: Some("box.example:6880".to_owned()),
        keep: true,
        generous: true,
        schedule: vec![window(&[Weekday::Sat, Weekday::Sun], 1320, 420, 0)],
        time_zone: Some("Europe/Paris".to_owned()),
        monthly_quota: Some(Size(500_000_000_000)),
        quota_reset_day: 31,
        quota_reserve: 0,
        guard: false,
        public_title: Some("Anna’s films".to_owned()),
        public_description: Some("Home films.".to_owned()),
        public_index: false,
        public_robots: true,
        public_forward: true,
        copyright_contact: Some("anna@box.example".to_owned()),
        uploads_to: Some("ext4-0a1b-4C53".to_owned()),
    };
    store.set_settings(&changed).unwrap();
    assert_eq!(store.settings().unwrap(), changed);
    store.set_settings(&Settings::default()).unwrap();
    assert_eq!(store.settings().unwrap(), Settings::default());
}

#[test]
fn a_setting_of_another_version_is_passed_over() {
    let store = Store::in_memory().unwrap();
    let row = "INSERT INTO setting VALUES ('colours', '[1, 2]'), ('relays', '7')";
    store.connection.lock().execute_batch(row).unwrap();
    let settings = Settings {
        relays: 7,
        ..Settings::default()
    };
    assert_eq!(store.settings().unwrap(), settings);
}

#[test]
fn what_is_out_of_range_is_refused_and_said() {
    let store = Store::in_memory().unwrap();
    let trackers = |urls: &[&str]| Settings {
        trackers: urls.iter().map(|&url| url.to_owned()).collect(),
        ..Settings::default()
    };
    let host = |host: &str| Settings {
        public_host: Some(host.to_owned()),
        ..Settings::default()
    };
    for bad in [
        Settings {
            upstream_cap: Some(Rate(1)),
            ..Settings::default()
        },
        Settings {
            upstream_cap: Some(Rate(u64::MAX)),
            ..Settings::default()
        },
        Settings {
            relays: 0,
            ..Settings::default()
        },
        Settings {
            relays: 51,
            ..Settings::default()
        },
        trackers(&["tracker.example"]),
        trackers(&["ftp://tracker.example"]),
        trackers(&["udp://tracker.example"]),
        trackers(&["http://a b/"]),
        trackers(&["http://a/\r\n"]),
        trackers(&[&format!("http://a/{}", "x".repeat(600))]),
        trackers(&["http://a/"; 21]),
        host("http://box.example"),
        host("a b"),
    ] {
        let error = store.set_settings(&bad).unwrap_err();
        assert!(matches!(error, StoreError::Setting(_)), "{bad:?}: {error}");
    }
    assert_eq!(store.settings().unwrap(), Settings::default());
}

#[test]
fn limits_out_of_range_are_refused_and_said() {
    let scheduled = |windows: Vec<Window>| Settings {
        schedule: windows,
        ..Settings::default()
    };
    let mon = [Weekday::Mon];
    let one = |days: &[Weekday], from, to, rate| scheduled(vec![window(days, from, to, rate)]);
    let zone = |name: &str| Settings {
        time_zone: Some(name.to_owned()),
        ..Settings::default()
    };
    let quota = |bytes| Settings {
        monthly_quota: Some(Size(bytes)),
        ..Settings::default()
    };
    let reset = |quota_reset_day| Settings {
        quota_reset_day,
        ..Settings::default()
    };
    let reserve = |quota_reserve| Settings {
        quota_reserve,
        ..Settings::default()
    };
    for (good, why) in [
        (one(&mon, 0, 1440, 1024), "the whole day"),
        (one(&mon, 1439, 0, 0), "over midnight"),
        (
            scheduled(vec![window(&Weekday::ALL, 1, 2, 0); MAX_WINDOWS]),
            "as many as there can be",
        ),
        (zone("America/Argentina/Buenos_Aires"), "a long name"),
        (quota(MIN_MONTHLY_QUOTA), "the least"),
        (reset(31), "the last day"),
        (reserve(MAX_QUOTA_RESERVE), "the most"),
    ] {
        assert_eq!(good.check(), Ok(()), "{why}");
    }
    for (bad, said) in [
        (one(&[], 0, 60, 0), "window 1 of the schedule is on no day"),
        (one(&[mon[0], mon[0]], 0, 60, 0), "twice"),
        (one(&mon, 1440, 60, 0), "begins after"),
        (one(&mon, 0, 1441, 0), "ends after"),
        (one(&mon, 60, 60, 0), "ends when it begins"),
        (one(&mon, 0, 60, 1023), "1024"),
        (one(&mon, 0, 60, u64::MAX), "no limit"),
        (
            scheduled(vec![window(&mon, 1, 2, 0); MAX_WINDOWS + 1]),
            "50 windows",
        ),
        (zone("Paris"), "not a time zone"),
        (zone(""), "not a time zone"),
        (quota(1000), "cannot be below"),
        (quota(u64::MAX), "cannot be below"),
        (reset(0), "1 to 31"),
        (reset(32), "1 to 31"),
        (reserve(91), "0 to 90"),
    ] {
        let error = bad.check().unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn what_the_public_would_read_is_checked() {
    let title = |text: &str| Settings {
        public_title: Some(text.to_owned()),
        ..Settings::default()
    };
    let description = |text: &str| Settings {
        public_description: Some(text.to_owned()),
        ..Settings::default()
    };
    let contact = |text: &str| Settings {
        copyright_contact: Some(text.to_owned()),
        ..Settings::default()
    };
    let [fits, long] = [MAX_PUBLIC_TITLE, MAX_PUBLIC_TITLE + 1].map(|count| "é".repeat(count));
    for good in [
        title(&fits),
        description(&long),
        contact("https://box.example/contact"),
    ] {
        assert_eq!(good.check(), Ok(()), "{good:?}");
    }
    for (bad, said) in [
        (title(&long), "title"),
        (title(" "), "title"),
        (title("a\nb"), "title"),
        (
            description(&"x".repeat(MAX_PUBLIC_DESCRIPTION + 1)),
            "description",
        ),
        (contact("javascript:alert(1)"), "not a contact"),
        (contact("nobody"), "not a contact"),
    ] {
        let error = bad.check().unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
