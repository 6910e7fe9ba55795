//! GNU's regular expressions, as those of the crates `regex` and, for what only
//! backtracking can do, `fancy-regex`.

use std::iter::Peekable;
use std::str::Chars;

use regex::bytes::{Regex, RegexBuilder};

use crate::options::Parsed;

/// Memory of a compiled expression.
const SIZE_LIMIT: usize = 16 << 20;

/// What is looked for.
pub(super) struct Pattern {
    kind: Kind,
    /// Matches in every text of several lines of which one matches.
    rough: Option<Regex>,
}

enum Kind {
    Nothing,
    Plain(Regex),
    /// With references to earlier parts, or looking around.
    Backtracking(Box<fancy_regex::Regex>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syntax {
    Basic,
    Extended,
    Fixed,
    Perl,
}

impl Pattern {
    /// One expression that matches what any of the patterns does.
    pub(super) fn compile(patterns: &[String], parsed: &Parsed) -> Result<Self, String> {
        let chosen = parsed.options.iter().rfind(|(letter, _)| "EFGP".contains(*letter));
        let syntax = match chosen.map(|(letter, _)| *letter) {
            Some('E') => Syntax::Extended,
            Some('F') => Syntax::Fixed,
            Some('P') => Syntax::Perl,
            _ => Syntax::Basic,
        };
        if patterns.is_empty() {
            return Ok(Self { kind: Kind::Nothing, rough: None });
        }
        let lines = patterns.iter().flat_map(|pattern| pattern.split('\n'));
        let translated: Vec<String> = lines.map(|pattern| translated(pattern, syntax)).collect();
        let mut whole = match translated.as_slice() {
            [one] => one.clone(),
            several => several.iter().map(|one| format!("(?:{one})")).collect::<Vec<_>>().join("|"),
        };
        if parsed.has('x') {
            whole = format!("^(?:{whole})$");
        } else if parsed.has('w') {
            whole = format!(r"(?:\b{{start-half}})(?:{whole})(?:\b{{end-half}})");
        }
        let ignores_case = parsed.has('i') || parsed.has('y');
        let build = |in_text: bool| {
            RegexBuilder::new(&whole)
                .case_insensitive(ignores_case)
                .multi_line(in_text)
                .size_limit(SIZE_LIMIT)
                .build()
        };
        match build(false) {
            Ok(regex) => {
                let bound_to_text = whole.contains(r"\A") || whole.contains(r"\z");
                let rough = if bound_to_text { None } else { build(true).ok() };
                Ok(Self { kind: Kind::Plain(regex), rough })
            }
            Err(refused) => {
                let case = if ignores_case { "(?i)" } else { "" };
                let words = whole.replace(r"\b{start-half}", r"(?<!\w)");
                let words = words.replace(r"\b{end-half}", r"(?!\w)");
                let regex = fancy_regex::Regex::new(&format!("{case}{words}"))
                    .map_err(|_| reason(&refused))?;
                Ok(Self { kind: Kind::Backtracking(Box::new(regex)), rough: None })
            }
        }
    }

    /// Whether a line matches.
    pub(super) fn is_in(&self, line: &[u8]) -> bool {
        match &self.kind {
            Kind::Nothing => false,
            Kind::Plain(regex) => regex.is_match(line),
            Kind::Backtracking(regex) => {
                regex.is_match(&*String::from_utf8_lossy(line)).unwrap_or(false)
            }
        }
    }

    /// Whether one of several lines may match.
    pub(super) fn may_be_in(&self, lines: &[u8]) -> bool {
        match (&self.kind, &self.rough) {
            (Kind::Nothing, _) => false,
            (_, Some(rough)) => rough.is_match(lines),
            (_, None) => true,
        }
    }

    /// Where the matches in a line are that are not empty.
    pub(super) fn all_in(&self, line: &[u8]) -> Vec<(usize, usize)> {
        let spans: Vec<(usize, usize)> = match &self.kind {
            Kind::Nothing => Vec::new(),
            Kind::Plain(regex) => {
                regex.find_iter(line).map(|part| (part.start(), part.end())).collect()
            }
            Kind::Backtracking(regex) => {
                let text = String::from_utf8_lossy(line);
                regex.find_iter(&*text).flatten().map(|part| (part.start(), part.end())).collect()
            }
        };
        spans.into_iter().filter(|(start, end)| start < end).collect()
    }
}

/// The last line of what the crate says.
fn reason(err: &regex::Error) -> String {
    let text = err.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

fn translated(pattern: &str, syntax: Syntax) -> String {
    match syntax {
        Syntax::Fixed => regex::escape(pattern),
        Syntax::Perl => pattern.to_owned(),
        Syntax::Basic | Syntax::Extended => posix(pattern, syntax == Syntax::Basic),
    }
}

/// A POSIX expression with GNU's additions. In a basic one a backslash gives
/// `+ ? | ( ) { }` their meaning, in an extended one it takes it from them.
fn posix(pattern: &str, basic: bool) -> String {
    let mut out = String::new();
    let mut rest = pattern.chars().peekable();
    let mut starts = true;
    while let Some(one) = rest.next() {
        let begins = std::mem::take(&mut starts);
        let (one, special) = match one {
            '\\' => match rest.next() {
                Some(meant @ ('+' | '?' | '|' | '(' | ')' | '{' | '}')) => (meant, basic),
                Some(other) => {
                    escape(other, &mut out);
                    continue;
                }
                None => ('\\', false),
            },
            '+' | '?' | '|' | '(' | ')' | '{' | '}' => (one, !basic),
            '[' => {
                bracket(&mut rest, &mut out);
                continue;
            }
            '*' if begins => ('*', false),
            '^' if basic && !begins => ('^', false),
            '$' if basic && !ends(&rest) => ('$', false),
            other => (other, matches!(other, '*' | '^' | '$' | '.')),
        };
        starts = special && matches!(one, '(' | '|') || (begins && one == '^' && special);
        let is_repeat = matches!(one, '+' | '?') || (one == '{' && is_interval(&rest));
        match one {
            '{' if special && (begins || !is_repeat) => out.push_str(r"\{"),
            '+' | '?' if special && begins => out.extend(['\\', one]),
            one if special => out.push(one),
            one => out.push_str(&regex::escape(one.encode_utf8(&mut [0; 4]))),
        }
    }
    out
}

/// Whether a `$` here is at the end of a part.
fn ends(rest: &Peekable<Chars<'_>>) -> bool {
    let after: String = rest.clone().take(2).collect();
    after.is_empty() || after == r"\)" || after == r"\|"
}

/// Whether a number of repeats follows.
fn is_interval(rest: &Peekable<Chars<'_>>) -> bool {
    let inside: String = rest.clone().take_while(|one| !matches!(one, '}' | '\\')).collect();
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match inside.split_once(',') {
        Some((least, most)) => !least.is_empty() && is_number(least) && is_number(most),
        None => !inside.is_empty() && is_number(&inside),
    }
}

/// What a backslash and a letter stand for.
fn escape(letter: char, out: &mut String) {
    match letter {
        '<' => out.push_str(r"\b{start}"),
        '>' => out.push_str(r"\b{end}"),
        '`' => out.push_str(r"\A"),
        '\'' => out.push_str(r"\z"),
        's' | 'S' | 'w' | 'W' | 'b' | 'B' | '1'..='9' => out.extend(['\\', letter]),
        other => out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
    }
}

/// A set of characters, in which a backslash stands for itself.
fn bracket(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('[');
    if let Some(not) = rest.next_if_eq(&'^') {
        out.push(not);
    }
    if rest.next_if_eq(&']').is_some() {
        out.push_str(r"\]");
    }
    while let Some(one) = rest.next() {
        match one {
            ']' => break,
            '[' if matches!(rest.peek(), Some(':')) => {
                out.push('[');
                for inner in rest.by_ref() {
                    out.push(inner);
                    if inner == ']' {
                        break;
                    }
                }
            }
            '\\' | '[' | '&' | '~' => out.extend(['\\', one]),
            one => out.push(one),
        }
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(letter: char, pattern: &str, text: &str) -> bool {
        let parsed = Parsed { options: vec![(letter, None)], operands: Vec::new() };
        Pattern::compile(&[pattern.to_owned()], &parsed).unwrap().is_in(text.as_bytes())
    }

    #[test]
    fn basic_expressions_mean_what_they_mean_to_grep() {
        for (pattern, text, expected) in [
            (r"a\|b", "b", true),
            ("a|b", "b", false),
            (r"\(ab\)\{2\}", "abab", true),
            ("f(x)", "f(x)", true),
            ("a+", "a+", true),
            ("*x", "*x", true),
            ("^a*$", "aaa", true),
            ("a$b", "a$b", true),
            ("[[:digit:]]", "7", true),
            (r"[\.]", r"\", true),
            ("[]x]", "]", true),
            (r"\<word\>", "a word here", true),
            (r"\<word\>", "sword", false),
            (r"\(a\)\1", "aa", true),
            (r"\d", "5", false),
        ] {
            assert_eq!(matches('G', pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn extended_and_perl_expressions_mean_what_they_mean_to_grep() {
        for (letter, pattern, text, expected) in [
            ('E', "a|b", "b", true),
            ('E', r"a\|b", "a|b", true),
            ('E', "(ab){2}", "abab", true),
            ('E', "{", "{", true),
            ('E', "a{x}", "a{x}", true),
            ('E', "[0-9]{1,}", "12", true),
            ('E', r"\$x", "$x", true),
            ('P', r"a(?=b)", "ab", true),
            ('P', r"\d+", "12", true),
            ('F', "a.b", "axb", false),
        ] {
            assert_eq!(matches(letter, pattern, text), expected, "{pattern} {text}");
        }
    }
}
