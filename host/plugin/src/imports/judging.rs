//! `catena:plugin/judging`: what a judge may know beside the submission, what it
//! keeps, and what it tells others. It needs no right: only judges are linked to it.

use crate::bindings::judge::catena::plugin::judging as wit;
use crate::call::Judged;
use crate::judging::{Heard, MAX_NOTE, MAX_TESTS, TestOutcome, TestResult};
use crate::session::lock;
use crate::state::State;

impl wit::Host for State {
    fn describe(&mut self) -> wasmtime::Result<wit::Setting> {
        let setting = self.session.judging.setting.clone();
        Ok(wit::Setting { threshold: setting.threshold, test_command: setting.test_command })
    }

    fn kept(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(lock(&self.session.judging.kept).clone())
    }

    fn keep(&mut self, mut note: String) -> wasmtime::Result<()> {
        note.truncate(note.floor_char_boundary(MAX_NOTE));
        *lock(&self.session.judging.kept) = Some(note);
        Ok(())
    }

    fn round(&mut self) -> wasmtime::Result<u32> {
        Ok(self.session.judging.brief.round)
    }

    fn interface(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.session.judging.brief.interface.clone())
    }

    fn heard(&mut self) -> wasmtime::Result<Vec<wit::Judgement>> {
        Ok(self.session.judging.brief.heard.iter().map(heard_to_wit).collect())
    }

    fn tests(&mut self) -> wasmtime::Result<Vec<wit::TestResult>> {
        Ok(self.session.judging.brief.tests.iter().map(test_to_wit).collect())
    }

    fn report_tests(&mut self, results: Vec<wit::TestResult>) -> wasmtime::Result<()> {
        let results = results.into_iter().take(MAX_TESTS).map(test_from_wit).collect();
        *lock(&self.session.judging.tests) = results;
        Ok(())
    }
}

fn heard_to_wit(heard: &Heard) -> wit::Judgement {
    let judge = heard.judge.clone();
    let without = |rationale: String| (None, Vec::new(), rationale);
    let (score, findings, rationale) = match &heard.judged {
        Judged::Verdict(verdict) => {
            let findings = verdict.findings.iter().map(|finding| wit::Finding {
                category: finding.category.clone(),
                path: finding.path.clone(),
                text: finding.text.clone(),
            });
            (Some(verdict.score), findings.collect(), verdict.rationale.clone())
        }
        Judged::NoVerdict(reason) => without(reason.clone()),
        Judged::Failed(failure) => without(failure.to_string()),
    };
    wit::Judgement { judge, score, findings, rationale }
}

fn test_to_wit(test: &TestResult) -> wit::TestResult {
    wit::TestResult {
        name: test.name.clone(),
        base: outcome_to_wit(&test.base),
        candidate: outcome_to_wit(&test.candidate),
        reference: outcome_to_wit(&test.reference),
    }
}

fn test_from_wit(test: wit::TestResult) -> TestResult {
    TestResult {
        name: test.name,
        base: outcome_from_wit(test.base),
        candidate: outcome_from_wit(test.candidate),
        reference: outcome_from_wit(test.reference),
    }
}

fn outcome_to_wit(outcome: &TestOutcome) -> wit::TestOutcome {
    match outcome {
        TestOutcome::Passed => wit::TestOutcome::Passed,
        TestOutcome::Failed => wit::TestOutcome::Failed,
        TestOutcome::Skipped => wit::TestOutcome::Skipped,
        TestOutcome::Missing => wit::TestOutcome::Missing,
        TestOutcome::Other(how) => wit::TestOutcome::Other(how.clone()),
    }
}

fn outcome_from_wit(outcome: wit::TestOutcome) -> TestOutcome {
    match outcome {
        wit::TestOutcome::Passed => TestOutcome::Passed,
        wit::TestOutcome::Failed => TestOutcome::Failed,
        wit::TestOutcome::Skipped => TestOutcome::Skipped,
        wit::TestOutcome::Missing => TestOutcome::Missing,
        wit::TestOutcome::Other(how) => TestOutcome::Other(how),
    }
}
