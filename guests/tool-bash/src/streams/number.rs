//! Counts on command lines: `5`, `-5`, `+5`, `2k`, `1MiB`.

use crate::options::Parsed;

/// What is to be kept or left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) sign: Option<char>,
    pub(super) number: u64,
}

/// Reads a count with its unit.
pub(super) fn parse(text: &str) -> Option<Count> {
    let sign = text.chars().next().filter(|sign| matches!(sign, '+' | '-'));
    let rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = rest.find(|one: char| !one.is_ascii_digit()).unwrap_or(rest.len());
    let (number, unit) = rest.split_at(digits);
    let factor: u64 = match unit {
        "" => 1,
        "b" => 512,
        "kB" => 1_000,
        "k" | "K" | "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "m" | "M" | "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "G" | "GiB" => 1 << 30,
        _ => return None,
    };
    Some(Count { sign, number: number.parse::<u64>().ok()?.checked_mul(factor)? })
}

/// What the options `-n` and `-c` ask for, of which the last counts.
pub(super) struct Wanted {
    pub(super) count: Count,
    pub(super) by_bytes: bool,
}

impl Wanted {
    /// Ten lines where nothing is asked for.
    pub(super) fn of(parsed: &Parsed) -> Result<Self, String> {
        let given = parsed.options.iter().rfind(|(letter, _)| matches!(letter, 'n' | 'c'));
        let by_bytes = given.is_some_and(|(letter, _)| *letter == 'c');
        let text = given.and_then(|(_, value)| value.as_deref()).unwrap_or("10");
        let what = if by_bytes { "bytes" } else { "lines" };
        let count = parse(text).ok_or_else(|| format!("invalid number of {what}: '{text}'"))?;
        Ok(Self { count, by_bytes })
    }
}

/// Words with the old form `-5` (or `+5` for `tail`) as `-n 5`; `-5c` too.
pub(super) fn modern(words: &[String], signs: &[char]) -> Vec<String> {
    let mut modern: Vec<String> = Vec::new();
    for word in words {
        let takes_value =
            |last: &String| matches!(last.as_str(), "-n" | "-c" | "--lines" | "--bytes");
        if modern.last().is_some_and(takes_value) {
            modern.push(word.clone());
            continue;
        }
        let mut rest = word.chars();
        let sign = rest.next().filter(|sign| signs.contains(sign));
        let unit = rest.as_str().trim_start_matches(|one: char| one.is_ascii_digit());
        let digits = rest.as_str().strip_suffix(unit).unwrap_or_default();
        match (sign, digits.is_empty(), unit) {
            (Some(sign), false, "" | "l" | "c") => {
                let plus = if sign == '+' { "+" } else { "" };
                modern.push(if unit == "c" { "-c" } else { "-n" }.to_owned());
                modern.push(format!("{plus}{digits}"));
            }
            _ => modern.push(word.clone()),
        }
    }
    modern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_signs_and_units() {
        for (text, sign, number) in [
            ("5", None, 5),
            ("-5", Some('-'), 5),
            ("+2k", Some('+'), 2048),
            ("1MB", None, 1_000_000),
        ] {
            assert_eq!(parse(text), Some(Count { sign, number }), "{text}");
        }
        for wrong in ["", "x", "5x", "-", "99999999999999999999"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn old_form_becomes_an_option() {
        let words = ["-5", "+3", "-20c", "-n", "-5", "a-5", "-"].map(str::to_owned);
        let modern = modern(&words, &['-', '+']);
        assert_eq!(modern, ["-n", "5", "-n", "+3", "-c", "20", "-n", "-5", "a-5", "-"]);
    }
}
