//! What stands above the content of a file's patch: names, modes, ids.

use bstr::{BStr, BString, ByteSlice};

use super::super::quote::unquote;
use super::super::{Action, FileKind, PatchError};
use super::{Lines, syntax};
use crate::path::RepoPath;

/// The head of one file's patch.
pub(super) struct Header {
    pub(super) action: Action,
    pub(super) old_path: Option<RepoPath>,
    pub(super) new_path: Option<RepoPath>,
    pub(super) old_kind: Option<FileKind>,
    pub(super) new_kind: Option<FileKind>,
    pub(super) old_id: Option<String>,
    pub(super) new_id: Option<String>,
}

/// The fields as they come, before they are weighed against each other.
#[derive(Default)]
struct Fields {
    action: Option<Action>,
    /// From `diff --git`, only when both sides have the same name.
    both: Option<BString>,
    /// From `---` and `+++`.
    minus: Option<Side>,
    plus: Option<Side>,
    from: Option<BString>,
    to: Option<BString>,
    old_kind: Option<FileKind>,
    new_kind: Option<FileKind>,
    old_id: Option<String>,
    new_id: Option<String>,
}

/// What `---` or `+++` name.
enum Side {
    Nothing,
    File(BString),
}

impl Side {
    fn file(self) -> Option<BString> {
        match self {
            Self::Nothing => None,
            Self::File(name) => Some(name),
        }
    }
}

impl Header {
    /// Reads the head that begins with `diff --git`.
    pub(super) fn git(lines: &mut Lines<'_>) -> Result<Self, PatchError> {
        let first = without_line_end(lines.next().unwrap_or_default());
        let number = lines.number;
        let names = first.strip_prefix(b"diff --git ").unwrap_or_default();
        let mut fields = Fields { both: common_name(names), ..Fields::default() };
        while let Some(line) = lines.peek() {
            if !fields.read(without_line_end(line), lines.number + 1)? {
                break;
            }
            lines.next();
        }
        fields.finish(number)
    }

    /// Reads a head of `---` and `+++` alone.
    pub(super) fn plain(lines: &mut Lines<'_>) -> Result<Self, PatchError> {
        let number = lines.number + 1;
        let mut fields = Fields::default();
        for _ in 0..2 {
            let line = lines.next().unwrap_or_default();
            fields.read(without_line_end(line), lines.number)?;
        }
        fields.finish(number)
    }
}

impl Fields {
    /// Takes a line of the head; `false` if the line is not one.
    fn read(&mut self, line: &[u8], number: usize) -> Result<bool, PatchError> {
        let mode = |text: &[u8]| {
            kind_of_mode(text).ok_or_else(|| {
                syntax(number, &format!("`{}` is not a mode git has", text.as_bstr()))
            })
        };
        let name = |text: &[u8]| name(text).ok_or_else(|| syntax(number, "a name is not closed"));
        if let Some(text) = line.strip_prefix(b"old mode ") {
            self.old_kind = Some(mode(text)?);
        } else if let Some(text) = line.strip_prefix(b"new mode ") {
            self.new_kind = Some(mode(text)?);
        } else if let Some(text) = line.strip_prefix(b"new file mode ") {
            self.action = Some(Action::Create);
            self.new_kind = Some(mode(text)?);
        } else if let Some(text) = line.strip_prefix(b"deleted file mode ") {
            self.action = Some(Action::Delete);
            self.old_kind = Some(mode(text)?);
        } else if let Some((action, text)) = moved(line, "from") {
            self.action = Some(action);
            self.from = Some(name(text)?);
        } else if let Some((action, text)) = moved(line, "to") {
            self.action = Some(action);
            self.to = Some(name(text)?);
        } else if let Some(text) = line.strip_prefix(b"index ") {
            self.read_index(text);
        } else if let Some(text) = line.strip_prefix(b"--- ") {
            self.minus = Some(side_name(text));
        } else if let Some(text) = line.strip_prefix(b"+++ ") {
            self.plus = Some(side_name(text));
        } else {
            return Ok(
                line.starts_with(b"similarity index ") || line.starts_with(b"dissimilarity index ")
            );
        }
        Ok(true)
    }

    /// Reads `<old>..<new> <mode>`. Git takes no offence at a line that is not one.
    fn read_index(&mut self, text: &[u8]) {
        let (ids, mode) = text.split_once_str(" ").unwrap_or((text, b""));
        let Some((old, new)) = ids.split_once_str("..") else { return };
        let hex = |id: &[u8]| {
            let digits = !id.is_empty() && id.iter().all(u8::is_ascii_hexdigit);
            digits.then(|| id.to_str_lossy().to_ascii_lowercase())
        };
        self.old_id = hex(old);
        self.new_id = hex(new);
        if let Some(kind) = kind_of_mode(mode) {
            self.old_kind = self.old_kind.or(Some(kind));
            self.new_kind = self.new_kind.or(Some(kind));
        }
    }

    fn finish(self, number: usize) -> Result<Header, PatchError> {
        let action = self.action.unwrap_or(match (&self.minus, &self.plus) {
            (Some(Side::Nothing), Some(Side::File(_))) => Action::Create,
            (Some(Side::File(_)), Some(Side::Nothing)) => Action::Delete,
            _ => Action::Modify,
        });
        let old =
            self.from.or_else(|| self.minus.and_then(Side::file)).or_else(|| self.both.clone());
        let new = self.to.or_else(|| self.plus.and_then(Side::file)).or(self.both);
        let path = |name: Option<BString>| {
            let name = name.ok_or_else(|| syntax(number, "the file of a change is not named"))?;
            RepoPath::new(name).map_err(|err| syntax(number, &err.to_string()))
        };
        let (old_path, new_path) = match action {
            Action::Create => (None, Some(path(new)?)),
            Action::Delete => (Some(path(old)?), None),
            // A plain patch may name a backup as the old file.
            Action::Modify => {
                let new = path(new.or(old))?;
                (Some(new.clone()), Some(new))
            }
            Action::Rename | Action::Copy => (Some(path(old)?), Some(path(new)?)),
        };
        if [&old_path, &new_path].into_iter().flatten().any(RepoPath::is_root) {
            return Err(syntax(number, "the file of a change is not named"));
        }
        Ok(Header {
            action,
            old_path,
            new_path,
            old_kind: self.old_kind,
            new_kind: self.new_kind,
            old_id: self.old_id,
            new_id: self.new_id,
        })
    }
}

fn moved<'a>(line: &'a [u8], end: &str) -> Option<(Action, &'a [u8])> {
    let (action, rest) = if let Some(rest) = line.strip_prefix(b"rename ") {
        (Action::Rename, rest)
    } else {
        (Action::Copy, line.strip_prefix(b"copy ")?)
    };
    Some((action, rest.strip_prefix(end.as_bytes())?.strip_prefix(b" ")?))
}

/// A name alone on the rest of a line.
fn name(text: &[u8]) -> Option<BString> {
    if text.starts_with(b"\"") { Some(unquote(text)?.0) } else { Some(text.into()) }
}

/// What `---` or `+++` name, without the first directory. A tab ends the name,
/// as a time may follow.
fn side_name(text: &[u8]) -> Side {
    let whole = match unquote(text) {
        Some((name, _)) => name,
        None => text.split(|byte| *byte == b'\t').next().unwrap_or_default().into(),
    };
    if whole == "/dev/null" {
        return Side::Nothing;
    }
    Side::File(without_first_directory(whole.as_bstr()).into())
}

/// The name in `a/name b/name`, if both are the same. A name with blanks makes
/// it ambiguous where the second begins; equal halves are the only right cut.
fn common_name(text: &[u8]) -> Option<BString> {
    let (old, new): (BString, BString) = if text.starts_with(b"\"") {
        let (old, rest) = unquote(text)?;
        (old, name(rest.strip_prefix(b" ")?)?)
    } else if text.ends_with(b"\"") {
        let at = text.find(b" \"")?;
        (text.get(..at)?.into(), unquote(text.get(at + 1..)?)?.0)
    } else {
        return text.find_iter(" ").find_map(|at| {
            let old = without_first_directory(text.get(..at)?.as_bstr());
            let new = without_first_directory(text.get(at + 1..)?.as_bstr());
            (old == new && !old.is_empty()).then(|| old.to_owned())
        });
    };
    let old = without_first_directory(old.as_bstr());
    (old == without_first_directory(new.as_bstr())).then(|| old.to_owned())
}

fn without_first_directory(name: &BStr) -> &BStr {
    match name.find_byte(b'/') {
        Some(slash) => name.get(slash + 1..).unwrap_or_default().as_bstr(),
        None => name,
    }
}

fn kind_of_mode(mode: &[u8]) -> Option<FileKind> {
    let mode = u32::from_str_radix(mode.to_str().ok()?.trim(), 8).ok()?;
    match mode & 0o170_000 {
        0o100_000 if mode & 0o100 != 0 => Some(FileKind::Executable),
        0o100_000 => Some(FileKind::Regular),
        0o120_000 => Some(FileKind::Symlink),
        0o160_000 => Some(FileKind::Submodule),
        _ => None,
    }
}

fn without_line_end(line: &[u8]) -> &[u8] {
    line.trim_end_with(|c| matches!(c, '\r' | '\n'))
}
