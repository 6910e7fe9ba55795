//! One file of a search, line by line, with what is shown of it.

use std::collections::VecDeque;

use bashkit::CommandContext;

use super::super::Source;
use super::pattern::Pattern;
use crate::options::Parsed;

/// Bytes of a line beyond which the rest is passed over.
const LONGEST_LINE: usize = 4 << 20;

/// Bytes of output that are written at once.
const WRITTEN_AT_ONCE: usize = 32 << 10;

/// What is shown of matches.
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(super) struct Shown {
    pattern: Pattern,
    pub(super) quiet: bool,
    named: bool,
    numbers: bool,
    offsets: bool,
    inverted: bool,
    counts: bool,
    only_matching: bool,
    tabbed: bool,
    /// Files with matches, or those without.
    names_of: Option<bool>,
    as_text: bool,
    no_binary: bool,
    most: u64,
    before: usize,
    after: usize,
    end: u8,
    end_of_name: Option<char>,
}

/// What came of one file.
pub(super) struct Report {
    pub(super) found: bool,
    /// Lines were shown that a separator follows.
    pub(super) with_context: bool,
}

impl Shown {
    pub(super) fn of(parsed: &Parsed, patterns: &[String], several: bool) -> Result<Self, String> {
        let number = |letter: char, what: &str| match parsed.value(letter) {
            None => Ok(None),
            Some(text) => match text.parse::<u64>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(format!("grep: {text}: invalid {what}\n")),
            },
        };
        let context_word = "context length argument";
        let around = number('C', context_word)?.unwrap_or_default();
        let lines = |own: Option<u64>| usize::try_from(own.unwrap_or(around)).unwrap_or(usize::MAX);
        let quiet = parsed.has('q');
        let files = parsed.options.iter().rfind(|(letter, _)| matches!(letter, 'l' | 'L'));
        let name = parsed.options.iter().rfind(|(letter, _)| matches!(letter, 'h' | 'H'));
        Ok(Self {
            pattern: Pattern::compile(patterns, parsed).map_err(|err| format!("grep: {err}\n"))?,
            quiet,
            named: name.map_or(several, |(letter, _)| *letter == 'H'),
            numbers: parsed.has('n'),
            offsets: parsed.has('b'),
            inverted: parsed.has('v'),
            counts: parsed.has('c'),
            only_matching: parsed.has('o'),
            tabbed: parsed.has('T'),
            names_of: files.map(|(letter, _)| *letter == 'l'),
            as_text: parsed.has('a') || parsed.value(super::BINARY) == Some("text"),
            no_binary: parsed.has('I') || parsed.value(super::BINARY) == Some("without-match"),
            most: number('m', "max count")?.unwrap_or(u64::MAX),
            before: lines(number('B', context_word)?),
            after: lines(number('A', context_word)?),
            end: if parsed.has('z') { b'\0' } else { b'\n' },
            end_of_name: parsed.has('Z').then_some('\0'),
        })
    }

    /// Searches a file; `separated` says that a separator is due before lines.
    pub(super) async fn search(
        &self,
        ctx: &CommandContext<'_>,
        mut source: Source,
        name: &str,
        separated: bool,
    ) -> bashkit::Result<Report> {
        let mut state = State::new(self, name, separated);
        let mut line = Vec::new();
        while let Some(chunk) = source.next().await? {
            state.notice_binary(&chunk);
            if state.finished {
                break;
            }
            if line.is_empty() && self.holds_nothing(&chunk, &mut state) {
                continue;
            }
            for piece in chunk.split_inclusive(|byte| *byte == self.end) {
                if line.len() < LONGEST_LINE {
                    line.extend_from_slice(piece);
                }
                if piece.last() == Some(&self.end) {
                    state.line(&line);
                    line.clear();
                }
                if state.finished {
                    break;
                }
            }
            if state.output.len() > WRITTEN_AT_ONCE {
                ctx.stdout.write_all(&std::mem::take(&mut state.output)).await?;
            }
            if state.finished {
                break;
            }
        }
        if !line.is_empty() && !state.finished {
            state.line(&line);
        }
        state.summary();
        ctx.stdout.write_all(&state.output).await?;
        Ok(Report { found: state.matches > 0, with_context: state.separated })
    }

    /// Passes over a piece of whole lines that can't match.
    fn holds_nothing(&self, chunk: &[u8], state: &mut State<'_>) -> bool {
        let skips = !self.inverted
            && self.before == 0
            && state.owed == 0
            && chunk.last() == Some(&self.end)
            && !self.pattern.may_be_in(chunk);
        if skips {
            state.number += memchr::memchr_iter(self.end, chunk).count() as u64;
            state.offset += chunk.len() as u64;
        }
        skips
    }

    fn shows_lines(&self) -> bool {
        !self.counts && !self.quiet && self.names_of.is_none()
    }
}

/// Where a search is in a file.
struct State<'a> {
    shown: &'a Shown,
    name: &'a str,
    number: u64,
    offset: u64,
    matches: u64,
    /// Lines of context that are still to come.
    owed: usize,
    last_shown: Option<u64>,
    kept: VecDeque<(u64, u64, Vec<u8>)>,
    separated: bool,
    binary: bool,
    finished: bool,
    output: Vec<u8>,
}

impl<'a> State<'a> {
    fn new(shown: &'a Shown, name: &'a str, separated: bool) -> Self {
        Self {
            shown,
            name,
            number: 0,
            offset: 0,
            matches: 0,
            owed: 0,
            last_shown: None,
            kept: VecDeque::new(),
            separated,
            binary: false,
            finished: shown.most == 0,
            output: Vec::new(),
        }
    }

    fn notice_binary(&mut self, chunk: &[u8]) {
        let checks = !self.shown.as_text && self.shown.end != 0 && !self.binary;
        if checks && chunk.contains(&0) {
            self.binary = true;
            self.finished = self.shown.no_binary;
        }
    }

    fn line(&mut self, line: &[u8]) {
        self.number += 1;
        let offset = self.offset;
        self.offset += line.len() as u64;
        let text = line.strip_suffix(&[self.shown.end]).unwrap_or(line);
        let hit =
            self.matches < self.shown.most && self.shown.pattern.is_in(text) != self.shown.inverted;
        if hit {
            self.matches += 1;
        }
        if !self.shown.shows_lines() {
            let decided = self.shown.quiet || self.shown.names_of.is_some();
            self.finished = self.matches == self.shown.most || (hit && decided);
            return;
        }
        if hit && self.binary {
            self.finished = true;
            return;
        }
        if hit {
            self.separate(self.kept.front().map_or(self.number, |(number, ..)| *number));
            for (number, offset, line) in std::mem::take(&mut self.kept) {
                self.show(number, offset, '-', &line);
            }
            self.hit(offset, text);
            self.owed = self.shown.after;
        } else if self.owed > 0 {
            self.owed -= 1;
            self.show(self.number, offset, '-', text);
        } else if self.shown.before > 0 {
            self.kept.push_back((self.number, offset, text.to_vec()));
            self.kept.drain(..self.kept.len().saturating_sub(self.shown.before));
        }
        self.finished = self.matches == self.shown.most && self.owed == 0;
    }

    /// Sets lines off from earlier ones that they do not follow.
    fn separate(&mut self, first: u64) {
        let has_context = self.shown.before > 0 || self.shown.after > 0;
        let follows = self.last_shown.is_some_and(|last| last + 1 >= first);
        if has_context && self.separated && !follows {
            self.output.extend_from_slice(b"--\n");
        }
        self.separated |= has_context;
    }

    fn hit(&mut self, offset: u64, text: &[u8]) {
        if !self.shown.only_matching {
            return self.show(self.number, offset, ':', text);
        }
        if self.shown.inverted {
            return;
        }
        for (start, end) in self.shown.pattern.all_in(text) {
            let part = text.get(start..end).unwrap_or_default();
            self.show(self.number, offset + start as u64, ':', part);
        }
    }

    fn show(&mut self, number: u64, offset: u64, separator: char, text: &[u8]) {
        self.last_shown = Some(number);
        if separator == '-' && self.shown.only_matching {
            return;
        }
        let mut prefix = String::new();
        if self.shown.named {
            prefix.push_str(self.name);
            prefix.push(self.shown.end_of_name.unwrap_or(separator));
        }
        if self.shown.numbers {
            prefix.push_str(&number.to_string());
            prefix.push(separator);
        }
        if self.shown.offsets {
            prefix.push_str(&offset.to_string());
            prefix.push(separator);
        }
        if self.shown.tabbed && !prefix.is_empty() {
            prefix.push('\t');
        }
        self.output.extend_from_slice(prefix.as_bytes());
        self.output.extend_from_slice(text);
        self.output.push(self.shown.end);
    }

    fn summary(&mut self) {
        let (name, matches) = (self.name, self.matches);
        let end = self.shown.end_of_name.unwrap_or('\n');
        let line = match self.shown.names_of {
            _ if self.shown.quiet => return,
            Some(with) if with == (matches > 0) => format!("{name}{end}"),
            None if self.shown.counts && self.shown.named => {
                format!("{name}{}{matches}\n", self.shown.end_of_name.unwrap_or(':'))
            }
            None if self.shown.counts => format!("{matches}\n"),
            None if self.binary && matches > 0 => format!("grep: {name}: binary file matches\n"),
            Some(_) | None => return,
        };
        self.output.extend_from_slice(line.as_bytes());
    }
}
