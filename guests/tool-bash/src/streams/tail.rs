//! `tail`. Of a file it reads the end alone; `-f` shows what is there and ends.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use bashkit::{Command, CommandContext, CommandStatus, async_trait};

use super::number::{self, Count, Wanted};
use super::{CHUNK, Shown, Source, complain, parsed};
use crate::options::{Known, flag, maybe, valued};
use crate::places::Places;

/// The command.
pub(crate) struct Tail(pub(crate) Places);

const PID: char = 'þ';

#[rustfmt::skip]
const OPTIONS: [Known; 9] = [
    valued('n', "lines"),
    valued('c', "bytes"),
    flag('q', "quiet"),
    flag('v', "verbose"),
    flag('f', ""),
    maybe('f', "follow"),
    flag('F', "retry"),
    valued('s', "sleep-interval"),
    valued(PID, "pid"),
];

#[async_trait]
impl Command for Tail {
    async fn execute(&self, ctx: CommandContext<'_>) -> bashkit::Result<CommandStatus> {
        let words = number::modern(ctx.args, &['-', '+']);
        let Some(parsed) = parsed(&ctx, &words, &OPTIONS).await? else {
            return Ok(CommandStatus::with_code(1));
        };
        let Wanted { count, by_bytes } = match Wanted::of(&parsed) {
            Ok(wanted) => wanted,
            Err(message) => {
                complain(&ctx, &message).await?;
                return Ok(CommandStatus::with_code(1));
            }
        };
        let mut shown = Shown::of(&parsed);
        while let Some(mut source) = shown.next(&ctx, &self.0).await? {
            ending(&ctx, &mut source, count, by_bytes).await?;
        }
        Ok(CommandStatus::with_code(shown.status))
    }
}

async fn ending(
    ctx: &CommandContext<'_>,
    source: &mut Source,
    count: Count,
    by_bytes: bool,
) -> bashkit::Result<()> {
    let number = usize::try_from(count.number).unwrap_or(usize::MAX);
    if count.sign == Some('+') {
        return from_start(ctx, source, number.saturating_sub(1), by_bytes).await;
    }
    if let Source::File { file, size } = source {
        let start = if by_bytes {
            size.saturating_sub(count.number)
        } else {
            line_start(file, *size, number)?
        };
        file.seek(SeekFrom::Start(start))?;
        while let Some(chunk) = source.next().await? {
            ctx.stdout.write_all(&chunk).await?;
        }
        return Ok(());
    }
    let kept = if by_bytes {
        last_bytes(source, number).await?
    } else {
        last_lines(source, number).await?
    };
    ctx.stdout.write_all(&kept).await
}

/// Leaves out so many lines or bytes, then shows all.
async fn from_start(
    ctx: &CommandContext<'_>,
    source: &mut Source,
    number: usize,
    by_bytes: bool,
) -> bashkit::Result<()> {
    let mut left = number;
    while let Some(chunk) = source.next().await? {
        let skipped = if by_bytes {
            left.min(chunk.len())
        } else {
            let mut ends = chunk.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
            match left.checked_sub(1).map(|last| ends.nth(last)) {
                None => 0,
                Some(Some((at, _))) => at + 1,
                Some(None) => chunk.len(),
            }
        };
        let (out, shown) = chunk.split_at(skipped);
        left -= if by_bytes { skipped } else { memchr::memchr_iter(b'\n', out).count() };
        ctx.stdout.write_all(shown).await?;
    }
    Ok(())
}

/// Where the last lines of a file begin, found backwards in pieces.
fn line_start(file: &mut File, size: u64, lines: usize) -> std::io::Result<u64> {
    if lines == 0 {
        return Ok(size);
    }
    let mut wanted = lines;
    let mut end = size;
    let mut piece = vec![0; CHUNK];
    while end > 0 {
        let start = end.saturating_sub(CHUNK as u64);
        let length = usize::try_from(end - start).unwrap_or(CHUNK);
        file.seek(SeekFrom::Start(start))?;
        let part = piece.get_mut(..length).unwrap_or_default();
        file.read_exact(part)?;
        for (at, byte) in part.iter().enumerate().rev() {
            let position = start + at as u64;
            // The end of the last line begins no further one.
            if *byte != b'\n' || position + 1 == size {
                continue;
            }
            wanted -= 1;
            if wanted == 0 {
                return Ok(position + 1);
            }
        }
        end = start;
    }
    Ok(0)
}

async fn last_bytes(source: &mut Source, number: usize) -> bashkit::Result<Vec<u8>> {
    let mut kept = VecDeque::new();
    while let Some(chunk) = source.next().await? {
        kept.extend(chunk);
        kept.drain(..kept.len().saturating_sub(number));
    }
    Ok(kept.into())
}

async fn last_lines(source: &mut Source, number: usize) -> bashkit::Result<Vec<u8>> {
    let mut kept: VecDeque<Vec<u8>> = VecDeque::new();
    while let Some(chunk) = source.next().await? {
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            match kept.back_mut().filter(|line| line.last() != Some(&b'\n')) {
                Some(begun) => begun.extend_from_slice(piece),
                None => kept.push_back(piece.to_vec()),
            }
        }
        kept.drain(..kept.len().saturating_sub(number.max(1)));
    }
    kept.drain(..kept.len().saturating_sub(number));
    Ok(kept.into_iter().flatten().collect())
}
