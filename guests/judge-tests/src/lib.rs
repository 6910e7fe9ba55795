#![doc = include_str!("../README.md")]

mod canary;
mod command;
mod config;
mod expectation;
mod patterns;
mod result;
mod run;
mod states;
mod told;
mod verdict;

use catena_sdk::judge::{self, Judge, JudgeError, Submission, Verdict};
use catena_sdk::{config as settings, export_judge};
use serde::{Deserialize, Serialize};

use crate::config::{Config, Rules};
use crate::expectation::Expectation;
use crate::states::{Reserved, State};
use crate::verdict::InVain;

struct Tests;

impl Judge for Tests {
    fn evaluate(_: Submission) -> Result<Verdict, JudgeError> {
        let rules = settings::read::<Config>()?.rules(judge::describe().test_command)?;
        let files = states::run_files(&rules)?;
        if files.is_empty() {
            return Err(JudgeError::NoVerdict("the pull request changes no test".to_owned()));
        }
        let reserved = Reserved::ask(&rules, &files)?;
        let expected = expectation(&rules, &files, &reserved)?;
        let candidate = states::judged(State::Candidate, &rules, &reserved)?;
        let run = run::run(&rules, &files, &candidate.snapshot)?;
        let in_vain =
            InVain { edited: states::edited_in_vain(&rules)?, shadowing: candidate.shadowing };
        let result = result::result(run, &expected);
        judge::report_tests(&told::of_tests(&result, &expected));
        Ok(verdict::verdict(result, &expected, &in_vain))
    }
}

export_judge!(Tests);

/// What is kept from round to round.
#[derive(Serialize, Deserialize)]
struct Kept {
    expected: Expectation,
}

/// What is expected of all submissions to the stage: found in the first round, and
/// kept for those after it.
fn expectation(
    rules: &Rules,
    files: &[String],
    reserved: &Reserved,
) -> Result<Expectation, JudgeError> {
    let kept = judge::kept().and_then(|note| serde_json::from_str::<Kept>(&note).ok());
    if let Some(Kept { expected }) = kept {
        return Ok(expected);
    }
    let kept = Kept { expected: Expectation::find(rules, files, reserved)? };
    if let Ok(note) = serde_json::to_string(&kept) {
        judge::keep(&note);
    }
    Ok(kept.expected)
}
