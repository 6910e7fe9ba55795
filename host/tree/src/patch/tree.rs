//! Reads files of a tree and writes edited trees.

use std::collections::{BTreeMap, btree_map};
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};
use bytes::Bytes;

use super::{Edit, FileKind, FileState, submodule_content, submodule_id};
use crate::extent::Extent;
use crate::ids::TreeId;
use crate::objects::{EntryKind, ObjectError, ObjectSink, Objects, TreeEntry, entry_named};
use crate::path::RepoPath;

/// What `path` is in `tree`, `None` if there is nothing. The root is a directory.
pub(crate) fn find(
    objects: &dyn Objects,
    tree: TreeId,
    path: &RepoPath,
) -> Result<Option<EntryKind>, ObjectError> {
    let mut found = EntryKind::Directory(tree);
    for name in path.components() {
        let EntryKind::Directory(dir) = found else { return Ok(None) };
        match entry_named(&objects.tree(dir)?, name) {
            Some(entry) => found = entry.kind,
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

/// The file at `path`, `None` if there is none.
pub(super) fn read(
    objects: &dyn Objects,
    tree: TreeId,
    path: &RepoPath,
) -> Result<Option<FileState>, ObjectError> {
    let (content, kind) = match find(objects, tree, path)? {
        Some(EntryKind::File { id, executable: false }) => (objects.blob(id)?, FileKind::Regular),
        Some(EntryKind::File { id, executable: true }) => (objects.blob(id)?, FileKind::Executable),
        Some(EntryKind::Symlink(id)) => (objects.blob(id)?, FileKind::Symlink),
        Some(EntryKind::Submodule(id)) => (submodule_content(id), FileKind::Submodule),
        Some(EntryKind::Directory(_)) | None => return Ok(None),
    };
    Ok(Some(FileState { content, kind }))
}

/// Every file below `dir`, none if it is not a directory.
pub(super) fn files_below(
    objects: &dyn Objects,
    tree: TreeId,
    dir: &RepoPath,
) -> Result<Vec<RepoPath>, ObjectError> {
    let mut found = Vec::new();
    let mut extent = Extent::default();
    let mut waiting = vec![(dir.clone(), find(objects, tree, dir)?)];
    while let Some((path, kind)) = waiting.pop() {
        match kind {
            Some(EntryKind::Directory(id)) => {
                let entries = objects.tree(id)?;
                extent.add_directory(entries.len())?;
                for entry in entries.iter() {
                    let below =
                        path.join(entry.name.as_bstr()).map_err(|err| ObjectError::Malformed {
                            id: id.to_string(),
                            expected: "tree",
                            reason: err.to_string(),
                        })?;
                    extent.add_path(&below)?;
                    waiting.push((below, Some(entry.kind)));
                }
            }
            Some(_) if path != *dir => found.push(path),
            _ => {}
        }
    }
    Ok(found)
}

/// `tree` with `edits` made.
pub(super) fn edited(
    objects: &dyn Objects,
    sink: &mut dyn ObjectSink,
    tree: TreeId,
    edits: &[Edit],
) -> Result<TreeId, ObjectError> {
    let mut entries = Vec::with_capacity(edits.len());
    for edit in edits {
        entries.push(match edit {
            Edit::Delete { path } => (path.clone(), None),
            Edit::Write { path, content, kind } => {
                (path.clone(), Some(stored(sink, path, content, *kind)?))
            }
        });
    }
    with_entries(objects, sink, tree, &entries)
}

/// What is to be at a path of a tree, with its size where that is known.
pub(crate) type NewEntry = Option<(EntryKind, Option<u64>)>;

/// `tree` with other entries at some paths.
pub(crate) fn with_entries(
    objects: &dyn Objects,
    sink: &mut dyn ObjectSink,
    tree: TreeId,
    entries: &[(RepoPath, NewEntry)],
) -> Result<TreeId, ObjectError> {
    let plan = Plan::new(entries)?;
    let mut editor = Editor { objects, plan: &plan, frames: Vec::new() };
    match editor.run(sink, tree)? {
        Some(id) => Ok(id),
        None => sink.write_tree(Vec::new()),
    }
}

fn stored(
    sink: &mut dyn ObjectSink,
    path: &RepoPath,
    content: &Bytes,
    kind: FileKind,
) -> Result<(EntryKind, Option<u64>), ObjectError> {
    if kind == FileKind::Submodule {
        let id = submodule_id(content).ok_or_else(|| {
            ObjectError::Io(format!("submodule `{path}` is not given a commit id"))
        })?;
        return Ok((EntryKind::Submodule(id), None));
    }
    let id = sink.write_blob(content.clone())?;
    let kind = match kind {
        FileKind::Symlink => EntryKind::Symlink(id),
        kind => EntryKind::File { id, executable: kind == FileKind::Executable },
    };
    Ok((kind, Some(content.len() as u64)))
}

/// What happens to which paths. The nodes lie beside each other, as a tree may
/// have more levels than a stack has room for.
struct Plan {
    nodes: Vec<Planned>,
}

/// What happens to one path and to those below it.
#[derive(Default)]
struct Planned {
    own: Option<NewEntry>,
    below: BTreeMap<BString, usize>,
    /// Whether something is put below it.
    writes_below: bool,
}

/// The plan for the root of the tree.
const ROOT: usize = 0;

impl Plan {
    fn new(entries: &[(RepoPath, NewEntry)]) -> Result<Self, ObjectError> {
        // Of several entries for one path, the last one holds.
        let entries: BTreeMap<&RepoPath, NewEntry> =
            entries.iter().map(|(path, entry)| (path, *entry)).collect();
        let mut plan = Self { nodes: vec![Planned::default()] };
        for (path, entry) in entries {
            if path.is_root() {
                return Err(ObjectError::Io("the root of a tree is not an entry of it".into()));
            }
            plan.add(path, entry);
        }
        Ok(plan)
    }

    fn add(&mut self, path: &RepoPath, entry: NewEntry) {
        let mut at = ROOT;
        for name in path.components() {
            let next = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else { return };
            node.writes_below |= entry.is_some();
            at = *node.below.entry(name.to_owned()).or_insert(next);
            if at == next {
                self.nodes.push(Planned::default());
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.own = Some(entry);
        }
    }
}

struct Editor<'a> {
    objects: &'a dyn Objects,
    plan: &'a Plan,
    /// The directories that are being changed, from the root down.
    frames: Vec<Frame<'a>>,
}

/// A directory that is being changed.
struct Frame<'a> {
    name: BString,
    id: Option<TreeId>,
    old: Arc<[TreeEntry]>,
    /// What is still to be looked at.
    plans: btree_map::Iter<'a, BString, usize>,
    entries: Vec<TreeEntry>,
    changed: bool,
}

/// What is to be done about an entry.
enum Decision {
    /// It is this from now on.
    Entry(Option<TreeEntry>),
    /// What is below it has to be seen first.
    Directory(Option<TreeId>),
}

impl Editor<'_> {
    /// The tree after the changes, `None` if nothing is left in it.
    fn run(
        &mut self,
        sink: &mut dyn ObjectSink,
        tree: TreeId,
    ) -> Result<Option<TreeId>, ObjectError> {
        self.enter(BString::default(), Some(tree), ROOT)?;
        while let Some(frame) = self.frames.last_mut() {
            if let Some((name, at)) = frame.plans.next() {
                let Some(plan) = self.plan.nodes.get(*at) else { continue };
                let before = entry_named(&frame.old, name.as_bstr());
                match plan.decide(name.as_bstr(), before)? {
                    Decision::Entry(after) => frame.take(name, after),
                    Decision::Directory(id) => self.enter(name.clone(), id, *at)?,
                }
                continue;
            }
            let Some(frame) = self.frames.pop() else { break };
            let name = frame.name.clone();
            let tree = frame.write(sink)?;
            let Some(above) = self.frames.last_mut() else { return Ok(tree) };
            let directory = tree.map(|tree| TreeEntry {
                name: name.clone(),
                kind: EntryKind::Directory(tree),
                size: None,
            });
            above.take(&name, directory);
        }
        Ok(None)
    }

    fn enter(&mut self, name: BString, id: Option<TreeId>, plan: usize) -> Result<(), ObjectError> {
        let Some(plan) = self.plan.nodes.get(plan) else { return Ok(()) };
        let old = id.map_or_else(|| Ok(Arc::from([])), |id| self.objects.tree(id))?;
        let stays = |entry: &&TreeEntry| !plan.below.contains_key(&entry.name);
        let entries = old.iter().filter(stays).cloned().collect();
        let plans = plan.below.iter();
        self.frames.push(Frame { name, id, old, plans, entries, changed: false });
        Ok(())
    }
}

impl Planned {
    fn decide(&self, name: &BStr, before: Option<&TreeEntry>) -> Result<Decision, ObjectError> {
        let directory = |entry: &TreeEntry| match entry.kind {
            EntryKind::Directory(id) => Some(id),
            _ => None,
        };
        match self.own {
            Some(Some(_)) if self.writes_below => {
                Err(ObjectError::Io(format!("`{name}` cannot be a file and a directory")))
            }
            Some(Some((kind, size))) => {
                Ok(Decision::Entry(Some(TreeEntry { name: name.to_owned(), kind, size })))
            }
            Some(None) => Ok(Decision::Directory(None)),
            None => match before {
                Some(entry) if !self.writes_below && directory(entry).is_none() => {
                    Ok(Decision::Entry(Some(entry.clone())))
                }
                _ => Ok(Decision::Directory(before.and_then(directory))),
            },
        }
    }
}

impl Frame<'_> {
    /// Puts what an entry has become.
    fn take(&mut self, name: &BString, after: Option<TreeEntry>) {
        let before = entry_named(&self.old, name.as_bstr()).map(|entry| entry.kind);
        self.changed |= before != after.as_ref().map(|entry| entry.kind);
        self.entries.extend(after);
    }

    /// The tree of the directory, `None` if nothing is left in it.
    fn write(self, sink: &mut dyn ObjectSink) -> Result<Option<TreeId>, ObjectError> {
        match self.id {
            _ if self.entries.is_empty() => Ok(None),
            Some(id) if !self.changed => Ok(Some(id)),
            _ => sink.write_tree(self.entries).map(Some),
        }
    }
}
