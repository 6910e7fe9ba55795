//! `run.toml`: everything that is to be known about a run.

mod bounds;
mod check;
mod judging;
mod model;
mod plugin;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use catena_chain::ChainId;
use catena_native::NativeUse;
use catena_plugin::units::Span;
use catena_tree::merge::ConflictPolicy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::carry::CarryMode;
use crate::secrets::SecretUse;

pub use bounds::{Budget, RunBudget, WorkspaceUse};
pub use judging::{CalibrationUse, Combine, FeedbackUse, JudgingBudget, JudgingUse};
pub use model::{
    ModelChoice, ModelUse, OpenAiUse, RecordedUse, RetryUse, ScriptedUse, TimeoutsUse,
};
pub use plugin::{HttpUse, PluginUse, ProgramUse};

/// The version of the run file's form that this program reads.
pub const RUN_FILE_VERSION: u32 = 1;

/// Why a run file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RunFileError {
    /// The file can't be read.
    #[error("can't read the run file `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a run file; the source tells line, column and key.
    #[error("`{path}` is not a valid run file")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// The file is of a version this program does not know.
    #[error("`{path}` has run file version {found}; this program reads version 1")]
    Version {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u32,
    },
    /// A value makes no sense.
    #[error("`{path}`: `{key}` is {found}; {expected}")]
    Value {
        /// The file.
        path: PathBuf,
        /// Which key.
        key: String,
        /// What it is.
        found: String,
        /// What it must be.
        expected: &'static str,
    },
}

/// What happens to the rest of a chain when a stage is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnReject {
    /// The rollout ends.
    #[default]
    Stop,
    /// The next stage carries what there is.
    ContinueAgent,
    /// The next stage starts from its base.
    ContinueOracle,
}

/// What a round that follows a rejected one begins with. The conversation goes on
/// either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Refine {
    /// The tree that was rejected.
    #[default]
    Keep,
    /// The tree the stage began with.
    Reset,
}

impl Refine {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_default(&self) -> bool {
        *self == Self::Keep
    }
}

/// How far one conversation reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConversationScope {
    /// Over all stages of the chain.
    #[default]
    Chain,
    /// A new one for each stage.
    Stage,
}

/// A parsed `run.toml`. Relative paths are relative to the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Catena run file")]
pub struct RunFile {
    /// Version of the file's form; 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// Name of the run, for people.
    pub name: String,
    /// The chain file.
    pub chains: PathBuf,
    /// Which chains of it; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<ChainId>,
    /// Clones of the repositories that the chain file names.
    pub repositories: BTreeMap<String, PathBuf>,
    /// How one works in a repository, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub recipes: BTreeMap<String, Recipe>,
    /// Repetitions of each chain.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub trials: u32,
    /// Rounds that may follow a rejected first one.
    #[serde(default = "three")]
    pub refinements: u32,
    /// The score from which a submission is accepted.
    #[serde(default = "default_threshold")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: f64,
    /// What a round that follows a rejected one begins with.
    #[serde(default, skip_serializing_if = "Refine::is_default")]
    pub refine: Refine,
    /// Where the tree of a stage comes from.
    #[serde(default)]
    pub mode: CarryMode,
    /// What happens to paths that do not merge.
    #[serde(default)]
    pub on_conflict: ConflictPolicy,
    /// What happens after a stage that was not accepted.
    #[serde(default)]
    pub on_reject: OnReject,
    /// How far one conversation reaches.
    #[serde(default)]
    pub conversation: ConversationScope,
    /// Globs of files, such as changelogs, whose conflicts are merged by union.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub union: Vec<String>,
    /// Patterns, in the form of `.gitignore`, of new files that stay out of
    /// submissions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Rollouts that have a worker at a time.
    #[serde(default = "two")]
    #[schemars(range(min = 1))]
    pub concurrency: u32,
    /// How often a rollout that ended as an infrastructure failure is gone on with
    /// by the run itself. A model out of reach was asked often enough before.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub retries: u32,
    /// What becomes of rollouts that wait long for a model.
    #[serde(default, skip_serializing_if = "Parking::is_default")]
    pub parking: Parking,
    /// Seed of all random numbers that guests see.
    #[serde(default)]
    pub seed: u64,
    /// The scaffold.
    pub scaffold: PluginUse,
    /// Its tools, in the order in which the model is told of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<PluginUse>,
    /// The judge, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<PluginUse>,
    /// The judges, in the order in which they are heard, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judges: Vec<PluginUse>,
    /// How submissions are judged.
    #[serde(default, skip_serializing_if = "JudgingUse::is_default")]
    pub judging: JudgingUse,
    /// The writer of queries, for `catena chain write`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer: Option<PluginUse>,
    /// Limits of programs, by the name under which they were added. What a
    /// program may be started by is in the grants of plugins.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub programs: BTreeMap<String, ProgramUse>,
    /// Commands outside the sandbox, by the name under which plugins are granted them
    /// as programs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub native: BTreeMap<String, NativeUse>,
    /// How requests of plugins are made.
    #[serde(default, skip_serializing_if = "HttpUse::is_default")]
    pub http: HttpUse,
    /// Secrets, by the name under which plugins are granted them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretUse>,
    /// The model; plugins with the `model` right need one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelChoice>,
    /// Models by name. Those that are not here are looked for in the user's
    /// `models.toml`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, ModelUse>,
    /// Bounds on a whole rollout, and on the run.
    #[serde(default)]
    pub budget: Budget,
    /// What an agent may do with the worktree.
    #[serde(default)]
    pub workspace: WorkspaceUse,
}

/// When a rollout that waits for a model gives its worker back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Parking {
    /// How long it waits before.
    pub after: Span,
    /// Rollouts that may be begun beyond `concurrency` while others wait; none is
    /// parked where this is 0.
    pub most: u32,
}

impl Parking {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Parking {
    fn default() -> Self {
        Self { after: Span(Duration::from_secs(30)), most: 100 }
    }
}

/// How one works in a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The command line that runs its tests, which agents are told with each query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
    /// The one by which a judge runs them, where it is another than the judge's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<String>,
    /// Command lines that the tool `bash` runs before the agent begins with a stage, by its
    /// rights. Where one fails, the stage ends, by no fault of the agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set_up: Vec<String>,
    /// The image of a container with what it needs, for a backend of native commands that
    /// starts such; `bubblewrap` does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_one(number: &u32) -> bool {
    *number == 1
}

fn two() -> u32 {
    2
}

fn three() -> u32 {
    3
}

fn default_threshold() -> f64 {
    0.8
}

impl RunFile {
    /// Reads and checks a run file.
    pub fn load(path: &Path) -> Result<Self, RunFileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| RunFileError::Read { path: path.to_owned(), source })?;
        let file: Self = toml::from_str(&text).map_err(|source| RunFileError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        file.validate(path)?;
        Ok(file)
    }

    /// One that says no more than which judge there is.
    pub(crate) fn of_judge(judge: PluginUse) -> Self {
        Self {
            version: RUN_FILE_VERSION,
            name: judge.plugin.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            chains: PathBuf::new(),
            only: Vec::new(),
            repositories: BTreeMap::new(),
            recipes: BTreeMap::new(),
            trials: one(),
            refinements: 0,
            threshold: default_threshold(),
            refine: Refine::default(),
            mode: CarryMode::default(),
            on_conflict: ConflictPolicy::default(),
            on_reject: OnReject::default(),
            conversation: ConversationScope::default(),
            union: Vec::new(),
            exclude: Vec::new(),
            concurrency: two(),
            retries: one(),
            parking: Parking::default(),
            seed: 0,
            scaffold: PluginUse::alone(PathBuf::new()),
            tools: Vec::new(),
            judge: Some(judge),
            judges: Vec::new(),
            judging: JudgingUse::default(),
            writer: None,
            programs: BTreeMap::new(),
            native: BTreeMap::new(),
            http: HttpUse::default(),
            secrets: BTreeMap::new(),
            model: None,
            models: BTreeMap::new(),
            budget: Budget::default(),
            workspace: WorkspaceUse::default(),
        }
    }

    /// The rounds that a stage can have.
    pub fn rounds(&self) -> u32 {
        self.refinements.saturating_add(1)
    }

    /// How long a rollout waits for a model before it gives its worker back; none
    /// where it never does.
    pub fn park_after(&self) -> Option<Duration> {
        (self.parking.most > 0).then_some(self.parking.after.0)
    }

    /// The judges, in the order in which they are heard.
    pub fn judge_uses(&self) -> impl Iterator<Item = &PluginUse> {
        self.judge.iter().chain(&self.judges)
    }

    /// All plugins that it uses.
    pub fn plugin_uses(&self) -> impl Iterator<Item = &PluginUse> {
        let agent = [&self.scaffold].into_iter().chain(&self.tools);
        agent.chain(self.judge_uses()).chain(&self.writer)
    }

    /// The same, to be changed.
    pub(crate) fn plugin_uses_mut(&mut self) -> impl Iterator<Item = &mut PluginUse> {
        let agent = [&mut self.scaffold].into_iter().chain(&mut self.tools);
        agent.chain(&mut self.judge).chain(&mut self.judges).chain(&mut self.writer)
    }

    /// The names of the models that it uses.
    pub fn named_models(&self) -> impl Iterator<Item = &str> {
        let run = match &self.model {
            Some(ModelChoice::Named(name)) => Some(name.as_str()),
            Some(ModelChoice::Here(_)) | None => None,
        };
        let plugins = self.plugin_uses();
        run.into_iter().chain(plugins.filter_map(|plugin| plugin.model.as_deref()))
    }
}
