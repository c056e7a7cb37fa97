//! The daemon's end: asks the system helper.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;

use super::request::{Answer, Bundle, Power, Refusal, Request, Status, WifiRequest, WifiState};
use crate::base::error::io_kind;
use crate::base::{ErrorKind, Kind, frame};

/// How long the helper may take to be started and to answer: a slow card that is being written to has its pauses.
const PATIENCE: Duration = Duration::from_secs(20);

/// As [`PATIENCE`], where it runs a program that has a minute.
const PROGRAM: Duration = Duration::from_secs(80);

/// How long an installation may say nothing. RAUC writes the whole root without a word.
const SILENCE: Duration = Duration::from_secs(32 * 60);

/// Asks the system helper. Cheap to clone; each request has its own connection.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is none.
    #[error("this Semoir is not a whole system: updates, Wi-Fi and power are its computer's own")]
    Absent,
    /// It cannot be reached, or does not keep to the protocol.
    #[error("the system helper cannot be asked: {0}")]
    Io(#[from] io::Error),
    /// It does not answer in time.
    #[error("the system helper did not answer in time")]
    TooSlow,
    /// It refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Kind for ClientError {
    fn kind(&self) -> ErrorKind {
        match self {
            ClientError::Absent => ErrorKind::NotFound,
            ClientError::Io(error) => match io_kind(error) {
                ErrorKind::NoSpace => ErrorKind::NoSpace,
                _ => ErrorKind::Unavailable,
            },
            ClientError::TooSlow => ErrorKind::Unavailable,
            ClientError::Refused(refusal) => refusal.kind(),
        }
    }
}

impl Client {
    /// A client of the helper at `socket`.
    pub fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// The helper's socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What the helper does.
    ///
    /// # Errors
    /// See [`ClientError`]: [`ClientError::Absent`] where this is no whole system.
    pub async fn status(&self) -> Result<Status, ClientError> {
        match self.ask(&Request::Status, PATIENCE).await? {
            Answer::Status(status) => Ok(status),
            other => Err(unexpected(&other)),
        }
    }

    /// Has the update looked at that was received.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn inspect(&self) -> Result<Bundle, ClientError> {
        match self.ask(&Request::Inspect, PROGRAM).await? {
            Answer::Bundle(bundle) => Ok(bundle),
            other => Err(unexpected(&other)),
        }
    }

    /// Has it installed, and tells how far that is, in hundredths. It goes on when this is dropped.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn install(&self, mut far: impl FnMut(u8)) -> Result<(), ClientError> {
        let mut stream = within(PATIENCE, self.send(&Request::Install)).await?;
        loop {
            match within(SILENCE, receive(&mut stream)).await? {
                Answer::Progress(percent) => far(percent),
                Answer::Done => return Ok(()),
                Answer::Refused(refusal) => return Err(refusal.into()),
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// Ends the machine.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn power(&self, power: Power) -> Result<(), ClientError> {
        match self.order(&Request::Power(power)).await {
            // The end has begun, and came to the helper before it could answer.
            Err(ClientError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            done => done,
        }
    }

    /// Joins a Wi-Fi network.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn join_wifi(&self, wanted: WifiRequest) -> Result<(), ClientError> {
        self.order(&Request::JoinWifi(wanted)).await
    }

    /// Leaves it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn leave_wifi(&self) -> Result<(), ClientError> {
        self.order(&Request::LeaveWifi).await
    }

    /// How the Wi-Fi is.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn wifi(&self) -> Result<WifiState, ClientError> {
        match self.ask(&Request::Wifi, PATIENCE).await? {
            Answer::Wifi(state) => Ok(state),
            other => Err(unexpected(&other)),
        }
    }

    async fn order(&self, request: &Request) -> Result<(), ClientError> {
        match self.ask(request, PATIENCE).await? {
            Answer::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks, and takes a refusal for an error.
    async fn ask(&self, request: &Request, patience: Duration) -> Result<Answer, ClientError> {
        let asked = async {
            let mut stream = self.send(request).await?;
            receive(&mut stream).await
        };
        match within(patience, asked).await? {
            Answer::Refused(refusal) => Err(refusal.into()),
            answer => Ok(answer),
        }
    }

    async fn send(&self, request: &Request) -> Result<UnixStream, ClientError> {
        let mut stream = match UnixStream::connect(&self.socket).await {
            Ok(stream) => stream,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                return Err(ClientError::Absent);
            }
            Err(error) => return Err(error.into()),
        };
        frame::send(&mut stream, request).await?;
        Ok(stream)
    }
}

async fn within<T>(
    patience: Duration,
    asked: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let answered = timeout(patience, asked).await;
    answered.map_err(|_| ClientError::TooSlow)?
}

async fn receive(stream: &mut UnixStream) -> Result<Answer, ClientError> {
    Ok(frame::receive(stream).await?)
}

fn unexpected(answer: &Answer) -> ClientError {
    let why = format!("{answer:?} is no answer to what was asked");
    io::Error::new(io::ErrorKind::InvalidData, why).into()
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn a_helper_that_the_end_of_the_machine_overtakes_has_done_what_it_was_asked() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut length = [0; 4];
                stream.read_exact(&mut length).await.unwrap();
                let mut request = vec![0; u32::from_be_bytes(length) as usize];
                stream.read_exact(&mut request).await.unwrap();
            }
        });
        let client = Client::new(socket);
        client.power(Power::Restart).await.unwrap();
        let error = client.status().await.unwrap_err();
        assert!(matches!(error, ClientError::Io(_)), "{error}");
    }
}
