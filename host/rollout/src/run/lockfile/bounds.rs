//! What is approved of a run file for all its plugins together: what bounds them, the command
//! lines of its recipes, and what its judges make of submissions.
//!
//! Where a file of an older version says nothing of a table, it was never approved.

use std::collections::BTreeMap;

use catena_plugin::session::PluginSpec;
use serde::{Deserialize, Serialize};

use super::pins::{Difference, compare, in_a_line, is_default, lines};
use crate::run_file::{
    Budget, CalibrationUse, Combine, FeedbackUse, JudgingBudget, Recipe, RunFile, WorkspaceUse,
};

/// Tables of the run file.
const WORKSPACE: &str = "[workspace]";
const ACCEPTANCE: &str = "rounds and judging";

/// What holds for all plugins of a rollout together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PinnedBounds {
    /// `[budget]`.
    #[serde(skip_serializing_if = "is_default")]
    pub budget: Budget,
    /// `budget` of `[judging]`.
    #[serde(skip_serializing_if = "is_default")]
    pub judging: JudgingBudget,
    /// `[workspace]`; none where no agent is at work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceUse>,
    /// What counts as accepted, and what agents are told. Files of versions 1 and 2 say
    /// nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<Acceptance>,
    /// `[recipes]`, whose lines are run.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub recipes: BTreeMap<String, Recipe>,
}

/// What counts as accepted, and what agents are told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// Rounds that may follow a rejected first one.
    pub refinements: u32,
    /// The score from which a submission is accepted.
    pub threshold: f64,
    /// How the scores of several judges become one.
    pub combine: Combine,
    /// What agents are told of a judge's feedback.
    pub feedback: FeedbackUse,
    /// Whether judges have to be calibrated; none where the run file does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationUse>,
    /// The judges, in the order in which they are heard.
    pub judges: Vec<String>,
    /// How much the scores of judges count, where the run file says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, f64>,
}

impl Acceptance {
    /// That of a run file, with its judges in its order.
    fn of(file: &RunFile, judges: &[PluginSpec]) -> Self {
        let names = judges.iter().map(|judge| judge.manifest.plugin.name.to_string());
        let weights = names.clone().zip(file.judge_uses());
        Self {
            refinements: file.refinements,
            threshold: file.threshold,
            combine: file.judging.combine,
            feedback: file.judging.feedback,
            calibration: file.judging.calibration,
            judges: names.collect(),
            weights: weights.filter_map(|(name, used)| Some((name, used.weight?))).collect(),
        }
    }
}

impl PinnedBounds {
    /// Those of a run file, with its judges in its order.
    pub(in crate::run) fn of(file: &RunFile, judges: &[PluginSpec]) -> Self {
        let RunFile { budget, judging, workspace, recipes, .. } = file;
        Self {
            budget: *budget,
            judging: judging.budget,
            workspace: Some(workspace.clone()),
            acceptance: Some(Acceptance::of(file, judges)),
            recipes: recipes.clone(),
        }
    }

    /// The tables of the run file, with their keys and values.
    fn tables(&self) -> [(&'static str, BTreeMap<String, String>); 5] {
        let Self { budget, judging, workspace, acceptance, recipes } = self;
        [
            ("[budget]", lines(budget)),
            ("[judging] budget", lines(judging)),
            (WORKSPACE, workspace.as_ref().map(lines).unwrap_or_default()),
            (ACCEPTANCE, acceptance.as_ref().map(lines).unwrap_or_default()),
            ("[recipes]", lines(recipes)),
        ]
    }

    pub(super) fn differences(&self, was: &Self) -> Vec<Difference> {
        let tables = self.tables().into_iter().zip(was.tables());
        // What is not in use has not changed.
        let is_used = |name| name != WORKSPACE || self.workspace.is_some();
        let tables = tables.filter(|((name, _), _)| is_used(*name));
        let differences = tables.flat_map(|((name, is), (_, was))| {
            if name == ACCEPTANCE && was.is_empty() && !is.is_empty() {
                return vec![Difference::new(name, "bounds", in_a_line(&is))];
            }
            compare(name, &was, &is)
        });
        differences.collect()
    }

    pub(super) fn all_new(&self) -> impl Iterator<Item = Difference> {
        let tables = self.tables().into_iter().filter(|(_, lines)| !lines.is_empty());
        tables.map(|(name, lines)| Difference::new(name, "bounds", in_a_line(&lines)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::lockfile::pins::in_lines;

    #[test]
    fn tables_in_a_table_are_told_by_their_path() {
        let budget: Budget = toml::from_str("turns = 3\n[run]\nusd = 1.5").unwrap();
        let was = PinnedBounds::default();
        let is = PinnedBounds { budget, ..PinnedBounds::default() };
        let told = in_lines(&is.differences(&was));
        assert_eq!(told, "`[budget]`: run.usd was -, is 1.5\n`[budget]`: turns was -, is 3");
        assert_eq!(is.all_new().count(), 1);
    }
}
