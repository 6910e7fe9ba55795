//! What was refused to plugins, for people: a table by plugin and kind, and the rate at
//! which they reached for what is not their own.

use catena_dataset::stats::RefusedStats;
use catena_rollout::RolloutSummary;
use comfy_table::Table;

use crate::output::{grouped, number, say, table};

/// Sums over rollouts.
pub(crate) fn of<'a>(rollouts: impl IntoIterator<Item = &'a RolloutSummary>) -> RefusedStats {
    let mut stats = RefusedStats::default();
    for rollout in rollouts {
        stats.add(&rollout.refused, rollout.tool_calls);
    }
    stats
}

/// Prints what was refused, if anything was.
pub(crate) fn print(stats: &RefusedStats) {
    if stats.plugins.is_empty() {
        return;
    }
    say!("refused calls\n{}\n{}", by_kind(stats), rate(stats));
}

fn by_kind(stats: &RefusedStats) -> Table {
    let mut table = table(&["plugin", "refused", "calls"]);
    for (plugin, kinds) in &stats.plugins {
        for (kind, count) in kinds {
            table.add_row(vec![plugin.into(), kind.into(), number(grouped(*count))]);
        }
    }
    table
}

/// What benchmarks publish: how often agents reached for what is not theirs.
fn rate(stats: &RefusedStats) -> String {
    let rate = match stats.per_thousand_calls() {
        Some(rate) => format!("{rate:.1} in 1,000 tool calls"),
        None => "no tool was called".to_owned(),
    };
    format!(
        "attempts at what is not granted: {}, in {} of {} rollouts, {rate}; limits and quotas not counted",
        grouped(stats.attempts),
        grouped(stats.rollouts),
        grouped(stats.of_rollouts),
    )
}
