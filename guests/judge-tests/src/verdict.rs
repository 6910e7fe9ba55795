//! Score, findings, feedback and rationale.

use std::fmt::Write as _;

use catena_sdk::judge::{Finding, Verdict};

use crate::expectation::Expectation;
use crate::result::{Counted, FORGED, Failed, Result};

/// What a submission has at most that does not pass all tests: below every
/// threshold in use.
const PARTIAL: f64 = 0.5;

/// Most tests that are named in the feedback.
const NAMED: usize = 10;

/// Most characters of a message that are repeated.
const MESSAGE: usize = 200;

/// What the agent did that does not count.
pub(crate) struct InVain {
    /// Its versions of tests and of what configures their runner.
    pub(crate) edited: Vec<String>,
    /// Its modules that would stand in for others.
    pub(crate) shadowing: Vec<String>,
}

/// The verdict on a result.
pub(crate) fn verdict(result: Result, expected: &Expectation, in_vain: &InVain) -> Verdict {
    let mut findings = findings_in_vain(in_vain);
    let mut rationale = summary(expected);
    let verdict = match result {
        Result::Nothing { category, why, output } => {
            let _ = write!(rationale, "\nNothing passes: {why}\n{output}");
            findings.push(finding(category, None, &why));
            // How a forged report was known is not for those who forge.
            let feedback = match category {
                FORGED => "The report of the tests is not one that counts.".to_owned(),
                _ => format!("The tests can't be counted: {why}."),
            };
            Verdict { score: 0.0, findings: Vec::new(), feedback, rationale: String::new() }
        }
        Result::Counted(counted) => {
            if !expected.broken_by_carry.is_empty() {
                let _ = write!(
                    rationale,
                    "\n{} of what the carry broke still fail",
                    counted.not_repaired.len()
                );
            }
            findings.extend(findings_of("still-failing", &counted.still_failing));
            findings.extend(findings_of("broken-test", &counted.broken));
            let feedback = feedback(&counted, expected);
            let score = score(&counted, expected);
            Verdict { score, findings: Vec::new(), feedback, rationale: String::new() }
        }
    };
    let apart = expected.broken_by_carry.iter();
    findings.extend(apart.map(|name| finding("broken-by-carry", None, name)));
    findings.extend(expected.flaky.iter().map(|name| finding("flaky-test", None, name)));
    Verdict { findings, rationale: rationale.trim_end().to_owned(), ..verdict }
}

/// 1 if all pass. Otherwise nothing that passed before may fail, and the share of
/// the others that pass counts half.
fn score(counted: &Counted, expected: &Expectation) -> f64 {
    let all = expected.fail_to_pass.len();
    match (counted.still_failing.len(), counted.broken.len()) {
        (0, 0) => 1.0,
        (failing, 0) => PARTIAL * share(all - failing, all),
        _ => 0.0,
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 tests")]
fn share(part: usize, all: usize) -> f64 {
    part as f64 / all as f64
}

/// Names only tests that passed before: those of the change itself are not the
/// agent's to see.
fn feedback(counted: &Counted, expected: &Expectation) -> String {
    let Counted { still_failing, broken, .. } = counted;
    if still_failing.is_empty() && broken.is_empty() {
        return "All tests pass.".to_owned();
    }
    let mut text = String::new();
    let all = expected.fail_to_pass.len();
    if !still_failing.is_empty() {
        let failing = still_failing.len();
        let _ = write!(text, "{failing} of {all} tests of what is asked for do not pass yet. ");
    } else if all > 0 {
        text.push_str("All tests of what is asked for pass. ");
    }
    if !broken.is_empty() {
        let (failing, all) = (broken.len(), expected.pass_to_pass.len());
        let _ = write!(text, "{failing} of {all} tests that passed before do not pass any more:");
        for Failed { name, message, .. } in broken.iter().take(NAMED) {
            let _ = write!(text, "\n{name}: {}", cut(message));
        }
        if broken.len() > NAMED {
            let _ = write!(text, "\nand {} more", broken.len() - NAMED);
        }
    }
    text.trim_end().to_owned()
}

fn summary(expected: &Expectation) -> String {
    format!(
        "{} tests fail to pass, {} pass to pass, {} broken by the carry, {} flaky, {} failing over \
         the human answer; {} files watched by a test that must fail",
        expected.fail_to_pass.len(),
        expected.pass_to_pass.len(),
        expected.broken_by_carry.len(),
        expected.flaky.len(),
        expected.failing.len(),
        expected.watched.len(),
    )
}

fn findings_in_vain(in_vain: &InVain) -> Vec<Finding> {
    let edited = in_vain.edited.iter().map(|path| {
        finding("edit-without-effect", Some(path), "the human answer's version counts alone")
    });
    let shadowing = in_vain.shadowing.iter().map(|path| {
        finding("shadowing-module", Some(path), "it has the name of a module from elsewhere")
    });
    edited.chain(shadowing).collect()
}

fn findings_of(category: &str, failed: &[Failed]) -> Vec<Finding> {
    let text = |failed: &Failed| format!("{}: {}", failed.name, cut(&failed.message));
    failed.iter().map(|failed| finding(category, None, &text(failed))).collect()
}

fn finding(category: &str, path: Option<&String>, text: &str) -> Finding {
    Finding { category: category.to_owned(), path: path.cloned(), text: text.to_owned() }
}

fn cut(message: &str) -> String {
    message.chars().take(MESSAGE).collect()
}
