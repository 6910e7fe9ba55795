//! How messages stand in the pipe: four bytes of length, little-endian, then
//! `MessagePack` with field names. Ids are texts as in JSON: tagged enums, which
//! are read in two steps, can't tell the forms apart.

use std::io::{Read, Write};

use rmp::Marker;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Largest message in bytes. A blob that is larger can't be read by a guest.
pub const MAX_FRAME: usize = 512 << 20;

/// Largest message of a worker in bytes: more than conversations, answers and commands
/// may have of text.
const MAX_FROM_WORKER: usize = 192 << 20;

/// Most values in a message of a worker, with those within others. Some are kept apart
/// before it is known what they stand for, at many times the bytes that they have in the
/// pipe.
const MAX_VALUES: u64 = 4_000_000;

/// Why a message could not be sent or received.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other end is gone.
    #[error("the pipe was closed")]
    Closed,
    /// The pipe failed.
    #[error("the pipe failed")]
    Io(#[source] std::io::Error),
    /// A message is larger than [`MAX_FRAME`], or than a worker's may be.
    #[error("a message of {0} bytes is larger than the pipe takes")]
    TooLarge(usize),
    /// A message of a worker is made of more values than any needs.
    #[error("a message has more than {MAX_VALUES} values")]
    TooMany,
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

fn length(prefix: [u8; 4], most: usize) -> Result<usize, FrameError> {
    let len = u32::from_le_bytes(prefix) as usize;
    if len > most { Err(FrameError::TooLarge(len)) } else { Ok(len) }
}

/// Counts the values of a message without making any. What is not whole is left to who
/// decodes.
fn check_values(body: &[u8]) -> Result<(), FrameError> {
    let (mut rest, mut values) = (body, 0_u64);
    while let Ok(marker) = rmp::decode::read_marker(&mut rest) {
        values += 1;
        if values > MAX_VALUES {
            return Err(FrameError::TooMany);
        }
        let Some(after) = size_after(marker, rest).and_then(|size| rest.get(size..)) else { break };
        rest = after;
    }
    Ok(())
}

/// Bytes between a marker and the next one: how long the value is, and its bytes. Values
/// within others have markers of their own.
fn size_after(marker: Marker, rest: &[u8]) -> Option<usize> {
    let number = |bytes: usize| {
        let digits = rest.get(..bytes)?.iter();
        Some(digits.fold(0_usize, |sum, digit| sum << 8 | usize::from(*digit)))
    };
    let with_length = |bytes: usize, more: usize| number(bytes)?.checked_add(bytes + more);
    match marker {
        Marker::FixPos(_)
        | Marker::FixNeg(_)
        | Marker::Null
        | Marker::True
        | Marker::False
        | Marker::Reserved
        | Marker::FixArray(_)
        | Marker::FixMap(_) => Some(0),
        Marker::FixStr(len) => Some(usize::from(len)),
        Marker::U8 | Marker::I8 => Some(1),
        Marker::U16 | Marker::I16 | Marker::Array16 | Marker::Map16 | Marker::FixExt1 => Some(2),
        Marker::FixExt2 => Some(3),
        Marker::U32 | Marker::I32 | Marker::F32 | Marker::Array32 | Marker::Map32 => Some(4),
        Marker::FixExt4 => Some(5),
        Marker::U64 | Marker::I64 | Marker::F64 => Some(8),
        Marker::FixExt8 => Some(9),
        Marker::FixExt16 => Some(17),
        Marker::Str8 | Marker::Bin8 => with_length(1, 0),
        Marker::Str16 | Marker::Bin16 => with_length(2, 0),
        Marker::Str32 | Marker::Bin32 => with_length(4, 0),
        Marker::Ext8 => with_length(1, 1),
        Marker::Ext16 => with_length(2, 1),
        Marker::Ext32 => with_length(4, 1),
    }
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
    let mut body = vec![0; length(prefix, MAX_FRAME)?];
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

/// Receives a message of a worker, which may be anything.
pub async fn receive_async<T: DeserializeOwned>(
    pipe: &mut (impl AsyncRead + Unpin),
) -> Result<T, FrameError> {
    let mut prefix = [0; 4];
    pipe.read_exact(&mut prefix).await?;
    let mut body = vec![0; length(prefix, MAX_FROM_WORKER)?];
    pipe.read_exact(&mut body).await?;
    check_values(&body)?;
    decode(&body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::FromWorker;

    #[test]
    fn values_are_counted_in_whatever_they_stand() {
        let message = (vec![1_u64, 300, 70_000, u64::MAX], "x".repeat(300), -5_i8, 1.5_f64);
        let message = (message, Some(true), [("key", vec![(); 70_000])]);
        let body = encode(&message).unwrap().split_off(4);
        let (mut rest, mut values) = (&body[..], 0);
        while let Ok(marker) = rmp::decode::read_marker(&mut rest) {
            values += 1;
            rest = &rest[size_after(marker, rest).unwrap()..];
        }
        assert_eq!((values, rest.len()), (70_015, 0));
        check_values(&body).unwrap();
    }

    #[test]
    fn message_of_a_worker_with_heaps_of_values_is_refused_before_it_is_understood() {
        let mut body = vec![0xdd, 0x00, 0x60, 0x00, 0x00];
        body.resize(body.len() + 0x0060_0000, 0xc0);
        assert!(matches!(check_values(&body), Err(FrameError::TooMany)));
        let mut cut = encode(&FromWorker::Put(Vec::new())).unwrap().split_off(4);
        cut.truncate(2);
        check_values(&cut).unwrap();
    }
}
