//! Where the models are that a run file describes: what they are sent and their keys go there.
//!
//! Those of the user's `models.toml` are the user's own, and not pinned. No key is here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use catena_model::Authorities;
use catena_plugin::Digest;
use serde::{Deserialize, Serialize};

use crate::models::ModelUseError;
use crate::run_file::{ModelChoice, ModelUse, RunFile};

/// The name of the model that `[model]` describes.
const MODEL: &str = "[model]";

/// What was approved of a model, with paths as the run file has them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PinnedModel {
    /// The server's address; none where there is no server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The model as the server names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The variable that holds the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// The file that holds the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Digest of the certificates that vouch for the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<Digest>,
    /// The tape that is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<PathBuf>,
}

/// What there is to approve of the models that a run file uses and describes, its paths
/// being relative to `base`.
pub(in crate::run) fn described(
    file: &RunFile,
    base: &Path,
) -> Result<BTreeMap<String, PinnedModel>, ModelUseError> {
    let here = match &file.model {
        Some(ModelChoice::Here(model)) => Some((MODEL, &**model)),
        Some(ModelChoice::Named(_)) | None => None,
    };
    let named = file.named_models().filter_map(|name| Some((name, file.models.get(name)?)));
    let mut all = BTreeMap::new();
    for (name, model) in here.into_iter().chain(named) {
        let pinned = pinned(name, model, base)?;
        // Who asks nobody and writes nothing is not of interest.
        if pinned != PinnedModel::default() {
            all.insert(name.to_owned(), pinned);
        }
    }
    Ok(all)
}

fn pinned(name: &str, model: &ModelUse, base: &Path) -> Result<PinnedModel, ModelUseError> {
    let record = model.record().map(Path::to_owned);
    let ModelUse::OpenAi(server) = model else {
        return Ok(PinnedModel { record, ..PinnedModel::default() });
    };
    let paths: Vec<PathBuf> = server.ca.iter().map(|path| base.join(path)).collect();
    let authorities = Authorities::read(&paths).map_err(|source| ModelUseError::Settings {
        model: name.to_owned(),
        source: source.into(),
    })?;
    Ok(PinnedModel {
        base_url: Some(server.base_url.clone()),
        model: Some(server.model.clone()),
        key_env: server.key_env.clone(),
        key_file: server.key_file.clone(),
        ca: (!authorities.is_empty()).then(|| Digest::of(&authorities.bytes())),
        record,
    })
}
