//! What a patch changes, without where and in which layout.

use std::collections::BTreeMap;

use git_patch::{Body, ChangedLine, FilePatch, Hunk};
use imara_diff::{Algorithm, Diff, InternedInput};

use crate::lexer::{Token, tokens};

/// The changes of a patch by the path of the file.
pub(crate) type PatchChanges = BTreeMap<String, FileChanges>;

/// How often each thing occurs.
pub(crate) type Counts = BTreeMap<String, u64>;

/// The changes of one file. Tokens that a hunk has on both sides, in the same order, are
/// no change.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FileChanges {
    /// Tokens, and what has no lines.
    pub(crate) words: Counts,
    /// Tokens with the one before, and what has no lines.
    pub(crate) pairs: Counts,
    /// Kinds of tokens with the two before, and what has no lines.
    pub(crate) shapes: Counts,
    /// Added and removed lines as they are, and what has no lines.
    pub(crate) lines: Counts,
}

/// Headers that say what happened to the file as a whole.
const FILE_HEADERS: [&str; 5] =
    ["new file mode", "deleted file mode", "new mode", "rename from", "copy from"];

/// Most tokens of a hunk whose sides are compared. In a larger one all tokens are changes.
const MAX_COMPARED: usize = 500_000;

/// Length of a git object id that is not abbreviated.
const ID_LENGTH: usize = 40;

pub(crate) fn of_patch(files: &[FilePatch<'_>]) -> PatchChanges {
    let mut changes = PatchChanges::new();
    for file in files {
        let entry = changes.entry(file.path().to_owned()).or_default();
        for property in properties(file) {
            let FileChanges { words, pairs, shapes, lines } = &mut *entry;
            for counts in [words, pairs, shapes, lines] {
                count(counts, property.clone());
            }
        }
        for hunk in file.hunks() {
            entry.add_hunk(hunk);
        }
    }
    changes
}

impl FileChanges {
    fn add_hunk(&mut self, hunk: &Hunk<'_>) {
        let (mut added, mut removed) = (String::new(), String::new());
        for line in hunk.changed_lines() {
            let (side, sign, text) = match line {
                ChangedLine::Added(text) => (&mut added, '+', text),
                ChangedLine::Removed(text) => (&mut removed, '-', text),
            };
            let text = String::from_utf8_lossy(text);
            count(&mut self.lines, format!("{sign}{text}"));
            side.push_str(&text);
            side.push('\n');
        }
        self.add_tokens(&tokens(&removed), &tokens(&added));
    }

    /// Adds what turns the tokens of one side into those of the other.
    fn add_tokens(&mut self, removed: &[Token<'_>], added: &[Token<'_>]) {
        if removed.len() + added.len() > MAX_COMPARED {
            self.count_run('-', removed);
            self.count_run('+', added);
            return;
        }
        let mut input = InternedInput::default();
        input.update_before(removed.iter().map(Token::text));
        input.update_after(added.iter().map(Token::text));
        for hunk in Diff::compute(Algorithm::Myers, &input).hunks() {
            for (sign, side, range) in [('-', removed, hunk.before), ('+', added, hunk.after)] {
                let range = range.start as usize..range.end as usize;
                self.count_run(sign, side.get(range).unwrap_or_default());
            }
        }
    }

    fn count_run(&mut self, sign: char, run: &[Token<'_>]) {
        count_runs(&mut self.words, sign, run, 1, Token::text);
        count_runs(&mut self.pairs, sign, run, 2, Token::text);
        count_runs(&mut self.shapes, sign, run, 3, Token::shape);
    }
}

/// Counts the runs of `length` tokens.
fn count_runs<'a>(
    counts: &mut Counts,
    sign: char,
    side: &[Token<'a>],
    length: usize,
    text: fn(&Token<'a>) -> &'a str,
) {
    for run in side.windows(length) {
        let run: Vec<&str> = run.iter().map(text).collect();
        count(counts, format!("{sign}{}", run.join(" ")));
    }
}

fn count(counts: &mut Counts, item: String) {
    *counts.entry(item).or_default() += 1;
}

/// What happened to the file beside its lines. The first character keeps these
/// apart from lines.
fn properties(file: &FilePatch<'_>) -> Vec<String> {
    let mut properties: Vec<String> = FILE_HEADERS
        .iter()
        .filter_map(|header| Some((header, file.header_value(header)?)))
        .map(|(header, value)| format!("={header} {}", String::from_utf8_lossy(value)))
        .collect();
    if let Body::Binary(lines) = &file.body {
        properties.push(format!("=content {}", binary_content(file, lines)));
    }
    properties
}

/// Names the new contents of a binary file: by their object id where the header
/// has all of it, otherwise by the data.
fn binary_content(file: &FilePatch<'_>, lines: &[&[u8]]) -> String {
    let index = String::from_utf8_lossy(file.header_value("index").unwrap_or_default());
    let id = index.split_once("..").map_or("", |(_, new)| new);
    let id = id.split(' ').next().unwrap_or_default();
    if id.len() >= ID_LENGTH {
        return id.to_owned();
    }
    let forward = lines.iter().copied().take_while(|line| !line.trim_ascii().is_empty());
    forward.map(String::from_utf8_lossy).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(hunk: &str) -> Vec<String> {
        let patch = format!("diff --git a/f b/f\n--- a/f\n+++ b/f\n{hunk}");
        let changes = of_patch(&git_patch::parse(patch.as_bytes()).unwrap());
        changes.get("f").unwrap().words.keys().cloned().collect()
    }

    #[test]
    fn what_a_hunk_adds_and_removes_is_no_change() {
        let hunk = "@@ -1,2 +1,4 @@\n-f(a, b)\n-x='1'\n+f(\n+    a,\n+    c,\n+)\n";
        assert_eq!(words(hunk), ["+c", "-1", "-=", "-b", "-x"]);
        assert!(words("@@ -1 +1 @@\n-if x: f('a')\n+    if x:  f( \"a\", )\n").is_empty());
    }
}
