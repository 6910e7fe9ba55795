//! How messages stand in the pipe: four bytes of length, little-endian, then
//! `MessagePack` with field names. Ids are texts as in JSON: tagged enums, which
//! are read in two steps, can't tell the forms apart.

use std::io::{Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Largest message in bytes. A blob that is larger can't be read by a guest.
pub const MAX_FRAME: usize = 512 << 20;

/// Why a message could not be sent or received.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other end is gone.
    #[error("the pipe was closed")]
    Closed,
    /// The pipe failed.
    #[error("the pipe failed")]
    Io(#[source] std::io::Error),
    /// A message is larger than [`MAX_FRAME`].
    #[error("a message of {0} bytes is larger than the pipe takes")]
    TooLarge(usize),
    /// A message can't be encoded.
    #[error("a message can't be encoded")]
    Encode(#[source] rmp_serde::encode::Error),
    /// A message can't be understood.
    #[error("a message can't be understood")]
    Decode(#[source] rmp_serde::decode::Error),
}

impl From<std::io::Error> for FrameError {
    fn from(err: std::io::Error) -> Self {
        use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        if matches!(err.kind(), UnexpectedEof | BrokenPipe | ConnectionReset) {
            Self::Closed
        } else {
            Self::Io(err)
        }
    }
}

fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; 4];
    let mut serializer =
        rmp_serde::Serializer::new(&mut frame).with_struct_map().with_human_readable();
    message.serialize(&mut serializer).map_err(FrameError::Encode)?;
    let len = frame.len() - 4;
    match u32::try_from(len) {
        Ok(prefix) if len <= MAX_FRAME => {
            if let Some(head) = frame.get_mut(..4) {
                head.copy_from_slice(&prefix.to_le_bytes());
            }
            Ok(frame)
        }
        _ => Err(FrameError::TooLarge(len)),
    }
}

fn length(prefix: [u8; 4]) -> Result<usize, FrameError> {
    let len = u32::from_le_bytes(prefix) as usize;
    if len > MAX_FRAME { Err(FrameError::TooLarge(len)) } else { Ok(len) }
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    let mut deserializer = rmp_serde::Deserializer::new(body).with_human_readable();
    T::deserialize(&mut deserializer).map_err(FrameError::Decode)
}

/// Sends a message, blocking.
pub fn send<T: Serialize>(pipe: &mut impl Write, message: &T) -> Result<(), FrameError> {
    pipe.write_all(&encode(message)?)?;
    Ok(())
}

/// Receives a message, blocking.
pub fn receive<T: DeserializeOwned>(pipe: &mut impl Read) -> Result<T, FrameError> {
    let mut prefix = [0; 4];
    pipe.read_exact(&mut prefix)?;
    let mut body = vec![0; length(prefix)?];
    pipe.read_exact(&mut body)?;
    decode(&body)
}

/// Sends a message.
pub async fn send_async<T: Serialize>(
    pipe: &mut (impl AsyncWrite + Unpin),
    message: &T,
) -> Result<(), FrameError> {
    pipe.write_all(&encode(message)?).await?;
    Ok(())
}

/// Receives a message.
pub async fn receive_async<T: DeserializeOwned>(
    pipe: &mut (impl AsyncRead + Unpin),
) -> Result<T, FrameError> {
    let mut prefix = [0; 4];
    pipe.read_exact(&mut prefix).await?;
    let mut body = vec![0; length(prefix)?];
    pipe.read_exact(&mut body).await?;
    decode(&body)
}
