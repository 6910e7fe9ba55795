//! The words of a git command line.

use std::path::{Component, Path, PathBuf};

use catena_sdk::workspace::ROOT;

/// Why nothing is done, as git would say it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) status: i32,
}

impl Refusal {
    /// A failure that git calls fatal.
    pub(crate) fn fatal(what: impl std::fmt::Display) -> Self {
        Self { message: format!("fatal: {what}"), status: 128 }
    }

    /// A failure that git calls an error.
    pub(crate) fn error(what: impl std::fmt::Display) -> Self {
        Self { message: format!("error: {what}"), status: 1 }
    }

    /// What this git has not.
    pub(crate) fn not_there(what: impl std::fmt::Display) -> Self {
        Self { message: format!("git {what}: not available here"), status: 1 }
    }
}

/// One command of git with its words.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) command: String,
    /// Words that begin with `-`, before `--`; values of those that take one
    /// are joined to them by `=`.
    pub(crate) options: Vec<String>,
    /// The other words before `--`.
    pub(crate) operands: Vec<String>,
    /// The words after `--`, if there is one.
    pub(crate) paths: Option<Vec<String>>,
    /// Where it was given, below the worktree's root.
    pub(crate) prefix: String,
}

/// Options whose value is the next word.
const WITH_VALUE: [(&str, &str); 12] = [
    ("commit", "-am"),
    ("commit", "-m"),
    ("commit", "--message"),
    ("commit", "--author"),
    ("commit", "-F"),
    ("stash", "-m"),
    ("stash", "--message"),
    ("log", "-n"),
    ("log", "--max-count"),
    ("restore", "-s"),
    ("restore", "--source"),
    ("grep", "-e"),
];

impl Words {
    /// Reads the arguments after `git`, given in the directory `cwd`.
    pub(crate) fn parse(args: &[String], cwd: &Path) -> Result<Self, Refusal> {
        let mut words = args.iter().map(String::as_str);
        let mut cwd = cwd.to_owned();
        let command = loop {
            match words.next() {
                Some("--no-pager" | "-P" | "--no-optional-locks") => {}
                Some("-c") => drop(words.next()),
                Some("-C") => cwd = absolute(&cwd, words.next().unwrap_or_default()),
                Some(word) => break word.to_owned(),
                None => return Err(Refusal::not_there("without a command")),
            }
        };
        let Some(prefix) = below_root(&cwd) else {
            let what = "not a git repository (or any of the parent directories): .git";
            return Err(Refusal::fatal(what));
        };
        let mut parsed =
            Self { command, options: Vec::new(), operands: Vec::new(), paths: None, prefix };
        while let Some(word) = words.next() {
            if let Some(paths) = &mut parsed.paths {
                paths.push(word.to_owned());
            } else if word == "--" {
                parsed.paths = Some(Vec::new());
            } else if WITH_VALUE.contains(&(parsed.command.as_str(), word)) {
                let value = words.next().unwrap_or_default();
                parsed.options.push(format!("{word}={value}"));
            } else if word.starts_with('-') && word != "-" {
                parsed.options.push(word.to_owned());
            } else {
                parsed.operands.push(word.to_owned());
            }
        }
        Ok(parsed)
    }

    /// Takes options out that are understood; true if one of them was there.
    pub(crate) fn take(&mut self, names: &[&str]) -> bool {
        let before = self.options.len();
        self.options.retain(|option| !names.contains(&option.as_str()));
        self.options.len() < before
    }

    /// Takes bundles of these letters apart, as in `-rn`.
    pub(crate) fn unbundle(&mut self, letters: &str) {
        for option in std::mem::take(&mut self.options) {
            let bundle = option.strip_prefix('-').filter(|bundle| !bundle.starts_with('-'));
            match bundle.filter(|bundle| bundle.chars().all(|letter| letters.contains(letter))) {
                Some(bundle) => self.options.extend(bundle.chars().map(|it| format!("-{it}"))),
                None => self.options.push(option),
            }
        }
    }

    /// Takes the values of an option out, in order.
    pub(crate) fn values(&mut self, names: &[&str]) -> Vec<String> {
        let value = |option: &String| {
            let (name, value) = option.split_once('=')?;
            names.contains(&name).then(|| value.to_owned())
        };
        let values = self.options.iter().filter_map(value).collect();
        self.options.retain(|option| value(option).is_none());
        values
    }

    /// Refuses options that nobody took.
    pub(crate) fn check_options(&self) -> Result<(), Refusal> {
        match self.options.first() {
            Some(option) => Err(Refusal::not_there(format_args!("{} {option}", self.command))),
            None => Ok(()),
        }
    }

    /// The words that name paths, from the root; `.` at the root names all, which
    /// is told as the empty path.
    pub(crate) fn all_paths(&self) -> Result<Vec<String>, Refusal> {
        let words = self.operands.iter().chain(self.paths.iter().flatten());
        words.map(|word| self.path(word)).collect()
    }

    /// A word as a path from the root.
    pub(crate) fn path(&self, word: &str) -> Result<String, Refusal> {
        let here = Path::new(ROOT).join(&self.prefix);
        let word = word.strip_prefix(":/").map_or(word, |_| word);
        below_root(&absolute(&here, word)).ok_or_else(|| {
            Refusal::fatal(format_args!("{word}: '{word}' is outside repository at '{ROOT}'"))
        })
    }

    /// A path from the root as it is shown where the command was given.
    pub(crate) fn shown(&self, path: &str) -> String {
        if self.prefix.is_empty() {
            return path.to_owned();
        }
        let (here, there): (Vec<&str>, Vec<&str>) =
            (self.prefix.split('/').collect(), path.split('/').collect());
        let same = here.iter().zip(&there).take_while(|(a, b)| a == b).count();
        let up = "../".repeat(here.len() - same);
        let down = there.get(same..).unwrap_or_default().join("/");
        if up.is_empty() && down.is_empty() { "./".to_owned() } else { up + &down }
    }
}

/// Whether a path is one of those, or below one; none means all.
pub(crate) fn is_among(path: &str, paths: &[String]) -> bool {
    paths.is_empty() || paths.iter().any(|directory| is_at_or_below(path, directory))
}

fn is_at_or_below(path: &str, directory: &str) -> bool {
    directory.is_empty()
        || path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn below_root(place: &Path) -> Option<String> {
    place.strip_prefix(ROOT).ok().and_then(Path::to_str).map(str::to_owned)
}

/// Joins by names alone, as git does with paths it is given.
pub(crate) fn absolute(cwd: &Path, path: &str) -> PathBuf {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str, cwd: &str) -> Result<Words, Refusal> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Words::parse(&args, Path::new(cwd))
    }

    #[test]
    fn paths_are_taken_from_the_current_directory() {
        let words = parse("diff --stat ../a.py -- ./b/ /workspace/c", "/workspace/src").unwrap();
        assert_eq!(words.all_paths().unwrap(), ["a.py", "src/b", "c"]);
        assert_eq!(words.shown("src/b"), "b");
        assert_eq!(words.shown("a.py"), "../a.py");
        let words = parse("-C src add .", "/workspace").unwrap();
        assert_eq!(words.all_paths().unwrap(), ["src"]);
    }

    #[test]
    fn options_are_taken_one_by_one() {
        let mut words = parse("commit -a -m text --amend", "/workspace").unwrap();
        assert_eq!(words.values(&["-m", "--message"]), ["text"]);
        assert!(words.take(&["-a", "--all"]) && !words.take(&["-a"]));
        assert_eq!(
            words.check_options().unwrap_err().message,
            "git commit --amend: not available here"
        );
    }

    #[test]
    fn outside_the_worktree_there_is_no_repository() {
        let refusal = parse("status", "/tmp").unwrap_err();
        assert!(refusal.message.contains("not a git repository"), "{}", refusal.message);
        let words = parse("diff ../etc", "/workspace").unwrap();
        assert!(words.all_paths().unwrap_err().message.contains("outside repository"));
    }
}
