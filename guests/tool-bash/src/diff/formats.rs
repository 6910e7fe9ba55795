//! Changes in the formats of `diff`: normal, unified, context and side by side.

use std::fmt::Write as _;
use std::ops::Range;

use super::lines::Change;

/// How changes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Normal,
    Unified { context: usize },
    Context { context: usize },
    SideBySide { width: usize, only_changes: bool },
}

/// One of the two texts.
pub(super) struct Side<'a> {
    /// What the headers call it.
    pub(super) label: String,
    pub(super) lines: Vec<&'a [u8]>,
}

/// The changes in a format.
pub(super) fn show(format: Format, old: &Side<'_>, new: &Side<'_>, changes: &[Change]) -> Vec<u8> {
    let mut output = Vec::new();
    match format {
        Format::Normal => normal(&mut output, old, new, changes),
        Format::Unified { context } => unified(&mut output, old, new, changes, context),
        Format::Context { context } => context_format(&mut output, old, new, changes, context),
        Format::SideBySide { width, only_changes } => {
            super::side::show(&mut output, old, new, changes, width, only_changes);
        }
    }
    output
}

fn say(output: &mut Vec<u8>, text: &str) {
    output.extend_from_slice(text.as_bytes());
}

fn put(output: &mut Vec<u8>, mark: &str, lines: &[&[u8]]) {
    for line in lines {
        say(output, mark);
        output.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            say(output, "\n\\ No newline at end of file\n");
        }
    }
}

fn part<'a, 'b>(side: &'b Side<'a>, range: &Range<usize>) -> &'b [&'a [u8]] {
    side.lines.get(range.clone()).unwrap_or_default()
}

fn normal(output: &mut Vec<u8>, old: &Side<'_>, new: &Side<'_>, changes: &[Change]) {
    for change in changes {
        let letter = match (change.old.is_empty(), change.new.is_empty()) {
            (true, _) => 'a',
            (_, true) => 'd',
            _ => 'c',
        };
        let (from, to) = (numbers(&change.old), numbers(&change.new));
        say(output, &format!("{from}{letter}{to}\n"));
        put(output, "< ", part(old, &change.old));
        if letter == 'c' {
            say(output, "---\n");
        }
        put(output, "> ", part(new, &change.new));
    }
}

/// First and last line from 1; the line before where there are none.
fn numbers(range: &Range<usize>) -> String {
    match range.len() {
        0 => range.start.to_string(),
        1 => range.end.to_string(),
        _ => format!("{},{}", range.start + 1, range.end),
    }
}

/// Changes whose contexts touch, and the lines that they show together.
struct Group<'c> {
    changes: &'c [Change],
    old: Range<usize>,
    new: Range<usize>,
}

fn groups<'c>(
    changes: &'c [Change],
    context: usize,
    old: &Side<'_>,
    new: &Side<'_>,
) -> Vec<Group<'c>> {
    let near = |one: &Change, next: &Change| next.old.start - one.old.end <= 2 * context;
    let grouped = changes.chunk_by(near).filter_map(|changes| {
        let (first, last) = (changes.first()?, changes.last()?);
        let before = context.min(first.old.start).min(first.new.start);
        let after = context.min(old.lines.len().saturating_sub(last.old.end));
        let after = after.min(new.lines.len().saturating_sub(last.new.end));
        Some(Group {
            changes,
            old: first.old.start - before..last.old.end + after,
            new: first.new.start - before..last.new.end + after,
        })
    });
    grouped.collect()
}

fn unified(
    output: &mut Vec<u8>,
    old: &Side<'_>,
    new: &Side<'_>,
    changes: &[Change],
    context: usize,
) {
    say(output, &format!("--- {}\n+++ {}\n", old.label, new.label));
    for group in groups(changes, context, old, new) {
        let (from, to) = (unified_numbers(&group.old), unified_numbers(&group.new));
        say(output, &format!("@@ -{from} +{to} @@\n"));
        let mut at = group.old.start;
        for change in group.changes {
            put(output, " ", part(old, &(at..change.old.start)));
            put(output, "-", part(old, &change.old));
            put(output, "+", part(new, &change.new));
            at = change.old.end;
        }
        put(output, " ", part(old, &(at..group.old.end)));
    }
}

fn unified_numbers(range: &Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => range.end.to_string(),
        length => format!("{},{length}", range.start + 1),
    }
}

fn context_format(
    output: &mut Vec<u8>,
    old: &Side<'_>,
    new: &Side<'_>,
    changes: &[Change],
    context: usize,
) {
    say(output, &format!("*** {}\n--- {}\n", old.label, new.label));
    for group in groups(changes, context, old, new) {
        let mut heading = String::new();
        let _ = write!(heading, "***************\n*** {} ****\n", numbers(&group.old));
        say(output, &heading);
        if group.changes.iter().any(|change| !change.old.is_empty()) {
            half(output, old, &group.old, "- ", group.changes, |change| {
                (change.old.clone(), change.new.is_empty())
            });
        }
        say(output, &format!("--- {} ----\n", numbers(&group.new)));
        if group.changes.iter().any(|change| !change.new.is_empty()) {
            half(output, new, &group.new, "+ ", group.changes, |change| {
                (change.new.clone(), change.old.is_empty())
            });
        }
    }
}

/// One side of a group; `of` tells where a change is on it, and whether the other
/// side has nothing in its place.
fn half(
    output: &mut Vec<u8>,
    side: &Side<'_>,
    shown: &Range<usize>,
    mark: &str,
    changes: &[Change],
    of: impl Fn(&Change) -> (Range<usize>, bool),
) {
    let mut at = shown.start;
    for change in changes {
        let (range, alone) = of(change);
        put(output, "  ", part(side, &(at..range.start)));
        put(output, if alone { mark } else { "! " }, part(side, &range));
        at = range.end;
    }
    put(output, "  ", part(side, &(at..shown.end)));
}
