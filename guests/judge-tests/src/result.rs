//! What a submission's run comes to, held against what is expected of it.

use std::collections::BTreeSet;

use test_results::Outcome;

use crate::expectation::Expectation;
use crate::run::{Reported, Run};

/// The category of a report that is not to be believed.
pub(crate) const FORGED: &str = "forged-report";

/// What a submission's run comes to.
pub(crate) enum Result {
    /// Its report can be believed.
    Counted(Counted),
    /// There is nothing to believe; says why.
    Nothing { category: &'static str, why: String, output: String },
}

/// Which of the expected tests pass, and which don't.
pub(crate) struct Counted {
    /// Of those that are to pass and did not before.
    pub(crate) still_failing: Vec<Failed>,
    /// Of those that passed before.
    pub(crate) broken: Vec<Failed>,
    /// Of those that the carry broke.
    pub(crate) not_repaired: Vec<Failed>,
}

impl Counted {
    /// All tests that do not pass.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Failed> {
        self.still_failing.iter().chain(&self.broken).chain(&self.not_repaired)
    }
}

/// A test that does not pass.
pub(crate) struct Failed {
    pub(crate) name: String,
    pub(crate) message: String,
    /// As it is reported.
    pub(crate) outcome: Option<Outcome>,
}

/// Looks a run through.
pub(crate) fn result(run: Run, expected: &Expectation) -> Result {
    let reported = match run {
        Run::Reported(reported) => reported,
        Run::Unreported { why, output, .. } => {
            return Result::Nothing { category: "no-report", why, output };
        }
    };
    if let Some(why) = distrust(&reported, expected) {
        return Result::Nothing { category: FORGED, why, output: String::new() };
    }
    let unproven = unproven(&reported, expected);
    let failed = |names: &BTreeSet<String>| -> Vec<Failed> {
        let failed = names.iter().filter_map(|name| failure(name, &reported, &unproven));
        failed.collect()
    };
    Result::Counted(Counted {
        still_failing: failed(&expected.fail_to_pass),
        broken: failed(&expected.pass_to_pass),
        not_repaired: failed(&expected.broken_by_carry),
    })
}

/// Why a report is not to be believed.
fn distrust(reported: &Reported, expected: &Expectation) -> Option<String> {
    if let Some(why) = reported.is_foreign() {
        return Some(why);
    }
    let passes = |(file, class): (&String, &String)| {
        let outcome = reported.canary_in(file, class);
        outcome.is_some_and(|outcome| outcome != Outcome::Failed).then(|| file.clone())
    };
    if let Some(file) = expected.watched.iter().find_map(passes) {
        return Some(format!("a test of `{file}` that must fail is reported as not failed"));
    }
    let status = reported.status;
    let fits = match (reported.has_failures(), expected.had_failures) {
        (false, _) => status == 0,
        (true, true) => status == expected.status,
        (true, false) => status != 0,
    };
    if !fits {
        return Some(format!("the exit status {status} does not fit the report"));
    }
    let changed = reported.changed.iter().find(|path| !expected.changed.contains(*path));
    changed.map(|path| format!("`{path}` was changed while the tests ran"))
}

/// The classes of which the test that must fail is not in the report.
fn unproven<'a>(reported: &Reported, expected: &'a Expectation) -> Vec<&'a str> {
    let missing =
        expected.watched.iter().filter(|(file, class)| reported.canary_in(file, class).is_none());
    missing.map(|(_, class)| class.as_str()).collect()
}

fn failure(name: &str, reported: &Reported, unproven: &[&str]) -> Option<Failed> {
    let message = match reported.report.tests.get(name) {
        None => "not in the report".to_owned(),
        Some(test) if test.outcome == Outcome::Failed => test.message.clone(),
        Some(test) if test.outcome == Outcome::Skipped => format!("skipped: {}", test.message),
        Some(_) => {
            let in_class = |class: &&&str| {
                let rest = name.strip_prefix(**class);
                rest.is_some_and(|rest| rest.starts_with("::") || rest.starts_with('.'))
            };
            unproven.iter().find(in_class)?;
            "reported as passed in a file of which another test is missing".to_owned()
        }
    };
    Some(Failed { name: name.to_owned(), message, outcome: reported.report.outcome(name) })
}
