//! The public listener, and what a visitor gets from it.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use semoir::base::{
    Content, ContentFile, FileIdentity, InfoHash, ReleaseId, Stage, Timestamp, Visits,
};
use semoir::publish::{PublishState, router};
use semoir::store::{NewSource, NewTorrent, Settings, SourceKind, Store};
use tower::ServiceExt;

/// The info dictionary of every release.
pub const INFO: &[u8] = b"d6:lengthi7e4:name1:\xff12:piece lengthi16384e6:pieces0:e";

/// When the release made of 0 was found: noon of a Tuesday.
pub const FOUND: i64 = 1_764_072_000;

/// The public listener over a database in a temporary folder.
pub struct Listener {
    router: Router,
    pub store: Store,
    pub visits: Visits,
    _dir: tempfile::TempDir,
}

/// An answer, read whole.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Listener {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("semoir.db")).unwrap();
        let visits = Visits::default();
        let state = PublishState {
            store: store.clone(),
            name: "Anna's box".to_owned(),
            public_port: 6880,
            visits: visits.clone(),
        };
        Self {
            router: router(state),
            store,
            visits,
            _dir: dir,
        }
    }

    /// Puts a hashed release into the database; its info hash is `seed`, twenty times.
    pub fn put(&self, name: &OsStr, seed: u8, files: &[(&str, u64)], stage: Stage) -> ReleaseId {
        self.put_torrent(name, seed, files, stage, false)
    }

    /// The same, of which the torrent may be private.
    pub fn put_torrent(
        &self,
        name: &OsStr,
        seed: u8,
        files: &[(&str, u64)],
        stage: Stage,
        private: bool,
    ) -> ReleaseId {
        let folder = Path::new("/media");
        let source = self
            .store
            .take_up_source(
                &NewSource {
                    kind: SourceKind::Folder,
                    key: folder.as_os_str(),
                    name: "media",
                    path: folder,
                    auto_share: true,
                    facts: None,
                },
                Timestamp(1),
            )
            .unwrap();
        let file = |&(path, size): &(&str, u64)| ContentFile {
            path: path.into(),
            length: size,
            identity: Some(FileIdentity {
                size,
                mtime_ns: 1,
                inode: 1,
            }),
        };
        let content = Content {
            root: folder.join(name),
            files: files.iter().map(file).collect(),
        };
        let id = self
            .store
            .found(
                source.id,
                name,
                &content,
                Timestamp(FOUND + i64::from(seed)),
            )
            .unwrap()
            .id;
        let torrent = NewTorrent {
            info: INFO,
            info_hash: InfoHash([seed; 20]),
            piece_length: 16_384,
            private,
        };
        self.store
            .save_torrent(id, &torrent, "hashed", Timestamp(2))
            .unwrap();
        self.store
            .set_stage(id, stage, "for the test", Timestamp(3))
            .unwrap();
        id
    }

    /// Changes what the owner wants.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        self.store.change_settings(change).unwrap();
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "box.example:6880");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.answer(request.body(Body::empty()).unwrap()).await
    }

    /// What somebody at that address gets.
    pub async fn send_from(&self, path: &str, from: ConnectInfo<SocketAddr>) -> Answer {
        let request = Request::builder()
            .uri(path)
            .header("host", "box.example:6880");
        self.answer(request.extension(from).body(Body::empty()).unwrap())
            .await
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// What a reader of that language gets.
    pub async fn get_in(&self, language: &str, path: &str) -> Answer {
        self.send("GET", path, &[("accept-language", language)])
            .await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[]).await
    }
}

/// The info hash made of one byte.
pub fn hash(seed: u8) -> String {
    InfoHash([seed; 20]).to_string()
}
