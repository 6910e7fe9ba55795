//! `catena chain lint`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use catena_chain::leak::{Beside, ChainFindings, Vocabulary};
use catena_chain::{Chain, ChainFile, Leak};
use catena_plugin::ProgramStore;
use catena_tree::{ObjectDatabase, TreeId};
use clap::ValueHint;
use serde_json::{Value, json};

use crate::failure::{CHECK_FAILED, Failure};
use crate::machine::Machine;
use crate::output::{Format, print_json, say};
use crate::watch;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A chain file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    chains: PathBuf,
    /// A clone of its repository; nothing is written to it
    #[arg(long, value_name = "PATH", value_hint = ValueHint::DirPath)]
    clone: PathBuf,
    /// A program that agents are to have, whose files are looked through too; may be
    /// given more than once
    #[arg(long = "program", value_name = "NAME")]
    programs: Vec<String>,
}

pub(crate) fn run(
    arguments: &Arguments,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    let file = ChainFile::load(&arguments.chains).map_err(|err| {
        Failure::input(err).with_hint("`catena chain build` and `catena chain resolve` make one")
    })?;
    let clone = ObjectDatabase::open(&arguments.clone).map_err(|err| {
        Failure::input(err).with_hint("`--clone` takes the path of a git repository")
    })?;
    file.verify(&clone).map_err(|err| {
        Failure::input(err).with_hint("`--clone` must be of the repository the chains are of")
    })?;
    let store = machine.programs();
    let trees = program_files(store, &arguments.programs)?;
    let objects = if trees.is_empty() { None } else { Some(store.database()?) };
    let beside: Vec<Beside<'_>> = objects
        .iter()
        .flat_map(|objects| {
            trees.iter().map(move |(place, tree)| Beside { place, objects, tree: *tree })
        })
        .collect();
    let bar = watch::bar(format, "looking for leaks");
    bar.set_length(file.chains.len() as u64);
    let mut vocabulary = Vocabulary::default();
    let mut found = Vec::new();
    for chain in &file.chains {
        let findings = chain.look_through(&clone, &mut vocabulary, &beside);
        found.push((chain, findings.map_err(anyhow::Error::from)?));
        bar.inc(1);
    }
    bar.finish_and_clear();
    match format {
        Format::Json => print_json(&as_json(&found))?,
        Format::Text => print_text(&found),
    }
    Ok(if found.iter().all(|(_, found)| is_clean(found)) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(CHECK_FAILED)
    })
}

/// The trees of programs, each with what stands before its paths.
fn program_files(store: &ProgramStore, names: &[String]) -> Result<Vec<(String, TreeId)>, Failure> {
    let mut trees = Vec::new();
    for name in names {
        for (place, tree) in store.stored(name)?.manifest.program.files {
            trees.push((format!("program `{name}`: {}/", place.trim_end_matches('/')), tree));
        }
    }
    Ok(trees)
}

fn is_clean(found: &ChainFindings) -> bool {
    let is_clean = |stage: &catena_chain::leak::StageFindings| {
        stage.query.leaks.is_empty() && stage.suspicions.is_empty()
    };
    found.overview.is_empty() && found.stages.iter().all(is_clean)
}

fn as_json(found: &[(&Chain, ChainFindings)]) -> Value {
    let chain = |(chain, found): &(&Chain, ChainFindings)| {
        let stages = found.stages.iter().map(|stage| {
            json!({
                "id": stage.stage,
                "leaks": stage.query.leaks,
                "told": stage.query.told,
                "interface": stage.interface,
                "suspicions": stage.suspicions,
            })
        });
        json!({
            "id": chain.id,
            "overview": found.overview,
            "stages": stages.collect::<Vec<_>>(),
        })
    };
    json!({ "chains": found.iter().map(chain).collect::<Vec<_>>() })
}

fn print_text(found: &[(&Chain, ChainFindings)]) {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let (mut stages, mut leaking) = (0, 0);
    for (chain, found) in found.iter().filter(|(_, found)| !is_clean(found)) {
        say!("{}", chain.id);
        say_leaks("overview", &found.overview, &mut kinds);
        for stage in &found.stages {
            say_leaks(stage.stage.as_str(), &stage.query.leaks, &mut kinds);
            for suspicion in &stage.suspicions {
                let (kind, path) = (suspicion.kind, &suspicion.path);
                say!(
                    "  {}: the code before it, {kind}: {} in {path}",
                    stage.stage,
                    suspicion.excerpt
                );
                *kinds.entry(kind.to_string()).or_default() += 1;
            }
        }
    }
    for stage in found.iter().flat_map(|(_, found)| &found.stages) {
        stages += 1;
        leaking += usize::from(!stage.query.leaks.is_empty());
    }
    say!("{leaking} of {stages} queries give something away");
    for (kind, count) in kinds {
        say!("  {count} × {kind}");
    }
}

fn say_leaks(place: &str, leaks: &[Leak], kinds: &mut BTreeMap<String, usize>) {
    for leak in leaks {
        say!("  {place}: {}: {}", leak.kind, leak.excerpt);
        *kinds.entry(leak.kind.to_string()).or_default() += 1;
    }
}
