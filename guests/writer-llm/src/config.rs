//! What the operator can set.

use serde::Deserialize;
use task_templates::{Questions, TemplateError, Templates};

/// The values of `[config]`; all of them stand in `plugin.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) attempts: u32,
    pub(crate) patch_limit: usize,
    pub(crate) query_words: u32,
    pub(crate) overview_words: u32,
    templates: Questions,
}

impl Config {
    pub(crate) fn templates(&self) -> Result<Templates, TemplateError> {
        self.templates.templates()
    }
}

#[cfg(test)]
pub(crate) fn shipped() -> Config {
    let manifest: toml::Table = include_str!("../plugin.toml").parse().unwrap_or_default();
    let config = manifest.get("config").cloned();
    config.and_then(|config| config.try_into().ok()).unwrap_or_else(|| unreachable!())
}
