//! Which characters a place in a text may stand for, as it is or as an escape of some kind.
//!
//! Each place costs the same, however many escapes are heaped up there: the text is a
//! stranger's.

/// Most escapes of escapes, as in `%2525`.
const MOST_NESTED: usize = 3;

/// Most backslashes in a row that are looked at.
const MOST_BACKSLASHES: usize = 15;

/// Longest entity of HTML that is looked at, without its `&`.
const MOST_ENTITY: usize = 12;

/// Bytes with which an escape begins.
pub(super) const BEGINS: &[u8; 4] = b"%\\&+";

/// Entities of HTML that have names and stand for what secrets consist of.
const ENTITIES: [(char, &[u8]); 5] =
    [('&', b"amp"), ('<', b"lt"), ('>', b"gt"), ('"', b"quot"), ('\'', b"apos")];

/// Tells each character that may be spelled here, with the number of bytes that it takes.
pub(super) fn spelled(text: &[u8], mut tell: impl FnMut(char, usize)) {
    let Some(first) = text.first() else { return };
    if let Some((c, len)) = plain(text) {
        tell(c, len);
    }
    match first {
        b'+' => tell(' ', 1),
        b'%' => percent(text, tell),
        b'&' => entity(text, tell),
        b'\\' => backslash(text, tell),
        _ => {}
    }
}

/// The character that begins a text.
fn plain(text: &[u8]) -> Option<(char, usize)> {
    let first = *text.first()?;
    in_utf8(first, |place| text.get(place).copied(), 1)
}

/// A character from its first byte and those that follow, and the length of all in units.
fn in_utf8(first: u8, byte: impl Fn(usize) -> Option<u8>, unit: usize) -> Option<(char, usize)> {
    let count = match first {
        0..0x80 => return Some((char::from(first), unit)),
        0xc2..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0..0xf5 => 4,
        _ => return None,
    };
    let mut bytes = [first, 0, 0, 0];
    let bytes = bytes.get_mut(..count)?;
    for (place, slot) in bytes.iter_mut().enumerate().skip(1) {
        *slot = byte(place)?;
    }
    Some((std::str::from_utf8(bytes).ok()?.chars().next()?, count * unit))
}

/// `%XX`, or that with its `%` escaped in turn.
fn percent(text: &[u8], mut tell: impl FnMut(char, usize)) {
    for nested in 0..=MOST_NESTED {
        let unit = 1 + 2 * nested + 2;
        let byte = |place: usize| {
            let rest = text.get(place * unit..)?.strip_prefix(b"%")?;
            let digits = (0..nested).try_fold(rest, |rest, _| rest.strip_prefix(b"25"))?;
            u8::try_from(number(digits, 2)?).ok()
        };
        let Some(first) = byte(0) else { return };
        if let Some((c, len)) = in_utf8(first, byte, unit) {
            tell(c, len);
        }
    }
}

/// `&NAME;`, `&#NN;`, `&#xNN;`, or one of these with its `&` escaped in turn.
fn entity(text: &[u8], mut tell: impl FnMut(char, usize)) {
    let Some(mut rest) = text.strip_prefix(b"&") else { return };
    for nested in 0..=MOST_NESTED {
        let end = rest.iter().take(MOST_ENTITY).position(|byte| *byte == b';');
        let Some(name) = end.and_then(|end| rest.get(..end)) else { return };
        let named = ENTITIES.iter().find(|(_, known)| *known == name).map(|(c, _)| *c);
        if let Some(c) = named.or_else(|| numbered(name)) {
            tell(c, 1 + 4 * nested + name.len() + 1);
        }
        let Some(inner) = rest.strip_prefix(b"amp;") else { return };
        rest = inner;
    }
}

fn numbered(name: &[u8]) -> Option<char> {
    let number = std::str::from_utf8(name).ok()?.strip_prefix('#')?;
    let number = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None => number.parse().ok()?,
    };
    char::from_u32(number)
}

/// A character behind backslashes: itself, or by its code units or bytes.
fn backslash(text: &[u8], mut tell: impl FnMut(char, usize)) {
    let count = text.iter().take(MOST_BACKSLASHES).take_while(|byte| **byte == b'\\').count();
    for len in (1..=MOST_NESTED).map(|nested| 1 << nested).filter(|len| *len <= count) {
        tell('\\', len);
    }
    let Some((c, len)) = text.get(count..).and_then(plain) else { return };
    match c {
        '\\' => {}
        'u' => {
            let unit = |place| unit(text, place * (count + 5), count, b'u', 4);
            let low = unit(1).filter(|low| (0xdc00..0xe000).contains(low));
            let spelled = match (unit(0), low) {
                (Some(high @ 0xd800..0xdc00), Some(low)) => {
                    Some((0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), 2))
                }
                (first, _) => first.map(|first| (first, 1)),
            };
            let spelled = spelled.and_then(|(c, units)| Some((char::from_u32(c)?, units)));
            if let Some((c, units)) = spelled {
                tell(c, units * (count + 5));
            }
        }
        'x' => {
            let byte = |place| u8::try_from(unit(text, place * (count + 3), count, b'x', 2)?).ok();
            if let Some((c, len)) = byte(0).and_then(|first| in_utf8(first, byte, count + 3)) {
                tell(c, len);
            }
        }
        // Letters and digits behind a backslash are something else.
        c if c.is_ascii_alphanumeric() => {}
        c => tell(c, count + len),
    }
}

/// The number behind just so many backslashes and a letter.
fn unit(text: &[u8], at: usize, backslashes: usize, letter: u8, digits: usize) -> Option<u32> {
    let (before, rest) = text.get(at..)?.split_at_checked(backslashes)?;
    let is_escape = before.iter().all(|byte| *byte == b'\\');
    number(rest.strip_prefix(&[letter])?, digits).filter(|_| is_escape)
}

/// The number of so many hexadecimal digits with which a text begins.
fn number(text: &[u8], digits: usize) -> Option<u32> {
    text.get(..digits)?
        .iter()
        .try_fold(0, |number, digit| Some((number << 4) + char::from(*digit).to_digit(16)?))
}
