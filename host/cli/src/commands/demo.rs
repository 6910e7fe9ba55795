//! `catena demo`: from a repository to training data with what is embedded in
//! this program. It does what a user would do, by the same code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use catena_mine::{ChainLists, ResolveOptions, resolve};
use catena_rollout::Run;
use catena_tree::ObjectDatabase;
use clap::ValueHint;
use serde_json::json;

use crate::commands::export::{export_run, print_export, written_manifest};
use crate::commands::{run, show};
use crate::demo::repository::{self, CHAINS, SCRIPT};
use crate::failure::Failure;
use crate::machine::Machine;
use crate::output::{Format, say};
use crate::watch;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory for everything the demo makes, which must be new
    #[arg(long, value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
}

const RUN_FILE: &str = include_str!("../../demo/run.toml");

pub(crate) fn run(
    arguments: &Arguments,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    let begin = Instant::now();
    let dir = match &arguments.dir {
        Some(dir) => dir.clone(),
        None => free_dir()?,
    };
    if dir.exists() {
        return Err(Failure::input(anyhow::anyhow!("`{}` exists already", dir.display()))
            .with_hint("name another directory with `--dir`"));
    }
    machine.need_plugins(&["scaffold-mini", "tool-bash", "judge-diff"])?;
    fs::create_dir_all(&dir).with_context(|| format!("can't create `{}`", dir.display()))?;
    prepare(&dir)?;
    if format == Format::Text {
        say!("repository: {}", dir.join("gridline.git").display());
        say!("run file:   {}\n", dir.join("run.toml").display());
    }
    let options = machine.run_options(watch::watcher(format));
    let planned = Run::create(&dir.join("run.toml"), &dir.join("run"), &options)?;
    drop(options);
    let code = if format == Format::Text {
        run::carry_out(planned, format)?
    } else {
        run::carry_out_silently(planned)?
    };
    let output = dir.join("train.jsonl");
    let manifest = export_run(&dir.join("run"), &output)?;
    if format == Format::Json {
        let manifest = written_manifest(&output)?;
        let about = json!({"dir": dir, "run": dir.join("run"), "output": output,
            "manifest": manifest});
        show::show(&dir.join("run"), None, format, about)?;
        return Ok(code);
    }
    say!("\ndata");
    print_export(&manifest, &output);
    print_next(&machine.command(), &dir, begin);
    Ok(code)
}

/// Writes what the run file names: the repository, its chain, and the script.
fn prepare(dir: &Path) -> Result<(), Failure> {
    let clone = dir.join("gridline.git");
    repository::build(&clone).map_err(anyhow::Error::from)?;
    let lists = ChainLists::parse(CHAINS.as_bytes(), Path::new("chains.json"))
        .map_err(anyhow::Error::from)?;
    let database = ObjectDatabase::open(&clone).map_err(anyhow::Error::from)?;
    let resolution = resolve(&database, &lists, &ResolveOptions::default(), &mut |_| {})
        .map_err(anyhow::Error::from)?;
    if let Some(refused) = resolution.refused.first() {
        return Err(anyhow::anyhow!("the demo's chain does not resolve: {refused:?}").into());
    }
    resolution.file.save(&dir.join("chains.json")).map_err(anyhow::Error::from)?;
    for (name, text) in [("lists.json", CHAINS), ("script.json", SCRIPT), ("run.toml", RUN_FILE)] {
        let path = dir.join(name);
        fs::write(&path, text).with_context(|| format!("can't write `{}`", path.display()))?;
    }
    Ok(())
}

fn free_dir() -> Result<PathBuf, Failure> {
    let names = (1..1000).map(|number| match number {
        1 => "catena-demo".to_owned(),
        _ => format!("catena-demo-{number}"),
    });
    let free = names.map(PathBuf::from).find(|dir| !dir.exists());
    free.ok_or_else(|| {
        Failure::input(anyhow::anyhow!("there are a thousand demo directories here"))
            .with_hint("delete `catena-demo*`, or name a directory with `--dir`")
    })
}

fn print_next(catena: &str, dir: &Path, begin: Instant) {
    let dir = dir.display();
    say!("\ndone in {:.1}s. Next:", begin.elapsed().as_secs_f64());
    say!("  {catena} show {dir}/run --rollout gridline-alignment.1");
    say!("  {catena} verify {dir}/run");
    say!("  {catena} plugin explain tool-bash --run {dir}/run.toml");
}
