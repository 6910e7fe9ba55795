//! `catena redteam`: attacks this machine's own sandbox and says what came of it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use catena_worker::host::try_walls;
use clap::ValueHint;
use serde_json::json;

use crate::failure::{CHECK_FAILED, Failure};
use crate::machine::Machine;
use crate::output::{Format, print_json, say, table};
use crate::redteam::arena::{Arena, PLUGINS};
use crate::redteam::attack::Attack;
use crate::redteam::contest::Contest;
use crate::redteam::scorecard;
use crate::redteam::table::all;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Make this attack alone; may be given more than once
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Make the attacks of these attackers alone: `scaffold`, `program`, `component`, `cache`,
    /// `agent`, `deceiver`, `tool` or `judge`
    #[arg(long, value_name = "WHO")]
    by: Vec<String>,
    /// List the attacks and make none
    #[arg(long)]
    list: bool,
    /// Directory that keeps the runs, which must be new; nothing is kept by default
    #[arg(long, value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
}

pub(crate) fn run(
    arguments: &Arguments,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    let attacks = chosen(arguments)?;
    if arguments.list {
        return list(&attacks, format);
    }
    machine.need_plugins(&PLUGINS)?;
    let temporary = tempfile::tempdir().context("can't make a temporary directory")?;
    let dir = match &arguments.dir {
        Some(dir) => {
            std::fs::create_dir(dir)
                .with_context(|| format!("can't create `{}`", dir.display()))
                .map_err(|err| Failure::input(err).with_hint("name another directory"))?;
            std::path::absolute(dir).context("can't find the current directory")?
        }
        None => temporary.path().join("redteam"),
    };
    std::fs::create_dir_all(&dir).with_context(|| format!("can't create `{}`", dir.display()))?;
    hold(&attacks, &dir, machine, format)
}

fn hold(
    attacks: &[&'static Attack],
    dir: &Path,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Runtime::new().context("can't start the runtime")?;
    let walls =
        runtime.block_on(try_walls(&machine.worker_command(), dir)).map_err(anyhow::Error::from)?;
    let suite = machine.find_plugin(Path::new("program-suite"));
    let arena = Arena::prepare(dir, suite).context("can't prepare the attacks")?;
    let mut contest = Contest::new(machine, arena);
    let mut rows = Vec::new();
    for (number, attack) in attacks.iter().enumerate() {
        let row = contest.hold(attack).with_context(|| format!("`{}`", attack.name))?;
        let verdict = if row.contained { "ok" } else { "FAILED" };
        eprintln!("{}/{} {}: {}, {verdict}", number + 1, attacks.len(), row.name, row.end);
        rows.push(row);
    }
    let failed = rows.iter().filter(|row| !row.contained).count();
    if format == Format::Json {
        print_json(&json!({"passed": failed == 0, "walls": walls, "attacks": rows}))?;
    } else {
        scorecard::print(&rows);
        say!("walls: {walls}");
        say!("{} attacks, {failed} not contained", rows.len());
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(CHECK_FAILED) })
}

/// The attacks that are asked for; all, where none is.
fn chosen(arguments: &Arguments) -> Result<Vec<&'static Attack>, Failure> {
    let (only, by) = (&arguments.only, &arguments.by);
    for name in only {
        if !all().any(|attack| attack.name == name) {
            return Err(unknown(name));
        }
    }
    for who in by {
        if !all().any(|attack| attack.means.word() == who) {
            return Err(unknown(who));
        }
    }
    let is_chosen = |attack: &&Attack| {
        (only.is_empty() || only.iter().any(|name| name == attack.name))
            && (by.is_empty() || by.iter().any(|who| who == attack.means.word()))
    };
    let chosen: Vec<_> = all().filter(is_chosen).collect();
    if chosen.is_empty() {
        let (only, by) = (only.join("`, `"), by.join("`, `"));
        let none = anyhow::anyhow!("no attack is both: named `{only}`, and by `{by}`");
        return Err(Failure::input(none).with_hint("`catena redteam --list` shows who makes each"));
    }
    Ok(chosen)
}

fn unknown(name: &str) -> Failure {
    Failure::input(anyhow::anyhow!("there is no attack `{name}`"))
        .with_hint("`catena redteam --list` shows all")
}

fn list(attacks: &[&Attack], format: Format) -> Result<ExitCode, Failure> {
    if format == Format::Json {
        let attacks: Vec<_> = attacks
            .iter()
            .map(|attack| {
                json!({"name": attack.name, "by": attack.means.word(), "tries": attack.tries,
                    "expected": attack.expected})
            })
            .collect();
        print_json(&attacks)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut shown = table(&["attack", "by", "what it does", "may come to"]);
    for attack in attacks {
        let expected: Vec<&str> = attack.expected.iter().map(|end| end.word()).collect();
        shown.add_row([attack.name, attack.means.word(), attack.tries, &expected.join(", ")]);
    }
    say!("{shown}");
    Ok(ExitCode::SUCCESS)
}
