#![doc = include_str!("../README.md")]

mod changes;
mod lexer;
mod report;
mod similarity;

use catena_sdk::{
    Judge, export_judge,
    judge::{JudgeError, Submission, Verdict},
};

use crate::changes::PatchChanges;

struct Diff;

impl Judge for Diff {
    fn evaluate(submission: Submission) -> Result<Verdict, JudgeError> {
        let candidate = read("candidate", &submission.candidate_patch)?;
        let reference = read("reference", &submission.reference_patch)?;
        let score = similarity::score(&candidate, &reference);
        let differences = report::differences(&candidate, &reference);
        Ok(Verdict {
            score,
            feedback: report::feedback(score, &differences),
            rationale: report::rationale(score, &differences),
            findings: differences.into_iter().flat_map(report::findings).collect(),
        })
    }
}

fn read(which: &str, patch: &[u8]) -> Result<PatchChanges, JudgeError> {
    let files = git_patch::parse(patch)
        .map_err(|err| JudgeError::NoVerdict(format!("the {which} patch cannot be read: {err}")))?;
    Ok(changes::of_patch(&files))
}

export_judge!(Diff);
