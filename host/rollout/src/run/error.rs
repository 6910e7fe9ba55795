//! Why a run can't be begun, gone on with or read.

use std::path::{Path, PathBuf};

use catena_chain::{ChainFileError, VerifyError};
use catena_model::TlsError;
use catena_native::NativeUseError;
use catena_plugin::{CacheError, CheckError, PluginKind, ResolveError, StoreError};
use catena_tree::ObjectError;
use catena_tree::database::DatabaseError;
use catena_worker::WorkerError;

use crate::journal::JournalError;
use crate::models::ModelUseError;
use crate::rollout::RolloutError;
use crate::run_file::RunFileError;
use crate::secrets::SecretError;

/// Why a run can't be begun or gone on with.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The run file can't be used.
    #[error(transparent)]
    RunFile(#[from] RunFileError),
    /// The chain file can't be used.
    #[error(transparent)]
    ChainFile(#[from] ChainFileError),
    /// The chain file does not fit the repository.
    #[error("the chains do not fit the clone `{clone}`")]
    Verify {
        /// The clone.
        clone: PathBuf,
        /// Which stage, and why.
        source: Box<VerifyError>,
    },
    /// A chain that the run file names is not in the chain file.
    #[error("`only` names chain `{0}`, which is not in the chain file")]
    UnknownChain(String),
    /// There is nothing to do.
    #[error("the chain file `{0}` has no chain")]
    NoChains(PathBuf),
    /// A stage has no query to put before an agent.
    #[error("chain `{chain}`, stage `{stage}` has no query")]
    NoQuery {
        /// The chain.
        chain: String,
        /// The stage.
        stage: String,
    },
    /// The run file does not say where the repository is.
    #[error("the chains are of `{0}`, but `[repositories]` has no clone of it")]
    NoClone(String),
    /// The run file has no writer, and one is asked for.
    #[error("`{}` has no `[writer]`", .0.display())]
    NoWriter(PathBuf),
    /// The run file's writer asks for the model and is not granted it.
    #[error("writer `{0}` needs a model, which the run file does not grant")]
    WriterWithoutModel(String),
    /// The run needs judges that are known to be good enough, and nobody tried.
    #[error("it is not known whether the judges can tell good patches from bad ones")]
    Uncalibrated,
    /// The run needs judges that are known to be good enough, and these are not.
    #[error("the judges can't tell good patches from bad ones: {0}")]
    BadJudges(String),
    /// The run needs judges that are known to be good enough, and these were tried on
    /// too few stages to say.
    #[error("the judges tell good patches from bad ones of {found} stages; {least} are needed")]
    FewStages {
        /// Stages they were tried on.
        found: usize,
        /// How many there must be.
        least: usize,
    },
    /// A judge that asks for rights is named without a run file that grants them.
    #[error("judge `{0}` asks for rights, and no run file grants them")]
    JudgeWithoutGrant(String),
    /// Patches are judged by a plugin, and nothing says what they are patches of.
    #[error(
        "nothing names the chain file that the patches are of, and the clone of its repository"
    )]
    NoChainFile,
    /// There are judgements of that name by other judges.
    #[error("`{0}` was made by other judges, or of other submissions")]
    OtherJudges(PathBuf),
    /// A clone or the run's object database can't be opened.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A stage's code can't be read.
    #[error("the code of a stage can't be read")]
    Objects(#[from] ObjectError),
    /// A plugin can't be found or read.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// Commands outside the sandbox can't be run as the run file says.
    #[error("commands of `{name}`")]
    Native {
        /// The name in grants.
        name: String,
        /// Why.
        source: NativeUseError,
    },
    /// No worker can be started.
    #[error("workers can't be tried")]
    Worker(#[source] WorkerError),
    /// Guests are to run only behind walls that this machine does not have.
    #[error("not all walls around workers stand: {0}")]
    Walls(String),
    /// A name stands for a program and for commands outside the sandbox.
    #[error("`{0}` is the name of a program and of commands outside the sandbox")]
    NameTwice(String),
    /// A program can't be had.

    #[error(transparent)]
    Program(#[from] StoreError),
    /// A plugin is of another kind than its place in the run file.
    #[error("plugin `{plugin}` is a {found}, but stands in the run file as a {expected}")]
    WrongKind {
        /// The plugin.
        plugin: String,
        /// Its kind.
        found: PluginKind,
        /// The kind its place asks for.
        expected: PluginKind,
    },
    /// A plugin is not what was approved.
    #[error("plugins are not as `{}` has them approved:\n{differences}", path.display())]
    NotApproved {
        /// The lock file.
        path: PathBuf,
        /// What differs, a line each.
        differences: String,
    },
    /// The lock file can't be used.
    #[error("`{path}` is not a valid lock file")]
    LockFile {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// The lock file is of a version this program does not know.
    #[error("`{path}` has lock file version {found}; this program reads versions 1 to 3")]
    LockVersion {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u32,
    },
    /// A plugin stands in the run file more than once.
    #[error("plugin `{0}` stands in the run file more than once")]
    PluginTwice(String),
    /// A plugin can't be compiled.
    #[error(transparent)]
    Compile(#[from] CacheError),
    /// A plugin is not what its manifest says.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// A grant would show the answer to a plugin that is no control.
    #[error("`{0}` is granted `reference`, but its manifest does not say `control = true`")]
    ReferenceWithoutControl(String),
    /// The engine can't be set up on this machine.
    #[error("can't set up the WebAssembly engine: {0}")]
    Engine(String),
    /// A secret that a plugin is granted can't be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Certificates that the run file names can't be used.
    #[error(transparent)]
    Authorities(#[from] TlsError),
    /// A model can't be used.
    #[error(transparent)]
    Model(#[from] ModelUseError),
    /// A file of the run can't be read or written.
    #[error("`{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The directory for a new run is in use.
    #[error("`{0}` exists already and is no empty directory")]
    Exists(PathBuf),
    /// The directory is not a run.
    #[error("`{path}` is not a run of this program")]
    NotARun {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },
    /// A fork was asked for where nothing came to.
    #[error("{what} of the run has come to {point}")]
    NotReached {
        /// Which rollouts.
        what: String,
        /// The point.
        point: String,
    },
    /// Another process works on the run.
    #[error("another process is working on the run `{0}`")]
    Locked(PathBuf),
    /// What the run was planned with has changed.
    #[error("{what} has changed since the run `{run}` was begun")]
    Changed {
        /// The run.
        run: PathBuf,
        /// What.
        what: String,
    },
    /// A rollout can't go on.
    #[error("rollout `{rollout}` can't go on")]
    Rollout {
        /// Which.
        rollout: String,
        /// Why.
        source: Box<RolloutError>,
    },
    /// A rollout's task panicked.
    #[error("rollout `{0}` was ended by a bug of this program")]
    Broken(String),
    /// A journal can't be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl RunError {
    /// The failure of reading or writing `path`.
    pub(super) fn io(path: &Path, source: impl Into<std::io::Error>) -> Self {
        Self::Io { path: path.to_owned(), source: source.into() }
    }
}
