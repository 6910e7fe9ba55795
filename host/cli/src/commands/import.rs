//! `catena import`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use catena_dataset::import::Lack;
use catena_dataset::{Form, import, output};
use clap::ValueHint;
use serde_json::json;

use crate::failure::Failure;
use crate::output::{Format, print_json, say};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Trajectory files of other programs
    #[arg(required = true, value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// Their form; without it, the one that each seems to be of
    #[arg(long, value_enum)]
    from: Option<FormName>,
    /// The file to write, in the form of `catena export --profile canonical`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: PathBuf,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum FormName {
    /// Harbor's ATIF
    Atif,
    /// mini-swe-agent's `*.traj.json`, of versions 1 and 2
    MiniSweAgent,
    /// Logs of SII-CLI
    Sii,
}

impl From<FormName> for Form {
    fn from(name: FormName) -> Self {
        match name {
            FormName::Atif => Self::Atif,
            FormName::MiniSweAgent => Self::MiniSweAgent,
            FormName::Sii => Self::Sii,
        }
    }
}

pub(crate) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, Failure> {
    let mut file = output::OutFile::create(&arguments.output)?;
    let io_error = output::ExportError::io(&arguments.output);
    let (mut turns, mut calls) = (0, 0);
    let mut refused = Vec::new();
    let mut known = BTreeSet::new();
    let mut lacks: BTreeMap<Lack, usize> = BTreeMap::new();
    for path in &arguments.files {
        let mut rollout = match import(path, arguments.from.map(Form::from)) {
            Ok(rollout) => rollout,
            Err(err) => {
                refused.push((path, anyhow::Error::from(err)));
                continue;
            }
        };
        // Several tries at one task are trials of it.
        while !known.insert(rollout.rollout.clone()) {
            rollout.rollout.trial += 1;
        }
        for lack in rollout.lacks() {
            *lacks.entry(lack).or_default() += 1;
        }
        turns += rollout.turns.len();
        calls += rollout.turns.iter().map(|turn| turn.calls.len()).sum::<usize>();
        let mut line = rollout.to_line()?;
        line.push(b'\n');
        file.write_all(&line).map_err(&io_error)?;
    }
    let imported = arguments.files.len() - refused.len();
    if imported == 0
        && let Some((_, err)) = refused.pop()
    {
        return Err(Failure::input(err).with_hint("`--from` says what form a file is of"));
    }
    file.finish()?;
    if format == Format::Json {
        let refused: Vec<_> = refused
            .iter()
            .map(|(path, err)| json!({"file": path, "reason": format!("{err:#}")}))
            .collect();
        print_json(&json!({
            "output": arguments.output, "trajectories": imported, "turns": turns,
            "tool_calls": calls, "refused": refused, "lacks": lacks,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let noun = if imported == 1 { "trajectory" } else { "trajectories" };
    let output = arguments.output.display();
    say!("{imported} {noun} with {turns} model turns and {calls} tool calls: {output}");
    for (lack, count) in &lacks {
        say!("{count} of {imported} have {}", lack.words());
    }
    if lacks.contains_key(&Lack::Verdict) {
        say!("`catena judge {output} --with JUDGE` scores those that have a patch");
    }
    for (_, err) in &refused {
        say!("left out: {err:#}");
    }
    Ok(ExitCode::SUCCESS)
}
