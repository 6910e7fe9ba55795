//! Looks for an answer in a text.

use std::collections::BTreeSet;
use std::ops::Range;

use super::answer::Answer;
use super::said::Said;
use super::{Findings, Leak, LeakKind, marks, words};

/// Longest excerpt, in characters; what was longer is cut.
pub const MAX_EXCERPT: usize = 80;

/// Names behind an `@` that many languages know and nobody has.
const KNOWN_DECORATORS: [&str; 16] = [
    "property",
    "classmethod",
    "staticmethod",
    "dataclass",
    "override",
    "overload",
    "deprecated",
    "param",
    "params",
    "return",
    "returns",
    "throws",
    "see",
    "media",
    "import",
    "todo",
];

impl Answer {
    /// What `text` gives away. Plain words count as names only where they stand
    /// as code does: in backticks or quotes, with a call's bracket, beside a dot.
    pub fn check(&self, text: &str) -> Findings {
        let mut leaks = BTreeSet::new();
        let mut told = BTreeSet::new();
        let code = marks::code_spans(text);
        for (name, is_told) in self.names_in(text, &code) {
            if is_told {
                told.insert(name.to_owned());
            } else {
                leaks.insert(leak(LeakKind::Identifier, name));
            }
        }
        let files: Vec<&str> = self.files_in(text).collect();
        // The name of a file's module is a part of the file's.
        leaks
            .retain(|found: &Leak| !files.iter().any(|file| marks::has_word(file, &found.excerpt)));
        let said = Said::new(text);
        let quoted = self.literals.iter().filter_map(|literal| said.literal(literal));
        leaks.extend(quoted.map(|quoted| leak(LeakKind::StringLiteral, quoted)));
        leaks.extend(files.into_iter().map(|file| leak(LeakKind::FileName, file)));
        let numbers = marks::numbers(text, &code, &self.numbers);
        leaks.extend(numbers.map(|found| leak(LeakKind::PullRequestNumber, found)));
        let commits = marks::commits(text, &self.commits);
        leaks.extend(commits.map(|found| leak(LeakKind::CommitId, found)));
        leaks.extend(marks::urls(text).map(|found| leak(LeakKind::Url, found)));
        let mentions = marks::mentions(text, &code).filter(|found| !self.is_decorator(found));
        leaks.extend(mentions.map(|found| leak(LeakKind::Author, found)));
        let people = self.people.iter().filter(|name| marks::has_word(text, name));
        leaks.extend(people.map(|name| leak(LeakKind::Author, name)));
        leaks.extend(self.rows_in(text).map(|found| leak(LeakKind::PatchText, found)));
        Findings { leaks: leaks.into_iter().collect(), told: told.into_iter().collect() }
    }

    /// Names that `text` uses as names, each with whether it may be told.
    fn names_in<'t>(&self, text: &'t str, code: &[Range<usize>]) -> Vec<(&'t str, bool)> {
        let mut found = Vec::new();
        for range in words::words(text.as_bytes()) {
            let Some(name) = text.get(range.clone()) else { continue };
            let stands_as_code = || {
                words::is_code(name)
                    || code.iter().any(|span| span.contains(&range.start))
                    || marks::stands_as_code(text, &range)
            };
            let is_told = self.may_be_told(name);
            if (is_told || self.identifiers.contains(name) || self.is_other_spelling(name))
                && stands_as_code()
            {
                found.push((name, is_told));
            }
        }
        // In these, blanks and hyphens are parts of names too.
        let compounds = marks::compounds(text, code);
        found.extend(compounds.filter(|name| self.is_other_spelling(name)).map(|it| (it, false)));
        found
    }

    fn may_be_told(&self, name: &str) -> bool {
        self.interface.contains(name) || self.allowed.contains(name)
    }

    /// Whether it is a name of the patch in another spelling, and none of those that
    /// may be told.
    fn is_other_spelling(&self, name: &str) -> bool {
        let Some(folded) = words::folded(name).filter(|it| self.folded.contains(it)) else {
            return false;
        };
        let told = self.interface.iter().chain(&self.allowed);
        !told.filter_map(|told| words::folded(told)).any(|told| told == folded)
    }

    /// New files that `text` names, each by the longest of its names there.
    fn files_in(&self, text: &str) -> impl Iterator<Item = &str> {
        let here = self.files.iter().filter(|file| marks::has_word(text, file));
        let here: Vec<&str> = here.map(String::as_str).collect();
        let longer = here.clone();
        let is_longest = move |file: &&str| {
            !longer.iter().any(|other| other.len() > file.len() && other.ends_with(file))
        };
        here.into_iter().filter(is_longest)
    }

    fn is_decorator(&self, mention: &str) -> bool {
        let name = mention.trim_start_matches('@');
        KNOWN_DECORATORS.contains(&name) || self.decorators.contains(name) || self.may_be_told(name)
    }

    /// The longest stretches of `text` whose rows of words the patch adds.
    fn rows_in<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let mut stretches: Vec<Range<usize>> = Vec::new();
        for (row, range) in words::rows(text.as_bytes()) {
            if !self.rows.contains(&row) {
                continue;
            }
            match stretches.last_mut() {
                Some(last) if last.end >= range.start => last.end = range.end,
                _ => stretches.push(range),
            }
        }
        stretches.into_iter().filter_map(|range| text.get(range))
    }
}

fn leak(kind: LeakKind, found: &str) -> Leak {
    let line = found.split_whitespace().collect::<Vec<_>>().join(" ");
    Leak { kind, excerpt: line.chars().take(MAX_EXCERPT).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        let set = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let mut answer = Answer {
            identifiers: set(&["load_table", "renderer", "align", "fit_columns"]),
            literals: set(&["no such column", "Found {} in no row of the table: {}"]),
            files: ["pkg/render.py", "render.py", "pkg.render"].map(str::to_owned).into(),
            numbers: [4321].into(),
            commits: vec!["0123456789012345678901234567890123456789".parse().unwrap()],
            people: ["Jo Doe".to_owned()].into(),
            ..Answer::default()
        };
        answer.folded = ["loadtable", "fitcolumns"].map(str::to_owned).into();
        answer.decorators = set(&["cached"]);
        let added = b"the table is drawn with as many columns as fit onto the page";
        answer.rows = words::rows(added).map(|(row, _)| row).collect();
        answer.declare(&["pkg.fit_columns(width)".to_owned()]);
        answer
    }

    fn found(text: &str) -> Vec<(LeakKind, String)> {
        answer().check(text).leaks.into_iter().map(|leak| (leak.kind, leak.excerpt)).collect()
    }

    #[test]
    fn every_kind_is_found() {
        use LeakKind as K;
        let cases: [(&str, K, &str); 30] = [
            ("call loadTable then", K::Identifier, "loadTable"),
            ("the class LoadTable", K::Identifier, "LoadTable"),
            ("pass --load-table to it", K::Identifier, "load-table"),
            ("call it \"load table\"", K::Identifier, "load table"),
            ("as renderer.draw does", K::Identifier, "renderer"),
            ("mark it @align()", K::Identifier, "align"),
            ("it was found, in no row\nof the table", K::StringLiteral, "in no row of the table"),
            ("import pkg.render first", K::FileName, "pkg.render"),
            ("see o/n#12", K::PullRequestNumber, "#12"),
            ("as issue 12 says", K::PullRequestNumber, "issue 12"),
            ("as of 012345", K::CommitId, "012345"),
            ("see github.com/o/n/x", K::Url, "github.com/o/n/x"),
            ("call load_table then", K::Identifier, "load_table"),
            ("the `renderer` class", K::Identifier, "renderer"),
            ("use x.align here", K::Identifier, "align"),
            ("pass 'align' here", K::Identifier, "align"),
            ("say \u{201c}load_table\u{201d}", K::Identifier, "load_table"),
            ("use engine::align here", K::Identifier, "align"),
            ("see github.com/o/n/pull/7", K::PullRequestNumber, "/pull/7"),
            ("use align() here", K::Identifier, "align"),
            ("it says 'no such column'", K::StringLiteral, "no such column"),
            ("put it into pkg/render.py", K::FileName, "pkg/render.py"),
            ("see #12", K::PullRequestNumber, "#12"),
            ("as PR 12 did", K::PullRequestNumber, "PR 12"),
            ("see 4321 for more", K::PullRequestNumber, "4321"),
            ("as of 0123456", K::CommitId, "0123456"),
            ("as of 12ab34f", K::CommitId, "12ab34f"),
            ("see https://example.org/x", K::Url, "https://example.org/x"),
            ("ask @jodoe.", K::Author, "@jodoe"),
            ("by jo doe", K::Author, "Jo Doe"),
        ];
        for (text, kind, excerpt) in cases {
            assert!(found(text).contains(&(kind, excerpt.to_owned())), "{text}: {:?}", found(text));
        }
        let text = "The table is drawn, with as many columns as fit. On the page";
        let row = "The table is drawn, with as many columns as fit".to_owned();
        assert_eq!(found(text), [(K::PatchText, row)]);
    }

    #[test]
    fn words_of_the_language_and_declared_names_pass() {
        assert_eq!(found("Align the columns; the renderer is slow. Issue a warning 2024."), []);
        assert_eq!(found("Issue 2 warnings about load tables, and issues 10 requests."), []);
        assert_eq!(
            found("Use the colour #333, or `#123`, #333333 for what is @cached or @property."),
            []
        );
        assert_eq!(found("Mark it with @pytest.fixture, with `fitColumns` or fit-columns."), []);
        assert_eq!(found("Found no row of the table, no column"), []);
        let findings = answer().check("`fit_columns` takes a width");
        assert_eq!((findings.leaks, findings.told), (vec![], vec!["fit_columns".to_owned()]));
    }
}
