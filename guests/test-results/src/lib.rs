//! What a test command reports: `JUnit` XML, as pytest and most others write it,
//! and two such reports side by side. Host and guests read reports by this code.
//!
//! A report is what somebody wrote. Whether it may be believed is the caller's
//! question.

use std::collections::{BTreeMap, BTreeSet};

use roxmltree::{Document, ParsingOptions};

/// How a test came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It ran to its end as it should.
    Passed,
    /// It failed, or something around it did.
    Failed,
    /// It was not run.
    Skipped,
}

/// A test in a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// How it came out; the worst, if it was reported more than once.
    pub outcome: Outcome,
    /// What is said of its failure, or why it was skipped; the first line.
    pub message: String,
}

/// What one run of a test command reports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Tests by name: `classname::name`.
    pub tests: BTreeMap<String, Test>,
    /// Names of the suites.
    pub suites: BTreeSet<String>,
}

/// Most elements and texts of a report, so that it can't take all memory.
const MAX_NODES: u32 = 200_000;

/// Most quotes in a tag, twice as many as attributes: finding one that is there twice
/// takes the square of them.
const MAX_QUOTES: usize = 128;

/// Why a text is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not XML, or too much of it.
    #[error("the report is not XML: {0}")]
    Xml(#[from] roxmltree::Error),
    /// A tag has more attributes than any report's.
    #[error("the report has a tag with too many attributes")]
    Crowded,
}

impl Report {
    /// Reads a report.
    pub fn read(xml: &str) -> Result<Self, ReadError> {
        if has_crowded_tag(xml) {
            return Err(ReadError::Crowded);
        }
        let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
        let document = Document::parse_with_options(xml, options)?;
        let mut report = Self::default();
        for node in document.descendants() {
            if node.has_tag_name("testsuite") {
                report.suites.extend(node.attribute("name").map(str::to_owned));
            }
            if node.has_tag_name("testcase") {
                report.add(name_of(node), test_of(node));
            }
        }
        Ok(report)
    }

    /// How a test came out; `None` if the report does not have it.
    pub fn outcome(&self, name: &str) -> Option<Outcome> {
        self.tests.get(name).map(|test| test.outcome)
    }

    /// Whether a test is reported as passed.
    pub fn passed(&self, name: &str) -> bool {
        self.outcome(name) == Some(Outcome::Passed)
    }

    /// The names of the tests that came out like this.
    pub fn with(&self, outcome: Outcome) -> impl Iterator<Item = &str> {
        let tests = self.tests.iter().filter(move |(_, test)| test.outcome == outcome);
        tests.map(|(name, _)| name.as_str())
    }

    fn add(&mut self, name: String, test: Test) {
        match self.tests.get_mut(&name) {
            Some(known) if test.outcome == Outcome::Failed => *known = test,
            Some(_) => {}
            None => {
                self.tests.insert(name, test);
            }
        }
    }
}

/// Whether a tag has more attributes than anyone writes.
fn has_crowded_tag(xml: &str) -> bool {
    let mut rest = xml;
    while let Some((_, tag)) = rest.split_once('<') {
        let verbatim = [("![CDATA[", "]]>"), ("!--", "-->")];
        if let Some((_, end)) = verbatim.iter().find(|(begin, _)| tag.starts_with(begin)) {
            rest = tag.split_once(end).map_or("", |(_, after)| after);
            continue;
        }
        let mut open = None;
        let mut quotes = 0;
        let mut end = tag.len();
        for (at, c) in tag.char_indices() {
            match (open, c) {
                (None, '>') => {
                    end = at;
                    break;
                }
                (None, '"' | '\'') => (open, quotes) = (Some(c), quotes + 1),
                (Some(quote), c) if c == quote => (open, quotes) = (None, quotes + 1),
                _ => {}
            }
            if quotes > MAX_QUOTES {
                return true;
            }
        }
        rest = tag.get(end..).unwrap_or_default();
    }
    false
}

fn name_of(node: roxmltree::Node<'_, '_>) -> String {
    let parts = [node.attribute("classname"), node.attribute("name")];
    let parts = parts.into_iter().flatten().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("::")
}

fn test_of(node: roxmltree::Node<'_, '_>) -> Test {
    let child = |tag: &str| node.children().find(|child| child.has_tag_name(tag));
    let (outcome, told) = match (child("failure").or_else(|| child("error")), child("skipped")) {
        (Some(failure), _) => (Outcome::Failed, Some(failure)),
        (None, Some(skipped)) => (Outcome::Skipped, Some(skipped)),
        (None, None) => (Outcome::Passed, None),
    };
    let message = told.and_then(|told| told.attribute("message").or_else(|| told.text()));
    let message = message.unwrap_or_default().trim().lines().next().unwrap_or_default();
    Test { outcome, message: message.to_owned() }
}

/// What the tests of a pull request say of the state before it and after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Comparison {
    /// Tests that pass after it and did not before.
    pub fail_to_pass: usize,
    /// Tests that pass in both.
    pub pass_to_pass: usize,
    /// Tests that pass in neither: what they need may not be there.
    pub failing: usize,
    /// Tests that passed before it alone.
    pub pass_to_fail: usize,
}

impl Comparison {
    /// Compares the state before a pull request with that after it.
    pub fn of(before: &Report, after: &Report) -> Self {
        let mut comparison = Self::default();
        for (name, test) in &after.tests {
            match (test.outcome, before.passed(name)) {
                (Outcome::Passed, true) => comparison.pass_to_pass += 1,
                (Outcome::Passed, false) => comparison.fail_to_pass += 1,
                (Outcome::Failed, true) => comparison.pass_to_fail += 1,
                (Outcome::Failed, false) => comparison.failing += 1,
                (Outcome::Skipped, _) => {}
            }
        }
        comparison
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, inner: &str) -> String {
        format!(r#"<testcase classname="tests.test_a" name="{name}">{inner}</testcase>"#)
    }

    fn suite(cases: &[String]) -> Report {
        let cases = cases.concat();
        Report::read(&format!(
            r#"<testsuites><testsuite name="s">{cases}</testsuite></testsuites>"#
        ))
        .unwrap()
    }

    const FAILED: &str = r#"<failure message="no&#10;more">a &lt; b</failure>"#;

    #[test]
    fn tests_are_counted_by_what_became_of_them() {
        let before = suite(&[
            case("kept", ""),
            case("mended", FAILED),
            case("broken", ""),
            case("never", "<error/>"),
        ]);
        let after = suite(&[
            case("kept", ""),
            case("mended", ""),
            case("new", ""),
            case("broken", FAILED),
            case("never", FAILED),
            case("left", "<skipped/>"),
        ]);
        assert_eq!(
            Comparison::of(&before, &after),
            Comparison { fail_to_pass: 2, pass_to_pass: 1, failing: 1, pass_to_fail: 1 }
        );
    }

    #[test]
    fn a_test_that_is_told_twice_has_its_worst_outcome() {
        for cases in [[case("a", ""), case("a", FAILED)], [case("a", FAILED), case("a", "")]] {
            let report = suite(&cases);
            let test = report.tests.get("tests.test_a::a").unwrap();
            assert_eq!((test.outcome, test.message.as_str()), (Outcome::Failed, "no"));
        }
        assert_eq!(suite(&[]).suites, BTreeSet::from(["s".to_owned()]));
    }

    #[test]
    fn a_report_that_would_take_all_memory_or_time_is_none() {
        let crowd = |each: &str, count: usize| format!("<a>{}</a>", each.repeat(count));
        assert!(Report::read(&crowd("<a/>", 200_001)).is_err());
        assert!(Report::read(&crowd("<a/>", 1_000)).is_ok());
        let attributes: Vec<String> = (0..65).map(|n| format!(" a{n}='\"'")).collect();
        let attributes = attributes.concat();
        assert!(matches!(Report::read(&format!("<a{attributes}/>")), Err(ReadError::Crowded)));
        let quoted = "\"'".repeat(100);
        for text in
            [format!("<a><![CDATA[<{quoted}]]></a>"), format!("<a b='{}'/>", "\"".repeat(99))]
        {
            assert!(Report::read(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_was_cut_off_or_holds_entities_is_no_report() {
        assert!(Report::read("<testsuite>").is_err());
        assert!(Report::read(r#"<!DOCTYPE a [<!ENTITY b "c">]><testsuite/>"#).is_err());
    }
}
