//! Lines, and the paths git quotes in them.

/// The line without `\n` or `\r\n`.
pub(crate) fn without_ending(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Takes a path off a header line: as it is, or in C quotes.
pub(crate) fn unquote(text: &[u8]) -> String {
    let bytes = match text.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) {
        Some(quoted) => unescape(quoted),
        None => text.to_vec(),
    };
    String::from_utf8_lossy(&bytes).into_owned()
}

fn unescape(quoted: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(quoted.len());
    let mut rest = quoted.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(digit @ b'0'..=b'3') => {
                let mut value = digit - b'0';
                for _ in 0..2 {
                    if let Some(next) = rest.next_if(|byte| matches!(byte, b'0'..=b'7')) {
                        value = value.wrapping_mul(8).wrapping_add(next - b'0');
                    }
                }
                bytes.push(value);
            }
            Some(letter) => bytes.push(control_character(letter)),
            None => {}
        }
    }
    bytes
}

fn control_character(letter: u8) -> u8 {
    match letter {
        b'a' => 7,
        b'b' => 8,
        b't' => b'\t',
        b'n' => b'\n',
        b'v' => 11,
        b'f' => 12,
        b'r' => b'\r',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_paths_are_taken_out_of_their_quotes() {
        assert_eq!(unquote(br#""d\303\251j\303\240 \"vu\"""#), "déjà \"vu\"");
        assert_eq!(unquote(b"plain name"), "plain name");
    }
}
