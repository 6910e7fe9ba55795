//! `catena mine`.

mod github;
mod survey;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use catena_chain::RepositoryName;
use catena_mine::catalogue::{Catalogue, MineOptions, MineProgress, Told};
use catena_mine::discussion::Discussion;
use catena_mine::exported;
use catena_mine::github::{Cache, FetchOptions, Fetched};
use catena_mine::origins::Readable;
use catena_tree::ObjectDatabase;
use clap::ValueHint;
use serde_json::json;

use crate::failure::Failure;
use crate::output::{Format, grouped, print_json, say};
use crate::watch;

/// Find the pull requests of a repository on GitHub, of a clone, or of both.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Ask GitHub for the pull requests of this repository
    #[arg(value_name = "OWNER/NAME", required_unless_present = "clone")]
    github: Option<RepositoryName>,
    /// A clone of the repository, for a catalogue of both; nothing is written to it
    #[arg(long, value_name = "PATH", value_hint = ValueHint::DirPath, requires = "output")]
    clone: Option<PathBuf>,
    /// The repository that the clone is of, where GitHub is not asked; with
    /// `--cache`, what it told before is put to what the clone knows
    #[arg(long, value_name = "OWNER/NAME", requires = "clone", conflicts_with = "github")]
    repository: Option<RepositoryName>,
    /// The catalogue to write, an SQLite file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "clone")]
    output: Option<PathBuf>,
    /// Where GitHub's answers are kept, an SQLite file; `NAME.github.db` by default
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    cache: Option<PathBuf>,
    /// A list of pull requests that `gh pr list --json` or REST gave, in the place
    /// of GitHub and its cache
    #[arg(
        long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "repository",
        conflicts_with = "cache"
    )]
    import: Option<PathBuf>,
    #[command(flatten)]
    server: github::Server,
    /// The branch the pull requests were merged into; that of `HEAD` by default
    #[arg(long, requires = "clone")]
    branch: Option<String>,
    /// Only the newest N pull requests
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Only those that landed on or after this day (UTC)
    #[arg(long, value_name = "YYYY-MM-DD")]
    since: Option<jiff::civil::Date>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Tell what the choice of a repository needs: pull requests, reviews, languages
    Survey(survey::Arguments),
}

pub(crate) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, Failure> {
    if let Some(Command::Survey(arguments)) = &arguments.command {
        return survey::run(arguments, format);
    }
    let since = arguments.since.map(|day| day.to_zoned(jiff::tz::TimeZone::UTC)).transpose();
    let since = since.map_err(Failure::input)?.map(|day| day.timestamp().as_second());
    let options = MineOptions { limit: arguments.limit, since };
    let told = match &arguments.github {
        Some(repository) => {
            let limit = options.limit.map(|limit| limit as u64);
            let options = FetchOptions { limit, since };
            let path = arguments.cache.clone();
            let path = path.unwrap_or_else(|| github::default_cache(repository));
            let server = &arguments.server;
            let (mut cache, fetched) = github::fetch(server, repository, &path, &options, format)?;
            if arguments.clone.is_none() {
                return report_fetched(cache, &fetched, &path, format);
            }
            told(&mut cache, repository)?
        }
        None => told_before(arguments)?,
    };
    let (Some(clone), Some(output)) = (&arguments.clone, &arguments.output) else {
        return Err(Failure::input(anyhow::anyhow!("a clone needs `--output`")));
    };
    let catalogue = mine_clone(clone, &told, arguments, &options, format)?;
    catalogue.save(output).map_err(anyhow::Error::from)?;
    report(&catalogue, output, format)
}

/// What the cache has, if one is named, where GitHub is not asked.
fn told_before(arguments: &Arguments) -> Result<Told, Failure> {
    let Some(repository) = &arguments.repository else {
        return Err(Failure::input(anyhow::anyhow!(
            "nobody says of which repository the clone is"
        ))
        .with_hint("name it: `catena mine OWNER/NAME` asks GitHub too, `--repository` does not"));
    };
    if let Some(path) = &arguments.import {
        let pull_requests = exported::load(path, repository.as_str()).map_err(|err| {
            Failure::input(err).with_hint(
                "`--import` takes a JSON list of pull requests, as `gh pr list --state merged \
                 --json number,title,body,…` prints it",
            )
        })?;
        return Ok(Told { pull_requests, ..Told::nothing(repository.clone()) });
    }
    match &arguments.cache {
        Some(path) if path.exists() => told(&mut github::open(path)?, repository),
        Some(path) => {
            let missing = anyhow::anyhow!("there is no cache `{}`", path.display());
            Err(Failure::input(missing).with_hint("`catena mine OWNER/NAME` makes one"))
        }
        None => Ok(Told::nothing(repository.clone())),
    }
}

fn told(cache: &mut Cache, repository: &RepositoryName) -> Result<Told, Failure> {
    Told::from_cache(cache, repository.clone()).map_err(|err| github::failure(err.into()))
}

fn report_fetched(
    mut cache: Cache,
    fetched: &Fetched,
    path: &Path,
    format: Format,
) -> Result<ExitCode, Failure> {
    let known = cache.repository().map_err(|err| github::failure(err.into()))?;
    let (name, license) = known.map(|it| (it.name, it.license)).unzip();
    let license = license.flatten();
    if format == Format::Json {
        print_json(&json!({
            "cache": path,
            "repository": name,
            "license": license,
            "merged": fetched.merged,
            "fetched": fetched.fetched,
            "cached": fetched.cached,
            "set_aside": fetched.set_aside,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let name = name.map(|name| name.to_string()).unwrap_or_default();
    say!(
        "{name}: {} of {} merged pull requests are in the cache, {} of them fetched now",
        grouped(fetched.cached),
        grouped(fetched.merged),
        grouped(fetched.fetched)
    );
    if fetched.set_aside > 0 {
        say!(
            "{} more that GitHub could not answer for are in the table `set_aside`; the same command \
             asks for them again",
            grouped(fetched.set_aside)
        );
    }
    say!("licence: {}", license.as_deref().unwrap_or("none that GitHub knows"));
    say!("cache: {}", path.display());
    Ok(ExitCode::SUCCESS)
}

fn mine_clone(
    path: &Path,
    told: &Told,
    arguments: &Arguments,
    options: &MineOptions,
    format: Format,
) -> Result<Catalogue, Failure> {
    let clone = ObjectDatabase::open(path).map_err(|err| {
        Failure::input(err).with_hint("`--clone` takes the path of a git repository")
    })?;
    let branch = match &arguments.branch {
        Some(branch) => branch.clone(),
        None => clone.head_branch().map_err(Failure::input)?.ok_or_else(|| {
            Failure::input(anyhow::anyhow!("`HEAD` of the clone stands for no branch"))
                .with_hint("name the branch with `--branch`")
        })?,
    };
    let bar = watch::bar(format, "reading history");
    let mut show = |step| match step {
        MineProgress::History { commits } => {
            bar.set_message(format!("reading history: {commits}"));
        }
        MineProgress::Lines { done, all } => {
            bar.set_message("following lines");
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        }
    };
    let mined = Catalogue::mine_told(&clone, told, &branch, options, &mut show);
    bar.finish_and_clear();
    mined.map_err(|err| {
        Failure::input(err).with_hint("a shallow clone needs `git fetch --unshallow`")
    })
}

fn report(catalogue: &Catalogue, output: &Path, format: Format) -> Result<ExitCode, Failure> {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for pull_request in &catalogue.pull_requests {
        *kinds.entry(pull_request.kind.word()).or_default() += 1;
    }
    let all = &catalogue.pull_requests;
    let touching = all.iter().filter(|pull_request| !pull_request.touches.is_empty()).count();
    let quiet = Discussion::default();
    let discussed = all.iter().filter(|pull_request| pull_request.discussion != quiet).count();
    let missing = all
        .iter()
        .flat_map(|pull_request| &pull_request.files)
        .filter(|file| file.content == Readable::Missing)
        .count();
    if format == Format::Json {
        print_json(&json!({
            "output": output,
            "repository": catalogue.repository,
            "branch": catalogue.branch,
            "tip": catalogue.tip.to_string(),
            "pull_requests": all.len(),
            "landed": kinds,
            "landed_elsewhere": catalogue.elsewhere.len(),
            "touching_earlier_lines": touching,
            "discussed": discussed,
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
    if discussed > 0 {
        say!("  {} were discussed on GitHub", count(discussed));
    }
    if !catalogue.elsewhere.is_empty() {
        say!("{} more landed on other branches only", count(catalogue.elsewhere.len()));
    }
    if missing > 0 {
        say!("{} contents are not in this clone; their lines were not followed", count(missing));
    }
    say!("catalogue: {}", output.display());
    Ok(ExitCode::SUCCESS)
}
