//! How the similarity of patches behaves on real pull requests: the human patch
//! against itself, nothing, parts of it, other layouts, other names, and other
//! pull requests. Prints Markdown.
//!
//! `measure COUNT REPOSITORY...` takes the newest `COUNT` pull requests of each
//! repository. `ruff` and `rustfmt` must be there to reformat files.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program prints")]

mod figures;
mod history;
mod variants;

#[path = "../../src/changes.rs"]
#[allow(dead_code, reason = "the judge uses all of it")]
mod changes;
#[path = "../../src/lexer.rs"]
mod lexer;
#[path = "../../src/similarity.rs"]
#[allow(dead_code, reason = "the judge uses all of it")]
mod similarity;

use std::path::Path;
use std::process::ExitCode;

use crate::figures::Figures;
use crate::history::PullRequest;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().and_then(|count| count.parse().ok());
    let Some(count) = count else {
        eprintln!("usage: measure COUNT REPOSITORY...");
        return ExitCode::from(2);
    };
    let mut figures = Figures::default();
    for repository in arguments {
        let pulls = history::newest(Path::new(&repository), count);
        eprintln!("{repository}: {} pull requests", pulls.len());
        for (at, pull) in pulls.iter().enumerate() {
            measure(Path::new(&repository), pull, &pulls, at, &mut figures);
        }
    }
    figures.print();
    ExitCode::SUCCESS
}

fn measure(
    repository: &Path,
    pull: &PullRequest,
    pulls: &[PullRequest],
    at: usize,
    figures: &mut Figures,
) {
    let human = pull.patch.as_slice();
    let mut add = |variant: &'static str, patch: &[u8]| {
        let Some(score) = score(patch, human) else { return };
        figures.add(variant, score, &pull.name);
    };
    add("the human patch", human);
    add("nothing", b"");
    for (variant, patch) in variants::parts(human) {
        add(variant, &patch);
    }
    if let Some(patch) = history::reformatted(repository, pull) {
        add("reformatted", &patch);
    }
    if let Some(patch) = variants::renamed(human) {
        add("new names are others", &patch);
    }
    let other = pulls.get((at + 1) % pulls.len()).filter(|other| other.name != pull.name);
    if let Some(other) = other {
        add("another pull request", &other.patch);
    }
    let same_files = pulls.iter().filter(|other| other.name != pull.name);
    if let Some(other) = same_files.max_by_key(|other| pull.files_in_common(other))
        && pull.files_in_common(other) > 0
    {
        add("another of the same files", &other.patch);
    }
    let shares: Vec<f64> =
        variants::growing(human).iter().filter_map(|patch| score(patch, human)).collect();
    figures.add_growth(&shares, &pull.name);
}

fn score(candidate: &[u8], reference: &[u8]) -> Option<f64> {
    let candidate = git_patch::parse(candidate).ok()?;
    let reference = git_patch::parse(reference).ok()?;
    Some(similarity::score(&changes::of_patch(&candidate), &changes::of_patch(&reference)))
}
