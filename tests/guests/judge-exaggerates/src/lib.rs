//! Gives more than the best score there is.

use catena_sdk::judge::{JudgeError, Submission, Verdict};
use catena_sdk::{Judge, export_judge};

struct Exaggerates;

impl Judge for Exaggerates {
    fn evaluate(_submission: Submission) -> Result<Verdict, JudgeError> {
        Ok(Verdict {
            score: 1.5,
            findings: Vec::new(),
            feedback: "better than the best".into(),
            rationale: String::new(),
        })
    }
}

export_judge!(Exaggerates);
