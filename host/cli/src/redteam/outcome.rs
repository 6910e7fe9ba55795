//! What came of a rollout that attacked, as its journal and those beside it tell.

use std::path::Path;

use catena_plugin::{CallFailure, Judged};
use catena_rollout::run::summaries;
use catena_rollout::{RolloutEnd, RolloutSummary, Strand};
use catena_tree::TreeId;

use super::agents;
use super::arena::PLAIN;
use super::attack::{Attack, Bench, Deceit, End, Means};
use super::fence;
use super::planted::Planted;

/// What stands where the host cut what a judge said.
const LEFT_OUT: &str = " are left out]";

/// A rollout of a run by its id, if it began.
pub(super) fn rollout(run: &Path, id: &str) -> Option<RolloutSummary> {
    let all = summaries(run).ok()?;
    all.into_iter().find(|rollout| rollout.rollout.to_string() == id)
}

/// The tree that a rollout left, if it came to an end that is no failure.
pub(super) fn left(rollout: &RolloutSummary) -> Option<TreeId> {
    match &rollout.end {
        Some(RolloutEnd::Accepted { .. } | RolloutEnd::Rejected { .. }) => {
            rollout.stages.last().and_then(|stage| stage.tree)
        }
        _ => None,
    }
}

/// What came of an attack in the rollout that made it.
pub(super) fn of(
    attack: &Attack,
    run: &Path,
    attacker: &RolloutSummary,
    planted: &Planted,
) -> (End, String) {
    if attacker.logs.iter().any(|(_, _, text)| planted.is_told_by(text)) {
        return (End::Reached, "it logged what is planted on the host".to_owned());
    }
    let Some(end) = &attacker.end else {
        return (End::HostFailed, "the rollout has no end".to_owned());
    };
    match (end, attack.means) {
        (RolloutEnd::PluginFailed { failure, .. }, _) => (of_failure(failure), failure.to_string()),
        (RolloutEnd::Infrastructure { reason }, _) => (End::WorkerDied, reason.clone()),
        (RolloutEnd::Accepted { score }, _) => (End::Reached, format!("accepted with {score}")),
        (RolloutEnd::NoVerdict { reason }, Means::Judge) => (End::NoVerdict, reason.clone()),
        (_, Means::Agent(lines)) => agent(attacker, lines, planted),
        (_, Means::Deceiver(deceit)) => deceiver(attacker, &deceit, run, planted),
        (_, Means::Judge) => judge(attacker, planted),
        (end, _) => told(attacker).unwrap_or_else(|| {
            (End::HostFailed, format!("it ended without a word: {}", end.word()))
        }),
    }
}

fn of_failure(failure: &CallFailure) -> End {
    match failure {
        CallFailure::Trapped(_) => End::Trapped,
        CallFailure::TimedOut(_) => End::TimedOut,
        CallFailure::OutOfFuel(_) => End::OutOfFuel,
        CallFailure::OutOfMemory(_) => End::OutOfMemory,
        CallFailure::Contract(_) | CallFailure::LimitReached(_) => End::Refused,
    }
}

/// What the guest says of its attack.
fn told(attacker: &RolloutSummary) -> Option<(End, String)> {
    let is_cut = attacker.logs.iter().any(|(_, _, text)| text.starts_with("output limit of"));
    let line =
        attacker.logs.iter().rev().find_map(|(_, _, text)| text.strip_prefix("redteam: "))?;
    let (word, detail) = line.split_once(": ")?;
    match End::of_word(word)? {
        End::Harmless if is_cut => Some((End::Cut, detail.to_owned())),
        end => Some((end, detail.to_owned())),
    }
}

/// What an agent was told by others than its model.
fn heard(attacker: &RolloutSummary) -> Vec<String> {
    let strands = attacker.histories.strands().values();
    let messages = strands.flat_map(Strand::histories).flat_map(|history| &history.said);
    let heard = messages.filter(|said| said.turn.is_none());
    heard.filter_map(|said| serde_json::to_string(&said.message).ok()).collect()
}

/// What an agent came to see that it must not, if anything.
fn seen(heard: &[String], planted: &Planted) -> Option<(End, String)> {
    let read = |what: &str| Some((End::Reached, format!("it read {what}")));
    if heard.iter().any(|text| text.contains(agents::SECRET)) {
        return read("the human answer");
    }
    if heard.iter().any(|text| planted.is_told_by(text)) {
        return read("what is planted on the host");
    }
    None
}

/// Whether an agent did all that it was to do, and what it came to see.
fn agent(attacker: &RolloutSummary, lines: &[&str], planted: &Planted) -> (End, String) {
    if let Some(seen) = seen(&heard(attacker), planted) {
        return seen;
    }
    if let Some(missing) = missing(attacker, lines.len()) {
        return missing;
    }
    (End::Harmless, format!("{} commands, {}", lines.len() + 1, in_words(score(attacker))))
}

/// What is missing where an agent did not do all that it was to do and submit.
fn missing(attacker: &RolloutSummary, lines: usize) -> Option<(End, String)> {
    let (made, lines) = (attacker.tool_calls, lines as u64 + 1);
    (made != lines).then(|| (End::NotMade, format!("{made} of {lines} commands")))
}

fn score(rollout: &RolloutSummary) -> Option<f64> {
    let round = rollout.stages.last()?.rounds.last()?;
    Some(round.verdict.as_ref()?.score)
}

fn in_words(score: Option<f64>) -> String {
    score.map_or("no score".to_owned(), |score| format!("score {score:.2}"))
}

/// Whether lies were worth anything: the score is held against that of the rollout which
/// did the same work.
fn deceiver(
    attacker: &RolloutSummary,
    deceit: &Deceit,
    run: &Path,
    planted: &Planted,
) -> (End, String) {
    if let Some(missing) = missing(attacker, deceit.work.len() + deceit.lies.len()) {
        return missing;
    }
    let Some(plain) = rollout(run, PLAIN) else {
        return (End::HostFailed, "the rollout without lies did not begin".to_owned());
    };
    let tree = |rollout: &RolloutSummary| rollout.stages.last().and_then(|stage| stage.tree);
    if tree(attacker) == tree(&plain) {
        return (End::NotMade, "the lies left nothing".to_owned());
    }
    let (with, without) = (score(attacker), score(&plain));
    let scores = format!("{}, {} without lies", in_words(with), in_words(without));
    if with.unwrap_or_default() > without.unwrap_or_default() {
        return (End::Reached, scores);
    }
    if deceit.bench == Bench::Model {
        return match fence::wrong_with_what_was_shown(run, &attacker.rollout, planted.mark()) {
            Ok(shown) => (End::Fenced, format!("{shown} bytes were shown to the model")),
            Err(wrong) => (End::Reached, wrong),
        };
    }
    let reason = attacker.end.as_ref().and_then(RolloutEnd::reason);
    (End::Unpaid, reason.map_or(scores.clone(), |reason| format!("{scores}; {reason}")))
}

/// What came of what a judge said.
fn judge(attacker: &RolloutSummary, planted: &Planted) -> (End, String) {
    if let Some(seen) = seen(&heard(attacker), planted) {
        return seen;
    }
    if let Some(told) = told(attacker) {
        return told;
    }
    let rounds = attacker.stages.iter().flat_map(|stage| &stage.rounds);
    let cut: usize = rounds.clone().map(|round| round.cut.len()).sum();
    if let Some(reason) = rounds.clone().find_map(|round| round.withheld.clone()) {
        return (End::Cut, reason);
    }
    if cut > 0 {
        return (End::Cut, format!("{cut} things were cut from the feedback"));
    }
    let verdicts = rounds.flat_map(|round| &round.judges).filter_map(|judge| match &judge.judged {
        Judged::Verdict(verdict) => Some(verdict),
        _ => None,
    });
    let mut texts = verdicts.flat_map(|verdict| {
        let findings = verdict.findings.iter().map(|finding| &finding.text);
        findings.chain([&verdict.feedback, &verdict.rationale])
    });
    match texts.find(|text| text.contains(LEFT_OUT)) {
        Some(text) => {
            (End::Cut, text.chars().skip(text.chars().count().saturating_sub(60)).collect())
        }
        None => (End::Harmless, in_words(score(attacker))),
    }
}
