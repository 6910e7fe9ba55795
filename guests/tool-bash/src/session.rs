//! A shell that goes on from one command to the next, where the operator wants it.
//!
//! The instance is new each time all the same: what the shell knows (working
//! directory, variables, functions, aliases, options) lies in a file below the home
//! directory, which is scratch that the host keeps and brings back on resume. The
//! file is the agent's own: one that does not parse is as good as none.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bashkit::{Bash, ShellState};

use crate::shell::DIRECTORY;

/// The file, below the home directory.
const FILE: &str = ".bash_session";

/// Bytes of what is kept.
const MOST: usize = 4 << 20;

/// Where the state of a shell is kept.
pub(crate) struct Session {
    file: PathBuf,
}

impl Session {
    /// The one whose file is in `home`.
    pub(crate) fn below(home: &Path) -> Self {
        Self { file: home.join(FILE) }
    }

    /// Forgets what was kept.
    pub(crate) fn forget(&self) {
        // A file that is not there is forgotten already.
        let _ = fs::remove_file(&self.file);
    }

    /// Gives a new shell what an earlier one knew; tells what hinders it.
    pub(crate) fn bring_back(
        &self,
        bash: &mut Bash,
        is_directory: impl Fn(&Path) -> bool,
    ) -> Option<String> {
        let kept = match fs::read(&self.file) {
            Ok(kept) => kept,
            Err(err) if err.kind() == ErrorKind::NotFound => return None,
            Err(err) => return Some(format!("the session can't be read: {err}")),
        };
        match serde_json::from_slice::<ShellState>(&kept) {
            Ok(mut state) => {
                let gone = (!is_directory(&state.cwd))
                    .then(|| format!("{} is gone, going on in {DIRECTORY}", state.cwd.display()));
                if gone.is_some() {
                    state.cwd = PathBuf::from(DIRECTORY);
                }
                bash.restore_shell_state(&state);
                gone
            }
            Err(_) => Some("the session is lost, starting anew".to_owned()),
        }
    }

    /// Keeps what a shell knows; tells what hinders it.
    pub(crate) fn keep(&self, bash: &Bash) -> Option<String> {
        let mut state = bash.shell_state();
        // It has run at the end of its command.
        state.traps.remove("EXIT");
        let kept = match serde_json::to_vec(&state) {
            Ok(kept) if kept.len() <= MOST => kept,
            Ok(_) => return Some("the session is too large to be kept".to_owned()),
            Err(err) => return Some(format!("the session can't be kept: {err}")),
        };
        fs::write(&self.file, kept).err().map(|err| format!("the session can't be kept: {err}"))
    }
}
