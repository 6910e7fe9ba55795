//! `diff` as GNU's: of files, directories and standard input, in four formats.
//!
//! [`settings`] reads the command line, [`lines`] finds the changes, [`formats`],
//! [`side`] and [`git`] show them. Exit status 0 says alike, 1 different and 2 that
//! something could not be compared.

mod formats;
mod git;
mod lines;
mod settings;
mod side;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bashkit::{Builtin, BuiltinContext, ExecResult, FileSystem, FileType, async_trait};

use self::formats::{Format, Side};
use self::settings::{OPTIONS, Settings};
use crate::calendar;
use crate::options;

/// The command.
pub(crate) struct Diff;

/// Compares two paths as `git diff --no-index` does, under its options about white
/// space and context. An error is a message for standard error.
pub(crate) async fn as_git(
    ctx: &BuiltinContext<'_>,
    words: &[String],
) -> Result<(Vec<u8>, i32), String> {
    let parsed = options::parse("git diff", words, &OPTIONS)?;
    let mut settings = Settings::of(&parsed, words)?;
    if settings.format == Format::Normal {
        settings.format = Format::Unified { context: 3 };
    }
    (settings.as_git, settings.recursive, settings.absent_as_empty) = (true, true, true);
    let [old, new] = parsed.operands.as_slice() else {
        return Err("usage: git diff --no-index [<options>] <path> <path>\n".to_owned());
    };
    let mut comparison = Comparison::new(ctx, &settings);
    comparison.operands(old, new).await;
    if comparison.stderr.is_empty() {
        Ok((comparison.stdout, comparison.status.min(1)))
    } else {
        Err(comparison.stderr.replace("diff: ", "error: "))
    }
}

#[async_trait]
impl Builtin for Diff {
    async fn execute(&self, ctx: BuiltinContext<'_>) -> bashkit::Result<ExecResult> {
        // `-5` is the context of a unified or context diff.
        let words: Vec<String> = ctx.args.iter().map(|word| numbered(word)).collect();
        let parsed = options::parse("diff", &words, &OPTIONS);
        let settings = parsed.and_then(|parsed| Ok((Settings::of(&parsed, &words)?, parsed)));
        let (settings, parsed) = match settings {
            Ok(both) => both,
            Err(message) => return Ok(ExecResult::err(message, 2)),
        };
        let [old, new] = parsed.operands.as_slice() else {
            let message = match parsed.operands.last() {
                Some(last) if parsed.operands.len() < 2 => {
                    format!("diff: missing operand after '{last}'\n")
                }
                None => "diff: missing operand after 'diff'\n".to_owned(),
                Some(last) => format!("diff: extra operand '{last}'\n"),
            };
            return Ok(ExecResult::err(message, 2));
        };
        let mut comparison = Comparison::new(&ctx, &settings);
        comparison.operands(old, new).await;
        Ok(ExecResult {
            stdout: comparison.stdout.into(),
            stderr: comparison.stderr.into_bytes().into(),
            exit_code: comparison.status,
            ..ExecResult::default()
        })
    }
}

fn numbered(word: &str) -> String {
    match word.strip_prefix('-') {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("-U{digits}")
        }
        _ => word.to_owned(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Absent,
    File,
    Directory,
}

struct Comparison<'a> {
    fs: Arc<dyn FileSystem>,
    cwd: PathBuf,
    stdin: Vec<u8>,
    settings: &'a Settings,
    stdout: Vec<u8>,
    stderr: String,
    status: i32,
}

impl<'a> Comparison<'a> {
    fn new(ctx: &BuiltinContext<'_>, settings: &'a Settings) -> Self {
        Self {
            fs: ctx.fs.clone(),
            cwd: ctx.cwd.clone(),
            stdin: ctx.stdin.map(|bytes| bytes.as_bytes().to_vec()).unwrap_or_default(),
            settings,
            stdout: Vec::new(),
            stderr: String::new(),
            status: 0,
        }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.cwd.join(name)
    }

    async fn kind(&self, name: &str) -> Kind {
        if name == "-" {
            return Kind::File;
        }
        // To git that is what is not there.
        if self.settings.as_git && name == "/dev/null" {
            return Kind::Absent;
        }
        match self.fs.stat(&self.place(name)).await {
            Ok(found) if found.file_type == FileType::Directory => Kind::Directory,
            Ok(_) => Kind::File,
            // What a process substitution writes is read, but not listed.
            Err(_) if self.fs.read_file(&self.place(name)).await.is_ok() => Kind::File,
            Err(_) => Kind::Absent,
        }
    }

    fn trouble(&mut self, message: &str) {
        let _ = writeln!(self.stderr, "diff: {message}");
        self.status = 2;
    }

    fn say(&mut self, text: &str) {
        self.stdout.extend_from_slice(text.as_bytes());
        self.stdout.push(b'\n');
    }

    fn differs(&mut self) {
        self.status = self.status.max(1);
    }

    async fn operands(&mut self, old: &str, new: &str) {
        let (old_kind, new_kind) = (self.kind(old).await, self.kind(new).await);
        let absent = [(old, old_kind), (new, new_kind)].into_iter();
        let absent: Vec<&str> =
            absent.filter(|(_, kind)| *kind == Kind::Absent).map(|(name, _)| name).collect();
        if absent.len() > usize::from(self.settings.absent_as_empty) {
            for name in absent {
                self.trouble(&format!("{name}: No such file or directory"));
            }
            return;
        }
        match (old_kind, new_kind) {
            (Kind::Directory, Kind::Directory) => self.directories(old, new).await,
            (Kind::Directory, _) => {
                let inside = joined(old, file_name(new));
                self.files_there(&inside, new).await;
            }
            (_, Kind::Directory) => {
                let inside = joined(new, file_name(old));
                self.files_there(old, &inside).await;
            }
            _ => self.files(old, new, false).await,
        }
    }

    async fn files_there(&mut self, old: &str, new: &str) {
        for name in [old, new] {
            if self.kind(name).await == Kind::Absent {
                self.trouble(&format!("{name}: No such file or directory"));
                return;
            }
        }
        self.files(old, new, false).await;
    }

    async fn names(&self, directory: &str) -> BTreeSet<String> {
        let entries = self.fs.read_dir(&self.place(directory)).await.unwrap_or_default();
        let names = entries.into_iter().map(|entry| entry.name);
        names.filter(|name| !self.settings.excludes(name)).collect()
    }

    /// Compares directories and, where that is asked for, those in them, in order
    /// of names.
    async fn directories(&mut self, old: &str, new: &str) {
        let mut waiting = Vec::new();
        self.enter(old, new, &mut waiting).await;
        while let Some((old, new)) = waiting.pop() {
            match (self.kind(&old).await, self.kind(&new).await) {
                (Kind::Directory, Kind::Directory) if self.settings.recursive => {
                    self.enter(&old, &new, &mut waiting).await;
                }
                (Kind::Directory, Kind::Directory) => {
                    self.say(&format!("Common subdirectories: {old} and {new}"));
                }
                (Kind::File, Kind::File) => self.files(&old, &new, true).await,
                (Kind::Absent, kind) => self.only(&new, kind, &old, &new, &mut waiting).await,
                (kind, Kind::Absent) => self.only(&old, kind, &old, &new, &mut waiting).await,
                (one, other) => {
                    let what = |kind| if kind == Kind::File { "regular file" } else { "directory" };
                    let (one, other) = (what(one), what(other));
                    self.say(&format!("File {old} is a {one} while file {new} is a {other}"));
                    self.differs();
                }
            }
        }
    }

    /// Puts what is in two directories on top, the last name first.
    async fn enter(&self, old: &str, new: &str, waiting: &mut Vec<(String, String)>) {
        let mut names = self.names(old).await;
        names.extend(self.names(new).await);
        waiting.extend(names.iter().rev().map(|name| (joined(old, name), joined(new, name))));
    }

    async fn only(
        &mut self,
        present: &str,
        kind: Kind,
        old: &str,
        new: &str,
        waiting: &mut Vec<(String, String)>,
    ) {
        if self.settings.absent_as_empty {
            if kind == Kind::File {
                self.files(old, new, true).await;
            } else if self.settings.recursive {
                self.enter(old, new, waiting).await;
            }
            return;
        }
        let (directory, name) = present.rsplit_once('/').unwrap_or((".", present));
        self.say(&format!("Only in {directory}: {name}"));
        self.differs();
    }

    async fn content(&mut self, name: &str) -> Option<Vec<u8>> {
        if name == "-" {
            return Some(self.stdin.clone());
        }
        match self.fs.read_file(&self.place(name)).await {
            Ok(content) => Some(content),
            Err(_) if self.settings.absent_as_empty => Some(Vec::new()),
            Err(err) => {
                self.trouble(&format!("{name}: {err}"));
                None
            }
        }
    }

    async fn files(&mut self, old: &str, new: &str, in_directories: bool) {
        let (Some(before), Some(after)) = (self.content(old).await, self.content(new).await) else {
            return;
        };
        let (left, right) = (lines::split(&before), lines::split(&after));
        let is_binary = |text: &[u8]| text.iter().take(8192).any(|byte| *byte == 0);
        let binary = !self.settings.as_text && (is_binary(&before) || is_binary(&after));
        let changes = if before == after || binary {
            Vec::new()
        } else {
            lines::changes(&left, &right, self.settings.ignored)
        };
        if before == after || (!binary && changes.is_empty()) {
            if self.settings.tells_identical {
                self.say(&format!("Files {old} and {new} are identical"));
            }
            let shows_all =
                matches!(self.settings.format, Format::SideBySide { only_changes: false, .. });
            if !shows_all || self.settings.brief {
                return;
            }
        } else if self.settings.brief {
            self.say(&format!("Files {old} and {new} differ"));
            return self.differs();
        } else if binary {
            self.say(&format!("Binary files {old} and {new} differ"));
            self.status = 2;
            return;
        } else {
            self.differs();
        }
        if self.settings.as_git {
            let presence =
                (self.kind(old).await != Kind::Absent, self.kind(new).await != Kind::Absent);
            let heading = git::Heading::of((old, &before), (new, &after), presence);
            self.stdout.extend_from_slice(heading.lines.as_bytes());
            let changes = lines::changes_as_git(&left, &right, self.settings.ignored);
            let old = Side { label: heading.old, lines: left };
            let new = Side { label: heading.new, lines: right };
            let shown = formats::show(self.settings.format, &old, &new, &changes);
            self.stdout.extend_from_slice(&git::with_functions(&shown, &old.lines));
            return;
        }
        if in_directories {
            let given = &self.settings.given;
            let heading = format!("diff {given}{old} {new}");
            self.say(&heading);
        }
        let label = |at: usize| self.settings.labels.get(at).cloned();
        let old = Side { label: label(0).unwrap_or(self.label(old).await), lines: left };
        let new = Side { label: label(1).unwrap_or(self.label(new).await), lines: right };
        let shown = formats::show(self.settings.format, &old, &new, &changes);
        self.stdout.extend_from_slice(&shown);
    }

    /// A name with the time of the file.
    async fn label(&self, name: &str) -> String {
        let found = self.fs.stat(&self.place(name)).await.ok();
        let modified = found.map_or(UNIX_EPOCH, |found| found.modified);
        let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{name}\t{}", calendar::full(since.as_secs(), since.subsec_nanos()))
    }
}

fn joined(directory: &str, name: &str) -> String {
    format!("{}/{name}", directory.trim_end_matches('/'))
}

fn file_name(path: &str) -> &str {
    let name = Path::new(path).file_name().and_then(|name| name.to_str());
    name.unwrap_or(path)
}
