//! Never comes to a verdict, which must not count as a score of 0.

use catena_sdk::judge::{JudgeError, Submission, Verdict};
use catena_sdk::{Judge, export_judge};

struct Abstains;

impl Judge for Abstains {
    fn evaluate(_submission: Submission) -> Result<Verdict, JudgeError> {
        Err(JudgeError::NoVerdict("the submission is written in a language it can't read".into()))
    }
}

export_judge!(Abstains);
