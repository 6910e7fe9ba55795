//! The tools of a rollout: which plugin serves which name.

use std::sync::{Arc, OnceLock};

use catena_model::ToolDefinition;

use super::{LoadedPlugin, Session};
use crate::call::{CallFailure, definitions};

/// Tool plugins, and what they said they offer.
pub(crate) struct ToolTable {
    plugins: Vec<Arc<LoadedPlugin>>,
    offered: OnceLock<Vec<(ToolDefinition, Arc<LoadedPlugin>)>>,
}

impl ToolTable {
    pub(crate) fn new(plugins: Vec<LoadedPlugin>) -> Self {
        let plugins = plugins.into_iter().map(Arc::new).collect();
        Self { plugins, offered: OnceLock::new() }
    }

    /// The tools in the order of the run file. A name that comes twice belongs
    /// to the plugin that comes first.
    pub(crate) fn offered(&self) -> &[(ToolDefinition, Arc<LoadedPlugin>)] {
        self.offered.get().map_or(&[], Vec::as_slice)
    }

    /// The plugin that serves the tool `name`.
    pub(crate) fn serving(&self, name: &str) -> Option<Arc<LoadedPlugin>> {
        let found = self.offered().iter().find(|(definition, _)| definition.name == name);
        found.map(|(_, plugin)| plugin.clone())
    }
}

impl Session {
    /// Asks every tool plugin what it offers. The failure of one names it.
    pub(crate) fn ask_tools(self: &Arc<Self>) -> Result<(), (String, CallFailure)> {
        let mut offered: Vec<(ToolDefinition, Arc<LoadedPlugin>)> = Vec::new();
        for plugin in &self.tools.plugins {
            let answer =
                definitions(self, plugin).map_err(|failure| (plugin.name().to_owned(), failure))?;
            for definition in answer {
                if !offered.iter().any(|(known, _)| known.name == definition.name) {
                    offered.push((definition, plugin.clone()));
                }
            }
        }
        // A session asks once; a second answer would be the same.
        let _ = self.tools.offered.set(offered);
        Ok(())
    }
}
