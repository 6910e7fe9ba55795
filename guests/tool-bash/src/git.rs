//! `git` for an agent, over the host's snapshots of the worktree.
//!
//! There is no repository in the sandbox. What the stage began with takes the
//! place of the only commit; the index, commits and stashes of the agent are named
//! snapshots ([`state`]), which no submission has. [`change`], [`commit`] and [`stash`]
//! have the commands that change something, [`show`], [`log`] and [`status`] those that
//! only tell, [`arguments`] their words. What
//! is not there says so in one line.

mod arguments;
mod change;
mod commit;
mod diffstat;
mod log;
mod no_index;
mod reverse;
mod show;
mod stash;
mod state;
mod status;

use bashkit::{Builtin, BuiltinContext, ExecResult, async_trait};

use self::arguments::{Refusal, Words};
use self::state::Repository;

/// The command.
pub(crate) struct Git;

/// What a command prints, and its status.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    pub(crate) status: i32,
}

impl Said {
    fn nothing() -> Self {
        Self::default()
    }

    fn text(text: impl Into<String>) -> Self {
        Self { stdout: text.into().into_bytes(), ..Self::default() }
    }

    fn bytes(stdout: Vec<u8>) -> Self {
        Self { stdout, ..Self::default() }
    }

    fn aside(stderr: impl Into<String>) -> Self {
        Self { stderr: stderr.into(), ..Self::default() }
    }
}

#[async_trait]
impl Builtin for Git {
    async fn execute(&self, ctx: BuiltinContext<'_>) -> bashkit::Result<ExecResult> {
        if let Some(said) = no_index::diff(&ctx).await {
            return Ok(said);
        }
        let input = Input::of(&ctx).await;
        let answer = Words::parse(ctx.args, ctx.cwd).and_then(|words| dispatch(words, &input));
        Ok(match answer {
            Ok(said) => ExecResult {
                stdout: said.stdout.into(),
                stderr: said.stderr.into_bytes().into(),
                exit_code: said.status,
                ..ExecResult::default()
            },
            Err(Refusal { message, status }) => ExecResult::err(format!("{message}\n"), status),
        })
    }
}

/// Files and streams that a command may read.
pub(crate) struct Input {
    stdin: Vec<u8>,
    files: Vec<(String, Vec<u8>)>,
}

impl Input {
    /// Reads what words name: patches and messages may lie anywhere.
    async fn of(ctx: &BuiltinContext<'_>) -> Self {
        let stdin = ctx.stdin.map(|bytes| bytes.as_bytes().to_vec()).unwrap_or_default();
        let mut files = Vec::new();
        if ctx.args.iter().any(|word| word == "apply" || word == "commit") {
            for word in ctx.args {
                let place = arguments::absolute(ctx.cwd, word);
                if let Ok(content) = ctx.fs.read_file(&place).await {
                    files.push((word.clone(), content));
                }
            }
        }
        Self { stdin, files }
    }

    /// The content of what a word names; `-` is standard input.
    fn read(&self, word: &str) -> Result<&[u8], Refusal> {
        if word == "-" {
            return Ok(&self.stdin);
        }
        let found = self.files.iter().find(|(name, _)| name == word);
        found.map(|(_, content)| content.as_slice()).ok_or_else(|| {
            Refusal::fatal(format_args!(
                "could not open '{word}' for reading: No such file or directory"
            ))
        })
    }
}

fn dispatch(words: Words, input: &Input) -> Result<Said, Refusal> {
    let mut repository = Repository::open()?;
    let it = &mut repository;
    match words.command.as_str() {
        "status" => status::status(it, words),
        "diff" => show::diff(it, words),
        "show" => log::show(it, words),
        "log" => log::log(it, words),
        "reflog" => log::reflog(it, words),
        "grep" => show::grep(it, words),
        "ls-files" => show::ls_files(it, words),
        "rev-parse" => show::rev_parse(it, &words),
        "branch" => show::branch(words),
        "add" | "stage" => change::add(it, words),
        "rm" => change::remove(it, words),
        "mv" => change::rename(it, words),
        "restore" => change::restore(it, words),
        "checkout" => change::checkout(it, words),
        "reset" => change::reset(it, words),
        "clean" => change::clean(it, words),
        "commit" => commit::commit(it, words, input),
        "apply" => commit::apply(it, words, input),
        "stash" => stash::stash(it, words),
        "init" => Ok(Said::text("Reinitialized existing Git repository in /workspace/.git/\n")),
        "config" | "remote" | "tag" | "gc" => Ok(Said::nothing()),
        "version" | "--version" => Ok(Said::text("git version 2 (of the sandbox)\n")),
        "clone" | "fetch" | "pull" | "push" => {
            Err(Refusal::fatal(format_args!("git {}: there is no network", words.command)))
        }
        other => Err(Refusal::not_there(other)),
    }
}
