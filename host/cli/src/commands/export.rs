//! `catena export`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use catena_dataset::export::Order;
use catena_dataset::tokens::NamedFile;
use catena_dataset::{
    Counter, Criteria, ExportError, Instances, Manifest, Profile, Split, Take, export,
    manifest_path,
};
use clap::ValueHint;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::{Format, grouped, print_json, say, table};

/// From this many rollouts on, those left out are counted and not listed.
const MANY: u64 = 20;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directories of runs, or files of `--profile canonical`
    #[arg(required = true, value_hint = ValueHint::AnyPath)]
    runs: Vec<PathBuf>,
    /// The form of the data
    #[arg(long, value_enum)]
    profile: ProfileName,
    /// The file to write, with a manifest beside it; the directory for `mini-swe-agent`
    ///
    /// A file that ends in `.gz` or `.zst` is compressed.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: PathBuf,
    #[command(flatten)]
    selection: Selection,
    /// Count tokens with this `tokenizer.json`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    tokenizer: Option<PathBuf>,
    /// Put the digest of the chat template that the data is meant for into the manifest
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    chat_template: Option<PathBuf>,
    /// Write a file for each part: `train=0.9,val=0.1`, by repository; `owner/name=test` names one
    #[arg(long, value_name = "PARTS")]
    split: Option<String>,
}

#[derive(clap::Args, Default)]
#[command(next_help_heading = "Selection")]
pub(crate) struct Selection {
    /// Take chains of which every stage was accepted, and no accepted beginnings
    #[arg(long)]
    complete: bool,
    /// Take all stages, whatever judges said of them: for what was imported
    #[arg(long, conflicts_with_all = ["complete", "threshold", "max_rounds", "min_stages"])]
    unjudged: bool,
    /// The score that every stage must have, where that is more than the run asked
    #[arg(long, value_name = "SCORE")]
    threshold: Option<f64>,
    /// The most rounds that a stage may have taken
    #[arg(long, value_name = "N")]
    max_rounds: Option<u32>,
    /// The fewest accepted stages
    #[arg(long, value_name = "N")]
    min_stages: Option<usize>,
    /// The most tokens of a sample; asks for `--tokenizer`
    #[arg(long, value_name = "N", requires = "tokenizer")]
    max_tokens: Option<u64>,
    /// Leave out samples that say the same as an earlier one
    #[arg(long)]
    dedupe: bool,
    /// Leave out rollouts with a task in this list of pull requests, SWE-bench instances or commits
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    exclude: Vec<PathBuf>,
    /// Count the verdicts of `catena judge` under this name, in the place of the rollouts' own
    #[arg(long, value_name = "NAME")]
    judgements: Option<String>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum ProfileName {
    /// Everything there is of each rollout, one a line
    Canonical,
    /// Chat fine-tuning files, JSON lines
    Openai,
    /// slime's supervised fine-tuning, JSON lines with `step_loss_mask`
    Slime,
    /// `ShareGPT` as LLaMA-Factory reads it, JSON lines
    Sharegpt,
    /// trl's supervised fine-tuning, JSON lines of prompts and completions
    Trl,
    /// verl's supervised fine-tuning, Parquet
    Verl,
    /// Harbor's ATIF, one trajectory a line
    Atif,
    /// A directory of `*.traj.json`, failed rollouts included, for mini-swe-agent's inspector
    MiniSweAgent,
    /// Pairs of an accepted and a rejected try for trl's DPO, JSON lines
    Preference,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Canonical => Self::Canonical,
            ProfileName::Openai => Self::Openai,
            ProfileName::Slime => Self::Slime,
            ProfileName::Sharegpt => Self::Sharegpt,
            ProfileName::Trl => Self::Trl,
            ProfileName::Verl => Self::Verl,
            ProfileName::Atif => Self::Atif,
            ProfileName::MiniSweAgent => Self::MiniSweAgent,
            ProfileName::Preference => Self::Preference,
        }
    }
}

impl Selection {
    /// The name of the judgements whose verdicts count.
    pub(crate) fn judgements(&self) -> Option<&str> {
        self.judgements.as_deref()
    }

    /// The conditions, with the lists that they leave out.
    pub(crate) fn criteria(&self) -> Result<(Criteria, Vec<NamedFile>), Failure> {
        let mut exclude = Instances::default();
        let mut excluded = Vec::new();
        for path in &self.exclude {
            exclude.load(path).map_err(Failure::input)?;
            excluded.push(NamedFile::of(path).map_err(Failure::input)?);
        }
        let take = match (self.unjudged, self.complete) {
            (true, _) => Take::Everything,
            (_, true) => Take::CompleteChains,
            _ => Take::AcceptedPrefix,
        };
        let criteria = Criteria {
            take,
            threshold: self.threshold,
            max_rounds: self.max_rounds,
            min_stages: self.min_stages,
            max_tokens: self.max_tokens,
            dedupe: self.dedupe,
            exclude,
        };
        Ok((criteria, excluded))
    }
}

pub(crate) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, Failure> {
    let (criteria, excluded) = arguments.selection.criteria()?;
    let counter = arguments.tokenizer.as_deref().map(Counter::load).transpose();
    let counter = counter.map_err(Failure::input)?;
    let split = arguments.split.as_deref().map(Split::parse).transpose();
    let split = split
        .map_err(|err| Failure::input(err).with_hint("write shares such as `train=0.9,val=0.1`"))?;
    let template = arguments.chat_template.as_deref().map(NamedFile::of).transpose();
    let manifest = export(&Order {
        sources: &arguments.runs,
        profile: arguments.profile.into(),
        output: &arguments.output,
        criteria: &criteria,
        excluded,
        split: split.as_ref(),
        split_text: arguments.split.clone(),
        counter: counter.as_ref(),
        chat_template: template.map_err(Failure::input)?,
        judgements: arguments.selection.judgements(),
    })?;
    if format == Format::Json {
        let manifest = written_manifest(&arguments.output)?;
        print_json(&json!({"output": arguments.output, "manifest": manifest}))?;
    } else {
        print_export(&manifest, &arguments.output);
    }
    Ok(ExitCode::SUCCESS)
}

/// Exports a run as chat fine-tuning files.
pub(crate) fn export_run(dir: &Path, output: &Path) -> Result<Manifest, Failure> {
    let (sources, criteria) = ([dir.to_owned()], Criteria::default());
    Ok(export(&Order::of(&sources, Profile::Openai, output, &criteria))?)
}

/// The manifest of an export with all that it says of each row.
pub(crate) fn written_manifest(output: &Path) -> Result<Value, Failure> {
    let path = manifest_path(output);
    let text = std::fs::read(&path).with_context(|| format!("can't read `{}`", path.display()))?;
    Ok(serde_json::from_slice(&text)?)
}

/// Says what was exported and what was not.
pub(crate) fn print_export(manifest: &Manifest, output: &Path) {
    let counts = &manifest.counts;
    let noun = match (manifest.profile, counts.rows) {
        (Profile::Canonical | Profile::Atif | Profile::MiniSweAgent, 1) => "trajectory",
        (Profile::Canonical | Profile::Atif | Profile::MiniSweAgent, _) => "trajectories",
        (Profile::Preference, 1) => "pair",
        (Profile::Preference, _) => "pairs",
        (_, 1) => "sample",
        _ => "samples",
    };
    let what = match manifest.profile {
        Profile::Preference | Profile::MiniSweAgent => String::new(),
        _ => format!(
            " with {} model turns and {} tool calls",
            grouped(counts.trained_turns),
            grouped(counts.tool_calls),
        ),
    };
    let files = &manifest.files;
    let is_split = files.iter().any(|file| file.part.is_some());
    let place = if is_split { "in parts".into() } else { output.display().to_string() };
    say!("{} {noun}{what}: {place}", counts.rows);
    if let Some(tokens) = counts.tokens {
        say!("{} tokens are learned, {} are not", grouped(tokens.trained), grouped(tokens.masked));
    }
    for file in files.iter().filter(|_| is_split) {
        say!("{}: {} rows", output.with_file_name(&file.file).display(), file.rows);
    }
    say!("manifest: {}", manifest_path(output).display());
    for name in &manifest.unmatched {
        say!("no rollout is of `{name}`, which the split names");
    }
    print_dropped(manifest);
}

fn print_dropped(manifest: &Manifest) {
    if manifest.counts.rollouts >= MANY {
        let mut funnel = table(&["rollouts", "left", "out"]);
        for step in &manifest.funnel {
            let reason = step.reason.map_or("read", catena_dataset::select::Reason::word);
            funnel.add_row(vec![reason.to_owned(), grouped(step.left), grouped(step.out)]);
        }
        say!("{funnel}");
        let mut samples: BTreeMap<&str, u64> = BTreeMap::new();
        for dropped in manifest.dropped.iter().filter(|dropped| dropped.sample.is_some()) {
            *samples.entry(dropped.reason.word()).or_default() += 1;
        }
        for (reason, count) in samples {
            let noun = if count == 1 { "sample" } else { "samples" };
            say!("left out: {} {noun} ({reason})", grouped(count));
        }
        return;
    }
    for dropped in &manifest.dropped {
        let rollout =
            dropped.rollout.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string);
        let sample = dropped.sample.map_or_else(String::new, |sample| {
            format!(", conversation {} history {}", sample.conversation.0, sample.history)
        });
        let detail = dropped.detail.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        say!("left out: rollout {rollout}{sample} ({}){detail}", dropped.reason.word());
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Source(catena_dataset::source::SourceError::Run(err)) => err.into(),
            ExportError::Source(err) => Self::input(err)
                .with_hint("name directories of runs, or files of `--profile canonical`"),
            err @ ExportError::Unfit { .. } => Self::input(err)
                .with_hint("leave that option out; `docs/export.md` says which form takes which"),
            err @ ExportError::Io { .. } => anyhow::Error::from(err).into(),
        }
    }
}
