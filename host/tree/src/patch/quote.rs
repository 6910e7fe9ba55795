//! File names as they stand in patches.

use bstr::{BStr, BString, ByteSlice};

/// The name as git writes it: plain, or in quotes with escapes if it holds a
/// quote, a backslash, a control character or a byte outside ASCII.
pub(super) fn quoted(prefix: &str, name: &BStr) -> Vec<u8> {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if name.iter().all(plain) {
        return [prefix.as_bytes(), name].concat();
    }
    let mut out = vec![b'"'];
    out.extend_from_slice(prefix.as_bytes());
    for byte in name.iter() {
        match escape_letter(*byte) {
            Some(letter) => out.extend_from_slice(&[b'\\', letter]),
            None if plain(byte) => out.push(*byte),
            None => out.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
        }
    }
    out.push(b'"');
    out
}

/// Reads a name that starts with `"`; returns it and what follows the closing quote.
pub(super) fn unquote(text: &[u8]) -> Option<(BString, &[u8])> {
    let mut rest = text.strip_prefix(b"\"")?;
    let mut name = BString::default();
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'"' => return Some((name, rest)),
            b'\\' => {
                let (byte, after) = unescape(rest)?;
                name.push(byte);
                rest = after;
            }
            byte => name.push(byte),
        }
    }
}

fn unescape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (&letter, rest) = text.split_first()?;
    if let Some(byte) = LETTERS.iter().find(|(_, known)| *known == letter).map(|(byte, _)| *byte) {
        return Some((byte, rest));
    }
    let digits = text.get(..3)?.to_str().ok()?;
    let byte = u8::from_str_radix(digits, 8).ok()?;
    Some((byte, text.get(3..)?))
}

fn escape_letter(byte: u8) -> Option<u8> {
    LETTERS.iter().find(|(escaped, _)| *escaped == byte).map(|(_, letter)| *letter)
}

const LETTERS: [(u8, u8); 9] = [
    (0x07, b'a'),
    (0x08, b'b'),
    (b'\t', b't'),
    (b'\n', b'n'),
    (0x0b, b'v'),
    (0x0c, b'f'),
    (b'\r', b'r'),
    (b'"', b'"'),
    (b'\\', b'\\'),
];

#[cfg(test)]
mod tests {
    use bstr::ByteSlice;
    use proptest::prelude::*;

    use super::{quoted, unquote};

    #[test]
    fn plain_names_stay_and_others_are_escaped() {
        assert_eq!(quoted("a/", b"x y.py".as_bstr()), b"a/x y.py");
        assert_eq!(quoted("a/", b"\xc3\xa4\t".as_bstr()), b"\"a/\\303\\244\\t\"");
    }

    proptest! {
        #[test]
        fn unquoting_undoes_quoting(name in prop::collection::vec(any::<u8>(), 1..20)) {
            let text = quoted("a/", name.as_bstr());
            if text.starts_with(b"\"") {
                let (read, rest) = unquote(&text).unwrap();
                prop_assert_eq!(read, [b"a/".as_slice(), &name].concat());
                prop_assert!(rest.is_empty());
            }
        }
    }
}
