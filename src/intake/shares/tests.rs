use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::*;
use crate::base::{Secret, ShareAddress, ShareLogin, ShareProtocol, Timestamp};
use crate::intake::place::PlaceState;
use crate::store::Facts;

/// What all worlds of a test are like, and what was done in them.
#[derive(Debug, Default)]
struct Story {
    /// Why the server is not to be reached.
    away: Option<Fault>,
    /// The password that the server takes.
    password: Option<String>,
    /// Whether probes answer nothing for ever.
    hangs: bool,
    /// Whether mounts do.
    mounts_hang: bool,
    /// Whether nothing can be unmounted.
    held: bool,
    done: Vec<String>,
}

type Told = Arc<(Mutex<Story>, Notify)>;

struct Pretended(Told, String, PathBuf);

impl Pretended {
    fn note(&self, what: &str) {
        self.0.0.lock().done.push(format!("{what} {}", self.1));
        self.0.1.notify_waiters();
    }
}

impl World for Pretended {
    fn path(&self) -> &Path {
        &self.2
    }

    async fn reach(&mut self, share: &Share, _: Option<SocketAddr>) -> Result<SocketAddr, Fault> {
        self.note("reach");
        match &self.0.0.lock().away {
            Some(why) => Err(why.clone()),
            None => Ok(SocketAddr::from(([10, 0, 0, 7], share.address.port()))),
        }
    }

    async fn mount(&mut self, share: &Share, _: SocketAddr) -> Result<(), Fault> {
        self.note("mount");
        let hangs = self.0.0.lock().mounts_hang;
        if hangs {
            std::future::pending::<()>().await;
        }
        let given = share.login.password.as_ref().map(Secret::reveal);
        match &self.0.0.lock().password {
            Some(wanted) if given != Some(wanted) => Err(Fault::Login),
            _ => Ok(()),
        }
    }

    async fn unmount(&mut self, _: &Share) -> Result<(), Fault> {
        self.note("unmount");
        match self.0.0.lock().held {
            true => Err(Fault::Busy),
            false => Ok(()),
        }
    }

    async fn probe(&mut self, _: &Share) -> Result<Facts, Fault> {
        self.note("probe");
        let hangs = self.0.0.lock().hangs;
        if hangs {
            std::future::pending::<()>().await;
        }
        Ok(Facts {
            size: Some(1 << 40),
            ..Facts::default()
        })
    }
}

struct Bench {
    store: Store,
    shares: Shares,
    places: mpsc::Receiver<Place>,
    told: Told,
}

impl Bench {
    fn new(folders: &[&str]) -> Self {
        let store = Store::in_memory().unwrap();
        for folder in folders {
            add(&store, folder);
        }
        let (tell, places) = mpsc::channel(16);
        let told = Told::default();
        let theirs = Arc::clone(&told);
        let world = move |share: &Share| {
            let name = share.source.to_string();
            let path = Path::new("/mounts").join(&name);
            Pretended(Arc::clone(&theirs), name, path)
        };
        let shares = Shares::start_in(store.clone(), tell, world);
        Self {
            store,
            shares,
            places,
            told,
        }
    }

    /// The next place that is told.
    async fn place(&mut self) -> Place {
        let place = timeout(Duration::from_secs(20), self.places.recv()).await;
        place.expect("nothing is told").expect("the shares ended")
    }

    async fn until_done(&self, what: &str) {
        let wait = async {
            loop {
                let noted = self.told.1.notified();
                if self.told.0.lock().done.iter().any(|done| done == what) {
                    return;
                }
                noted.await;
            }
        };
        timeout(Duration::from_secs(20), wait)
            .await
            .expect("it is not done");
    }
}

fn address(folder: &str) -> ShareAddress {
    ShareAddress::new(ShareProtocol::Smb, "nas", folder).unwrap()
}

fn add(store: &Store, folder: &str) -> Share {
    let login = ShareLogin::default();
    store
        .add_share(&address(folder), &login, true, Timestamp(1))
        .unwrap()
}

fn why(place: &Place) -> &str {
    match &place.state {
        PlaceState::Unusable { why } => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_share_is_opened_and_told_of() {
    let mut bench = Bench::new(&["films", "music"]);
    let mut seen = [bench.place().await, bench.place().await];
    seen.sort_by(|a, b| a.key.cmp(&b.key));
    for (place, (key, path)) in seen
        .iter()
        .zip([("smb://nas/films", "1"), ("smb://nas/music", "2")])
    {
        assert_eq!(place.key, key);
        assert_eq!(place.facts.size, Some(1 << 40));
        let path = PathBuf::from("/mounts").join(path);
        assert_eq!(place.state, PlaceState::Here { path, note: None });
    }
    assert_eq!(bench.shares.state(SourceId(1)), ShareState::Here);
    let done = bench.told.0.lock().done.clone();
    let first: Vec<&String> = done.iter().filter(|done| done.ends_with('1')).collect();
    assert_eq!(first, ["unmount 1", "reach 1", "mount 1", "probe 1"]);
}

#[tokio::test]
async fn a_server_that_is_away_is_said_and_taken_up_when_it_is_there() {
    let mut bench = Bench::new(&[]);
    bench.told.0.lock().away = Some(Fault::Unreachable);
    let id = add(&bench.store, "films").source;
    bench.shares.reload().await;
    let place = bench.place().await;
    assert!(why(&place).contains("cannot be reached"), "{place:?}");
    let state = bench.shares.state(id);
    let ShareState::Failing {
        why: Fault::Unreachable,
        retry: Some(_),
    } = state
    else {
        panic!("{state:?}");
    };
    bench.told.0.lock().away = None;
    let place = bench.place().await;
    assert!(matches!(place.state, PlaceState::Here { .. }), "{place:?}");
}

#[tokio::test]
async fn a_new_password_is_tried_at_once() {
    let mut bench = Bench::new(&[]);
    bench.told.0.lock().password = Some("right".to_owned());
    let id = add(&bench.store, "films").source;
    bench.shares.reload().await;
    assert!(why(&bench.place().await).contains("wrong user or password"));
    let login = ShareLogin {
        user: Some("mia".to_owned()),
        domain: None,
        password: Some(Secret::new("right")),
    };
    bench
        .store
        .change_share(id, |share| share.login = login)
        .unwrap();
    bench.shares.reload().await;
    loop {
        let place = bench.place().await;
        if matches!(place.state, PlaceState::Here { .. }) {
            break;
        }
        assert_eq!(why(&place), "it is being opened");
    }
    // A change that is none disturbs nothing.
    let before = bench.told.0.lock().done.len();
    bench.shares.reload().await;
    bench.shares.try_now(SourceId(99)).await;
    assert_eq!(bench.told.0.lock().done.len(), before);
}

#[tokio::test]
async fn a_share_that_moves_is_told_of_by_its_new_key() {
    let mut bench = Bench::new(&["films"]);
    assert_eq!(bench.place().await.key, "smb://nas/films");
    let moved = |share: &mut Share| share.address = address("movies");
    bench.store.change_share(SourceId(1), moved).unwrap();
    bench.shares.reload().await;
    let place = bench.place().await;
    assert_eq!(
        (place.key.to_str(), why(&place)),
        (Some("smb://nas/movies"), "it is being opened"),
        "the database has the new key already"
    );
    loop {
        let place = bench.place().await;
        assert_eq!(place.key, "smb://nas/movies");
        if matches!(place.state, PlaceState::Here { .. }) {
            break;
        }
    }
}

#[tokio::test]
async fn a_share_that_hangs_holds_up_neither_the_others_nor_its_own_removal() {
    let mut bench = Bench::new(&[]);
    bench.told.0.lock().hangs = true;
    let id = add(&bench.store, "films").source;
    bench.shares.reload().await;
    bench.until_done("probe 1").await;
    bench.told.0.lock().hangs = false;
    add(&bench.store, "music");
    bench.shares.reload().await;
    assert_eq!(bench.place().await.key, "smb://nas/music");
    bench.store.remove_share(id, Timestamp(2)).unwrap();
    bench.shares.reload().await;
    let gone = bench.place().await;
    assert_eq!(
        (gone.key.to_str(), gone.state),
        (Some("smb://nas/films"), PlaceState::Gone)
    );
    assert_eq!(
        bench.shares.state(id),
        ShareState::Opening,
        "nothing is known of it"
    );
}

#[tokio::test]
async fn trying_now_waits_for_nothing() {
    let mut bench = Bench::new(&[]);
    bench.told.0.lock().password = Some("right".to_owned());
    let id = add(&bench.store, "films").source;
    bench.shares.reload().await;
    assert!(why(&bench.place().await).contains("wrong user"));
    bench.told.0.lock().password = None;
    bench.shares.try_now(id).await;
    let place = bench.place().await;
    assert!(matches!(place.state, PlaceState::Here { .. }), "{place:?}");
}

#[tokio::test]
async fn a_share_that_hangs_while_it_is_mounted_holds_up_nobody_who_asks() {
    let mut bench = Bench::new(&[]);
    bench.told.0.lock().mounts_hang = true;
    let id = add(&bench.store, "films").source;
    bench.shares.reload().await;
    bench.until_done("mount 1").await;
    bench.told.0.lock().mounts_hang = false;
    let ask = async {
        for user in 0..20 {
            bench.shares.try_now(id).await;
            let login = ShareLogin {
                user: Some(user.to_string()),
                ..ShareLogin::default()
            };
            let change = |share: &mut Share| share.login = login;
            bench.store.change_share(id, change).unwrap();
            bench.shares.reload().await;
        }
        bench.store.remove_share(id, Timestamp(2)).unwrap();
        add(&bench.store, "music");
        bench.shares.reload().await;
    };
    timeout(Duration::from_secs(20), ask)
        .await
        .expect("who asks waits for a server");
    assert_eq!(bench.place().await.key, "smb://nas/music");
    bench.told.0.lock().done.clear();
    bench.shares.try_now(SourceId(2)).await;
    bench.until_done("probe 2").await;
}

#[tokio::test]
async fn a_share_that_is_added_again_is_not_taken_down_by_whoever_still_removes_it() {
    let mut bench = Bench::new(&["films"]);
    assert_eq!(bench.place().await.key, "smb://nas/films");
    let id = SourceId(1);
    {
        let mut story = bench.told.0.lock();
        story.held = true;
        story.done.clear();
    }
    bench.store.remove_share(id, Timestamp(2)).unwrap();
    bench.shares.reload().await;
    assert_eq!(bench.place().await.state, PlaceState::Gone);
    bench.until_done("unmount 1").await;
    bench.told.0.lock().done.clear();
    assert_eq!(add(&bench.store, "films").source, id);
    bench.shares.reload().await;
    let place = bench.place().await;
    assert!(matches!(place.state, PlaceState::Here { .. }), "{place:?}");
    assert_eq!(bench.shares.state(id), ShareState::Here);
    let done = bench.told.0.lock().done.clone();
    assert_eq!(done, ["unmount 1", "reach 1", "mount 1", "probe 1"]);
    assert_eq!(
        Arc::strong_count(&bench.told),
        3,
        "the bench, who makes worlds, and one world"
    );
}
