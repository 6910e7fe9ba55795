//! `catena judge FILE --with JUDGE`: patches that agents of other programs handed in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use catena_chain::{Chain, ChainFile, Stage};
use catena_dataset::import::is_patch;
use catena_dataset::{Rollout, Rollouts, judgements};
use catena_plugin::Digest;
use catena_rollout::progress::Unwatched;
use catena_rollout::run::judging::{HandedIn, JudgingRun, PatchJudges, PlannedPatch, Unfit};
use catena_rollout::run::summaries;
use catena_rollout::{RolloutId, RolloutSummary, StageOutcome};
use clap::ValueHint;
use serde::Serialize;
use serde_json::{Value, json};

use super::again::{Beside, Submissions, name};
use crate::commands::run::until_stopped;
use crate::failure::Failure;
use crate::machine::Machine;
use crate::output::{Format, print_json, say, table};

/// What an import does not say itself.
#[derive(clap::Args)]
#[command(next_help_heading = "Imports")]
pub(crate) struct Said {
    /// The chain file with the stages that the patches are of; the run file's by default
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    chains: Option<PathBuf>,
    /// The clone of its repository; the run file's by default
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    clone: Option<PathBuf>,
    /// Take all patches for ones of this stage; by default, names such as `owner__name-12` tell
    #[arg(long, value_name = "CHAIN/STAGE")]
    stage: Option<String>,
    /// The patch where the import has none, or SWE-bench's predictions, JSON or JSON lines
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    patch: Option<PathBuf>,
}

impl Said {
    /// Refuses all of it, for what says everything itself.
    pub(super) fn refused(&self) -> Result<(), Failure> {
        let Self { chains, clone, stage, patch } = self;
        if chains.is_none() && clone.is_none() && stage.is_none() && patch.is_none() {
            return Ok(());
        }
        Err(Failure::input(anyhow!(
            "`--chains`, `--clone`, `--stage` and `--patch` are for imports"
        ))
        .with_hint("a run has its chains and patches: leave these options out"))
    }
}

/// What came of one trajectory.
#[derive(Serialize)]
struct Judged {
    rollout: RolloutId,
    chain: String,
    stage: String,
    score: Option<f64>,
    accepted: Option<bool>,
    /// Why there is no score.
    reason: Option<String>,
}

pub(crate) fn run(
    arguments: &Submissions,
    beside: &Beside,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    let name = name(arguments)?;
    let said = &beside.said;
    let options = beside.walls.of(machine.run_options(Arc::new(Unwatched)));
    let judges = PatchJudges::find(
        &arguments.other,
        said.chains.as_deref(),
        said.clone.as_deref(),
        &options,
    )?;
    let threshold = judges.threshold();
    let (patches, mut unfit) = Finder::of(said, judges.chains())?.patches(&arguments.run)?;
    if patches.is_empty() {
        return Err(nothing(&unfit));
    }
    let dir = judgements::path(&arguments.run, &name);
    let (judging, unapplied) = JudgingRun::of_patches(&dir, judges, &patches, &options)?;
    unfit.extend(unapplied);
    if judging.trees() == 0 {
        return Err(nothing(&unfit));
    }
    super::announce(&judging, format);
    let ended =
        until_stopped(&options.stop, super::behind_walls(Arc::new(judging)))?.transpose()?;
    let Some(failed) = super::failures(ended)? else { return Ok(super::stopped()) };
    let rows = judged(&patches, &summaries(&dir)?, threshold);
    match format {
        Format::Json => print_json(&json!({
            "judgements": dir,
            "threshold": threshold,
            "judged": rows,
            "not_judged": unfit,
            "failed": failed,
        }))?,
        Format::Text => {
            print(&rows, &unfit, threshold);
            for why in &failed {
                say!("not judged to the end: {why}");
            }
            say!("judgements: {}", dir.display());
            say!("`catena export {} --judgements {name}` selects by them", arguments.run.display());
        }
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(super::INCOMPLETE) })
}

fn nothing(unfit: &[Unfit]) -> Failure {
    const SHOWN: usize = 5;
    let reasons =
        unfit.iter().take(SHOWN).map(|it| format!("rollout {}: {}", it.rollout, it.reason));
    let reasons: Vec<String> = reasons.collect();
    let more = unfit.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let hint = if unfit.iter().all(|it| it.reason.contains("has no patch")) {
        "`--patch FILE` gives the patch, or SWE-bench's predictions"
    } else {
        "`--chains` names the chain file that the patches are of, `--stage CHAIN/STAGE` the stage"
    };
    Failure::input(anyhow!("no patch can be judged: {}{more}", reasons.join("; "))).with_hint(hint)
}

fn judged(patches: &[HandedIn], summaries: &[RolloutSummary], threshold: f64) -> Vec<Judged> {
    let of_patch = |patch: &HandedIn| {
        let about = &patch.about;
        let summary = summaries.iter().find(|summary| summary.rollout == about.rollout)?;
        let stage = summary.stages.first()?;
        let verdict = stage.rounds.first().and_then(|round| round.verdict.as_ref());
        let score = verdict.map(|verdict| verdict.score);
        Some(Judged {
            rollout: about.rollout.clone(),
            chain: about.chain.to_string(),
            stage: about.stage.to_string(),
            score,
            accepted: score.map(|score| score >= threshold),
            reason: stage
                .outcome
                .as_ref()
                .filter(|_| score.is_none())
                .and_then(StageOutcome::reason),
        })
    };
    patches.iter().filter_map(of_patch).collect()
}

fn print(judged: &[Judged], unfit: &[Unfit], threshold: f64) {
    let mut rows = table(&["rollout", "stage", "score", "accepted", "why"]);
    for row in judged {
        rows.add_row(vec![
            row.rollout.to_string(),
            format!("{}/{}", row.chain, row.stage),
            row.score.map_or("-".to_owned(), |score| format!("{score:.2}")),
            row.accepted.map_or("-", |accepted| if accepted { "yes" } else { "no" }).to_owned(),
            row.reason.clone().unwrap_or_default(),
        ]);
    }
    say!("{rows}");
    let accepted = judged.iter().filter(|row| row.accepted == Some(true)).count();
    say!("{accepted} of {} accepted, from a score of {threshold} on", judged.len());
    for it in unfit {
        say!("not judged: rollout {}: {}", it.rollout, it.reason);
    }
}

/// Finds the patch of each trajectory, and the stage that it is of.
struct Finder<'a> {
    chains: &'a ChainFile,
    /// The one stage of all.
    stage: Option<(&'a Chain, &'a Stage)>,
    given: Given,
}

/// Patches that were given beside the imports.
enum Given {
    Nothing,
    /// That of the only trajectory.
    One(String),
    /// By instance.
    Predictions(BTreeMap<String, String>),
}

impl<'a> Finder<'a> {
    fn of(said: &Said, chains: &'a ChainFile) -> Result<Self, Failure> {
        let stage = said.stage.as_deref().map(|name| named_stage(chains, name)).transpose()?;
        let given = said.patch.as_deref().map_or(Ok(Given::Nothing), Given::load)?;
        Ok(Self { chains, stage, given })
    }

    fn patches(&self, file: &Path) -> Result<(Vec<HandedIn>, Vec<Unfit>), Failure> {
        let (mut patches, mut unfit, mut known) = (Vec::new(), Vec::new(), BTreeSet::new());
        let rollouts = Rollouts::open(file).map_err(catena_dataset::ExportError::from)?;
        for (index, rollout) in rollouts.enumerate() {
            let rollout = rollout.map_err(|it| {
                Failure::input(anyhow!("{}: {}", it.place, it.reason)).with_hint(
                    "`catena import` makes such a file of trajectories of other programs",
                )
            })?;
            let id = rollout.rollout.clone();
            if !known.insert(id.clone()) {
                return Err(Failure::input(anyhow!(
                    "`{}` has rollout `{id}` twice",
                    file.display()
                ))
                .with_hint("import its files again: `catena import` numbers them"));
            }
            if index > 0 && matches!(self.given, Given::One(_)) {
                return Err(Failure::input(anyhow!(
                    "there are several trajectories, and one patch"
                ))
                .with_hint("`--patch` takes SWE-bench's predictions as well, by instance"));
            }
            match self.patch(&rollout) {
                Ok(patch) => patches.push(patch),
                Err(reason) => unfit.push(Unfit { rollout: id, reason }),
            }
        }
        Ok((patches, unfit))
    }

    fn patch(&self, rollout: &Rollout) -> Result<HandedIn, String> {
        let own = rollout.patch().map(str::to_owned).map_err(|err| err.to_string());
        let text = match &self.given {
            Given::Nothing => own,
            Given::One(text) => Ok(text.clone()),
            Given::Predictions(all) => match all.get(&rollout.source.name) {
                Some(text) if is_patch(text) => Ok(text.clone()),
                Some(_) => Err("what the predictions have of it is no patch".to_owned()),
                None => own.map_err(|why| format!("{why}, and the predictions have none of it")),
            },
        }?;
        let (chain, stage) = self.stage.map_or_else(|| self.told_stage(rollout), Ok)?;
        let about = PlannedPatch {
            rollout: rollout.rollout.clone(),
            trajectory: judgements::trajectory_digest(rollout),
            patch: Digest::of(text.as_bytes()),
            chain: chain.id.clone(),
            stage: stage.id.clone(),
        };
        Ok(HandedIn { about, text })
    }

    /// The stage of the pull request that the import names.
    fn told_stage(&self, rollout: &Rollout) -> Result<(&'a Chain, &'a Stage), String> {
        let number = rollout.chain.first().and_then(|task| task.pull_request);
        let (Some(repository), Some(number)) = (&rollout.repository, number) else {
            let name = &rollout.source.name;
            return Err(format!(
                "its name `{name}` tells no pull request; `--stage` names a stage"
            ));
        };
        let own = self.chains.repository.name.as_str();
        if !own.eq_ignore_ascii_case(repository) {
            return Err(format!("it is of `{repository}`, and the chain file of `{own}`"));
        }
        let is_it =
            |stage: &&Stage| stage.pull_request.as_ref().is_some_and(|it| it.number == number);
        let of_chain = |chain: &'a Chain| Some((chain, chain.stages.iter().find(is_it)?));
        let found = self.chains.chains.iter().find_map(of_chain);
        found.ok_or_else(|| format!("the chain file has no stage of `{repository}#{number}`"))
    }
}

fn named_stage<'a>(chains: &'a ChainFile, name: &str) -> Result<(&'a Chain, &'a Stage), Failure> {
    let of_chain = |chain: &'a Chain| {
        let own = name.strip_prefix(chain.id.as_str())?.strip_prefix('/')?;
        Some((chain, chain.stages.iter().find(|stage| stage.id.as_str() == own)?))
    };
    chains.chains.iter().find_map(of_chain).ok_or_else(|| {
        Failure::input(anyhow!("the chain file has no stage `{name}`"))
            .with_hint("write it as `CHAIN/STAGE`; `catena chain show` tells both")
    })
}

impl Given {
    fn load(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path);
        let text = text.with_context(|| format!("can't read `{}`", path.display()));
        let text = text.map_err(Failure::input)?;
        if is_patch(&text) && !text.trim_start().starts_with(['{', '[']) {
            return Ok(Self::One(text));
        }
        let predictions = predictions(&text).filter(|all| !all.is_empty());
        predictions.map(Self::Predictions).ok_or_else(|| {
            let path = path.display();
            Failure::input(anyhow!("`{path}` is neither a patch nor predictions")).with_hint(
                "give what `git diff` prints, or objects with `instance_id` and `model_patch`",
            )
        })
    }
}

/// SWE-bench's predictions by instance: an object of objects, a list, or JSON lines.
fn predictions(text: &str) -> Option<BTreeMap<String, String>> {
    let objects: Vec<Value> = match serde_json::from_str(text) {
        Ok(Value::Object(by_name)) if !by_name.contains_key("instance_id") => {
            let named = by_name.into_iter().map(|(name, mut object)| {
                if let Some(object) = object.as_object_mut() {
                    object.entry("instance_id").or_insert(name.into());
                }
                object
            });
            named.collect()
        }
        Ok(Value::Array(list)) => list,
        Ok(one) => vec![one],
        Err(_) => {
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            lines.map(serde_json::from_str).collect::<Result<_, _>>().ok()?
        }
    };
    let of_object = |object: &Value| {
        let text = |key: &str| object.get(key)?.as_str().map(str::to_owned);
        Some((text("instance_id")?, text("model_patch").unwrap_or_default()))
    };
    objects.iter().map(of_object).collect()
}
