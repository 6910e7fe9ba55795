//! Whether the values of a run file make sense.

use std::path::Path;

use super::{ModelChoice, RUN_FILE_VERSION, RunFile, RunFileError};

impl RunFile {
    /// Checks that all values make sense.
    pub(super) fn validate(&self, path: &Path) -> Result<(), RunFileError> {
        if self.version != RUN_FILE_VERSION {
            return Err(RunFileError::Version { path: path.to_owned(), found: self.version });
        }
        let wrong = |key: &str, found: String, expected| {
            let (path, key) = (path.to_owned(), key.to_owned());
            Err(RunFileError::Value { path, key, found, expected })
        };
        if !(0.0..=1.0).contains(&self.threshold) {
            return wrong("threshold", self.threshold.to_string(), "it must be from 0 to 1");
        }
        if self.trials == 0 {
            return wrong("trials", "0".to_owned(), "it must be at least 1");
        }
        if self.concurrency == 0 {
            return wrong("concurrency", "0".to_owned(), "it must be at least 1");
        }
        if let Some(tool) = self.tools.iter().find(|tool| tool.model.is_some()) {
            let found = tool.model.clone().unwrap_or_default();
            return wrong("tools.model", found, "a tool has no model of its own");
        }
        if let Some((key, found, expected)) = self.wrong_judges() {
            return wrong(key, found, expected);
        }
        if let Some((key, found, expected)) = self.wrong_recipe() {
            return wrong(&key, found, expected);
        }
        for used in self.plugin_uses() {
            if let Some((limit, found)) = used.limits.impossible() {
                let key = format!("limits.{limit}` of `{}", used.plugin.display());
                return wrong(&key, found, "no plugin can run so; leave it out for the default");
            }
        }
        if let Some((key, found, expected)) = self.wrong_secret() {
            return wrong(&key, found, expected);
        }
        for pattern in &self.exclude {
            if let Err(err) = catena_tree::gitignore::check_pattern(pattern) {
                let expected = "it must be a pattern as in `.gitignore`";
                return wrong("exclude", err.to_string(), expected);
            }
        }
        if let Some(ModelChoice::Here(model)) = &self.model
            && let Some((key, found, expected)) = model.wrong_value()
        {
            return wrong(&format!("model.{key}"), found, expected);
        }
        for (name, model) in &self.models {
            if let Some((key, found, expected)) = model.wrong_value() {
                return wrong(&format!("models.{name}.{key}"), found, expected);
            }
        }
        Ok(())
    }

    /// What is wrong with a secret: a key, what it is, what it must be.
    fn wrong_secret(&self) -> Option<(String, String, &'static str)> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        for (name, secret) in &self.secrets {
            if !name.chars().all(is_plain) {
                let expected = "a name has letters, digits, `_` and `-`";
                return Some(("secrets".to_owned(), format!("`{name}`"), expected));
            }
            if let Some(host) = secret.exposed() {
                let key = format!("secrets.{name}.hosts");
                let expected = "a secret goes over `https`, or to an address that is not public";
                return Some((key, format!("`{host}`"), expected));
            }
        }
        self.unknown_secret()
    }

    /// A secret that a plugin is granted and that is not described.
    fn unknown_secret(&self) -> Option<(String, String, &'static str)> {
        for used in self.plugin_uses() {
            let mut granted = used.grant.secrets.iter();
            if let Some(name) = granted.find(|name| !self.secrets.contains_key(*name)) {
                let key = format!("grant.secrets` of `{}", used.plugin.display());
                let expected = "describe it below `[secrets]`, with its `env` and `hosts`";
                return Some((key, format!("`{name}`, of which nothing is known"), expected));
            }
        }
        None
    }

    /// What is wrong with a recipe: a key, what it is, what it must be.
    fn wrong_recipe(&self) -> Option<(String, String, &'static str)> {
        for (name, recipe) in &self.recipes {
            let key = format!("recipes.{name}");
            if !self.repositories.contains_key(name) {
                let expected = "it must be one of `repositories`";
                return Some((key, "of a repository without a clone".to_owned(), expected));
            }
            let lines = recipe.test.iter().map(|line| ("test", line));
            let lines = lines.chain(recipe.judge.iter().map(|line| ("judge", line)));
            for (part, line) in lines.chain(recipe.set_up.iter().map(|line| ("set_up", line))) {
                if line.trim().is_empty() || line.contains('\n') {
                    let found = format!("`{}`", line.trim());
                    return Some((format!("{key}.{part}"), found, "it must be a command line"));
                }
            }
        }
        None
    }
}
