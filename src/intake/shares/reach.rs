//! Finding a share's server, before anything is mounted: who mounts from a machine that is not there waits long in the
//! kernel, behind a lock that all SMB mounts share, and learns little.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::errand::Errand;
use super::fault::Fault;
use crate::base::{Host, ShareAddress};

/// How long the system may take to find a name: its resolver asks a server twice for 5 s, and names in `.local` by
/// multicast for about as long.
const RESOLVE_LIMIT: Duration = Duration::from_secs(12);
/// How long a connection may take. Within a house one is there in milliseconds, or after the lost packet's third second.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Addresses of one server that are tried.
const ADDRESSES: usize = 4;

/// Finds the server's name, by the system's resolver, and connects to it. Answers the first address that takes a connection,
/// beginning with `prefer` when it is among them.
pub(super) async fn reach(
    resolver: &mut Errand<io::Result<Vec<SocketAddr>>>,
    address: &ShareAddress,
    prefer: Option<SocketAddr>,
) -> Result<SocketAddr, Fault> {
    let port = address.port();
    let mut found = match &address.server().host {
        Host::Ip(ip) => vec![SocketAddr::new(*ip, port)],
        Host::Name(name) => {
            let name = name.clone();
            let resolve = move || {
                let found = (name.as_str(), port).to_socket_addrs()?;
                Ok(found.take(ADDRESSES).collect())
            };
            match resolver.run(RESOLVE_LIMIT, resolve).await {
                Some(Ok(found)) => found,
                // Whatever the resolver says of a name it does not find, it is not found.
                Some(Err(_)) | None => return Err(Fault::NotFound),
            }
        }
    };
    if let Some(index) = prefer.and_then(|prefer| found.iter().position(|at| *at == prefer)) {
        found.swap(0, index);
    }
    let mut why = Fault::NotFound;
    for at in found {
        match timeout(CONNECT_LIMIT, TcpStream::connect(at)).await {
            Ok(Ok(_)) => return Ok(at),
            Ok(Err(error)) => why = Fault::of_connect(&error),
            Err(_) => why = Fault::Silent,
        }
    }
    Err(why)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::base::ShareProtocol;

    fn share(server: &str) -> ShareAddress {
        ShareAddress::new(ShareProtocol::Smb, server, "films").unwrap()
    }

    #[tokio::test]
    async fn a_server_is_found_by_address_and_by_name() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let mut resolver = Errand::new("test-resolve");
        for server in [at.to_string(), format!("localhost:{}", at.port())] {
            let found = reach(&mut resolver, &share(&server), None).await;
            assert_eq!(found, Ok(at), "{server}");
        }
        drop(listener);
        let found = reach(&mut resolver, &share(&at.to_string()), None).await;
        assert_eq!(found, Err(Fault::Refused));
    }
}
