//! `cat`.

use bashkit::{Command, CommandContext, CommandStatus, async_trait};

use super::{complain, open, operands, parsed};
use crate::options::{Known, Parsed, flag};
use crate::places::Places;

/// The command.
pub(crate) struct Cat(pub(crate) Places);

#[rustfmt::skip]
const OPTIONS: [Known; 10] = [
    flag('n', "number"),
    flag('b', "number-nonblank"),
    flag('s', "squeeze-blank"),
    flag('E', "show-ends"),
    flag('T', "show-tabs"),
    flag('v', "show-nonprinting"),
    flag('A', "show-all"),
    flag('e', ""),
    flag('t', ""),
    flag('u', ""),
];

#[async_trait]
impl Command for Cat {
    async fn execute(&self, ctx: CommandContext<'_>) -> bashkit::Result<CommandStatus> {
        let Some(parsed) = parsed(&ctx, ctx.args, &OPTIONS).await? else {
            return Ok(CommandStatus::with_code(1));
        };
        let mut filter = Filter::of(&parsed);
        let mut status = 0;
        for name in operands(&parsed.operands) {
            let mut source = match open(&ctx, &self.0, &name).await {
                Ok(source) => source,
                Err(reason) => {
                    complain(&ctx, &format!("{name}: {reason}")).await?;
                    status = 1;
                    continue;
                }
            };
            while let Some(chunk) = source.next().await? {
                match &mut filter {
                    Some(filter) => ctx.stdout.write_all(&filter.shown(&chunk)).await?,
                    None => ctx.stdout.write_all(&chunk).await?,
                }
            }
        }
        Ok(CommandStatus::with_code(status))
    }
}

/// Changes what passes through, over the ends of pieces and files.
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
struct Filter {
    numbers: bool,
    numbers_of_text: bool,
    squeezes: bool,
    ends: bool,
    tabs: bool,
    controls: bool,
    line: u64,
    at_start: bool,
    blank_lines: u64,
}

impl Filter {
    /// None where bytes pass as they are.
    fn of(parsed: &Parsed) -> Option<Self> {
        let any = |letters: &str| letters.chars().any(|letter| parsed.has(letter));
        let filter = Self {
            numbers: any("n") && !any("b"),
            numbers_of_text: any("b"),
            squeezes: any("s"),
            ends: any("EAe"),
            tabs: any("TAt"),
            controls: any("vAet"),
            line: 0,
            at_start: true,
            blank_lines: 0,
        };
        any("nbsETvAet").then_some(filter)
    }

    fn shown(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut shown = Vec::with_capacity(chunk.len() + chunk.len() / 4);
        for &byte in chunk {
            let ends = byte == b'\n';
            if self.at_start {
                self.blank_lines = if ends { self.blank_lines + 1 } else { 0 };
                if self.squeezes && self.blank_lines > 1 {
                    continue;
                }
                if self.numbers || (self.numbers_of_text && !ends) {
                    self.line += 1;
                    shown.extend_from_slice(format!("{:6}\t", self.line).as_bytes());
                }
            }
            if ends && self.ends {
                shown.push(b'$');
            }
            self.byte(byte, &mut shown);
            self.at_start = ends;
        }
        shown
    }

    fn byte(&self, byte: u8, shown: &mut Vec<u8>) {
        match byte {
            b'\t' if self.tabs => shown.extend_from_slice(b"^I"),
            b'\n' | b'\t' => shown.push(byte),
            byte if self.controls => {
                let (prefix, low) =
                    if byte >= 128 { (&b"M-"[..], byte - 128) } else { (&b""[..], byte) };
                shown.extend_from_slice(prefix);
                match low {
                    0..32 => shown.extend_from_slice(&[b'^', low + 64]),
                    127 => shown.extend_from_slice(b"^?"),
                    low => shown.push(low),
                }
            }
            byte => shown.push(byte),
        }
    }
}
