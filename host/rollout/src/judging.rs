//! What judges make of a submission, and what follows from it.
//!
//! Each judge is heard in a worker of its own, in the order of the run file. What
//! each said is in the journal, then what they came to together and what the agent
//! is told of it. Its invariant: no verdict is never a score.

pub(crate) mod combine;
pub(crate) mod guard;

use std::collections::BTreeMap;
use std::sync::Arc;

use catena_model::{ConversationId, Edit, Gateway};
use catena_plugin::session::{JudgeSetting, JudgeStart, PluginSpec};
use catena_plugin::{
    CallFailure, Feedback, Heard, JudgeBrief, Judged, Submission, TestResult, Verdict,
};
use catena_tree::diff::DiffOptions;
use catena_tree::{ObjectError, TreeId, patch};
use catena_worker::{Job, JobResult, JudgeJob, JudgeResult, in_one_line};

use crate::job::{Lost, Work, wrong_result};
use crate::ledger::SettledBefore;
use crate::record::{JOURNAL_LIMIT, Record, Settled, StageOutcome, Told};
use crate::rollout::{Rollout, RolloutError};
use crate::run_file::FeedbackUse;
use crate::serve::Scope;
use crate::stage::{Next, Round};
use combine::{combined, goes_on};

/// Largest patch in bytes that is put before a judge.
const MAX_PATCH: usize = 16 << 20;

type Edits = [(ConversationId, Edit)];

/// A judge of a run.
pub(crate) struct RunJudge {
    pub(crate) spec: PluginSpec,
    /// How much its score counts where scores are weighted.
    pub(crate) weight: f64,
    pub(crate) model: Option<Arc<Gateway>>,
}

impl RunJudge {
    fn name(&self) -> String {
        self.spec.manifest.plugin.name.to_string()
    }
}

/// What judges have said so far in a round.
#[derive(Default)]
struct Hearing {
    heard: Vec<Heard>,
    tests: Vec<TestResult>,
}

impl Rollout<'_> {
    /// Has the judges score a submission, in workers apart from the agent's.
    pub(crate) async fn judge(
        &mut self,
        at: &Round<'_>,
        tree: TreeId,
    ) -> Result<Next, RolloutError> {
        self.ledger.begin_judging();
        let next = self.hear_all(at, tree).await;
        self.ledger.end_judging();
        next
    }

    async fn hear_all(&mut self, at: &Round<'_>, tree: TreeId) -> Result<Next, RolloutError> {
        let plan = self.plan;
        let mut hearing = Hearing::default();
        for judge in &plan.judges {
            if !goes_on(plan.file.judging.combine, &hearing.heard) {
                break;
            }
            let (judged, tests) = match self.judged_in_journal(judge) {
                Some(journaled) => journaled,
                None => match self.hear(judge, at, tree, &hearing).await? {
                    Ok(heard) => heard,
                    Err(outcome) => return Ok(Next::End(outcome)),
                },
            };
            if let Judged::Failed(failure) = judged {
                return Ok(Next::End(StageOutcome::PluginFailed { plugin: judge.name(), failure }));
            }
            hearing.heard.push(Heard { judge: judge.name(), judged });
            hearing.tests.extend(tests);
        }
        self.settle(at, tree, &hearing.heard)
    }

    /// Has one judge score a submission. The inner error ends the stage.
    async fn hear(
        &mut self,
        judge: &RunJudge,
        at: &Round<'_>,
        tree: TreeId,
        hearing: &Hearing,
    ) -> Result<Result<(Judged, Vec<TestResult>), StageOutcome>, RolloutError> {
        let submission = match self.typed_submission(at, tree) {
            Ok(submission) => submission,
            Err(outcome) => return Ok(Err(outcome)),
        };
        let first_own = self.ledger.conversations.next();
        let job = Job::Judge(JudgeJob {
            judge: judge.spec.clone(),
            programs: self.plan.programs.clone(),
            native: self.plan.native_offers(),
            start: JudgeStart {
                base: at.start,
                candidate: tree,
                reference: at.stage.human,
                model: judge.model.as_ref().map(|model| model.info()),
                time: at.stage.time,
                seed: self.seed_of_judge(judge, at),
                next_conversation: first_own,
                upstream: at.stage.base.tree,
                setting: self.judge_setting(),
                kept: self.kept.get(&judge.name()).cloned(),
                brief: JudgeBrief {
                    round: at.told,
                    interface: at.stage.interface.clone(),
                    heard: hearing.heard.clone(),
                    tests: hearing.tests.clone(),
                },
            },
            submission,
        });
        let mut roots = vec![at.start, tree, at.stage.human, at.stage.base.tree];
        roots.extend(self.plan.files_of_programs());
        let scope = Scope { main: None, first_own, may_use_model: judge.spec.rights.model };
        let (wall, model) = (judge.spec.limits.wall.0, judge.model.clone());
        let result = self.run_job(Work { job, wall, roots, scope, model }).await?;
        let JudgeResult { judged, tests, edits, used, kept } = match result {
            Ok(JobResult::Judge(result)) => result,
            Ok(_) => return Ok(Err(wrong_result())),
            Err(Lost::JournalFull) => cut_off(),
            Err(lost) => return Ok(Err(lost.into_outcome())),
        };
        let judged = sound(judged);
        self.take_over(judge, &edits, kept.clone());
        self.ledger.journal.note(Record::Judged {
            judge: judge.name(),
            judged: judged.clone(),
            tests: tests.clone(),
            edits,
            used,
            kept,
        })?;
        if let Some(reason) = self.ledger.unavailable.take() {
            self.lost_model = true;
            let reason = format!("the judge's model is unavailable: {reason}");
            return Ok(Err(StageOutcome::Infrastructure { reason }));
        }
        Ok(Ok((judged, tests)))
    }

    /// One judge draws as it always did; several must not draw the same.
    fn seed_of_judge(&self, judge: &RunJudge, at: &Round<'_>) -> u64 {
        if self.plan.judges.len() == 1 {
            return self.seed(at, "judge");
        }
        self.seed(at, &format!("judge {}", judge.name()))
    }

    /// What the next judge said, if the journal has it and is to be relied on for it.
    fn judged_in_journal(&mut self, judge: &RunJudge) -> Option<(Judged, Vec<TestResult>)> {
        let irreproducible = |record: &Record| {
            let Record::Judged { judged, .. } = record else { return None };
            Some(matches!(judged, Judged::Failed(CallFailure::TimedOut(_))))
        };
        match self.ledger.pass_over_to(irreproducible)? {
            Record::Judged { judged, tests, edits, kept, .. } => {
                self.take_over(judge, &edits, kept);
                Some((sound(judged), tests))
            }
            _ => None,
        }
    }

    /// Takes over what a judge said to models and what it keeps.
    fn take_over(&mut self, judge: &RunJudge, edits: &Edits, kept: Option<String>) {
        self.ledger.conversations.apply(edits);
        if let Some(kept) = kept {
            self.kept.insert(judge.name(), kept);
        }
    }

    fn judge_setting(&self) -> JudgeSetting {
        JudgeSetting {
            threshold: self.plan.file.threshold,
            test_command: self.plan.recipe.as_ref().and_then(|recipe| recipe.judge.clone()),
        }
    }

    /// What is put before judges, or how the stage ends where that can't be.
    fn typed_submission(&self, at: &Round<'_>, tree: TreeId) -> Result<Submission, StageOutcome> {
        let database = &self.plan.database;
        let reference_patch = at
            .stage
            .reference_patch(database)
            .map_err(|err| StageOutcome::NoVerdict { reason: in_one_line(&err) })?;
        let rejected =
            |reason: String| StageOutcome::Rejected { score: None, reason: Some(reason) };
        let options = DiffOptions { longest: MAX_PATCH, ..DiffOptions::default() };
        let candidate_patch =
            patch::write(database, at.start, tree, &options).map_err(|err| match err {
                ObjectError::TooLarge { .. } | ObjectError::TooMany { .. } => {
                    rejected(in_one_line(&err))
                }
                ObjectError::TooLong { limit } => {
                    rejected(format!("the patch has more than the {limit} bytes that are judged"))
                }
                err => StageOutcome::NoVerdict { reason: in_one_line(&err) },
            })?;
        Ok(Submission {
            stage: at.position,
            stages: u32::try_from(self.chain.stages.len()).unwrap_or(u32::MAX),
            overview: self.chain.overview.clone(),
            query: at.stage.query.clone(),
            candidate_patch,
            reference_patch,
        })
    }

    /// Puts down what the judges came to together, and decides what follows.
    fn settle(
        &mut self,
        at: &Round<'_>,
        tree: TreeId,
        heard: &[Heard],
    ) -> Result<Next, RolloutError> {
        let file = &self.plan.file;
        let (rule, threshold) = (file.judging.combine, file.threshold);
        let weights: Vec<f64> = self.plan.judges.iter().map(|judge| judge.weight).collect();
        let verdict = combined(rule, heard, &weights, threshold);
        let settled = match self.ledger.settled_before() {
            SettledBefore::So(settled) => Some(settled),
            SettledBefore::Unsaid => None,
            SettledBefore::NotYet => {
                let told = match &verdict {
                    Ok(verdict) => self.told(at, tree, verdict),
                    Err(_) => None,
                };
                let settled = Settled {
                    combine: (self.plan.judges.len() > 1).then_some(rule),
                    score: verdict.as_ref().ok().map(|verdict| verdict.score),
                    told,
                };
                self.ledger.journal.note(Record::Settled(settled.clone()))?;
                Some(settled)
            }
        };
        let told = settled.and_then(|settled| settled.told);
        Ok(match verdict {
            Err(reason) => Next::End(StageOutcome::NoVerdict { reason: unnamed(reason, heard) }),
            Ok(Verdict { score, .. }) if score >= threshold => {
                Next::End(StageOutcome::Accepted { score })
            }
            Ok(Verdict { score, feedback, .. }) => {
                let text = told.map_or(feedback, |told| told.text);
                Next::Refine(Feedback { score, threshold, text })
            }
        })
    }

    /// What the agent is told of a verdict; nothing where it is not told anything.
    fn told(&self, at: &Round<'_>, tree: TreeId, verdict: &Verdict) -> Option<Told> {
        let file = &self.plan.file;
        if verdict.score >= file.threshold || at.number >= file.rounds() {
            return None;
        }
        if file.judging.feedback == FeedbackUse::Open {
            return Some(Told::whole(&verdict.feedback));
        }
        Some(self.plan.guard.guarded(&self.plan.database, self.chain, at, tree, &verdict.feedback))
    }
}

/// A judgement whose score can be one: the worker has checked the range, and this
/// side does not rely on it, nor on what is kept of its words.
fn sound(judged: Judged) -> Judged {
    match judged {
        Judged::Verdict(verdict) if !(0.0..=1.0).contains(&verdict.score) => Judged::NoVerdict(
            format!("the judge gave the score {}, which is not between 0 and 1", verdict.score),
        ),
        Judged::Verdict(verdict) => Judged::Verdict(verdict.bounded()),
        judged => judged,
    }
}

/// What is put down for a judge whose guests told more than the journal may have.
fn cut_off() -> JudgeResult {
    JudgeResult {
        judged: Judged::Failed(CallFailure::LimitReached(JOURNAL_LIMIT.to_owned())),
        tests: Vec::new(),
        edits: Vec::new(),
        used: BTreeMap::new(),
        kept: None,
    }
}

/// The reason of the only judge as it gave it.
fn unnamed(reason: String, heard: &[Heard]) -> String {
    match heard {
        [Heard { judged: Judged::NoVerdict(own), .. }] => own.clone(),
        _ => reason,
    }
}
