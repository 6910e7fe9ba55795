//! `shred`: what a file held is overwritten, and the file removed where that is asked
//! for. Snapshots of before keep it all the same.

use bashkit::{Builtin, BuiltinContext, ExecResult, FileType, async_trait};

use crate::options::{self, Known, flag, maybe, valued};

/// The command.
pub(crate) struct Shred;

#[rustfmt::skip]
const OPTIONS: [Known; 8] = [
    flag('f', "force"), valued('n', "iterations"), valued('s', "size"), flag('u', ""),
    maybe('u', "remove"), flag('v', "verbose"), flag('x', "exact"), flag('z', "zero"),
];

/// Passes where none are asked for.
const PASSES: u32 = 3;

#[async_trait]
impl Builtin for Shred {
    async fn execute(&self, ctx: BuiltinContext<'_>) -> bashkit::Result<ExecResult> {
        let parsed = match options::parse("shred", ctx.args, &OPTIONS) {
            Ok(parsed) => parsed,
            Err(message) => return Ok(ExecResult::err(message, 1)),
        };
        if parsed.operands.is_empty() {
            return Ok(ExecResult::err("shred: missing file operand\n".to_owned(), 1));
        }
        let passes = parsed.value('n').map_or(Ok(PASSES), str::parse);
        let Ok(passes) = passes else {
            return Ok(ExecResult::err("shred: invalid number of passes\n".to_owned(), 1));
        };
        let (mut told, mut status) = (String::new(), 0);
        let total = passes + u32::from(parsed.has('z'));
        for name in &parsed.operands {
            let place = ctx.cwd.join(name);
            let found = ctx.fs.stat(&place).await.ok();
            let Some(found) = found.filter(|found| found.file_type == FileType::File) else {
                told.extend(["shred: ", name, ": failed to open for writing\n"]);
                status = 1;
                continue;
            };
            let size = usize::try_from(found.size).unwrap_or_default();
            ctx.fs.write_file(&place, &vec![0; size]).await?;
            for pass in (1..=total).filter(|_| parsed.has('v')) {
                let zeros = parsed.has('z') && pass == total;
                let what = if zeros { "000000" } else { "random" };
                let line = format!("shred: {name}: pass {pass}/{total} ({what})...\n");
                told.push_str(&line);
            }
            if parsed.has('u') {
                ctx.fs.remove(&place, false).await?;
            }
        }
        let stderr = told.into_bytes().into();
        Ok(ExecResult { stderr, exit_code: status, ..ExecResult::default() })
    }
}
