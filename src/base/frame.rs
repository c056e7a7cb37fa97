//! Frames on the sockets of the box's helpers: four bytes of length, the highest first, and so many bytes of JSON.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest frame, in bytes, either way. The longest we make are a few hundred.
pub const MAX_FRAME: usize = 16 << 10;

/// Bytes of a frame's length.
const HEADER: usize = 4;

/// The length that a frame's first bytes tell.
///
/// # Errors
/// When it is more than [`MAX_FRAME`].
fn length(header: [u8; HEADER]) -> io::Result<usize> {
    match usize::try_from(u32::from_be_bytes(header)) {
        Ok(length) if length <= MAX_FRAME => Ok(length),
        _ => Err(invalid(format!("a frame is longer than {MAX_FRAME} bytes"))),
    }
}

/// A message as a frame.
///
/// # Errors
/// When it would be longer than [`MAX_FRAME`].
fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; HEADER];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - HEADER;
    match u32::try_from(length) {
        Ok(told) if length <= MAX_FRAME => frame[..HEADER].copy_from_slice(&told.to_be_bytes()),
        _ => return Err(invalid(format!("a frame is longer than {MAX_FRAME} bytes"))),
    }
    Ok(frame)
}

/// A message from what a frame holds.
///
/// # Errors
/// When it is not understood. What it says is not repeated: there may be a password in it.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> io::Result<T> {
    serde_json::from_slice(body).map_err(|error| {
        let place = (error.line(), error.column());
        invalid(format!(
            "not understood at line {}, column {}",
            place.0, place.1
        ))
    })
}

/// Sends one message, as the daemon does, which waits for nobody.
///
/// # Errors
/// What the system says. That the other end has hung up is none: whoever is refused unheard is told why all the same.
pub async fn send(to: &mut (impl AsyncWrite + Unpin), message: &impl Serialize) -> io::Result<()> {
    match to.write_all(&encode(message)?).await {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Receives one message, as the daemon does.
///
/// # Errors
/// As [`read`].
pub async fn receive<T: DeserializeOwned>(from: &mut (impl AsyncRead + Unpin)) -> io::Result<T> {
    let mut header = [0; HEADER];
    from.read_exact(&mut header).await?;
    let mut body = vec![0; length(header)?];
    from.read_exact(&mut body).await?;
    decode(&body)
}

/// Reads one message.
///
/// # Errors
/// What the system says; when the frame is too long, or not understood.
pub fn read<T: DeserializeOwned>(mut from: impl Read) -> io::Result<T> {
    let mut header = [0; HEADER];
    from.read_exact(&mut header)?;
    let mut body = vec![0; length(header)?];
    from.read_exact(&mut body)?;
    decode(&body)
}

/// Writes one message.
///
/// # Errors
/// What the system says.
pub fn write(mut to: impl Write, message: &impl Serialize) -> io::Result<()> {
    to.write_all(&encode(message)?)
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    enum Message {
        Unmount { id: String },
        Join { protocol: u8 },
    }

    #[test]
    fn a_frame_reads_back_and_a_long_one_is_refused_before_it_is_read() {
        let message = Message::Unmount { id: "a".to_owned() };
        let frame = encode(&message).unwrap();
        assert_eq!(read::<Message>(&frame[..]).unwrap(), message);
        for cut in 0..frame.len() {
            assert!(read::<Message>(&frame[..cut]).is_err(), "{cut}");
        }
        let long = u32::try_from(MAX_FRAME + 1).unwrap().to_be_bytes();
        let error = read::<Message>(&long[..]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(encode(&"a".repeat(MAX_FRAME)).is_err());
    }

    #[test]
    fn what_is_not_understood_is_not_repeated() {
        let body = br#"{"join": {"password": "hunter2", "protocol": "hunter2"}}"#;
        let error = decode::<Message>(body).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
