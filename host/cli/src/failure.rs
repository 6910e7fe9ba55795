//! Errors as people read them: what failed, what caused it, what to do.

use std::process::ExitCode;

use catena_model::{SettingsError, TlsError};
use catena_native::NativeUseError;
use catena_plugin::{CheckError, ManifestError, ResolveError, StoreError};
use catena_rollout::rollout::RolloutError;
use catena_rollout::{JournalError, ModelUseError, RunError, RunFileError};
use serde_json::json;

use crate::output::{Format, escaped, say_json};

/// Whose fault a failure is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The machine's, or ours.
    Host,
    /// The input's.
    Input,
}

/// Exit code of a command whose check was not passed.
pub(crate) const CHECK_FAILED: u8 = 4;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    fault: Fault,
    error: anyhow::Error,
    hint: Option<String>,
}

impl Failure {
    /// A failure that the input brought about.
    pub(crate) fn input(error: impl Into<anyhow::Error>) -> Self {
        Self { fault: Fault::Input, error: error.into(), hint: None }
    }

    /// Adds what to do about it.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what it is about.
    pub(crate) fn about(self, what: &impl std::fmt::Display) -> Self {
        Self { error: self.error.context(format!("nothing is known of `{what}`")), ..self }
    }

    /// Prints the failure to stderr, or as JSON to stdout, and gives its exit code.
    pub(crate) fn report(&self, format: Format) -> ExitCode {
        let causes: Vec<String> = self.error.chain().skip(1).map(ToString::to_string).collect();
        match format {
            Format::Json => {
                let error = json!({
                    "error": self.error.to_string(), "causes": causes, "hint": self.hint,
                });
                say_json(&error);
            }
            Format::Text => {
                eprintln!("error: {}", escaped(&self.error.to_string()));
                for cause in causes {
                    let cause = cause.trim_end().replace('\n', "\n  ");
                    eprintln!("caused by: {}", escaped(&cause));
                }
                if let Some(hint) = &self.hint {
                    eprintln!("hint: {}", escaped(hint));
                }
            }
        }
        ExitCode::from(match self.fault {
            Fault::Host => 1,
            Fault::Input => 2,
        })
    }
}

/// Errors of the machine, by default.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { fault: Fault::Host, error, hint: None }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let (fault, hint) = judge_run_error(&error);
        Self { fault, hint: hint.map(str::to_owned), error: error.into() }
    }
}

fn judge_run_error(error: &RunError) -> (Fault, Option<&'static str>) {
    use RunError as E;
    match error {
        E::RunFile(err) => (Fault::Input, run_file_hint(err)),
        E::ChainFile(_) => (
            Fault::Input,
            Some("make the chain file with `catena chain resolve`, or mend the place named above"),
        ),
        E::Verify { .. } => (
            Fault::Input,
            Some("fetch the missing commits into the clone, or resolve the chains again with it"),
        ),
        E::UnknownChain(_) => (Fault::Input, Some("`only` takes ids of chains in the chain file")),
        E::NoChains(_) => (Fault::Input, Some("name a chain file with at least one chain")),
        E::NoQuery { .. } => (Fault::Input, Some("write the stage's `query` into the chain file")),
        E::WriterWithoutModel(_)
        | E::NoWriter(_)
        | E::Uncalibrated
        | E::BadJudges(_)
        | E::FewStages { .. }
        | E::OtherJudges(_)
        | E::JudgeWithoutGrant(_)
        | E::NoChainFile
        | E::Objects(_) => (Fault::Input, Some(text_hint(error))),
        E::NoClone(_) => (
            Fault::Input,
            Some("add `\"owner/name\" = \"path of a clone\"` under `[repositories]`"),
        ),
        E::Database(_) => (Fault::Input, Some("`[repositories]` takes paths of git repositories")),
        E::Resolve(err) => (Fault::Input, resolve_hint(err)),
        E::Program(err) => (Fault::Input, program_hint(err)),
        E::Native { source, .. } => (native_fault(source), Some(native_hint(source))),
        E::NameTwice(_) => (Fault::Input, Some("give the table below `[native]` another name")),
        E::WrongKind { .. } => {
            (Fault::Input, Some("put it under the key of its kind, or name another plugin"))
        }
        E::PluginTwice(_) => (
            Fault::Input,
            Some("name each plugin once, or give judges names of their own with `name`"),
        ),
        E::NotApproved { .. } => {
            (Fault::Input, Some("look at what differs; `catena lock RUN.TOML` approves of it"))
        }
        E::LockFile { .. } | E::LockVersion { .. } => {
            (Fault::Input, Some("delete it, and `catena lock RUN.TOML` writes it anew"))
        }
        E::Compile(_) => (
            Fault::Input,
            Some("build the plugin as a component: see \"Write a plugin\" in the README"),
        ),
        E::Check(err) => (Fault::Input, Some(check_hint(err))),
        E::ReferenceWithoutControl(_) => (Fault::Input, Some("take `reference` out of the grant")),
        E::Model(err) => (Fault::Input, model_hint(err)),
        E::Authorities(err) => (Fault::Input, Some(tls_hint(err))),
        E::Secret(_) => (Fault::Input, Some("set the variable, or take the secret out of grants")),
        begun => judge_begun_run_error(begun),
    }
}

/// What is wrong with a run that is there, or with the machine.
fn judge_begun_run_error(error: &RunError) -> (Fault, Option<&'static str>) {
    use RunError as E;
    match error {
        E::Exists(_) => {
            (Fault::Input, Some("name another directory, or go on with `catena resume`"))
        }
        E::NotARun { .. } => (Fault::Input, Some("name the directory that `catena run` printed")),
        E::Locked(_) => (Fault::Input, Some("wait for the other process, or stop it")),
        E::NotReached { .. } => {
            (Fault::Input, Some("`catena show` tells how far rollouts have come"))
        }
        E::Worker(_) => (Fault::Host, Some("`catena doctor` tells whether workers start")),
        E::Walls(_) => (
            Fault::Host,
            Some(
                "`catena doctor` tells what is missing; without `--require-walls` it runs all the same",
            ),
        ),
        E::Changed { .. } => (Fault::Input, Some("bring it back as it was, or begin a new run")),
        E::Journal(err) => (Fault::Host, journal_hint(err)),
        E::Rollout { source, .. } => (Fault::Host, rollout_hint(source)),
        E::Broken(_) => (
            Fault::Host,
            Some("please report it with what is printed above; `catena resume` goes on"),
        ),
        _ => (Fault::Host, None),
    }
}

/// What to do about writers, judges, and code that can't be read.
fn text_hint(error: &RunError) -> &'static str {
    match error {
        RunError::WriterWithoutModel(_) => "add `grant = { model = true }` to `[writer]`",
        RunError::NoWriter(_) => {
            "add `[writer]` with `plugin = \"writer-llm\"` and `grant = { model = true }`"
        }
        RunError::Uncalibrated => {
            "`catena judge calibrate RUN.TOML` finds out; `--force` begins all the same"
        }
        RunError::FewStages { .. } => {
            "`catena judge calibrate --stages N` tries more, as far as the chains have them; \
             `--force` begins all the same"
        }
        RunError::BadJudges(_) => {
            "take other judges, another model or threshold; `--force` begins all the same"
        }
        RunError::JudgeWithoutGrant(_) => "name a run file whose `[judge]` grants them",
        RunError::NoChainFile => {
            "name it with `--chains` and the clone with `--clone`, or a run file with `--with`"
        }
        RunError::OtherJudges(_) => "give these judgements another `--name`",
        _ => "fetch the missing objects into the clone",
    }
}

fn rollout_hint(error: &RolloutError) -> Option<&'static str> {
    match error {
        RolloutError::Stopped => Some("`catena resume` goes on"),
        RolloutError::Journal(err) => journal_hint(err),
        RolloutError::Objects(_) => {
            Some("the journal is as it was; look at the cause, then `catena resume`")
        }
    }
}

/// What to do about a program that can't be had.
pub(crate) fn program_hint(error: &StoreError) -> Option<&'static str> {
    match error {
        StoreError::Unknown(_) => {
            Some("`catena program list` shows what there is, `catena program add` adds one")
        }
        StoreError::Changed { .. } => Some("add it again with `catena program add`"),
        StoreError::Resolve(err) => resolve_hint(err),
        StoreError::Special(_) => Some("programs have files and directories alone"),
        StoreError::Io { .. } | StoreError::Database(_) | StoreError::Objects(_) => None,
    }
}

fn native_fault(error: &NativeUseError) -> Fault {
    match error {
        NativeUseError::Unconfined(_) => Fault::Host,
        _ => Fault::Input,
    }
}

fn native_hint(error: &NativeUseError) -> &'static str {
    match error {
        NativeUseError::OldBackend(_) => "install a newer bubblewrap",
        NativeUseError::Unconfined(_) => "`catena doctor` tells what forbids it",
        NativeUseError::NoBackend => "install bubblewrap; `catena doctor` tells whether it works",
        NativeUseError::Name(_) => "`commands` takes names of programs, without directories",
        NativeUseError::NoCommand { .. } => {
            "install it, or say in `path` where it is and in `read_only` what it needs"
        }
        NativeUseError::ReadOnly { .. } => "`read_only` takes absolute paths of what is there",
        NativeUseError::Exposes { .. } => {
            "keep runs, clones and chain files apart from what commands can read"
        }
    }
}

fn run_file_hint(error: &RunFileError) -> Option<&'static str> {
    match error {
        RunFileError::Read { .. } => Some("`catena run` takes the path of a run file"),
        RunFileError::Parse { .. } => Some("the run file's keys are described in docs/run-file.md"),
        RunFileError::Version { .. } => Some("write `version = 1`"),
        RunFileError::Value { .. } => None,
    }
}

fn model_hint(error: &ModelUseError) -> Option<&'static str> {
    use ModelUseError as E;
    Some(match error {
        E::Unknown { .. } => {
            "describe it under `[models.NAME]` in the run file or in `models.toml`: \
             see docs/models.md"
        }
        E::Read { .. } => return None,
        E::Parse { .. } | E::Value { .. } => "the keys of models are described in docs/models.md",
        E::NoKey { .. } => "set the variable, or name a file with `key_file`",
        E::NoPrice(_) => "give the model a `price`, or bound `tokens` in the place of `usd`",
        E::Settings { source, .. } => match source {
            SettingsError::BaseUrl { .. } => "`base_url` is like `https://host/v1`",
            SettingsError::Key => "take the key's spaces and line ends out",
            SettingsError::OwnField(_) => "leave the field out of `extra`",
            SettingsError::Certificates(err) => tls_hint(err),
        },
        E::Script(_) => "mend the script that the model names",
        E::Tape(_) => "`record` and `tape` take files that `record` has written",
    })
}

fn tls_hint(error: &TlsError) -> &'static str {
    match error {
        TlsError::Read { .. } | TlsError::Empty(_) | TlsError::Certificate { .. } => {
            "`ca` takes files of certificates in PEM"
        }
        TlsError::NoneHere(_) | TlsError::Setup(_) => {
            "install the certificates of your system, or name some under `ca`"
        }
    }
}

fn resolve_hint(error: &ResolveError) -> Option<&'static str> {
    match error {
        ResolveError::NotFound(_) => {
            Some("name a plugin's directory, or say where plugins are with `--plugins DIR`")
        }
        ResolveError::Manifest(err) => manifest_hint(err),
        ResolveError::Component { .. } => {
            Some("build the plugin, or mend `plugin.component` in its manifest")
        }
    }
}

fn manifest_hint(error: &ManifestError) -> Option<&'static str> {
    match error {
        ManifestError::Parse { .. } => Some("the manifest's keys are described in docs/plugins.md"),
        ManifestError::Version { .. } => Some("write `manifest = 1`"),
        ManifestError::Read { .. } | ManifestError::Inconsistent { .. } => None,
    }
}

/// What to do about a component that is not what its manifest says.
pub(crate) fn check_hint(error: &CheckError) -> &'static str {
    match error {
        CheckError::WrongWorld { .. } => {
            "set `plugin.kind` to what the component exports, or build it for the other world"
        }
        CheckError::UnknownImport { .. } => "build the component without that import",
        CheckError::ReferenceWithoutControl { .. } => {
            "a plugin that reads the answer must say `control = true` under `[plugin]`; \
             its rollouts are never exported"
        }
    }
}

fn journal_hint(error: &JournalError) -> Option<&'static str> {
    match error {
        JournalError::Damaged { .. } => {
            Some("restore the journal from a backup; the other rollouts of the run are not touched")
        }
        JournalError::Strayed { .. } => {
            Some("use the program, plugins and repository that the run was begun with")
        }
        JournalError::Foreign { .. } => {
            Some("put the journal back where it belongs, or begin a new run")
        }
        JournalError::Incomplete { .. } => Some("`catena resume` brings the rollout to its end"),
        JournalError::Io { .. } => None,
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        anyhow::Error::from(error).into()
    }
}

impl From<ModelUseError> for Failure {
    fn from(error: ModelUseError) -> Self {
        let hint = model_hint(&error).map(str::to_owned);
        Self { fault: Fault::Input, hint, error: error.into() }
    }
}

impl From<ResolveError> for Failure {
    fn from(error: ResolveError) -> Self {
        let hint = resolve_hint(&error).map(str::to_owned);
        Self { fault: Fault::Input, hint, error: error.into() }
    }
}
