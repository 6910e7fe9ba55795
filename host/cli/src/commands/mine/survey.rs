//! `catena mine survey`.

use std::process::ExitCode;

use anyhow::Context as _;
use catena_chain::RepositoryName;
use catena_mine::github::{self as source, GitHubError, Surveyed};
use comfy_table::{Cell, CellAlignment};
use serde_json::json;

use super::github::{Server, Watch, failure};
use crate::failure::Failure;
use crate::output::{Format, grouped, print_json, say, table};

/// Merged pull requests that the paper asks of a repository (its Table 4 has
/// three with fewer).
const ENOUGH: u64 = 7_000;

/// Exit code where nothing is known of some candidates.
const INCOMPLETE: u8 = 3;

/// Languages that are shown.
const LANGUAGES: usize = 3;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The candidates
    #[arg(value_name = "OWNER/NAME", required = true)]
    repositories: Vec<RepositoryName>,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Runtime::new().context("can't start the runtime")?;
    let (found, unknown) = runtime.block_on(survey(arguments, format))?;
    match format {
        Format::Json => {
            let told = unknown.iter().map(|(name, why)| json!({"repository": name, "error": why}));
            print_json(&found.iter().map(as_json).chain(told).collect::<Vec<_>>())?;
        }
        Format::Text => {
            print_text(&found);
            for (name, why) in &unknown {
                say!("nothing is known of `{name}`: {why}");
            }
        }
    }
    Ok(if unknown.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}

/// What was found, and the candidates of which nothing is known, with the reason. One
/// candidate alone that is unknown is an error.
async fn survey(
    arguments: &Arguments,
    format: Format,
) -> Result<(Vec<Surveyed>, Vec<(RepositoryName, String)>), Failure> {
    let mut github = arguments.server.connect()?;
    let mut watch = Watch::new(format);
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for repository in &arguments.repositories {
        let mut tell = |step| watch.tell(step);
        let surveyed = source::survey(&mut github, repository, &mut tell).await;
        match surveyed {
            Ok(surveyed) => found.push(surveyed),
            Err(err @ (GitHubError::NotFound | GitHubError::Forbidden { .. }))
                if arguments.repositories.len() > 1 =>
            {
                unknown.push((repository.clone(), err.to_string()));
            }
            Err(err) => return Err(failure(err).about(repository)),
        }
    }
    Ok((found, unknown))
}

fn as_json(found: &Surveyed) -> serde_json::Value {
    let sample = &found.sample;
    let languages: serde_json::Map<_, _> =
        found.languages.iter().map(|(name, share)| (name.clone(), json!(share))).collect();
    json!({
        "repository": found.name,
        "license": found.license,
        "archived": found.archived,
        "stars": found.stars,
        "merged": found.merged,
        "enough_merged": found.merged > ENOUGH,
        "languages": languages,
        "sample": {
            "pull_requests": sample.pull_requests,
            "by_bots": sample.by_bots,
            "reviewed": sample.reviewed,
            "closing_issues": sample.closing,
            "reviews": sample.reviews,
            "review_threads": sample.threads,
            "comments": sample.comments,
            "days": sample.days,
        },
    })
}

fn print_text(found: &[Surveyed]) {
    let titles = [
        "repository",
        "merged",
        "reviewed",
        "reviews each",
        "threads each",
        "comments each",
        "closing issues",
        "by bots",
        "languages",
        "licence",
    ];
    let mut rows = table(&titles);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    for found in found {
        let sample = &found.sample;
        let all = sample.pull_requests.max(1);
        let share = |count: u64| right(format!("{} %", count * 100 / all));
        let each = |count: u64| right(format!("{}.{}", count / all, count * 10 / all % 10));
        let few = if found.merged > ENOUGH { "" } else { ", few" };
        let archived = if found.archived { ", archived" } else { "" };
        let languages = found.languages.iter().take(LANGUAGES);
        let languages = languages.map(|(name, share)| format!("{name} {:.0} %", share * 100.0));
        rows.add_row(vec![
            Cell::new(format!("{}{archived}", found.name)),
            right(format!("{}{few}", grouped(found.merged))),
            share(sample.reviewed),
            each(sample.reviews),
            each(sample.threads),
            each(sample.comments),
            share(sample.closing),
            share(sample.by_bots),
            Cell::new(languages.collect::<Vec<_>>().join(", ")),
            Cell::new(found.license.as_deref().unwrap_or("unknown")),
        ]);
    }
    say!("{rows}");
    say!(
        "shares and means are of the newest merged pull requests, 100 at most; fewer than {} merged \
         ones are few",
        grouped(ENOUGH)
    );
}
