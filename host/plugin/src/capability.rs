//! Capabilities: a manifest asks, the operator grants, the effective right is
//! what both name. The default is nothing.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::network::{self, HttpRight};

/// How far a plugin may reach into the worktree. Ordered from less to more.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum WorkspaceAccess {
    /// It sees no file.
    #[default]
    None,
    /// It may read.
    Read,
    /// It may read and write.
    ReadWrite,
}

/// A set of rights. The same form is asked in a manifest, granted in a run
/// file, and in effect.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rights {
    /// Reach into the worktree and the scratch directories.
    pub workspace: WorkspaceAccess,
    /// May hold conversations with the model.
    pub model: bool,
    /// May see the human answer. Only for plugins marked `control`.
    pub reference: bool,
    /// Programs it may start, by name. A manifest that asks for `*` asks for
    /// whatever the operator names.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub programs: BTreeSet<String>,
    /// Requests that it may have the host make, such as `GET api.example.org`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub http: BTreeSet<HttpRight>,
    /// Secrets that the host puts into its requests, by name. A manifest that asks for `*`
    /// asks for whatever the operator names.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub secrets: BTreeSet<String>,
}

/// What a manifest asks for.
pub type Asked = Rights;

/// What the operator grants.
pub type Granted = Rights;

/// What a plugin may do: asked and granted.
pub type Effective = Rights;

impl Rights {
    /// The rights that both `self` and `other` name.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self {
            workspace: self.workspace.min(other.workspace),
            model: self.model && other.model,
            reference: self.reference && other.reference,
            programs: both(&self.programs, &other.programs),
            http: network::both(&self.http, &other.http),
            secrets: both(&self.secrets, &other.secrets),
        }
    }

    /// The rights as lines of name and value, in a fixed order.
    pub fn describe(&self) -> Vec<(&'static str, String)> {
        let workspace = match self.workspace {
            WorkspaceAccess::None => "-",
            WorkspaceAccess::Read => "read",
            WorkspaceAccess::ReadWrite => "read-write",
        };
        let yes = |held: bool| (if held { "yes" } else { "-" }).to_owned();
        let list = |names: Vec<String>| {
            if names.is_empty() { "-".to_owned() } else { names.join(", ") }
        };
        vec![
            ("workspace", workspace.to_owned()),
            ("model", yes(self.model)),
            ("reference", yes(self.reference)),
            ("programs", list(self.programs.iter().cloned().collect())),
            ("http", list(self.http.iter().map(ToString::to_string).collect())),
            ("secrets", list(self.secrets.iter().cloned().collect())),
        ]
    }
}

/// In place of a program's name: all that the other side names.
const ANY: &str = "*";

fn both(asked: &BTreeSet<String>, granted: &BTreeSet<String>) -> BTreeSet<String> {
    let named = |names: &BTreeSet<String>, name: &str| names.contains(name) || names.contains(ANY);
    let all = asked.union(granted).filter(|name| *name != ANY);
    all.filter(|name| named(asked, name) && named(granted, name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_program_is_what_the_operator_names() {
        let names = |names: &[&str]| Rights {
            programs: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Rights::default()
        };
        assert_eq!(names(&["*"]).intersection(&names(&["jq"])), names(&["jq"]));
        assert_eq!(names(&["*", "jq"]).intersection(&names(&[])), names(&[]));
        assert_eq!(names(&["*"]).intersection(&names(&["*"])), names(&[]));
    }

    #[test]
    fn effective_right_is_what_was_asked_and_granted() {
        let asked = Rights {
            workspace: WorkspaceAccess::ReadWrite,
            model: true,
            programs: ["python".to_owned(), "jq".to_owned()].into(),
            ..Rights::default()
        };
        let granted = Rights {
            workspace: WorkspaceAccess::Read,
            reference: true,
            programs: ["jq".to_owned()].into(),
            ..Rights::default()
        };
        let effective = asked.intersection(&granted);
        assert_eq!(effective.workspace, WorkspaceAccess::Read);
        assert!(!effective.model && !effective.reference);
        assert_eq!(effective.programs, ["jq".to_owned()].into());
        assert_eq!(asked.intersection(&Rights::default()), Rights::default());
    }
}
