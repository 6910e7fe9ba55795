//! The programs of a rollout: which of them serves which name, and the files
//! that are theirs.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};

use bstr::ByteSlice as _;
use catena_tree::TreeId;
use catena_tree::worktree::{
    Access, Links, NodeKind, OnExisting, Quota, Worktree, WorktreeOptions,
};

use super::mounts::{Mode, Mount, PROGRAM_DEVICE, ROOT_DEVICE};
use super::{LoadedPlugin, Session, lock};
use crate::capability::Effective;
use crate::native::NativeOffer;
use crate::program::{DirectoryUse, ProgramTable};

/// A program that is loaded, with its files.
pub(crate) struct LoadedProgram {
    pub(crate) plugin: LoadedPlugin,
    files: Vec<(String, Arc<Mutex<Worktree>>)>,
}

impl LoadedProgram {
    pub(crate) fn table(&self) -> &ProgramTable {
        &self.plugin.spec.manifest.program
    }

    pub(crate) fn commands(&self) -> Vec<&str> {
        self.table().commands_of(self.plugin.name())
    }
}

/// The programs that plugins of this session may be granted.
#[derive(Default)]
pub(crate) struct ProgramTableOfSession {
    loaded: Vec<Arc<LoadedProgram>>,
    root: Option<Arc<Mutex<Worktree>>>,
    native: Vec<NativeOffer>,
}

impl ProgramTableOfSession {
    /// The commands that a plugin with these rights may start, sorted.
    pub(crate) fn commands(&self, rights: &Effective) -> Vec<String> {
        let granted =
            self.loaded.iter().filter(|program| rights.programs.contains(program.plugin.name()));
        let mut names: Vec<String> =
            granted.flat_map(|program| program.commands()).map(str::to_owned).collect();
        for offer in self.native.iter().filter(|offer| rights.programs.contains(&offer.name)) {
            names.push(offer.name.clone());
            names.extend(offer.commands.iter().cloned());
        }
        names.sort();
        names.dedup();
        names
    }

    /// The granted commands outside the sandbox that have `command` among them.
    pub(crate) fn native(&self, command: &str, rights: &Effective) -> Option<&NativeOffer> {
        let granted = self.native.iter().filter(|offer| rights.programs.contains(&offer.name));
        let serves = |offer: &&NativeOffer| {
            offer.name == command || offer.commands.iter().any(|name| name == command)
        };
        granted.into_iter().find(serves)
    }

    /// The program that `command` starts: of several, one that is granted.
    pub(crate) fn serving(&self, command: &str, rights: &Effective) -> Option<Arc<LoadedProgram>> {
        let serves = |program: &&Arc<LoadedProgram>| {
            program.plugin.name() == command || program.commands().contains(&command)
        };
        let granted =
            |program: &&Arc<LoadedProgram>| rights.programs.contains(program.plugin.name());
        let serving = || self.loaded.iter().filter(serves);
        serving().find(granted).or_else(|| serving().next()).cloned()
    }
}

impl Session {
    /// The same session with these programs.
    #[must_use]
    pub fn with_programs(mut self, programs: Vec<LoadedPlugin>) -> Self {
        if programs.is_empty() {
            return self;
        }
        let loaded = programs.into_iter().map(|plugin| {
            let files = plugin.spec.manifest.program.files.iter();
            let files = files.map(|(path, tree)| (path.clone(), self.sealed_worktree(*tree)));
            Arc::new(LoadedProgram { files: files.collect(), plugin })
        });
        let loaded: Vec<Arc<LoadedProgram>> = loaded.collect();
        let places = loaded.iter().flat_map(|program| program.files.iter().map(|(path, _)| path));
        let root = self.root_directory(places.map(String::as_str));
        self.programs.loaded = loaded;
        self.programs.root = Some(root);
        self
    }

    /// The same session with these commands outside the sandbox.
    #[must_use]
    pub fn with_native(mut self, native: Vec<NativeOffer>) -> Self {
        self.programs.native = native;
        self
    }

    /// Whether a plugin with these rights sees a directory at an absolute path.
    pub(crate) fn has_directory(&self, rights: &Effective, directory: &str) -> bool {
        opened_directory(&self.own_mounts(rights), directory).is_some()
    }

    pub(super) fn sealed_worktree(&self, tree: TreeId) -> Arc<Mutex<Worktree>> {
        let options = WorktreeOptions {
            base_time: self.clock.unix_seconds(),
            quota: Quota { bytes: 0, entries: 0 },
            access: Access::ReadOnly,
        };
        Arc::new(Mutex::new(Worktree::new(self.objects.clone(), tree, options)))
    }

    /// `/` as programs see it that want one: `/dev/null`, and where all other
    /// directories are.
    fn root_directory<'a>(&self, places: impl Iterator<Item = &'a str>) -> Arc<Mutex<Worktree>> {
        let options = WorktreeOptions {
            base_time: self.clock.unix_seconds(),
            quota: Quota { bytes: 1 << 16, entries: 256 },
            access: Access::ReadWrite,
        };
        let mut root = Worktree::new(self.objects.clone(), TreeId::EMPTY, options);
        let own = ["dev", "workspace", "tmp", "home/agent"].into_iter();
        for place in own.chain(places.map(|place| place.trim_start_matches('/'))) {
            if let Ok(path) = place.parse() {
                // A place that can't be made is missing from a listing of `/`.
                let _ = root.create_dirs(&path);
            }
        }
        if let Ok(path) = "dev".parse()
            && let Ok(dev) = root.create_dirs(&path)
        {
            let _ = root.create_file(dev, b"null".as_bstr(), OnExisting::Open);
        }
        Arc::new(Mutex::new(root))
    }

    /// What a program sees that works in `directory`, which is an absolute guest
    /// path or one below the worktree; `None` where there is no such directory.
    pub(crate) fn program_mounts(
        &self,
        program: &LoadedProgram,
        rights: &Effective,
        directory: &str,
    ) -> Option<Vec<Mount>> {
        let mut mounts = self.own_mounts(rights);
        let opened = match opened_directory(&mounts, directory) {
            // Without mounts there is no directory, which is no failure.
            None if !mounts.is_empty() => return None,
            opened => opened,
        };
        for (path, worktree) in &program.files {
            let node = lock(worktree).root();
            mounts.push(Mount {
                guest_path: Cow::Owned(path.clone()),
                worktree: worktree.clone(),
                node,
                device: PROGRAM_DEVICE,
                mode: Mode::ReadOnly,
                refused: Arc::default(),
            });
        }
        match program.table().directory {
            DirectoryUse::Opened => mounts.extend(opened),
            DirectoryUse::Variable => mounts.extend(self.programs.root.iter().map(|root| Mount {
                guest_path: Cow::Borrowed("/"),
                node: lock(root).root(),
                worktree: root.clone(),
                device: ROOT_DEVICE,
                mode: Mode::System,
                refused: Arc::default(),
            })),
        }
        Some(mounts)
    }
}

/// The directory as a mount under the name `.`, if it is one.
fn opened_directory(mounts: &[Mount], directory: &str) -> Option<Mount> {
    let absolute = absolute(directory);
    let (mount, rest) = mounts.iter().find_map(|mount| {
        let rest = absolute.strip_prefix(mount.guest_path.as_ref())?;
        (rest.is_empty() || rest.starts_with('/')).then_some((mount, rest))
    })?;
    let mut worktree = lock(&mount.worktree);
    let place = rest.trim_matches('/');
    let place = if place.is_empty() { "." } else { place };
    let found = worktree.resolve(mount.node, place.as_bytes().as_bstr(), Links::Follow).ok()?;
    let node = found.node().ok()?;
    let is_directory = worktree.kind(node).ok()? == NodeKind::Directory;
    let (guest_path, refused) = (Cow::Borrowed("."), Arc::default());
    is_directory.then(|| Mount { guest_path, node, refused, ..mount.clone() })
}

/// A working directory as an absolute guest path.
pub(crate) fn absolute(directory: &str) -> String {
    if directory.starts_with('/') {
        directory.to_owned()
    } else {
        format!("/workspace/{directory}").trim_end_matches('/').to_owned()
    }
}
