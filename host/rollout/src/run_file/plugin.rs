//! What a run file gives plugins and programs.

use std::path::PathBuf;

use catena_plugin::manifest::PluginName;
use catena_plugin::{Granted, LimitsRequest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A plugin and what the operator gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginUse {
    /// A directory with a `plugin.toml`, or the name of an installed plugin.
    pub plugin: PathBuf,
    /// What it may do, of what its manifest asks for; nothing by default.
    #[serde(default)]
    pub grant: Granted,
    /// Limits in the place of the defaults.
    #[serde(default)]
    pub limits: LimitsRequest,
    /// The model it is given in the place of the run's, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What a judge is called in the place of its plugin's name, so that one plugin can
    /// be several judges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<PluginName>,
    /// How much a judge's score counts where scores are weighted; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Values over those of its manifest's `[config]`.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub config: toml::Table,
}

impl PluginUse {
    /// A plugin that is given nothing.
    pub(crate) fn alone(plugin: PathBuf) -> Self {
        Self {
            plugin,
            grant: Granted::default(),
            limits: LimitsRequest::default(),
            model: None,
            name: None,
            weight: None,
            config: toml::Table::new(),
        }
    }
}

/// A program and what the operator says of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProgramUse {
    /// Limits on each start, which end within the caller's in any case.
    #[serde(default)]
    pub limits: LimitsRequest,
}

/// How requests of plugins are made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpUse {
    /// Files, in PEM, of authorities that vouch for servers beside those that the machine
    /// knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ca: Vec<PathBuf>,
}

impl HttpUse {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
