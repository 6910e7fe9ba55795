//! What the operator can set.

use catena_sdk::judge::JudgeError;
use serde::Deserialize;

use crate::command::CommandLine;
use crate::patterns::Patterns;

/// The values of `[config]`; all of them stand in `plugin.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    command: String,
    test_files: Vec<String>,
    run_files: Vec<String>,
    also_run: Vec<String>,
    runner_files: Vec<String>,
    import_roots: Vec<String>,
    reserved: String,
    canary: String,
    repeat: u32,
    timeout_seconds: u32,
    broken_by_carry: BrokenByCarry,
}

/// What tests count for that only the carry broke.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BrokenByCarry {
    Apart,
    Repair,
}

/// The same, looked through.
pub(crate) struct Rules {
    pub(crate) command: CommandLine,
    /// Of which paths the human tree's version counts alone.
    pub(crate) protected: Patterns,
    pub(crate) run_files: Patterns,
    pub(crate) also_run: Patterns,
    pub(crate) import_roots: Vec<String>,
    pub(crate) reserved: Option<CommandLine>,
    pub(crate) canary: String,
    pub(crate) repeat: u32,
    pub(crate) timeout_ms: u64,
    pub(crate) broken_by_carry: BrokenByCarry,
}

impl Config {
    /// The rules, with the recipe's command where the run file has one.
    pub(crate) fn rules(self, recipe: Option<String>) -> Result<Rules, JudgeError> {
        let wrong = |key: &str, why: &str| JudgeError::InvalidConfig(format!("`{key}`: {why}"));
        if self.repeat == 0 {
            return Err(wrong("repeat", "it must be at least 1"));
        }
        if !self.canary.is_empty() && !self.canary.contains("{name}") {
            return Err(wrong("canary", "it has no `{name}`"));
        }
        let command = recipe.unwrap_or(self.command);
        let command = CommandLine::parse(&command).map_err(|why| wrong("command", &why))?;
        for needed in ["{files}", "{report}"] {
            if !command.names(needed) {
                return Err(wrong("command", &format!("it has no `{needed}`")));
            }
        }
        let reserved = match self.reserved.trim() {
            "" => None,
            line => Some(CommandLine::parse(line).map_err(|why| wrong("reserved", &why))?),
        };
        let protected = self.test_files.into_iter().chain(self.runner_files).collect();
        Ok(Rules {
            command,
            protected: Patterns::new(protected),
            run_files: Patterns::new(self.run_files),
            also_run: Patterns::new(self.also_run),
            import_roots: self.import_roots,
            reserved,
            canary: self.canary,
            repeat: self.repeat,
            timeout_ms: u64::from(self.timeout_seconds) * 1000,
            broken_by_carry: self.broken_by_carry,
        })
    }
}

#[cfg(test)]
pub(crate) fn shipped() -> Config {
    let manifest: toml::Table = include_str!("../plugin.toml").parse().unwrap_or_default();
    let config = manifest.get("config").cloned();
    config.and_then(|config| config.try_into().ok()).unwrap_or_else(|| unreachable!())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_values_are_usable_and_a_command_without_report_is_not() {
        assert!(shipped().rules(None).is_ok());
        let Err(err) = shipped().rules(Some("make test {files}".to_owned())) else { panic!() };
        assert!(err.to_string().contains("`{report}`"), "{err}");
    }
}
