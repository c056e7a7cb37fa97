//! The tracker over HTTP: announce (BEP 3, 7, 23) and scrape (BEP 48).
//!
//! Errors are answers with status 200 and a `failure reason`, which is what clients read. Answers without `compact=0` are
//! compact; a list of dictionaries carries no peer ids (they are not kept: 20 bytes a peer that no client needs).

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::tracker::bencode::Dict;
use crate::tracker::swarm::{Answer, Refusal, canonical};
use crate::tracker::{Tracker, query};

/// Minutes a client is asked to wait before it asks again about a torrent we do not know (BEP 31): it may be registered
/// by then, and clients that ask without pause cost upstream.
const RETRY_UNKNOWN_MINUTES: u64 = 30;

/// Bytes of an answer's status line and headers, about.
const HEAD: usize = 140;

/// `GET /announce` and `GET /scrape`. Needs [`ConnectInfo`]: serve it with
/// `into_make_service_with_connect_info::<SocketAddr>()`.
pub fn router(tracker: Tracker) -> Router {
    Router::new()
        .route("/announce", get(announce))
        .route("/scrape", get(scrape))
        .with_state(tracker)
}

async fn announce(
    State(tracker): State<Tracker>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    RawQuery(raw): RawQuery,
) -> Response {
    let from = canonical(from);
    let asked = match query::announce(raw.as_deref().unwrap_or_default(), from) {
        Ok(asked) => asked,
        Err(error) => return respond(&tracker, failure(&error.to_string(), None)),
    };
    let dict = match tracker.announce(&asked.announce) {
        Ok(answer) => write(&answer, from.ip(), asked.compact),
        Err(Refusal::Unregistered) => {
            let reason = Refusal::Unregistered.to_string();
            failure(&reason, Some(RETRY_UNKNOWN_MINUTES))
        }
        Err(refusal) => failure(&refusal.to_string(), None),
    };
    respond(&tracker, dict)
}

async fn scrape(State(tracker): State<Tracker>, RawQuery(raw): RawQuery) -> Response {
    let mut hashes = match query::scrape(raw.as_deref().unwrap_or_default()) {
        Ok(hashes) => hashes,
        Err(error) => return respond(&tracker, failure(&error.to_string(), None)),
    };
    hashes.sort_unstable();
    hashes.dedup();
    let mut files = Dict::default();
    for hash in hashes {
        // An unknown torrent is left out, as BEP 48 has it.
        if let Some(counts) = tracker.scrape(hash) {
            let file = Dict::default()
                .number("complete", counts.complete.into())
                .number("downloaded", counts.downloaded.into())
                .number("incomplete", counts.incomplete.into());
            files = files.dict(&hash.0, file);
        }
    }
    respond(&tracker, Dict::default().dict(b"files", files))
}

/// The dictionary of an accepted announce. `external ip` (BEP 24) tells a client what it looks like from here.
fn write(answer: &Answer, asker: IpAddr, compact: bool) -> Dict {
    let dict = Dict::default()
        .number("complete", answer.counts.complete.into())
        .number("downloaded", answer.counts.downloaded.into());
    let dict = match asker {
        IpAddr::V4(v4) => dict.bytes("external ip", &v4.octets()),
        IpAddr::V6(v6) => dict.bytes("external ip", &v6.octets()),
    };
    let dict = dict
        .number("incomplete", answer.counts.incomplete.into())
        .number("interval", answer.interval.as_secs())
        .number("min interval", answer.min_interval.as_secs());
    if !compact {
        let peers = answer.peers.iter().map(|addr| {
            Dict::default()
                .bytes("ip", addr.ip().to_string().as_bytes())
                .number("port", addr.port().into())
        });
        return dict.dicts("peers", peers);
    }
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for addr in &answer.peers {
        let port = addr.port().to_be_bytes();
        match addr.ip() {
            IpAddr::V4(ip) => v4.extend(ip.octets().into_iter().chain(port)),
            IpAddr::V6(ip) => v6.extend(ip.octets().into_iter().chain(port)),
        }
    }
    let dict = dict.bytes("peers", &v4);
    if v6.is_empty() {
        return dict;
    }
    dict.bytes("peers6", &v6)
}

fn failure(reason: &str, retry_minutes: Option<u64>) -> Dict {
    let dict = Dict::default().bytes("failure reason", reason.as_bytes());
    match retry_minutes {
        Some(minutes) => dict.number("retry in", minutes),
        None => dict,
    }
}

fn respond(tracker: &Tracker, dict: Dict) -> Response {
    let headers = [(CONTENT_TYPE, "text/plain"), (CACHE_CONTROL, "no-store")];
    let body = dict.finish();
    tracker.beside().exchange(HEAD + body.len());
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracker::swarm::Counts;
    use std::time::Duration;

    fn answer() -> Answer {
        Answer {
            interval: Duration::from_secs(900),
            min_interval: Duration::from_secs(120),
            counts: Counts {
                complete: 1,
                incomplete: 2,
                downloaded: 3,
            },
            peers: vec![
                "1.2.3.4:258".parse().unwrap(),
                "[2001:db8::1]:1".parse().unwrap(),
            ],
        }
    }

    #[test]
    fn a_compact_answer_byte_by_byte() {
        let written = write(&answer(), "9.9.9.9".parse().unwrap(), true).finish();
        let mut expected = b"d8:completei1e10:downloadedi3e11:external ip4:\x09\x09\x09\x09\
            10:incompletei2e8:intervali900e12:min intervali120e\
            5:peers6:\x01\x02\x03\x04\x01\x026:peers618:"
            .to_vec();
        expected.extend(b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\x01e");
        assert_eq!(written, expected);
    }

    #[test]
    fn a_list_answer_byte_by_byte() {
        let written = write(&answer(), "::1".parse().unwrap(), false).finish();
        let text = String::from_utf8_lossy(&written);
        assert!(
            text.ends_with("5:peersld2:ip7:1.2.3.44:porti258eed2:ip11:2001:db8::14:porti1eeee")
        );
    }
}
