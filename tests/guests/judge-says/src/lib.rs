//! Says what its configuration has it say, and logs what it may know of other judges
//! and of tests.

use catena_sdk::judge::{Finding, JudgeError, Submission, Verdict};
use catena_sdk::judging::{self, TestOutcome, TestResult};
use catena_sdk::serde::Deserialize;
use catena_sdk::{Judge, export_judge, log};

#[derive(Deserialize)]
#[serde(crate = "catena_sdk::serde", deny_unknown_fields)]
struct Config {
    score: String,
    feedback: String,
    tests: Vec<String>,
}

struct Says;

impl Judge for Says {
    fn evaluate(_submission: Submission) -> Result<Verdict, JudgeError> {
        let config: Config = catena_sdk::config::read()?;
        for heard in judging::heard() {
            log::info!("heard {} {:?} {}", heard.judge, heard.score, heard.rationale);
        }
        for test in judging::tests() {
            log::info!("test {} {:?}", test.name, test.candidate);
        }
        log::info!("round {} of {:?}", judging::round(), judging::interface());
        let test = |name: &String| TestResult {
            name: name.clone(),
            base: TestOutcome::Missing,
            candidate: TestOutcome::Failed,
            reference: TestOutcome::Passed,
        };
        let tests: Vec<TestResult> = config.tests.iter().map(test).collect();
        judging::report_tests(&tests);
        let score = match config.score.as_str() {
            "none" => return Err(JudgeError::NoVerdict("told to say nothing".into())),
            "nan" => f64::NAN,
            number => number.parse().map_err(|_| JudgeError::InvalidConfig(number.into()))?,
        };
        let finding = Finding { category: "said".into(), path: None, text: "as told".into() };
        Ok(Verdict {
            score,
            findings: vec![finding],
            feedback: config.feedback,
            rationale: "because".into(),
        })
    }
}

export_judge!(Says);
