//! Panics in the middle of its work.

use catena_sdk::judge::{JudgeError, Submission, Verdict};
use catena_sdk::{Judge, export_judge};

struct Traps;

impl Judge for Traps {
    fn evaluate(submission: Submission) -> Result<Verdict, JudgeError> {
        panic!("can't judge stage {}", submission.stage);
    }
}

export_judge!(Traps);
