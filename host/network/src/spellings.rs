//! Finds secrets in what a server answers, also where the server spells them in another way.
//!
//! Seen through are percent-encoding, escapes of JSON and of programs, and entities of HTML, of
//! any of the characters and, each by itself, up to three times over; base64 in both alphabets, of a secret alone
//! or within a longer text such as `user:secret`, and in lines; hexadecimal digits. What stands in pieces or
//! in another encoding is not found.

mod escapes;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::request::Filling;
use escapes::spelled;

/// Shortest piece of base64 that is taken for one of a secret. What is shorter stands in many
/// texts.
const SHORTEST_BASE64: usize = 4;

/// What base64 is broken into lines by, as it is and as JSON has it.
const LINE_ENDS: [&str; 4] = ["\n", "\r\n", "\\n", "\\r\\n"];

/// Finds secrets in all of their spellings.
pub(crate) struct Spellings<'a> {
    needles: Vec<Needle<'a>>,
    /// Bytes with which one of them may begin.
    begins: [bool; 256],
}

/// A text that gives a secret away.
struct Needle<'a> {
    text: Vec<char>,
    /// Whether it may be broken into lines.
    is_base64: bool,
    /// Whether the characters before and after it have bits of the secret as well.
    is_shared: (bool, bool),
    placeholder: &'a str,
}

/// A spelling that was found.
struct Found<'a> {
    begin: usize,
    end: usize,
    placeholder: &'a str,
}

impl<'a> Spellings<'a> {
    pub(crate) fn of(secrets: &'a [Filling<'_>]) -> Self {
        let needles: Vec<Needle<'_>> = secrets.iter().flat_map(needles).collect();
        let mut begins = [false; 256];
        let first = needles.iter().filter_map(|needle| needle.text.first());
        let bytes = first.flat_map(|c| c.to_string().into_bytes()).chain(*escapes::BEGINS);
        for byte in bytes {
            if let Some(begins) = begins.get_mut(usize::from(byte)) {
                *begins = true;
            }
        }
        Self { needles, begins }
    }

    /// Puts placeholders in the place of secrets.
    pub(crate) fn hide(&self, text: Vec<u8>) -> Vec<u8> {
        let mut hidden = Vec::new();
        // From where on the text was neither taken over nor replaced.
        let mut rest = 0;
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            at += 1;
            if self.begins.get(usize::from(*byte)) != Some(&true) {
                continue;
            }
            if let Some(Found { begin, end, placeholder }) = self.find(&text, at - 1) {
                hidden.extend_from_slice(text.get(rest..begin).unwrap_or_default());
                hidden.extend_from_slice(placeholder.as_bytes());
                (rest, at) = (end, end);
            }
        }
        if rest == 0 {
            return text;
        }
        hidden.extend_from_slice(text.get(rest..).unwrap_or_default());
        hidden
    }

    /// The longest spelling that begins here.
    fn find(&self, text: &[u8], at: usize) -> Option<Found<'a>> {
        let mut longest: Option<Found<'a>> = None;
        let rest = text.get(at..).unwrap_or_default();
        spelled(rest, |first, len| {
            let begun = self.needles.iter().filter(|needle| needle.text.first() == Some(&first));
            for found in begun.filter_map(|needle| needle.find(text, at, at + len)) {
                if longest.as_ref().is_none_or(|longest| found.end > longest.end) {
                    longest = Some(found);
                }
            }
        });
        longest
    }
}

impl<'a> Needle<'a> {
    /// Looks for it where its first character is from one place to another.
    fn find(&self, text: &[u8], at: usize, first_end: usize) -> Option<Found<'a>> {
        let mut ends = vec![first_end];
        let mut next = Vec::new();
        for c in self.text.iter().skip(1) {
            next.clear();
            for end in &ends {
                self.ends_of(*c, text, *end, &mut next);
            }
            next.sort_unstable();
            next.dedup();
            std::mem::swap(&mut ends, &mut next);
            if ends.is_empty() {
                return None;
            }
        }
        let end = *ends.last()?;
        let is_base64 = |at: usize| {
            let byte = text.get(at).copied().unwrap_or_default();
            byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte)
        };
        let (before, after) = self.is_shared;
        let begin = if before && at > 0 && is_base64(at - 1) { at - 1 } else { at };
        let end = if after && is_base64(end) { end + 1 } else { end };
        Some(Found { begin, end, placeholder: self.placeholder })
    }

    /// Adds all places at which a character may end that begins here, or on the next line.
    fn ends_of(&self, c: char, text: &[u8], at: usize, ends: &mut Vec<usize>) {
        let rest = text.get(at..).unwrap_or_default();
        let line_ends = LINE_ENDS.iter().filter(|line_end| rest.starts_with(line_end.as_bytes()));
        let skipped = line_ends.map(|line_end| line_end.len()).filter(|_| self.is_base64);
        for skipped in skipped.chain([0]) {
            spelled(rest.get(skipped..).unwrap_or_default(), |found, len| {
                if found == c {
                    ends.push(at + skipped + len);
                }
            });
        }
    }
}

/// All texts that give a secret away, but for escapes.
fn needles<'a>(secret: &'a Filling<'_>) -> Vec<Needle<'a>> {
    let value = secret.value.reveal();
    let placeholder = secret.placeholder.as_str();
    let hex = value.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let plain = [value.to_owned(), hex.to_uppercase(), hex];
    let mut all: Vec<Needle<'_>> = plain
        .iter()
        .map(|text| Needle {
            text: text.chars().collect(),
            is_base64: false,
            is_shared: (false, false),
            placeholder,
        })
        .collect();
    for before in 0..3 {
        let padded = [&vec![0; before], value.as_bytes()].concat();
        let bits = padded.len() * 8;
        // From the first character, of six bits each, that is the secret's alone to the last.
        let (begin, end) = ((before * 8).div_ceil(6), bits / 6);
        let is_shared = (before > 0, bits % 6 > 0);
        for spelled in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            let text: Vec<char> = spelled.get(begin..end).unwrap_or_default().chars().collect();
            if text.len() >= SHORTEST_BASE64 {
                all.push(Needle { text, is_base64: true, is_shared, placeholder });
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use catena_model::Secret;
    use proptest::prelude::*;

    use super::*;

    const PLACE: &str = "{secret:K}";

    fn hidden(value: &str, text: &str) -> String {
        let value = Secret::new(value).unwrap();
        let secrets = [Filling { placeholder: PLACE.to_owned(), value: &value }];
        let hidden = Spellings::of(&secrets).hide(text.as_bytes().to_vec());
        String::from_utf8(hidden).unwrap()
    }

    fn percent(text: &str) -> String {
        let spelled = text.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        });
        spelled.collect()
    }

    fn json(text: &str) -> String {
        let quoted = serde_json::to_string(text).unwrap();
        quoted[1..quoted.len() - 1].to_owned()
    }

    fn ascii_json(text: &str) -> String {
        text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat()
    }

    fn html(text: &str) -> String {
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        escaped.replace('"', "&quot;").replace('\'', "&#39;")
    }

    fn entities(text: &str) -> String {
        text.chars().map(|c| format!("&#x{:X};", u32::from(c))).collect::<Vec<_>>().concat()
    }

    fn python(text: &str) -> String {
        text.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<Vec<_>>().concat()
    }

    fn hex(text: &str) -> String {
        text.bytes().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().concat()
    }

    /// How servers spell, to be applied to all of a text.
    const SPELLINGS: [fn(&str) -> String; 10] = [
        str::to_owned,
        percent,
        |text| percent(&percent(text)),
        json,
        |text| json(&json(text)),
        ascii_json,
        entities,
        html,
        python,
        hex,
    ];

    proptest! {
        #[test]
        fn secret_is_found_in_any_spelling(
            value in "[a-zA-Z~!@#$%^&*_+=<>\"'\\\\/|?\u{e9}\u{20ac}\u{1f511}-]{4,40}",
            before in "[0-9 .:]{0,9}",
            after in "[0-9 .:]{0,9}",
            spelling in 0..SPELLINGS.len(),
        ) {
            let spell = SPELLINGS[spelling];
            // Spelled alone, each character is as it is within a text.
            let text = format!("{before}|{}|{after}", spell(&value));
            prop_assert_eq!(hidden(&value, &text), format!("{before}|{PLACE}|{after}"));
        }

        #[test]
        fn secret_is_found_in_base64_of_what_it_stands_in(
            value in "[a-zA-Z~!@#$%^&*_+=<>\"'/|?\u{e9}-]{4,40}",
            before in "[0-9 .:]{0,9}",
            after in "[0-9 .:]{0,9}",
            is_url_safe: bool,
        ) {
            let whole = format!("{before}{value}{after}");
            let spelled = if is_url_safe {
                URL_SAFE_NO_PAD.encode(&whole)
            } else {
                STANDARD_NO_PAD.encode(&whole)
            };
            // No character that has a bit of it is left.
            let begin = before.len() * 8 / 6;
            let end = ((before.len() + value.len()) * 8).div_ceil(6);
            let expected = format!("x {}{PLACE}{} y", &spelled[..begin], &spelled[end..]);
            prop_assert_eq!(hidden(&value, &format!("x {spelled} y")), expected);
        }

        #[test]
        fn text_without_a_secret_stays_as_it_is(text in any::<Vec<u8>>()) {
            let value = Secret::new("t0p-s3cret-value").unwrap();
            let secrets = [Filling { placeholder: PLACE.to_owned(), value: &value }];
            prop_assert_eq!(Spellings::of(&secrets).hide(text.clone()), text);
        }
    }

    #[test]
    fn escapes_are_seen_through_within_base64_and_beside_each_other() {
        let basic = STANDARD_NO_PAD.encode("ada:??>>k-123??>>");
        assert!(basic.contains('/') || basic.contains('+'), "{basic}");
        let told = hidden("??>>k-123??>>", &format!("{{\"a\":\"Basic {}\"}}", percent(&basic)));
        assert!(told.contains(PLACE) && told.len() < 40, "{told}");
        assert_eq!(hidden("k-1 2", "k%2D1+2,k-1%202,k\\u002d1 2"), [PLACE; 3].join(","));
        let lines = "YWRhOnQw\ncC1zM2Ny\r\nZXQtdmFsdWU=\\n";
        assert_eq!(hidden("t0p-s3cret-value", lines), format!("YWRhO{PLACE}=\\n"));
        assert_eq!(hidden("a&b&c", "a&amp;amp;b&#x26;c"), PLACE);
    }

    #[test]
    fn longest_of_several_secrets_is_hidden_and_no_placeholder_is_looked_into() {
        let (one, other) = (Secret::new("secret").unwrap(), Secret::new("secret-too").unwrap());
        let secrets = [
            Filling { placeholder: "{secret:A}".to_owned(), value: &one },
            Filling { placeholder: "{secret:B}".to_owned(), value: &other },
        ];
        let told = Spellings::of(&secrets).hide(b"secret, secret-too".to_vec());
        assert_eq!(told, b"{secret:A}, {secret:B}");
    }
}
