//! Which branches a repository has.

use super::{DatabaseError, ObjectDatabase};
use crate::ids::CommitId;

impl ObjectDatabase {
    /// The short name of the branch that `HEAD` stands for, `None` where it
    /// stands for a commit.
    pub fn head_branch(&self) -> Result<Option<String>, DatabaseError> {
        let name = self.repository().head_name().map_err(|err| self.unreadable(&err))?;
        Ok(name.map(|name| name.shorten().to_string()))
    }

    /// The references whose full name starts with `prefix`, such as
    /// `refs/heads/`, sorted by name, each with its commit. References that
    /// lead to no commit are left out.
    pub fn references(&self, prefix: &str) -> Result<Vec<(String, CommitId)>, DatabaseError> {
        let repository = self.repository();
        let platform = repository.references().map_err(|err| self.unreadable(&err))?;
        let references = platform.prefixed(prefix).map_err(|err| self.unreadable(&err))?;
        let mut found = Vec::new();
        for reference in references {
            let mut reference = reference.map_err(|err| self.unreadable(&err))?;
            if let Ok(commit) = reference.peel_to_commit() {
                found.push((reference.name().as_bstr().to_string(), commit.id.into()));
            }
        }
        found.sort();
        Ok(found)
    }

    fn unreadable(&self, err: &dyn std::fmt::Display) -> DatabaseError {
        DatabaseError::Open { path: self.path().to_owned(), reason: err.to_string() }
    }
}
