//! `catena mine`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use catena_chain::RepositoryName;
use catena_mine::catalogue::{Catalogue, MineOptions, MineProgress};
use catena_mine::origins::Readable;
use catena_tree::ObjectDatabase;
use clap::ValueHint;
use serde_json::json;

use crate::failure::Failure;
use crate::output::{Format, grouped, print_json, say};
use crate::watch;

/// Find the pull requests of a clone, and what each did to the others' lines.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A clone of the repository; nothing is written to it
    #[arg(long, value_name = "PATH", value_hint = ValueHint::DirPath)]
    clone: PathBuf,
    /// The repository that the clone is of
    #[arg(long, value_name = "OWNER/NAME")]
    repository: RepositoryName,
    /// The catalogue to write, an SQLite file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: PathBuf,
    /// The branch the pull requests were merged into; that of `HEAD` by default
    #[arg(long)]
    branch: Option<String>,
    /// Only the newest N pull requests
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Only those that landed on or after this day (UTC)
    #[arg(long, value_name = "YYYY-MM-DD")]
    since: Option<jiff::civil::Date>,
}

pub(crate) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, Failure> {
    let clone = ObjectDatabase::open(&arguments.clone).map_err(|err| {
        Failure::input(err).with_hint("`--clone` takes the path of a git repository")
    })?;
    let branch = match &arguments.branch {
        Some(branch) => branch.clone(),
        None => clone.head_branch().map_err(Failure::input)?.ok_or_else(|| {
            Failure::input(anyhow::anyhow!("`HEAD` of the clone stands for no branch"))
                .with_hint("name the branch with `--branch`")
        })?,
    };
    let since = arguments.since.map(|day| day.to_zoned(jiff::tz::TimeZone::UTC)).transpose();
    let since = since.map_err(Failure::input)?.map(|day| day.timestamp().as_second());
    let options = MineOptions { limit: arguments.limit, since };
    let bar = watch::bar(format, "reading history");
    let repository = arguments.repository.clone();
    let mined = Catalogue::mine(&clone, repository, &branch, &options, &mut |step| match step {
        MineProgress::History { commits } => {
            bar.set_message(format!("reading history: {commits}"));
        }
        MineProgress::Lines { done, all } => {
            bar.set_message("following lines");
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        }
    });
    bar.finish_and_clear();
    let catalogue = mined.map_err(|err| {
        Failure::input(err).with_hint("a shallow clone needs `git fetch --unshallow`")
    })?;
    catalogue.save(&arguments.output).map_err(anyhow::Error::from)?;
    report(&catalogue, arguments, format)
}

fn report(
    catalogue: &Catalogue,
    arguments: &Arguments,
    format: Format,
) -> Result<ExitCode, Failure> {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for pull_request in &catalogue.pull_requests {
        *kinds.entry(pull_request.kind.word()).or_default() += 1;
    }
    let all = &catalogue.pull_requests;
    let touching = all.iter().filter(|pull_request| !pull_request.touches.is_empty()).count();
    let missing = all
        .iter()
        .flat_map(|pull_request| &pull_request.files)
        .filter(|file| file.content == Readable::Missing)
        .count();
    if format == Format::Json {
        print_json(&json!({
            "output": arguments.output,
            "repository": catalogue.repository,
            "branch": catalogue.branch,
            "tip": catalogue.tip.to_string(),
            "pull_requests": all.len(),
            "landed": kinds,
            "landed_elsewhere": catalogue.elsewhere.len(),
            "touching_earlier_lines": touching,
            "missing_contents": missing,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let count = |value: usize| grouped(value as u64);
    say!("{} on `{}`: {} pull requests", catalogue.repository, catalogue.branch, count(all.len()));
    for (kind, number) in kinds {
        say!("  {} landed by {kind}", count(number));
    }
    say!("  {} change lines of an earlier one", count(touching));
    if !catalogue.elsewhere.is_empty() {
        say!("{} more landed on other branches only", count(catalogue.elsewhere.len()));
    }
    if missing > 0 {
        say!("{} contents are not in this clone; their lines were not followed", count(missing));
    }
    say!("catalogue: {}", arguments.output.display());
    Ok(ExitCode::SUCCESS)
}
