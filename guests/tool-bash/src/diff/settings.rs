//! What a command line of `diff` says.

use super::formats::Format;
use super::lines::Ignored;
use crate::options::{self, Known, Parsed, flag, maybe, valued};

/// Columns of two texts side by side.
const WIDTH: usize = 130;

const LABEL: char = 'ł';
const SUPPRESS: char = 'š';
const COLOR: char = 'ç';
const NO_RETURN: char = 'ŕ';
const NORMAL: char = 'ń';

#[rustfmt::skip]
pub(super) const OPTIONS: [Known; 33] = [
    flag('r', "recursive"),
    flag('q', "brief"),
    flag('s', "report-identical-files"),
    flag('u', ""),
    valued('U', ""),
    maybe('U', "unified"),
    flag('c', ""),
    valued('C', ""),
    maybe('C', "context"),
    flag('y', "side-by-side"),
    valued('W', "width"),
    flag(SUPPRESS, "suppress-common-lines"),
    flag('i', "ignore-case"),
    flag('w', "ignore-all-space"),
    flag('b', "ignore-space-change"),
    flag('Z', "ignore-trailing-space"),
    flag('B', "ignore-blank-lines"),
    flag(NO_RETURN, "strip-trailing-cr"),
    flag('N', "new-file"),
    flag('a', "text"),
    valued(LABEL, "label"),
    valued('L', ""),
    valued('x', "exclude"),
    maybe(COLOR, "color"),
    flag('d', "minimal"),
    flag('t', "expand-tabs"),
    flag('p', "show-c-function"),
    flag(NORMAL, "normal"),
    flag('T', "initial-tab"),
    flag('e', "ed"),
    flag('H', "speed-large-files"),
    flag('P', "unidirectional-new-file"),
    flag('E', ""),
];

/// What the command line says.
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(super) struct Settings {
    pub(super) format: Format,
    pub(super) ignored: Ignored,
    pub(super) brief: bool,
    pub(super) tells_identical: bool,
    pub(super) recursive: bool,
    pub(super) absent_as_empty: bool,
    pub(super) as_text: bool,
    /// In git's words, with ids of blobs.
    pub(super) as_git: bool,
    pub(super) labels: Vec<String>,
    pub(super) excluded: Vec<String>,
    /// The options as they were given, for the headings of files in directories.
    pub(super) given: String,
}

impl Settings {
    pub(super) fn of(parsed: &Parsed, words: &[String]) -> Result<Self, String> {
        let number = |letter: char, default: usize| match parsed.value(letter) {
            None => Ok(default),
            Some(text) => {
                text.parse().map_err(|_| format!("diff: invalid context length '{text}'\n"))
            }
        };
        let format = if parsed.has('y') {
            let width = number('W', WIDTH)?;
            Format::SideBySide { width, only_changes: parsed.has(SUPPRESS) }
        } else if parsed.has('c') || parsed.has('C') {
            Format::Context { context: number('C', 3)? }
        } else if parsed.has('u') || parsed.has('U') || parsed.has('p') {
            Format::Unified { context: number('U', 3)? }
        } else if parsed.has('e') {
            return Err("diff: ed scripts are not there\n".to_owned());
        } else {
            Format::Normal
        };
        let options = words.iter().filter(|word| word.len() > 1 && word.starts_with('-'));
        Ok(Self {
            format,
            ignored: Ignored {
                case: parsed.has('i'),
                all_space: parsed.has('w'),
                amount_of_space: parsed.has('b'),
                space_at_end: parsed.has('Z'),
                blank_lines: parsed.has('B'),
                carriage_return: parsed.has(NO_RETURN),
            },
            brief: parsed.has('q'),
            tells_identical: parsed.has('s'),
            recursive: parsed.has('r'),
            absent_as_empty: parsed.has('N'),
            as_text: parsed.has('a'),
            as_git: false,
            labels: parsed.values(LABEL).chain(parsed.values('L')).map(str::to_owned).collect(),
            excluded: parsed.values('x').map(str::to_owned).collect(),
            given: options.flat_map(|word| [word, " "]).collect(),
        })
    }

    pub(super) fn excludes(&self, name: &str) -> bool {
        let mut patterns = self.excluded.iter();
        patterns.any(|pattern| options::matches_glob(pattern, name))
    }
}
