//! `head`.

use std::collections::VecDeque;

use bashkit::{Command, CommandContext, CommandStatus, async_trait};

use super::number::{self, Count, Wanted};
use super::{Shown, Source, complain, parsed};
use crate::options::{Known, flag, valued};
use crate::places::Places;

/// The command.
pub(crate) struct Head(pub(crate) Places);

#[rustfmt::skip]
const OPTIONS: [Known; 5] = [
    valued('n', "lines"),
    valued('c', "bytes"),
    flag('q', "quiet"),
    flag('v', "verbose"),
    flag('z', "zero-terminated"),
];

#[async_trait]
impl Command for Head {
    async fn execute(&self, ctx: CommandContext<'_>) -> bashkit::Result<CommandStatus> {
        let words = number::modern(ctx.args, &['-']);
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
        let end = if parsed.has('z') { b'\0' } else { b'\n' };
        let mut shown = Shown::of(&parsed);
        while let Some(mut source) = shown.next(&ctx, &self.0).await? {
            beginning(&ctx, &mut source, count, by_bytes, end).await?;
        }
        Ok(CommandStatus::with_code(shown.status))
    }
}

async fn beginning(
    ctx: &CommandContext<'_>,
    source: &mut Source,
    count: Count,
    by_bytes: bool,
    end: u8,
) -> bashkit::Result<()> {
    let number = usize::try_from(count.number).unwrap_or(usize::MAX);
    match (count.sign, by_bytes) {
        (Some('-'), true) => {
            let mut kept = VecDeque::new();
            while let Some(chunk) = source.next().await? {
                kept.extend(chunk);
                let ready: Vec<u8> = kept.drain(..kept.len().saturating_sub(number)).collect();
                ctx.stdout.write_all(&ready).await?;
            }
            Ok(())
        }
        (Some('-'), false) => all_but_last_lines(ctx, source, number, end).await,
        (_, true) => {
            let mut left = number;
            while left > 0 {
                let Some(mut chunk) = source.next().await? else { break };
                chunk.truncate(left);
                left -= chunk.len();
                ctx.stdout.write_all(&chunk).await?;
            }
            Ok(())
        }
        (_, false) => {
            let mut left = number;
            while left > 0 {
                let Some(chunk) = source.next().await? else { break };
                let mut ends = chunk.iter().enumerate().filter(|(_, byte)| **byte == end);
                let taken = match ends.by_ref().nth(left - 1) {
                    Some((at, _)) => at + 1,
                    None => chunk.len(),
                };
                let (shown, _) = chunk.split_at(taken);
                left -= memchr::memchr_iter(end, shown).count();
                ctx.stdout.write_all(shown).await?;
            }
            Ok(())
        }
    }
}

/// Keeps as many lines back as are to be left out.
async fn all_but_last_lines(
    ctx: &CommandContext<'_>,
    source: &mut Source,
    number: usize,
    end: u8,
) -> bashkit::Result<()> {
    let mut kept: VecDeque<Vec<u8>> = VecDeque::new();
    while let Some(chunk) = source.next().await? {
        for piece in chunk.split_inclusive(|byte| *byte == end) {
            match kept.back_mut().filter(|line| line.last() != Some(&end)) {
                Some(begun) => begun.extend_from_slice(piece),
                None => kept.push_back(piece.to_vec()),
            }
            while kept.len() > number.saturating_add(1) {
                let line = kept.pop_front().unwrap_or_default();
                ctx.stdout.write_all(&line).await?;
            }
        }
    }
    while kept.len() > number {
        let line = kept.pop_front().unwrap_or_default();
        ctx.stdout.write_all(&line).await?;
    }
    Ok(())
}
