//! Compares differences, patches and merges with those of `git` on the history
//! of a real repository.
//!
//! `cargo run --release --example against_git -- REPOSITORY [COUNT] [SEED] [patches|merges]`
//!
//! Draws COUNT (200) pairs of commits and as many merges; what is compared stands
//! in `patches` and `merges`. Nothing is written to the repository: objects go to
//! a temporary one that borrows from it, files to a temporary work tree. Cases for
//! which the repository lacks an object, as partial clones do, are left out and
//! counted. Ends with a table, and with failure if anything differs.
#![allow(clippy::print_stdout, reason = "the report of a program for people")]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use catena_tree::ObjectDatabase;
use catena_tree::database::Commit;

mod dice;
mod git;
mod merges;
mod patches;
mod tally;

use dice::Dice;
use git::Git;
use tally::Tally;

type Failure = Box<dyn Error>;

const USAGE: &str = "usage: against_git REPOSITORY [COUNT] [SEED] [patches|merges]";

/// What all comparisons work on.
struct Bench {
    git: Git,
    db: ObjectDatabase,
    /// First parents, newest first.
    history: Vec<Commit>,
    dice: Dice,
    tally: Tally,
}

fn main() -> Result<ExitCode, Failure> {
    let mut args = std::env::args().skip(1);
    let repository = PathBuf::from(args.next().ok_or(USAGE)?);
    let count = args.next().map_or(Ok(200), |count| count.parse())?;
    let seed = args.next().map_or(Ok(1), |seed| seed.parse())?;
    let only = args.next();
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);

    let dir = tempfile::tempdir()?;
    let path = dir.path().join("objects.git");
    let db = ObjectDatabase::create(&path, std::slice::from_ref(&repository))?;
    let git = Git::new(path, dir.path().join("work"))?;
    let clone = ObjectDatabase::open(&repository)?;
    let history: Vec<Commit> =
        clone.first_parents(clone.resolve("HEAD")?).collect::<Result<_, _>>()?;
    println!("{}, {} first parents, seed {seed}", git.version()?, history.len());
    if history.len() < 3 {
        return Err("the history is too short to compare anything".into());
    }
    let mut bench = Bench { git, db, history, dice: Dice::new(seed), tally: Tally::default() };
    if wanted("patches") {
        patches::compare(&mut bench, count)?;
    }
    if wanted("merges") {
        merges::compare(&mut bench, count)?;
    }
    Ok(if bench.tally.report() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says now and then how far the comparison is.
fn progress(what: &str, done: usize, all: usize) {
    if done.is_multiple_of(50) {
        println!("{done} of {all} {what}");
    }
}
