//! The part of git's command line that is understood.

use std::path::{Component, Path, PathBuf};

use catena_sdk::workspace::ROOT;

/// What git is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    Add,
    Status { format: StatusFormat, paths: Vec<String> },
    Diff { format: DiffFormat, context_lines: u32, paths: Vec<String> },
}

/// How the status is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusFormat {
    Long,
    Short,
}

/// How differences are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiffFormat {
    Patch,
    Stat,
    Names,
    NamesAndKinds,
}

/// Why nothing is done, as git would say it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) status: i32,
}

impl Invocation {
    /// Reads the arguments after `git`, given in the directory `cwd`.
    pub(crate) fn parse(args: &[String], cwd: &Path) -> Result<Self, Refusal> {
        let mut words = args.iter().map(String::as_str);
        let mut cwd = cwd.to_owned();
        let command = loop {
            match words.next() {
                Some("--no-pager" | "-P") => {}
                Some("-C") => cwd = absolute(&cwd, words.next().unwrap_or_default()),
                Some(word) => break word,
                None => return Err(not_there("git without a command")),
            }
        };
        if !cwd.starts_with(ROOT) {
            let message = "fatal: not a git repository (or any of the parent directories): .git";
            return Err(Refusal { message: message.to_owned(), status: 128 });
        }
        match command {
            "add" => Ok(Self::Add),
            "status" => parse_status(words, &cwd),
            "diff" => parse_diff(words, &cwd),
            other => Err(not_there(&format!("git {other}"))),
        }
    }
}

fn parse_status<'a>(
    words: impl Iterator<Item = &'a str>,
    cwd: &Path,
) -> Result<Invocation, Refusal> {
    let mut format = StatusFormat::Long;
    let mut operands = Operands::new(cwd);
    for word in words {
        match operands.option(word)? {
            Some("-s" | "--short" | "--porcelain" | "--porcelain=v1") => {
                format = StatusFormat::Short;
            }
            Some("-u" | "-uall" | "--untracked-files" | "--untracked-files=all") | None => {}
            Some(option) => return Err(not_there(&format!("git status {option}"))),
        }
    }
    Ok(Invocation::Status { format, paths: operands.paths })
}

fn parse_diff<'a>(words: impl Iterator<Item = &'a str>, cwd: &Path) -> Result<Invocation, Refusal> {
    let mut format = DiffFormat::Patch;
    let mut context_lines = 3;
    let mut operands = Operands::new(cwd);
    for word in words {
        if word == "HEAD" && !operands.only_paths {
            continue;
        }
        match operands.option(word)? {
            Some("--stat") => format = DiffFormat::Stat,
            Some("--name-only") => format = DiffFormat::Names,
            Some("--name-status") => format = DiffFormat::NamesAndKinds,
            Some(
                "-p" | "-u" | "--patch" | "--cached" | "--staged" | "--no-color" | "--color=never"
                | "-M" | "--find-renames" | "--no-ext-diff" | "--binary",
            )
            | None => {}
            Some(option) => context_lines = context(option)?,
        }
    }
    Ok(Invocation::Diff { format, context_lines, paths: operands.paths })
}

fn context(option: &str) -> Result<u32, Refusal> {
    option
        .strip_prefix("-U")
        .or_else(|| option.strip_prefix("--unified="))
        .and_then(|lines| lines.parse().ok())
        .ok_or_else(|| not_there(&format!("git diff {option}")))
}

/// The paths among the arguments of a command.
struct Operands<'a> {
    cwd: &'a Path,
    only_paths: bool,
    paths: Vec<String>,
}

impl<'a> Operands<'a> {
    fn new(cwd: &'a Path) -> Self {
        Self { cwd, only_paths: false, paths: Vec::new() }
    }

    /// Takes the word if it is a path, else returns it as an option.
    fn option<'w>(&mut self, word: &'w str) -> Result<Option<&'w str>, Refusal> {
        if word == "--" && !self.only_paths {
            self.only_paths = true;
            return Ok(None);
        }
        if word.starts_with('-') && !self.only_paths {
            return Ok(Some(word));
        }
        let place = absolute(self.cwd, word);
        match place.strip_prefix(ROOT).ok().and_then(Path::to_str) {
            Some("") => self.paths.clear(),
            Some(path) => self.paths.push(path.to_owned()),
            None => {
                let message = format!("fatal: {word}: '{word}' is outside repository at '{ROOT}'");
                return Err(Refusal { message, status: 128 });
            }
        }
        Ok(None)
    }
}

/// Joins by names alone, as git does with paths it is given.
fn absolute(cwd: &Path, path: &str) -> PathBuf {
    let mut place = PathBuf::new();
    for component in cwd.join(path).components() {
        match component {
            Component::ParentDir => {
                place.pop();
            }
            Component::CurDir => {}
            other => place.push(other),
        }
    }
    place
}

fn not_there(what: &str) -> Refusal {
    let message = format!("{what}: not available here; there are git status, diff and add");
    Refusal { message, status: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str, cwd: &str) -> Result<Invocation, Refusal> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Invocation::parse(&args, Path::new(cwd))
    }

    fn diff(format: DiffFormat, context_lines: u32, paths: &[&str]) -> Invocation {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        Invocation::Diff { format, context_lines, paths }
    }

    #[test]
    fn paths_are_taken_from_the_current_directory() {
        let parsed = parse("diff --stat -U5 -- ../a.py ./b/ /workspace/c -x", "/workspace/src");
        assert_eq!(parsed, Ok(diff(DiffFormat::Stat, 5, &["a.py", "src/b", "c", "src/-x"])));
    }

    #[test]
    fn head_and_the_index_are_what_the_stage_began_with() {
        for line in ["diff", "diff HEAD", "diff --cached", "--no-pager diff", "-C /workspace diff"]
        {
            assert_eq!(parse(line, "/workspace"), Ok(diff(DiffFormat::Patch, 3, &[])), "{line}");
        }
    }

    #[test]
    fn status_knows_both_formats() {
        let status = |format| Ok(Invocation::Status { format, paths: vec![] });
        assert_eq!(parse("status", "/workspace"), status(StatusFormat::Long));
        assert_eq!(parse("status -s", "/workspace"), status(StatusFormat::Short));
        assert_eq!(parse("status --porcelain .", "/workspace"), status(StatusFormat::Short));
    }

    #[test]
    fn what_is_not_there_is_said_in_one_line() {
        for (line, what) in
            [("log", "git log"), ("diff --word-diff", "git diff --word-diff"), ("", "git without")]
        {
            let refusal = parse(line, "/workspace").unwrap_err();
            assert_eq!(refusal.status, 1);
            assert!(refusal.message.starts_with(what), "{}", refusal.message);
            assert_eq!(refusal.message.lines().count(), 1);
        }
    }

    #[test]
    fn outside_the_worktree_there_is_no_repository() {
        let refusal = parse("status", "/tmp").unwrap_err();
        assert!(refusal.message.contains("not a git repository"), "{}", refusal.message);
        let refusal = parse("diff ../etc", "/workspace").unwrap_err();
        assert!(refusal.message.contains("outside repository"), "{}", refusal.message);
    }
}
