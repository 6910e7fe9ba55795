//! `git diff --no-index`: any two paths, in a repository or not.

use bashkit::{BuiltinContext, ExecResult};

use super::diffstat;
use crate::diff;

/// Options of git that change nothing here.
const IGNORED: [&str; 8] = [
    "--no-index",
    "--no-color",
    "--color=never",
    "--no-ext-diff",
    "-p",
    "--patch",
    "--exit-code",
    "-M",
];

/// The answer, where the command line asks for such a comparison.
pub(super) async fn diff(ctx: &BuiltinContext<'_>) -> Option<ExecResult> {
    let before = ctx.args.iter().position(|word| word == "diff")?;
    let (global, words) = ctx.args.split_at(before);
    let words = words.get(1..).unwrap_or_default();
    let is_flag = |word: &String| word.starts_with('-');
    if !words.iter().any(|word| word == "--no-index") || !global.iter().all(is_flag) {
        return None;
    }
    let has = |option: &str| words.iter().any(|word| word == option);
    let other = ["--stat", "--shortstat", "--quiet"];
    let passed: Vec<String> = words
        .iter()
        .filter(|word| !IGNORED.contains(&word.as_str()) && !other.contains(&word.as_str()))
        .cloned()
        .collect();
    Some(match diff::as_git(ctx, &passed).await {
        Ok((patch, status)) => {
            let stdout = match () {
                () if has("--quiet") => Vec::new(),
                () if has("--stat") => diffstat::render(&patch),
                () if has("--shortstat") => diffstat::total(&patch),
                () => patch,
            };
            ExecResult { stdout: stdout.into(), exit_code: status, ..ExecResult::default() }
        }
        Err(message) => ExecResult::err(message, 128),
    })
}
