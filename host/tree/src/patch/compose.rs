//! Writes the patch that makes one tree out of another.

use std::io::Write;

use bstr::BStr;
use bytes::Bytes;

use super::quote::quoted;
use super::{binary, hunks, is_binary, submodule_content};
use crate::diff::{Change, DiffOptions, changes};
use crate::ids::TreeId;
use crate::lines::{self, Work};
use crate::objects::{EntryKind, ObjectError, Objects};
use crate::path::RepoPath;

/// Largest file in a patch, in bytes: both its sides are in memory with the patch.
const MAX_CONTENT: u64 = 256 << 20;

const NO_OBJECT: &str = "0000000000000000000000000000000000000000";

pub(super) fn patch(
    objects: &dyn Objects,
    from: TreeId,
    to: TreeId,
    options: &DiffOptions,
) -> Result<Vec<u8>, ObjectError> {
    let mut writer = Writer {
        objects,
        context: options.context_lines,
        longest: options.longest,
        work: Work::until(options.deadline),
        out: Vec::new(),
    };
    for change in changes(objects, from, to, options)? {
        for part in parts(&change) {
            writer.file(&part)?;
        }
    }
    Ok(writer.out)
}

/// One `diff --git` section.
struct Part<'a> {
    old_path: &'a BStr,
    new_path: &'a BStr,
    before: Option<EntryKind>,
    after: Option<EntryKind>,
    similarity: Option<u8>,
}

/// A change of type is a deletion and an addition.
fn parts(change: &Change) -> Vec<Part<'_>> {
    let new_path = change.path.as_bstr();
    let old_path = change.previous_path.as_ref().unwrap_or(&change.path).as_bstr();
    let part =
        |before, after| Part { old_path, new_path, before, after, similarity: change.similarity };
    match (change.before, change.after) {
        (Some(before), Some(after)) if file_type(before) != file_type(after) => {
            vec![part(Some(before), None), part(None, Some(after))]
        }
        (before, after) => vec![part(before, after)],
    }
}

/// The mode without permissions.
fn file_type(kind: EntryKind) -> &'static str {
    kind.mode().get(..3).unwrap_or_default()
}

struct Writer<'a> {
    objects: &'a dyn Objects,
    context: u32,
    longest: usize,
    work: Work,
    out: Vec<u8>,
}

impl Writer<'_> {
    fn file(&mut self, part: &Part<'_>) -> Result<(), ObjectError> {
        self.header(part).map_err(|err| ObjectError::Io(err.to_string()))?;
        if part.before.map(|kind| kind.id_hex()) == part.after.map(|kind| kind.id_hex()) {
            return Ok(());
        }
        let old = self.content(part.old_path, part.before)?;
        let new = self.content(part.new_path, part.after)?;
        // Of a text that is that much longer, all that is more stands in the patch.
        let is_text = !is_binary(&new) && !lines::are_too_many(&new);
        self.check_length(if is_text { new.len().saturating_sub(old.len()) } else { 0 })?;
        self.body(part, &old, &new).map_err(|err| ObjectError::Io(err.to_string()))?;
        self.check_length(0)?;
        if self.work.is_late() { Err(ObjectError::OutOfTime) } else { Ok(()) }
    }

    /// Whether so many bytes more may come.
    fn check_length(&self, more: usize) -> Result<(), ObjectError> {
        let limit = self.longest;
        let is_longer = self.out.len().saturating_add(more) > limit;
        if is_longer { Err(ObjectError::TooLong { limit }) } else { Ok(()) }
    }

    fn header(&mut self, part: &Part<'_>) -> std::io::Result<()> {
        let out = &mut self.out;
        let (old, new) = (quoted("a/", part.old_path), quoted("b/", part.new_path));
        line(out, &[b"diff --git ", &old, b" ", &new]);
        match (part.before, part.after) {
            (None, Some(after)) => writeln!(out, "new file mode {}", after.mode())?,
            (Some(before), None) => writeln!(out, "deleted file mode {}", before.mode())?,
            (Some(before), Some(after)) if before.mode() != after.mode() => {
                writeln!(out, "old mode {}\nnew mode {}", before.mode(), after.mode())?;
            }
            _ => {}
        }
        if let Some(percent) = part.similarity {
            writeln!(out, "similarity index {percent}%")?;
            line(out, &[b"rename from ", &quoted("", part.old_path)]);
            line(out, &[b"rename to ", &quoted("", part.new_path)]);
        }
        let id = |kind: Option<EntryKind>| {
            kind.map_or_else(|| NO_OBJECT.to_owned(), |kind| kind.id_hex())
        };
        let (before, after) = (id(part.before), id(part.after));
        if before != after {
            write!(out, "index {before}..{after}")?;
            match (part.before, part.after) {
                (Some(old), Some(new)) if old.mode() == new.mode() => {
                    writeln!(out, " {}", new.mode())?;
                }
                _ => writeln!(out)?,
            }
        }
        Ok(())
    }

    fn body(&mut self, part: &Part<'_>, old: &[u8], new: &[u8]) -> std::io::Result<()> {
        if [old, new].into_iter().any(|content| is_binary(content) || lines::are_too_many(content))
        {
            self.out.extend_from_slice(b"GIT binary patch\n");
            binary::write_literal(&mut self.out, new)?;
            return binary::write_literal(&mut self.out, old);
        }
        if old.is_empty() && new.is_empty() {
            return Ok(());
        }
        self.name_line(b"--- ", part.before.map(|_| quoted("a/", part.old_path)));
        self.name_line(b"+++ ", part.after.map(|_| quoted("b/", part.new_path)));
        let Self { out, context, work, .. } = self;
        work.share(|work| hunks::write(out, old, new, *context, work))
    }

    /// A tab marks where a name with a space ends.
    fn name_line(&mut self, mark: &[u8], name: Option<Vec<u8>>) {
        let name = name.unwrap_or_else(|| b"/dev/null".to_vec());
        let tab: &[u8] = if name.contains(&b' ') { b"\t" } else { b"" };
        line(&mut self.out, &[mark, &name, tab]);
    }

    fn content(&self, path: &BStr, kind: Option<EntryKind>) -> Result<Bytes, ObjectError> {
        match kind {
            Some(EntryKind::File { id, .. } | EntryKind::Symlink(id)) => {
                let size = self.objects.blob_size(id)?;
                if size > MAX_CONTENT {
                    let path = RepoPath::new(path).unwrap_or_default();
                    return Err(ObjectError::TooLarge { path, size, limit: MAX_CONTENT });
                }
                self.objects.blob(id)
            }
            Some(EntryKind::Submodule(id)) => Ok(submodule_content(id)),
            Some(EntryKind::Directory(_)) | None => Ok(Bytes::new()),
        }
    }
}

fn line(out: &mut Vec<u8>, pieces: &[&[u8]]) {
    for piece in pieces {
        out.extend_from_slice(piece);
    }
    out.push(b'\n');
}
