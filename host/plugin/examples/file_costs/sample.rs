//! Files of a repository: those that are there, up to a size together.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use catena_tree::worktree::{NodeKind, WorktreeOptions};
use catena_tree::{
    EntryKind, MemoryObjects, ObjectDatabase, Objects as _, RepoPath, TreeEntry, TreeId, Worktree,
};

use crate::Failure;

/// Bytes that the files have together.
const BYTES: u64 = 50_000_000;

/// The objects of the repository, and those of the sample's trees.
pub(crate) type SampleObjects = MemoryObjects<Arc<ObjectDatabase>>;

pub(crate) struct Sample {
    pub(crate) objects: Arc<SampleObjects>,
    pub(crate) tree: TreeId,
    pub(crate) files: Vec<String>,
    pub(crate) bytes: u64,
}

impl Sample {
    pub(crate) fn of_head(repository: &Path) -> Result<Self, Failure> {
        let db = Arc::new(ObjectDatabase::open(repository)?);
        let head = db.commit(db.resolve("HEAD")?)?.tree;
        let objects = Arc::new(MemoryObjects::new(db));
        let mut bytes = 0;
        let tree = thinned(&objects, head, &mut bytes)?;
        let mut worktree = Worktree::new(objects.clone(), tree, WorktreeOptions::default());
        let all = worktree.walk(&RepoPath::root())?;
        let files = all.into_iter().filter(|(_, kind)| *kind == NodeKind::File);
        let files = files.map(|(path, _)| path.to_string()).collect();
        Ok(Self { objects, tree, files, bytes })
    }

    /// Writes all files below a directory that is not there yet.
    pub(crate) fn check_out(&self, root: &Path) -> Result<(), Failure> {
        let options = WorktreeOptions::default();
        let mut worktree = Worktree::new(self.objects.clone(), self.tree, options);
        fs::create_dir_all(root)?;
        for (path, kind) in worktree.walk(&RepoPath::root())? {
            let target = root.join(path.to_string());
            match kind {
                NodeKind::Directory => fs::create_dir_all(target)?,
                _ => fs::write(target, worktree.read_file(&path)?)?,
            }
        }
        Ok(())
    }
}

/// A tree without submodules, symlinks and what is missing or too much.
fn thinned(objects: &SampleObjects, tree: TreeId, bytes: &mut u64) -> Result<TreeId, Failure> {
    let mut kept = Vec::new();
    for entry in objects.tree(tree)?.iter() {
        let kind = match entry.kind {
            EntryKind::Directory(below) => EntryKind::Directory(thinned(objects, below, bytes)?),
            EntryKind::File { id, executable } => {
                let Ok(content) = objects.blob(id) else { continue };
                let len = content.len() as u64;
                if *bytes + len > BYTES {
                    continue;
                }
                *bytes += len;
                EntryKind::File { id, executable }
            }
            EntryKind::Symlink(_) | EntryKind::Submodule(_) => continue,
        };
        kept.push(TreeEntry { name: entry.name.clone(), kind, size: None });
    }
    Ok(objects.insert_tree(kept)?)
}
