//! A submission as templates see it.

use std::fmt::Write as _;

use catena_sdk::judge::Submission;
use catena_sdk::judging::{TestOutcome, TestResult};
use serde::Serialize;

use crate::config::Config;
use crate::fence::Fence;
use crate::shown::Shown;

/// Most tests that the model is told of; those that fail come first.
const MAX_TESTS: usize = 200;

#[derive(Serialize)]
pub(crate) struct TaskView {
    nonce: String,
    material: Material,
    cut: Cut,
    limits: Limits,
}

/// Each text stands between two lines with the nonce, or is empty.
#[derive(Serialize)]
struct Material {
    overview: String,
    task: String,
    interface: String,
    tests: String,
    reference: String,
    /// The files of it that are cut, with their sizes.
    reference_cut: String,
    candidate: String,
    candidate_cut: String,
}

#[derive(Serialize)]
struct Cut {
    reference: bool,
    candidate: bool,
}

#[derive(Serialize)]
struct Limits {
    feedback: u32,
}

impl TaskView {
    pub(crate) fn of(
        submission: &Submission,
        interface: &[String],
        results: &[TestResult],
        config: &Config,
    ) -> Self {
        let fence = Fence::draw();
        let reference = Shown::of(&submission.reference_patch, config.patch_limit);
        let candidate = Shown::of(&submission.candidate_patch, config.patch_limit);
        Self {
            material: Material {
                overview: fence.around("overview of a series of tasks", &submission.overview),
                task: fence.around("task", &submission.query),
                interface: fence.around("names that tests call", &interface.join("\n")),
                tests: fence.around("test results", &tests(results)),
                reference: fence.around("reference", &reference.text),
                reference_cut: fence.around("files of the reference cut off", &reference.cut),
                candidate: fence.around("candidate", &candidate.text),
                candidate_cut: fence.around("files of the candidate cut off", &candidate.cut),
            },
            nonce: fence.nonce().to_owned(),
            cut: Cut { reference: !reference.cut.is_empty(), candidate: !candidate.cut.is_empty() },
            limits: Limits { feedback: config.feedback_words },
        }
    }
}

/// A line for each test, those first that fail with the candidate alone.
fn tests(tests: &[TestResult]) -> String {
    let passes = |outcome: &TestOutcome| matches!(outcome, TestOutcome::Passed);
    let is_lost = |test: &&TestResult| passes(&test.reference) && !passes(&test.candidate);
    let (lost, others): (Vec<&TestResult>, Vec<&TestResult>) = tests.iter().partition(is_lost);
    let mut text = String::new();
    for test in lost.iter().chain(&others).take(MAX_TESTS) {
        let [before, candidate, reference] =
            [&test.base, &test.candidate, &test.reference].map(word);
        let _ = writeln!(
            text,
            "{}: {candidate} with the candidate, {reference} with the reference, {before} before",
            test.name
        );
    }
    if tests.len() > MAX_TESTS {
        let _ = writeln!(text, "and {} more", tests.len() - MAX_TESTS);
    }
    text
}

fn word(outcome: &TestOutcome) -> &str {
    match outcome {
        TestOutcome::Passed => "passed",
        TestOutcome::Failed => "failed",
        TestOutcome::Skipped => "skipped",
        TestOutcome::Missing => "did not run",
        TestOutcome::Other(how) => how,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(name: &str, candidate: TestOutcome) -> TestResult {
        let (base, reference) = (TestOutcome::Failed, TestOutcome::Passed);
        TestResult { name: name.to_owned(), base, candidate, reference }
    }

    fn prompt(candidate: &[u8]) -> String {
        let config = crate::config::shipped();
        let submission = Submission {
            stage: 1,
            stages: 2,
            overview: "Notes.".to_owned(),
            query: "Count them.".to_owned(),
            candidate_patch: candidate.to_vec(),
            reference_patch: b"diff --git a/count.py b/count.py\n+def count(): pass\n".to_vec(),
        };
        let results = [test("a", TestOutcome::Passed), test("b", TestOutcome::Failed)];
        let view = TaskView::of(&submission, &["count".to_owned()], &results, &config);
        let templates = config.templates().ok();
        let render = |name| templates.as_ref()?.render(name, &view).ok();
        format!("{}{}", render("system").unwrap_or_default(), render("task").unwrap_or_default())
    }

    #[test]
    fn model_is_shown_all_there_is_with_headers() {
        let text = prompt(b"diff --git a/n.py b/n.py\n+x\n");
        for part in [
            "Count them.",
            "diff --git a/count.py b/count.py",
            "diff --git a/n.py b/n.py",
            "begin names that tests call",
            "b: failed with the candidate, passed with the reference, failed before\na: passed",
            "at most 120\nwords",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("cut off"));
    }

    #[test]
    fn long_patch_is_cut_and_the_model_is_told() {
        let padding = format!("diff --git a/0 b/0\n{}", "+line of a patch\n".repeat(20_000));
        let text = prompt(format!("{padding}diff --git a/n.py b/n.py\n+x\n").as_bytes());
        assert!(text.contains("Parts of the candidate are cut off for its length"));
        assert!(text.contains("bytes are shown: a/0 b/0\n"));
        assert!(text.contains("diff --git a/n.py b/n.py\n+x\n"));
        assert!(!text.contains("for missing") && text.len() < 140_000);
    }
}
