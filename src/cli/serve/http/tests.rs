//! The server over loopback. Times are short, and each is awaited for far longer than it is.

use super::*;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::routing::{get, post};
use futures::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};

/// What a test waits for comes within this, or never.
const BOUND: Duration = Duration::from_secs(20);
/// Longer than any test: what must not end it.
const NEVER: Duration = Duration::from_secs(3600);
/// What must end a test's connection.
const SOON: Duration = Duration::from_millis(300);

const TERMS: Terms = Terms {
    room: Room {
        connections: 8,
        per_address: 4,
    },
    head: NEVER,
    idle: NEVER,
    stall: NEVER,
    linger: NEVER,
    goodbye: NEVER,
};

/// A running server. `/slow` answers when `go` has a permit; `/read` says how its body ended; `/refuse` reads none;
/// `/much` never ends, and says on `ended` when it was dropped.
struct Server {
    addr: SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    go: Arc<Semaphore>,
    begun: mpsc::UnboundedReceiver<()>,
    ended: mpsc::UnboundedReceiver<()>,
}

/// Says when it is dropped.
struct Last(mpsc::UnboundedSender<()>);

impl Drop for Last {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

impl Server {
    fn start(terms: Terms) -> Self {
        let listener = crate::base::listen::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = listener.local_addr().unwrap();
        let (go, stop) = (Arc::new(Semaphore::new(0)), CancellationToken::new());
        let ((begin, begun), (end, ended)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let slow = {
            let go = go.clone();
            async move || {
                let _ = begin.send(());
                go.acquire().await.unwrap().forget();
                "slow"
            }
        };
        let much = async move || {
            let last = Last(end.clone());
            Body::from_stream(stream::repeat_with(move || {
                let _ = &last;
                Ok::<_, io::Error>(Bytes::from_static(&[0; 1 << 16]))
            }))
        };
        let events = async || {
            let body = Body::from_stream(stream::pending::<io::Result<Bytes>>());
            ([(header::CONTENT_TYPE, "text/event-stream")], body)
        };
        let read = async |body: Body| match axum::body::to_bytes(body, 1 << 20).await {
            Ok(bytes) => format!("{} bytes", bytes.len()),
            Err(error) => format!("failed: {error}"),
        };
        let who = async |ConnectInfo(addr): ConnectInfo<SocketAddr>| addr.to_string();
        let router = Router::new()
            .route("/who", get(who))
            .route("/slow", get(slow))
            .route("/much", get(much))
            .route("/events", get(events))
            .route("/read", post(read))
            .route("/refuse", post(async || StatusCode::PAYLOAD_TOO_LARGE));
        let task = tokio::spawn(serve(listener, router, terms, stop.clone()));
        Self {
            addr,
            stop,
            task,
            go,
            begun,
            ended,
        }
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.addr).await.unwrap())
    }

    /// A request that is being carried out.
    async fn slow(&mut self) -> Client {
        let mut client = self.connect().await;
        client.say("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
        timeout(BOUND, self.begun.recv()).await.unwrap().unwrap();
        client
    }
}

struct Client(TcpStream);

impl Client {
    async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until `end` comes.
    async fn hear(&mut self, end: &str) -> String {
        let mut heard = Vec::new();
        let hearing = async {
            while !heard.ends_with(end.as_bytes()) {
                heard.push(self.0.read_u8().await.unwrap());
            }
        };
        timeout(BOUND, hearing).await.unwrap();
        String::from_utf8(heard).unwrap()
    }

    /// What comes until the other side closes.
    async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        // Cut off is closed.
        let _ = timeout(BOUND, self.0.read_to_end(&mut rest)).await.unwrap();
        String::from_utf8(rest).unwrap()
    }

    /// A whole exchange, after which the connection stays.
    async fn who(&mut self) {
        self.say("GET /who HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let own = self.0.local_addr().unwrap().to_string();
        let answer = self.hear(&own).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[tokio::test]
async fn connections_serve_many_requests_and_handlers_know_who_asks() {
    let server = Server::start(Terms {
        head: SOON,
        ..TERMS
    });
    let mut client = server.connect().await;
    client.who().await;
    // A pause between requests is no slow head, and the next head has its time again.
    tokio::time::sleep(2 * SOON).await;
    client.who().await;
    client
        .say(&"GET /who HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3))
        .await;
    let own = client.0.local_addr().unwrap().to_string();
    for _ in 0..3 {
        client.hear(&own).await;
    }
}

#[tokio::test]
async fn who_says_nothing_or_half_a_head_is_gone_soon() {
    let server = Server::start(Terms {
        head: SOON,
        ..TERMS
    });
    let mut silent = server.connect().await;
    assert_eq!(silent.rest().await, "");
    let mut half = server.connect().await;
    half.say("GET /who HTTP/1.1\r\nHost:").await;
    assert_eq!(half.rest().await, "");
    // Once more on a connection that was used before.
    let mut used = server.connect().await;
    used.who().await;
    used.say("GET /who HT").await;
    assert_eq!(used.rest().await, "");
}

#[tokio::test]
async fn a_head_that_trickles_has_no_more_time() {
    let server = Server::start(Terms {
        head: SOON,
        ..TERMS
    });
    let mut slow = server.connect().await;
    let trickle = async {
        while slow.0.write_all(b"G").await.is_ok() {
            tokio::time::sleep(SOON / 10).await;
        }
    };
    timeout(BOUND, trickle).await.expect("it is cut off");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = Server::start(Terms {
        idle: SOON,
        ..TERMS
    });
    let mut client = server.connect().await;
    client.who().await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_full_house_turns_out_who_waits_and_nobody_else() {
    let mut server = Server::start(TERMS);
    let (mut working, mut events) = (server.slow().await, server.connect().await);
    events.say("GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await;
    events.hear("\r\n\r\n").await;
    let mut upload = server.connect().await;
    upload
        .say("POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\nExpect: 100-continue\r\n\r\n")
        .await;
    upload.hear("100 Continue\r\n\r\n").await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        let mut client = server.connect().await;
        client.say("GET /who").await;
        silent.push(client);
    }
    server.connect().await.who().await;
    for client in &mut silent[..90] {
        assert_eq!(client.rest().await, "");
    }
    server.go.add_permits(1);
    working.hear("slow").await;
    upload.say("complete").await;
    upload.hear("8 bytes").await;
    server.stop.cancel();
    assert_eq!(events.rest().await, "0\r\n\r\n", "it ends as it should");
}

#[tokio::test]
async fn a_house_full_of_work_takes_nobody() {
    let mut server = Server::start(TERMS);
    let mut working = Vec::new();
    for _ in 0..TERMS.room.connections {
        working.push(server.slow().await);
    }
    assert_eq!(server.connect().await.rest().await, "");
    server.go.add_permits(1);
    // One of them, whichever came first to the semaphore, is done and waits.
    working[0].hear("slow").await;
    server.connect().await.who().await;
    assert_eq!(working[0].rest().await, "");
}

#[tokio::test]
async fn a_head_too_long_is_told_so() {
    let server = Server::start(TERMS);
    for long in [
        format!(
            "GET /who HTTP/1.1\r\nLong: {}\r\n\r\n",
            "a".repeat(MAX_HEAD)
        ),
        format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(MAX_HEAD)),
        format!("GET /who HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(1000)),
    ] {
        let mut client = server.connect().await;
        client.say(&long).await;
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}

#[tokio::test]
async fn an_endless_head_is_cut() {
    let server = Server::start(TERMS);
    let mut client = server.connect().await;
    let endless = async {
        client
            .0
            .write_all(b"GET /who HTTP/1.1\r\nEndless: ")
            .await?;
        loop {
            client.0.write_all(&[b'a'; 1 << 16]).await?;
        }
    };
    let cut: io::Result<()> = timeout(BOUND, endless).await.unwrap();
    cut.unwrap_err();
}

#[tokio::test]
async fn a_body_that_does_not_come_fails() {
    let server = Server::start(Terms {
        stall: SOON,
        ..TERMS
    });
    let mut client = server.connect().await;
    client
        .say("POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhal")
        .await;
    let answer = client.rest().await;
    assert!(answer.contains("failed: "), "{answer}");
}

/// More than the sockets of both sides take in between them.
const LARGE: usize = 16 << 20;

/// As Firefox does: it sends all that it has, and then looks what was answered.
#[tokio::test]
async fn who_is_refused_early_can_send_the_rest_and_sees_why() {
    let server = Server::start(TERMS);
    let mut client = server.connect().await;
    let head = format!("POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n");
    client.say(&head).await;
    let body = vec![0; LARGE];
    let sent = timeout(BOUND, client.0.write_all(&body)).await.unwrap();
    sent.expect("nothing breaks off while it is sent");
    let mut answer = String::new();
    let ended = timeout(BOUND, client.0.read_to_string(&mut answer)).await;
    ended.unwrap().expect("nothing breaks off afterwards");
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn who_was_refused_and_goes_on_sending_is_cut_in_the_end() {
    let server = Server::start(Terms {
        linger: SOON,
        ..TERMS
    });
    let mut client = server.connect().await;
    client
        .say("POST /refuse HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let sending = async { while client.0.write_all(&[b'0'; 64]).await.is_ok() {} };
    timeout(BOUND, sending).await.unwrap();
}

#[tokio::test]
async fn an_answer_nobody_takes_ends() {
    let mut server = Server::start(Terms {
        stall: SOON,
        ..TERMS
    });
    let mut client = server.connect().await;
    client.say("GET /much HTTP/1.1\r\nHost: a\r\n\r\n").await;
    timeout(BOUND, server.ended.recv()).await.unwrap();
    // One that is taken goes on for as long as it is taken.
    let mut client = server.connect().await;
    client.say("GET /much HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (start, mut buffer) = (Instant::now(), vec![0; 1 << 20]);
    while start.elapsed() < 3 * SOON {
        assert!(client.0.read(&mut buffer).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn stopping_ends_what_waits_at_once_and_lets_work_end() {
    let mut server = Server::start(TERMS);
    let (mut silent, mut idle, mut half) = (
        server.connect().await,
        server.connect().await,
        server.connect().await,
    );
    idle.who().await;
    half.say("GET /who HTTP/1.1\r\n").await;
    let mut working = server.slow().await;
    server.stop.cancel();
    for client in [&mut silent, &mut idle, &mut half] {
        assert_eq!(client.rest().await, "");
    }
    assert!(!server.task.is_finished());
    server.go.add_permits(1);
    assert!(working.rest().await.ends_with("slow"));
    timeout(BOUND, server.task).await.unwrap().unwrap();
    TcpStream::connect(server.addr).await.unwrap_err();
}

#[tokio::test]
async fn work_that_does_not_end_is_cut() {
    let mut server = Server::start(Terms {
        goodbye: SOON,
        ..TERMS
    });
    let mut working = server.slow().await;
    server.stop.cancel();
    timeout(BOUND, server.task).await.unwrap().unwrap();
    assert_eq!(working.rest().await, "");
}
