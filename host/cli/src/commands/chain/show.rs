//! `catena chain show`.

use std::path::PathBuf;
use std::process::ExitCode;

use catena_chain::{Chain, ChainFile, ChainId, Edge, EdgeKind, Place, ReferencePatch, Stage};
use clap::ValueHint;

use crate::failure::Failure;
use crate::output::{Format, print_json, say, table};

/// Chains that are listed when none is named.
const LISTED: usize = 20;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A chain file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    chains: PathBuf,
    /// The chain to explain; a list of the chains if none is named
    #[arg(value_name = "CHAIN")]
    chain: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, Failure> {
    let file = ChainFile::load(&arguments.chains).map_err(|err| {
        Failure::input(err).with_hint("`catena chain build` and `catena chain resolve` make one")
    })?;
    let Some(name) = &arguments.chain else {
        match format {
            Format::Json => print_json(&file)?,
            Format::Text => list(&file),
        }
        return Ok(ExitCode::SUCCESS);
    };
    let chain = find(&file, name)?;
    match format {
        Format::Json => print_json(chain)?,
        Format::Text => explain(&file, chain),
    }
    Ok(ExitCode::SUCCESS)
}

fn find<'a>(file: &'a ChainFile, name: &str) -> Result<&'a Chain, Failure> {
    let found = ChainId::new(name).ok().and_then(|id| file.chain(&id));
    found.ok_or_else(|| {
        Failure::input(anyhow::anyhow!("no chain is called `{name}`"))
            .with_hint("leave the name out to see which there are")
    })
}

fn list(file: &ChainFile) {
    let stages: usize = file.chains.iter().map(|chain| chain.stages.len()).sum();
    let chains = file.chains.len();
    say!(
        "{} on `{}`: {chains} chains, {stages} stages",
        file.repository.name,
        file.repository.default_branch
    );
    let mut rows = table(&["chain", "stages", "links", "begins with"]);
    for chain in file.chains.iter().take(LISTED) {
        let first = chain.stages.first().map(title).unwrap_or_default();
        let (stages, links) = (chain.stages.len(), chain.edges.len());
        rows.add_row(vec![chain.id.to_string(), stages.to_string(), links.to_string(), first]);
    }
    say!("{rows}");
    if chains > LISTED {
        say!("and {} more; `--json` has them all", chains - LISTED);
    }
}

fn explain(file: &ChainFile, chain: &Chain) {
    say!("chain {} of {} on `{}`", chain.id, file.repository.name, file.repository.default_branch);
    let mut rows = table(&["stage", "merge", "files", "lines", "title"]);
    for stage in &chain.stages {
        let merge: String = stage.merge.to_string().chars().take(10).collect();
        let (files, lines) = size(stage);
        rows.add_row(vec![stage.id.to_string(), merge, files, lines, title(stage)]);
    }
    say!("{rows}");
    if chain.edges.is_empty() {
        say!("nothing is known of how these depend on each other");
    }
    for edge in &chain.edges {
        say!("{} builds on {}", edge.from, edge.to);
        for line in evidence(edge) {
            say!("  {line}");
        }
    }
}

fn size(stage: &Stage) -> (String, String) {
    match &stage.reference_patch {
        ReferencePatch::Available { files, added, deleted, .. } => {
            (files.to_string(), format!("+{added} −{deleted}"))
        }
        ReferencePatch::MissingObjects { .. } => ("?".to_owned(), "not in the clone".to_owned()),
    }
}

fn title(stage: &Stage) -> String {
    let title = stage.pull_request.as_ref().map(|pull_request| pull_request.title.as_str());
    title.or(stage.query.lines().next()).unwrap_or_default().chars().take(70).collect()
}

fn evidence(edge: &Edge) -> Vec<String> {
    edge.evidence
        .iter()
        .map(|piece| {
            let says = match piece.kind {
                EdgeKind::Fixes => "fixes it",
                EdgeKind::Reverts => "reverts it",
                EdgeKind::Supersedes => "supersedes it",
                EdgeKind::FollowsUp => "follows it up",
                EdgeKind::Mentions => "mentions it",
                EdgeKind::TouchesLinesOf => "changes its lines",
            };
            let by = piece.author.as_ref().map(|author| format!(" by {author}"));
            let by = by.unwrap_or_default();
            format!("{says}, {}{by}: {}", place(&piece.place), piece.excerpt)
        })
        .collect()
}

fn place(place: &Place) -> String {
    match place {
        Place::Title => "in the title".to_owned(),
        Place::Body => "in the description".to_owned(),
        Place::MergeMessage => "in the merge message".to_owned(),
        Place::CommitMessage { commit } => {
            let short: String = commit.to_string().chars().take(10).collect();
            format!("in commit {short}")
        }
        Place::Comment => "in a comment".to_owned(),
        Place::Review => "in a review".to_owned(),
        Place::UnderEarlier => "in a comment under the earlier one".to_owned(),
        Place::Issue { issue } => format!("in issue #{issue}"),
        Place::CrossReference => "in GitHub's list of mentions".to_owned(),
        Place::Lines { path } => format!("in {path}"),
    }
}
