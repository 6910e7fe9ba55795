//! Scaffolds: the loop that drives an agent.

pub use crate::bindings::scaffold_plugin::exports::catena::plugin::scaffold::{
    Carry, Conflict, Ending, Feedback, ScaffoldError, Task,
};
use crate::{
    bindings::scaffold_plugin::exports::catena::plugin::scaffold::Guest,
    config::ConfigError,
    model::{Conversation, ModelError},
    process::ProcessError,
    reference::ReferenceError,
    tools::ToolError,
    workspace::WorkspaceError,
};

/// A scaffold plugin. [`export_scaffold!`](crate::export_scaffold) makes a type
/// with this trait the one the host calls.
pub trait Scaffold {
    /// Works on one round of one stage to its end.
    ///
    /// Every round gets a fresh instance; the conversation, the worktree and the
    /// scratch directories go on. A limit the scaffold keeps itself ends in
    /// [`Ending::LimitReached`], never in [`Ending::Submitted`].
    fn attempt(task: Task, conversation: &Conversation) -> Result<Ending, ScaffoldError>;
}

impl<T: Scaffold> Guest for T {
    fn attempt(task: Task, conversation: &Conversation) -> Result<Ending, ScaffoldError> {
        T::attempt(task, conversation)
    }
}

/// Makes a type with [`Scaffold`](crate::Scaffold) the plugin's scaffold.
#[macro_export]
macro_rules! export_scaffold {
    ($scaffold:ident) => {
        $crate::bindings::scaffold_plugin::export_scaffold_plugin!(
            $scaffold with_types_in $crate::bindings::scaffold_plugin
        );
    };
}

/// Makes a type with [`Scaffold`](crate::Scaffold) the plugin's scaffold, and
/// says that it may use [`reference`](crate::reference).
///
/// It says in the source what `control = true` says in `plugin.toml`, which is
/// what the host goes by.
#[macro_export]
macro_rules! export_control {
    ($scaffold:ident) => {
        $crate::export_scaffold!($scaffold);
    };
}

impl From<ModelError> for ScaffoldError {
    fn from(err: ModelError) -> Self {
        Self::Model(err)
    }
}

impl From<ConfigError> for ScaffoldError {
    fn from(err: ConfigError) -> Self {
        Self::InvalidConfig(err.to_string())
    }
}

/// Errors that a scaffold has no case for and reports in words.
macro_rules! other_from {
    ($($error:ty),*) => {
        $(impl From<$error> for ScaffoldError {
            fn from(err: $error) -> Self {
                Self::Other(err.to_string())
            }
        })*
    };
}

other_from!(ToolError, WorkspaceError, ProcessError, ReferenceError, std::io::Error);
