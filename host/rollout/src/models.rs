//! The models of a run: found by name, opened once, shared by all rollouts.
//!
//! A model is described in the run file or in the user's `models.toml`. What is
//! found is copied into the run's plan, so that a run goes on as it began; keys
//! are named there and never written down.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use catena_model::{
    AttemptError, Authorities, Delivery, Gateway, Limiter, Model, ModelError, ModelInfo,
    OpenAiModel, OpenAiSettings, RecordedModel, Recorder, Reply, Request, RetryPolicy, ScriptError,
    ScriptedModel, Secret, SettingsError, TapeError, Usage,
};
use serde::Deserialize;

use crate::run_file::{ModelChoice, ModelUse, OpenAiUse, PluginUse, RunFile};

/// Why a model can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelUseError {
    /// No file describes a model of this name.
    #[error("there is no model `{name}`; {known}")]
    Unknown {
        /// The name.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The user's file of models can't be read.
    #[error("can't read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The user's file of models is not one.
    #[error("`{path}` is not a valid file of models")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A value makes no sense.
    #[error("model `{name}`: `{key}` is {found}; {expected}")]
    Value {
        /// The model.
        name: String,
        /// Which key.
        key: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        expected: &'static str,
    },
    /// There is no key where the model's description says.
    #[error("model `{model}` has no key: {place} {reason}")]
    NoKey {
        /// The model.
        model: String,
        /// Where the key should be.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// A bound on money means nothing for a model without prices.
    #[error("`budget` bounds money, but model `{0}` has no `price`")]
    NoPrice(String),
    /// The settings can't be used.
    #[error("model `{model}`")]
    Settings {
        /// The model.
        model: String,
        /// Why.
        source: SettingsError,
    },
    /// The script can't be used.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// The tape can't be used.
    #[error(transparent)]
    Tape(#[from] TapeError),
}

/// Looks a variable of the environment up.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Whether models are asked, and where their keys are.
#[derive(Clone)]
pub enum ModelAccess {
    /// They are asked; keys come from these variables, and from files.
    Live(Environment),
    /// Nobody is asked: all answers must be in journals. No key is needed.
    Offline,
}

/// The user's file of models.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelsFile {
    /// Version of the file's form; 1.
    #[expect(dead_code, reason = "there is only one version so far")]
    version: FileVersion,
    #[serde(default)]
    models: BTreeMap<String, ModelUse>,
}

/// The only version of `models.toml`.
#[derive(Debug, Default)]
struct FileVersion;

impl<'de> Deserialize<'de> for FileVersion {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            1 => Ok(Self),
            other => Err(serde::de::Error::custom(format!(
                "this program reads version 1, not version {other}"
            ))),
        }
    }
}

/// Reads the user's models, with absolute paths. No file is no model.
pub fn user_models(path: Option<&Path>) -> Result<BTreeMap<String, ModelUse>, ModelUseError> {
    let Some(path) = path else { return Ok(BTreeMap::new()) };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(source) => return Err(ModelUseError::Read { path: path.to_owned(), source }),
    };
    let file: ModelsFile = toml::from_str(&text).map_err(|source| ModelUseError::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    let mut models = file.models;
    for (name, model) in &mut models {
        if let Some((key, found, expected)) = model.wrong_value() {
            return Err(ModelUseError::Value { name: name.clone(), key, found, expected });
        }
        model.make_absolute(path.parent().unwrap_or(Path::new(".")));
    }
    Ok(models)
}

/// Puts the models that a run file names into its `[models]`, and drops those
/// it does not use.
pub(crate) fn resolve(file: &mut RunFile, user_file: Option<&Path>) -> Result<(), ModelUseError> {
    let names: Vec<String> = file.named_models().map(str::to_owned).collect();
    let mut known = std::mem::take(&mut file.models);
    if names.iter().any(|name| !known.contains_key(name)) {
        for (name, model) in user_models(user_file)? {
            known.entry(name).or_insert(model);
        }
    }
    for name in names {
        let model = find(&known, &name)?.clone();
        file.models.insert(name, model);
    }
    for (name, model) in &mut file.models {
        model.name_by_default(name);
    }
    Ok(())
}

/// The model of this name.
pub fn find<'a>(
    known: &'a BTreeMap<String, ModelUse>,
    name: &str,
) -> Result<&'a ModelUse, ModelUseError> {
    known.get(name).ok_or_else(|| {
        let names: Vec<String> = known.keys().map(|name| format!("`{name}`")).collect();
        let known = match names.len() {
            0 => "none is described anywhere".to_owned(),
            _ => format!("there are {}", names.join(", ")),
        };
        ModelUseError::Unknown { name: name.to_owned(), known }
    })
}

/// The models of a run's plugins.
#[derive(Clone, Default)]
pub struct Models {
    /// The scaffold's.
    pub scaffold: Option<Arc<Gateway>>,
    /// The judges', in the order of the run file.
    pub judges: Vec<Option<Arc<Gateway>>>,
}

/// Opens the model of a run file's writer. Nothing is sent yet.
pub(crate) fn open_for_writer(
    file: &RunFile,
    writer: &PluginUse,
    access: &ModelAccess,
) -> Result<Option<Arc<Gateway>>, ModelUseError> {
    let mut opening = Opening { file, access, limiters: BTreeMap::new(), opened: BTreeMap::new() };
    opening.of_plugin(writer.model.as_deref())
}

/// Opens the models of a run file's judges. Nothing is sent yet.
pub(crate) fn open_for_judges(
    file: &RunFile,
    access: &ModelAccess,
) -> Result<Models, ModelUseError> {
    let mut opening = Opening { file, access, limiters: BTreeMap::new(), opened: BTreeMap::new() };
    Ok(Models { scaffold: None, judges: opening.of_judges()? })
}

/// Opens the models of a run file whose names are resolved. Nothing is sent yet.
pub(crate) fn open_all(file: &RunFile, access: &ModelAccess) -> Result<Models, ModelUseError> {
    let mut opening = Opening { file, access, limiters: BTreeMap::new(), opened: BTreeMap::new() };
    Ok(Models {
        scaffold: opening.of_plugin(file.scaffold.model.as_deref())?,
        judges: opening.of_judges()?,
    })
}

struct Opening<'a> {
    file: &'a RunFile,
    access: &'a ModelAccess,
    /// Places at a server, by its address: they are shared by all its models.
    limiters: BTreeMap<String, Arc<Limiter>>,
    /// What is open, by its name in the run file.
    opened: BTreeMap<Option<String>, Arc<Gateway>>,
}

impl Opening<'_> {
    /// Those of judges that are granted one.
    fn of_judges(&mut self) -> Result<Vec<Option<Arc<Gateway>>>, ModelUseError> {
        let file = self.file;
        let of_judge = |judge: &PluginUse| {
            if judge.grant.model { self.of_plugin(judge.model.as_deref()) } else { Ok(None) }
        };
        file.judge_uses().map(of_judge).collect()
    }

    /// The plugin's own model, or that of the run.
    fn of_plugin(&mut self, own: Option<&str>) -> Result<Option<Arc<Gateway>>, ModelUseError> {
        let (name, model) = match (own, &self.file.model) {
            (Some(name), _) => (Some(name), find(&self.file.models, name)?),
            (None, Some(ModelChoice::Named(name))) => {
                (Some(name.as_str()), find(&self.file.models, name)?)
            }
            (None, Some(ModelChoice::Here(model))) => (None, &**model),
            (None, None) => return Ok(None),
        };
        let name = name.map(str::to_owned);
        if let Some(open) = self.opened.get(&name) {
            return Ok(Some(open.clone()));
        }
        let gateway = Arc::new(self.gateway(model)?);
        self.opened.insert(name, gateway.clone());
        Ok(Some(gateway))
    }

    fn gateway(&mut self, model: &ModelUse) -> Result<Gateway, ModelUseError> {
        let budget = self.file.budget;
        if budget.usd.or(budget.run.usd).is_some() && !model.has_price() {
            return Err(ModelUseError::NoPrice(model.info().name));
        }
        let ModelAccess::Live(environment) = self.access else {
            let (limiter, policy) = (Limiter::new(1), RetryPolicy::default());
            return Ok(Gateway::new(Arc::new(Offline(model.info())), limiter, policy, 0));
        };
        let (limiter, policy) = match model {
            ModelUse::OpenAi(server) => {
                let limiter = self.limiters.entry(server.base_url.clone());
                let limiter = limiter.or_insert_with(|| Limiter::new(server.concurrency as usize));
                (limiter.clone(), server.retry.into())
            }
            // A file is never overloaded.
            _ => (Limiter::new(self.file.concurrency as usize), RetryPolicy::default()),
        };
        let gateway = Gateway::new(open(model, environment)?, limiter, policy, self.file.seed);
        Ok(match model.record() {
            Some(tape) => gateway.recorded_by(Recorder::open(tape)?),
            None => gateway,
        })
    }
}

fn open(model: &ModelUse, environment: &Environment) -> Result<Arc<dyn Model>, ModelUseError> {
    let info = model.info();
    Ok(match model {
        ModelUse::Scripted(model) => {
            Arc::new(ScriptedModel::load(&model.script, info, model.price)?)
        }
        ModelUse::Recorded(model) => Arc::new(RecordedModel::load(&model.tape, info)?),
        ModelUse::OpenAi(server) => {
            let settings = settings(server, info.clone(), environment)?;
            let open = OpenAiModel::new(settings);
            Arc::new(open.map_err(|source| ModelUseError::Settings { model: info.name, source })?)
        }
    })
}

/// What a server is asked with, its key included.
pub fn settings(
    server: &OpenAiUse,
    info: ModelInfo,
    environment: &Environment,
) -> Result<OpenAiSettings, ModelUseError> {
    let key = key(server, &info.name, environment)?;
    let authorities = Authorities::read(&server.ca).map_err(|source| ModelUseError::Settings {
        model: info.name.clone(),
        source: source.into(),
    })?;
    let delivery = if server.stream { Delivery::Streamed } else { Delivery::Whole };
    Ok(OpenAiSettings {
        info,
        base_url: server.base_url.clone(),
        model: server.model.clone(),
        key,
        authorities,
        delivery,
        temperature: server.temperature,
        top_p: server.top_p,
        seed: server.seed,
        stop: server.stop.clone(),
        max_output_tokens: server.max_output_tokens,
        output_limit_field: server.output_limit_field.clone(),
        reasoning_field: server.reasoning_field.clone(),
        extra: server.extra.clone().into_iter().collect(),
        price: server.price,
        timeouts: server.timeouts.into(),
        max_reply_bytes: usize::try_from(server.max_reply.0).unwrap_or(usize::MAX),
    })
}

/// The key of a server; none where its description names no place of one.
fn key(
    server: &OpenAiUse,
    model: &str,
    environment: &Environment,
) -> Result<Option<Secret>, ModelUseError> {
    let (place, text) = match (&server.key_env, &server.key_file) {
        (Some(name), _) => {
            let text = environment(name).ok_or_else(|| "is not set".to_owned());
            (format!("the environment variable `{name}`"), text)
        }
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|err| format!("can't be read: {err}"));
            (format!("the file `{}`", path.display()), text)
        }
        (None, None) => return Ok(None),
    };
    let key = text.and_then(|text| Secret::new(&text).ok_or_else(|| "is empty".to_owned()));
    match key {
        Ok(key) => Ok(Some(key)),
        Err(reason) => Err(ModelUseError::NoKey { model: model.to_owned(), place, reason }),
    }
}

/// Stands where nobody may be asked.
struct Offline(ModelInfo);

#[async_trait]
impl Model for Offline {
    fn info(&self) -> ModelInfo {
        self.0.clone()
    }

    fn bound(&self, _request: &Request<'_>) -> Usage {
        Usage::default()
    }

    async fn attempt(&self, _request: &Request<'_>) -> Result<Reply, AttemptError> {
        let reason = "the journal has no answer, and no model is asked offline".to_owned();
        Err(AttemptError::lasting(ModelError::Unavailable(reason)))
    }
}
