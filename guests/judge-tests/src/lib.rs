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
        let Kept { reserved, expected } = known(&rules, &files)?;
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

/// What is the same for all submissions to a stage: found in the first round, and kept
/// for those after it.
#[derive(Serialize, Deserialize)]
struct Kept {
    reserved: Reserved,
    expected: Expectation,
}

fn known(rules: &Rules, files: &[String]) -> Result<Kept, JudgeError> {
    let kept = judge::kept().and_then(|note| serde_json::from_str(&note).ok());
    if let Some(kept) = kept {
        return Ok(kept);
    }
    let reserved = Reserved::ask(rules, files)?;
    let expected = Expectation::find(rules, files, &reserved)?;
    let kept = Kept { reserved, expected };
    if let Ok(note) = serde_json::to_string(&kept) {
        judge::keep(&note);
    }
    Ok(kept)
}
