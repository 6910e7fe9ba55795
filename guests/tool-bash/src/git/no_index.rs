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
                () if has("--stat") => diffstat::render(&with_both_names(&patch)),
                () if has("--shortstat") => diffstat::total(&patch),
                () => patch,
            };
            ExecResult { stdout: stdout.into(), exit_code: status, ..ExecResult::default() }
        }
        Err(message) => ExecResult::err(message, 128),
    })
}

/// The patch as if files of two names were renamed, as a summary shows them.
fn with_both_names(patch: &[u8]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(patch.len());
    for line in patch.split_inclusive(|byte| *byte == b'\n') {
        shown.extend_from_slice(line);
        let text = String::from_utf8_lossy(line);
        let names = text.trim_end().strip_prefix("diff --git a/");
        if let Some((old, new)) = names.and_then(|names| names.split_once(" b/"))
            && old != new
        {
            shown.extend_from_slice(format!("rename from {old}\nrename to {new}\n").as_bytes());
        }
    }
    shown
}
