//! A box with a fake conductor, and a browser before it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use semoir::admin::{AdminState, claim_with_password, renew_setup_code, router};
use semoir::app::handle::{Order, OrderError};
use semoir::app::overview::BoardView;
use semoir::app::system::{System, SystemConfig};
use semoir::app::uploads::Uploads;
use semoir::app::{Handle, LimitedBy, Overview, ReachView, RelayView, ReleaseView, UpstreamView};
use semoir::base::{ReleaseId, SourceId, Stage, Timestamp};
use semoir::store::{NewSource, SourceKind, Store};
use semoir::telemetry::Logs;
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt;

/// The owner's password.
pub const PASSWORD: &str = "correct horse battery";

/// A release the fake conductor refuses to touch.
pub const STUBBORN: i64 = 77;

/// A box in a temporary folder.
pub struct TestBox {
    pub router: Router,
    pub store: Store,
    pub pictures: watch::Sender<Arc<Overview>>,
    pub orders: Arc<Mutex<Vec<Order>>>,
    pub logs: Logs,
    pub dir: tempfile::TempDir,
}

/// An answer, read whole.
#[derive(Debug)]
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

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", self.body))
    }

    /// Asserts that this is a problem of that status, and returns its sentence.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let json = self.json();
        assert_eq!(json["type"], "about:blank");
        assert_eq!(json["status"], status);
        assert_eq!(json["title"], self.status.canonical_reason().unwrap());
        let detail = json["detail"].as_str().unwrap().to_owned();
        assert!(detail.ends_with('.') && detail.len() > 10, "{detail:?}");
        assert!(
            semoir::admin::french(&detail).is_some(),
            "src/admin/french/sentences.txt does not have {detail:?}"
        );
        detail
    }
}

/// An empty picture.
pub fn picture() -> Overview {
    Overview {
        at: Timestamp(1),
        releases: Vec::new(),
        sources: Vec::new(),
        reach: ReachView::default(),
        board: BoardView::default(),
        upstream: UpstreamView {
            cap: None,
            rate: 0,
            limit: "none".to_owned(),
            limited_by: LimitedBy::None,
            limit_rate: None,
            quota: None,
            peers: 0,
        },
    }
}

/// One that holds a release.
pub fn carrier() -> RelayView {
    RelayView {
        addr: "203.0.113.7:6881".to_owned(),
        level: "proven".to_owned(),
        witness: "probe".to_owned(),
        first: Some(Timestamp(6)),
        last: Some(Timestamp(8)),
        connected: true,
    }
}

/// A release in a picture.
pub fn view(id: i64, name: &str) -> ReleaseView {
    ReleaseView {
        id: ReleaseId(id),
        source: SourceId(1),
        name: name.to_owned(),
        stage: Stage::Spreading,
        reason: "nobody else has it".to_owned(),
        since: Timestamp(5),
        size: 100,
        files: 1,
        hashed: 100,
        info_hash: Some(semoir::base::InfoHash([0xab; 20])),
        piece_length: Some(16_384),
        pieces: Some(1),
        magnet: None,
        copies_spent: 0.5,
        payload_bytes: 50,
        wire_bytes: 60,
        rate: 7,
        peers: 2,
        relays: 3,
        proven: 1,
        claimed: 7,
        carriers: vec![carrier()],
        availability: 0.25,
    }
}

impl TestBox {
    /// A box that nobody owns.
    pub fn new() -> Self {
        Self::started(true)
    }

    /// As [`TestBox::new`]; `supervised` says whether somebody would start it again.
    pub fn started(supervised: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let system = System::at_start(SystemConfig::new(None, dir.path()));
        Self::on(dir, system, supervised)
    }

    /// A box of that folder, on that system.
    pub fn on(dir: tempfile::TempDir, system: System, supervised: bool) -> Self {
        let store = Store::open(&dir.path().join("semoir.db")).unwrap();
        let path = dir.path().join("uploads");
        let uploads = Uploads::open(&path, Timestamp::now()).unwrap();
        store
            .take_up_source(
                &NewSource {
                    kind: SourceKind::Uploads,
                    key: "uploads".as_ref(),
                    name: "Uploads",
                    path: &path,
                    auto_share: true,
                    facts: None,
                },
                Timestamp(1),
            )
            .unwrap();
        let logs = Logs::new();
        let (pictures, watched) = watch::channel(Arc::new(picture()));
        let (handle, mut taken) = Handle::new(watched);
        let orders: Arc<Mutex<Vec<Order>>> = Arc::default();
        let log = Arc::clone(&orders);
        tokio::spawn(async move {
            while let Some((order, reply)) = taken.recv().await {
                log.lock().push(order);
                let done = match order {
                    Order::Share(id) | Order::Pause(id) | Order::Resume(id) | Order::Remove(id) => {
                        match id.0 {
                            STUBBORN => Err(OrderError::WrongStage {
                                id,
                                why: "it is shared already".to_owned(),
                            }),
                            1..STUBBORN => Ok(()),
                            _ => Err(OrderError::NoSuchRelease(id)),
                        }
                    }
                    Order::Rescan
                    | Order::ReloadSettings
                    | Order::ReloadSources
                    | Order::ReloadShares
                    | Order::TryShare(_)
                    | Order::Restart
                    | Order::Forget(_)
                    | Order::LetGo { .. }
                    | Order::Reset { .. } => Ok(()),
                };
                let _ = reply.send(done);
            }
        });
        let router = router(AdminState {
            store: store.clone(),
            handle,
            uploads,
            name: "semoir".to_owned(),
            host_names: vec!["box.example".to_owned()],
            public_port: 6880,
            logs: logs.clone(),
            supervised,
            setup_code_file: Some(dir.path().join("code")),
            press: Arc::new(semoir::publish::Printer),
            system,
        });
        Self {
            router,
            store,
            pictures,
            orders,
            logs,
            dir,
        }
    }

    /// A box whose owner is signed in at the returned browser.
    pub async fn owned() -> (Self, Browser) {
        Self::new().claimed().await
    }

    /// This box with an owner, who is signed in at the returned browser.
    pub async fn claimed(self) -> (Self, Browser) {
        let this = self;
        claim_with_password(&this.store, PASSWORD, Timestamp::now()).unwrap();
        let mut browser = this.browser();
        let signed_in = browser
            .post(
                "/api/v1/session",
                &format!(r#"{{"password":"{PASSWORD}"}}"#),
            )
            .await;
        assert_eq!(signed_in.status, 204, "{signed_in:?}");
        browser.take_cookie(&signed_in);
        (this, browser)
    }

    /// A program with a token of that scope.
    pub async fn program(&self, owner: &Browser, scope: &str) -> Browser {
        let body = format!(r#"{{"name":"{scope}","scope":"{scope}"}}"#);
        let made = owner.post("/api/v1/account/tokens", &body).await;
        assert_eq!(made.status, 201, "{made:?}");
        let mut program = self.browser();
        program.bearer = Some(made.json()["secret"].as_str().unwrap().to_owned());
        program
    }

    /// A browser that is not signed in.
    pub fn browser(&self) -> Browser {
        Browser {
            router: self.router.clone(),
            cookie: None,
            bearer: None,
            host: "semoir.local:8080".to_owned(),
            address: "192.168.1.20".to_owned(),
        }
    }

    /// The code the box shows.
    pub fn setup_code(&self) -> String {
        renew_setup_code(&self.store).unwrap().unwrap().to_string()
    }
}

/// Sends requests as a browser on the home network does.
#[derive(Clone)]
pub struct Browser {
    router: Router,
    pub cookie: Option<String>,
    /// The token of a program; such a one says no origin.
    pub bearer: Option<String>,
    pub host: String,
    pub address: String,
}

impl Browser {
    /// Keeps the cookie an answer sets.
    pub fn take_cookie(&mut self, answer: &Answer) {
        let cookie = answer.header("set-cookie").split(';').next().unwrap();
        assert!(cookie.starts_with("semoir_session="), "{cookie}");
        self.cookie = Some(cookie.to_owned());
    }

    /// A request with what a browser adds to it.
    pub fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let peer: SocketAddr = SocketAddr::new(self.address.parse().unwrap(), 50_000);
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(path)
            .header(header::HOST, &self.host)
            .extension(ConnectInfo(peer));
        if let Some(token) = &self.bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        } else if method != "GET" {
            request = request.header(header::ORIGIN, format!("http://{}", self.host));
        }
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        request
    }

    /// Sends a request, and returns the answer with its body still to come.
    pub async fn open(&self, request: Request<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Sends a request.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.open(request).await.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// Sends a request without a body.
    pub async fn call(&self, method: &str, path: &str) -> Answer {
        self.send(self.request(method, path).body(Body::empty()).unwrap())
            .await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path).await
    }

    /// Sends JSON.
    pub async fn json(&self, method: &str, path: &str, json: &str) -> Answer {
        let request = self
            .request(method, path)
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(json.to_owned())).unwrap())
            .await
    }

    pub async fn post(&self, path: &str, json: &str) -> Answer {
        self.json("POST", path, json).await
    }

    /// Sends bytes.
    pub async fn put(&self, path: &str, bytes: &str) -> Answer {
        self.send(
            self.request("PUT", path)
                .body(Body::from(bytes.to_owned()))
                .unwrap(),
        )
        .await
    }
}
