//! `wc`.

use bashkit::{Command, CommandContext, CommandStatus, async_trait};

use super::{IS_A_DIRECTORY, Source, complain, open, operands, parsed};
use crate::options::{Known, Parsed, flag};
use crate::places::Places;

/// The command.
pub(crate) struct Wc(pub(crate) Places);

#[rustfmt::skip]
const OPTIONS: [Known; 5] = [
    flag('l', "lines"),
    flag('w', "words"),
    flag('c', "bytes"),
    flag('m', "chars"),
    flag('L', "max-line-length"),
];

/// Digits of numbers where a size is not known before.
const WIDTH_OF_STREAMS: usize = 7;

/// What was counted.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    lines: u64,
    words: u64,
    chars: u64,
    bytes: u64,
    longest: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.lines += other.lines;
        self.words += other.words;
        self.chars += other.chars;
        self.bytes += other.bytes;
        self.longest = self.longest.max(other.longest);
    }

    fn shown(self, chosen: &str, width: usize) -> String {
        let columns = [
            ('l', self.lines),
            ('w', self.words),
            ('m', self.chars),
            ('c', self.bytes),
            ('L', self.longest),
        ];
        let columns = columns.iter().filter(|(letter, _)| chosen.contains(*letter));
        columns.map(|(_, count)| format!("{count:>width$}")).collect::<Vec<_>>().join(" ")
    }
}

#[async_trait]
impl Command for Wc {
    async fn execute(&self, ctx: CommandContext<'_>) -> bashkit::Result<CommandStatus> {
        let Some(parsed) = parsed(&ctx, ctx.args, &OPTIONS).await? else {
            return Ok(CommandStatus::with_code(1));
        };
        let chosen = chosen(&parsed);
        let names = operands(&parsed.operands);
        let width = self.width(&ctx, &names, &chosen);
        let mut total = Counts::default();
        let mut status = 0;
        for name in &names {
            let counts = match open(&ctx, &self.0, name).await {
                Ok(source) => count(source, &chosen).await?,
                Err(reason) => {
                    complain(&ctx, &format!("{name}: {reason}")).await?;
                    status = 1;
                    if reason != IS_A_DIRECTORY {
                        continue;
                    }
                    Counts::default()
                }
            };
            total.add(counts);
            let label = if parsed.operands.is_empty() { String::new() } else { format!(" {name}") };
            let line = format!("{}{label}\n", counts.shown(&chosen, width));
            ctx.stdout.write_all(line.as_bytes()).await?;
        }
        if names.len() > 1 {
            let line = format!("{} total\n", total.shown(&chosen, width));
            ctx.stdout.write_all(line.as_bytes()).await?;
        }
        Ok(CommandStatus::with_code(status))
    }
}

impl Wc {
    /// As wide as the sizes of all files together.
    fn width(&self, ctx: &CommandContext<'_>, names: &[String], chosen: &str) -> usize {
        if names.len() == 1 && chosen.len() == 1 {
            return 1;
        }
        let sizes = names.iter().map(|name| self.0.open(ctx.cwd, name).map(|(_, size)| size));
        let streams = names.iter().any(|name| name == "-" || name.starts_with("/dev/"));
        let total: u64 = sizes.flatten().sum();
        let least = if streams { WIDTH_OF_STREAMS } else { 1 };
        total.to_string().len().max(least)
    }
}

fn chosen(parsed: &Parsed) -> String {
    let chosen: String = "lwmcL".chars().filter(|letter| parsed.has(*letter)).collect();
    if chosen.is_empty() { "lwc".to_owned() } else { chosen }
}

async fn count(mut source: Source, chosen: &str) -> bashkit::Result<Counts> {
    if let Source::File { size, .. } = &source
        && chosen == "c"
    {
        return Ok(Counts { bytes: *size, ..Counts::default() });
    }
    let mut counts = Counts::default();
    let (mut in_word, mut column) = (false, 0);
    while let Some(chunk) = source.next().await? {
        counts.bytes += chunk.len() as u64;
        for &byte in &chunk {
            counts.lines += u64::from(byte == b'\n');
            let begins = byte & 0xC0 != 0x80;
            counts.chars += u64::from(begins);
            let is_space = byte.is_ascii_whitespace() || byte == 0x0b;
            counts.words += u64::from(!is_space && !in_word);
            in_word = !is_space;
            column = match byte {
                b'\n' | b'\r' | 0x0c => 0,
                b'\t' => column + 8 - column % 8,
                byte => column + u64::from(begins && byte >= 32),
            };
            counts.longest = counts.longest.max(column);
        }
    }
    Ok(counts)
}
