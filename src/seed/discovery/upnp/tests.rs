//! Against a router of our own on loopback.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use parking_lot::Mutex;
use tokio::net::TcpListener;

use super::*;

/// Where the router takes searches, and what it was asked to do.
struct Gateway {
    search_at: SocketAddr,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

/// What it says to a request for a mapping.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Obliging,
    /// It maps ports for ever or not at all.
    ForEver,
    Refusing,
}

/// Starts a router that maps ports if `obliging`, and says that it is `external` outside.
async fn gateway(obliging: bool, external: &'static str) -> Gateway {
    let manner = match obliging {
        true => Manner::Obliging,
        false => Manner::Refusing,
    };
    gateway_of(manner, external).await
}

async fn gateway_of(manner: Manner, external: &'static str) -> Gateway {
    let asked: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let log = asked.clone();
    let control = async move |headers: HeaderMap, body: String| {
        let action = headers["soapaction"].to_str().unwrap().to_owned();
        log.lock().push((action.clone(), body.clone()));
        if action.contains("GetExternalIPAddress") {
            let answer =
                format!("<s:Envelope><NewExternalIPAddress>{external}</NewExternalIPAddress>");
            return (StatusCode::OK, answer);
        }
        let endless = body.contains("<NewLeaseDuration>0</NewLeaseDuration>");
        let code = match manner {
            Manner::Refusing => 718,
            Manner::ForEver if action.contains("#AddPortMapping") && !endless => 725,
            Manner::Obliging | Manner::ForEver => {
                return (StatusCode::OK, "<s:Envelope/>".to_owned());
            }
        };
        let answer = format!("<UPnPError><errorCode>{code}</errorCode></UPnPError>");
        (StatusCode::INTERNAL_SERVER_ERROR, answer)
    };
    let description = async || {
        "<root><device><serviceList><service>\
         <serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>\
         <controlURL>/control</controlURL></service></serviceList></device></root>"
    };
    let router = Router::new()
        .route("/description.xml", get(description))
        .route("/control", post(control));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let search_at = answering(&[
        "HTTP/1.1 200 OK\r\n\r\n".to_owned(),
        "nonsense".to_owned(),
        "HTTP/1.1 200 OK\r\nLOCATION: http://192.0.2.1/elsewhere.xml\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\nLOCATION: http://{address}/description.xml\r\n\r\n"),
    ])
    .await;
    Gateway { search_at, asked }
}

/// Somebody who answers a search with these datagrams.
async fn answering(answers: &[String]) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    let answers = answers.to_vec();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            assert!(buffer[..length].starts_with(b"M-SEARCH * HTTP/1.1\r\n"));
            for answer in &answers {
                socket.send_to(answer.as_bytes(), from).await.unwrap();
            }
        }
    });
    at
}

/// The peers' port alone.
const PEERS: Wanted = Wanted {
    peers: 6881,
    other: None,
    dropped: None,
};

/// Long enough for an answer over loopback on a busy machine; a look always takes as long.
const WAIT: Duration = Duration::from_secs(2);

/// A look of somebody who has no mappings yet.
async fn look_at(client: &Client, at: SocketAddr, wanted: Wanted) -> PortMapping {
    look(client, at, WAIT, wanted, &mut Endless::default()).await
}

#[tokio::test]
async fn a_router_that_obliges_maps_the_port_to_us() {
    let gateway = gateway(true, "203.0.113.7").await;
    let client = Client::new().unwrap();
    let mapping = look_at(&client, gateway.search_at, PEERS).await;
    let expected = PortMapping {
        state: Mapping::Mapped,
        other: Mapping::Off,
        external: Some("203.0.113.7".parse().unwrap()),
    };
    assert_eq!(mapping, expected);
    let asked = gateway.asked.lock().clone();
    let (action, body) = &asked[0];
    assert_eq!(
        action,
        "\"urn:schemas-upnp-org:service:WANIPConnection:1#AddPortMapping\""
    );
    for part in [
        "<NewExternalPort>6881</NewExternalPort>",
        "<NewInternalPort>6881</NewInternalPort>",
        "<NewInternalClient>127.0.0.1</NewInternalClient>",
        "<NewLeaseDuration>1200</NewLeaseDuration>",
        "<NewProtocol>TCP</NewProtocol>",
    ] {
        assert!(body.contains(part), "{part}: {body}");
    }
    assert!(asked[1].0.contains("GetExternalIPAddress"));
}

#[tokio::test]
async fn another_port_is_mapped_as_long_as_it_is_wanted() {
    let client = Client::new().unwrap();
    let both = Wanted {
        other: Some(6880),
        ..PEERS
    };
    let obliging = gateway(true, "203.0.113.7").await;
    let mapping = look_at(&client, obliging.search_at, both).await;
    assert_eq!(
        (mapping.state, mapping.other),
        (Mapping::Mapped, Mapping::Mapped)
    );
    let actions = |gateway: &Gateway, action: &str, port: u16| {
        let port = format!("<NewExternalPort>{port}</NewExternalPort>");
        let asked = gateway.asked.lock();
        let asked = asked
            .iter()
            .filter(|(name, body)| name.contains(action) && body.contains(&port));
        asked.count()
    };
    assert_eq!(actions(&obliging, "#AddPortMapping", 6880), 1);
    assert_eq!(actions(&obliging, "#DeletePortMapping", 6880), 0);

    let obliging = gateway(true, "203.0.113.7").await;
    let no_longer = Wanted {
        dropped: Some(6880),
        ..PEERS
    };
    let mapping = look_at(&client, obliging.search_at, no_longer).await;
    assert_eq!(
        (mapping.state, mapping.other),
        (Mapping::Mapped, Mapping::Off)
    );
    assert_eq!(actions(&obliging, "#AddPortMapping", 6880), 0);
    assert_eq!(actions(&obliging, "#DeletePortMapping", 6880), 1);
    assert_eq!(actions(&obliging, "#DeletePortMapping", 6881), 0);
}

#[tokio::test]
async fn a_router_that_refuses_still_says_where_it_is() {
    let gateway = gateway(false, "100.64.3.4").await;
    let client = Client::new().unwrap();
    let mapping = look_at(&client, gateway.search_at, PEERS).await;
    assert_eq!(mapping.state, Mapping::Refused);
    assert_eq!(mapping.external, Some("100.64.3.4".parse().unwrap()));
}

#[tokio::test]
async fn a_router_that_maps_for_ever_only_is_asked_so_and_told_when_we_go() {
    let gateway = gateway_of(Manner::ForEver, "203.0.113.7").await;
    let client = Client::new().unwrap();
    let mut endless = Endless::default();
    let both = Wanted {
        other: Some(6880),
        ..PEERS
    };
    let leases = || -> Vec<String> {
        let asked = gateway.asked.lock();
        let mapped = asked.iter().filter(|(name, _)| name.contains("#Add"));
        let lease = |(_, body): &(String, String)| {
            let (_, rest) = body.split_once("<NewLeaseDuration>").unwrap();
            rest.split('<').next().unwrap().to_owned()
        };
        mapped.map(lease).collect()
    };
    let mapping = look(&client, gateway.search_at, WAIT, both, &mut endless).await;
    assert_eq!(
        (mapping.state, mapping.other),
        (Mapping::Mapped, Mapping::Mapped)
    );
    assert_eq!(leases(), ["1200", "0", "0"]);
    // It is known how to ask this one.
    let no_longer = Wanted {
        dropped: Some(6880),
        ..PEERS
    };
    let mapping = look(&client, gateway.search_at, WAIT, no_longer, &mut endless).await;
    assert_eq!(mapping.state, Mapping::Mapped);
    assert_eq!(leases()[3..], ["0"]);
    let ended = || -> Vec<bool> {
        let asked = gateway.asked.lock();
        let ended = asked.iter().filter(|(name, _)| name.contains("#Delete"));
        ended.map(|(_, body)| body.contains(">6881<")).collect()
    };
    assert_eq!(ended(), [false]);
    endless.end(&client).await;
    assert_eq!(ended(), [false, true], "the one that was left");
}

#[tokio::test]
async fn who_ends_leaves_no_mapping_without_an_end_behind() {
    let gateway = gateway_of(Manner::ForEver, "203.0.113.7").await;
    let (_other, other) = watch::channel(None);
    let (mapped, mut mapping) = watch::channel(PortMapping::default());
    let stop = CancellationToken::new();
    let client = Client::new().unwrap();
    let search_at = gateway.search_at;
    tokio::spawn(keep(client, search_at, 6881, other, mapped, stop.clone()));
    let is_mapped = |now: &PortMapping| now.state == Mapping::Mapped;
    mapping.wait_for(is_mapped).await.unwrap();
    stop.cancel();
    // Until it has ended.
    while mapping.changed().await.is_ok() {}
    let asked = gateway.asked.lock();
    let (action, body) = asked.last().unwrap();
    assert!(action.contains("#DeletePortMapping") && body.contains(">6881<"));
}

#[tokio::test]
async fn who_answers_nonsense_is_no_router() {
    let client = Client::new().unwrap();
    let silent = answering(&[]).await;
    let elsewhere = "HTTP/1.1 200 OK\r\nLOCATION: http://192.0.2.1/d.xml\r\n\r\n".to_owned();
    let elsewhere = answering(&[elsewhere]).await;
    for at in [silent, elsewhere] {
        let mapping = look_at(&client, at, PEERS).await;
        assert_eq!(mapping.state, Mapping::NoRouter, "{at}");
        assert_eq!(mapping.external, None);
    }
}
