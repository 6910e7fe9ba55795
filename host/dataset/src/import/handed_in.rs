//! What an import tells of the work that was done, and what it does not.
//!
//! A patch is where its form has it: mini-swe-agent's `submission`, and in ATIF, which
//! has no field for it, one of the names that programs give it in `extra` or in the
//! `extra` of the final metrics. Logs of SII-CLI have none.

use catena_model::Usage;
use serde::Serialize;
use serde_json::Value;

use crate::canonical::Rollout;

/// What programs call a patch.
const NAMES: [&str; 5] = ["patch", "model_patch", "submission", "diff", "git_diff"];

/// What every patch begins a file with, as git writes them.
const HEADER: &str = "diff --git ";

/// Something that an import has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lack {
    /// The repository and the pull request that it is about.
    Task,
    /// The patch that came of it.
    Patch,
    /// A verdict.
    Verdict,
    /// Token counts.
    Usage,
    /// The definitions of tools.
    Tools,
}

impl Lack {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Task => "no repository and pull request",
            Self::Patch => "no patch",
            Self::Verdict => "no verdict",
            Self::Usage => "no token counts",
            Self::Tools => "no definitions of tools",
        }
    }
}

/// Why there is no patch to judge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPatch {
    /// Nothing was handed in.
    #[error("it has no patch{}", .0.as_ref().map_or_else(String::new, |why| format!(" ({why})")))]
    None(Option<String>),
    /// What was handed in is something else.
    #[error("what it handed in is no patch: `{0}`")]
    Other(String),
    /// It is not an import.
    #[error("Catena made it: its run can be judged, and this is a copy")]
    OfCatena,
}

impl Rollout {
    /// Whether it came from another program.
    pub fn is_import(&self) -> bool {
        self.source.format != "catena"
    }

    /// The patch that an agent of another program handed in.
    pub fn patch(&self) -> Result<&str, NoPatch> {
        let extra = self.extra.as_ref();
        let found = match self.source.format.as_str() {
            "catena" => return Err(NoPatch::OfCatena),
            "mini-swe-agent" => extra.and_then(|it| it.pointer("/mini_swe_agent/info/submission")),
            "atif" => extra.and_then(|it| it.get("atif")).and_then(in_atif),
            _ => None,
        };
        match found.and_then(Value::as_str) {
            None => Err(NoPatch::None(self.ending())),
            Some(text) if text.trim().is_empty() => Err(NoPatch::None(self.ending())),
            Some(text) if is_patch(text) => Ok(text),
            Some(text) => Err(NoPatch::Other(text.trim().chars().take(60).collect())),
        }
    }

    /// How the agent ended, in its program's word.
    fn ending(&self) -> Option<String> {
        let status = self.extra.as_ref()?.pointer("/mini_swe_agent/info/exit_status")?.as_str()?;
        Some(format!("its exit status is `{status}`"))
    }

    /// What it has not that judging, selection and figures ask for.
    pub fn lacks(&self) -> Vec<Lack> {
        if !self.is_import() {
            return Vec::new();
        }
        let has_task =
            self.repository.is_some() && self.chain.iter().any(|task| task.pull_request.is_some());
        let calls = self.turns.iter().filter_map(|turn| self.reply(turn));
        let has_calls = calls.into_iter().any(|reply| !reply.tool_calls.is_empty());
        let mut lacks = Vec::new();
        let mut add = |lack, is_missing: bool| lacks.extend(is_missing.then_some(lack));
        add(Lack::Task, !has_task);
        add(Lack::Patch, self.patch().is_err());
        add(Lack::Verdict, self.stages.iter().all(|stage| stage.outcome.is_none()));
        add(Lack::Usage, self.turns.iter().all(|turn| turn.usage == Usage::default()));
        add(Lack::Tools, has_calls && self.tools.values().all(Vec::is_empty));
        lacks
    }
}

/// Whether a text is a patch as git writes them.
pub fn is_patch(text: &str) -> bool {
    text.lines().any(|line| line.starts_with(HEADER))
}

/// The patch in what ATIF has beside its steps: the outer trajectory's, which is the
/// first one.
fn in_atif(rest: &Value) -> Option<&Value> {
    let outer = rest.as_array()?.iter().find(|rest| rest.get("conversation") == Some(&0.into()))?;
    let places = ["/extra", "/final_metrics/extra"];
    let objects = places.iter().filter_map(|place| outer.pointer(place));
    objects
        .flat_map(|object| NAMES.iter().filter_map(|name| object.get(*name)))
        .find(|value| value.as_str().is_some_and(|text| !text.trim().is_empty()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patch_of_atif_is_found_under_any_of_its_names() {
        let text = "diff --git a/x b/x\n";
        for name in NAMES {
            let rest = json!([{"conversation": 0, "final_metrics": {"extra": {name: text}}}]);
            assert_eq!(in_atif(&rest).and_then(Value::as_str), Some(text), "{name}");
            let rest = json!([{"conversation": 1, "extra": {name: text}}]);
            assert_eq!(in_atif(&rest), None, "a sub-agent's is not the agent's");
        }
    }

    #[test]
    fn text_is_a_patch_where_a_file_of_it_begins_as_git_has_it() {
        assert!(is_patch("\ndiff --git a/x b/x\nindex 1..2 100644\n"));
        assert!(!is_patch("I ran diff --git and it was fine"));
        assert!(!is_patch(""));
    }
}
