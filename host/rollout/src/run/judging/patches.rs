//! Runs of judges over patches that agents of other programs handed in.
//!
//! Each is applied to the base of the stage it is said to be of, and judged as the
//! first round of that stage. What it is said to be stands in the plan, so that
//! verdicts can't be taken for those of other patches.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use catena_chain::{Chain, ChainFile, ChainId, StageId};
use catena_plugin::Digest;
use catena_tree::diff::{self, DiffOptions};
use catena_tree::patch::{self, PatchError};
use catena_tree::{ObjectDatabase, ObjectError, TreeId};
use serde::{Deserialize, Serialize};

use super::{JudgingRun, Known, check_rights};
use crate::carry::CarryRecord;
use crate::models;
use crate::record::{RolloutId, SubmissionRecord};
use crate::run::RunOptions;
use crate::run::error::RunError;
use crate::run::inputs::{Inputs, make_paths_absolute};
use crate::run::layout;
use crate::run::plugins::{self, Crew};
use crate::run_file::{PluginUse, RunFile};
use crate::stored::{Candidate, Notes, StoredRollout, StoredStage};

/// A patch that is to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedIn {
    /// What it is of, as plans have it.
    pub about: PlannedPatch,
    /// The patch, as git writes them.
    pub text: String,
}

/// What a plan says of a patch that an agent of another program handed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedPatch {
    /// The rollout it came of.
    pub rollout: RolloutId,
    /// Digest of that rollout in the canonical form.
    pub trajectory: Digest,
    /// Digest of the patch.
    pub patch: Digest,
    /// The chain it is said to be of.
    pub chain: ChainId,
    /// The stage of that chain.
    pub stage: StageId,
}

/// A patch that can't be put before judges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unfit {
    /// The rollout.
    pub rollout: RolloutId,
    /// Why not.
    pub reason: String,
}

/// Judges, with the chains that patches can be of.
pub struct PatchJudges {
    file: RunFile,
    chains: ChainFile,
    /// None where the judge is a plugin, which then is granted nothing.
    own: Option<(PathBuf, RunFile)>,
}

impl PatchJudges {
    /// Finds the judges of `other`, a plugin or a run file. The chain file and the
    /// clone of its repository take the place of the run file's, and must be named
    /// where `other` is a plugin.
    pub fn find(
        other: &Path,
        chains: Option<&Path>,
        clone: Option<&Path>,
        options: &RunOptions,
    ) -> Result<Self, RunError> {
        let is_alone = !other.is_file();
        let mut own = None;
        let mut file = if is_alone {
            let here = std::path::absolute(".").map_err(|err| RunError::io(other, err))?;
            RunFile::of_judge(PluginUse::alone(plugins::locate(other, &here, &options.plugin_dirs)))
        } else {
            let mut file = RunFile::load(other)?;
            own = Some((other.to_owned(), file.clone()));
            make_paths_absolute(&mut file, other, &options.plugin_dirs)?;
            models::resolve(&mut file, options.models_file.as_deref())?;
            file
        };
        if is_alone && (chains.is_none() || clone.is_none()) {
            return Err(RunError::NoChainFile);
        }
        let absolute =
            |path: &Path| std::path::absolute(path).map_err(|err| RunError::io(path, err));
        if let Some(chains) = chains {
            file.chains = absolute(chains)?;
        }
        let chains = ChainFile::load(&file.chains)?;
        if let Some(clone) = clone {
            let name = chains.repository.name.as_str().to_owned();
            file.repositories.insert(name, absolute(clone)?);
        }
        // Nobody goes on with what is judged.
        file.refinements = 0;
        file.writer = None;
        Ok(Self { file, chains, own })
    }

    /// The chains that patches can be of.
    pub fn chains(&self) -> &ChainFile {
        &self.chains
    }

    /// The score from which a patch is accepted.
    pub fn threshold(&self) -> f64 {
        self.file.threshold
    }

    fn inputs(mut self, patches: &[HandedIn], options: &RunOptions) -> Result<Inputs, RunError> {
        let used: BTreeSet<&ChainId> = patches.iter().map(|patch| &patch.about.chain).collect();
        self.file.only = used.into_iter().cloned().collect();
        let chains_path: PathBuf = self.file.chains.clone();
        let version = env!("CARGO_PKG_VERSION");
        let mut inputs = Inputs::check(self.file, &chains_path, version, Crew::Judges, options)?;
        match &self.own {
            Some((path, own)) => inputs = inputs.approved_in(path, own, options)?,
            None => check_rights(&inputs)?,
        }
        inputs.plan_file.patches = patches.iter().map(|patch| patch.about.clone()).collect();
        Ok(inputs)
    }
}

impl JudgingRun {
    /// Plans to have `patches` judged in `dir`, or goes on with that. Returns those
    /// that can't be put before judges as well.
    pub fn of_patches(
        dir: &Path,
        judges: PatchJudges,
        patches: &[HandedIn],
        options: &RunOptions,
    ) -> Result<(Self, Vec<Unfit>), RunError> {
        let inputs = judges.inputs(patches, options)?;
        let objects = layout::objects_path(dir);
        std::fs::create_dir_all(dir).map_err(|err| RunError::io(dir, err))?;
        let database = ObjectDatabase::create(&objects, &inputs.borrow_from)?;
        let (mut stored, mut unfit) = (Vec::new(), Vec::new());
        for patch in patches {
            match of_patch(&database, &inputs.chains, patch) {
                Ok(rollout) => stored.push(rollout),
                Err(PatchError::Object(err)) => return Err(err.into()),
                Err(err) => unfit.push(Unfit {
                    rollout: patch.about.rollout.clone(),
                    reason: format!("the patch does not apply to the stage's base: {err}"),
                }),
            }
        }
        Ok((Self::of(dir, inputs, Known::ByPlan, stored, options)?, unfit))
    }
}

fn of_patch(
    database: &ObjectDatabase,
    chains: &ChainFile,
    patch: &HandedIn,
) -> Result<StoredRollout, PatchError> {
    let PlannedPatch { rollout, chain, stage, .. } = &patch.about;
    let unknown = || PatchError::Syntax { line: 0, reason: format!("there is no stage `{stage}`") };
    let chain = chains.chain(chain).ok_or_else(unknown)?;
    let position = chain.stages.iter().position(|it| it.id == *stage).ok_or_else(unknown)?;
    let start = chain.stages.get(position).ok_or_else(unknown)?.base.tree;
    // Many a program takes the last line end away.
    let text = format!("{}\n", patch.text.trim_end_matches('\n'));
    let parsed = patch::parse(text.as_bytes())?;
    let mut sink = database;
    let tree = patch::apply(database, &mut sink, start, &parsed)?.tree;
    let submission = submission(database, start, tree)?;
    let candidates = vec![Candidate { number: 1, told: 1, start, submission }];
    let position = u32::try_from(position + 1).unwrap_or(u32::MAX);
    Ok(StoredRollout {
        id: rollout.clone(),
        chain: Chain::clone(chain),
        control: false,
        notes: Notes::GoOn,
        stages: vec![StoredStage {
            position,
            carry: CarryRecord::Fresh { tree: start },
            candidates,
        }],
    })
}

/// A tree as something that was handed in.
pub(in crate::run) fn submission(
    database: &ObjectDatabase,
    start: TreeId,
    tree: TreeId,
) -> Result<SubmissionRecord, ObjectError> {
    let files = match diff::changes(database, start, tree, &DiffOptions::default()) {
        Ok(changes) => changes.len() as u64,
        Err(ObjectError::Missing(_)) => 0,
        Err(err) => return Err(err),
    };
    Ok(SubmissionRecord { tree, left_out: Vec::new(), files })
}
