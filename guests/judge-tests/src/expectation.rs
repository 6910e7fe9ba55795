//! What is expected of a submission: which tests are to pass, as the human answer
//! and the states before it show. It is the same in all rounds of a stage.

use std::collections::{BTreeMap, BTreeSet};

use catena_sdk::judge::JudgeError;
use serde::{Deserialize, Serialize};
use test_results::{Outcome, Report};

use crate::config::{BrokenByCarry, Rules};
use crate::run::{Reported, Run, Unreported, run};
use crate::states::{Reserved, State, judged};

/// Which tests are to pass.
#[derive(Serialize, Deserialize)]
pub(crate) struct Expectation {
    /// They fail in the state the stage began with.
    pub(crate) fail_to_pass: BTreeSet<String>,
    /// They pass there.
    pub(crate) pass_to_pass: BTreeSet<String>,
    /// They fail there and pass upstream.
    pub(crate) broken_by_carry: BTreeSet<String>,
    /// They do not come out the same each time over the human answer.
    pub(crate) flaky: BTreeSet<String>,
    /// They fail over the human answer.
    pub(crate) failing: BTreeSet<String>,
    /// Where the tests that must fail are reported, by file.
    pub(crate) watched: BTreeMap<String, String>,
    /// The exit status over the human answer.
    pub(crate) status: i32,
    /// Whether any test failed there, those that must fail included.
    pub(crate) had_failures: bool,
    /// Protected files that the tests change by themselves.
    pub(crate) changed: BTreeSet<String>,
}

impl Expectation {
    /// Runs the tests over the human answer, and over the states before it.
    pub(crate) fn find(
        rules: &Rules,
        files: &[String],
        reserved: &Reserved,
    ) -> Result<Self, JudgeError> {
        let reference = State::Reference.snapshot();
        let first = over_reference(run(rules, files, &reference)?)?;
        let mut reports = vec![first.report.clone()];
        for _ in 1..rules.repeat {
            reports.push(over_reference(run(rules, files, &reference)?)?.report);
        }
        let state = judged(State::Start, rules, reserved)?;
        let mut start = BTreeSet::new();
        for _ in 0..rules.repeat {
            // A test that passes there at times is nothing that the stage asks for.
            start.extend(passed_in(State::Start, run(rules, files, &state.snapshot)?)?);
        }
        let before = if State::Start.is(State::Upstream)? {
            start.clone()
        } else {
            let upstream = judged(State::Upstream, rules, reserved)?;
            passed_in(State::Upstream, run(rules, files, &upstream.snapshot)?)?
        };
        let groups = Groups::of(&reports, &start, &before, rules.broken_by_carry);
        let groups = groups.map_err(|why| JudgeError::NoVerdict(why.to_owned()))?;
        let Groups { fail_to_pass, pass_to_pass, broken_by_carry, flaky, failing } = groups;
        Ok(Self {
            fail_to_pass,
            pass_to_pass,
            broken_by_carry,
            flaky,
            failing,
            watched: first.watched().collect(),
            status: first.status,
            had_failures: first.has_failures(),
            changed: first.changed.into_iter().collect(),
        })
    }
}

/// Tests by what their outcomes say.
struct Groups {
    fail_to_pass: BTreeSet<String>,
    pass_to_pass: BTreeSet<String>,
    broken_by_carry: BTreeSet<String>,
    flaky: BTreeSet<String>,
    failing: BTreeSet<String>,
}

impl Groups {
    /// Sorts tests by all reports over the human answer, what passed in the state the
    /// stage began with, and what passed before the human answer.
    fn of(
        reports: &[Report],
        start: &BTreeSet<String>,
        before: &BTreeSet<String>,
        broken: BrokenByCarry,
    ) -> Result<Self, &'static str> {
        let names: BTreeSet<&String> = reports.iter().flat_map(|r| r.tests.keys()).collect();
        let (mut passing, mut flaky, mut failing) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for name in names {
            let outcomes: Vec<_> = reports.iter().map(|report| report.outcome(name)).collect();
            let group = match outcomes.first() {
                Some(first) if outcomes.iter().any(|outcome| outcome != first) => &mut flaky,
                Some(Some(Outcome::Passed)) => &mut passing,
                Some(Some(Outcome::Failed)) => &mut failing,
                _ => continue,
            };
            group.insert(name.clone());
        }
        if passing.is_subset(before) {
            return Err("no test tells the human answer from what was before it");
        }
        let (pass_to_pass, failed): (BTreeSet<_>, BTreeSet<_>) =
            passing.into_iter().partition(|name| start.contains(name));
        let apart = |name: &String| broken == BrokenByCarry::Apart && before.contains(name);
        let (broken_by_carry, fail_to_pass): (_, BTreeSet<_>) = failed.into_iter().partition(apart);
        if fail_to_pass.is_empty() {
            return Err("what tells the human answer from what was before it passes already \
                        in the state the stage began with");
        }
        Ok(Self { fail_to_pass, pass_to_pass, broken_by_carry, flaky, failing })
    }
}

/// The human answer has to show what its tests are worth.
fn over_reference(run: Run) -> Result<Reported, JudgeError> {
    let reported = match run {
        Run::Reported(reported) => reported,
        Run::Unreported { why, output, .. } => {
            let why = format!("the tests give no report over the human answer: {why}\n{output}");
            return Err(JudgeError::NoVerdict(why.trim().to_owned()));
        }
    };
    match reported.is_foreign() {
        None => Ok(reported),
        Some(why) => Err(JudgeError::NoVerdict(format!("over the human answer, {why}"))),
    }
}

/// Without a report nothing passed. Of a run that was cut short nobody knows what
/// would have: to take that for nothing would leave nothing to do.
fn passed_in(state: State, run: Run) -> Result<BTreeSet<String>, JudgeError> {
    match run {
        Run::Reported(reported) if reported.is_foreign().is_none() => {
            Ok(reported.report.with(Outcome::Passed).map(str::to_owned).collect())
        }
        Run::Unreported { how: Unreported::CutShort, why, output } => {
            let state = state.described();
            let why = format!("the tests over {state} tell nothing: {why}\n{output}");
            Err(JudgeError::NoVerdict(why.trim().to_owned()))
        }
        _ => Ok(BTreeSet::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(passed: &[&str], failed: &[&str]) -> Report {
        let case =
            |name: &&str, inner: &str| format!(r#"<testcase name="{name}">{inner}</testcase>"#);
        let passed = passed.iter().map(|name| case(name, ""));
        let failed = failed.iter().map(|name| case(name, "<failure/>"));
        let cases: String = passed.chain(failed).collect();
        Report::read(&format!("<testsuite>{cases}</testsuite>")).unwrap()
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn tests_are_sorted_by_the_states_they_pass_in() {
        let reports = [
            report(&["new", "old", "torn", "loose"], &["bad"]),
            report(&["new", "old", "torn"], &["bad", "loose"]),
        ];
        let sort =
            |broken| Groups::of(&reports, &names(&["old"]), &names(&["old", "torn"]), broken);
        let groups = sort(BrokenByCarry::Apart).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(groups.fail_to_pass, names(&["new"]));
        assert_eq!(groups.pass_to_pass, names(&["old"]));
        assert_eq!(groups.broken_by_carry, names(&["torn"]));
        assert_eq!((groups.flaky, groups.failing), (names(&["loose"]), names(&["bad"])));
        let groups = sort(BrokenByCarry::Repair).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(groups.fail_to_pass, names(&["new", "torn"]));
    }

    #[test]
    fn a_run_that_was_cut_short_is_not_one_in_which_nothing_passes() {
        let over_start = |how| {
            let run = Run::Unreported { how, why: "why".to_owned(), output: String::new() };
            passed_in(State::Start, run).ok()
        };
        assert_eq!(over_start(Unreported::Ended), Some(BTreeSet::new()));
        assert_eq!(over_start(Unreported::CutShort), None);
    }

    #[test]
    fn tests_that_pass_before_the_human_answer_or_the_stage_judge_nobody() {
        let reports = [report(&["new", "old"], &["bad"])];
        let (none, old, all) = (names(&[]), names(&["old"]), names(&["new", "old"]));
        let sort = |start, before| Groups::of(&reports, start, before, BrokenByCarry::Apart);
        assert!(sort(&none, &all).is_err());
        assert!(sort(&all, &old).is_err());
        assert!(sort(&old, &old).is_ok());
    }
}
