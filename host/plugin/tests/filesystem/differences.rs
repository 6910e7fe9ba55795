//! Where a guest's file system deliberately differs from a preopened directory.
//! `docs/files.md` tells users of those that they may notice.

use crate::calls::{Call, Links, Open, Time};
use crate::operations::Outcome::{self, Done, Failed};

/// One difference that is meant to be.
pub(crate) struct Difference {
    /// What it is and why it is so.
    pub(crate) why: &'static str,
    /// Whether it explains that a call was answered so here and so there.
    explains: fn(&Call, ours: &Outcome, theirs: &Outcome) -> bool,
}

const DIFFERENCES: [Difference; 15] = [
    Difference {
        why: "a worktree has no hard links, as git could not keep them",
        explains: |call, ours, _| matches!(call, Call::LinkAt { .. }) && is(ours, "unsupported"),
    },
    Difference {
        why: "absolute symlinks can be made and read, as a repository may hold them; they are \
              not followed",
        explains: |call, _, theirs| match call {
            Call::SymlinkAt { target, .. } => {
                target.starts_with('/') && is(theirs, "not-permitted")
            }
            Call::ReadlinkAt { .. } => is(theirs, "not-permitted"),
            _ => false,
        },
    },
    Difference {
        why: "a descriptor does what it was opened for and no more, as on Linux; wasmtime opens \
              for reading what is not opened for writing, and for writing what is made or cut",
        explains: |call, ours, theirs| match call {
            Call::Read { .. } | Call::ReadViaStream { .. } => is(ours, "bad-descriptor"),
            Call::Write { .. } | Call::WriteViaStream { .. } | Call::AppendViaStream { .. } => {
                is(ours, "bad-descriptor")
            }
            Call::SetSize { .. } => is(ours, "invalid") && matches!(theirs, Done(_)),
            Call::GetFlags { .. } => true,
            _ => false,
        },
    },
    Difference {
        why: "reading a directory as a file is `is-directory`, as on Linux",
        explains: |call, ours, theirs| {
            matches!(call, Call::Read { .. })
                && is(ours, "is-directory")
                && is(theirs, "bad-descriptor")
        },
    },
    Difference {
        why: "setting the size of what is not open for writing is `invalid`, as on Linux",
        explains: |call, ours, theirs| {
            matches!(call, Call::SetSize { .. })
                && is(ours, "invalid")
                && is(theirs, "bad-descriptor")
        },
    },
    Difference {
        why: "directories take advice and times, as on Linux",
        explains: |call, ours, theirs| {
            matches!(call, Call::Advise { .. } | Call::SetTimes { .. })
                && matches!(ours, Done(_))
                && is(theirs, "bad-descriptor")
        },
    },
    Difference {
        why: "a symlink opened as a directory without following it is `not-directory`, as on Linux",
        explains: |call, ours, theirs| match call {
            Call::OpenAt { links: Links::Stay, open, .. } => {
                open.contains(&Open::Directory) && is(ours, "not-directory") && is(theirs, "loop")
            }
            _ => false,
        },
    },
    Difference {
        why: "a trailing slash demands a directory and follows a symlink to one, as on Linux",
        explains: |call, _, _| match call {
            Call::StatAt { links: Links::Stay, path, .. }
            | Call::SetTimesAt { links: Links::Stay, path, .. }
            | Call::SameHash { links: Links::Stay, path, .. } => {
                path.ends_with('/') || path.ends_with("/.")
            }
            _ => false,
        },
    },
    Difference {
        why: "a symlink with a trailing slash is not removed, with the codes of Linux",
        explains: |call, ours, theirs| match call {
            Call::UnlinkFileAt { path, .. } | Call::RemoveDirectoryAt { path, .. } => {
                path.ends_with('/') && is(ours, "not-directory") && matches!(theirs, Failed(_))
            }
            _ => false,
        },
    },
    Difference {
        why: "a path is looked for even when both of its times are to stay",
        explains: |call, _, _| match call {
            Call::SetTimesAt { accessed, modified, .. } => {
                (*accessed, *modified) == (Time::Keep, Time::Keep)
            }
            _ => false,
        },
    },
    Difference {
        why: "directories are removed by names that end in a slash, and `..` is `not-empty`, as \
              on Linux",
        explains: |call, _, theirs| match call {
            Call::RemoveDirectoryAt { path, .. } => {
                (path.ends_with("..") || path.ends_with('/')) && is(theirs, "invalid")
            }
            _ => false,
        },
    },
    Difference {
        why: "a symlink where something is already is `exist`, whatever its path ends in, as on \
              Linux",
        explains: |call, ours, theirs| match call {
            Call::SymlinkAt { path, .. } => {
                path.ends_with('/')
                    && is(ours, "exist")
                    // What is there is followed over a preopened directory, to any error.
                    && matches!(theirs, Failed(_))
            }
            _ => false,
        },
    },
    Difference {
        why: "a NUL, an empty path and an overlong path are told before anything is looked for",
        explains: |call, ours, _| {
            let odd = |path: &String| {
                (path.contains('\0') && is(ours, "invalid"))
                    || (path.len() > 4095 && is(ours, "name-too-long"))
                    || (path.is_empty() && is(ours, "no-entry"))
            };
            paths(call).iter().any(|path| odd(path))
        },
    },
    Difference {
        why: "a reader that came to the end goes on where the file has grown, as on Linux",
        explains: |call, ours, theirs| {
            matches!(call, Call::StreamRead { .. } | Call::StreamSkip { .. })
                && matches!(ours, Done(_))
                && is(theirs, "closed")
        },
    },
    Difference {
        why: "a name that leads out is `not-permitted` wherever it stands in a call",
        explains: |call, ours, _| {
            is(ours, "not-permitted") && paths(call).iter().any(|path| path.starts_with('/'))
        },
    },
];

/// The difference that explains these answers, if one does.
pub(crate) fn find(call: &Call, ours: &Outcome, theirs: &Outcome) -> Option<&'static Difference> {
    DIFFERENCES.iter().find(|difference| (difference.explains)(call, ours, theirs))
}

fn is(outcome: &Outcome, code: &str) -> bool {
    matches!(outcome, Failed(name) if name == code)
}

/// The paths of a call.
fn paths(call: &Call) -> Vec<&String> {
    match call {
        Call::RenameAt { path, to, .. } | Call::LinkAt { path, to, .. } => vec![path, to],
        Call::OpenAt { path, .. }
        | Call::CreateDirectoryAt { path, .. }
        | Call::RemoveDirectoryAt { path, .. }
        | Call::UnlinkFileAt { path, .. }
        | Call::ReadlinkAt { path, .. }
        | Call::StatAt { path, .. }
        | Call::SetTimesAt { path, .. }
        | Call::SameHash { path, .. } => vec![path],
        Call::SymlinkAt { target, path, .. } => vec![target, path],
        _ => Vec::new(),
    }
}
