//! What a patch changes, without where and in which order.

use std::collections::BTreeMap;

use git_patch::{Body, ChangedLine, FilePatch};

/// The changes of a patch by the path of the file.
pub(crate) type PatchChanges = BTreeMap<String, FileChanges>;

/// How often each thing occurs.
pub(crate) type Counts = BTreeMap<String, u64>;

/// The changes of one file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FileChanges {
    /// Added and removed lines, and what has no lines.
    pub(crate) lines: Counts,
    /// Words and punctuation of those lines, and what has no lines.
    pub(crate) words: Counts,
}

/// Headers that say what happened to the file as a whole.
const FILE_HEADERS: [&str; 5] =
    ["new file mode", "deleted file mode", "new mode", "rename from", "copy from"];

/// Length of a git object id that is not abbreviated.
const ID_LENGTH: usize = 40;

pub(crate) fn of_patch(files: &[FilePatch<'_>]) -> PatchChanges {
    let mut changes = PatchChanges::new();
    for file in files {
        let entry = changes.entry(file.path().to_owned()).or_default();
        for property in properties(file) {
            count(&mut entry.lines, property.clone());
            count(&mut entry.words, property);
        }
        for line in file.hunks().iter().flat_map(git_patch::Hunk::changed_lines) {
            let (sign, text) = match line {
                ChangedLine::Added(text) => ('+', text),
                ChangedLine::Removed(text) => ('-', text),
            };
            let text = String::from_utf8_lossy(text);
            count(&mut entry.lines, format!("{sign}{}", normalize(&text)));
            for word in words(&text) {
                count(&mut entry.words, format!("{sign}{word}"));
            }
        }
    }
    changes
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

/// The line with its indentation, one space for each inner run of white space,
/// and none at the end.
fn normalize(line: &str) -> String {
    let text = line.trim_start();
    let (indentation, _) = line.split_at(line.len() - text.len());
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() {
        return String::new();
    }
    format!("{indentation}{}", words.join(" "))
}

/// Runs of letters, digits and underscores, and every other character alone.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let length = if is_word_character(first) {
            rest.find(|c| !is_word_character(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (word, after) = rest.split_at(length);
        rest = after;
        Some(word)
    })
}

fn is_word_character(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_inside_a_line_is_normalized_and_indentation_is_kept() {
        assert_eq!(normalize("    a  =\tb  "), "    a = b");
        assert_eq!(normalize("   "), "");
    }

    #[test]
    fn words_and_punctuation_are_taken_apart() {
        assert_eq!(words(" a_1+= f(é)").collect::<Vec<_>>(), ["a_1", "+", "=", "f", "(", "é", ")"]);
    }
}
