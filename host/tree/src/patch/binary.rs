//! `GIT binary patch`: zlib, base85, and the deltas of git's pack format.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

/// Most bytes that the binary contents of a patch may unpack to together, and
/// that a delta may make. Compressed data grows a thousandfold, and a patch may
/// come from anywhere.
pub(super) const MAX_UNPACKED: u64 = 256 << 20;

const ALPHABET: &[u8; 85] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

/// Bytes on one line of base85.
const LINE: usize = 52;

/// Writes `content` as a literal, with the empty line that ends it.
pub(super) fn write_literal(out: &mut Vec<u8>, content: &[u8]) -> std::io::Result<()> {
    writeln!(out, "literal {}", content.len())?;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content)?;
    for line in encoder.finish()?.chunks(LINE) {
        out.push(length_letter(line.len()));
        for group in line.chunks(4) {
            encode_group(out, group);
        }
        out.push(b'\n');
    }
    out.push(b'\n');
    Ok(())
}

/// Reads one line of base85 into `out`.
pub(super) fn decode_line(line: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let (&letter, encoded) = line.split_first().ok_or("a line of binary data is empty")?;
    let length = match letter {
        b'A'..=b'Z' => usize::from(letter - b'A') + 1,
        b'a'..=b'z' => usize::from(letter - b'a') + 27,
        _ => return Err("a line of binary data does not start with its length".into()),
    };
    if encoded.len() != length.div_ceil(4) * 5 {
        return Err(format!("a line of binary data is not as long as {length} bytes need"));
    }
    let end = out.len() + length;
    for group in encoded.chunks(5) {
        out.extend_from_slice(&decode_group(group)?);
    }
    out.truncate(end);
    Ok(())
}

/// Unpacks data that must have `size` bytes then.
pub(super) fn inflate(packed: &[u8], size: u64) -> Result<Bytes, String> {
    let mut content = Vec::new();
    let mut decoder = ZlibDecoder::new(packed).take(size + 1);
    decoder.read_to_end(&mut content).map_err(|err| format!("binary data is broken: {err}"))?;
    if content.len() as u64 == size {
        Ok(content.into())
    } else {
        Err(format!("binary data does not have the {size} bytes it should have"))
    }
}

/// Makes the new content from the old one by a delta.
pub(super) fn apply_delta(old: &[u8], delta: &[u8]) -> Result<Bytes, String> {
    let broken = || String::from("the binary delta is broken");
    let mut input = delta;
    let old_size = read_size(&mut input).ok_or_else(broken)?;
    let new_size = read_size(&mut input).ok_or_else(broken)?;
    if old_size != old.len() as u64 {
        return Err(format!("the binary delta is for a file of {old_size} bytes"));
    }
    if new_size > MAX_UNPACKED {
        return Err(format!("binary data of {new_size} bytes is more than {MAX_UNPACKED}"));
    }
    let mut new = Vec::new();
    while let Some((&command, rest)) = input.split_first() {
        input = rest;
        let piece = if command & 0x80 == 0 {
            let (piece, rest) = input.split_at_checked(command.into()).ok_or_else(broken)?;
            input = rest;
            piece
        } else {
            copied(old, command, &mut input).ok_or_else(broken)?
        };
        if command == 0 || (new.len() + piece.len()) as u64 > new_size {
            return Err(broken());
        }
        new.extend_from_slice(piece);
    }
    if new.len() as u64 == new_size { Ok(new.into()) } else { Err(broken()) }
}

/// The part of `old` that a copy command names.
fn copied<'a>(old: &'a [u8], command: u8, input: &mut &[u8]) -> Option<&'a [u8]> {
    let mut number = |bits: u8| {
        let mut value = 0_usize;
        for index in 0..bits.count_ones() {
            let bit = 1 << (bits.trailing_zeros() + index);
            if command & bit != 0 {
                let (&byte, rest) = input.split_first()?;
                *input = rest;
                value |= usize::from(byte) << (8 * index);
            }
        }
        Some(value)
    };
    let start = number(0x0f)?;
    let length = match number(0x70)? {
        0 => 0x1_0000,
        length => length,
    };
    old.get(start..start.checked_add(length)?)
}

fn read_size(input: &mut &[u8]) -> Option<u64> {
    let mut size = 0_u64;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        size |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(size);
        }
    }
    None
}

fn length_letter(length: usize) -> u8 {
    let length = u8::try_from(length).unwrap_or(0);
    if length <= 26 { b'A' + length.saturating_sub(1) } else { b'a' + (length - 27) }
}

fn encode_group(out: &mut Vec<u8>, group: &[u8]) {
    let mut bytes = [0; 4];
    for (to, from) in bytes.iter_mut().zip(group) {
        *to = *from;
    }
    let mut value = u32::from_be_bytes(bytes);
    let mut letters = [0; 5];
    for letter in letters.iter_mut().rev() {
        *letter = ALPHABET.get((value % 85) as usize).copied().unwrap_or(b'0');
        value /= 85;
    }
    out.extend_from_slice(&letters);
}

fn decode_group(letters: &[u8]) -> Result<[u8; 4], String> {
    let mut value = 0_u64;
    for letter in letters {
        let digit = ALPHABET
            .iter()
            .position(|known| known == letter)
            .ok_or("binary data holds a byte that is not base85")?;
        value = value * 85 + digit as u64;
    }
    u32::try_from(value)
        .map(u32::to_be_bytes)
        .map_err(|_| "a group of base85 is out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn literal_reads_back(content in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut text = Vec::new();
            write_literal(&mut text, &content).unwrap();
            let mut packed = Vec::new();
            let lines = text.strip_suffix(b"\n\n").unwrap().split(|byte| *byte == b'\n');
            for line in lines.skip(1) {
                decode_line(line, &mut packed).unwrap();
            }
            prop_assert_eq!(inflate(&packed, content.len() as u64).unwrap(), content);
        }

        #[test]
        fn any_bytes_as_delta_or_line_are_an_error_at_worst(
            old in prop::collection::vec(any::<u8>(), 0..40),
            delta in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let _ = apply_delta(&old, &delta);
            let _ = decode_line(&delta, &mut Vec::new());
            let _ = inflate(&delta, 10);
        }
    }

    #[test]
    fn delta_copies_and_inserts() {
        let delta = [6, 7, 0x91, 2, 3, 4, b'w', b'x', b'y', b'z'];
        assert_eq!(apply_delta(b"abcdef", &delta).unwrap(), "cdewxyz");
        assert!(apply_delta(b"abcde", &delta).is_err());
    }

    #[test]
    fn data_that_unpacks_to_too_much_is_refused() {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![0; 100_000]).unwrap();
        let packed = encoder.finish().unwrap();
        assert!(inflate(&packed, 99_999).is_err());
        assert!(inflate(&packed, MAX_UNPACKED + 1).is_err());
    }
}
