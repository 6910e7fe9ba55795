//! The entries every test begins with, as a git tree and as a directory.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use bytes::Bytes;
use catena_tree::objects::NoObjects;
use catena_tree::{EntryKind, MemoryObjects, Objects as _, TreeEntry, TreeId};

/// Files by directory and name.
const FILES: [(&str, &str, &str); 3] =
    [("", "readme", "read me\n"), ("src", "lib.py", "def f():\n    pass\n"), ("src", "x", "x")];

/// Symlinks in the topmost directory.
const LINKS: [(&str, &str); 6] = [
    ("file-link", "src/lib.py"),
    ("dir-link", "src"),
    ("dangling", "src/none"),
    ("loop", "loop"),
    ("away", "/etc/passwd"),
    ("above", "src/../../beside"),
];

/// The entries as a tree.
pub(crate) fn tree(objects: &MemoryObjects<NoObjects>) -> TreeId {
    let blob = |text: &str| objects.insert_blob(Bytes::copy_from_slice(text.as_bytes()));
    let files = |dir: &str| {
        let inside = FILES.into_iter().filter(move |(of, ..)| *of == dir);
        let entry = |(_, name, text): (&str, &str, &str)| TreeEntry {
            name: name.into(),
            kind: EntryKind::File { id: blob(text), executable: false },
            size: None,
        };
        inside.map(entry).collect::<Vec<_>>()
    };
    let src = objects.insert_tree(files("src")).unwrap();
    let mut entries = files("");
    entries.push(TreeEntry { name: "src".into(), kind: EntryKind::Directory(src), size: None });
    entries.extend(LINKS.map(|(name, target)| TreeEntry {
        name: name.into(),
        kind: EntryKind::Symlink(blob(target)),
        size: None,
    }));
    objects.insert_tree(entries).unwrap()
}

/// The entries in a directory of this machine.
pub(crate) fn write(root: &Path) {
    for (dir, name, text) in FILES {
        fs::create_dir_all(root.join(dir)).unwrap();
        fs::write(root.join(dir).join(name), text).unwrap();
    }
    for (name, target) in LINKS {
        std::os::unix::fs::symlink(target, root.join(name)).unwrap();
    }
}

/// Content by path; of a symlink its target, behind an arrow.
pub(crate) type Files = BTreeMap<String, String>;

/// What a tree holds.
pub(crate) fn list(objects: &MemoryObjects<NoObjects>, tree: TreeId) -> Files {
    let mut files = Files::new();
    let mut ahead = vec![(String::new(), tree)];
    while let Some((above, tree)) = ahead.pop() {
        for entry in objects.tree(tree).unwrap().iter() {
            let path = format!("{above}{}", entry.name);
            let text = |id| shown(&objects.blob(id).unwrap());
            match entry.kind {
                EntryKind::Directory(id) => ahead.push((path + "/", id)),
                EntryKind::File { id, .. } => drop(files.insert(path, text(id))),
                EntryKind::Symlink(id) => drop(files.insert(path, format!("-> {}", text(id)))),
                EntryKind::Submodule(_) => panic!("a submodule at {path}"),
            }
        }
    }
    files
}

/// What a directory of this machine holds. Empty directories are left out, as
/// trees leave them out.
pub(crate) fn read(root: &Path) -> Files {
    let mut files = Files::new();
    let mut ahead = vec![(String::new(), root.to_owned())];
    while let Some((above, dir)) = ahead.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{above}{}", shown(entry.file_name().as_bytes()));
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                ahead.push((path + "/", entry.path()));
            } else if kind.is_symlink() {
                let target = fs::read_link(entry.path()).unwrap().into_os_string();
                files.insert(path, format!("-> {}", shown(target.as_bytes())));
            } else {
                files.insert(path, shown(&fs::read(entry.path()).unwrap()));
            }
        }
    }
    files
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
