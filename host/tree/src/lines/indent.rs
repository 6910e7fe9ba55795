//! Which of several places a group of changed lines reads best in, after git's
//! indent heuristic: changes should begin where a block begins, and not cut
//! through one that is indented.

use super::Text;

/// Places that are tried, from the lowest up.
const PLACES: usize = 100;

/// Indentation from which on more makes no difference.
const DEEPEST: i64 = 200;

/// Blank lines from which on more make no difference.
const MOST_BLANKS: i64 = 20;

/// How far a tabulator goes.
const TABULATOR: i64 = 8;

/// What counts against a cut, in the unit of git's own figures. Negative ones
/// speak for it.
mod penalty {
    pub(super) const AT_START: i64 = 1;
    pub(super) const AT_END: i64 = 21;
    pub(super) const BLANK: i64 = -30;
    pub(super) const BLANK_BEHIND: i64 = 6;
    /// For a line that is indented more than the one before, then where there
    /// are blank lines in between.
    pub(super) const INDENTED: [i64; 2] = [-4, 10];
    /// For one that is indented less and begins a block.
    pub(super) const BEGINS_BLOCK: [i64; 2] = [24, 17];
    /// For one that is indented less and begins none.
    pub(super) const ENDS_BLOCK: [i64; 2] = [23, 17];
    /// For each comparison of the indentations themselves.
    pub(super) const DEEPER: i64 = 60;
}

/// The end of a group of `size` lines that may end anywhere from `highest` to
/// `lowest`.
pub(super) fn best_end(text: &Text<'_>, highest: usize, lowest: usize, size: usize) -> usize {
    let first = highest.max(lowest.saturating_sub(size + 1)).max(lowest.saturating_sub(PLACES));
    let mut best: Option<(Score, usize)> = None;
    for end in first..=lowest {
        let mut score = Score::default();
        score.add(&Cut::new(text, end));
        score.add(&Cut::new(text, end.saturating_sub(size)));
        if best.as_ref().is_none_or(|(best, _)| score.is_as_good_as(best)) {
            best = Some((score, end));
        }
    }
    best.map_or(lowest, |(_, end)| end)
}

/// How deep a line is indented; `None` if it is blank.
fn indentation(line: &[u8]) -> Option<i64> {
    let mut depth = 0;
    for byte in line {
        match byte {
            b' ' => depth += 1,
            b'\t' => depth += TABULATOR - depth % TABULATOR,
            b'\n' | b'\r' => {}
            _ => return Some(depth),
        }
        if depth >= DEEPEST {
            return Some(DEEPEST);
        }
    }
    None
}

/// What stands around the border between two lines.
struct Cut {
    is_at_end: bool,
    /// Indentation of the line behind it.
    own: Option<i64>,
    /// Blank lines before it, and the indentation of the line before those.
    before: (i64, Option<i64>),
    /// Blank lines behind the line behind it, and of the line behind those.
    behind: (i64, Option<i64>),
}

impl Cut {
    fn new(text: &Text<'_>, place: usize) -> Self {
        let of = |line| text.line(line).and_then(indentation);
        Self {
            is_at_end: place >= text.len(),
            own: of(place),
            before: next_text(&mut (0..place).rev().map(of)),
            behind: next_text(&mut (place + 1..text.len()).map(of)),
        }
    }
}

/// How many lines are blank, and the indentation of the first that is not.
fn next_text(lines: &mut dyn Iterator<Item = Option<i64>>) -> (i64, Option<i64>) {
    let mut blanks = 0;
    for indentation in lines {
        if indentation.is_some() {
            return (blanks, indentation);
        }
        blanks += 1;
        if blanks == MOST_BLANKS {
            return (blanks, Some(0));
        }
    }
    (blanks, None)
}

/// How bad the two cuts around a group are.
#[derive(Default)]
struct Score {
    indentation: i64,
    penalty: i64,
}

impl Score {
    fn add(&mut self, cut: &Cut) {
        let (blanks_before, before) = cut.before;
        let blanks_behind = if cut.own.is_none() { 1 + cut.behind.0 } else { 0 };
        if before.is_none() && blanks_before == 0 {
            self.penalty += penalty::AT_START;
        }
        if cut.is_at_end {
            self.penalty += penalty::AT_END;
        }
        let blanks = blanks_before + blanks_behind;
        self.penalty += penalty::BLANK * blanks + penalty::BLANK_BEHIND * blanks_behind;
        let own = cut.own.or(cut.behind.1);
        self.indentation += own.unwrap_or(-1);
        let (Some(own), Some(before)) = (own, before) else { return };
        let [plain, with_blanks] = if own > before {
            penalty::INDENTED
        } else if own == before {
            [0, 0]
        } else if cut.behind.1.is_some_and(|behind| behind > own) {
            penalty::BEGINS_BLOCK
        } else {
            penalty::ENDS_BLOCK
        };
        self.penalty += if blanks == 0 { plain } else { with_blanks };
    }

    fn is_as_good_as(&self, other: &Self) -> bool {
        let deeper = (self.indentation - other.indentation).signum();
        penalty::DEEPER * deeper + self.penalty - other.penalty <= 0
    }
}
