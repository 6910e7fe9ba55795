//! Judgements that are heard once more, from their journals alone.

use std::path::Path;

use catena_chain::ChainFile;

use super::{JudgingRun, inputs, of_summary, summaries};
use crate::journal::Journal;
use crate::ledger::Reliance;
use crate::places::Comer;
use crate::record::RolloutId;
use crate::rollout::{Ended, RolloutError};
use crate::run::error::RunError;
use crate::run::layout;
use crate::run::{RunOptions, Verified, journal_path, plan};
use crate::stored::{StoredRollout, judge_stored};

/// Whether a directory is one of judgements: beside a run, or beside a file of imports.
pub fn are_judgements(dir: &Path) -> bool {
    let dir = std::path::absolute(dir).unwrap_or_default();
    let parent = dir.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    parent == super::JUDGEMENTS || parent.ends_with(".judgements")
}

impl JudgingRun {
    /// Opens judgements to hear their judges once more. Nothing of them is written.
    pub fn open_to_verify(dir: &Path, options: &RunOptions) -> Result<Self, RunError> {
        let known = layout::read_plan(dir)?;
        let lock = layout::take_lock(dir)?;
        let chains = ChainFile::load(&layout::chains_path(dir))?;
        // The objects are those of the directory, which borrow from where they did.
        let mut inputs = inputs(known.file.clone(), dir, chains, Vec::new(), options)?;
        inputs.check_same(&known, dir)?;
        inputs.plan_file.catena.clone_from(&known.catena);
        inputs.plan_file.patches.clone_from(&known.patches);
        let mut stored = Vec::new();
        for summary in summaries(dir)? {
            let patch = known.patches.iter().find(|it| it.rollout == summary.rollout);
            let chain = patch.map_or(&summary.rollout.chain, |patch| &patch.chain);
            let chain = inputs.chains.chain(chain);
            stored.extend(chain.map(|chain| of_summary(&summary, chain, |_| true)));
        }
        let mut plan = plan(dir, inputs, options, lock.last)?;
        plan.log = None;
        plan.reliance = Reliance::Irreproducible;
        Ok(Self { dir: dir.to_owned(), plan, stored, pinned_in: None, _lock: lock })
    }

    /// Replays every journal without a model and without writing, and compares every
    /// record.
    pub async fn verify(&self) -> Vec<(RolloutId, Result<Verified, RunError>)> {
        let mut results = Vec::new();
        for stored in &self.stored {
            let result = self.verify_one(stored).await.map_err(|source| RunError::Rollout {
                rollout: stored.id.to_string(),
                source: Box::new(source),
            });
            results.push((stored.id.clone(), result));
        }
        results
    }

    async fn verify_one(&self, stored: &StoredRollout) -> Result<Verified, RolloutError> {
        let path = journal_path(&self.dir, &stored.id);
        if let Some(end) = Journal::interrupted(&path)? {
            return Ok(Verified::Interrupted { end });
        }
        let place = self.plan.places.take(Comer::New).await;
        let Ended { end, taken, native, requests, .. } =
            judge_stored(&self.plan, stored, &path, place).await?;
        Ok(Verified::Reproduced { end, taken, native, requests })
    }
}
