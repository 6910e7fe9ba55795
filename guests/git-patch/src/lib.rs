//! Git patches as files and hunks, for guests that look into them.
//!
//! [`parse`] reads what `git diff` writes: extended headers, quoted paths, text
//! hunks and binary patches. [`FilePatch::render`] writes a file's patch again
//! with some of its hunks. Applying is the host's work.

mod line;
mod parse;
mod render;

pub use parse::{ParseError, parse};

/// Everything a patch says of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePatch<'a> {
    /// Where the file was; `None` for a new file.
    pub old_path: Option<String>,
    /// Where the file is; `None` for a deleted file.
    pub new_path: Option<String>,
    /// The lines before the first hunk, with their line endings.
    pub header: Vec<&'a [u8]>,
    /// What changes inside.
    pub body: Body<'a>,
}

/// What changes inside a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Nothing: a rename, a mode change or an empty file.
    Nothing,
    /// Lines.
    Text(Vec<Hunk<'a>>),
    /// Bytes; the lines of git's binary format as they are.
    Binary(Vec<&'a [u8]>),
}

/// Adjacent changed lines with the lines around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk<'a> {
    /// Lines of the old file it stands for.
    pub old: LineRange,
    /// Lines of the new file it stands for.
    pub new: LineRange,
    /// What follows the second `@@`, with the line ending.
    pub section: &'a [u8],
    /// The lines with their markers and line endings.
    pub lines: Vec<&'a [u8]>,
}

/// A range of lines as a hunk header counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRange {
    /// First line, counted from 1; the line before the place where `length` is 0.
    pub start: usize,
    /// How many lines.
    pub length: usize,
}

/// A changed line of a hunk, without its line ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangedLine<'a> {
    /// The new file has it.
    Added(&'a [u8]),
    /// The old file had it.
    Removed(&'a [u8]),
}

impl FilePatch<'_> {
    /// The path people know the file by: the new one, or the old one of a
    /// deleted file.
    pub fn path(&self) -> &str {
        self.new_path.as_deref().or(self.old_path.as_deref()).unwrap_or_default()
    }

    /// The value of an extended header such as `new file mode` or `index`.
    pub fn header_value(&self, name: &str) -> Option<&[u8]> {
        self.header.iter().find_map(|line| {
            line::without_ending(line).strip_prefix(name.as_bytes())?.strip_prefix(b" ")
        })
    }

    /// The hunks of a text change; none for other changes.
    pub fn hunks(&self) -> &[Hunk<'_>] {
        match &self.body {
            Body::Text(hunks) => hunks,
            Body::Nothing | Body::Binary(_) => &[],
        }
    }
}

impl<'a> Hunk<'a> {
    /// The added and removed lines, in order.
    pub fn changed_lines(&self) -> impl Iterator<Item = ChangedLine<'a>> + '_ {
        self.lines.iter().filter_map(|line| match line::without_ending(line).split_first()? {
            (b'+', text) => Some(ChangedLine::Added(text)),
            (b'-', text) => Some(ChangedLine::Removed(text)),
            _ => None,
        })
    }
}
