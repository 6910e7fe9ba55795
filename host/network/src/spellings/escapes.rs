//! Where a character ends that may be written as an escape of whichever kind.

/// Most escapes of escapes, as in `%2525`.
const MOST_NESTED: usize = 3;

/// Most backslashes in a row that are looked at.
const MOST_BACKSLASHES: usize = 15;

/// Bytes with which an escape begins.
pub(super) const BEGINS: &[u8; 4] = b"%\\&+";

/// Entities of HTML that have names and stand for what secrets consist of.
const ENTITIES: [(char, &str); 5] =
    [('&', "amp;"), ('<', "lt;"), ('>', "gt;"), ('"', "quot;"), ('\'', "apos;")];

/// Adds all places at which the character may end, if it begins at this one.
pub(super) fn ends_of(c: char, text: &[u8], at: usize, ends: &mut Vec<usize>) {
    let Some(rest) = text.get(at..) else { return };
    let mut bytes = [0; 4];
    let bytes = c.encode_utf8(&mut bytes).as_bytes();
    if rest.starts_with(bytes) {
        ends.push(at + bytes.len());
    }
    match rest.first() {
        Some(b'+') if c == ' ' => ends.push(at + 1),
        Some(b'%') => ends.extend(percent(bytes, rest).map(|len| at + len)),
        Some(b'&') => ends.extend(entity(c, rest).map(|len| at + len)),
        Some(b'\\') => backslash(c, bytes, rest, |len| ends.push(at + len)),
        _ => {}
    }
}

/// Lengths of a character whose bytes are each `%XX`, or that with its `%` escaped in turn.
fn percent(bytes: &[u8], text: &[u8]) -> impl Iterator<Item = usize> {
    (0..=MOST_NESTED).filter_map(move |nested| {
        let mut len = 0;
        for byte in bytes {
            let escape = text.get(len..)?.strip_prefix(b"%")?;
            let digits = (0..nested).try_fold(escape, |rest, _| rest.strip_prefix(b"25"))?;
            is_number(digits, 2, u32::from(*byte)).then_some(())?;
            len += 1 + 2 * nested + 2;
        }
        Some(len)
    })
}

/// Lengths of a character as an entity, by its name or its number.
fn entity(c: char, text: &[u8]) -> impl Iterator<Item = usize> {
    (0..=MOST_NESTED).filter_map(move |nested| {
        let start = text.strip_prefix(b"&")?;
        let name = (0..nested).try_fold(start, |rest, _| rest.strip_prefix(b"amp;"))?;
        let named = ENTITIES.iter().filter(|(of, _)| *of == c).map(|(_, name)| name.as_bytes());
        let mut named = named.filter(|known| name.starts_with(known)).map(<[u8]>::len);
        let len = named.next().or_else(|| numbered(c, name))?;
        Some(1 + 4 * nested + len)
    })
}

/// The length of `#NN;` or `#xNN;`.
fn numbered(c: char, name: &[u8]) -> Option<usize> {
    let end = name.iter().take(12).position(|byte| *byte == b';')?;
    let number = std::str::from_utf8(name.get(..end)?).ok()?.strip_prefix('#')?;
    let number = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None => number.parse().ok()?,
    };
    (number == u32::from(c)).then_some(end + 1)
}

/// Tells lengths of a character behind backslashes: itself, by its code units, or by its bytes.
fn backslash(c: char, bytes: &[u8], text: &[u8], mut tell: impl FnMut(usize)) {
    let count = text.iter().take(MOST_BACKSLASHES).take_while(|byte| **byte == b'\\').count();
    if c == '\\' {
        (1..=MOST_NESTED).map(|nested| 1 << nested).filter(|len| *len <= count).for_each(&mut tell);
    }
    let behind = text.get(count..).unwrap_or_default();
    // Letters and digits behind a backslash are something else.
    if !c.is_ascii_alphanumeric() && c != '\\' && behind.starts_with(bytes) {
        tell(count + bytes.len());
    }
    let mut units = [0; 2];
    let units = c.encode_utf16(&mut units).iter().map(|unit| u32::from(*unit));
    units_behind(text, count, b'u', 4, units).into_iter().for_each(&mut tell);
    let bytes = bytes.iter().map(|byte| u32::from(*byte));
    units_behind(text, count, b'x', 2, bytes).into_iter().for_each(&mut tell);
}

/// The length of numbers that each have so many backslashes, a letter and so many digits.
fn units_behind(
    text: &[u8],
    backslashes: usize,
    letter: u8,
    digits: usize,
    units: impl Iterator<Item = u32>,
) -> Option<usize> {
    let mut len = 0;
    for unit in units {
        let escape = text.get(len..)?;
        let is_escape = escape.iter().take_while(|byte| **byte == b'\\').count() == backslashes;
        let number = escape.get(backslashes..)?.strip_prefix(&[letter])?;
        (is_escape && is_number(number, digits, unit)).then_some(())?;
        len += backslashes + 1 + digits;
    }
    Some(len)
}

/// Whether a text begins with so many hexadecimal digits of a number.
fn is_number(text: &[u8], digits: usize, number: u32) -> bool {
    let digits = text.get(..digits).unwrap_or_default();
    let is_hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    let value =
        std::str::from_utf8(digits).ok().and_then(|text| u32::from_str_radix(text, 16).ok());
    is_hex && value == Some(number)
}
