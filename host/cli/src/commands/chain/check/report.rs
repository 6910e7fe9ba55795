//! What a test command reports: `JUnit` XML, as pytest and most others write it,
//! and two such reports side by side.

use std::collections::BTreeMap;

use serde::Serialize;

/// How a test came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Failed,
    Skipped,
}

/// Tests by name. One that came out more than once has the worst outcome.
pub(super) type Report = BTreeMap<String, Outcome>;

/// Reads a report.
pub(super) fn read(xml: &str) -> Result<Report, roxmltree::Error> {
    let document = roxmltree::Document::parse(xml)?;
    let mut report = Report::new();
    for case in document.descendants().filter(|node| node.has_tag_name("testcase")) {
        let name = [case.attribute("classname"), case.attribute("name")];
        let name = name.into_iter().flatten().filter(|part| !part.is_empty());
        let name = name.collect::<Vec<_>>().join("::");
        let has = |tag: &str| case.children().any(|child| child.has_tag_name(tag));
        let outcome = if has("failure") || has("error") {
            Outcome::Failed
        } else if has("skipped") {
            Outcome::Skipped
        } else {
            Outcome::Passed
        };
        let worst = report.entry(name).or_insert(outcome);
        if outcome == Outcome::Failed {
            *worst = outcome;
        }
    }
    Ok(report)
}

/// What the tests of a pull request say of the state before it and after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(super) struct Comparison {
    /// Tests that pass after it and did not before.
    pub(super) fail_to_pass: usize,
    /// Tests that pass in both.
    pub(super) pass_to_pass: usize,
    /// Tests that pass in neither: what they need may not be there.
    pub(super) failing: usize,
    /// Tests that passed before it alone.
    pub(super) pass_to_fail: usize,
}

/// Compares the state before a pull request with that after it.
pub(super) fn compare(before: &Report, after: &Report) -> Comparison {
    let mut comparison = Comparison::default();
    for (name, outcome) in after {
        let passed_before = before.get(name) == Some(&Outcome::Passed);
        match (outcome, passed_before) {
            (Outcome::Passed, true) => comparison.pass_to_pass += 1,
            (Outcome::Passed, false) => comparison.fail_to_pass += 1,
            (Outcome::Failed, true) => comparison.pass_to_fail += 1,
            (Outcome::Failed, false) => comparison.failing += 1,
            (Outcome::Skipped, _) => {}
        }
    }
    comparison
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_by_what_became_of_them() {
        let case = |name: &str, inner: &str| {
            format!(r#"<testcase classname="tests.test_a" name="{name}">{inner}</testcase>"#)
        };
        let suite = |cases: &[String]| {
            let cases = cases.concat();
            read(&format!("<testsuites><testsuite>{cases}</testsuite></testsuites>")).unwrap()
        };
        let failed = r#"<failure message="no">a &lt; b</failure>"#;
        let before = suite(&[
            case("kept", ""),
            case("mended", failed),
            case("broken", ""),
            case("never", "<error/>"),
        ]);
        let after = suite(&[
            case("kept", ""),
            case("mended", ""),
            case("new", ""),
            case("broken", failed),
            case("never", failed),
            case("left", "<skipped/>"),
            case("twice", ""),
            case("twice", "<error/>"),
        ]);
        assert_eq!(
            compare(&before, &after),
            Comparison { fail_to_pass: 2, pass_to_pass: 1, failing: 2, pass_to_fail: 1 }
        );
        assert!(read("<testsuite>").is_err());
    }
}
