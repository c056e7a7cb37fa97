use super::*;
use crate::store::Facts;

fn device(minor: u32) -> Device {
    Device {
        number: format!("8:{minor}").parse().unwrap(),
        sequence: Some(u64::from(minor)),
    }
}

fn found(key: &str, minor: u32) -> Found {
    Found {
        device: device(minor),
        key: key.parse().unwrap(),
        name: format!("drive {key}"),
        facts: Facts::default(),
        unusable: None,
        plugged_in: true,
    }
}

fn key(name: &str) -> MountId {
    name.parse().unwrap()
}

fn mounted(path: &str) -> Outcome {
    Outcome::Mounted {
        path: path.into(),
        note: None,
        writable: false,
    }
}

fn failed(reason: Option<Reason>) -> Outcome {
    Outcome::Failed(Failure {
        reason,
        why: "does not work".to_owned(),
    })
}

/// What a step says, as words.
fn said(step: &Step) -> Vec<String> {
    let word = |place: &Place| match &place.state {
        PlaceState::Here { path, .. } => format!("{} at {}", place.name, path.display()),
        PlaceState::Unusable { why } => format!("{}: {why}", place.name),
        PlaceState::Gone => format!("{} gone", place.name),
    };
    step.places.iter().map(word).collect()
}

fn mount(key_: &str, minor: u32) -> Job {
    Job::Mount {
        key: key(key_),
        device: device(minor),
    }
}

fn unmount(name: &str) -> Job {
    Job::Unmount { key: key(name) }
}

#[test]
fn a_drive_comes_and_goes_and_nothing_of_it_is_left() {
    let mut table = Table::default();
    let now = Instant::now();
    let step = table.look(vec![found("a", 1)], now);
    assert_eq!(step.jobs, [mount("a", 1)]);
    assert!(step.places.is_empty(), "not before it can be read");
    // However often it is looked at, it is mounted once.
    assert_eq!(table.look(vec![found("a", 1)], now), Step::default());
    let step = table.done(&key("a"), Some(device(1)), mounted("/m/a"), now);
    assert_eq!(
        (said(&step), step.jobs),
        (vec!["drive a at /m/a".to_owned()], vec![])
    );
    assert_eq!(table.look(vec![found("a", 1)], now), Step::default());

    let step = table.look(vec![], now);
    assert_eq!(
        (said(&step), step.jobs),
        (vec!["drive a gone".to_owned()], vec![unmount("a")])
    );
    assert_eq!(
        table.done(&key("a"), None, Outcome::Unmounted, now),
        Step::default()
    );
    assert!(table.known.is_empty());
}

#[test]
fn a_drive_that_is_back_before_it_was_unmounted_waits_for_that() {
    let mut table = Table::default();
    let now = Instant::now();
    table.look(vec![found("a", 1)], now);
    table.done(&key("a"), Some(device(1)), mounted("/m/a"), now);
    // In another port, within one look.
    let step = table.look(vec![found("a", 2)], now);
    assert_eq!(
        (said(&step), step.jobs),
        (vec!["drive a gone".to_owned()], vec![unmount("a")])
    );
    assert_eq!(table.look(vec![found("a", 2)], now), Step::default());
    let step = table.done(&key("a"), None, Outcome::Unmounted, now);
    assert_eq!(step.jobs, [mount("a", 2)]);
    let step = table.done(&key("a"), Some(device(2)), mounted("/m/a"), now);
    assert_eq!(said(&step), ["drive a at /m/a"]);
}

#[test]
fn a_drive_that_is_pulled_while_it_is_mounted_is_unmounted_and_never_said_to_be_here() {
    let mut table = Table::default();
    let now = Instant::now();
    table.look(vec![found("a", 1)], now);
    assert_eq!(table.look(vec![], now), Step::default());
    let step = table.done(&key("a"), Some(device(1)), mounted("/m/a"), now);
    assert_eq!((said(&step), step.jobs), (vec![], vec![unmount("a")]));
    table.done(&key("a"), None, Outcome::Unmounted, now);
    assert!(table.known.is_empty());
}

#[test]
fn what_may_pass_is_tried_again_later_and_later() {
    let mut table = Table::default();
    let mut now = Instant::now();
    table.look(vec![found("a", 1)], now);
    let mut pauses = Vec::new();
    for _ in 0..9 {
        table.done(&key("a"), Some(device(1)), failed(None), now);
        let due = table.due().unwrap();
        pauses.push((due - now).as_secs());
        assert!(table.look(vec![found("a", 1)], now).jobs.is_empty());
        now = due;
        assert_eq!(table.look(vec![found("a", 1)], now).jobs, [mount("a", 1)]);
        assert_eq!(table.due(), None, "while it is tried");
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
}

#[test]
fn what_does_not_pass_is_said_once_and_left_until_the_owner_does_something() {
    let mut table = Table::default();
    let now = Instant::now();
    table.look(vec![found("a", 1)], now);
    let step = table.done(
        &key("a"),
        Some(device(1)),
        failed(Some(Reason::Damaged)),
        now,
    );
    assert_eq!(
        (said(&step), step.jobs),
        (vec!["drive a: it does not work".to_owned()], vec![])
    );
    assert_eq!(table.due(), None);
    let later = now + Duration::from_secs(3600);
    assert_eq!(table.look(vec![found("a", 1)], later), Step::default());
    let step = table.try_again(later);
    assert_eq!(step.jobs, [mount("a", 1)]);
    assert!(
        step.places.is_empty(),
        "it is as it was, for all that is known"
    );
    // Or until it is plugged in again.
    table.done(
        &key("a"),
        Some(device(1)),
        failed(Some(Reason::Damaged)),
        later,
    );
    assert_eq!(table.look(vec![found("a", 2)], later).jobs, [mount("a", 2)]);
}

#[test]
fn what_its_owner_does_not_want_any_more_is_unmounted_and_asked_for_again() {
    let (mut table, now) = (Table::default(), Instant::now());
    table.look(vec![found("a", 1)], now);
    table.done(&key("a"), Some(device(1)), mounted("/m/a"), now);
    let step = table.afresh(&key("a"), now);
    assert_eq!((said(&step), step.jobs), (vec![], vec![unmount("a")]));
    let step = table.done(&key("a"), None, Outcome::Unmounted, now);
    assert_eq!(step.jobs, [mount("a", 1)]);
    // While it is mounted he decides once more.
    assert_eq!(table.afresh(&key("a"), now), Step::default());
    let step = table.done(&key("a"), Some(device(1)), mounted("/m/a"), now);
    assert_eq!((said(&step), step.jobs), (vec![], vec![unmount("a")]));
    table.done(&key("a"), None, Outcome::Unmounted, now);
    let refused = failed(Some(Reason::NotApproved));
    let step = table.done(&key("a"), Some(device(1)), refused, now);
    assert_eq!(said(&step), ["drive a: it does not work"]);
    // What is known of it is said again, though it is no news.
    let step = table.afresh(&key("a"), now);
    assert_eq!(step.jobs, [mount("a", 1)]);
    let refused = failed(Some(Reason::NotApproved));
    let step = table.done(&key("a"), Some(device(1)), refused, now);
    assert_eq!(said(&step), ["drive a: it does not work"]);
    assert_eq!(table.afresh(&key("nobody"), now), Step::default());
}

#[test]
fn the_system_and_images_that_nobody_asked_for_are_no_news() {
    let mut table = Table::default();
    let now = Instant::now();
    table.look(vec![found("a", 1)], now);
    let step = table.done(
        &key("a"),
        Some(device(1)),
        failed(Some(Reason::System)),
        now,
    );
    assert_eq!(step, Step::default());
    let mut image = found("b", 1);
    image.device.number.major = LOOP;
    let disk = found("c", 3);
    table.look(vec![image.clone(), disk.clone()], now);
    let step = table.done(
        &image.key,
        Some(image.device),
        failed(Some(Reason::NotApproved)),
        now,
    );
    assert!(step.places.is_empty());
    let step = table.done(
        &disk.key,
        Some(disk.device),
        failed(Some(Reason::NotApproved)),
        now,
    );
    assert_eq!(said(&step), ["drive c: it does not work"]);
}

#[test]
fn what_cannot_be_used_is_said_and_a_new_label_too() {
    let mut table = Table::default();
    let now = Instant::now();
    let mut locked = found("a", 1);
    locked.unusable = Some("is encrypted".to_owned());
    let step = table.look(vec![locked.clone()], now);
    assert_eq!(
        (said(&step), step.jobs),
        (vec!["drive a: it is encrypted".to_owned()], vec![])
    );
    // Formatted while it is plugged in.
    let step = table.look(vec![found("a", 1)], now);
    assert_eq!(
        (said(&step), step.jobs),
        (vec!["drive a gone".to_owned()], vec![mount("a", 1)])
    );
    table.done(&key("a"), Some(device(1)), mounted("/m/a"), now);
    let mut renamed = found("a", 1);
    renamed.name = "films".to_owned();
    let step = table.look(vec![renamed], now);
    assert_eq!(
        (said(&step), step.jobs),
        (vec!["films at /m/a".to_owned()], vec![])
    );
}

proptest::proptest! {
    /// Whatever comes, goes, fails and is late: at most one job for each key, nothing mounted is forgotten, and in the end
    /// all is as it is found.
    #[test]
    fn in_the_end_all_is_as_it_is_found(steps in proptest::collection::vec((0..3_u32, 0..3_usize, proptest::bool::ANY), 0..60)) {
        let names = ["a", "b", "c"];
        let mut table = Table::default();
        let now = Instant::now();
        let mut there: [Option<u32>; 3] = [None; 3];
        let mut doing: HashMap<MountId, Job> = HashMap::new();
        let mut really: HashMap<MountId, Device> = HashMap::new();
        let mut here: HashMap<MountId, bool> = HashMap::new();
        let mut count = 0;
        let take = |step: Step, doing: &mut HashMap<MountId, Job>, here: &mut HashMap<MountId, bool>| {
            for place in step.places {
                let key = place.key.to_str().unwrap().parse().unwrap();
                here.insert(key, matches!(place.state, PlaceState::Here { .. }));
            }
            for job in step.jobs {
                let (Job::Mount { key, .. } | Job::Unmount { key }) = &job;
                assert!(doing.insert(key.clone(), job).is_none(), "two at once");
            }
            for key in doing.keys() {
                assert_ne!(here.get(key), Some(&true), "said to be here while it is unmounted");
            }
        };
        let finish = |key: &MountId, job: Job, ok: bool, really: &mut HashMap<MountId, Device>, table: &mut Table| match job {
            Job::Mount { device, .. } if ok => {
                really.insert(key.clone(), device);
                table.done(key, Some(device), mounted("/m"), now)
            }
            Job::Mount { device, .. } => table.done(key, Some(device), failed(Some(Reason::Damaged)), now),
            Job::Unmount { .. } => {
                really.remove(key);
                table.done(key, None, Outcome::Unmounted, now)
            }
        };
        for (what, which, ok) in steps {
            if what == 0 {
                count += 1;
                there[which] = Some(count);
            } else if what == 1 {
                there[which] = None;
            } else if let Some(job) = doing.remove(&key(names[which])) {
                let step = finish(&key(names[which]), job, ok, &mut really, &mut table);
                take(step, &mut doing, &mut here);
                continue;
            }
            let seen = names.iter().zip(there).filter_map(|(name, minor)| Some(found(name, minor?))).collect();
            take(table.look(seen, now), &mut doing, &mut here);
        }
        let seen: Vec<Found> = names.iter().zip(there).filter_map(|(name, minor)| Some(found(name, minor?))).collect();
        take(table.try_again(now), &mut doing, &mut here);
        take(table.look(seen.clone(), now), &mut doing, &mut here);
        for _ in 0..20 {
            for (name, job) in std::mem::take(&mut doing) {
                let step = finish(&name, job, true, &mut really, &mut table);
                take(step, &mut doing, &mut here);
            }
            take(table.try_again(now), &mut doing, &mut here);
        }
        proptest::prop_assert!(doing.is_empty());
        let wanted: HashMap<MountId, Device> = seen.iter().map(|one| (one.key.clone(), one.device)).collect();
        proptest::prop_assert_eq!(really, wanted);
        for name in names {
            let said = here.get(&key(name)).copied().unwrap_or(false);
            proptest::prop_assert_eq!(said, seen.iter().any(|one| one.key == key(name)), "{}", name);
        }
    }
}
