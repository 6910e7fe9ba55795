//! A chain against the repository it speaks of: do the commits exist, do base
//! and human tree belong to them, and what is the patch between the two.

use std::collections::BTreeSet;

use catena_tree::database::Commit;
use catena_tree::diff::{self, DiffOptions, Renames};
use catena_tree::{CommitId, EntryKind, ObjectDatabase, ObjectError, Objects, TreeId, patch};

use crate::chain::{Chain, ReferencePatch, Stage};
use crate::file::ChainFile;
use crate::id::{ChainId, PatchDigest, StageId};

/// A stage does not fit the repository.
#[derive(Debug, thiserror::Error)]
#[error("stage `{stage}` of chain `{chain}` does not fit the repository: {fault}")]
pub struct VerifyError {
    /// The chain.
    pub chain: ChainId,
    /// The stage.
    pub stage: StageId,
    /// What does not fit.
    pub fault: Box<StageFault>,
}

/// What does not fit.
#[derive(Debug, thiserror::Error)]
pub enum StageFault {
    /// A commit cannot be read.
    #[error(
        "commit `{commit}`, its {role}, {}; fetch the branch the chains were resolved on, or \
         resolve them again in this clone",
        trouble(source)
    )]
    Commit {
        /// The commit.
        commit: CommitId,
        /// What it is to the stage.
        role: Role,
        /// Why.
        source: ObjectError,
    },
    /// A tree cannot be read.
    #[error("tree `{tree}` of its {role} {}; the clone is damaged or too shallow", trouble(source))]
    Tree {
        /// The tree.
        tree: TreeId,
        /// Of which commit.
        role: Role,
        /// Why.
        source: ObjectError,
    },
    /// The base is not what the merge was made on.
    #[error(
        "base commit `{base}` is not as many first parents before merge commit `{merge}` as the \
         file says; resolve the chains again"
    )]
    NotFirstParent {
        /// The merge or squash commit.
        merge: CommitId,
        /// What the file calls its base.
        base: CommitId,
    },
    /// A commit has another tree than the file says.
    #[error(
        "commit `{commit}`, its {role}, has tree `{found}`, the chain file says `{written}`; \
         resolve the chains again"
    )]
    OtherTree {
        /// The commit.
        commit: CommitId,
        /// What it is to the stage.
        role: Role,
        /// What the file says.
        written: TreeId,
        /// What the commit says.
        found: TreeId,
    },
    /// The merge was made at another time than the file says.
    #[error(
        "merge commit `{commit}` is of second {found}, the chain file says {written}; resolve the \
         chains again"
    )]
    OtherTime {
        /// The commit.
        commit: CommitId,
        /// What the file says.
        written: i64,
        /// What the commit says.
        found: i64,
    },
    /// The stage in front is not part of this one's base.
    #[error(
        "its base `{base}` does not contain `{earlier}`, the merge of the stage in front of it; \
         the chain mixes branches or is out of order"
    )]
    NotContained {
        /// The base commit.
        base: CommitId,
        /// The merge commit of the stage in front.
        earlier: CommitId,
    },
}

/// What a commit is to a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The state before.
    Base,
    /// The merge or squash commit.
    Merge,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Base => "base",
            Self::Merge => "merge commit",
        })
    }
}

/// Why there is no reference patch.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// Objects are missing from the clone.
    #[error(
        "the reference patch of stage `{stage}` needs {} that the clone lacks, such as `{}`; \
         fetch them with `git fetch --refetch`, or leave the stage out of judging",
        count(objects.len()), objects.first().map_or("", String::as_str)
    )]
    MissingObjects {
        /// The stage.
        stage: StageId,
        /// Their hexadecimal ids.
        objects: Vec<String>,
    },
    /// The patch is not the one the chain file was made with.
    #[error(
        "the reference patch of stage `{stage}` has SHA-256 `{found}`, the chain file says \
         `{written}`; resolve the chains again"
    )]
    OtherPatch {
        /// The stage.
        stage: StageId,
        /// What the file says.
        written: PatchDigest,
        /// What was computed.
        found: PatchDigest,
    },
    /// Reading failed otherwise.
    #[error("the reference patch of stage `{stage}` cannot be computed")]
    Object {
        /// The stage.
        stage: StageId,
        /// Why.
        #[source]
        source: ObjectError,
    },
}

impl ChainFile {
    /// Checks every chain against `db`. Costs a few object reads a stage and,
    /// for a chain of several stages, a walk over the history between them.
    pub fn verify(&self, db: &ObjectDatabase) -> Result<(), VerifyError> {
        self.chains.iter().try_for_each(|chain| chain.verify(db))
    }
}

impl Chain {
    /// Checks every stage against `db`, and that each is built on the one before.
    pub fn verify(&self, db: &ObjectDatabase) -> Result<(), VerifyError> {
        let mut earlier: Option<&Stage> = None;
        for stage in &self.stages {
            stage
                .check(db)
                .and_then(|()| earlier.map_or(Ok(()), |earlier| contains(db, stage, earlier)))
                .map_err(|fault| VerifyError {
                    chain: self.id.clone(),
                    stage: stage.id.clone(),
                    fault: Box::new(fault),
                })?;
            earlier = Some(stage);
        }
        Ok(())
    }
}

impl Stage {
    /// The patch from the base to the human tree, with all git headers. It is
    /// computed anew and compared with the digest in the file.
    pub fn reference_patch(&self, db: &ObjectDatabase) -> Result<Vec<u8>, PatchError> {
        let failed = |source| PatchError::Object { stage: self.id.clone(), source };
        let bytes = match reference_patch(db, self.base.tree, self.human) {
            Ok(bytes) => bytes,
            Err(ObjectError::Missing(id)) => {
                let mut objects =
                    missing_objects(db, self.base.tree, self.human).map_err(failed)?;
                if objects.is_empty() {
                    objects.push(id);
                }
                return Err(PatchError::MissingObjects { stage: self.id.clone(), objects });
            }
            Err(source) => return Err(failed(source)),
        };
        if let ReferencePatch::Available { sha256, .. } = &self.reference_patch {
            let found = PatchDigest::of(&bytes);
            if found != *sha256 {
                let (stage, written) = (self.id.clone(), sha256.clone());
                return Err(PatchError::OtherPatch { stage, written, found });
            }
        }
        Ok(bytes)
    }

    fn check(&self, db: &ObjectDatabase) -> Result<(), StageFault> {
        let merge = commit(db, self.merge, Role::Merge)?;
        let mut parent = merge.parents.first().copied();
        for _ in 1..self.base.commits.min(MAX_COMMITS) {
            let Some(before) = parent else { break };
            parent = commit(db, before, Role::Base)?.parents.first().copied();
        }
        if parent != Some(self.base.commit) {
            let (merge, base) = (self.merge, self.base.commit);
            return Err(StageFault::NotFirstParent { merge, base });
        }
        let base = commit(db, self.base.commit, Role::Base)?;
        same_tree(db, &base, self.base.tree, Role::Base)?;
        same_tree(db, &merge, self.human, Role::Merge)?;
        if merge.time != self.time {
            let (commit, written, found) = (self.merge, self.time, merge.time);
            return Err(StageFault::OtherTime { commit, written, found });
        }
        Ok(())
    }
}

/// More commits than any pull request lands by.
const MAX_COMMITS: u32 = 1000;

/// The patch from `base` to `human` as every part of Catena sees it: full git
/// headers, three lines of context, renames detected.
pub fn reference_patch(
    objects: &dyn Objects,
    base: TreeId,
    human: TreeId,
) -> Result<Vec<u8>, ObjectError> {
    patch::write(objects, base, human, &DiffOptions::default())
}

/// The blobs that the patch from `base` to `human` needs and `objects` lacks.
pub fn missing_objects(
    objects: &dyn Objects,
    base: TreeId,
    human: TreeId,
) -> Result<Vec<String>, ObjectError> {
    let options = DiffOptions { renames: Renames::Ignore, ..DiffOptions::default() };
    let mut missing = BTreeSet::new();
    for change in diff::changes(objects, base, human, &options)? {
        for kind in [change.before, change.after].into_iter().flatten() {
            let (EntryKind::File { id, .. } | EntryKind::Symlink(id)) = kind else { continue };
            match objects.blob_size(id) {
                Ok(_) => {}
                Err(ObjectError::Missing(_)) => {
                    missing.insert(id.to_string());
                }
                Err(err) => return Err(err),
            }
        }
    }
    Ok(missing.into_iter().collect())
}

fn commit(db: &ObjectDatabase, id: CommitId, role: Role) -> Result<Commit, StageFault> {
    db.commit(id).map_err(|source| StageFault::Commit { commit: id, role, source })
}

fn same_tree(
    db: &ObjectDatabase,
    commit: &Commit,
    written: TreeId,
    role: Role,
) -> Result<(), StageFault> {
    if commit.tree != written {
        let (commit, found) = (commit.id, commit.tree);
        return Err(StageFault::OtherTree { commit, role, written, found });
    }
    db.tree(written).map(drop).map_err(|source| StageFault::Tree { tree: written, role, source })
}

fn contains(db: &ObjectDatabase, stage: &Stage, earlier: &Stage) -> Result<(), StageFault> {
    let (base, earlier) = (stage.base.commit, earlier.merge);
    match db.is_ancestor(earlier, base) {
        Ok(true) => Ok(()),
        Ok(false) => Err(StageFault::NotContained { base, earlier }),
        Err(source) => Err(StageFault::Commit { commit: base, role: Role::Base, source }),
    }
}

fn trouble(err: &ObjectError) -> String {
    match err {
        ObjectError::Missing(_) => "is not in the repository".to_owned(),
        other => format!("cannot be read: {other}"),
    }
}

fn count(objects: usize) -> String {
    if objects == 1 { "an object".to_owned() } else { format!("{objects} objects") }
}
