//! One round as its journal tells it.

use catena_chain::Leak;
use catena_plugin::{AttemptEnd, Heard, Judged, TestResult, Verdict};
use serde::{Deserialize, Serialize};

use crate::judging::combine::combined;
use crate::record::{Settled, SubmissionRecord};
use crate::run_file::Combine;

/// One round of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoundSummary {
    /// Counted from 1.
    pub round: u32,
    /// How the scaffold ended it; none if it did not come to its end.
    pub end: Option<AttemptEnd>,
    /// What was handed in; none if the round did not come to its end.
    pub submission: Option<SubmissionRecord>,
    /// What the judges came to together; none if nothing was judged or there is no
    /// verdict. Its feedback is what the agent was told, where it was told anything.
    pub verdict: Option<Verdict>,
    /// What each judge said that was heard.
    pub judges: Vec<JudgeSummary>,
    /// How their scores became one; none where there is one judge.
    pub combine: Option<Combine>,
    /// What of the reference was cut from the feedback.
    pub cut: Vec<Leak>,
    /// Why the feedback was kept back as a whole, where it was.
    pub withheld: Option<String>,
}

/// What one judge said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgeSummary {
    /// The plugin's name.
    pub judge: String,
    /// What it said.
    #[serde(flatten)]
    pub judged: Judged,
    /// What it told of tests.
    pub tests: Vec<TestResult>,
}

impl RoundSummary {
    /// A round of which nothing is known but that it began.
    pub fn begun(round: u32) -> Self {
        Self {
            round,
            end: None,
            submission: None,
            verdict: None,
            judges: Vec::new(),
            combine: None,
            cut: Vec::new(),
            withheld: None,
        }
    }

    pub(super) fn add_judge(&mut self, judge: &str, judged: &Judged, tests: &[TestResult]) {
        let (judge, judged, tests) = (judge.to_owned(), judged.clone(), tests.to_vec());
        self.judges.push(JudgeSummary { judge, judged, tests });
        // Journals before version 3 do not say what came of it.
        self.verdict = match self.judges.as_slice() {
            [JudgeSummary { judged: Judged::Verdict(verdict), .. }] => Some(verdict.clone()),
            _ => None,
        };
    }

    pub(super) fn settle(&mut self, settled: &Settled) {
        let rule = settled.combine.unwrap_or_default();
        let heard = self
            .judges
            .iter()
            .map(|judge| Heard { judge: judge.judge.clone(), judged: judge.judged.clone() });
        let heard: Vec<Heard> = heard.collect();
        // The score is the journal's, whatever the weights were.
        let weights = vec![1.0; heard.len()];
        let joined = combined(rule, &heard, &weights, f64::INFINITY).ok();
        self.verdict = settled.score.and_then(|score| Some(Verdict { score, ..joined? }));
        self.combine = settled.combine;
        let Some(told) = &settled.told else { return };
        self.cut.clone_from(&told.cut);
        self.withheld.clone_from(&told.withheld);
        if let Some(verdict) = &mut self.verdict {
            verdict.feedback.clone_from(&told.text);
        }
    }
}
