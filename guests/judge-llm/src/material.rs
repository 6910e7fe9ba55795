//! A submission as templates see it.

use std::fmt::Write as _;

use catena_sdk::judge::Submission;
use catena_sdk::judging::{TestOutcome, TestResult};
use serde::Serialize;

use crate::config::Config;
use crate::fence::Fence;

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
    candidate: String,
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

#[derive(Serialize)]
pub(crate) struct RetryView<'a> {
    pub(crate) error: &'a str,
}

impl TaskView {
    pub(crate) fn of(
        submission: &Submission,
        interface: &[String],
        results: &[TestResult],
        config: &Config,
    ) -> Self {
        let fence = Fence::draw();
        let shown = |patch: &[u8]| {
            let shown = patch.get(..config.patch_limit).unwrap_or(patch);
            (String::from_utf8_lossy(shown).into_owned(), shown.len() < patch.len())
        };
        let (reference, reference_cut) = shown(&submission.reference_patch);
        let (candidate, candidate_cut) = shown(&submission.candidate_patch);
        Self {
            material: Material {
                overview: fence.around("overview of a series of tasks", &submission.overview),
                task: fence.around("task", &submission.query),
                interface: fence.around("names that tests call", &interface.join("\n")),
                tests: fence.around("test results", &tests(results)),
                reference: fence.around("reference", &reference),
                candidate: fence.around("candidate", &candidate),
            },
            nonce: fence.nonce().to_owned(),
            cut: Cut { reference: reference_cut, candidate: candidate_cut },
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
        assert!(!text.contains("cut off here"));
    }

    #[test]
    fn long_patch_is_cut_and_the_model_is_told() {
        let text = prompt(&b"+line of a patch\n".repeat(20_000));
        assert!(text.contains("The end of the candidate is cut off here"));
        assert!(text.len() < 140_000);
    }
}
