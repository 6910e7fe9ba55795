//! Gives any score, whatever is before it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use catena_sdk::judge::{JudgeError, Submission, Verdict};
use catena_sdk::{Judge, export_judge};

struct Guesses;

impl Judge for Guesses {
    fn evaluate(_submission: Submission) -> Result<Verdict, JudgeError> {
        let draw = RandomState::new().hash_one(0) % 1_001;
        Ok(Verdict {
            score: f64::from(u32::try_from(draw).unwrap_or_default()) / 1_000.0,
            findings: Vec::new(),
            feedback: String::new(),
            rationale: "a guess".into(),
        })
    }
}

export_judge!(Guesses);
