//! The conductor in this process, turned by hand: what becomes of releases whose files, drives and shares come and go.

use std::path::PathBuf;

use super::catalogue::look::{self, Look};
use super::seeding::TWICE;
use super::*;
use crate::base::{ShareAddress, ShareLogin, ShareProtocol, Stage};
use crate::intake::place::PlaceState;
use crate::store::{Facts, Release, SourceKind, Spend};

/// A few hundred KiB are read and taken up, on a busy machine.
const BOUND: Duration = Duration::from_secs(60);
/// Longer than anything that could not be read is looked into.
const LATER: Duration = Duration::from_secs(600);

/// A box without a page. It does nothing but in [`Bench::until`].
struct Bench {
    app: App,
    store: Store,
    dir: tempfile::TempDir,
    _handle: Handle,
}

impl Bench {
    /// One that shares what is in these folders of its own.
    async fn new(folders: &[&str]) -> Self {
        // A file system that takes files of any length, as the temporary one may not.
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let sources = folders.iter().map(|folder| dir.path().join(folder));
        let sources: Vec<PathBuf> = sources.collect();
        for source in &sources {
            std::fs::create_dir(source).unwrap();
        }
        let store = Store::in_memory().unwrap();
        let uploads = Uploads::open(&dir.path().join("uploads"), Timestamp::now()).unwrap();
        let config = AppConfig {
            sources,
            peer: "127.0.0.1:0".parse().unwrap(),
            state: dir.path().to_owned(),
            offline: true,
            rule: Rule::default(),
            quiet: Duration::ZERO,
            public_port: 0,
            helper: None,
            visits: Visits::default(),
            drives: None,
            sys: dir.path().join("sys"),
        };
        let started = App::start(config, store.clone(), uploads, Tracker::default()).await;
        let (app, handle) = started.unwrap();
        Self {
            app,
            store,
            dir,
            _handle: handle,
        }
    }

    /// One with the same film in "a", where it is given, and in "b", where it stands aside.
    async fn twice() -> (Self, Release, Release) {
        let mut bench = Self::new(&["a", "b"]).await;
        bench.write("a/film", 1);
        let first = bench.until_given("a/film").await;
        bench.write("b/film", 1);
        bench.look_again();
        let is_aside = |bench: &Self| bench.find("b/film").filter(|r| r.reason == TWICE);
        let second = bench.until("the second stands aside", is_aside).await;
        (bench, first, second)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts a file there.
    fn write(&self, name: &str, byte: u8) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, vec![byte; 100_000]).unwrap();
    }

    /// The release of that path in its source.
    fn find(&self, path: &str) -> Option<Release> {
        let path = self.path(path);
        let is_it = |release: &Release| {
            let source = self.app.sources.get(&release.source);
            source.is_some_and(|at| at.source.path.join(&release.name) == path)
        };
        self.store.releases().unwrap().into_iter().find(is_it)
    }

    fn release(&self, id: ReleaseId) -> Release {
        self.store.release(id).unwrap()
    }

    fn look_again(&mut self) {
        let now = Instant::now();
        self.app
            .sources
            .values_mut()
            .for_each(|at| at.look_again(now));
    }

    /// Does what the box does, until something is so.
    async fn until<T>(&mut self, what: &str, so: impl Fn(&Self) -> Option<T>) -> T {
        let end = Instant::now() + BOUND;
        loop {
            if let Some(done) = so(self) {
                return done;
            }
            let all = || self.store.releases().unwrap();
            assert!(Instant::now() < end, "not {what}: {:?}", all());
            let app = &mut self.app;
            tokio::select! {
                Some(told) = app.hashing.next() => app.hashed(told).await,
                Some(looked) = app.looks.next() => app.looked_at(looked).await.unwrap(),
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
            app.step().await.unwrap();
        }
    }

    async fn until_given(&mut self, path: &str) -> Release {
        let is_given = |bench: &Self| {
            let release = bench.find(path)?;
            let is_live = bench.app.live.contains_key(&release.id);
            (release.stage == Stage::Spreading && is_live).then_some(release)
        };
        self.until(&format!("{path} is given"), is_given).await
    }

    async fn until_at(&mut self, id: ReleaseId, stage: Stage) -> Release {
        let is_there = |bench: &Self| Some(bench.release(id)).filter(|r| r.stage == stage);
        self.until(&format!("{id} is {stage}"), is_there).await
    }

    /// Says what became of a drive or a share, which is a folder of the bench.
    async fn place(&mut self, kind: SourceKind, key: &str, state: PlaceState) {
        let (key, name) = (key.into(), key.to_owned());
        let facts = Facts::default();
        let place = Place {
            kind,
            key,
            name,
            state,
            facts,
        };
        self.app.place_changed(place).await.unwrap();
    }

    fn is_here(&self, folder: &str) -> PlaceState {
        let (path, note) = (self.path(folder), None);
        PlaceState::Here { path, note }
    }

    /// Has the owner share what was found.
    async fn share(&mut self, path: &str) -> Release {
        let find = |bench: &Self| bench.find(path);
        let found = self.until(&format!("{path} is found"), find).await;
        self.order(Order::Share(found.id)).await;
        self.until_given(path).await
    }

    /// Looks at a source by hand; what could not be read of a sample is `unreadable`.
    async fn look(&mut self, id: SourceId, unreadable: Option<ReleaseId>) {
        let source = self.app.sources[&id].source.clone();
        let look = Look {
            store: self.store.clone(),
            source: source.clone(),
            quiet: Duration::ZERO,
            seen: look::Seen::default(),
        };
        let mut found = look.look().unwrap();
        let why = || "cannot read film: Input/output error".to_owned();
        found.unreadable.extend(unreadable.map(|id| (id, why())));
        self.app.compare(&source, found).await.unwrap();
    }

    async fn order(&mut self, order: Order) {
        self.app.obey(order).await.unwrap();
    }

    /// The stage of a release when a source was looked at so much later that all that could not be read has failed.
    async fn later(&mut self, release: &Release) -> Stage {
        let settled = self
            .app
            .settle_doubts(release.source, Instant::now() + LATER);
        settled.await.unwrap();
        self.release(release.id).stage
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_read_does_not_fail_once_it_is_known_why() {
    let mut bench = Bench::new(&["media"]).await;
    bench.write("media/film", 1);
    let film = bench.until_given("media/film").await;
    let why = || "cannot read film: no such file".to_owned();

    bench.app.doubt(film.id, film.source, why());
    std::fs::rename(bench.path("media/film"), bench.path("media/The Film")).unwrap();
    let renamed = bench.until_given("media/The Film").await;
    assert_eq!(renamed.id, film.id);
    assert_eq!(bench.later(&film).await, Stage::Spreading, "renamed");

    bench.app.doubt(film.id, film.source, why());
    bench.write("media/The Film", 2);
    let is_another = |bench: &Bench| {
        let release = bench.release(film.id);
        (release.stage == Stage::Spreading && release.info_hash != film.info_hash).then_some(())
    };
    bench.until("it is another torrent", is_another).await;
    assert_eq!(bench.later(&film).await, Stage::Spreading, "changed");

    bench.app.doubt(film.id, film.source, why());
    bench.order(Order::Pause(film.id)).await;
    bench.order(Order::Resume(film.id)).await;
    assert_eq!(bench.later(&film).await, Stage::Spreading, "paused");

    bench.app.doubt(film.id, film.source, why());
    std::fs::rename(bench.path("media/The Film"), bench.path("aside")).unwrap();
    bench.until_at(film.id, Stage::Absent).await;
    std::fs::rename(bench.path("aside"), bench.path("media/The Film")).unwrap();
    bench.look_again();
    bench.until_at(film.id, Stage::Spreading).await;
    assert_eq!(bench.later(&film).await, Stage::Spreading, "taken away");

    bench.app.doubt(film.id, film.source, why());
    assert_eq!(bench.later(&film).await, Stage::Failed, "nobody knows why");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_a_share_that_was_removed() {
    let mut bench = Bench::new(&[]).await;
    bench.write("nas/film", 1);
    let address = ShareAddress::new(ShareProtocol::Smb, "nas", "films").unwrap();
    let added = bench
        .store
        .add_share(&address, &ShareLogin::default(), false, Timestamp::now());
    let (id, key) = (added.unwrap().source, address.key());
    let here = bench.is_here("nas");
    bench.place(SourceKind::Share, &key, here).await;
    bench.share("nas/film").await;

    bench.store.remove_share(id, Timestamp::now()).unwrap();
    bench.place(SourceKind::Share, &key, PlaceState::Gone).await;
    bench.app.step().await.unwrap();
    assert!(bench.app.live.is_empty(), "{:?}", bench.app.live);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_resumed_while_its_drive_is_away_goes_on_when_it_is_back() {
    let mut bench = Bench::new(&[]).await;
    bench.write("drive/film", 1);
    let here = bench.is_here("drive");
    bench.place(SourceKind::Drive, "d", here.clone()).await;
    let film = bench.share("drive/film").await;

    bench.order(Order::Pause(film.id)).await;
    bench.place(SourceKind::Drive, "d", PlaceState::Gone).await;
    assert_eq!(bench.release(film.id).stage, Stage::Paused);
    bench.order(Order::Resume(film.id)).await;
    let away = bench.release(film.id);
    assert_eq!(away.stage, Stage::Absent);
    assert_eq!(away.reason, "it is not plugged in");

    bench.place(SourceKind::Drive, "d", here).await;
    let back = bench.until_given("drive/film").await;
    assert_eq!(back.info_hash, film.info_hash);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_content_elsewhere_takes_over_by_itself() {
    let (mut bench, first, second) = Bench::twice().await;
    assert_eq!(second.info_hash, first.info_hash);
    assert_eq!(second.stage, Stage::Paused);
    let decided = |bench: &Bench| bench.store.decisions(second.id, 99).unwrap().len();
    let before = decided(&bench);
    bench.write("a/book", 2);
    bench.look_again();
    bench.until_given("a/book").await;
    assert_eq!(decided(&bench), before, "it does not try again and again");

    // Its owner wants it given no more: not from elsewhere either, unless he says so.
    bench.order(Order::Pause(first.id)).await;
    bench.write("a/song", 3);
    bench.look_again();
    bench.until_given("a/song").await;
    assert_eq!(bench.release(second.id).reason, TWICE);
    bench.order(Order::Resume(second.id)).await;
    bench.until_given("b/film").await;
    assert_eq!(bench.release(first.id).reason, "paused by its owner");

    // Back, it stands aside itself; and takes over where the files of the other go.
    bench.order(Order::Resume(first.id)).await;
    bench.until_at(first.id, Stage::Paused).await;
    std::fs::rename(bench.path("b/film"), bench.path("aside")).unwrap();
    bench.look_again();
    bench.until_given("a/film").await;
    assert_eq!(bench.release(second.id).stage, Stage::Absent);

    std::fs::rename(bench.path("aside"), bench.path("b/film")).unwrap();
    bench.look_again();
    bench.until_at(second.id, Stage::Paused).await;
    bench.order(Order::Remove(first.id)).await;
    bench.until_given("b/film").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_owner_paused_does_not_take_over() {
    let (mut bench, first, second) = Bench::twice().await;
    bench.order(Order::Pause(second.id)).await;
    bench.order(Order::Pause(first.id)).await;
    // The next look finds this, and by then the other would have taken over.
    bench.write("a/book", 2);
    bench.look_again();
    bench.until_given("a/book").await;
    assert_eq!(bench.release(second.id).reason, "paused by its owner");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_back_and_cannot_be_read_is_tried_again_before_it_fails() {
    let mut bench = Bench::new(&["media"]).await;
    bench.write("media/film", 1);
    let film = bench.until_given("media/film").await;
    let (id, source) = (film.id, film.source);
    let away = bench.app.source_away(source, "it does not answer", true);
    away.await.unwrap();

    bench.look(source, Some(id)).await;
    assert_eq!(bench.release(id).stage, Stage::Absent, "once is not enough");
    bench.look(source, None).await;
    assert_eq!(bench.release(id).stage, Stage::Spreading);
    assert_eq!(bench.later(&film).await, Stage::Spreading);

    // Its drive dropped out: that is why.
    let away = bench.app.source_away(source, "it does not answer", true);
    away.await.unwrap();
    bench.look(source, Some(id)).await;
    let away = bench.app.source_away(source, "it does not answer", true);
    away.await.unwrap();
    assert_eq!(bench.later(&film).await, Stage::Absent);

    bench.look(source, Some(id)).await;
    bench.look(source, Some(id)).await;
    assert_eq!(bench.later(&film).await, Stage::Failed);
    let reason = bench.release(id).reason;
    assert_eq!(reason, "cannot read film: Input/output error");

    // It goes and comes: that is not why it failed.
    let away = bench.app.source_away(source, "it does not answer", true);
    away.await.unwrap();
    assert_eq!(bench.release(id).stage, Stage::Absent);
    bench.look(source, None).await;
    let back = bench.release(id);
    assert_eq!((back.stage, back.reason), (Stage::Failed, reason));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_is_told_what_cannot_be_listed() {
    let mut bench = Bench::new(&["media"]).await;
    bench.write("media/film", 1);
    // A file with a hole may claim any length; together these are more than a torrent can say.
    for name in ["tapes", "reels"] {
        std::fs::create_dir(bench.path("media").join(name)).unwrap();
        for part in ["1", "2"] {
            let file = std::fs::File::create(bench.path("media").join(name).join(part)).unwrap();
            file.set_len(i64::MAX as u64 - 4095).unwrap();
        }
    }
    bench.until_given("media/film").await;
    let said = |bench: &Bench| {
        let mut sources = bench.app.sources.values();
        sources.find_map(|at| at.left_out.clone())
    };
    let left_out = bench.until("it is said", said).await;
    assert_eq!(left_out.others, 1);
    let why = "the files of reels claim more bytes than a torrent can hold";
    assert_eq!(left_out.why, why);

    for name in ["tapes", "reels"] {
        std::fs::remove_dir_all(bench.path("media").join(name)).unwrap();
    }
    bench.look_again();
    let is_well = |bench: &Bench| said(bench).is_none().then_some(());
    bench.until("nothing is left out", is_well).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_of_a_release_is_no_copy_of_what_it_has_become() {
    let mut bench = Bench::new(&["media"]).await;
    bench.write("media/film", 1);
    let film = bench.until_given("media/film").await;
    assert!(!bench.app.live[&film.id].is_out());
    let spend = Spend {
        release: film.id,
        day: bench.app.limits.day(),
        payload_bytes: film.size,
        wire_bytes: film.size,
    };
    bench.store.spend(&[spend], None).unwrap();
    let is_out = |bench: &Bench| bench.app.live.get(&film.id)?.is_out().then_some(());
    bench.until("its first copy is out", is_out).await;

    bench.write("media/film", 2);
    bench.look_again();
    let has_become = |bench: &Bench| {
        let is_another = bench.release(film.id).info_hash != film.info_hash;
        let live = bench.app.live.get(&film.id)?;
        (is_another && !live.is_out()).then_some(())
    };
    bench
        .until("its first copy is to be given again", has_become)
        .await;
}
