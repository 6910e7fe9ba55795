//! What the judges after this one are told of each test.

use std::collections::{BTreeMap, BTreeSet};

use catena_sdk::judge::{TestOutcome, TestResult};
use test_results::Outcome;

use crate::expectation::Expectation;
use crate::result::Result;

/// The tests of a submission. Of a report that is not believed nothing is told.
pub(crate) fn of_tests(result: &Result, expected: &Expectation) -> Vec<TestResult> {
    let not_passed: Option<BTreeMap<&str, TestOutcome>> = match result {
        Result::Nothing { .. } => None,
        Result::Counted(counted) => {
            let failed = counted.all().map(|failed| (failed.name.as_str(), told(failed.outcome)));
            Some(failed.collect())
        }
    };
    let group = |names: &BTreeSet<String>, base: &TestOutcome| {
        let told = names.iter().map(|name| TestResult {
            name: name.clone(),
            base: base.clone(),
            candidate: match &not_passed {
                None => TestOutcome::Missing,
                Some(failed) => failed.get(name.as_str()).cloned().unwrap_or(TestOutcome::Passed),
            },
            reference: TestOutcome::Passed,
        });
        told.collect::<Vec<_>>()
    };
    [
        group(&expected.fail_to_pass, &TestOutcome::Failed),
        group(&expected.pass_to_pass, &TestOutcome::Passed),
        group(&expected.broken_by_carry, &TestOutcome::Failed),
    ]
    .concat()
}

fn told(outcome: Option<Outcome>) -> TestOutcome {
    match outcome {
        Some(Outcome::Skipped) => TestOutcome::Skipped,
        Some(Outcome::Failed) => TestOutcome::Failed,
        // A pass that nothing vouches for.
        Some(Outcome::Passed) => TestOutcome::Other("unproven".to_owned()),
        None => TestOutcome::Missing,
    }
}
