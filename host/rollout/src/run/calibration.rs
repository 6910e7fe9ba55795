//! Whether judges can tell good patches from bad ones, found out before a batch
//! relies on them.
//!
//! For stages of the run's chains, the judges are put before patches of which it is
//! known what they are worth. What they made of them is kept under a digest of all
//! that could change it: components, configurations, rights, models, rule, threshold,
//! chains, and what judges start. Nothing else of a run file matters to it. A run whose judges ask a model is refused without it.

mod patches;
mod report;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use catena_chain::{Chain, ChainFile, ChainId, Stage, StageId};
use catena_native::NativeUse;
use catena_plugin::Digest;
use catena_tree::ObjectDatabase;
use serde::{Deserialize, Serialize};

use super::RunOptions;
use super::error::RunError;
use super::inputs::{Inputs, selected};
use super::judging::{JudgingRun, Known};
use super::layout::{self, PlannedPlugin};
use crate::carry::CarryRecord;
use crate::ledger::digest;
use crate::record::RolloutId;
use crate::run_file::{CalibrationUse, Combine, JudgingBudget, ModelChoice, ModelUse, RunFile};
use crate::stored::{Candidate, Notes, StoredRollout, StoredStage};

pub use patches::PatchKind;
pub use report::{Calibration, Row};

/// The stages that judges are tried on by default, at most.
pub const DEFAULT_STAGES: u32 = 10;

/// The stages that a calibration must be made on for a run to rely on it. On fewer, a
/// judge that guesses can be lucky.
pub const LEAST_STAGES: usize = 5;

/// The file in a calibration's directory that says what came of it.
const RECORD: &str = "calibration.json";

/// What becomes of a run whose judges are not known to be good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncalibrated {
    /// It is refused.
    Refused,
    /// It is begun, and its plan says so.
    Noted,
}

/// What a run's plan says of its judges' calibration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationNote {
    /// What it is kept under.
    pub key: Digest,
    /// How it came out.
    pub state: CalibrationState,
    /// The run was begun all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forced: bool,
}

/// How a calibration came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CalibrationState {
    /// The judges tell good patches from bad ones.
    Passed,
    /// They do so on too few stages to say.
    TooFew,
    /// They do not.
    Failed,
    /// Nobody tried.
    Missing,
}

/// Which patches are made of a stage; another number where they change.
const PATCHES: u32 = 2;

/// All that a calibration depends on.
#[derive(Serialize)]
struct Key<'a> {
    patches: u32,
    judges: Vec<JudgeKey<'a>>,
    combine: Combine,
    threshold: f64,
    budget: JudgingBudget,
    /// The command by which they run tests.
    test_command: Option<&'a str>,
    chains: Digest,
    /// Those of them that stages are taken of.
    only: &'a [ChainId],
}

#[derive(Serialize)]
struct JudgeKey<'a> {
    name: String,
    planned: Option<&'a PlannedPlugin>,
    weight: Option<f64>,
    model: Option<&'a ModelUse>,
    /// What it may start, by name.
    programs: BTreeMap<&'a str, &'a PlannedPlugin>,
    native: BTreeMap<&'a str, &'a NativeUse>,
}

/// What the calibration of these inputs is kept under.
fn key(inputs: &Inputs) -> Digest {
    let file = &inputs.plan_file.file;
    let judges = file.judge_uses().zip(&inputs.prepared.judges).map(|(used, spec)| {
        let name = spec.manifest.plugin.name.to_string();
        let model = used.model.as_deref().and_then(|name| file.models.get(name));
        let model = model.or_else(|| model_of_run(file)).filter(|_| spec.rights.model);
        let planned = inputs.plan_file.plugins.get(&name);
        let started = || spec.rights.programs.iter().map(String::as_str);
        let programs = started().filter_map(|it| Some((it, inputs.plan_file.plugins.get(it)?)));
        let native = started().filter_map(|it| Some((it, file.native.get(it)?)));
        let (programs, native) = (programs.collect(), native.collect());
        JudgeKey { planned, weight: used.weight, model, programs, native, name }
    });
    let recipe = file.recipes.get(inputs.chains.repository.name.as_str());
    digest(&Key {
        patches: PATCHES,
        judges: judges.collect(),
        combine: file.judging.combine,
        threshold: file.threshold,
        budget: file.judging.budget,
        test_command: recipe.and_then(|recipe| recipe.judge.as_deref()),
        chains: inputs.plan_file.chains,
        only: &file.only,
    })
}

fn model_of_run(file: &RunFile) -> Option<&ModelUse> {
    match file.model.as_ref()? {
        ModelChoice::Here(model) => Some(model),
        ModelChoice::Named(name) => file.models.get(name),
    }
}

/// What is known of the judges of a run that is to begin; nothing where it does not
/// need that. Fails where that is not enough and the user does not insist.
pub(super) fn check(
    inputs: &Inputs,
    options: &RunOptions,
) -> Result<Option<CalibrationNote>, RunError> {
    let uses_model = inputs.prepared.judges.iter().any(|judge| judge.rights.model);
    let is_needed = match inputs.plan_file.file.judging.calibration {
        Some(needed) => needed == CalibrationUse::Required,
        // What a model says can't be foreseen, and patches can talk to it.
        None => uses_model,
    };
    if !is_needed {
        return Ok(None);
    }
    let key = key(inputs);
    let known = latest(&options.calibrations, key)?;
    let state = known.as_ref().map_or(CalibrationState::Missing, Calibration::state);
    let forced = state != CalibrationState::Passed;
    match (forced, options.uncalibrated, known) {
        (true, Uncalibrated::Refused, Some(known)) if state == CalibrationState::TooFew => {
            Err(RunError::FewStages { found: known.stages, least: LEAST_STAGES })
        }
        (true, Uncalibrated::Refused, Some(known)) => {
            Err(RunError::BadJudges(known.failures.join("; ")))
        }
        (true, Uncalibrated::Refused, None) => Err(RunError::Uncalibrated),
        _ => Ok(Some(CalibrationNote { key, state, forced })),
    }
}

/// Where a calibration on so many stages is kept.
fn place(options: &RunOptions, key: Digest, stages: usize) -> PathBuf {
    options.calibrations.join(format!("{key}-{stages}"))
}

/// What is known of judges: of several calibrations, the one on most stages counts.
fn latest(calibrations: &Path, key: Digest) -> Result<Option<Calibration>, RunError> {
    let entries = match fs::read_dir(calibrations) {
        Ok(entries) => entries,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(RunError::io(calibrations, err)),
    };
    let prefix = format!("{key}-");
    let mut known: Vec<Calibration> = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|err| RunError::io(calibrations, err))?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            known.extend(Calibration::load(&entry.path().join(RECORD))?);
        }
    }
    Ok(known.into_iter().max_by_key(|calibration| calibration.stages))
}

/// Which patch each round of each stage is about.
type Kinds = Vec<(RolloutId, u32, u32, PatchKind)>;

/// A calibration, ready to be carried out.
pub struct Calibrating {
    run: Arc<JudgingRun>,
    /// What each patch of each rollout is, in the order of the journals.
    kinds: Kinds,
    key: Digest,
    threshold: f64,
}

impl Calibrating {
    /// Plans to try the judges of a run file on `stages` of its stages at most, or
    /// goes on with that.
    pub fn create(path: &Path, stages: u32, options: &RunOptions) -> Result<Self, RunError> {
        let inputs = Inputs::of_judges(path, options)?;
        let key = key(&inputs);
        let file = inputs.plan_file.file.clone();
        let chosen = Chosen::of(&file, &inputs.chains, stages);
        let dir = place(options, key, chosen.0.len());
        let objects = layout::objects_path(&dir);
        fs::create_dir_all(&dir).map_err(|err| RunError::io(&dir, err))?;
        let database = ObjectDatabase::create(&objects, &inputs.borrow_from)?;
        let (stored, kinds) = chosen.stored(&database, &inputs.chains)?;
        let run = Arc::new(JudgingRun::of(&dir, inputs, Known::ByName, stored, options)?);
        Ok(Self { run, kinds, key, threshold: file.threshold })
    }

    /// Where it is kept.
    pub fn dir(&self) -> &Path {
        self.run.dir()
    }

    /// The run of judges over all patches, to be carried out.
    pub fn judging(&self) -> Arc<JudgingRun> {
        self.run.clone()
    }

    /// Reads what the judges made of the patches, once they were all heard, and keeps
    /// it.
    pub fn finish(&self) -> Result<Calibration, RunError> {
        let summaries = super::summaries(self.dir())?;
        let judges = self.run.plan.judges.iter();
        let names = judges.map(|judge| judge.spec.manifest.plugin.name.to_string()).collect();
        let calibration = Calibration::of(self.key, names, self.threshold, &self.kinds, &summaries);
        calibration.save(&self.dir().join(RECORD))?;
        Ok(calibration)
    }
}

/// The stages that judges are tried on.
struct Chosen(Vec<(ChainId, StageId)>);

impl Chosen {
    /// Spread evenly over the stages of the run's chains, the same ones every time.
    fn of(file: &RunFile, chains: &ChainFile, most: u32) -> Self {
        let all = selected(file, chains).into_iter().flat_map(|chain| {
            chain.stages.iter().map(|stage| (chain.id.clone(), stage.id.clone()))
        });
        let all: Vec<_> = all.collect();
        let most = usize::try_from(most).unwrap_or(usize::MAX).clamp(1, all.len().max(1));
        Self((0..most).filter_map(|place| all.get(place * all.len() / most).cloned()).collect())
    }

    fn stored(
        &self,
        database: &ObjectDatabase,
        chains: &ChainFile,
    ) -> Result<(Vec<StoredRollout>, Kinds), RunError> {
        let (mut rollouts, mut kinds) = (Vec::new(), Kinds::new());
        for chain in &chains.chains {
            let id = RolloutId { chain: chain.id.clone(), trial: 1 };
            let mut stages = Vec::new();
            for (position, stage) in (1..).zip(&chain.stages) {
                if !self.0.contains(&(chain.id.clone(), stage.id.clone())) {
                    continue;
                }
                let other = unrelated(chains, chain, stage);
                let patches = patches::of_stage(database, stage, other)?;
                let candidates = (1..).zip(patches).map(|(number, patch)| {
                    kinds.push((id.clone(), position, number, patch.kind));
                    Candidate { number, told: 1, start: patch.start, submission: patch.submission }
                });
                let candidates = candidates.collect();
                let carry = CarryRecord::Fresh { tree: stage.base.tree };
                stages.push(StoredStage { position, carry, candidates });
            }
            if !stages.is_empty() {
                let chain = chain.clone();
                rollouts.push(StoredRollout {
                    id,
                    chain,
                    control: true,
                    notes: Notes::Apart,
                    stages,
                });
            }
        }
        Ok((rollouts, kinds))
    }
}

/// A stage whose patch has nothing to do with that of `stage`: of another chain where
/// there is one, else the farthest of its own.
fn unrelated<'a>(chains: &'a ChainFile, chain: &'a Chain, stage: &Stage) -> Option<&'a Stage> {
    let is_other = |other: &&Stage| other.human != stage.human && other.base.tree != other.human;
    let elsewhere = chains.chains.iter().filter(|other| other.id != chain.id);
    let elsewhere = elsewhere.flat_map(|other| &other.stages).find(is_other);
    let first = chain.stages.first().filter(|first| first.id != stage.id);
    elsewhere.or_else(|| first.or(chain.stages.last()).filter(|other| other.id != stage.id))
}
