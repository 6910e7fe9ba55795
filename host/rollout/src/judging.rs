//! What a judge makes of a submission, and what follows from it.

use catena_model::{ConversationId, Edit};
use catena_plugin::session::{JudgeSetting, JudgeStart};
use catena_plugin::{CallFailure, Feedback, Judged, Submission, Verdict};
use catena_tree::diff::DiffOptions;
use catena_tree::{ObjectError, TreeId, patch};
use catena_worker::{Job, JobResult, JudgeJob, JudgeResult, in_one_line};

use crate::journal::JournalError;
use crate::record::{Record, StageOutcome};
use crate::rollout::{Rollout, RolloutError};
use crate::serve::Scope;
use crate::stage::{Next, Round, wrong_result};

/// Largest patch in bytes that is put before a judge.
const MAX_PATCH: usize = 16 << 20;

type Edits = Vec<(ConversationId, Edit)>;

impl Rollout<'_> {
    /// Has the judge score a submission, in a worker apart from the agent's.
    pub(crate) async fn judge(
        &mut self,
        at: &Round<'_>,
        tree: TreeId,
    ) -> Result<Next, RolloutError> {
        if let Some((judged, edits, kept)) = self.judged_in_journal() {
            self.take_over(&edits, kept);
            return Ok(self.after_verdict(judged));
        }
        let submission = match self.typed_submission(at, tree) {
            Ok(submission) => submission,
            Err(outcome) => return Ok(Next::End(outcome)),
        };
        let size = submission.candidate_patch.len();
        if size > MAX_PATCH {
            let reason =
                format!("the patch has {size} bytes, more than the {MAX_PATCH} that are judged");
            return Ok(Next::End(StageOutcome::Rejected { score: None, reason: Some(reason) }));
        }
        let job = Job::Judge(JudgeJob {
            judge: self.plan.judge.clone(),
            programs: self.plan.programs.clone(),
            start: JudgeStart {
                base: at.start,
                candidate: tree,
                reference: at.stage.human,
                upstream: at.stage.base.tree,
                setting: self.judge_setting(),
                kept: self.kept.get(self.plan.judge.manifest.plugin.name.as_str()).cloned(),
                model: self.plan.models.judge.as_ref().map(|model| model.info()),
                time: at.stage.time,
                seed: self.seed(at, "judge"),
                next_conversation: self.ledger.conversations.next(),
            },
            submission,
        });
        let mut roots = vec![at.start, tree, at.stage.human, at.stage.base.tree];
        roots.extend(self.plan.files_of_programs());
        let scope = Scope {
            main: None,
            first_own: self.ledger.conversations.next(),
            may_use_model: self.plan.judge.rights.model,
        };
        let wall = self.plan.judge.limits.wall.0;
        let result = self.run_job(job, wall, roots, scope).await?;
        let result = match result {
            Ok(JobResult::Judge(result)) => result,
            Ok(_) => return Ok(Next::End(wrong_result())),
            Err(outcome) => return Ok(Next::End(outcome)),
        };
        let judged = result.judged.clone();
        self.note_judged(result)?;
        if let Some(reason) = self.ledger.unavailable.take() {
            self.lost_model = true;
            let reason = format!("the judge's model is unavailable: {reason}");
            return Ok(Next::End(StageOutcome::Infrastructure { reason }));
        }
        Ok(self.after_verdict(judged))
    }

    /// What the judge said, if the journal has it and is to be relied on for it.
    fn judged_in_journal(&mut self) -> Option<(Judged, Edits, Option<String>)> {
        let irreproducible = |record: &Record| {
            let Record::Judged { judged, .. } = record else { return None };
            Some(matches!(judged, Judged::Failed(CallFailure::TimedOut(_))))
        };
        match self.ledger.pass_over_to(irreproducible)? {
            Record::Judged { judged, edits, kept, .. } => Some((judged, edits, kept)),
            _ => None,
        }
    }

    /// What is put before the judge, or how the stage ends where that can't be.
    fn typed_submission(&self, at: &Round<'_>, tree: TreeId) -> Result<Submission, StageOutcome> {
        let database = &self.plan.database;
        let reference_patch = at
            .stage
            .reference_patch(database)
            .map_err(|err| StageOutcome::NoVerdict { reason: in_one_line(&err) })?;
        let candidate_patch = patch::write(database, at.start, tree, &DiffOptions::default())
            .map_err(|err| match err {
                ObjectError::TooLarge { .. } => {
                    StageOutcome::Rejected { score: None, reason: Some(in_one_line(&err)) }
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

    fn note_judged(&mut self, result: JudgeResult) -> Result<(), JournalError> {
        let JudgeResult { judged, edits, used, kept } = result;
        self.take_over(&edits, kept.clone());
        let judge = self.plan.judge.manifest.plugin.name.to_string();
        self.ledger.journal.note(Record::Judged { judge, judged, edits, used, kept })?;
        Ok(())
    }

    /// Takes over what a judge said to models and what it keeps.
    fn take_over(&mut self, edits: &Edits, kept: Option<String>) {
        self.ledger.conversations.apply(edits);
        if let Some(kept) = kept {
            self.kept.insert(self.plan.judge.manifest.plugin.name.to_string(), kept);
        }
    }

    fn judge_setting(&self) -> JudgeSetting {
        JudgeSetting {
            threshold: self.plan.file.threshold,
            test_command: self.plan.recipe.as_ref().map(|recipe| recipe.test.trim().to_owned()),
        }
    }

    fn after_verdict(&self, judged: Judged) -> Next {
        let threshold = self.plan.file.threshold;
        match judged {
            // The worker has checked the range; this side does not rely on it.
            Judged::Verdict(Verdict { score, .. }) if !(0.0..=1.0).contains(&score) => {
                let plugin = self.plan.judge.manifest.plugin.name.to_string();
                let failure = CallFailure::Contract("gave a score outside 0 to 1".to_owned());
                Next::End(StageOutcome::PluginFailed { plugin, failure })
            }
            Judged::Verdict(Verdict { score, .. }) if score >= threshold => {
                Next::End(StageOutcome::Accepted { score })
            }
            Judged::Verdict(Verdict { score, feedback, .. }) => {
                Next::Refine(Feedback { score, threshold, text: feedback })
            }
            Judged::NoVerdict(reason) => Next::End(StageOutcome::NoVerdict { reason }),
            Judged::Failed(failure) => {
                let plugin = self.plan.judge.manifest.plugin.name.to_string();
                Next::End(StageOutcome::PluginFailed { plugin, failure })
            }
        }
    }
}
