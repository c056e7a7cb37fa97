//! Requests written by hand, and answers read by a decoder that is neither the tracker's nor the client's.

use std::net::SocketAddr;

use librqbit_bencode::{BencodeValueOwned, dyn_from_bytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::PATIENCE;

/// What the tracker says to one request line, head and body apart.
pub async fn get(addr: SocketAddr, path: &[u8]) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let head = [
        b"GET ",
        path,
        b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ]
    .concat();
    stream.write_all(&head).await.unwrap();
    let mut answer = Vec::new();
    // A server that has had enough may reset the connection; what came before counts.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let body = end.map_or_else(Vec::new, |end| answer[end + 4..].to_vec());
    let head = String::from_utf8_lossy(&answer[..end.unwrap_or(answer.len())]).into_owned();
    (head, body)
}

/// Reads an answer.
pub fn decode(body: &[u8]) -> BencodeValueOwned {
    dyn_from_bytes(body).unwrap_or_else(|error| panic!("{error}: {}", body.escape_ascii()))
}

/// The value under a key of a dictionary.
pub fn field<'a>(value: &'a BencodeValueOwned, key: &[u8]) -> Option<&'a BencodeValueOwned> {
    match value {
        BencodeValueOwned::Dict(dict) => dict.get(key),
        _ => None,
    }
}

/// The bytes a value is.
pub fn bytes(value: &BencodeValueOwned) -> &[u8] {
    match value {
        BencodeValueOwned::Bytes(bytes) => bytes.as_ref(),
        other => panic!("no bytes: {other:?}"),
    }
}
