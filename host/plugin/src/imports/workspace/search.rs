//! `glob` and `grep` over the worktree.

use std::io;

use catena_tree::gitignore::{Ignore, PathKind};
use catena_tree::worktree::{NodeId, NodeKind, Worktree};
use catena_tree::{Deadline, ObjectError, RepoPath, diff, objects};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use grep_matcher::Matcher as _;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, sinks::Lossy};

use super::{Answer, from_fs, from_object, parse_path, wit};
use crate::capability::WorkspaceAccess;
use crate::session::lock;
use crate::state::State;

/// Longest line that a match returns, in bytes.
const MAX_LINE: usize = 4096;

/// Largest file that is in memory as a whole while it is searched, in bytes; of others
/// some is in memory at a time.
const MAX_WHOLE: u64 = 16 << 20;

/// Largest file that is searched in one go. Between pieces of others the clock is
/// looked at: a pattern can take thousands of steps for each byte.
const MAX_AT_ONCE: usize = 128 << 10;

/// Largest compiled pattern in bytes. A list of some thousand words fits.
const MAX_PATTERN: usize = 2 << 20;

/// Most memory that searching by one pattern takes beside it, in bytes.
const MAX_PATTERN_CACHE: usize = 16 << 20;

/// How many bytes decide whether a file is binary.
const BINARY_SAMPLE: usize = 8 << 10;

impl State {
    pub(super) fn glob_files(
        &mut self,
        selection: &wit::FileSelection,
        limit: u32,
    ) -> Answer<wit::FileList> {
        let found = self.select(selection)?;
        let truncated = found.len() > limit as usize;
        let paths = found.into_iter().take(limit as usize);
        Ok(wit::FileList {
            paths: paths.map(|(path, _)| path.as_bstr().to_string()).collect(),
            truncated,
        })
    }

    pub(super) fn grep_files(&mut self, query: &wit::GrepQuery) -> Answer<wit::GrepMatches> {
        let matcher = RegexMatcherBuilder::new()
            .case_insensitive(query.ignore_case)
            .line_terminator(Some(b'\n'))
            .size_limit(MAX_PATTERN)
            .dfa_size_limit(MAX_PATTERN_CACHE)
            .build(&query.pattern)
            .map_err(|err| wit::WorkspaceError::InvalidArgument(err.to_string()))?;
        let files = self.select(&query.selection)?;
        let mut grep = Grep::new(&matcher, query.limit, self.answer_by());
        let mut worktree = lock(&self.session.worktree);
        for (path, kind) in files {
            if kind == NodeKind::File {
                grep.file(&mut worktree, &path)?;
            }
            if grep.found.truncated {
                break;
            }
        }
        Ok(grep.found)
    }

    /// The files and symlinks that `selection` names, sorted.
    fn select(&mut self, selection: &wit::FileSelection) -> Answer<Vec<(RepoPath, NodeKind)>> {
        self.check_workspace(WorkspaceAccess::Read)?;
        let below = parse_path(&selection.below)?;
        let include = globs(&selection.include)?;
        let exclude = globs(&selection.exclude)?;
        let mut found = lock(&self.session.worktree).walk(&below).map_err(from_fs)?;
        found.retain(|(path, kind)| {
            let name = relative(path, &below);
            *kind != NodeKind::Directory
                && (selection.include.is_empty() || include.is_match(&name))
                && !exclude.is_match(&name)
        });
        if selection.respect_ignore {
            self.drop_ignored(&mut found)?;
        }
        Ok(found)
    }

    /// Leaves out what `.gitignore` rules match and the stage did not begin with.
    fn drop_ignored(&self, found: &mut Vec<(RepoPath, NodeKind)>) -> Answer<()> {
        let objects: &dyn objects::Objects = &self.session.objects;
        let current = self.session.snapshot_worktree().map_err(from_fs)?;
        let options = diff::DiffOptions { renames: diff::Renames::Ignore, ..Default::default() };
        let changes = diff::changes(objects, self.session.stage_start, current, &options)
            .map_err(from_object)?;
        let mut rules = Ignore::from_tree(objects, current);
        let mut ignored = std::collections::HashSet::new();
        for change in changes.into_iter().filter(|change| change.before.is_none()) {
            if rules.matches(&change.path, PathKind::File).map_err(from_object)? {
                ignored.insert(change.path);
            }
        }
        found.retain(|(path, _)| !ignored.contains(path));
        Ok(())
    }
}

struct Grep<'a> {
    matcher: &'a RegexMatcher,
    searcher: Searcher,
    limit: usize,
    deadline: Deadline,
    found: wit::GrepMatches,
}

impl<'a> Grep<'a> {
    fn new(matcher: &'a RegexMatcher, limit: u32, deadline: Deadline) -> Self {
        let searcher = SearcherBuilder::new()
            .binary_detection(BinaryDetection::none())
            .line_number(true)
            .heap_limit(Some(usize::try_from(MAX_WHOLE).unwrap_or(usize::MAX)))
            .build();
        let found = wit::GrepMatches { matches: Vec::new(), truncated: false };
        Self { matcher, searcher, limit: limit as usize, deadline, found }
    }

    fn file(&mut self, worktree: &mut Worktree, path: &RepoPath) -> Answer<()> {
        let found = worktree.file_at(path).map_err(from_fs)?;
        if found.metadata.size > MAX_WHOLE {
            return self.large_file(worktree, path, found.node);
        }
        let content = worktree.read_file(path).map_err(from_fs)?;
        if is_binary(&content) {
            return Ok(());
        }
        if content.len() > MAX_AT_ONCE {
            return self.stream(path, &*content);
        }
        if self.matcher.is_match(&content).unwrap_or(true) {
            let sink = matches(&mut self.found, self.limit, path);
            self.searcher
                .search_slice(self.matcher, &content, sink)
                .map_err(|err| wit::WorkspaceError::Other(err.to_string()))?;
        }
        self.check_time()
    }

    /// Searches a file piece by piece. One with a line that is too long counts as
    /// binary from there on.
    fn stream(&mut self, path: &RepoPath, file: impl io::Read) -> Answer<()> {
        let reader = Timely { inner: file, deadline: self.deadline };
        let sink = matches(&mut self.found, self.limit, path);
        let _ = self.searcher.search_reader(self.matcher, reader, sink);
        self.check_time()
    }

    fn check_time(&self) -> Answer<()> {
        if self.deadline.is_past() { Err(from_object(ObjectError::OutOfTime)) } else { Ok(()) }
    }

    fn large_file(&mut self, worktree: &mut Worktree, path: &RepoPath, node: NodeId) -> Answer<()> {
        let sample = worktree.read(node, 0, BINARY_SAMPLE as u64).map_err(from_fs)?;
        if is_binary(&sample) {
            return Ok(());
        }
        self.stream(path, Pieces { worktree, node, offset: 0 })
    }
}

fn is_binary(content: &[u8]) -> bool {
    content.iter().take(BINARY_SAMPLE).any(|byte| *byte == 0)
}

/// Takes the matching lines of one file until there are enough.
fn matches<'a>(
    found: &'a mut wit::GrepMatches,
    limit: usize,
    path: &RepoPath,
) -> impl grep_searcher::Sink<Error = io::Error> + use<'a> {
    let name = path.as_bstr().to_string();
    Lossy(move |line_number, line: &str| {
        if found.matches.len() == limit {
            found.truncated = true;
            return Ok(false);
        }
        let line = line.trim_end_matches(['\n', '\r']);
        let end = line.floor_char_boundary(MAX_LINE);
        found.matches.push(wit::GrepMatch {
            path: name.clone(),
            line_number,
            line: line.get(..end).unwrap_or_default().to_owned(),
        });
        Ok(true)
    })
}

/// A stream of bytes that fails when its time is up.
struct Timely<R> {
    inner: R,
    deadline: Deadline,
}

impl<R: io::Read> io::Read for Timely<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if self.deadline.is_past() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.inner.read(target)
    }
}

/// A file as a stream of bytes.
struct Pieces<'a> {
    worktree: &'a mut Worktree,
    node: NodeId,
    offset: u64,
}

impl io::Read for Pieces<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let read = self.worktree.read(self.node, self.offset, target.len() as u64);
        let bytes = read.map_err(io::Error::other)?;
        if let Some(target) = target.get_mut(..bytes.len()) {
            target.copy_from_slice(&bytes);
        }
        self.offset += bytes.len() as u64;
        Ok(bytes.len())
    }
}

fn globs(patterns: &[String]) -> Answer<GlobSet> {
    let invalid = |err: globset::Error| wit::WorkspaceError::InvalidArgument(err.to_string());
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(GlobBuilder::new(pattern).literal_separator(true).build().map_err(invalid)?);
    }
    set.build().map_err(invalid)
}

fn relative(path: &RepoPath, below: &RepoPath) -> String {
    let path = path.as_bstr().to_string();
    if below.is_root() {
        return path;
    }
    let skip = below.as_bstr().len() + 1;
    path.get(skip..).map(str::to_owned).unwrap_or(path)
}
