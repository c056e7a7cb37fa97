//! The questions a router is asked, by SOAP over HTTP (UPnP WANIPConnection).

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use reqwest::redirect::Policy;
use url::{Host, Url};

/// The services that map ports, the better one first.
const SERVICES: [&str; 3] = [
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
];

/// Bytes of an answer: descriptions of routers have some ten KiB.
const MAX_ANSWER: usize = 256 << 10;

/// How long a router may take for one.
const PATIENCE: Duration = Duration::from_secs(5);

/// The name a mapping has in the router's list.
const NAME: &str = "Semoir";

/// UPnP's number for a router that maps ports for ever or not at all (OnlyPermanentLeasesSupported).
const ONLY_FOR_EVER: &str = "725";

/// Why a router does not do what it is asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum GatewayError {
    /// It cannot be asked.
    #[error("it does not answer: {0}")]
    Http(#[from] reqwest::Error),
    /// It says no.
    #[error("it refuses (HTTP {status}, UPnP error {code})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// UPnP's own number for why; empty when there is none.
        code: String,
    },
    /// It answers what makes no sense.
    #[error("{0}")]
    Nonsense(&'static str),
    /// We have no address by which it could reach us.
    #[error("no address leads to it: {0}")]
    NoAddress(#[from] std::io::Error),
}

impl GatewayError {
    /// Whether it would have obliged, had it been asked for a mapping without an end.
    pub fn wants_no_end(&self) -> bool {
        matches!(self, GatewayError::Refused { code, .. } if code == ONLY_FOR_EVER)
    }
}

/// Where a router is asked, and by which service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Control {
    url: Url,
    service: &'static str,
}

/// Asks routers.
#[derive(Debug)]
pub(super) struct Client(reqwest::Client);

impl Client {
    pub fn new() -> Result<Self, GatewayError> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(PATIENCE)
            // Routers are asked in plain HTTP; no list of authorities has to be loaded.
            .tls_certs_only([])
            .build();
        Ok(Self(client?))
    }

    /// Where the router that answered from `from` takes questions, as it describes itself at `location`.
    pub async fn control(&self, location: &Url, from: IpAddr) -> Result<Control, GatewayError> {
        if !is_at(location, from) {
            return Err(GatewayError::Nonsense("it describes itself elsewhere"));
        }
        let description = body(self.0.get(location.clone()).send().await?).await?;
        let (path, service) = control_of(&description).ok_or(GatewayError::Nonsense(
            "it describes no service that maps ports",
        ))?;
        let url = location.join(&path).ok().filter(|url| is_at(url, from));
        let url = url.ok_or(GatewayError::Nonsense("it takes questions elsewhere"))?;
        Ok(Control { url, service })
    }

    /// Asks it to map a TCP port to us, for so long; for ever when it is no time at all.
    pub async fn map(
        &self,
        control: &Control,
        router: IpAddr,
        port: u16,
        lease: Duration,
    ) -> Result<(), GatewayError> {
        let own = own_address_towards(router)?;
        let arguments = format!(
            "<NewRemoteHost></NewRemoteHost><NewExternalPort>{port}</NewExternalPort>\
             <NewProtocol>TCP</NewProtocol><NewInternalPort>{port}</NewInternalPort>\
             <NewInternalClient>{own}</NewInternalClient><NewEnabled>1</NewEnabled>\
             <NewPortMappingDescription>{NAME}</NewPortMappingDescription>\
             <NewLeaseDuration>{}</NewLeaseDuration>",
            lease.as_secs()
        );
        self.ask(control, "AddPortMapping", &arguments).await?;
        Ok(())
    }

    /// Asks it to map a TCP port no longer.
    pub async fn unmap(&self, control: &Control, port: u16) -> Result<(), GatewayError> {
        let arguments = format!(
            "<NewRemoteHost></NewRemoteHost><NewExternalPort>{port}</NewExternalPort>\
             <NewProtocol>TCP</NewProtocol>"
        );
        self.ask(control, "DeletePortMapping", &arguments).await?;
        Ok(())
    }

    /// Asks for its address on its outer side.
    pub async fn external(&self, control: &Control) -> Result<IpAddr, GatewayError> {
        let answer = self.ask(control, "GetExternalIPAddress", "").await?;
        let address = element(&answer, "NewExternalIPAddress");
        address
            .and_then(|text| text.trim().parse().ok())
            .ok_or(GatewayError::Nonsense("it does not say its address"))
    }

    async fn ask(
        &self,
        control: &Control,
        action: &str,
        arguments: &str,
    ) -> Result<String, GatewayError> {
        let service = control.service;
        let envelope = format!(
            "<?xml version=\"1.0\"?>\n\
             <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>\
             <u:{action} xmlns:u=\"{service}\">{arguments}</u:{action}></s:Body></s:Envelope>\n"
        );
        let request = self
            .0
            .post(control.url.clone())
            .header("Content-Type", "text/xml; charset=\"utf-8\"")
            .header("SOAPAction", format!("\"{service}#{action}\""))
            .body(envelope);
        let response = request.send().await?;
        let status = response.status();
        let answer = body(response).await?;
        if status.is_success() {
            return Ok(answer);
        }
        let code = element(&answer, "errorCode").unwrap_or_default();
        Err(GatewayError::Refused {
            status: status.as_u16(),
            code: code.chars().filter(char::is_ascii_digit).take(5).collect(),
        })
    }
}

/// Whether an address is plain HTTP at exactly this machine: nobody sends us elsewhere.
fn is_at(url: &Url, ip: IpAddr) -> bool {
    let host = match url.host() {
        Some(Host::Ipv4(host)) => IpAddr::V4(host),
        Some(Host::Ipv6(host)) => IpAddr::V6(host),
        _ => return false,
    };
    url.scheme() == "http" && host == ip
}

/// Our address as somebody there sees it. Nothing is sent for it.
fn own_address_towards(there: IpAddr) -> std::io::Result<IpAddr> {
    let any: SocketAddr = match there {
        IpAddr::V4(_) => ([0; 4], 0).into(),
        IpAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect((there, 1900))?;
    Ok(socket.local_addr()?.ip())
}

async fn body(mut response: reqwest::Response) -> Result<String, GatewayError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > MAX_ANSWER {
            return Err(GatewayError::Nonsense("it answers without end"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The control address and the type of the best service in a device's description.
fn control_of(description: &str) -> Option<(String, &'static str)> {
    let services: Vec<(&str, &str)> = description
        .split("<service>")
        .skip(1)
        .filter_map(|rest| {
            let service = rest.split("</service>").next()?;
            Some((
                element(service, "serviceType")?,
                element(service, "controlURL")?,
            ))
        })
        .collect();
    SERVICES.into_iter().find_map(|wanted| {
        let (_, control) = services.iter().find(|(kind, _)| kind.trim() == wanted)?;
        Some((control.trim().replace("&amp;", "&"), wanted))
    })
}

/// The text of the first element of that name. Enough for flat answers of known form, with nothing to expand and
/// nothing to recurse into.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let start = xml.find(&format!("<{name}>"))? + name.len() + 2;
    let length = xml[start..].find(&format!("</{name}>"))?;
    Some(&xml[start..start + length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_found_among_others() {
        let service = |kind: &str, control: &str| {
            format!(
                "<service><serviceType>{kind}</serviceType><controlURL>{control}</controlURL></service>"
            )
        };
        let other = service("urn:schemas-upnp-org:service:Layer3Forwarding:1", "/no");
        let (one, two) = (
            service(SERVICES[1], "/one?a=1&amp;b=2"),
            service(SERVICES[0], "/two"),
        );
        let of = |text: &str| control_of(text);
        assert_eq!(
            of(&format!("<root>{other}{one}")),
            Some(("/one?a=1&b=2".to_owned(), SERVICES[1]))
        );
        assert_eq!(
            of(&format!("{one}{other}{two}")),
            Some(("/two".to_owned(), SERVICES[0]))
        );
        for nothing in [
            "",
            "<service>",
            "<service></service>",
            &other,
            "<service><serviceType>x</service>",
        ] {
            assert_eq!(of(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn only_the_machine_that_answered_is_asked() {
        let router: IpAddr = "192.168.1.1".parse().unwrap();
        let at = |url: &str| is_at(&url.parse().unwrap(), router);
        assert!(at("http://192.168.1.1:5000/x"));
        for url in [
            "https://192.168.1.1/",
            "http://192.168.1.2/",
            "http://router.example/",
            "http://127.0.0.1/",
            "file:///etc/passwd",
        ] {
            assert!(!at(url), "{url}");
        }
    }
}
