//! Differences and patches of pairs of commits.
//!
//! For each pair: our list of changed files, with renames and their similarity,
//! is that of `git diff-tree -r -M`; the text of our patch is that of `git diff`; `git apply --index` makes the right tree and
//! the right files of our patch; and we make the right tree of two of git's
//! patches, one plain and one with options that change with every pair.

use std::error::Error;
use std::time::Instant;

use bstr::ByteSlice;
use catena_tree::diff::{self, Change, DiffOptions};
use catena_tree::patch::{self, PatchError};
use catena_tree::{EntryKind, ObjectError, Objects, TreeId};

use super::git::{Target, says_missing};
use super::tally::Outcome;
use super::{Bench, Failure, progress};

/// Most commits between the two ends of most pairs. One pair in twenty may span
/// the whole history.
const SPAN: usize = 500;

const MISSING: &str = "missing blob";

const PLAIN: &str = "--full-index -M";

/// Options of `git diff --binary`, used in turn.
const OPTIONS: [&str; 14] = [
    "-M -C",
    "--no-renames",
    "--full-index -M -C -C",
    "-B -M",
    "-M30%",
    "-M --unified=0",
    "-M --unified=1",
    "-M --unified=12",
    "-M --inter-hunk-context=7",
    "-M --function-context",
    "-M --histogram",
    "-M --minimal --no-indent-heuristic",
    "-M --patience --src-prefix=old/ --dst-prefix=new/",
    "-M -R",
];

struct Pair {
    /// Places in the history.
    from: usize,
    to: usize,
}

pub(crate) fn compare(bench: &mut Bench, count: usize) -> Result<(), Failure> {
    let mut pairs: Vec<_> = (0..count).map(|round| draw(bench, round)).collect();
    // Neighbours share most files, which makes checking out cheap.
    pairs.sort_by_key(|pair| pair.from);
    for (round, pair) in pairs.iter().enumerate() {
        progress("pairs", round, count);
        let (Some(from), Some(to)) = (bench.history.get(pair.from), bench.history.get(pair.to))
        else {
            continue;
        };
        let name = format!("{}..{}", from.id, to.id);
        let (from, to) = (from.tree, to.tree);
        let outcome = changes(bench, from, to);
        bench.tally.judge("changed files and renames", &name, outcome);
        let (check, outcome) = if is_complete(bench, from)? {
            ("our patch, by `git apply --index`", our_patch(bench, from, to, Target::WorkTree))
        } else {
            // Files cannot be checked out whose blobs are missing.
            ("our patch, by `git apply --cached`", our_patch(bench, from, to, Target::Index))
        };
        bench.tally.judge(check, &name, outcome);
        let outcome = text(bench, from, to);
        bench.tally.judge("text of our patch and of `git diff -M`", &name, outcome);
        let outcome = their_patch(bench, from, to, PLAIN);
        bench.tally.judge(&format!("git's patch {PLAIN}"), &name, outcome);
        let options = OPTIONS.get(round % OPTIONS.len()).copied().unwrap_or_default();
        let outcome = their_patch(bench, from, to, options);
        bench.tally.judge(&format!("git's patch {options}"), &name, outcome);
    }
    Ok(())
}

fn draw(bench: &mut Bench, round: usize) -> Pair {
    let length = bench.history.len();
    let span = if round.is_multiple_of(20) { length - 1 } else { SPAN.min(length - 1) };
    let span = 1 + bench.dice.below(span);
    let newer = bench.dice.below(length - span);
    let (older, newer) = (newer + span, newer);
    // Every fourth goes back in time.
    if round % 4 == 3 { Pair { from: newer, to: older } } else { Pair { from: older, to: newer } }
}

fn changes(bench: &Bench, from: TreeId, to: TreeId) -> Result<Outcome, Failure> {
    let args = ["diff-tree", "-r", "-M", "--raw", "-z", "--no-abbrev"];
    let trees = [from.to_string(), to.to_string()];
    let output = bench.git.run(&[&args[..], &[&trees[0], &trees[1]]].concat(), b"")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return if says_missing(&said) {
            Ok(Outcome::LeftOut(MISSING))
        } else {
            Err(said.trim().to_owned().into())
        };
    }
    let ours = diff::changes(&bench.db, from, to, &DiffOptions::default())?;
    let ours: Vec<_> = ours.iter().map(raw).collect();
    let mut theirs = raw_lines(&output.stdout);
    theirs.sort_by(|a, b| a.rsplit('\0').next().cmp(&b.rsplit('\0').next()));
    if ours == theirs {
        return Ok(Outcome::Agrees);
    }
    let only = |these: &[String], those: &[String]| {
        let only: Vec<_> = these.iter().filter(|line| !those.contains(line)).cloned().collect();
        only.join("; ").replace('\0', " ")
    };
    Ok(Outcome::Differs(format!(
        "only git: {}; only we: {}",
        only(&theirs, &ours),
        only(&ours, &theirs)
    )))
}

/// A change as `git diff-tree --raw -z` has it, with NUL between its fields.
fn raw(change: &Change) -> String {
    let side = |kind: Option<EntryKind>| match kind {
        Some(kind) => (kind.mode().to_owned(), kind.id_hex()),
        None => ("000000".to_owned(), "0".repeat(40)),
    };
    let (before, after) = (side(change.before), side(change.after));
    let status = match change.kind() {
        diff::ChangeKind::Added => "A".to_owned(),
        diff::ChangeKind::Deleted => "D".to_owned(),
        diff::ChangeKind::Modified | diff::ChangeKind::ModeChanged => "M".to_owned(),
        diff::ChangeKind::TypeChanged => "T".to_owned(),
        diff::ChangeKind::Renamed => format!("R{:03}", change.similarity.unwrap_or_default()),
    };
    let mut line = format!(":{} {} {} {} {status}", before.0, after.0, before.1, after.1);
    for path in change.previous_path.iter().chain([&change.path]) {
        line.push('\0');
        line.push_str(&path.as_bstr().to_str_lossy());
    }
    line
}

fn raw_lines(output: &[u8]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for field in output.split(|byte| *byte == 0).filter(|field| !field.is_empty()) {
        let field = field.to_str_lossy();
        match lines.last_mut() {
            Some(line) if !field.starts_with(':') => {
                line.push('\0');
                line.push_str(&field);
            }
            _ => lines.push(field.into_owned()),
        }
    }
    lines
}

/// Whether every blob of `tree` is there.
fn is_complete(bench: &Bench, tree: TreeId) -> Result<bool, Failure> {
    let mut waiting = vec![tree];
    while let Some(id) = waiting.pop() {
        for entry in bench.db.tree(id)?.iter() {
            match entry.kind {
                EntryKind::Directory(id) => waiting.push(id),
                EntryKind::File { .. } | EntryKind::Symlink(_) if entry.size.is_none() => {
                    return Ok(false);
                }
                _ => {}
            }
        }
    }
    Ok(true)
}

fn our_patch(
    bench: &mut Bench,
    from: TreeId,
    to: TreeId,
    target: Target,
) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let patch = match patch::write(&bench.db, from, to, &DiffOptions::default()) {
        Err(ObjectError::Missing(_)) => return Ok(Outcome::LeftOut(MISSING)),
        patch => patch?,
    };
    bench.tally.time("writing a patch", started.elapsed());
    bench.git.check_out(from, target)?;
    let made = bench.git.apply(&patch, target)?;
    if made != to {
        return Ok(Outcome::Differs(format!("git makes {made} of it")));
    }
    if target == Target::Index {
        return Ok(Outcome::Agrees);
    }
    let output = bench.git.run(&["diff-files", "--quiet"], b"")?;
    Ok(if output.status.success() {
        Outcome::Agrees
    } else {
        Outcome::Differs("the files of the work tree are not those of the tree".to_owned())
    })
}

/// Compares our patch with git's, byte by byte. Binary files are left out: git
/// may write them as differences.
fn text(bench: &Bench, from: TreeId, to: TreeId) -> Result<Outcome, Failure> {
    let ours = match patch::write(&bench.db, from, to, &DiffOptions::default()) {
        Err(ObjectError::Missing(_)) => return Ok(Outcome::LeftOut(MISSING)),
        patch => patch?,
    };
    if ours.contains_str("\nGIT binary patch\n") {
        return Ok(Outcome::LeftOut("binary files"));
    }
    let trees = [from.to_string(), to.to_string()];
    let args = ["diff", "--binary", "--full-index", "-M", &trees[0], &trees[1]];
    let theirs = bench.git.run(&args, b"")?.stdout;
    if ours == theirs {
        return Ok(Outcome::Agrees);
    }
    let mut lines = ours.lines().zip(theirs.lines()).enumerate();
    Ok(match lines.find(|(_, (ours, theirs))| ours != theirs) {
        Some((number, (ours, theirs))) => Outcome::Differs(format!(
            "line {} is `{}`, git's `{}`",
            number + 1,
            ours.as_bstr(),
            theirs.as_bstr()
        )),
        None => Outcome::Differs("one is longer".to_owned()),
    })
}

fn their_patch(
    bench: &mut Bench,
    from: TreeId,
    to: TreeId,
    options: &str,
) -> Result<Outcome, Failure> {
    let reverse = options.contains("-R");
    let trees = [from.to_string(), to.to_string()];
    let mut args = vec!["diff", "--binary"];
    args.extend(options.split(' '));
    args.extend(
        if reverse { [&trees[1], &trees[0]] } else { [&trees[0], &trees[1]] }.map(String::as_str),
    );
    let output = bench.git.run(&args, b"")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return if says_missing(&said) {
            Ok(Outcome::LeftOut(MISSING))
        } else {
            Err(said.trim().to_owned().into())
        };
    }
    let started = Instant::now();
    let mut sink = &bench.db;
    let made = patch::parse(&output.stdout)
        .and_then(|patch| patch::apply(&bench.db, &mut sink, from, &patch));
    match made {
        Ok(applied) if applied.tree == to => {
            bench.tally.time("reading and applying a patch", started.elapsed());
            Ok(Outcome::Agrees)
        }
        Ok(applied) => Ok(Outcome::Differs(format!("we make {} of it", applied.tree))),
        Err(err) if is_missing(&err) => Ok(Outcome::LeftOut(MISSING)),
        Err(err) => {
            bench.git.check_out(from, Target::Index)?;
            match bench.git.apply(&output.stdout, Target::Index) {
                Err(_) => Ok(Outcome::LeftOut("git refuses its own patch too")),
                Ok(_) => Err(err.into()),
            }
        }
    }
}

fn is_missing(err: &(dyn Error + 'static)) -> bool {
    matches!(err.downcast_ref(), Some(PatchError::Object(ObjectError::Missing(_))))
}
