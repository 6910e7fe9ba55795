//! Commands that read files piece by piece: `cat`, `head`, `tail`, `wc`, and
//! `grep` in large files. Their memory does not grow with what they read.
//!
//! What is common to them is here: a [`Source`] of bytes, and how a file is opened.

mod cat;
mod grep;
mod head;
mod number;
mod tail;
mod wc;

use std::fs::File;
use std::io::Read as _;

use bashkit::{CommandContext, CommandInput, FileType};

pub(crate) use self::cat::Cat;
pub(crate) use self::grep::Grep;
pub(crate) use self::head::Head;
pub(crate) use self::tail::Tail;
pub(crate) use self::wc::Wc;
use crate::options::{self, Known, Parsed};
use crate::places::Places;

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;

/// Why a directory is not read.
const IS_A_DIRECTORY: &str = "Is a directory";

/// Where bytes come from.
enum Source {
    Input(CommandInput),
    File {
        file: File,
        size: u64,
    },
    /// What only the shell's own file system has.
    Bytes(Vec<u8>),
    /// `/dev/zero`, which does not end.
    Zeros,
}

impl Source {
    /// The next bytes; none at the end.
    async fn next(&mut self) -> bashkit::Result<Option<Vec<u8>>> {
        match self {
            Self::Input(input) => input.read_chunk().await,
            Self::File { file, .. } => {
                let mut chunk = vec![0; CHUNK];
                let read = file.read(&mut chunk)?;
                chunk.truncate(read);
                Ok((read > 0).then_some(chunk))
            }
            Self::Zeros => Ok(Some(vec![0; CHUNK])),
            Self::Bytes(bytes) => {
                let bytes = std::mem::take(bytes);
                Ok((!bytes.is_empty()).then_some(bytes))
            }
        }
    }
}

/// Opens what an operand names; `-` is standard input. Fails in GNU's words.
async fn open(ctx: &CommandContext<'_>, places: &Places, name: &str) -> Result<Source, String> {
    if name == "-" || name == "/dev/stdin" {
        return Ok(Source::Input(ctx.stdin.clone()));
    }
    if name == "/dev/zero" && ctx.name == "head" {
        return Ok(Source::Zeros);
    }
    if let Some((file, size)) = places.open(ctx.cwd, name) {
        return Ok(Source::File { file, size });
    }
    let place = ctx.cwd.join(name);
    if let Ok(found) = ctx.fs.stat(&place).await
        && found.file_type == FileType::Directory
    {
        return Err(IS_A_DIRECTORY.to_owned());
    }
    match ctx.fs.read_file(&place).await {
        Ok(bytes) => Ok(Source::Bytes(bytes)),
        Err(_) => Err("No such file or directory".to_owned()),
    }
}

/// Standard input where no operand is given.
fn operands(given: &[String]) -> Vec<String> {
    if given.is_empty() { vec!["-".to_owned()] } else { given.to_vec() }
}

/// Reads a command line. One that is wrong is told, and there is nothing then.
async fn parsed(
    ctx: &CommandContext<'_>,
    words: &[String],
    known: &[Known],
) -> bashkit::Result<Option<Parsed>> {
    match options::parse(ctx.name, words, known) {
        Ok(parsed) => Ok(Some(parsed)),
        Err(message) => {
            ctx.stderr.write_all(message.as_bytes()).await?;
            Ok(None)
        }
    }
}

/// The files that `head` and `tail` show one after another.
struct Shown {
    names: std::vec::IntoIter<String>,
    headed: bool,
    first: bool,
    status: i32,
}

impl Shown {
    fn of(parsed: &Parsed) -> Self {
        let names = operands(&parsed.operands);
        let headed = (names.len() > 1 || parsed.has('v')) && !parsed.has('q');
        Self { names: names.into_iter(), headed, first: true, status: 0 }
    }

    /// The next one that can be read, below its heading. What can't be is told.
    async fn next(
        &mut self,
        ctx: &CommandContext<'_>,
        places: &Places,
    ) -> bashkit::Result<Option<Source>> {
        for name in self.names.by_ref() {
            match open(ctx, places, &name).await {
                Ok(source) => {
                    if self.headed {
                        heading(ctx, &name, self.first).await?;
                    }
                    self.first = false;
                    return Ok(Some(source));
                }
                Err(reason) => {
                    cannot_read(ctx, &name, &reason).await?;
                    self.status = 1;
                }
            }
        }
        Ok(None)
    }
}

/// The heading of a file among several.
async fn heading(ctx: &CommandContext<'_>, name: &str, first: bool) -> bashkit::Result<()> {
    let name = if name == "-" { "standard input" } else { name };
    let gap = if first { "" } else { "\n" };
    ctx.stdout.write_all(format!("{gap}==> {name} <==\n").as_bytes()).await
}

/// What `head` and `tail` say of a file.
async fn cannot_read(ctx: &CommandContext<'_>, name: &str, reason: &str) -> bashkit::Result<()> {
    let message = match reason {
        IS_A_DIRECTORY => format!("error reading '{name}': {reason}"),
        _ => format!("cannot open '{name}' for reading: {reason}"),
    };
    complain(ctx, &message).await
}

async fn complain(ctx: &CommandContext<'_>, message: &str) -> bashkit::Result<()> {
    ctx.stderr.write_all(format!("{}: {message}\n", ctx.name).as_bytes()).await
}
