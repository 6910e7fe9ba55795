//! `grep`, also of directories, line by line.
//!
//! [`pattern`] reads GNU's expressions, [`search`] goes through one file; which files
//! there are is decided here.

mod pattern;
mod search;

use std::path::Path;

use bashkit::{Command, CommandContext, CommandStatus, FileType, async_trait};

use self::search::{Report, Shown};
use super::{Source, open};
use crate::options::{self, Known, Parsed, flag, matches_glob, maybe, valued};
use crate::places::Places;

/// The command.
pub(crate) struct Grep(pub(crate) Places);

const COLOR: char = 'ç';
const INCLUDE: char = 'í';
const EXCLUDE: char = 'é';
const EXCLUDE_DIRECTORY: char = 'è';
const LABEL: char = 'ł';
const BINARY: char = 'ƀ';
const IGNORED: char = 'ĩ';

#[rustfmt::skip]
const OPTIONS: [Known; 48] = [
    flag('n', "line-number"), flag('c', "count"), valued('m', "max-count"), flag('i', "ignore-case"),
    flag('v', "invert-match"), flag('E', "extended-regexp"), flag('F', "fixed-strings"),
    flag('G', "basic-regexp"), flag('P', "perl-regexp"), flag('o', "only-matching"),
    flag('l', "files-with-matches"), flag('L', "files-without-match"), flag('q', "quiet"),
    flag('q', "silent"), flag('H', "with-filename"), flag('h', "no-filename"),
    flag('w', "word-regexp"), flag('x', "line-regexp"), valued('e', "regexp"), valued('f', "file"),
    flag('s', "no-messages"), valued('A', "after-context"), valued('B', "before-context"),
    valued('C', "context"), flag('a', "text"), flag('I', ""), flag('r', "recursive"),
    flag('R', "dereference-recursive"), maybe(COLOR, "color"), maybe(COLOR, "colour"),
    valued(INCLUDE, "include"), valued(EXCLUDE, "exclude"),
    valued(EXCLUDE_DIRECTORY, "exclude-dir"), flag('y', ""), flag('z', "null-data"),
    flag('Z', "null"), flag('b', "byte-offset"), flag('T', "initial-tab"), valued(LABEL, "label"),
    valued(BINARY, "binary-files"), flag('U', "binary"), flag('u', "unix-byte-offsets"),
    flag(IGNORED, "line-buffered"), flag(IGNORED, "no-ignore-case"), valued('d', "directories"),
    valued('D', "devices"), valued('X', ""), valued(IGNORED, "exclude-from"),
];

/// What ends the search with a message.
type Refusal = String;

#[async_trait]
impl Command for Grep {
    async fn execute(&self, ctx: CommandContext<'_>) -> bashkit::Result<CommandStatus> {
        let words: Vec<String> = ctx.args.iter().map(|word| numbered(word)).collect();
        match Search::of(&ctx, &self.0, &words).await {
            Ok(mut search) => {
                search.run(&ctx).await?;
                Ok(CommandStatus::with_code(search.status()))
            }
            Err(message) => {
                ctx.stderr.write_all(message.as_bytes()).await?;
                Ok(CommandStatus::with_code(2))
            }
        }
    }
}

/// `-5` is five lines of context.
fn numbered(word: &str) -> String {
    match word.strip_prefix('-').map(str::parse::<usize>) {
        Some(Ok(lines)) => format!("-C{lines}"),
        _ => word.to_owned(),
    }
}

/// One run.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Search<'a> {
    places: &'a Places,
    parsed: Parsed,
    files: Vec<String>,
    recursive: bool,
    shown: Shown,
    failed: bool,
    found: bool,
    /// Something of an earlier file was shown with its context.
    separated: bool,
}

impl<'a> Search<'a> {
    async fn of(
        ctx: &CommandContext<'_>,
        places: &'a Places,
        words: &[String],
    ) -> Result<Self, Refusal> {
        let parsed = options::parse(ctx.name, words, &OPTIONS)?;
        let mut files = parsed.operands.clone();
        let mut patterns: Vec<String> = parsed.values('e').map(str::to_owned).collect();
        for name in parsed.values('f') {
            let listed = whole(ctx, places, name).await;
            let listed = listed.map_err(|reason| format!("grep: {name}: {reason}\n"))?;
            patterns.extend(listed.lines().map(str::to_owned));
        }
        if patterns.is_empty() && !parsed.has('f') {
            if files.is_empty() {
                return Err("Usage: grep [OPTION]... PATTERNS [FILE]...\n\
                            Try 'grep --help' for more information.\n"
                    .to_owned());
            }
            patterns.push(files.remove(0));
        }
        let recursive = parsed.has('r') || parsed.has('R') || parsed.value('d') == Some("recurse");
        let several = files.len() > 1 || recursive;
        let shown = Shown::of(&parsed, &patterns, several)?;
        if files.is_empty() {
            files.push(if recursive { String::new() } else { "-".to_owned() });
        }
        Ok(Self {
            places,
            parsed,
            files,
            recursive,
            shown,
            failed: false,
            found: false,
            separated: false,
        })
    }

    fn status(&self) -> i32 {
        match (self.failed, self.found) {
            (true, found) if !(found && self.shown.quiet) => 2,
            (_, true) => 0,
            _ => 1,
        }
    }

    async fn run(&mut self, ctx: &CommandContext<'_>) -> bashkit::Result<()> {
        // The last is looked at first.
        let mut waiting: Vec<(String, bool)> =
            self.files.iter().rev().map(|name| (name.clone(), true)).collect();
        while let Some((name, named)) = waiting.pop() {
            if self.found && self.shown.quiet {
                break;
            }
            let place = ctx.cwd.join(&name);
            let is_directory = name != "-"
                && ctx.fs.stat(&place).await.is_ok_and(|at| at.file_type == FileType::Directory);
            if is_directory && self.recursive {
                waiting.extend(self.inside(ctx, &name, named).await);
                continue;
            }
            let skipped = is_directory && self.parsed.value('d') == Some("skip");
            if !skipped && !self.passes_over(&name, named) {
                self.one(ctx, &name).await?;
            }
        }
        Ok(())
    }

    /// Whether a file is excluded by its name.
    fn passes_over(&self, name: &str, named: bool) -> bool {
        let base = Path::new(name).file_name().and_then(|base| base.to_str()).unwrap_or(name);
        let any = |letter: char| {
            let mut patterns = self.parsed.values(letter);
            patterns.any(|pattern| matches_glob(pattern, base) || matches_glob(pattern, name))
        };
        if name == "-" || name.is_empty() {
            return false;
        }
        let included = named || !self.parsed.has(INCLUDE) || any(INCLUDE);
        any(EXCLUDE) || !included
    }

    /// What is in a directory, in reverse order.
    async fn inside(
        &self,
        ctx: &CommandContext<'_>,
        name: &str,
        named: bool,
    ) -> Vec<(String, bool)> {
        let excludes = |base: &str| {
            let mut patterns = self.parsed.values(EXCLUDE_DIRECTORY);
            patterns.any(|pattern| matches_glob(pattern.trim_end_matches('/'), base))
        };
        if named && excludes(name.trim_end_matches('/')) {
            return Vec::new();
        }
        let entries = ctx.fs.read_dir(&ctx.cwd.join(name)).await.unwrap_or_default();
        let wanted = entries.into_iter().rev().filter(|entry| match entry.metadata.file_type {
            FileType::Directory => !excludes(&entry.name),
            FileType::Symlink => self.parsed.has('R'),
            _ => true,
        });
        let joined = wanted.map(|entry| match name {
            "" => (entry.name, false),
            name => (format!("{}/{}", name.trim_end_matches('/'), entry.name), false),
        });
        joined.collect()
    }

    async fn one(&mut self, ctx: &CommandContext<'_>, name: &str) -> bashkit::Result<()> {
        let label = match name {
            "-" => self.parsed.value(LABEL).unwrap_or("(standard input)"),
            name => name,
        };
        let report = match open(ctx, self.places, name).await {
            Ok(source) => self.shown.search(ctx, source, label, self.separated).await?,
            Err(reason) => {
                self.failed = true;
                if !self.parsed.has('s') {
                    let line = format!("grep: {name}: {reason}\n");
                    ctx.stderr.write_all(line.as_bytes()).await?;
                }
                return Ok(());
            }
        };
        let Report { found, with_context } = report;
        self.found |= found;
        self.separated |= with_context;
        Ok(())
    }
}

async fn whole(ctx: &CommandContext<'_>, places: &Places, name: &str) -> Result<String, String> {
    let mut source: Source = open(ctx, places, name).await?;
    let mut text = Vec::new();
    while let Some(chunk) = source.next().await.map_err(|err| err.to_string())? {
        text.extend(chunk);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}
