//! What an agent might hand in, made of the human patch.

use std::collections::BTreeSet;

use git_patch::{ChangedLine, FilePatch};

/// Steps in which a patch grows.
const STEPS: usize = 8;

/// Half of the hunks, whichever.
pub(crate) fn parts(patch: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let Ok(files) = git_patch::parse(patch) else { return Vec::new() };
    let order = order(&files);
    if order.len() < 2 {
        return Vec::new();
    }
    vec![("half of the hunks", with_first(&files, &order, order.len() / 2))]
}

/// More and more hunks, from none to all.
pub(crate) fn growing(patch: &[u8]) -> Vec<Vec<u8>> {
    let Ok(files) = git_patch::parse(patch) else { return Vec::new() };
    let order = order(&files);
    (0..=STEPS).map(|step| with_first(&files, &order, order.len() * step / STEPS)).collect()
}

/// All hunks, as file and position, in an order that has nothing to do with theirs.
fn order(files: &[FilePatch<'_>]) -> Vec<(usize, usize)> {
    let hunks = files.iter().enumerate();
    let mut hunks: Vec<(usize, usize)> = hunks
        .flat_map(|(file, patch)| (0..patch.hunks().len()).map(move |at| (file, at)))
        .collect();
    hunks.sort_by_key(|(file, at)| mixed((*file as u64) << 32 | *at as u64));
    hunks
}

fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

fn with_first(files: &[FilePatch<'_>], order: &[(usize, usize)], count: usize) -> Vec<u8> {
    let kept: BTreeSet<&(usize, usize)> = order.iter().take(count).collect();
    let mut patch = Vec::new();
    for (number, file) in files.iter().enumerate() {
        if count == order.len() && file.hunks().is_empty() {
            patch.extend(file.render_whole());
        }
        if (0..file.hunks().len()).any(|at| kept.contains(&(number, at))) {
            patch.extend(file.render_hunks(|at| kept.contains(&(number, at))));
        }
    }
    patch
}

/// The patch with other names for all that it brings: words of added lines that
/// neither removed lines nor those around them have. None if it brings none.
pub(crate) fn renamed(patch: &[u8]) -> Option<Vec<u8>> {
    let files = git_patch::parse(patch).ok()?;
    let (mut new, mut old) = (BTreeSet::new(), BTreeSet::new());
    for hunk in files.iter().flat_map(FilePatch::hunks) {
        for line in hunk.changed_lines() {
            if let ChangedLine::Added(text) = line {
                new.extend(words(&String::from_utf8_lossy(text)));
            }
        }
        for line in hunk.lines.iter().filter(|line| !line.starts_with(b"+")) {
            old.extend(words(&String::from_utf8_lossy(line)));
        }
    }
    let brought: BTreeSet<String> = new.difference(&old).cloned().collect();
    if brought.is_empty() {
        return None;
    }
    let mut renamed = Vec::new();
    for line in patch.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b"+") && !line.starts_with(b"+++ ") {
            renamed.extend(with_other_names(&String::from_utf8_lossy(line), &brought).into_bytes());
        } else {
            renamed.extend(line);
        }
    }
    Some(renamed)
}

/// Words that may be names.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    words
        .filter(|word| word.starts_with(|c: char| c.is_alphabetic() || c == '_'))
        .map(str::to_owned)
}

fn with_other_names(line: &str, names: &BTreeSet<String>) -> String {
    let mut text = String::new();
    let mut word = String::new();
    for character in line.chars().chain(['\0']) {
        if character.is_alphanumeric() || character == '_' {
            word.push(character);
            continue;
        }
        text.push_str(&word);
        if names.contains(&word) {
            text.push_str("_other");
        }
        word.clear();
        if character != '\0' {
            text.push(character);
        }
    }
    text
}
